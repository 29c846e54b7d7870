"""Signed null syscalls by the SDK, and the same bodies by httpx alone to a server that gives them back: which is first changes from
round to round. Reads the boot document and both sockets from its input; prints a pair of rates for each round."""

import json
import sys
import time

import httpx
from aion_sdk import Boot, SyscallClient

given = json.load(sys.stdin)
body = {"text": "x" * 1000}
client = SyscallClient(Boot.of(given["boot"]), given["socket"])
bare = httpx.Client(transport=httpx.HTTPTransport(uds=given["echo"], verify=False), base_url="http://echo", trust_env=False)


def signed():
    client.call("sys.null", body)


def echoed():
    bare.post("/v1/sys/null", json=body).raise_for_status().json()


def rate(call):
    begun = time.perf_counter()
    for _ in range(given["calls"]):
        call()
    return given["calls"] / (time.perf_counter() - begun)


# The first round warms both up and does not count.
for number in range(given["rounds"] + 1):
    kinds = [signed, echoed] if number % 2 else [echoed, signed]
    rates = {kind.__name__: rate(kind) for kind in kinds}
    if number:
        print(rates["signed"], rates["echoed"], flush=True)
