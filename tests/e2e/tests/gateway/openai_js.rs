//! OpenAI's client for JavaScript: chats, streams, tools, responses, vectors and errors, of an agent and of models that one lends.

use std::{fs, os::unix::fs::symlink, process::Command};

use aion_e2e::cluster::root;
use aion_testkit::{Interpreter, node_package, or_skip};
use serde_json::json;

use crate::{embeddings, models};

#[test]
fn openais_client_for_javascript_asks_an_agent_and_models_of_one() -> anyhow::Result<()> {
    let Some(modules) = or_skip(node_package("openai-js")) else {
        return Ok(());
    };
    if or_skip(Interpreter::Node.command()).is_none() {
        return Ok(());
    }
    let model = models::model()?;
    let door = embeddings::open(&model, models::LIMITS)?;
    assert_eq!(embeddings::embed(&door, &json!("a")).0, 200);
    // Node looks for packages beside the program.
    let work = tempfile::tempdir()?;
    let program = work.path().join("client.mjs");
    let script = root().join("tests/e2e/tests/gateway/openai/client.mjs");
    fs::copy(script, &program)?;
    symlink(&modules, work.path().join("node_modules"))?;
    let mut node = Command::new("node");
    node.arg(&program);
    node.args([&format!("http://127.0.0.1:{}/v1", door.port), &door.token]);
    let output = node.output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "all of it");
    Ok(())
}
