"""Keys, and the signature of a request: docs/syscalls.md, "Signing". Held against sdk/vectors/."""

from __future__ import annotations

import hashlib
import hmac

SCHEME = "AION-HMAC-SHA256-V1"


class Key:
    """The key of one run. Neither `repr`, `str` nor pickling shows it."""

    __slots__ = ("_bytes",)

    def __init__(self, text: str) -> None:
        try:
            found = bytes.fromhex(text)
        except ValueError:
            found = b""
        if len(found) != 32 or len(text) != 64:
            # The text itself is the secret, and is not quoted.
            raise ValueError("the key is not 64 hex digits")
        self._bytes = found

    def sign(self, canonical: str) -> str:
        """Lower-case hex of HMAC-SHA256."""
        return hmac.new(self._bytes, canonical.encode(), hashlib.sha256).hexdigest()

    def verifies(self, canonical: str, signature: str) -> bool:
        """Whether this key made the signature."""
        return hmac.compare_digest(self.sign(canonical).encode(), signature.encode())

    def __repr__(self) -> str:
        return "Key(hidden)"

    def __reduce__(self) -> str:
        raise TypeError("a key is not pickled")


def canonical(
    path: str, timestamp_ms: int, counter: int, idempotency_key: str | None, deadline_ms: int | None, body: bytes
) -> str:
    """What is signed."""
    deadline = "" if deadline_ms is None else str(deadline_ms)
    digest = hashlib.sha256(body).hexdigest()
    parts = (SCHEME, "POST", path, str(timestamp_ms), str(counter), idempotency_key or "", deadline, digest)
    return "\n".join(parts)
