//! Agents that are programs in images, the whole way: built, signed, unpacked, confined, asked.

#![allow(clippy::unwrap_used)]

use std::{fs, process::Command};

use aion_e2e::{cluster::root, programs::Programs, standalone::Standalone};
use aion_testkit::{Interpreter, McpServer};
use serde_json::{Value, json};

/// `None`, and the test skipped, where the interpreter is not on this machine.
fn start(interpreter: Interpreter) -> anyhow::Result<Option<Programs<Standalone>>> {
    let node = Standalone::start(interpreter.name())?.with_policies()?;
    Programs::on(node, interpreter)
}

/// The sample of a language uses memory, a tool and files.
fn notebook(interpreter: Interpreter) -> anyhow::Result<()> {
    let Some(mut programs) = start(interpreter)? else {
        return Ok(());
    };
    let server = McpServer::start()?;
    let sample = root().join("agents/notebook").join(interpreter.name());
    let folder = programs.node.path("sample");
    let copied = Command::new("cp")
        .arg("-r")
        .args([&sample, &folder])
        .status()?;
    assert!(copied.success());
    let digest = programs.trust(&folder)?;
    let name = format!("notebook-{}", interpreter.name());
    programs.apply(&[
        json!({
            "apiVersion": "aion.dev/v1alpha1", "kind": "Tool", "metadata": {"name": "probe"},
            "spec": {"mcp": {"http": {"url": server.url()}}},
        }),
        json!({"apiVersion": "aion.dev/v1alpha1", "kind": "MemoryPool", "metadata": {"name": "notes"}, "spec": {}}),
        json!({
            "apiVersion": "aion.dev/v1alpha1", "kind": "Agent", "metadata": {"name": "notebook"},
            "spec": {
                "runtime": "process", "bundle": {"name": name, "digest": digest},
                "memory": {"pool": "notes"}, "tools": [{"name": "probe"}],
                "permissions": {
                    "allow": ["probe.echo"],
                    "files": [{"mount": "input", "mode": "read"}, {"mount": "output", "mode": "readWrite"}],
                },
            },
        }),
    ])?;
    let file = programs.node.path("orders.csv");
    fs::write(&file, "a,b\n1,2\n3,4")?;
    let output = programs.node.path("output");
    for notes in 0..2 {
        let answer = programs.node.aionctl(&[
            "run",
            "notebook",
            "Buy bread",
            "--file",
            &file.to_string_lossy(),
            "--output-dir",
            &output.to_string_lossy(),
        ])?;
        for part in [
            "Noted: Buy bread",
            &format!("Notes before this one: {notes}"),
            "orders.csv: 3 lines",
            "probe.echo says Buy bread",
        ] {
            assert!(answer.contains(part), "{part} is not in: {answer}");
        }
    }
    assert!(fs::read_to_string(output.join("notebook.txt"))?.starts_with("Noted: Buy bread"));
    let log = programs.node.aionctl(&["logs", "notebook"])?;
    assert!(log.contains("notebook runs on"), "{log}");
    Ok(())
}

#[test]
fn an_agent_in_python_uses_memory_files_and_a_tool() -> anyhow::Result<()> {
    notebook(Interpreter::Python)
}

#[test]
fn an_agent_for_node_uses_memory_files_and_a_tool() -> anyhow::Result<()> {
    notebook(Interpreter::Node)
}

/// Node's two ways to watch a file, and how each fares.
const WATCHER: &str = r#"
const fs = require("fs");
try { fs.watch("/tmp", () => {}); console.log("fs.watch: watches"); } catch (error) { console.log(`fs.watch: ${error.code}`); }
fs.watchFile("/tmp/looked-at", {interval: 20}, () => { console.log("fs.watchFile: saw it"); process.exit(0); });
let length = 0;
setInterval(() => fs.writeFileSync("/tmp/looked-at", "x".repeat(++length)), 50);
"#;

#[test]
fn a_program_that_watches_files_hears_that_it_cannot_and_looks_for_itself() -> anyhow::Result<()> {
    let Some(mut programs) = start(Interpreter::Node)? else {
        return Ok(());
    };
    programs.agent("watcher", WATCHER, json!({"limits": {"turnSeconds": 60}}))?;
    let said = programs.ask("watcher");
    assert!(said.contains("ended without an answer"), "{said}");
    let log = programs.node.aionctl(&["logs", "watcher"])?;
    assert!(log.contains("fs.watch: ENOSYS"), "{log}");
    assert!(log.contains("fs.watchFile: saw it"), "{log}");
    Ok(())
}

#[test]
fn however_a_program_ends_its_caller_reads_why() -> anyhow::Result<()> {
    let Some(mut programs) = start(Interpreter::Python)? else {
        return Ok(());
    };
    let limits = || json!({"limits": {"turnSeconds": 20, "memoryMiB": 64, "pids": 8}});
    for (name, source, sentence) in [
        ("silent", "pass", "the program ended without an answer"),
        (
            "failing",
            "raise SystemExit(70)",
            "the program exited with code 70",
        ),
        (
            "greedy",
            "x = bytearray(1 << 30)\nfor i in range(0, 1 << 30, 4096): x[i] = 1",
            "more memory than it may",
        ),
        // The program itself goes on, and fails for want of its child.
        (
            "parent-of-greedy",
            "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'x = bytearray(1 << 30)\\nfor i in range(0, 1 << 30, 4096): x[i] = 1'], check=True)",
            "more memory than it may",
        ),
        (
            "busy",
            "import threading, time\nfor i in range(64): threading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
            "refused a process or thread before: it had as many as it may",
        ),
        (
            "killed",
            "import os\nos.kill(os.getpid(), 9)\nimport time; time.sleep(60)",
            "took longer than it may",
        ),
        (
            "crashed",
            "import ctypes; ctypes.string_at(0)",
            "ended by signal 11",
        ),
    ] {
        programs.agent(name, source, limits())?;
        let said = programs.ask(name);
        assert!(said.starts_with("refused: "), "{name}: {said}");
        assert!(said.contains(sentence), "{name}: {said}");
    }
    let why = programs.node.aionctl(&["why", "busy"])?;
    assert!(why.contains("limits.pids"), "{why}");
    Ok(())
}

/// Makes calls as somebody else might, and answers with what became of each.
const FORGER: &str = r#"
import hashlib, hmac, http.client, json, os, socket, time
boot = json.load(os.fdopen(3, "rb"))
own = bytes.fromhex(boot["key"])

def call(path, counter, body=b"{}", key=own, sent=None, seconds=0, said=None, signed=True, slow=False):
    stamp = str(time.time_ns() // 1_000_000 + seconds * 1000)
    text = ["AION-HMAC-SHA256-V1", "POST", path, stamp, str(counter), "", "", hashlib.sha256(body).hexdigest()]
    headers = {"content-type": "application/json"}
    if signed:
        headers["aion-timestamp"], headers["aion-counter"] = stamp, str(counter)
        headers["aion-signature"] = hmac.new(key, "\n".join(text).encode(), hashlib.sha256).hexdigest()
    connection = http.client.HTTPConnection("aion")
    connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.sock.connect("/run/aion.sock")
    body = sent or body
    connection.putrequest("POST", said or path)
    for name, value in (headers | {"content-length": str(len(body))}).items():
        connection.putheader(name, value)
    connection.endheaders()
    # The headers alone are refused, and the reason is there to be read all the same.
    if slow:
        time.sleep(0.3)
    connection.send(body)
    answer = json.loads(connection.getresponse().read() or b"{}")
    connection.close()
    return answer.get("code", "done")

null = "/v1/sys/null"
# The daemon refuses what an earlier one may have taken, for its first second.
while call(null, 1) == "stale":
    time.sleep(0.2)
said = {
    "replayed": call(null, 1),
    "another's": call(null, 2, key=bytes(32)),
    "altered": call(null, 3, sent=b'{"a": 1}'),
    "elsewhere": call(null, 4, said="/v1/memory/recall"),
    "late": call(null, 5, seconds=-60),
    "late and slow": call(null, 5, seconds=-60, slow=True),
    "early": call(null, 6, seconds=60),
    "unsigned": call(null, 7, signed=False),
    "own": call(null, 8),
}
text = json.dumps({"kind": "final", "text": " ".join(f"{what}={came}" for what, came in said.items())})
call("/v1/agent/message", 9, text.encode())
"#;

#[test]
fn a_call_that_is_forged_replayed_or_late_is_refused_and_the_programs_own_is_not()
-> anyhow::Result<()> {
    let Some(mut programs) = start(Interpreter::Python)? else {
        return Ok(());
    };
    programs.agent("forger", FORGER, json!({"limits": {"turnSeconds": 60}}))?;
    let answer = programs.ask("forger");
    let came = "replayed=replayed another's=bad-signature altered=bad-signature elsewhere=bad-signature \
                late=stale late and slow=stale early=stale unsigned=bad-signature own=done";
    assert!(answer.contains(came), "{answer}");
    Ok(())
}

/// Tries what its sandbox refuses, starts a program, and ends.
const CURIOUS: &str = r#"
import os, subprocess, sys
try:
    os.mkdir("/app/mine")
except OSError:
    pass
subprocess.run([sys.executable, "-c", "pass"])
raise SystemExit(3)
"#;

#[test]
fn what_a_program_does_in_the_kernel_is_told_with_its_turn() -> anyhow::Result<()> {
    let Some(mut programs) = start(Interpreter::Python)? else {
        return Ok(());
    };
    programs.agent("curious", CURIOUS, json!({"limits": {"turnSeconds": 60}}))?;
    programs.ask("curious");
    let why = programs.node.aionctl(&["why", "curious", "-o", "json"])?;
    let why: Value = serde_json::from_str(&why)?;
    let followed = programs.node.aionctl(&["trace", "curious"]);
    assert!(followed.is_err(), "it says where it looks: --kernel");
    let traces = why["kernelEvents"].as_array().cloned().unwrap_or_default();
    if traces.is_empty() {
        let refused = programs.node.aionctl(&["trace", "curious", "--kernel"]);
        let Err(refused) = refused else {
            anyhow::bail!("nothing was followed, and it does not say so");
        };
        aion_testkit::skip("eBPF", &refused.to_string());
        return Ok(());
    }
    let found = |kind: &str, field: &str, value: &str| {
        let mut all = traces.iter();
        all.any(|it| {
            let event = &it["event"];
            let text = event[field].as_str().unwrap_or_default();
            event["kind"] == kind && text.contains(value) && it["turn"].as_u64() > Some(0)
        })
    };
    assert!(found("denied", "call", "mkdir"), "{why:#}");
    assert!(found("exec", "text", "python"), "{why:#}");
    let drawn = programs.node.aionctl(&["why", "curious"])?;
    assert!(
        drawn.contains("done in the kernel of the machine"),
        "{drawn}"
    );
    Ok(())
}
