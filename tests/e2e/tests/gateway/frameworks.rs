//! Agents that other frameworks make, as people write them: models through `/v1`, agents as tools through `/mcp`, memory
//! through the SDK. The programs are the examples of the SDKs.

#![allow(clippy::unwrap_used)]

use std::{fs, process::Command};

use aion_e2e::{cluster::root, npm::NodeSdk};
use aion_testkit::{
    FakeModel, ModelRequest, Process, Reply, node_package, or_skip, python_package, until,
};
use serde_json::{Value, json};

use crate::{
    door::{BOUND, Door, body},
    external, models,
};

/// What a line of an example ends with that would be otherwise without AION-OS.
const MARK: &str = " AION-OS";
/// Of these as many as one may have.
const MOST: usize = 5;

/// Answers a framework with the call of an agent, and with what that said then; and the agent that is asked.
fn answered(request: &ModelRequest) -> Reply {
    let messages = request.body["messages"].as_array().unwrap();
    let tools = request.body["tools"].as_array();
    let offers = |it: &Value| it["function"]["name"] == "jarvis";
    let last = messages.last().unwrap();
    match tools.is_some_and(|it| it.iter().any(offers)) {
        false => Reply::text("Felix is a good name."),
        true if last["role"] == "tool" => Reply::text(format!("Jarvis says: {}", said(last))),
        true => Reply::call("jarvis", json!({"question": "A name for a cat?"})),
    }
}

/// What a tool said, be it text or parts of it.
fn said(message: &Value) -> String {
    let text = message["content"].to_string();
    match text.contains("Felix is a good name.") {
        true => "Felix".to_owned(),
        false => text,
    }
}

/// The program answers twice, and knows the second time what it found the first time.
fn works(
    example: &str,
    program: impl FnOnce(&Door) -> anyhow::Result<Command>,
) -> anyhow::Result<()> {
    let text = fs::read_to_string(root().join(example))?;
    let marked = text.lines().filter(|it| it.contains(MARK)).skip(1).count();
    assert!((1..=MOST).contains(&marked), "{example} has {marked} lines");
    let model = FakeModel::answering(answered)?;
    let door = Door::open(&model)?;
    models::lend(&door, str::to_owned)?;
    let agent = root().join("sdk/python/examples/agent.yaml");
    door.node
        .aionctl(&["apply", "-f", &agent.to_string_lossy()])?;
    let token = door.node.path("token");
    fs::write(&token, &door.token)?;
    let url = format!("http://127.0.0.1:{}/v1", door.port);
    let mut program = program(&door)?;
    program
        .env("OPENAI_BASE_URL", &url)
        .env("OPENAI_API_KEY", &door.token)
        .env("AION_AGENT", "researcher")
        .env("AION_GATEWAY_URL", &url)
        .env("AION_GATEWAY_TOKEN_FILE", &token);
    let program = Process::spawn(&program, &door.node.path("program.log"))?;
    external::becomes_ready(&door, "researcher", "True");
    for _ in 0..2 {
        let record = until("the program to answer", BOUND, || {
            let asked = json!({"input": "What may a cat be called?"});
            match door.post("/v1/agents/researcher/turns", "", &asked) {
                Ok((200, answer)) => Ok(body(&answer)),
                other => Err(format!("{other:?}\n{}", program.tail())),
            }
        })?;
        assert_eq!(
            record["answer"],
            "Jarvis says: Felix",
            "{record}\n{}",
            program.tail()
        );
    }
    let requests = model.requests();
    let knows = |it: &&ModelRequest| it.body.to_string().contains("Jarvis says: Felix");
    assert_eq!(requests.iter().filter(knows).count(), 2, "{requests:?}");
    Ok(())
}

fn python(example: &str) -> anyhow::Result<()> {
    let Some(site) = or_skip(python_package("langgraph")) else {
        return Ok(());
    };
    works(example, |_| {
        let path = format!("{}:{}", root().join("sdk/python").display(), site.display());
        let mut program = Command::new("python3");
        program
            .arg(root().join(example))
            .env("PYTHONPATH", path)
            .env("PYTHONDONTWRITEBYTECODE", "1");
        Ok(program)
    })
}

#[test]
fn an_agent_of_langgraph_has_models_tools_and_memory() -> anyhow::Result<()> {
    python("sdk/python/examples/langgraph_agent.py")
}

#[test]
fn an_agent_of_openais_sdk_has_models_tools_and_memory() -> anyhow::Result<()> {
    python("sdk/python/examples/openai_agents.py")
}

#[test]
fn an_agent_of_vercels_sdk_has_models_tools_and_memory() -> anyhow::Result<()> {
    let Some(modules) = or_skip(node_package("ai")) else {
        return Ok(());
    };
    let Some(sdk) = NodeSdk::find()? else {
        return Ok(());
    };
    let example = "sdk/ts/examples/ai_sdk.js";
    works(example, |_| {
        let project = sdk.installed_beside("ai", &modules)?;
        fs::copy(root().join(example), project.join("main.js"))?;
        let mut program = Command::new("node");
        program.arg("main.js").current_dir(&project);
        Ok(program)
    })
}
