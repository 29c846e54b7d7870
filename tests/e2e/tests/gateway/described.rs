//! The gateway is held to its own description by a tool that knows nothing else of it: requests that are as described and
//! requests that are not, and what is answered to each.

#![allow(clippy::unwrap_used)]

use std::{fs, process::Command};

use aion_testkit::{FakeModel, Reply, or_skip, python_package};

use crate::door::Door;

/// Two of its checks do not fit. A description cannot say all that is refused: a tool_choice that names a client's tool, a
/// question that is for nobody. And a method that is nowhere is refused as a path that is nowhere is (404). A program that is
/// not registered is told to come again (503, docs/external.md).
const SETTINGS: &str = r#"
[parameters]
"path.agent" = "jarvis"

[checks]
positive_data_acceptance.enabled = false
unsupported_method.enabled = false

[[operations]]
include-operation-id = ["endRun", "makeSyscall"]
checks.not_a_server_error.expected-statuses = ["2xx", "3xx", "4xx", 503]
"#;

#[test]
fn what_is_answered_is_as_it_is_described() -> anyhow::Result<()> {
    let Some(site) = or_skip(python_package("schemathesis")) else {
        return Ok(());
    };
    let model = FakeModel::answering(|_| Reply::text("Felix."))?;
    let door = Door::open(&model)?;
    let settings = door.node.path("schemathesis.toml");
    fs::write(&settings, SETTINGS)?;
    let mut tool = Command::new("python3");
    tool.args(["-m", "schemathesis.cli", "--config-file"])
        .arg(&settings)
        .arg("run")
        .arg(format!("http://127.0.0.1:{}/v1/openapi.json", door.port))
        .args(["--header", &format!("Authorization: Bearer {}", door.token)])
        .args(["--phases", "coverage,fuzzing", "--max-examples", "10"])
        .args(["--seed", "1", "--request-timeout", "30", "--no-color"])
        // The one waits for a turn that nobody asks for, the other has no end.
        .args(["--exclude-operation-id", "takeTurn"])
        .args(["--exclude-operation-id", "listen"])
        .env("PYTHONPATH", &site)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .current_dir(door.node.path(""));
    let output = tool.output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{error}");
    let cases = said.lines().find(|it| it.contains("generated,"));
    println!("{}", cases.unwrap().trim());
    Ok(())
}
