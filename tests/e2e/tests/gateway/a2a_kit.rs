//! A2A's test kit (TCK), where `AION_A2A_TCK` names a checkout of it, against a gateway and the scripted agent: what it finds wrong
//! is what docs/a2a.md names, and nothing else.

#![allow(clippy::unwrap_used)]

use std::{collections::BTreeSet, env, fs, path::PathBuf, process::Command};

use aion_e2e::cluster::root;
use serde_json::Value;

use crate::a2a_scripts;

/// The names in the first column of the table of what is not as the kit wants it.
fn named() -> BTreeSet<String> {
    let text = fs::read_to_string(root().join("docs/a2a.md")).unwrap();
    let table = text.split("## What the kit finds").nth(1).unwrap();
    let rows = table.lines().filter(|it| it.starts_with("| `"));
    let columns = rows.filter_map(|it| it.split('|').nth(1));
    let names = columns.flat_map(|it| it.split('`').skip(1).step_by(2));
    names.map(str::to_owned).collect()
}

#[test]
#[ignore = "wants a checkout of a2aproject/a2a-tck in AION_A2A_TCK, and its packages in AION_A2A_TCK_PYTHON (docs/a2a.md)"]
fn the_test_kit_of_a2a_finds_nothing_wrong_but_what_is_named() -> anyhow::Result<()> {
    let kit = PathBuf::from(env::var("AION_A2A_TCK")?);
    let python = env::var("AION_A2A_TCK_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let Some((door, _program)) = a2a_scripts::open("2")? else {
        return Ok(());
    };
    let report = kit.join("reports/compatibility.json");
    // One of an earlier run would be read as this one's.
    let _ = fs::remove_file(&report);
    let output = Command::new(python)
        .arg("run_tck.py")
        .args([
            "--sut-host",
            &format!("http://127.0.0.1:{}{}", door.port, a2a_scripts::TCK),
        ])
        .args(["--", "-p", "tck_token", "-rs"])
        .current_dir(&kit)
        .env("PYTHONPATH", root().join("tests/conformance/a2a"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("AION_TOKEN_FILE", door.node.home().join("gateway/token"))
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    let report = fs::read_to_string(&report);
    let report: Value = serde_json::from_str(&report.unwrap_or_default()).map_err(|why| {
        let also = String::from_utf8_lossy(&output.stderr);
        anyhow::anyhow!("the kit gave no report ({why}): {said}{also}")
    })?;
    let requirements = report["per_requirement"].as_object().unwrap();
    let failed = requirements.iter().filter(|(_, it)| it["status"] == "FAIL");
    let failed: BTreeSet<String> = failed.map(|(name, _)| name.clone()).collect();
    assert_eq!(failed, named(), "{}", report["summary"]);
    Ok(())
}
