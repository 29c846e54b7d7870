//! Called turns that take long: through a daemon that is killed, for a person's word, and where two ask each other.

use std::{
    cell::Cell,
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, Ordering},
    },
};

use aion_e2e::cluster::BOUND;
use aion_testkit::{FakeModel, Reply, until};
use serde_json::{Value, json};

use crate::office::{Office, act, instructions};

#[test]
fn a_daemon_that_is_killed_goes_on_with_the_turn_that_was_called() -> anyhow::Result<()> {
    let open = Arc::new(AtomicBool::new(false));
    let door = Arc::clone(&open);
    let model = FakeModel::answering(move |request| {
        // The clerk's model says nothing before the daemon was killed.
        let clerk = instructions(request).contains("patient");
        while clerk && !door.load(Ordering::Relaxed) {
            std::thread::yield_now();
        }
        match clerk {
            true => Reply::text("the clerk's word"),
            false => act(request),
        }
    })?;
    let mut office = Office::open(
        model,
        &[
            ("clerk", "Be patient.", json!({})),
            (
                "chief",
                "use ask_clerk",
                json!({"tools": [{"agent": "clerk"}]}),
            ),
        ],
    )?;
    let asked = office.asking("chief");
    until("the clerk to be asked", BOUND, || {
        let called = office.called().map_err(|why| why.to_string())?;
        match called.len() {
            1 => Ok(()),
            other => Err(format!("{other} turns were called")),
        }
    })?;
    office.node.restart_daemon()?;
    // With it go the workers now: both turns run again from their start.
    office.node.replace()?;
    open.store(true, Ordering::Relaxed);
    let answer = asked.join().unwrap()?;
    assert!(answer.contains("the clerk's word"), "{answer}");
    assert_eq!(office.called()?.len(), 1, "it was called once");
    Ok(())
}

/// Approves the one call that waits, once as many turns are set aside.
fn approve(office: &Office, agent: &str, capability: &str, parked: usize) -> anyhow::Result<()> {
    let id = until("a word to be waited for", BOUND, || {
        let all = office.node.aionctl(&["approvals", "-o", "json"]);
        let all: Value = serde_json::from_str(&all.map_err(|why| why.to_string())?)
            .map_err(|why| why.to_string())?;
        let facts = office.facts().map_err(|why| why.to_string())?;
        let aside = facts.iter().filter(|it| it["fact"] == "turn-parked");
        match (all["items"].as_array().map(Vec::as_slice), aside.count()) {
            (Some([one]), aside) if aside >= parked => Ok(one.clone()),
            (_, aside) => Err(format!("{aside} are set aside: {all}")),
        }
    })?;
    assert_eq!(id["agent"], agent, "{id}");
    assert_eq!(id["capability"], capability, "{id}");
    let id = id["approval"].to_string();
    office.node.aionctl(&["approvals", "approve", &id])?;
    Ok(())
}

#[test]
fn the_caller_of_one_that_waits_for_a_word_waits_without_a_process_too() -> anyhow::Result<()> {
    let mut office = Office::open(
        FakeModel::answering(act)?,
        &[
            (
                "clerk",
                "use echo",
                json!({"tools": [{"name": "probe"}], "permissions": {"ask": ["probe.echo"]}}),
            ),
            (
                "chief",
                "use ask_clerk",
                json!({"tools": [{"agent": "clerk"}], "permissions": {"ask": ["agent.ask:clerk"]}}),
            ),
        ],
    )?;
    let asked = office.asking("chief");
    approve(&office, "default/chief", "agent.ask:clerk", 1)?;
    until("both to be set aside", BOUND, || {
        let facts = office.facts().map_err(|why| why.to_string())?;
        match facts
            .iter()
            .filter(|it| it["fact"] == "turn-parked")
            .count()
        {
            3 => Ok(()),
            other => Err(format!("{other} were")),
        }
    })?;
    let why = office.node.aionctl(&["why", "chief"])?;
    let behind = "which it called and which waits for approval";
    assert!(why.contains(behind), "{why}");
    until("no worker to be there", BOUND, || {
        match office.node.workers() {
            none if none.is_empty() => Ok(()),
            some => Err(format!("{some:?}")),
        }
    })?;
    office.node.restart_daemon()?;
    approve(&office, "default/clerk", "tool.call:probe.echo", 3)?;
    let answer = asked.join().unwrap()?;
    assert!(answer.contains("the letter"), "{answer}");
    assert_eq!(office.called()?.len(), 1, "it was called once");
    assert_eq!(office.server.calls().len(), 1, "and did it once");
    Ok(())
}

#[test]
fn of_two_that_would_wait_for_each_other_one_is_told() -> anyhow::Result<()> {
    // Both are at work before either asks the other.
    let both = Arc::new(Barrier::new(2));
    let model = || {
        let (both, first) = (Arc::clone(&both), Cell::new(true));
        FakeModel::answering(move |request| {
            if first.replace(false) {
                both.wait();
            }
            act(request)
        })
    };
    let asks =
        |agent: &str| json!({"tools": [{"agent": agent}], "model": {"use": format!("of-{agent}")}});
    let office = Office::with(
        vec![("of-clerk", model()?), ("of-chief", model()?)],
        &[
            ("chief", "use ask_clerk", asks("clerk")),
            ("clerk", "use ask_chief", asks("chief")),
        ],
    )?;
    let asked = [office.asking("chief"), office.asking("clerk")];
    let answers: Result<Vec<_>, _> = asked.into_iter().map(|it| it.join().unwrap()).collect();
    let answers = answers?.join("\n");
    assert!(answers.contains("would wait for each other"), "{answers}");
    Ok(())
}
