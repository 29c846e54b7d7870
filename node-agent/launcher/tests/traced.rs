//! What a confined worker does is told, from its gate to its end.

#![allow(clippy::unwrap_used, clippy::panic)]

mod stage;

use std::collections::BTreeMap;
use std::time::Duration;

use aion_abi::kernel_event::{
    Hook, KernelCounts, KernelEvent, KernelEventKind, KernelHook, OnViolation,
};
use aion_sandbox::protocol::{ExitStatus, Exited, Limits, Rules, WorkerId};
use aion_sandbox::{Client, Told};
use stage::{PATIENCE, Stage};
use tokio::sync::mpsc::Receiver;
use tokio::sync::{Mutex, MutexGuard};

/// One launcher at a time: the last of several takes away the cgroup in which they all make theirs.
static ALONE: Mutex<()> = Mutex::const_new(());

/// A launcher that follows workers here.
async fn following() -> Option<(MutexGuard<'static, ()>, Stage, Client, Receiver<Told>)> {
    let alone = ALONE.lock().await;
    if !rustix::process::geteuid().is_root() {
        aion_testkit::skip(
            "root",
            "only root's launcher loads programs into the kernel",
        );
        return None;
    }
    let stage = Stage::new(&[]);
    drop(stage.connect().await);
    let connected = Client::connect_traced(&stage.path("s/launcher.sock")).await;
    let (client, told) = connected.unwrap();
    let hooks = client.hooks().await.unwrap();
    let tells = |hook: &&KernelHook| hook.name == Hook::Tracepoints;
    let tells = hooks.iter().find(tells);
    if let Some(why) = tells.and_then(|hook| hook.lacking.as_ref()) {
        aion_testkit::skip("eBPF", why);
        return None;
    }
    Some((alone, stage, client, told))
}

/// All that is told of a worker up to its end.
async fn until_the_end(
    told: &mut Receiver<Told>,
    id: &WorkerId,
) -> (Vec<KernelEvent>, KernelCounts, Exited) {
    let (mut events, mut counts) = (Vec::new(), KernelCounts::default());
    let all = async {
        loop {
            match told.recv().await.unwrap() {
                Told::Traced(traced) if traced.id == *id => {
                    events.extend(traced.events);
                    counts = traced.counts.unwrap_or(counts.clone());
                }
                Told::Exited(exited) if exited.id == *id => return exited,
                _ => {}
            }
        }
    };
    let exited = tokio::time::timeout(PATIENCE, all).await.unwrap();
    (events, counts, exited)
}

#[tokio::test]
async fn what_a_worker_tries_is_told_and_counted_and_nothing_of_its_confinement_is() {
    let Some((_alone, stage, client, mut told)) = following().await else {
        return;
    };
    let words = "open /etc/passwd\ntcp 127.0.0.1:80\nsay done";
    let captive = stage.start(&client, "a", words).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(
        told.try_recv().is_err(),
        "something was told before the gate opened"
    );
    client.open_gate(&captive.id).await.unwrap();
    let (events, counts, _) = until_the_end(&mut told, &captive.id).await;
    let opened = events.iter().find(|event| event.text == "/etc/passwd");
    let opened = opened.unwrap_or_else(|| panic!("{events:?}"));
    assert_eq!(opened.kind, KernelEventKind::Open);
    assert_eq!(opened.call.as_deref(), Some("openat"));
    assert!(opened.result < 0);
    let refused = events
        .iter()
        .find(|event| event.kind == KernelEventKind::Denied);
    assert!(refused.is_some(), "{events:?}");
    assert!(counts.calls["write"] >= 3, "{counts:?}");
    assert!(counts.lost.is_empty(), "{counts:?}");
}

#[tokio::test]
async fn workers_are_told_apart() {
    let Some((_alone, stage, client, mut told)) = following().await else {
        return;
    };
    let one = stage.start(&client, "a", "open /of/one").await;
    let other = stage.start(&client, "b", "open /of/other").await;
    client.open_gate(&one.id).await.unwrap();
    let (events, ..) = until_the_end(&mut told, &one.id).await;
    assert!(events.iter().any(|event| event.text == "/of/one"));
    client.open_gate(&other.id).await.unwrap();
    let (events, ..) = until_the_end(&mut told, &other.id).await;
    assert!(events.iter().any(|event| event.text == "/of/other"));
    assert!(events.iter().all(|event| event.text != "/of/one"));
}

#[tokio::test]
async fn a_worker_that_runs_out_of_memory_is_named_by_the_kernel() {
    let Some((_alone, stage, client, mut told)) = following().await else {
        return;
    };
    let limits = Limits {
        memory_bytes: Some(32 << 20),
        ..Limits::default()
    };
    let captive = stage
        .try_start(&client, "a", "touch-mib 200", limits, None)
        .await
        .unwrap();
    client.open_gate(&captive.id).await.unwrap();
    let (events, ..) = until_the_end(&mut told, &captive.id).await;
    let victim = events
        .iter()
        .find(|event| event.kind == KernelEventKind::OutOfMemory);
    assert!(victim.is_some(), "{events:?}");
    assert!(
        events
            .iter()
            .any(|event| event.kind == KernelEventKind::Signal && event.result == 9),
        "{events:?}"
    );
}

#[tokio::test]
async fn a_loud_worker_is_heard_in_part_and_the_rest_is_counted() {
    let Some((_alone, stage, client, mut told)) = following().await else {
        return;
    };
    let words = vec!["open /nowhere"; 600].join("\n");
    let captive = stage.start(&client, "a", &words).await;
    client.open_gate(&captive.id).await.unwrap();
    let (events, counts, _) = until_the_end(&mut told, &captive.id).await;
    let happened: u64 = counts.events.values().sum();
    let lost: u64 = counts.lost.values().sum();
    assert!(lost > 0, "{counts:?}");
    assert_eq!(events.len() as u64 + lost, happened, "{counts:?}");
}

#[tokio::test]
async fn what_is_left_in_the_ring_of_workers_that_ended_together_is_told_or_counted() {
    let Some((_alone, stage, client, mut told)) = following().await else {
        return;
    };
    // More events than are read in one turn, and all of them there as the first end is seen.
    let words = ["wait", &vec!["open /nowhere"; 250].join("\n")].join("\n");
    let mut captives = Vec::new();
    for name in ["a", "b", "c", "d", "e"] {
        captives.push(stage.start(&client, name, &words).await);
    }
    let mut held = Vec::new();
    for captive in &captives {
        client.open_gate(&captive.id).await.unwrap();
        held.push(captive.connection().await);
    }
    let launcher = rustix::process::Pid::from_raw(stage.pid().cast_signed()).unwrap();
    rustix::process::kill_process(launcher, rustix::process::Signal::STOP).unwrap();
    drop(held);
    for captive in &captives {
        ended(captive.started.pid).await;
    }
    rustix::process::kill_process(launcher, rustix::process::Signal::CONT).unwrap();
    let mut heard: BTreeMap<WorkerId, (u64, KernelCounts)> = BTreeMap::new();
    let mut left = captives.len();
    let all = async {
        while left > 0 {
            match told.recv().await.unwrap() {
                Told::Traced(traced) => {
                    let of = heard.entry(traced.id).or_default();
                    of.0 += traced.events.len() as u64;
                    of.1 = traced.counts.unwrap_or(std::mem::take(&mut of.1));
                }
                Told::Exited(_) => left -= 1,
                Told::Pressure(_) => {}
            }
        }
    };
    tokio::time::timeout(PATIENCE, all).await.unwrap();
    for captive in &captives {
        let (events, counts) = &heard[&captive.id];
        let happened: u64 = counts.events.values().sum();
        let lost: u64 = counts.lost.values().sum();
        assert!(happened >= 250, "{counts:?}");
        assert_eq!(events + lost, happened, "{counts:?}");
    }
}

/// Waits until a process has ended, whoever is to take its end.
async fn ended(pid: u32) {
    let stat = format!("/proc/{pid}/stat");
    let gone = async {
        while std::fs::read_to_string(&stat).is_ok_and(|it| !it.contains(") Z ")) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.unwrap();
}

#[tokio::test]
async fn a_worker_that_breaks_a_rule_is_ended_and_its_exit_says_by_what() {
    let Some((_alone, stage, client, mut told)) = following().await else {
        return;
    };
    let rules = |open| Rules {
        open: Some(open),
        ..Rules::default()
    };
    let words = "open /etc/passwd\nsay done";
    for (name, action) in [("a", OnViolation::Alert), ("b", OnViolation::Kill)] {
        let bounds = (Limits::default(), rules(action));
        let started = stage.start_under(&client, name, words, bounds, None).await;
        let captive = started.unwrap();
        client.open_gate(&captive.id).await.unwrap();
        let (events, counts, exited) = until_the_end(&mut told, &captive.id).await;
        let broken = events.iter().find(|it| it.text == "/etc/passwd").unwrap();
        assert_eq!(broken.violation, Some(action));
        let counted = counts.violations[&KernelEventKind::Open];
        assert_eq!((counted.action, counted.count), (action, 1));
        let killed = action == OnViolation::Kill;
        assert_eq!(exited.violation.as_ref(), killed.then_some(broken));
        assert_eq!(exited.status == ExitStatus::Signal(9), killed);
    }
}

#[tokio::test]
async fn a_worker_whose_rules_cannot_be_held_is_not_let_run() {
    let Some((_alone, stage, client, mut told)) = following().await else {
        return;
    };
    let hooks = client.hooks().await.unwrap();
    if hooks
        .iter()
        .any(|it| it.name == Hook::Lsm && it.lacking.is_none())
    {
        return aion_testkit::skip("kernel without BPF LSM", "this one refuses");
    }
    let rules = Rules {
        exec: Some(OnViolation::Deny),
        ..Rules::default()
    };
    let bounds = (Limits::default(), rules);
    let started = stage
        .start_under(&client, "a", "say done", bounds, None)
        .await;
    let captive = started.unwrap();
    let refused = client.open_gate(&captive.id).await.unwrap_err().to_string();
    assert!(refused.contains("rules of its policy"), "{refused}");
    client.kill(&captive.id, Duration::ZERO).await.unwrap();
    let (events, ..) = until_the_end(&mut told, &captive.id).await;
    assert!(events.is_empty(), "{events:?}");
}
