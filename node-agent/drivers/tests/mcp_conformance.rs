//! The client of `@modelcontextprotocol/conformance`, of both eras: `examples/mcp_conformance.rs` is driven by it, and
//! whatever fails beside what the node does not offer fails this test.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{collections::BTreeMap, env, path::PathBuf, process::Command};

use aion_testkit::{Component, or_skip};

/// Scenarios that are scored and fail, by the beginning of their name, and why: what the node does not offer.
const NOT_OFFERED: [(&str, &str); 2] = [
    (
        "auth/",
        "a tool's key is a bearer token in a secret: there is no OAuth",
    ),
    (
        "elicitation-sep1034-client-defaults",
        "its server asks in the stream for what belongs to no call, and nobody is asked about that",
    ),
];

/// Beside this test's own program.
fn client() -> PathBuf {
    let test = env::current_exe().unwrap();
    test.ancestors()
        .nth(2)
        .unwrap()
        .join("examples/mcp_conformance")
}

/// The scenarios of a revision with whether each passed, and the suite's last lines.
fn run(suite: &PathBuf, revision: &str) -> (BTreeMap<String, bool>, String) {
    let results = tempfile::tempdir().unwrap();
    let output = Command::new(suite)
        .current_dir(results.path())
        .args([
            "client",
            "--requirements",
            revision,
            "--timeout",
            "30000",
            "--command",
        ])
        .arg(client())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let Some((_, summary)) = text.split_once("=== SUITE SUMMARY ===") else {
        panic!("{text}\n{}", String::from_utf8_lossy(&output.stderr));
    };
    let scored = summary.split("Not scored").next().unwrap();
    let lines = scored.lines().filter_map(|line| {
        let passed = line.starts_with('\u{2713}');
        let rest = line.strip_prefix(['\u{2713}', '\u{2717}'])?;
        Some((rest.trim().split(':').next()?.to_owned(), passed))
    });
    (lines.collect(), summary.to_owned())
}

#[test]
fn the_client_conforms_in_both_eras() {
    let Some(suite) = or_skip(Component::McpConformance.find()) else {
        return;
    };
    assert!(
        client().is_file(),
        "cargo test builds {}",
        client().display()
    );
    for revision in ["2025-11-25", "2026-07-28"] {
        let (scenarios, summary) = run(&suite, revision);
        let not_scored: Vec<&str> = summary
            .lines()
            .filter_map(|line| {
                line.trim()
                    .strip_prefix(['\u{2717}', '\u{2713}'])?
                    .trim()
                    .split_once(" (")
            })
            .map(|(name, _)| name)
            .collect();
        let scored = scenarios
            .iter()
            .filter(|(name, _)| !not_scored.contains(&name.as_str()));
        let (mut passed, mut not_offered, mut wrong) = (0, Vec::new(), Vec::new());
        for (name, good) in scored {
            let known = NOT_OFFERED
                .iter()
                .find(|(begin, _)| name.starts_with(begin));
            match (good, known) {
                (true, _) => passed += 1,
                (false, Some((_, why))) => not_offered.push((name, why)),
                (false, None) => wrong.push(name.as_str()),
            }
        }
        println!(
            "MCP conformance of the client, {revision}: {passed} of {} scored scenarios pass",
            passed + not_offered.len() + wrong.len(),
        );
        for (name, why) in not_offered {
            println!("  not passed: {name}: {why}");
        }
        assert!(wrong.is_empty(), "{revision}: {wrong:?}\n{summary}");
        assert!(passed > 0, "{summary}");
    }
}
