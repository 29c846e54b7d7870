"""The fake kernel answers as the real one does; tests/e2e/tests/sdk_python.rs holds that against the same cases."""

import json
import os
import sys
from pathlib import Path

import pytest

from aion_sdk import Boot
from aion_sdk.testing import FakeKernel
from aion_sdk.testing.conformance import Judge, input_file

CASES = json.loads((Path(__file__).parents[2] / "conformance" / "cases.json").read_text())


def echo(text: str) -> str:
    return text


def fail() -> str:
    raise ValueError("it fails")


@pytest.mark.parametrize("case", CASES, ids=[it["name"] for it in CASES])
def test_the_fake_kernel_holds(case):
    with FakeKernel(tools={"probe.echo": echo, "probe.fail": fail}) as kernel:
        boot = Boot.of(kernel.begin("", files={"orders.csv": input_file()}))
        count, wrong = Judge(boot, kernel.socket).held([case], ["memory", "files", "tool", "embedding"])
        assert (count, wrong) == (1, [])


def test_the_cases_are_a_program_of_their_own():
    cases = Path(__file__).parents[2] / "conformance" / "cases.json"
    package = Path(__file__).parents[1]
    with FakeKernel(tools={"probe.echo": echo, "probe.fail": fail}) as kernel:
        command = [sys.executable, "-m", "aion_sdk.testing.conformance", str(cases), "memory", "files"]
        env = {"PYTHONPATH": f"{package}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
        asked = kernel.run(command, "", files={"orders.csv": input_file()}, env=env)
        held = sum(set(it.get("needs", ())) <= {"memory", "files"} for it in CASES)
        assert asked.text == f"all {held} cases hold", asked
