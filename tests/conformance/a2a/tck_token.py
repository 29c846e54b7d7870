"""A plugin of pytest that has A2A's test kit show the gateway's token, which it has no option for.

    PYTHONPATH=tests/conformance/a2a AION_TOKEN_FILE=~/.aion/gateway/token ./run_tck.py --sut-host … -- -p tck_token
"""

import os
from pathlib import Path
from typing import Any

import httpx

_TOKEN = Path(os.environ["AION_TOKEN_FILE"]).read_text().strip()
_send = httpx.Client.send


def send(client: httpx.Client, request: httpx.Request, **more: Any) -> httpx.Response:
    request.headers.setdefault("Authorization", f"Bearer {_TOKEN}")
    return _send(client, request, **more)


httpx.Client.send = send  # type: ignore[method-assign]
