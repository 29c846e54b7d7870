//! What a policy has done about programs that break a rule, from its YAML to the end of the turn.

#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use aion_e2e::{programs::Programs, standalone::Standalone};
use aion_testkit::Interpreter;
use serde_json::{Value, json};

/// Executes another program, and answers with what became of it.
const PARENT: &str = r#"
import http.client, hashlib, hmac, json, os, socket, subprocess, sys, time
boot = json.load(os.fdopen(3, "rb"))
def call(path, counter, body):
    stamp = str(time.time_ns() // 1_000_000)
    text = ["AION-HMAC-SHA256-V1", "POST", path, stamp, str(counter), "", "", hashlib.sha256(body).hexdigest()]
    signed = hmac.new(bytes.fromhex(boot["key"]), "\n".join(text).encode(), hashlib.sha256).hexdigest()
    headers = {"content-type": "application/json", "aion-timestamp": stamp, "aion-counter": str(counter), "aion-signature": signed}
    connection = http.client.HTTPConnection("aion")
    connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.sock.connect("/run/aion.sock")
    connection.request("POST", path, body, headers)
    code = json.loads(connection.getresponse().read() or b"{}").get("code", "done")
    connection.close()
    return code
counter = 1
while call("/v1/sys/null", counter, b"{}") == "stale":
    counter += 1
    time.sleep(0.2)
try:
    child = subprocess.run([sys.executable, "-c", "print('child')"], capture_output=True)
    came = child.stdout.decode().strip() or child.returncode
except OSError as error:
    came = error.strerror
text = json.dumps({"kind": "final", "text": f"came: {came}"})
call("/v1/agent/message", counter + 1, text.encode())
"#;

/// A node that follows programs in the kernel; `None`, and the test skipped, where this machine does not.
fn start(name: &str) -> anyhow::Result<Option<Programs<Standalone>>> {
    let node = Standalone::start(name)?.with_policies()?;
    let status = node.aionctl(&["local", "status", "--json"])?;
    let status: Value = serde_json::from_str(&status)?;
    let Some(mut programs) = Programs::on(node, Interpreter::Python)? else {
        return Ok(None);
    };
    if let Some(why) = lacking(&status, "tracepoints") {
        unfollowed(&mut programs)?;
        aion_testkit::skip("eBPF", &why);
        return Ok(None);
    }
    Ok(Some(programs))
}

fn lacking(status: &Value, hook: &str) -> Option<String> {
    let hooks = status["node"]["hooks"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let found = hooks.into_iter().find(|it| it["name"] == hook);
    found?["lacking"].as_str().map(str::to_owned)
}

/// Where nobody is followed, nothing starts that is to be killed.
fn unfollowed(programs: &mut Programs<Standalone>) -> anyhow::Result<()> {
    policy(programs, &json!({"exec": "kill"}))?;
    let refused = programs.agent("parent", PARENT, json!({}));
    let why = programs.node.aionctl(&["why", "parent"])?;
    assert!(refused.is_err() && why.contains("tracepoints"), "{why}");
    Ok(())
}

fn policy(programs: &Programs<Standalone>, rules: &Value) -> anyhow::Result<()> {
    let policy = json!({
        "apiVersion": "aion.dev/v1alpha1", "kind": "AgentPolicy", "metadata": {"name": "strict"},
        "spec": {"onViolation": rules},
    });
    programs.apply(&[policy]).map(drop)
}

#[test]
fn a_second_program_ends_the_turn_where_a_policy_kills_and_is_told_where_it_alerts()
-> anyhow::Result<()> {
    let Some(mut programs) = start("violations")? else {
        return Ok(());
    };
    policy(&programs, &json!({"exec": "alert"}))?;
    programs.agent("parent", PARENT, json!({"limits": {"turnSeconds": 60}}))?;
    let answer = programs.ask("parent");
    assert!(answer.contains("came: child"), "{answer}");
    let why = programs.node.aionctl(&["why", "parent"])?;
    assert!(why.contains("(against AgentPolicy/strict)"), "{why}");
    assert!(why.contains("  trace "), "{why}");

    policy(&programs, &json!({"exec": "kill"}))?;
    let killed = programs.ask("parent");
    assert!(killed.starts_with("refused: "), "{killed}");
    let sentence = "the program was ended by AgentPolicy/strict: it executed ";
    assert!(killed.contains(sentence), "{killed}");
    let why = programs.node.aionctl(&["why", "parent"])?;
    assert!(
        why.contains("(against AgentPolicy/strict: killed)"),
        "{why}"
    );
    assert!(why.contains(sentence), "{why}");
    let log = programs.node.aionctl(&["logs", "parent"])?;
    assert!(log.contains(sentence), "{log}");

    // The same trace in the record of the turn and at its event.
    let why: Value =
        serde_json::from_str(&programs.node.aionctl(&["why", "parent", "-o", "json"])?)?;
    let events = why["kernelEvents"].as_array().cloned().unwrap_or_default();
    let event = events
        .iter()
        .find(|it| it["event"]["violation"] == "kill")
        .unwrap();
    let trace = event["trace"].as_str().unwrap_or_default();
    assert_eq!(trace.len(), 32, "{why:#}");
    Ok(())
}

#[test]
fn what_a_policy_refuses_is_refused_or_nothing_starts() -> anyhow::Result<()> {
    let Some(mut programs) = start("refusing")? else {
        return Ok(());
    };
    let status = programs.node.aionctl(&["local", "status", "--json"])?;
    let status: Value = serde_json::from_str(&status)?;
    programs.agent("parent", PARENT, json!({"limits": {"turnSeconds": 60}}))?;
    policy(&programs, &json!({"exec": "deny"}))?;
    if lacking(&status, "lsm").is_none() {
        until(&programs, "came: Operation not permitted");
        return Ok(());
    }
    let refused = programs.ask("parent");
    assert!(!refused.contains("came:"), "{refused}");
    let why = programs.node.aionctl(&["why", "parent"])?;
    for part in [
        "NoNodeFits",
        "onViolation.exec of",
        "AgentPolicy/strict is deny",
    ] {
        assert!(why.contains(part), "{why}");
    }
    // Its author lets it be killed instead, and is told.
    policy(&programs, &json!({"exec": "deny", "withoutHooks": "kill"}))?;
    until(&programs, "the program was ended by AgentPolicy/strict");
    let why = programs.node.aionctl(&["why", "parent"])?;
    assert!(why.contains("killed instead"), "{why}");
    Ok(())
}

/// Asks until it comes to this: a policy that changes takes a moment.
fn until(programs: &Programs<Standalone>, sentence: &str) {
    let begun = Instant::now();
    loop {
        let said = programs.ask("parent");
        if said.contains(sentence) {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{said}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn what_an_agent_does_in_the_kernel_comes_live() -> anyhow::Result<()> {
    let Some(mut programs) = start("live")? else {
        return Ok(());
    };
    programs.agent("parent", PARENT, json!({"limits": {"turnSeconds": 60}}))?;
    let follow = ["trace", "parent", "--kernel", "-o", "json"];
    let mut following = programs
        .node
        .command(&follow)
        .stdout(Stdio::piped())
        .spawn()?;
    let lines = BufReader::new(following.stdout.take().unwrap()).lines();
    let answer = programs.ask("parent");
    assert!(answer.contains("came: child"), "{answer}");
    let mut executed = Vec::new();
    for line in lines {
        let trace: Value = serde_json::from_str(&line?)?;
        assert_eq!(trace["trace"].as_str().map(str::len), Some(32), "{trace}");
        if trace["event"]["kind"] == "exec" {
            executed.push(
                trace["event"]["text"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned(),
            );
        }
        if executed.len() == 2 {
            break;
        }
    }
    following.kill()?;
    following.wait()?;
    assert!(
        executed.iter().all(|it| it.contains("python")),
        "{executed:?}"
    );
    Ok(())
}
