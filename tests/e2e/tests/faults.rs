//! `kill -9` of each part during a turn that somebody waits for: what that person sees, and what is left.

#![allow(clippy::unwrap_used)]

use std::{fs, thread, time::Duration};

use aion_e2e::{cluster::BOUND, standalone::Standalone};
use aion_testkit::{FakeModel, Reply, until};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::json;

/// A node with an agent whose model answers its first question late.
fn node(name: &str) -> anyhow::Result<(Standalone, FakeModel)> {
    let mut first = true;
    let model = FakeModel::answering(move |_| {
        let reply = Reply::text("Here I am.");
        match std::mem::take(&mut first) {
            true => Reply::After(Duration::from_secs(6), Box::new(reply)),
            false => reply,
        }
    })?;
    let node = Standalone::start(name)?.with_policies()?;
    let path = node.path("objects.yaml");
    let object = |kind: &str, name: &str, spec| json!({"apiVersion": "aion.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec});
    let objects = [
        object("TrustPolicy", "tests", json!({"inline": "allow"})),
        object(
            "ModelEndpoint",
            "slow",
            json!({"baseUrl": model.base_url(), "models": [{"name": "m"}]}),
        ),
        object(
            "Agent",
            "clerk",
            json!({"instructions": "Be brief.", "model": {"use": "slow"}, "limits": {"turnSeconds": 20}}),
        ),
    ];
    fs::write(&path, objects.map(|it| it.to_string()).join("\n---\n"))?;
    node.aionctl(&["apply", "--wait", "60", "-f", &path.to_string_lossy()])?;
    Ok((node, model))
}

/// Asks, does `harm` once the model is asked, and gives what the person who asked was told.
fn harmed(
    node: &mut Standalone,
    model: &FakeModel,
    harm: impl FnOnce(&mut Standalone) -> anyhow::Result<()>,
) -> anyhow::Result<Result<String, String>> {
    let asking = thread::spawn(node.asking(&["ask", "clerk", "Hello?"]));
    until("the model to be asked", BOUND, || {
        match model.requests().len() {
            0 => Err("it is not asked".to_owned()),
            _ => Ok(()),
        }
    })?;
    harm(node)?;
    Ok(asking.join().unwrap().map_err(|error| error.to_string()))
}

#[test]
fn a_worker_that_is_killed_is_told_and_the_next_question_is_answered() -> anyhow::Result<()> {
    let (mut node, model) = node("worker")?;
    let told = harmed(&mut node, &model, |node| {
        let workers = node.workers();
        assert_eq!(workers.len(), 1);
        kill(Pid::from_raw(workers[0].cast_signed()), Signal::SIGKILL)?;
        Ok(())
    })?;
    let told = told.unwrap_err();
    assert!(
        told.contains("signal 9") || told.contains("killed"),
        "{told}"
    );
    assert!(
        node.aionctl(&["ask", "clerk", "Again?"])?
            .contains("Here I am.")
    );
    Ok(())
}

#[test]
fn a_launcher_that_is_killed_interrupts_no_turn() -> anyhow::Result<()> {
    let (mut node, model) = node("launcher")?;
    let told = harmed(&mut node, &model, Standalone::restart_launcher)?;
    assert!(
        told.as_ref().is_ok_and(|it| it.contains("Here I am.")),
        "{told:?}"
    );
    assert!(
        node.aionctl(&["ask", "clerk", "Again?"])?
            .contains("Here I am.")
    );
    Ok(())
}

#[test]
fn a_daemon_that_is_killed_comes_back_to_the_turn() -> anyhow::Result<()> {
    let (mut node, model) = node("daemon")?;
    let told = harmed(&mut node, &model, Standalone::restart_daemon)?;
    // Who asked is told what became of it, well or badly, and nobody waits for ever.
    let told = told.unwrap_or_else(|refused| refused);
    assert!(!told.is_empty());
    assert!(
        node.aionctl(&["ask", "clerk", "Again?"])?
            .contains("Here I am.")
    );
    Ok(())
}
