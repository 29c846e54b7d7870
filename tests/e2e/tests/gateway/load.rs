//! The load that a person puts on a gateway with k6, for a few seconds: every answer is whole and right.

#![allow(clippy::unwrap_used)]

use std::process::Command;

use aion_e2e::cluster::root;
use aion_testkit::{Component, FakeModel, Reply, or_skip};

use crate::door::Door;
use crate::models::lend;

#[test]
fn every_answer_is_right_under_the_load_of_k6() -> anyhow::Result<()> {
    let Some(k6) = or_skip(Component::K6.find()) else {
        return Ok(());
    };
    let model = FakeModel::answering(|_| Reply::text("Felix."))?;
    let door = Door::open(&model)?;
    lend(&door, str::to_owned)?;
    let settings = [
        format!("URL=http://127.0.0.1:{}", door.port),
        format!("TOKEN={}", door.token),
        "EXPECT=Felix.".to_owned(),
        "SECONDS=5".to_owned(),
    ];
    let run = |more: &[&str]| {
        let mut command = Command::new(&k6);
        command.args(["run", "--no-usage-report", "--quiet", "--no-color"]);
        for setting in settings
            .iter()
            .map(String::as_str)
            .chain(more.iter().copied())
        {
            command.args(["-e", setting]);
        }
        command.arg(root().join("tests/load/gateway.js"));
        command.current_dir(door.node.path("")).output()
    };
    let output = run(&[])?;
    let (said, error) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{said}\n{error}");
    // What it looks at can fail: it says so when an answer is another.
    let output = run(&["EXPECT=Tom.", "SECONDS=1"])?;
    assert_eq!(output.status.code(), Some(99), "thresholds were crossed");
    Ok(())
}
