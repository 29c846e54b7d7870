//! Agents that ask agents: with one worker slot, with rights that the caller narrows, through a daemon that is killed.
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    net::TcpListener,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use aion_e2e::{cluster::BOUND, program, standalone::Standalone};
use aion_testkit::{FakeModel, McpServer, ModelRequest, Reply, until};
use serde_json::{Value, json};

/// What the last tool gave, as the model is told.
fn result(request: &ModelRequest) -> Option<String> {
    let messages = request.body["messages"].as_array()?;
    let tool = messages.iter().rev().find(|it| it["role"] == "tool")?;
    Some(tool["content"].to_string())
}

fn instructions(request: &ModelRequest) -> String {
    request.body["messages"][0]["content"].to_string()
}

/// The name under which the model is offered what is called so.
fn offered(request: &ModelRequest, part: &str) -> Option<String> {
    let tools = request.body["tools"].as_array()?;
    let names = tools.iter();
    let mut names = names.filter_map(|it| it["function"]["name"].as_str());
    names.find(|it| it.contains(part)).map(str::to_owned)
}

/// What an agent does by its instructions: `use WHAT` calls that tool, and the result is its answer.
fn act(request: &ModelRequest) -> Reply {
    if let Some(result) = result(request) {
        return Reply::text(format!("got {result}"));
    }
    let said = instructions(request);
    let wanted = ["ask_clerk", "ask_chief", "ask_librarian", "echo"];
    let wanted = wanted
        .into_iter()
        .find(|it| said.contains(&format!("use {it}")));
    match wanted.map(|it| (it, offered(request, it))) {
        Some(("echo", Some(name))) => Reply::call(name, json!({"text": "the letter"})),
        Some((_, Some(name))) => Reply::call(name, json!({"input": "Please."})),
        Some((wanted, None)) => Reply::text(format!("{wanted} is not offered")),
        None => Reply::text("nothing to do"),
    }
}

struct Office {
    node: Standalone,
    _model: FakeModel,
    server: McpServer,
}

impl Office {
    /// A node with these agents: name, instructions, and what else their specs say.
    fn open(model: FakeModel, agents: &[(&str, &str, Value)]) -> anyhow::Result<Self> {
        let server = McpServer::start()?;
        let nobody = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let nobody = nobody.to_string();
        let environment = [
            ("AION_OLLAMA_PORT", &*nobody),
            ("AION_LLAMA_CPP_PORT", &*nobody),
        ];
        let node = Standalone::start_with("calling", &environment)?.with_policies()?;
        let object = |kind: &str, name: &str, spec: &Value| json!({"apiVersion": "aion.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec});
        let mut objects = vec![
            object("TrustPolicy", "tests", &json!({"inline": "allow"})),
            object(
                "ModelEndpoint",
                "said",
                &json!({"baseUrl": model.base_url(), "models": [{"name": "m"}]}),
            ),
            object(
                "Tool",
                "probe",
                &json!({"mcp": {"http": {"url": server.url()}}}),
            ),
            object("MemoryPool", "books", &json!({})),
        ];
        for (name, instructions, more) in agents {
            let mut spec = json!({"description": format!("The {name} of the office."), "instructions": instructions,
                "model": {"use": "said"}, "permissions": {"allow": ["probe.echo"]}});
            for (field, value) in more.as_object().into_iter().flatten() {
                spec[field] = value.clone();
            }
            objects.push(object("Agent", name, &spec));
        }
        let text: Vec<String> = objects.iter().map(Value::to_string).collect();
        let path = node.path("objects.yaml");
        fs::write(&path, text.join("\n---\n"))?;
        node.aionctl(&["apply", "--wait", "120", "-f", &path.to_string_lossy()])?;
        Ok(Self {
            node,
            _model: model,
            server,
        })
    }

    /// The facts of the node's journal.
    fn facts(&self) -> anyhow::Result<Vec<Value>> {
        let dump = Command::new(program("aion-node")?)
            .args(["journal", "dump", "--output", "json", "--home"])
            .arg(self.node.home())
            .output()?;
        let text = String::from_utf8(dump.stdout)?;
        let facts = text.lines().map(serde_json::from_str::<Value>);
        let facts: Result<Vec<_>, _> = facts.collect();
        Ok(facts?.into_iter().map(|mut it| it["fact"].take()).collect())
    }

    fn called(&self) -> anyhow::Result<Vec<Value>> {
        let queued = self.facts()?.into_iter();
        let called = queued.filter(|it| it["fact"] == "turn-queued" && it["caller"].is_object());
        Ok(called.collect())
    }
}

#[test]
fn an_agent_asks_another_which_may_do_what_it_is_let_do() -> anyhow::Result<()> {
    let office = Office::open(
        FakeModel::answering(act)?,
        &[
            ("clerk", "use echo", json!({"tools": [{"name": "probe"}]})),
            (
                "chief",
                "use ask_clerk",
                json!({"tools": [{"agent": "clerk"}]}),
            ),
            (
                "miser",
                "use ask_clerk",
                json!({"tools": [{"agent": "clerk", "delegate": []}]}),
            ),
        ],
    )?;
    let answer = office.node.aionctl(&["ask", "chief", "Have it sent."])?;
    assert!(answer.contains("the letter"), "{answer}");
    assert_eq!(office.server.calls().len(), 1);
    let called = office.called()?;
    assert_eq!(called.len(), 1, "{called:?}");
    assert_eq!(called[0]["cause"], "agent");

    let why = office.node.aionctl(&["why", "clerk"])?;
    assert!(why.contains("called by default/chief in turn"), "{why}");

    let answer = office.node.aionctl(&["ask", "miser", "Have it sent."])?;
    assert!(answer.contains("delegated denies it"), "{answer}");
    assert_eq!(office.server.calls().len(), 1, "the tool was not called");
    Ok(())
}

/// The example of `docs/multi-agent.md`, and one that is let do nothing: neither answer is lost to what it may not do.
#[test]
fn one_that_may_only_recall_or_only_answer_answers() -> anyhow::Result<()> {
    let asks = |delegate: Value| json!({"tools": [{"agent": "librarian", "delegate": delegate}]});
    let office = Office::open(
        FakeModel::answering(act)?,
        &[
            (
                "librarian",
                "Answer questions about our books.",
                json!({"memory": {"pool": "books"}}),
            ),
            (
                "reader",
                "use ask_librarian",
                asks(json!(["memory.recall"])),
            ),
            ("miser", "use ask_librarian", asks(json!([]))),
        ],
    )?;
    for caller in ["reader", "miser"] {
        let answer = office.node.aionctl(&["ask", caller, "Where is the key?"])?;
        assert!(answer.contains("nothing to do"), "{caller}: {answer}");
    }
    let facts = office.facts()?;
    let about = |kind: &str| facts.iter().filter(|it| it["kind"] == kind).count();
    assert_eq!(about("memory.remember"), 0, "nor was it tried");
    assert_eq!(about("memory.recall"), 1, "by the one that may");
    Ok(())
}

#[test]
fn agents_that_ask_in_a_circle_are_told_which() -> anyhow::Result<()> {
    let office = Office::open(
        FakeModel::answering(act)?,
        &[
            (
                "clerk",
                "use ask_chief",
                json!({"tools": [{"agent": "chief"}]}),
            ),
            (
                "chief",
                "use ask_clerk",
                json!({"tools": [{"agent": "clerk"}]}),
            ),
        ],
    )?;
    let answer = office.node.aionctl(&["ask", "chief", "Go."])?;
    assert!(answer.contains("chief → clerk → chief"), "{answer}");
    Ok(())
}

#[test]
fn a_daemon_that_is_killed_goes_on_with_the_turn_that_was_called() -> anyhow::Result<()> {
    let open = Arc::new(AtomicBool::new(false));
    let door = Arc::clone(&open);
    let model = FakeModel::answering(move |request| {
        // The clerk's model says nothing before the daemon was killed.
        let clerk = instructions(request).contains("patient");
        while clerk && !door.load(Ordering::Relaxed) {
            std::thread::yield_now();
        }
        match clerk {
            true => Reply::text("the clerk's word"),
            false => act(request),
        }
    })?;
    let mut office = Office::open(
        model,
        &[
            ("clerk", "Be patient.", json!({})),
            (
                "chief",
                "use ask_clerk",
                json!({"tools": [{"agent": "clerk"}]}),
            ),
        ],
    )?;
    let asked = std::thread::spawn(office.node.asking(&["ask", "chief", "Go."]));
    until("the clerk to be asked", BOUND, || {
        let called = office.called().map_err(|why| why.to_string())?;
        match called.len() {
            1 => Ok(()),
            other => Err(format!("{other} turns were called")),
        }
    })?;
    office.node.restart_daemon()?;
    open.store(true, Ordering::Relaxed);
    let answer = asked.join().unwrap()?;
    assert!(answer.contains("the clerk's word"), "{answer}");
    assert_eq!(office.called()?.len(), 1, "it was called once");
    Ok(())
}
