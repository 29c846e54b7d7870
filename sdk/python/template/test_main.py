"""Runs the agent without a node: pytest."""

from aion_sdk.testing import FakeKernel

from main import agent


def test_it_remembers() -> None:
    with FakeKernel() as kernel:
        assert kernel.ask(agent, "The key is under the mat").text == "Noted."
        assert "under the mat" in (kernel.ask(agent, "Where is the key?").text or "")
