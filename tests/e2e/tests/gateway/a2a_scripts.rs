//! The agent that A2A's test kit asks does what each of the kit's scenarios says, by both bindings.

#![allow(clippy::unwrap_used)]

use std::process::Command;

use aion_e2e::cluster::root;
use aion_testkit::{FakeModel, Process, Reply, or_skip, python_package};
use serde_json::{Value, json};

use crate::{
    a2a::call,
    door::{Door, body, trust},
    external,
};

pub(crate) const TCK: &str = "/v1/a2a/default/tck";
const VERSION: &str = "\r\na2a-version: 1.0";
/// What a scenario comes to: the state of its task, and the part that is first of its artifacts or of its status' message.
const SCRIPTS: [(&str, &str, &str); 12] = [
    ("tck-complete-task", "COMPLETED", "Hello from TCK"),
    ("tck-artifact-text", "COMPLETED", "Generated text content"),
    ("tck-artifact-file", "COMPLETED", "output.txt"),
    ("tck-artifact-file-url", "COMPLETED", "output.txt"),
    ("tck-artifact-data", "REJECTED", "not data"),
    (
        "tck-message-response",
        "COMPLETED",
        "Direct message response",
    ),
    ("tck-input-required", "REJECTED", "and for nothing else"),
    ("tck-reject-task", "REJECTED", "rejected"),
    ("tck-stream-001", "COMPLETED", "Stream hello from TCK"),
    ("tck-delayed-complete", "COMPLETED", "Done after delay"),
    (
        "test-resubscribe-message-id",
        "COMPLETED",
        "Done after a while",
    ),
    (
        "tck-something-else",
        "COMPLETED",
        "Unhandled messageId prefix: tck-something-else",
    ),
];

/// A node with the agent, and its program; what takes a while takes this long, or twice as long, in seconds.
pub(crate) fn open(patience: &str) -> anyhow::Result<Option<(Door, Process)>> {
    let Some(site) = or_skip(python_package("pytest")) else {
        return Ok(None);
    };
    let model = FakeModel::answering(|_| Reply::text("Nobody asks me."))?;
    let door = Door::open(&model)?;
    trust(&door.node, &json!({"inline": "allow", "external": "allow"}))?;
    let folder = root().join("tests/conformance/a2a");
    let manifest = folder.join("agent.yaml");
    door.node
        .aionctl(&["apply", "-f", &manifest.to_string_lossy()])?;
    let path = format!("{}:{}", root().join("sdk/python").display(), site.display());
    let mut program = Command::new("python3");
    program
        .arg(folder.join("agent.py"))
        .env("PYTHONPATH", path)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("AION_AGENT", "tck")
        .env(
            "AION_GATEWAY_URL",
            format!("http://127.0.0.1:{}/v1", door.port),
        )
        .env(
            "AION_GATEWAY_TOKEN_FILE",
            door.node.home().join("gateway/token"),
        )
        .env("TCK_STREAMING_TIMEOUT", patience);
    let program = Process::spawn(&program, &door.node.path("tck.log"))?;
    external::becomes_ready(&door, "tck", "True");
    Ok(Some((door, program)))
}

fn message(id: &str) -> Value {
    let parts = json!([{"text": "A question of the kit"}]);
    json!({"message": {"messageId": id, "role": "ROLE_USER", "parts": parts}})
}

/// Whether the task is as the scenario says.
fn is_right(task: &Value, (name, state, words): (&str, &str, &str)) {
    let status = &task["status"];
    assert_eq!(
        status["state"],
        format!("TASK_STATE_{state}"),
        "{name}: {task}"
    );
    let part = match state {
        "REJECTED" => &status["message"]["parts"][0],
        _ => &task["artifacts"][0]["parts"][0],
    };
    if words == "output.txt" {
        assert_eq!(part["filename"], words, "{name}: {task}");
        assert_eq!(part["mediaType"], "text/plain", "{name}: {task}");
        return;
    }
    let text = part["text"].as_str().unwrap_or_default();
    assert!(text.contains(words), "{name}: {task}");
}

#[test]
fn each_scenario_of_the_test_kit_is_done_by_the_name_of_its_message() -> anyhow::Result<()> {
    let Some((door, program)) = open("0")? else {
        return Ok(());
    };
    for script in SCRIPTS {
        // The session that the kit puts behind a name.
        let asked = message(&format!("{}-1f2a3b4c", script.0));
        let (_, by_rpc) = door.post(TCK, VERSION, &call("SendMessage", &asked))?;
        is_right(&body(&by_rpc)["result"]["task"], script);
        let asked = message(&format!("{}-5d6e7f80", script.0));
        let (status, by_rest) = door.post(&format!("{TCK}/message:send"), VERSION, &asked)?;
        assert_eq!(status, 200, "{by_rest}\n{}", program.tail());
        is_right(&body(&by_rest)["task"], script);
    }
    let task = body(
        &door
            .post(
                TCK,
                VERSION,
                &call("SendMessage", &message("tck-artifact-file")),
            )?
            .1,
    );
    let url = task["result"]["task"]["artifacts"][0]["parts"][0]["url"]
        .as_str()
        .unwrap();
    let path = url.split_once("/v1").unwrap().1;
    let (_, file) = door.get(&format!("/v1{path}"))?;
    assert!(file.contains("\r\ntck\r\n"), "{file}");
    Ok(())
}

#[test]
fn a_scenario_in_parts_is_a_stream_of_them_and_a_name_may_not_be_anything() -> anyhow::Result<()> {
    let Some((door, _program)) = open("0")? else {
        return Ok(());
    };
    let asked = message("tck-stream-artifact-chunked-1f2a3b4c");
    let (status, stream) = door.post(&format!("{TCK}/message:stream"), VERSION, &asked)?;
    assert_eq!(status, 200, "{stream}");
    let events = stream.lines().filter_map(|it| it.strip_prefix("data: "));
    let events: Vec<Value> = events.map(|it| serde_json::from_str(it).unwrap()).collect();
    assert!(events[0]["task"]["id"].is_string(), "{stream}");
    let told = events.iter().filter_map(|it| it.get("artifactUpdate"));
    let told: Vec<(bool, &str)> = told
        .map(|it| {
            let text = it["artifact"]["parts"][0]["text"].as_str().unwrap();
            (it["append"].as_bool().unwrap(), text)
        })
        .collect();
    assert_eq!(
        told[..2],
        [(false, "chunk-1 "), (true, "chunk-2")],
        "{stream}"
    );
    let last = &events.last().unwrap()["statusUpdate"]["status"]["state"];
    assert_eq!(last, "TASK_STATE_COMPLETED", "{stream}");
    for wrong in ["m".repeat(129), "a\nb".to_owned()] {
        let (_, answer) = door.post(TCK, VERSION, &call("SendMessage", &message(&wrong)))?;
        let error = &body(&answer)["error"];
        assert_eq!(error["code"], -32602, "{answer}");
        assert!(
            error["message"]
                .as_str()
                .unwrap()
                .contains("message.messageId"),
            "{answer}"
        );
    }
    Ok(())
}
