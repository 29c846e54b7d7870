"""What docs/sdk-python.md shows, runs: its blocks in order, in one module, and each test as it is defined."""

from pathlib import Path

from test_events import ANSWERED, ASKED, asked_of, listening
from test_gateway import ENDED, QUEUED, RECORD, TOKEN, door

DOCUMENT = Path(__file__).parents[3] / "docs" / "sdk-python.md"

__all__ = ["door"]


def test_each_example_of_the_document_runs(door, monkeypatch, tmp_path, capsys):
    (tmp_path / "token").write_text(TOKEN)
    monkeypatch.setenv("AION_GATEWAY_URL", door.url)
    monkeypatch.setenv("AION_GATEWAY_TOKEN_FILE", str(tmp_path / "token"))
    streamed = [QUEUED, {"event": "delta", "text": "Under the mat."}, ENDED]
    door.answers += [(200, streamed), (200, RECORD), (200, streamed)]
    missed = {"cursor": "1-2", "missed": {"events": 2, "because": "late"}}
    door.answers += [(200, [listening(1), missed, asked_of(4)]), (200, ASKED), (200, ANSWERED)]
    module, ran = {"__name__": "document"}, set()
    for at, rest in enumerate(DOCUMENT.read_text().split("```python\n")[1:]):
        exec(compile(rest.split("```")[0], f"example {at + 1}", "exec"), module)
        for name in [it for it in module if it.startswith("test_") and it not in ran]:
            module[name]()
            ran.add(name)
    assert len(ran) == 4 and not door.answers
    said = "not told: 2 late\ntool.call:mail.send {'arguments': {'to': 'Ann'}}\n"
    assert capsys.readouterr().out == f"Felix. ()\nUnder the mat.{said}"
