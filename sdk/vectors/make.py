#!/usr/bin/env python3
"""Makes signing.json with nothing but Python's standard library.

A second implementation of the scheme in crates/abi/src/{canonical,signing}.rs, so that the vectors do not
merely repeat what the first one does. Run it after changing the scheme: ./make.py > signing.json
"""
import hashlib
import hmac
import json

SALT = b"aion.dev/syscall/v1"


def hkdf(secret: bytes, info: bytes) -> bytes:
    """RFC 5869 for one block of output."""
    prk = hmac.new(SALT, secret, hashlib.sha256).digest()
    return hmac.new(prk, info + b"\x01", hashlib.sha256).digest()


def vector(name, *, secret=bytes(range(32)), instance="3f0c8a52-6e0b-4a51-9d53-6a3fb0b0b7a1", incarnation=1,
           path="/v1/sys/null", timestamp=1767225600000, counter=1, idempotency=None, deadline=None, body=""):
    key = hkdf(secret, instance.encode() + b"\x00" + incarnation.to_bytes(4, "big"))
    canonical = "\n".join([
        "AION-HMAC-SHA256-V1", "POST", path, str(timestamp), str(counter), idempotency or "",
        "" if deadline is None else str(deadline), hashlib.sha256(body.encode()).hexdigest(),
    ])
    return {
        "name": name,
        "nodeSecret": secret.hex(), "instance": instance, "incarnation": incarnation, "key": key.hex(),
        "request": {"method": "POST", "path": path, "timestampMs": timestamp, "counter": counter,
                    "idempotencyKey": idempotency, "deadlineMs": deadline, "body": body},
        "canonical": canonical,
        "signature": hmac.new(key, canonical.encode(), hashlib.sha256).hexdigest(),
    }


print(json.dumps({
    "scheme": "AION-HMAC-SHA256-V1",
    "vectors": [
        vector("an empty body"),
        vector("a json body with a deadline", path="/v1/memory/recall", counter=2, deadline=5000,
               body='{"query":"heute","k":8}'),
        vector("an effect with an idempotency key", path="/v1/memory/remember", counter=3, idempotency="k-7",
               body='{"items":[{"text":"Grüße"}]}'),
        vector("a later run of the instance has another key", incarnation=2),
        vector("the largest numbers", counter=2**64 - 1, deadline=2**64 - 1, incarnation=2**32 - 1),
        vector("another node has another key", secret=bytes([0xff] * 32)),
    ],
}, indent=2, ensure_ascii=False))
