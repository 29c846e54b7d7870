//! Agents with a model, the whole way: found on the machine, asked, called on by tools, charged, refused.

#![allow(clippy::unwrap_used)]

use std::{fs, net::TcpListener};

use aion_e2e::{cluster::root, program, standalone::Standalone};
use aion_testkit::{FakeModel, Reply};
use serde_json::{Value, json};

/// A node whose machine has `model` where Ollama would be, or nothing there.
fn node(name: &str, model: Option<&FakeModel>) -> anyhow::Result<Standalone> {
    // A port where nothing listens is one that was just given back.
    let nobody = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let ollama = match model {
        Some(model) => {
            let url = model.base_url();
            let port = url
                .rsplit(':')
                .next()
                .and_then(|rest| rest.split('/').next());
            port.unwrap().to_owned()
        }
        None => nobody.to_string(),
    };
    let node = Standalone::start_with(
        name,
        &[
            ("AION_OLLAMA_PORT", &ollama),
            ("AION_LLAMA_CPP_PORT", &nobody.to_string()),
        ],
    )?
    .with_policies()?;
    // Declarative agents that are written in the YAML are this machine's to trust.
    let trust = json!({
        "apiVersion": "aion.dev/v1alpha1", "kind": "TrustPolicy", "metadata": {"name": "tests"},
        "spec": {"inline": "allow"},
    });
    apply(&node, &[trust])?;
    Ok(node)
}

fn apply(node: &Standalone, objects: &[Value]) -> anyhow::Result<String> {
    let path = node.path("objects.yaml");
    let text: Vec<String> = objects.iter().map(Value::to_string).collect();
    fs::write(&path, text.join("\n---\n"))?;
    node.aionctl(&["apply", "--wait", "60", "-f", &path.to_string_lossy()])
}

fn agent(name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "aion.dev/v1alpha1", "kind": "Agent", "metadata": {"name": name}, "spec": spec})
}

/// The operations of the probe that a model is offered.
fn offered(request: &Value) -> Vec<String> {
    let tools = request["tools"].as_array().into_iter().flatten();
    let names = tools.filter_map(|it| it["function"]["name"].as_str());
    names
        .filter(|it| it.contains("probe"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_shipped_helper_finds_the_machines_own_model() -> anyhow::Result<()> {
    let model = FakeModel::answering(|_| Reply::text("Felix is a good name."))?;
    let node = node("helper", Some(&model))?;
    let jarvis = root().join("agents/jarvis");
    node.aionctl(&["apply", "--wait", "60", "-f", &jarvis.to_string_lossy()])?;
    let answer = node.aionctl(&["ask", "jarvis", "A name for a cat?"])?;
    assert!(answer.contains("Felix is a good name."), "{answer}");
    let requests = model.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].body["model"], "fake");
    assert!(requests[0].body.to_string().contains("A name for a cat?"));
    Ok(())
}

#[test]
fn without_a_model_it_is_said_how_to_get_one_and_the_librarian_quotes() -> anyhow::Result<()> {
    let node = node("alone", None)?;
    let docs = node.path("docs");
    fs::create_dir(&docs)?;
    fs::write(
        docs.join("door.md"),
        "# The door\n\nThe door of the lighthouse is blue.\n",
    )?;
    node.aionctl(&["mount", "add", "docs", &docs.to_string_lossy()])?;
    for name in ["jarvis", "librarian"] {
        let folder = root().join("agents").join(name);
        node.aionctl(&["apply", "--wait", "60", "-f", &folder.to_string_lossy()])?;
    }
    let refused = node
        .aionctl(&["ask", "jarvis", "Hello?"])
        .unwrap_err()
        .to_string();
    let refused = refused.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        refused.contains("no model answers on this machine"),
        "{refused}"
    );
    assert!(refused.contains("ollama pull"), "{refused}");
    let answer = node.aionctl(&["ask", "librarian", "What colour is the door?"])?;
    assert!(
        answer.contains("door.md") && answer.contains("blue"),
        "{answer}"
    );
    Ok(())
}

#[test]
fn a_model_calls_a_tool_and_falls_back_and_is_charged() -> anyhow::Result<()> {
    let mut asked = 0;
    let model = FakeModel::answering(move |request| {
        asked += 1;
        match asked {
            1 => Reply::call(
                &offered(&request.body)[0],
                json!({"at": "/mnt/docs/note.txt"}),
            ),
            _ => Reply::text("It is blue."),
        }
    })?;
    let node = node("caller", Some(&model))?;
    let docs = node.path("docs");
    fs::create_dir(&docs)?;
    fs::write(docs.join("note.txt"), "the door is blue")?;
    node.aionctl(&["mount", "add", "docs", &docs.to_string_lossy()])?;
    let probe = program("mcp-probe")?;
    let stdio = json!({"command": probe.to_string_lossy(), "mounts": ["docs"]});
    let away = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
    let clerk = json!({
        "instructions": "Be brief.",
        // The first is away, the second is this machine's own.
        "model": {"use": "away/m", "fallback": ["near"]},
        "tools": [{"name": "probe"}],
        "permissions": {"allow": ["probe.read"]},
    });
    let poor = json!({
        "instructions": "Be brief.", "model": {"use": "near"}, "limits": {"tokensPerHour": 10},
    });
    apply(
        &node,
        &[
            json!({"apiVersion": "aion.dev/v1alpha1", "kind": "ModelEndpoint", "metadata": {"name": "near"},
                "spec": {"provider": "local", "maxConcurrent": 1}}),
            json!({"apiVersion": "aion.dev/v1alpha1", "kind": "ModelEndpoint", "metadata": {"name": "away"},
                "spec": {"baseUrl": format!("http://{away}/v1"), "models": [{"name": "m"}]}}),
            json!({"apiVersion": "aion.dev/v1alpha1", "kind": "Tool", "metadata": {"name": "probe"},
                "spec": {"mcp": {"stdio": stdio}}}),
            agent("clerk", &clerk),
            agent("poor", &poor),
        ],
    )?;
    let answer = node.aionctl(&["ask", "clerk", "Which colour is the door?"])?;
    assert!(answer.contains("It is blue."), "{answer}");
    let requests = model.requests();
    assert_eq!(requests.len(), 2);
    let told = requests[1].body["messages"].to_string();
    assert!(told.contains("the door is blue"), "{told}");
    // What it may not call it was not offered.
    assert_eq!(offered(&requests[0].body).len(), 1);
    // Ten tokens an hour are less than a question.
    let refused = node
        .aionctl(&["ask", "poor", "Hello?"])
        .unwrap_err()
        .to_string();
    assert!(refused.contains("tokens"), "{refused}");
    assert_eq!(model.requests().len(), 2);
    Ok(())
}

#[test]
fn offline_a_model_of_this_machine_answers_and_no_other_is_dialled() -> anyhow::Result<()> {
    let model = FakeModel::answering(|_| Reply::text("From here."))?;
    let node = Standalone::start_with("offline", &[("OFFLINE_MODE", "true")])?.with_policies()?;
    let endpoint = |name: &str, url: &str| {
        json!({"apiVersion": "aion.dev/v1alpha1", "kind": "ModelEndpoint", "metadata": {"name": name},
            "spec": {"baseUrl": url, "models": [{"name": "m"}]}})
    };
    apply(
        &node,
        &[
            json!({"apiVersion": "aion.dev/v1alpha1", "kind": "TrustPolicy", "metadata": {"name": "tests"},
                "spec": {"inline": "allow"}}),
            endpoint("near", &model.base_url()),
            // TEST-NET-1 of RFC 5737: nobody's.
            endpoint("far", "http://192.0.2.7/v1"),
            agent(
                "home",
                &json!({"instructions": "x", "model": {"use": "near"}}),
            ),
            agent(
                "away",
                &json!({"instructions": "x", "model": {"use": "far"}}),
            ),
        ],
    )?;
    assert!(
        node.aionctl(&["ask", "home", "Hello?"])?
            .contains("From here.")
    );
    let refused = node
        .aionctl(&["ask", "away", "Hello?"])
        .unwrap_err()
        .to_string();
    assert!(refused.contains("OFFLINE_MODE"), "{refused}");
    Ok(())
}
