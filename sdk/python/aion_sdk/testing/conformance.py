"""Holds a kernel against sdk/conformance/cases.json, from within a turn. Which kernel it is may not enter.

As a program: python3 -m aion_sdk.testing.conformance CASES [memory] [files] [tool] [embedding]
"""

from __future__ import annotations

import base64
import json
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .._core.boot import Boot, inherited
from .._core.effects import Plan, Response, Send
from .._core.session import path_of
from .._core.signing import Key, canonical
from .._transport import Transport

# They pass by themselves; a step that does not expect them is made again.
PASSING = ("stale", "restarting", "overloaded")


class Judge:
    """Makes the steps of cases, and says what is not as expected."""

    def __init__(self, boot: Boot, socket: str) -> None:
        self._boot = boot
        self._transport = Transport(socket=socket)
        self._counter = 0

    def held(self, cases: Iterable[Mapping[str, Any]], has: Iterable[str]) -> tuple[int, list[str]]:
        """How many cases were held against it, and all that is wrong. Cases that need more than it has are left out."""
        offered, count, wrong = set(has), 0, []
        for case in cases:
            if set(case.get("needs", ())) <= offered:
                count += 1
                wrong += self._case(case)
        return count, wrong

    def say(self, kind: str, text: str) -> None:
        """Ends the turn."""
        body = {"kind": kind, "text": text}
        self._step({"call": "agent.message", "body": body, "key": f"t{self._boot.turn}.said-last", "expect": {}})

    def _case(self, case: Mapping[str, Any]) -> list[str]:
        known = {"turn": str(self._boot.turn)}
        for at, step in enumerate(case["steps"]):
            place = f"{case['name']}, step {at + 1} ({step['call']})"
            response, answer = self._step(_filled(step, known))
            if why := _differs(step["expect"], response, answer):
                return [f"{place}: {why}"]
            for name, path in step.get("save", {}).items():
                known[name] = str(_found(answer, path))
        return []

    def _step(self, step: Mapping[str, Any]) -> tuple[Response, Any]:
        while True:
            response = self._transport.run(self._sent(step))
            answer = json.loads(response.body or b"null")
            code = answer.get("code") if isinstance(answer, dict) else None
            if code not in PASSING or step["expect"].get("code") == code:
                return response, answer
            time.sleep(0.2)

    def _sent(self, step: Mapping[str, Any]) -> Plan[Response]:
        sign = step.get("sign", {})
        body = (step["raw"] if "raw" in step else json.dumps(step["body"], ensure_ascii=False)).encode()
        path = path_of(step["call"])
        counter = sign.get("counter")
        if counter is None:
            self._counter += 1
        if counter is None or counter == "last":
            counter = self._counter
        stamp = time.time_ns() // 1_000_000 + sign.get("shiftMs", 0)
        key = Key(sign["key"]) if "key" in sign else self._boot.key
        named = step.get("key")
        signed = sign["body"].encode() if "body" in sign else body
        headers = {
            "content-type": "application/json",
            "aion-timestamp": sign.get("timestamp", str(stamp)),
            "aion-counter": str(counter),
            "aion-signature": key.sign(canonical(path, stamp, counter, named, None, signed)),
        }
        if named is not None:
            headers["idempotency-key"] = named
        headers.pop(sign.get("without", ""), None)
        response: Response = yield Send("POST", path, headers, body)
        return response


def _filled(value: Any, known: Mapping[str, str]) -> Any:
    """A step with what is known in the place of names in braces."""
    if isinstance(value, str):
        for name, text in known.items():
            value = value.replace(f"{{{name}}}", text)
        return value
    if isinstance(value, dict):
        return {name: _filled(it, known) for name, it in value.items()}
    return [_filled(it, known) for it in value] if isinstance(value, list) else value


def _found(answer: Any, path: str) -> Any:
    for part in path.split("."):
        answer = answer[int(part)] if isinstance(answer, list) else answer[part]
    return answer


def _differs(expect: Mapping[str, Any], response: Response, answer: Any) -> str | None:
    status = expect.get("status")
    if status is not None and response.status != status:
        return f"HTTP {response.status}, and not {status}: {answer}"
    if "code" in expect:
        code = answer.get("code") if isinstance(answer, dict) else None
        return None if code == expect["code"] else f"{code}, and not {expect['code']}: {answer}"
    if "recorded" in expect and (response.headers.get("aion-outcome") == "recorded") is not expect["recorded"]:
        return f"recorded is not {expect['recorded']}"
    return _unlike(expect.get("body", {}), answer, "body")


def _unlike(wanted: Any, got: Any, place: str) -> str | None:
    if isinstance(wanted, dict) and isinstance(got, dict):
        for name, one in wanted.items():
            if name not in got:
                return f"{place}.{name} is missing in {got}"
            if why := _unlike(one, got[name], f"{place}.{name}"):
                return why
        return None
    if isinstance(wanted, list) and isinstance(got, list) and len(wanted) == len(got):
        whys = (_unlike(one, other, f"{place}[{at}]") for at, (one, other) in enumerate(zip(wanted, got)))
        return next((it for it in whys if it), None)
    return None if wanted == got else f"{place} is {got!r}, and not {wanted!r}"


def input_file() -> bytes:
    """What the cases read as `orders.csv`."""
    return base64.b64decode("YSxiCjEsMgozLDQ=")


def main(cases: str, *has: str) -> int:
    """Answers the turn of this process with what does not hold; 0 where all does."""
    judge = Judge(*inherited())
    count, wrong = judge.held(json.loads(Path(cases).read_text()), has)
    if wrong:
        judge.say("failed", f"{len(wrong)} of {count} cases do not hold:\n" + "\n".join(wrong))
        return 1
    judge.say("final", f"all {count} cases hold")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
