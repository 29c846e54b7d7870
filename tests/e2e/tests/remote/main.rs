//! Agents elsewhere as tools: an agent of a node asks one by A2A, which the SDKs for Python and JavaScript serve as they come.

#![allow(clippy::unwrap_used)]

mod travellers;

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    process::Stdio,
    thread::{self, JoinHandle},
};

use aion_e2e::standalone::Standalone;
use aion_testkit::{FakeModel, ModelRequest, Reply};
use nix::{
    sys::signal::{self, Signal},
    unistd::Pid,
};
use serde_json::{Value, json};

use travellers::{Cut, Traveller};

/// What the last tool gave, as the model is told.
fn result(request: &ModelRequest) -> Option<String> {
    let messages = request.body["messages"].as_array()?;
    let tool = messages.iter().rev().find(|it| it["role"] == "tool")?;
    Some(tool["content"].to_string())
}

/// The name and the description under which the model is offered the agent.
fn offered(request: &ModelRequest) -> Option<(String, String)> {
    let tools = request.body["tools"].as_array()?;
    let mut functions = tools.iter().map(|it| &it["function"]);
    let function = functions.find(|it| it["name"].as_str().unwrap_or_default().contains("ask"))?;
    let text = |name: &str| function[name].as_str().unwrap_or_default().to_owned();
    Some((text("name"), text("description")))
}

/// Asks what the question says, answers a task that asks for more, and says what it was told.
fn clerk(request: &ModelRequest) -> Reply {
    let Some((name, description)) = offered(request) else {
        return Reply::text("nobody is offered");
    };
    match result(request) {
        None => {
            assert!(description.contains("Finds trains."), "{description}");
            let messages = request.body["messages"].as_array().unwrap();
            let asked = messages.last().unwrap()["content"].as_str().unwrap();
            Reply::call(name, json!({"message": asked}))
        }
        Some(told) => match told.split("\\\"task\\\": \\\"").nth(1) {
            Some(rest) => {
                let task = rest.split('\\').next().unwrap();
                Reply::call(name, json!({"message": "Monday", "task": task}))
            }
            None => Reply::text(format!("I was told {told}")),
        },
    }
}

struct Office {
    node: Standalone,
    _model: FakeModel,
}

impl Office {
    /// A node whose clerk may ask the agent that `a2a` says.
    fn open(a2a: &Value, retry: &str) -> anyhow::Result<Self> {
        let model = FakeModel::answering(clerk)?;
        let nobody = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let nobody = nobody.to_string();
        let environment = [
            ("AION_OLLAMA_PORT", &*nobody),
            ("AION_LLAMA_CPP_PORT", &*nobody),
        ];
        let node = Standalone::start_with("remote", &environment)?.with_policies()?;
        let secret = node.home().join("config/secrets/travel");
        fs::create_dir_all(&secret)?;
        fs::write(secret.join("token"), "hunter2-hunter2")?;
        fs::set_permissions(secret.join("token"), fs::Permissions::from_mode(0o600))?;
        let object = |kind: &str, name: &str, spec: &Value| json!({"apiVersion": "aion.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec});
        let objects = [
            object("TrustPolicy", "tests", &json!({"inline": "allow"})),
            object(
                "ModelEndpoint",
                "said",
                &json!({"baseUrl": model.base_url(), "models": [{"name": "m"}]}),
            ),
            object(
                "Tool",
                "travel",
                &json!({"a2a": a2a, "operations": [{"name": "ask", "retry": retry}]}),
            ),
            object(
                "Agent",
                "clerk",
                &json!({"instructions": "Ask the traveller.", "model": {"use": "said"}, "tools": [{"name": "travel"}],
                    "permissions": {"allow": ["travel.ask"]}}),
            ),
        ];
        let text: Vec<String> = objects.iter().map(Value::to_string).collect();
        let path = node.path("objects.yaml");
        fs::write(&path, text.join("\n---\n"))?;
        node.aionctl(&["apply", "--wait", "120", "-f", &path.to_string_lossy()])?;
        Ok(Self {
            node,
            _model: model,
        })
    }

    fn ask(&self, question: &str) -> anyhow::Result<String> {
        self.node.aionctl(&["ask", "clerk", question])
    }

    fn asking(&self, question: &str) -> JoinHandle<anyhow::Result<String>> {
        thread::spawn(self.node.asking(&["ask", "clerk", question]))
    }
}

/// The whole of it: an answer with data, a task that asks for more, one that fails.
fn travels(traveller: &Traveller) -> anyhow::Result<()> {
    let office = Office::open(&json!({"url": traveller.url}), "never")?;
    let told = office.ask("How do I get to Rome?")?;
    assert!(told.contains("By train."), "{told}");
    assert!(told.contains("price"), "{told}");
    let told = office.ask("On which day do I go?")?;
    assert!(told.contains("By train on Monday"), "{told}");
    let told = office.ask("Will it fail?")?;
    assert!(
        told.contains("TASK_STATE_FAILED") && told.contains("There are no trains."),
        "{told}"
    );
    let tools = office.node.aionctl(&["tools", "clerk"])?;
    assert!(
        tools.contains("travel.ask") && tools.contains("agent"),
        "{tools}"
    );
    Ok(())
}

#[test]
fn an_agent_asks_another_that_the_sdk_for_python_serves_by_both_bindings() -> anyhow::Result<()> {
    for binding in ["JSONRPC", "HTTP+JSON"] {
        let Some(traveller) = Traveller::python(binding, None, None)? else {
            return Ok(());
        };
        travels(&traveller)?;
    }
    Ok(())
}

#[test]
fn an_agent_asks_another_that_the_sdk_for_javascript_serves() -> anyhow::Result<()> {
    let Some(traveller) = Traveller::javascript()? else {
        return Ok(());
    };
    travels(&traveller)
}

#[test]
fn a_line_that_is_cut_in_the_middle_costs_no_word_and_asks_nothing_twice() -> anyhow::Result<()> {
    for binding in ["JSONRPC", "HTTP+JSON"] {
        let line = Cut::new()?;
        let traveller = Traveller::python(binding, Some(&line.url), Some("hunter2-hunter2"))?;
        let Some(mut traveller) = traveller else {
            return Ok(());
        };
        line.leads_to(&traveller.url);
        let token = json!({"secret": "travel", "key": "token"});
        let office = Office::open(&json!({"url": line.url, "token": token}), "never")?;
        let asking = office.asking("Please hold.");
        traveller.says("holds")?;
        line.until_passed("looking at trains")?;
        assert!(line.cut() > 0, "nothing was open");
        traveller.go()?;
        let told = asking.join().unwrap()?;
        assert!(told.contains("By train."), "{told}");
        let rest = traveller.rest();
        assert!(!rest.iter().any(|it| it.starts_with("asked")), "{rest:?}");
        assert!(
            !office.node.log()?.contains("hunter2"),
            "the key is in the log"
        );
    }
    Ok(())
}

#[test]
fn a_node_that_is_killed_over_a_call_finds_the_task_again_where_that_is_safe() -> anyhow::Result<()>
{
    for (retry, binding) in [
        ("safe", "JSONRPC"),
        ("safe", "HTTP+JSON"),
        ("never", "JSONRPC"),
    ] {
        let Some(mut traveller) = Traveller::python(binding, None, None)? else {
            return Ok(());
        };
        let mut office = Office::open(&json!({"url": traveller.url}), retry)?;
        let asking = office.asking("Please hold.");
        let task = traveller.says("asked")?;
        traveller.says("holds")?;
        office.node.restart_daemon()?;
        traveller.go()?;
        let told = asking.join().unwrap()?;
        match retry {
            "safe" => assert!(told.contains("By train."), "{told}"),
            _ => assert!(told.contains("outcome"), "{told}"),
        }
        let rest = traveller.rest();
        assert!(
            !rest
                .iter()
                .any(|it| it.starts_with("asked") || it.starts_with("cancelled")),
            "besides {task}: {rest:?}"
        );
    }
    Ok(())
}

#[test]
fn a_turn_that_is_cancelled_cancels_the_task_of_the_agent_elsewhere() -> anyhow::Result<()> {
    let Some(traveller) = Traveller::python("JSONRPC", None, None)? else {
        return Ok(());
    };
    let office = Office::open(&json!({"url": traveller.url}), "never")?;
    let mut asking = office.node.command(&["ask", "clerk", "Please hold."]);
    let mut asking = asking.stdout(Stdio::null()).spawn()?;
    let asked = traveller.says("asked")?;
    traveller.says("holds")?;
    // As Ctrl-C does at a terminal.
    signal::kill(Pid::from_raw(i32::try_from(asking.id())?), Signal::SIGINT)?;
    let cancelled = traveller.says("cancelled")?;
    assert_eq!(asked.split(' ').next(), Some(&*cancelled));
    assert!(!asking.wait()?.success());
    Ok(())
}

#[test]
fn an_agent_that_is_of_no_use_is_told_by_name_with_what_to_do() -> anyhow::Result<()> {
    let Some(traveller) = Traveller::python("JSONRPC", Some("http://elsewhere.example"), None)?
    else {
        return Ok(());
    };
    let office = Office::open(&json!({"url": traveller.url}), "never")?;
    let tools = office.node.aionctl(&["tools", "clerk", "-o", "json"])?;
    let tools: Value = serde_json::from_str(&tools)?;
    let reason = tools["unavailable"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("http://elsewhere.example"), "{reason}");
    assert!(reason.contains("spec.a2a.url"), "{reason}");
    let told = office.ask("How do I get to Rome?")?;
    assert!(told.contains("nobody is offered"), "{told}");
    Ok(())
}
