//! Workflows through the real programs: every construct, a node agent that is killed in the middle, a person who is asked,
//! a step that fails, and what cannot be done and is refused beforehand.
#![allow(clippy::unwrap_used)]

mod desk;

use std::fs;

use aion_e2e::cluster::{BOUND, root};
use aion_testkit::until;
use serde_json::{Value, json};

use desk::{Desk, states};

#[test]
fn a_workflow_whose_node_agent_is_killed_goes_on_at_the_last_step_that_ended() -> anyhow::Result<()>
{
    let mut desk = Desk::open()?;
    let steps = json!([
        {"name": "found", "tool": "probe.echo", "arguments": {"text": "${'[\"a\", \"b\", \"c\"]' + ''}"}, "as": "json"},
        {"name": "never", "when": "${size(steps.found) > 9}", "tool": "probe.fail"},
        {"name": "each", "foreach": "${steps.found}", "parallel": 2, "steps": [
            {"name": "sent", "tool": "probe.echo", "arguments": {"text": "letter ${item} ${index}"}},
            {"name": "read", "agent": "clerk", "input": "${steps.sent} for ${input}"}
        ]},
        {"name": "both", "parallel": 2, "steps": [
            {"name": "left", "tool": "probe.echo", "arguments": {"text": "left"}},
            {"name": "right", "prompt": "HOLD ${size(steps.each)}"}
        ]},
        {"name": "polish", "until": "${round == 3}", "maxRounds": 3, "steps": [
            {"name": "round_of", "tool": "probe.echo", "arguments": {"text": "round ${round}, ${previous == null ? 'first' : previous}"}}
        ]},
        {"name": "end", "value": "${steps.each.join(' ')} ${steps.both.left} ${steps.both.right} ${steps.polish}"}
    ]);
    desk.workflow("letters", &steps, &json!({}))?;
    let asked = desk.asking("letters", "the office");
    desk.held(1)?;
    until("the other half to be done", BOUND, || {
        let why = desk.node.aionctl(&["why", "letters"]);
        let why = why.map_err(|why| why.to_string())?;
        match why.contains("is at step both.right") {
            true => Ok(()),
            false => Err(why),
        }
    })?;

    desk.node.restart_daemon()?;
    desk.held(2)?;
    assert_eq!(desk.facts("turn-evicted")?.len(), 0, "its worker lived on");
    desk.go();
    desk.node.replace()?;
    let answer = asked.join().unwrap()?;
    let evicted = desk.facts("turn-evicted")?.len();
    assert_eq!(evicted, 1, "it ran again from its start");
    let read = |item: &str, at: u8| format!("<letter {item} {at} for the office>");
    for part in [
        read("a", 0),
        read("b", 1),
        read("c", 2),
        "left <HOLD 3> round 3, round 2, round 1, first".to_owned(),
    ] {
        assert!(answer.contains(&part), "{part} is not in {answer}");
    }
    let told: Vec<_> = desk
        .called("echo")
        .iter()
        .map(|it| it["text"].as_str().unwrap().to_owned())
        .collect();
    let expected = [
        "[\"a\", \"b\", \"c\"]",
        "left",
        "letter a 0",
        "letter b 1",
        "letter c 2",
        "round 1, first",
        "round 2, round 1, first",
        "round 3, round 2, round 1, first",
    ];
    assert_eq!(told, expected, "each once");
    assert_eq!(desk.called("fail"), [] as [Value; 0]);
    let begun = desk.facts("turn-queued")?;
    let begun = begun.iter().filter(|it| it["caller"].is_object()).count();
    assert_eq!(begun, 3, "the clerk was asked once for each item");

    let record = desk.record("letters")?;
    let states = states(&record);
    let of = |step: &str| {
        states
            .iter()
            .filter(|it| it.0 == step)
            .map(|it| it.1.as_str())
            .collect::<Vec<_>>()
    };
    for step in [
        "found",
        "each",
        "each[2].read",
        "both.right",
        "polish",
        "polish[3].round_of",
        "end",
    ] {
        assert_eq!(of(step), ["done"], "{step} in {states:?}");
    }
    assert_eq!(of("never"), ["skipped"]);
    let steps = record["steps"].as_array().unwrap();
    assert!(
        steps
            .iter()
            .all(|it| it["endedAtMs"].as_u64() >= it["beganAtMs"].as_u64())
    );
    let asked: Vec<_> = steps.iter().filter(|it| it["turn"].is_u64()).collect();
    assert_eq!(asked.len(), 3, "those that asked the clerk name its turns");
    Ok(())
}

#[test]
fn a_call_of_which_nobody_knows_the_end_is_told_and_not_made_again() -> anyhow::Result<()> {
    let mut desk = Desk::open()?;
    let steps = json!([
        {"name": "before", "tool": "probe.echo", "arguments": {"text": "before"}},
        {"name": "slow", "tool": "probe.wait", "arguments": {"milliseconds": "${600000}"}}
    ]);
    desk.workflow("slow", &steps, &json!({}))?;
    let asked = desk.asking("slow", "go");
    until("the tool to be called", BOUND, || {
        match desk.called("wait").len() {
            1 => Ok(()),
            _ => Err("not yet".to_owned()),
        }
    })?;
    desk.node.replace()?;
    let refused = asked.join().unwrap().unwrap_err().to_string();
    assert!(refused.contains("step slow:"), "{refused}");
    assert_eq!(
        (desk.called("wait").len(), desk.called("echo").len()),
        (1, 1)
    );
    let record = desk.record("slow")?;
    assert_eq!(record["outcome"]["problem"]["code"], "outcome-unknown");
    Ok(())
}

#[test]
fn a_step_that_asks_a_person_sets_the_turn_aside_and_goes_on_with_the_word() -> anyhow::Result<()> {
    let desk = Desk::open()?;
    let steps = json!([
        {"name": "drafted", "agent": "clerk", "input": "a letter"},
        {"name": "sent", "tool": "probe.echo", "arguments": {"text": "${steps.drafted}"}}
    ]);
    desk.workflow(
        "careful",
        &steps,
        &json!({"permissions": {"ask": ["probe.echo"]}}),
    )?;
    let asked = desk.asking("careful", "go");
    let approval = until("the turn to be set aside", BOUND, || {
        let parked = desk.facts("turn-parked").map_err(|why| why.to_string())?;
        let all = desk
            .node
            .aionctl(&["approvals", "-o", "json"])
            .map_err(|why| why.to_string())?;
        let all: Value = serde_json::from_str(&all).map_err(|why| why.to_string())?;
        match (&all["items"][0]["approval"], parked.len()) {
            (Value::Number(number), 1) => Ok(number.to_string()),
            _ => Err(all.to_string()),
        }
    })?;
    assert_eq!(desk.called("echo"), [] as [Value; 0]);
    let why = desk.node.aionctl(&["why", "careful"])?;
    let why = why.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(why.contains("it is at step sent"), "{why}");
    desk.node.aionctl(&["approvals", "approve", &approval])?;
    let answer = asked.join().unwrap()?;
    assert!(answer.contains("<a letter>"), "{answer}");
    assert_eq!(desk.called("echo").len(), 1);
    let begun = desk.facts("turn-queued")?;
    assert_eq!(
        begun.iter().filter(|it| it["caller"].is_object()).count(),
        1,
        "the clerk was asked once"
    );
    Ok(())
}

#[test]
fn a_step_that_fails_ends_what_runs_beside_it_and_is_named() -> anyhow::Result<()> {
    let desk = Desk::open()?;
    let steps = json!([{"name": "both", "parallel": 2, "steps": [
        {"name": "long", "agent": "clerk", "input": "HOLD"},
        {"name": "short", "steps": [
            {"name": "waited", "prompt": "x"},
            {"name": "bad", "tool": "probe.fail"}
        ]}
    ]}]);
    desk.workflow("doomed", &steps, &json!({}))?;
    let refused = desk
        .node
        .aionctl(&["ask", "doomed", "go"])
        .unwrap_err()
        .to_string();
    assert!(
        refused
            .contains("step both.short.bad: probe.fail says that it failed: it was asked to fail"),
        "{refused}"
    );
    let states = states(&desk.record("doomed")?);
    for (step, state) in [
        ("both", "failed"),
        ("both.long", "cancelled"),
        ("both.short.bad", "failed"),
    ] {
        assert!(
            states.contains(&(step.to_owned(), state.to_owned())),
            "{states:?}"
        );
    }
    assert_eq!(
        desk.record("clerk")?["outcome"]["problem"]["code"],
        "cancelled"
    );
    Ok(())
}

/// The examples among the agents, and the one of the document.
#[test]
fn the_examples_do_what_they_say() -> anyhow::Result<()> {
    let desk = Desk::open()?;
    let shipped = fs::read_to_string(root().join("agents/briefing/agent.yaml"))?;
    desk.apply_text(&shipped.replace("librarian", "clerk"))?;
    let answer = desk
        .node
        .aionctl(&["ask", "briefing", "signing; backups;"])?;
    for subject in ["signing", "backups"] {
        assert!(
            answer.contains(&format!("<What do the documents say about {subject}?>")),
            "{answer}"
        );
    }
    let shipped = fs::read_to_string(root().join("agents/careful/agent.yaml"))?;
    desk.apply_text(&shipped.replace("librarian", "clerk"))?;
    let asked = desk.asking("careful", "mounts");
    until("a person to be asked", BOUND, || {
        let waits = desk.node.aionctl(&["approvals"]);
        let waits = waits.map_err(|why| why.to_string())?;
        match waits.contains("agent.ask:clerk") {
            true => Ok(()),
            false => Err(waits),
        }
    })?;
    desk.node.aionctl(&["approvals", "approve", "1"])?;
    let answer = asked.join().unwrap()?;
    assert!(answer.contains("<mounts>"), "{answer}");
    let document = fs::read_to_string(root().join("docs/workflows.md"))?;
    let example = document
        .split("```yaml\n")
        .nth(1)
        .and_then(|it| it.split("```").next())
        .unwrap();
    let path = desk.node.path("example.yaml");
    fs::write(&path, example)?;
    let told = desk
        .node
        .aionctl(&["apply", "--dry-run", "-f", &path.to_string_lossy()])?;
    assert!(told.contains("reviews"), "{told}");
    Ok(())
}

#[test]
fn what_cannot_be_done_is_refused_with_its_file_line_and_field() -> anyhow::Result<()> {
    let desk = Desk::open()?;
    let head = "apiVersion: aion.dev/v1alpha1\nkind: Agent\nmetadata: {name: bad}\nspec:\n";
    for (spec, line, field, what) in [
        ("  steps: []\n", 5, "spec.steps", "needs at least 1"),
        (
            "  instructions: x\n  steps: [{name: a, value: x}]\n",
            5,
            "spec",
            "exactly one of instructions",
        ),
        (
            "  runtime: wasm\n  steps: [{name: a, value: x}]\n",
            5,
            "spec.runtime",
            "steps are done by the runtime declarative",
        ),
        (
            "  steps: [{name: a, value: x}]\n  memory: {pool: p}\n",
            5,
            "spec.steps",
            "remember nothing",
        ),
        (
            "  steps:\n  - name: a\n    valeu: x\n",
            7,
            "spec.steps[0].valeu",
            "did you mean value",
        ),
        (
            "  steps:\n  - name: a\n    value: 10\n",
            7,
            "spec.steps[0].value",
            "must be text",
        ),
        (
            "  steps:\n  - name: a\n    value: x\n  - name: a\n    value: z\n",
            8,
            "spec.steps[1].name",
            "is called a too",
        ),
        (
            "  steps:\n  - name: a\n    steps:\n    - name: b\n      value: ${steps.c}\n",
            9,
            "spec.steps[0].steps[0].value",
            "there is no step c",
        ),
        (
            "  steps:\n  - name: a\n    tool: probe.echo\n",
            7,
            "spec.steps[0].tool",
            "add {name: probe} to spec.tools",
        ),
        (
            "  tools: [{name: probe}]\n  steps:\n  - name: a\n    tool: probe.echo\n",
            8,
            "spec.steps[0].tool",
            "does not ask for the right probe.echo",
        ),
        (
            "  steps:\n  - name: a\n    agent: clerk\n    input: x\n",
            7,
            "spec.steps[0].agent",
            "add {agent: clerk} to spec.tools",
        ),
        (
            "  steps:\n  - name: a\n    prompt: x\n",
            7,
            "spec.steps[0].prompt",
            "no model",
        ),
    ] {
        let path = desk.node.path("bad.yaml");
        fs::write(&path, format!("{head}{spec}"))?;
        let refused = desk.node.aionctl(&["apply", "-f", &path.to_string_lossy()]);
        let refused = refused.unwrap_err().to_string();
        let flat = refused.split_whitespace().collect::<Vec<_>>().join(" ");
        for part in [&format!("bad.yaml:{line}"), field, what] {
            assert!(
                flat.contains(part),
                "{part:?} is not in {flat:?} for {spec}"
            );
        }
    }
    Ok(())
}
