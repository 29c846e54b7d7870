//! A node agent that is replaced as a pod is, daemon first and launcher after it, while ten turns work: each goes on
//! and is finished, and what it had done is not done again.
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    net::TcpListener,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use aion_e2e::{cluster::BOUND, program, standalone::Standalone};
use aion_testkit::{FakeModel, ModelRequest, Reply, until};
use serde_json::{Value, json};

const TURNS: usize = 10;
/// A model that thinks longer than any test.
const LONG: Duration = Duration::from_secs(3600);

/// Whether the model was told what its tool gave.
fn has_written(request: &ModelRequest) -> bool {
    let messages = request.body["messages"].as_array();
    messages
        .into_iter()
        .flatten()
        .any(|it| it["role"] == "tool")
}

#[test]
fn ten_turns_whose_node_agent_is_replaced_go_on_and_do_nothing_twice() -> anyhow::Result<()> {
    let open = Arc::new(AtomicBool::new(false));
    let opened = Arc::clone(&open);
    let model = FakeModel::answering(move |request| match has_written(request) {
        false => Reply::call(
            "files_write",
            json!({"mount": "output", "path": "note.md", "text": "noted"}),
        ),
        true if opened.load(Ordering::SeqCst) => Reply::text("It is noted."),
        true => Reply::After(LONG, Box::new(Reply::text("never"))),
    })?;
    let nobody = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let ports = [
        ("AION_OLLAMA_PORT", &*nobody.to_string()),
        ("AION_LLAMA_CPP_PORT", &*nobody.to_string()),
    ];
    let mut node = Standalone::start_with("replaced", &ports)?.with_policies()?;
    apply(&node, &model)?;
    let asking: Vec<_> = (0..TURNS)
        .map(|n| thread::spawn(node.asking(&["ask", &format!("clerk-{n}"), "Note it."])))
        .collect();
    let thinking = || model.requests().iter().filter(|it| has_written(it)).count();
    let all_think = |times: usize| {
        until(
            "the model to think about all turns",
            BOUND,
            || match thinking() {
                count if count >= TURNS * times => Ok(()),
                count => Err(format!("{count} turns, times {times}")),
            },
        )
    };
    all_think(1)?;
    node.replace()?;
    all_think(2)?;
    open.store(true, Ordering::SeqCst);
    // Those that think would for ever: they are replaced once more.
    node.replace()?;
    for asked in asking {
        let answer = asked.join().unwrap()?;
        assert!(answer.contains("It is noted."), "{answer}");
    }

    let turns: Vec<Value> = journal(&node)?;
    let facts = |name: &str| turns.iter().filter(|it| it["fact"] == name).count();
    assert_eq!(facts("turn-queued"), TURNS, "each was asked once");
    assert_eq!(facts("turn-ended"), TURNS);
    let completed = |it: &&Value| it["as"]["outcome"] == "completed";
    let ended = turns.iter().filter(|it| it["fact"] == "turn-ended");
    assert_eq!(ended.filter(completed).count(), TURNS, "each was finished");
    assert_eq!(facts("turn-evicted"), 2 * TURNS, "each ran three times");
    let wrote = |it: &&Value| it["fact"] == "call-started" && it["kind"] == "fs.write";
    assert_eq!(turns.iter().filter(wrote).count(), TURNS, "and wrote once");
    let first = model
        .requests()
        .iter()
        .filter(|it| !has_written(it))
        .count();
    assert_eq!(
        first, TURNS,
        "what the model had answered was not asked again"
    );
    Ok(())
}

fn apply(node: &Standalone, model: &FakeModel) -> anyhow::Result<()> {
    let object = |kind: &str, name: &str, spec: &Value| json!({"apiVersion": "aion.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec});
    let endpoint = json!({"baseUrl": model.base_url(), "models": [{"name": "m"}], "maxConcurrent": 16,
        "timeoutSeconds": 600});
    let clerk = json!({"instructions": "Note it.", "model": {"use": "slow"},
        "permissions": {"files": [{"mount": "output", "mode": "readWrite"}]},
        "limits": {"turnSeconds": 600}});
    let mut objects = vec![
        object("TrustPolicy", "tests", &json!({"inline": "allow"})),
        object("ModelEndpoint", "slow", &endpoint),
    ];
    objects.extend((0..TURNS).map(|n| object("Agent", &format!("clerk-{n}"), &clerk)));
    let text: Vec<String> = objects.iter().map(Value::to_string).collect();
    let path = node.path("objects.yaml");
    fs::write(&path, text.join("\n---\n"))?;
    node.aionctl(&["apply", "--wait", "120", "-f", &path.to_string_lossy()])?;
    Ok(())
}

/// The facts of the node's journal.
fn journal(node: &Standalone) -> anyhow::Result<Vec<Value>> {
    let dump = Command::new(program("aion-node")?)
        .args(["journal", "dump", "--output", "json", "--home"])
        .arg(node.home())
        .output()?;
    let text = String::from_utf8(dump.stdout)?;
    let facts = text.lines().map(serde_json::from_str::<Value>);
    let facts: Result<Vec<_>, _> = facts.collect();
    Ok(facts?.into_iter().map(|mut it| it["fact"].take()).collect())
}
