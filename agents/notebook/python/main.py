"""A notebook: keeps what it is told, counts the lines of the files it is given, and has its tool say it again.

An example of an agent in Python: memory, files and a tool, each by a syscall.
"""

import base64
import gc
import sys
import threading

from aion import Node, Refused

# Of a file, for one call.
PART = 256 * 1024


def lines_of(node, file):
    """How many lines a file of the caller's has. Its parts are of one version, or the node says `changed`."""
    offset, lines, last, version = 0, 0, b"", {}
    while True:
        part = node.call("fs.read", mount=file["mount"], path=file["path"], offset=offset, length=PART, **version)
        data = base64.b64decode(part["data"])
        if not data:
            return lines + (last not in (b"", b"\n"))
        lines, last, offset = lines + data.count(b"\n"), data[-1:], offset + len(data)
        if "version" in part:
            version = {"version": part["version"]}


def tools_of(node):
    """What it may call; an agent without tools may not even ask."""
    try:
        return node.call("tool.list")["tools"]
    except Refused as refused:
        if refused.code != "denied":
            raise
        return []


def answer(node):
    said = []
    known = node.call("memory.recall", query="", k=100)["hits"]
    if node.text:
        node.call("memory.remember", items=[{"text": node.text}])
        said.append(f"Noted: {node.text}")
    said.append(f"Notes before this one: {len(known)}")
    for file in node.files:
        said.append(f"{file['path']}: {lines_of(node, file)} lines")
    for tool in tools_of(node):
        if tool["name"].endswith(".echo"):
            called = node.call("tool.call", name=tool["name"], arguments={"text": node.text})
            said.append(f"{tool['name']} says {called['text']}")
    report = "\n".join(said) + "\n"
    data = base64.b64encode(report.encode()).decode()
    node.call("fs.write", mount="output", path="notebook.txt", data=data, mode="replace")
    return report


def listen(node):
    """Gives back what can be had again before the kernel ends what holds too much."""
    for notice in node.notices():
        if notice["notice"] == "pressure":
            gc.collect()
            print(f"memory pressure: {notice['heldBytes'] >> 20} of {notice['mostBytes'] >> 20} MiB", flush=True)


def main():
    node = Node()
    threading.Thread(target=listen, args=(node,), daemon=True).start()
    print(f"{node.agent} runs on Python {sys.version.split()[0]}", flush=True)
    try:
        node.call("agent.message", kind="final", text=answer(node))
    except Refused as refused:
        advice = f"; {refused.remedy}" if refused.remedy else ""
        node.call("agent.message", kind="failed", text=f"{refused}{advice}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
