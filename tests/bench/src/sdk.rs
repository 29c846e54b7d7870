//! `sdk_python_syscall_ratio` and `sdk_ts_syscall_ratio`: signed null syscalls by an SDK, one after the other, against the bare client
//! of its language that is sent the same bodies back. What may not enter: an SDK's own tests.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use aion_e2e::npm::NodeSdk;
use aion_testkit::{Interpreter, node_package, python_package};
use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::programs::{Part, scratch};
use crate::report::{Figure, median};
use crate::syscalls::Address;

const PYTHON: &str = include_str!("../sdk/null.py");
const NODE: &str = include_str!("../sdk/null.mjs");
/// The SDK for Python, beside this crate.
const PYTHON_SDK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../sdk/python");
const CALLS: usize = 2_000;
const GOAL: &str = "ratio to the bare client ≥ 0.6";

/// Measures those of the two whose language and bare client are on this machine.
pub(crate) fn measure(rounds: usize) -> Result<Vec<Figure>> {
    let work = scratch()?;
    let echo = work.path().join("echo.sock");
    let (_echo, _) = Part::start(&["echo", &echo.to_string_lossy()])?;
    let mut figures = Vec::new();
    let mut note = |name: &'static str, command: Result<Command>| -> Result<()> {
        match command {
            Ok(mut command) => {
                // Each has a key of its own, whose counters begin with it.
                let (_daemon, address) = Address::of_a_host(&work.path().join(name))?;
                let given = json!({
                    "boot": address.boot, "socket": address.socket, "echo": echo, "calls": CALLS, "rounds": rounds,
                });
                figures.push(figure(name, &run(&mut command, &given.to_string())?));
            }
            Err(why) => eprintln!("{name} is not measured: {why:#}"),
        }
        Ok(())
    };
    note("sdk_python_syscalls", python())?;
    let packages = NodeSdk::find()?;
    note(
        "sdk_ts_syscalls",
        packages
            .as_ref()
            .context("the SDK cannot be built here")
            .and_then(|it| node(it, work.path())),
    )?;
    Ok(figures)
}

fn python() -> Result<Command> {
    // With pytest comes what the SDK is made with.
    let site = python_package("pytest")?;
    let mut command = Command::new("python3");
    command.env(
        "PYTHONPATH",
        std::env::join_paths([site.as_path(), Path::new(PYTHON_SDK)])?,
    );
    command.args(["-c", PYTHON]);
    Ok(command)
}

fn node(sdk: &NodeSdk, work: &Path) -> Result<Command> {
    let folder = sdk.installed_beside("bench", &node_package("undici")?)?;
    let script = folder.join("null.mjs");
    std::fs::write(&script, NODE)?;
    let mut command = Interpreter::Node.command()?;
    command.arg(script).current_dir(work);
    Ok(command)
}

/// The rates of each round: the SDK's, and the bare client's.
fn run(command: &mut Command, given: &str) -> Result<Vec<[f64; 2]>> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    child
        .stdin
        .take()
        .context("it has an input")?
        .write_all(given.as_bytes())?;
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "{command:?} failed");
    let text = String::from_utf8(output.stdout)?;
    let rounds = text.lines().map(|line| {
        let (ours, bare) = line.split_once(' ').context("a round has two rates")?;
        Ok([ours.parse()?, bare.parse()?])
    });
    rounds.collect()
}

fn figure(name: &'static str, rounds: &[[f64; 2]]) -> Figure {
    let of =
        |value: fn(&[f64; 2]) -> f64| median(&mut rounds.iter().map(value).collect::<Vec<_>>());
    Figure {
        name,
        value: of(|[ours, _]| *ours),
        unit: "syscalls/s",
        baseline: Some(of(|[_, bare]| *bare)),
        ratio: Some(of(|[ours, bare]| ours / bare)),
        goal: GOAL,
    }
}
