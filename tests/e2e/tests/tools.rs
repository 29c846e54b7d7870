//! A tool that is a process, the whole way: an agent's syscall, the daemon's pipe, a confined MCP server.

#![allow(clippy::unwrap_used)]

use std::{
    fmt::Write as _,
    fs,
    net::TcpListener,
    os::unix::{
        fs::PermissionsExt,
        net::{UnixDatagram, UnixListener},
    },
};

use aion_e2e::{cluster::BOUND, guest::bundle, program, standalone::Standalone};
use aion_testkit::until;
use serde_json::{Value, json};

/// Languages that servers are written in, each with something that it does by a pair of sockets or a thread.
const PROGRAMS: &str = r#"
if test -x /usr/bin/python3; then
    /usr/bin/python3 -c "import asyncio; asyncio.run(asyncio.sleep(0)); print('works')" 2>&1
fi
if test -x /usr/bin/node; then
    /usr/bin/node -e "console.log(require('child_process').execFileSync('/bin/echo', ['works']).toString().trim())" 2>&1
fi"#;

/// A guest that makes tool calls, one after the other, and answers with their responses in hex.
fn caller(calls: &[Value]) -> Vec<u8> {
    let (mut data, mut steps, mut at) = (String::new(), String::new(), 4096);
    for call in calls {
        let body = call.to_string();
        let _ = writeln!(data, "(data (i32.const {at}) {body:?})");
        let _ = writeln!(
            steps,
            "(call $make (i32.const {at}) (i32.const {}))",
            body.len()
        );
        at += body.len();
    }
    let module = format!(
        r#"(module
    (import "aion" "syscall" (func $syscall (param i32 i32 i32 i32) (result i32)))
    (import "aion" "response_read" (func $read (param i32 i32) (result i32)))
    (memory (export "memory") 16)
    (data (i32.const 0) "tool.call")
    (data (i32.const 16) "agent.message")
    (data (i32.const 64) "0123456789abcdef")
    (data (i32.const 262144) "{{\22kind\22:\22final\22,\22text\22:\22")
    {data}
    (global $to (mut i32) (i32.const 262168))
    (func $put (param $byte i32)
        (i32.store8 (global.get $to) (local.get $byte))
        (global.set $to (i32.add (global.get $to) (i32.const 1))))
    (func $make (param $at i32) (param $length i32) (local $n i32) (local $i i32)
        (drop (call $syscall (i32.const 0) (i32.const 9) (local.get $at) (local.get $length)))
        (block $end (loop $more
            (local.set $n (call $read (i32.const 65536) (i32.const 65536)))
            (br_if $end (i32.le_s (local.get $n) (i32.const 0)))
            (local.set $i (i32.const 0))
            (loop $byte
                (call $put (i32.load8_u (i32.add (i32.const 64)
                    (i32.shr_u (i32.load8_u (i32.add (i32.const 65536) (local.get $i))) (i32.const 4)))))
                (call $put (i32.load8_u (i32.add (i32.const 64)
                    (i32.and (i32.load8_u (i32.add (i32.const 65536) (local.get $i))) (i32.const 15)))))
                (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (br_if $byte (i32.lt_u (local.get $i) (local.get $n))))
            (br $more)))
        (call $put (i32.const 44)))
    (func (export "_start")
        {steps}
        (call $put (i32.const 34))
        (call $put (i32.const 125))
        (drop (call $syscall (i32.const 16) (i32.const 13) (i32.const 262144)
            (i32.sub (global.get $to) (i32.const 262144))))))"#
    );
    wat::parse_str(module).unwrap()
}

/// What each call of `calls` came to, as an agent of `name` made it.
fn called(node: &Standalone, name: &str, calls: &[Value]) -> anyhow::Result<Vec<Value>> {
    let folder = bundle(node, name, &caller(calls))?;
    let (digest, key) = node.sign(&folder)?;
    let trust = json!({
        "apiVersion": "aion.dev/v1alpha1", "kind": "TrustPolicy", "metadata": {"name": name},
        "spec": {"keys": [{"name": "machine", "purpose": "machine", "publicKey": key, "digests": [digest]}]},
    });
    let agent = json!({
        "apiVersion": "aion.dev/v1alpha1", "kind": "Agent", "metadata": {"name": name},
        "spec": {
            "runtime": "wasm", "bundle": {"name": name, "digest": digest},
            "tools": [{"name": "probe"}, {"name": "broken"}, {"name": "absent"}],
            "permissions": {"allow": [
                "probe.read", "probe.list", "probe.write", "probe.connect", "probe.send", "probe.run", "probe.self",
                "broken.read", "absent.read",
            ]},
        },
    });
    let path = node.path("agent.yaml");
    fs::write(&path, format!("{trust}\n---\n{agent}\n"))?;
    node.aionctl(&["apply", "--wait", "120", "-f", &path.to_string_lossy()])?;
    let answer = node.aionctl(&["ask", name, "go"])?;
    let hex = answer.trim().trim_end_matches(',').split(',');
    hex.map(|hex| {
        let bytes: Vec<u8> = hex
            .as_bytes()
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect();
        Ok(serde_json::from_slice(&bytes)?)
    })
    .collect()
}

fn call(name: &str, at: &str) -> Value {
    json!({"name": name, "arguments": {"at": at}})
}

#[test]
fn a_server_of_somebody_elses_does_its_work_and_reaches_nothing_besides() -> anyhow::Result<()> {
    let node = Standalone::start("tools")?.with_policies()?;
    let docs = node.path("docs");
    fs::create_dir(&docs)?;
    fs::write(docs.join("note.txt"), "the door is blue")?;
    node.aionctl(&["mount", "add", "docs", &docs.to_string_lossy()])?;
    // Nobody's, in the one folder that everybody may write to and that lies beside the devices.
    let shared = tempfile::tempdir_in("/dev/shm")?;
    fs::set_permissions(shared.path(), fs::Permissions::from_mode(0o777))?;
    let shared_path = shared.path().to_string_lossy().into_owned();
    node.aionctl(&["mount", "add", "shared", &shared_path])?;
    // Somebody listens in a folder that is shown, where everybody may connect.
    let socket = docs.join("socket");
    let _listener = UnixListener::bind(&socket)?;
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o777))?;
    let datagrams = UnixDatagram::bind(docs.join("datagrams"))?;
    fs::set_permissions(docs.join("datagrams"), fs::Permissions::from_mode(0o777))?;
    // Where the daemon's own state is, and where somebody listens.
    let state = node.home().to_string_lossy().into_owned();
    let outside = node.path("outside.txt");
    fs::write(&outside, "not yours")?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?.to_string();

    let tool = |name: &str, command: &str, args: &[&str]| {
        json!({
            "apiVersion": "aion.dev/v1alpha1", "kind": "Tool", "metadata": {"name": name},
            "spec": {"mcp": {"stdio": {
                "command": command, "args": args, "env": {"GREETING": "hello"}, "mounts": ["docs", "shared"],
            }}},
        })
    };
    let probe = program("mcp-probe")?;
    let probe = probe.to_string_lossy();
    let tools = [
        tool("probe", &probe, &["/mnt/docs"]),
        tool("broken", &probe, &["--fail"]),
        tool("absent", "/no/such/program", &[]),
    ];
    let path = node.path("tools.yaml");
    fs::write(&path, tools.map(|tool| tool.to_string()).join("\n---\n"))?;
    node.aionctl(&["apply", "-f", &path.to_string_lossy()])?;

    let answers = called(
        &node,
        "explorer",
        &[
            call("probe.read", "/mnt/docs/note.txt"),
            call("probe.read", &docs.join("note.txt").to_string_lossy()),
            call("probe.self", ""),
            call("probe.write", "/tmp/own.txt"),
            call("probe.run", "echo from a shell; cat /tmp/own.txt"),
            call("probe.write", "/mnt/docs/note.txt"),
            call("probe.write", "/usr/own.txt"),
            call("probe.read", &outside.to_string_lossy()),
            call("probe.list", &state),
            call("probe.read", "/etc/shadow"),
            call("probe.list", "/"),
            call("probe.connect", &address),
            call("probe.connect", &format!("{state}/run/admin.sock")),
            call("probe.run", "unshare -U true"),
            call("broken.read", "/"),
            call("absent.read", "/"),
            call("probe.write", &format!("{shared_path}/own.txt")),
            call("probe.write", "/mnt/shared/own.txt"),
            call("probe.connect", "/mnt/docs/socket"),
            call("probe.send", "/mnt/docs/datagrams"),
            call("probe.run", PROGRAMS),
        ],
    )?;
    let said = |at: usize| {
        let answer = &answers[at];
        let text = answer["text"].as_str();
        (
            answer["isError"] == true,
            text.unwrap_or_default().to_owned(),
        )
    };
    for (at, wanted) in [
        (0, "the door is blue"),
        (1, "the door is blue"),
        (3, "written"),
    ] {
        assert_eq!(said(at), (false, wanted.to_owned()), "{}", answers[at]);
    }
    let (_, itself) = said(2);
    assert!(
        itself.contains("\"/mnt/docs\"")
            && itself.contains("GREETING=hello")
            && itself.ends_with("in /tmp"),
        "{itself}"
    );
    assert!(!itself.contains("AION_"), "{itself}");
    assert_eq!(said(4).1, "from a shell\nwritten");
    for (at, answer) in answers.iter().enumerate().take(13).skip(5) {
        assert!(said(at).0, "{at}: {answer}");
    }
    assert!(said(13).1.contains("Bad system call"), "{}", answers[13]);
    assert_eq!(
        fs::read_to_string(docs.join("note.txt"))?,
        "the door is blue"
    );
    for (at, answer) in answers.iter().enumerate().take(20).skip(16) {
        assert!(said(at).0, "{at}: {answer}");
    }
    assert_eq!(fs::read_dir(shared.path())?.count(), 0);
    for at in [18, 19] {
        assert!(
            said(at).1.contains("Operation not permitted"),
            "{}",
            answers[at]
        );
    }
    datagrams.set_nonblocking(true)?;
    assert!(datagrams.recv(&mut [0]).is_err());
    // What is common still works, as far as it is there.
    assert!(
        said(20).1.lines().all(|line| line == "works"),
        "{}",
        answers[20]
    );
    // A server that does not start says why, and one that is not there says how to mend it.
    let told = answers[14]["detail"].as_str().unwrap_or_default();
    assert!(
        told.contains("the flux capacitor is missing"),
        "{}",
        answers[14]
    );
    assert!(
        answers[15]["detail"]
            .as_str()
            .unwrap_or_default()
            .contains("/no/such/program"),
        "{}",
        answers[15]
    );
    assert!(
        answers[15]["remedy"]
            .as_str()
            .unwrap_or_default()
            .contains("spec.mcp.stdio.command")
    );
    Ok(())
}

/// How many programs of tools run that were given this argument.
fn running(argument: &str) -> usize {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let given = |it: &fs::DirEntry| {
        let line = fs::read(it.path().join("cmdline")).unwrap_or_default();
        let mut arguments = line.split(|byte| *byte == 0);
        // Not the worker that is about to become it, nor this test.
        arguments
            .next()
            .is_some_and(|it| it.ends_with(b"mcp-probe"))
            && arguments.any(|it| it == argument.as_bytes())
    };
    processes.filter(given).count()
}

#[test]
fn a_tools_program_ends_with_its_mount_its_tool_and_its_last_agent() -> anyhow::Result<()> {
    let node = Standalone::start("ends")?.with_policies()?;
    let folders = [node.path("one"), node.path("two")];
    for folder in &folders {
        fs::create_dir(folder)?;
    }
    let [one, two] = folders.map(|it| it.to_string_lossy().into_owned());
    let mark = format!("--mark={}", node.home().display());
    let tool = |name: &str, args: &[&str]| {
        json!({
            "apiVersion": "aion.dev/v1alpha1", "kind": "Tool", "metadata": {"name": name},
            "spec": {"mcp": {"stdio": {
                "command": program("mcp-probe").unwrap(), "args": args, "mounts": ["docs"],
            }}},
        })
    };
    let apply = |what: &str| {
        let path = node.path("applied.yaml");
        fs::write(&path, what)?;
        node.aionctl(&["apply", "-f", &path.to_string_lossy()])
    };
    let ended = |after: &str| {
        until(
            &format!("no program of the tool after {after}"),
            BOUND,
            || match running(&mark) {
                0 => Ok(()),
                some => Err(format!("{some} run")),
            },
        )
    };
    node.aionctl(&["mount", "add", "docs", &one])?;
    let all = ["probe", "broken", "absent"].map(|it| tool(it, &[&mark]).to_string());
    apply(&all.join("\n---\n"))?;
    called(&node, "first", &[call("probe.self", "")])?;
    assert_eq!(running(&mark), 1, "it stays for the next call");

    node.aionctl(&["mount", "add", "docs", &two])?;
    ended("its mount became another folder")?;
    node.aionctl(&["ask", "first", "go"])?;
    assert_eq!(running(&mark), 1, "the next call starts it anew, at once");
    node.aionctl(&["mount", "remove", "docs"])?;
    ended("its mount was removed")?;

    node.aionctl(&["mount", "add", "docs", &two])?;
    node.aionctl(&["ask", "first", "go"])?;
    assert_eq!(running(&mark), 1);
    let other = format!("{mark}=other");
    apply(&tool("probe", &[&other]).to_string())?;
    ended("its tool was changed")?;

    called(&node, "second", &[call("probe.self", "")])?;
    assert_eq!(running(&other), 1, "one for both agents");
    node.aionctl(&["delete", "agent", "first"])?;
    assert_eq!(running(&other), 1, "the second has it still");
    node.aionctl(&["delete", "agent", "second"])?;
    until(
        "no program of the tool after its last agent",
        BOUND,
        || match running(&other) {
            0 => Ok(()),
            some => Err(format!("{some} run")),
        },
    )?;
    Ok(())
}
