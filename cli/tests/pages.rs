//! The pages for people say what the programs do: no command, code or syscall is missing from them, and help teaches.

#![allow(clippy::unwrap_used, clippy::panic)]

mod admin;

use std::path::Path;

use admin::{command, ran};
use aion_abi::{code::Code, syscall::Syscall};

const COMMANDS: [&str; 23] = [
    "local",
    "apply",
    "get",
    "describe",
    "delete",
    "ask",
    "run",
    "route",
    "logs",
    "memory",
    "tools",
    "audit",
    "usage",
    "queues",
    "events",
    "trace",
    "why",
    "explain",
    "mount",
    "new",
    "bundle",
    "completion",
    "version",
];

fn page(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

fn help(arguments: &[&str]) -> String {
    let home = tempfile::tempdir().unwrap();
    let ran = ran(command(home.path()).args(arguments).arg("--help"));
    assert_eq!(ran.status, 0, "{ran:?}");
    ran.out
}

#[test]
fn every_syscall_and_every_code_has_its_place_in_the_page() {
    let page = page("docs/syscalls.md");
    for syscall in Syscall::ALL {
        assert!(page.contains(&format!("\n### {syscall}\n")), "{syscall}");
    }
    for code in Code::ALL {
        let row = format!("| `{code}` | {} |", code.status());
        assert!(
            page.contains(&row) && page.contains(code.remedy()),
            "{code}"
        );
    }
}

#[test]
fn every_command_is_in_the_page_and_in_the_help() {
    let (page, help) = (page("docs/cli.md"), help(&[]));
    for command in COMMANDS {
        assert!(
            page.contains(&format!("`aionctl {command}")),
            "{command} is not in docs/cli.md"
        );
        assert!(
            help.contains(&format!("\n  {command} ")),
            "{command} is not in the help"
        );
    }
    assert_eq!(
        help.lines().filter(|line| is_command(line)).count(),
        COMMANDS.len(),
        "{help}"
    );
}

fn is_command(line: &str) -> bool {
    let words: Vec<_> = line.split_whitespace().collect();
    line.starts_with("  ")
        && !line.starts_with("   ")
        && words.len() > 2
        && COMMANDS.contains(&words[0])
}

#[test]
fn help_fits_a_terminal_and_shows_an_example_for_every_command() {
    for command in COMMANDS.iter().filter(|command| **command != "version") {
        let help = help(&[command]);
        assert!(
            help.contains("Examples:") && help.contains(&format!("aionctl {command}")),
            "{help}"
        );
        for line in help.lines() {
            assert!(line.chars().count() <= 100, "{command}: {line}");
        }
    }
}

#[test]
fn what_the_readme_tells_to_type_is_understood() {
    let home = tempfile::tempdir().unwrap();
    for page in [
        "README.md",
        "docs/agents.md",
        "docs/approvals.md",
        "docs/cli.md",
        "docs/devices.md",
        "docs/gateway.md",
        "docs/sdk-python.md",
        "docs/sdk-typescript.md",
        "docs/triggers.md",
        "docs/workflows.md",
    ]
    .map(page)
    {
        let blocks = page
            .split("```sh\n")
            .skip(1)
            .filter_map(|rest| rest.split("```").next());
        let lines = blocks
            .flat_map(str::lines)
            .filter_map(|line| line.strip_prefix("aionctl "));
        for line in lines {
            let line = line.split(['#', '|']).next().unwrap();
            let mut words: Vec<_> = words(line);
            words.retain(|word| !word.is_empty());
            let ran = ran(command(home.path()).args(&words).current_dir(home.path()));
            // Nothing runs here: understood means that it is not the arguments that are wrong.
            assert!(!ran.err.contains("Usage:"), "aionctl {line}\n{}", ran.err);
        }
    }
}

#[test]
fn whoever_a_key_is_for_is_said_by_name_or_by_label() {
    let home = tempfile::tempdir().unwrap();
    let ran = ran(command(home.path()).args(["key", "create", "editor"]));
    assert_eq!(ran.status, 2, "{ran:?}");
    let both = "<--agent <AGENT>|--label <KEY=VALUE>>";
    assert!(ran.err.contains(both), "{ran:?}");
}

fn words(line: &str) -> Vec<String> {
    let line = line.split(" || ").next().unwrap_or(line);
    let parts = line.split('"').enumerate();
    parts
        .flat_map(|(at, part)| match at % 2 {
            1 => vec![part.to_owned()],
            _ => part.split_whitespace().map(str::to_owned).collect(),
        })
        .collect()
}
