//! `docs/escape.md`: every attempt, what was expected of it and what came of it.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use aion_escape::attempts::{ALLOWED, Held, all};
use aion_escape::outcome::SUCCEEDED;

use crate::runs::{Runs, is_missing};

const HEAD: &str = "# Attempts to get out

Written by `AION_ESCAPE_PAGE=write cargo test -p aion-escape`, as root; do not edit it by hand. Each attempt is a small
program run inside an agent of runtime `process` and inside a tool, behind the real launcher with every layer on. The
column *got* is how it failed as an agent, *as a tool* how it failed there. *Held by* names the layers that hold it, each
of them alone: the tests try it with all the others off. With all of them off it succeeds, or this machine has no such
thing. What holds *the sandbox* is seen by trying it outside of one.

| attempt | tries to | expected | got | as a tool | held by | got with these off |
|---|---|---|---|---|---|---|
";

/// Where the page is.
pub(crate) fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/escape.md")
}

/// The page of these runs.
pub(crate) fn render(runs: &Runs) -> String {
    let mut text = HEAD.to_owned();
    for attempt in all() {
        let of = |outcomes: &crate::stage::Outcomes| {
            outcomes
                .get(attempt.name)
                .cloned()
                .unwrap_or_else(|| "nothing".into())
        };
        let held = match attempt.held {
            Held::By(layers) => {
                let names: Vec<&str> = layers.iter().map(|layer| layer.name()).collect();
                names.join(", ")
            }
            Held::ByTheSandbox => "the sandbox".into(),
        };
        let off = match runs.with_all_off(&attempt) {
            missing if is_missing(missing) => "not on this machine",
            came => came,
        };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {held} | {off} |",
            attempt.name,
            attempt.tries,
            attempt.expected,
            of(&runs.process),
            match of(&runs.tool) {
                came if came == SUCCEEDED && attempt.as_tool == ALLOWED => ALLOWED.into(),
                came => came,
            },
        );
    }
    text
}

/// What is the same on every machine: all but what came of it where a machine may lack a thing.
pub(crate) fn deterministic(page: &str) -> Vec<String> {
    let line = |line: &str| match line.split('|').collect::<Vec<_>>()[..] {
        ["", name, tries, expected, _, _, held, _, ""] => [name, tries, expected, held].join("|"),
        _ => line.to_owned(),
    };
    page.lines().map(line).collect()
}
