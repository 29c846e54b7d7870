//! Agents that ask agents: with one worker slot, with rights and budgets that the caller narrows, through persons who are
//! asked and a daemon that is killed.
#![allow(clippy::unwrap_used)]

mod office;
mod programs;
mod waits;

use std::fs::{self, File};

use aion_e2e::cluster::{BOUND, root};
use aion_testkit::{FakeModel, Reply, until};
use serde_json::json;

use office::{Office, act, instructions, offered, result};

#[test]
fn an_agent_asks_another_which_may_do_what_it_is_let_do() -> anyhow::Result<()> {
    let office = Office::open(
        FakeModel::answering(act)?,
        &[
            ("clerk", "use echo", json!({"tools": [{"name": "probe"}]})),
            (
                "chief",
                "use ask_clerk",
                json!({"tools": [{"agent": "clerk"}]}),
            ),
            (
                "miser",
                "use ask_clerk",
                json!({"tools": [{"agent": "clerk", "delegate": []}]}),
            ),
        ],
    )?;
    let answer = office.node.aionctl(&["ask", "chief", "Have it sent."])?;
    assert!(answer.contains("the letter"), "{answer}");
    assert_eq!(office.server.calls().len(), 1);
    let called = office.called()?;
    assert_eq!(called.len(), 1, "{called:?}");
    assert_eq!(called[0]["cause"], "agent");

    let why = office.node.aionctl(&["why", "clerk"])?;
    assert!(why.contains("called by default/chief in turn"), "{why}");

    let answer = office.node.aionctl(&["ask", "miser", "Have it sent."])?;
    assert!(answer.contains("delegated denies it"), "{answer}");
    assert_eq!(office.server.calls().len(), 1, "the tool was not called");

    let heard = office.node.path("heard");
    let mut events = office.node.command(&["events", "clerk", "--kind", "turn"]);
    let mut events = events.stdout(File::create(&heard)?).spawn()?;
    // Only what happens while it listens is told.
    let told = until("an event to say who called", BOUND, || {
        let asked = office.node.aionctl(&["ask", "chief", "Have it sent."]);
        asked.map_err(|why| why.to_string())?;
        let heard = fs::read_to_string(&heard).map_err(|why| why.to_string())?;
        match heard.contains("waits (agent, called by turn") {
            true => Ok(()),
            false => Err(heard),
        }
    });
    events.kill()?;
    events.wait()?;
    told?;
    Ok(())
}

/// The example of the document, and one that is let do nothing: neither answer is lost to what it may not do.
#[test]
fn one_that_may_only_recall_or_only_answer_answers() -> anyhow::Result<()> {
    let model = FakeModel::answering(|request| {
        // The example's own words tell nobody to use a tool.
        let tells = instructions(request).contains("our books");
        match offered(request, "ask_librarian") {
            Some(name) if tells && result(request).is_none() => {
                Reply::call(name, json!({"input": "Where is the key?"}))
            }
            _ => act(request),
        }
    })?;
    let office = Office::open(
        model,
        &[
            (
                "librarian",
                "You know what is where.",
                json!({"memory": {"pool": "books"}}),
            ),
            (
                "miser",
                "use ask_librarian",
                json!({"tools": [{"agent": "librarian", "delegate": []}]}),
            ),
        ],
    )?;
    let document = fs::read_to_string(root().join("docs/multi-agent.md"))?;
    let example = document.split("```").nth(1).unwrap_or_default();
    let spec = example
        .trim_start_matches("yaml")
        .replace("use: local", "use: said");
    let head = "apiVersion: aion.dev/v1alpha1\nkind: Agent\nmetadata: {name: reader}";
    office.apply(&format!("{head}{spec}"))?;

    for caller in ["reader", "miser"] {
        let answer = office.node.aionctl(&["ask", caller, "Where is the key?"])?;
        assert!(answer.contains("nothing to do"), "{caller}: {answer}");
    }
    let facts = office.facts()?;
    let about = |kind: &str| facts.iter().filter(|it| it["kind"] == kind).count();
    assert_eq!(about("memory.remember"), 0, "nor was it tried");
    assert_eq!(about("memory.recall"), 1, "by the one that may");
    Ok(())
}

/// What the clerk uses is the chief's, too: then the chief has too little left to say what it heard.
#[test]
fn what_one_that_is_asked_uses_counts_for_the_one_that_asks() -> anyhow::Result<()> {
    let model = FakeModel::answering(|request| match instructions(request) {
        said if said.contains("talk") => Reply::text("a ".repeat(2000)),
        _ => act(request),
    })?;
    let chief = |tokens: u64| json!({"tools": [{"agent": "clerk"}], "limits": {"tokensPerHour": tokens, "maxTokens": 100}});
    let office = Office::open(
        model,
        &[
            ("clerk", "talk", json!({"limits": {"maxTokens": 2100}})),
            ("rich", "use ask_clerk", chief(50_000)),
            ("poor", "use ask_clerk", chief(3000)),
        ],
    )?;
    office.node.aionctl(&["ask", "rich", "Go."])?;
    let refused = office.node.aionctl(&["ask", "poor", "Go."]);
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("tokens"), "{refused}");
    assert_eq!(office.called()?.len(), 2, "the clerk answered both");
    Ok(())
}

#[test]
fn agents_that_ask_in_a_circle_are_told_which() -> anyhow::Result<()> {
    let office = Office::open(
        FakeModel::answering(act)?,
        &[
            (
                "clerk",
                "use ask_chief",
                json!({"tools": [{"agent": "chief"}]}),
            ),
            (
                "chief",
                "use ask_clerk",
                json!({"tools": [{"agent": "clerk"}]}),
            ),
        ],
    )?;
    let answer = office.node.aionctl(&["ask", "chief", "Go."])?;
    assert!(answer.contains("chief → clerk → chief"), "{answer}");
    Ok(())
}
