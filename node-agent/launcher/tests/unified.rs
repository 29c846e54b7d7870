//! Cgroup version 2 alone, in the places where launchers are there: a unit's own group, one that a user was given and
//! shares with what started the launcher, and a session's that is nobody's to divide.

#![allow(clippy::unwrap_used, clippy::panic)]

mod stage;

use std::fs;
use std::path::Path;

use aion_sandbox::protocol::{ExitStatus, Limits};
use aion_sandbox::{Layer, LayerState};
use stage::groups::{CONTROLLERS, Sleeper, Slice, group_of};
use stage::{Captive, Stage, exit_of};

const USER: u32 = 61_996;
const LAYERS: [Layer; 3] = [Layer::CgroupMemory, Layer::CgroupPids, Layer::CgroupCpu];

/// Has a launcher start a worker that takes more memory than it may: read back, in a group below `parent`, and told.
async fn is_bounded_below(stage: &Stage, parent: &Path) {
    let (client, mut exits) = stage.connect().await;
    let limits = Limits {
        memory_bytes: Some(32 << 20),
        pids: Some(3),
        ..Limits::default()
    };
    let words = "touch-mib 100\nsay survived";
    let started = stage.try_start(&client, "a", words, limits, None).await;
    let captive = started.unwrap();
    for layer in LAYERS {
        assert!(
            captive.layer(layer).is_enforced(),
            "{:?}",
            captive.layer(layer)
        );
    }
    let group = group_of(captive.started.pid);
    assert_eq!(group.parent(), Some(parent));
    let holds = |file: &str| fs::read_to_string(group.join(file)).unwrap();
    assert_eq!(holds("memory.max").trim(), (32 << 20).to_string());
    assert_eq!(holds("memory.swap.max").trim(), "0");
    assert_eq!(holds("pids.max").trim(), "3");
    assert_ne!(holds("cpu.max").split_whitespace().next(), Some("max"));
    client.open_gate(&captive.id).await.unwrap();
    let exited = exit_of(&mut exits, &captive.id).await;
    assert_eq!(exited.status, ExitStatus::Signal(libc::SIGKILL));
    assert_eq!(exited.oom, Some(true));
    assert_eq!(exited.process_refused, Some(false));
    assert_eq!(captive.printed(), "");
    client.acknowledge(&exited.id).await.unwrap();
    assert!(!group.exists(), "it goes with its worker");
}

fn missing(captive: &Captive, layer: Layer) -> &str {
    match &captive.layer(layer).state {
        LayerState::Missing { why } => why,
        other => panic!("{layer}: {other:?}"),
    }
}

#[tokio::test]
async fn in_a_group_of_its_own_a_launcher_makes_room_for_its_workers() {
    let Some(slice) = Slice::make(&CONTROLLERS) else {
        return;
    };
    let unit = slice.group("aion-launcher.service");
    let stage = Stage::within(&unit, None);
    is_bounded_below(&stage, &unit.join("aion")).await;
    assert_eq!(group_of(stage.pid()), unit.join("aion-launcher"));
}

#[tokio::test]
async fn an_ordinary_users_launcher_bounds_its_workers_in_a_group_that_it_shares_with_what_started_it()
 {
    let Some(slice) = Slice::make(&CONTROLLERS) else {
        return;
    };
    let scope = slice.group_of("run.scope", USER);
    let supervisor = Sleeper::within(&scope);
    let stage = Stage::within(&scope, Some(USER));
    is_bounded_below(&stage, &scope.join("aion")).await;
    assert_eq!(supervisor.group(), scope.join("aion-launcher"));
}

#[tokio::test]
async fn a_launcher_that_is_started_again_where_the_one_before_was_has_the_same_groups() {
    let Some(slice) = Slice::make(&CONTROLLERS) else {
        return;
    };
    let scope = slice.group("run.scope");
    let mut stage = Stage::within(&scope, None);
    let (client, _exits) = stage.connect().await;
    let captive = stage.start(&client, "b", "say on\nsleep").await;
    client.open_gate(&captive.id).await.unwrap();
    stage.kill();
    stage.group = Some(scope.join("aion-launcher"));
    stage.restart();
    let (client, mut exits) = stage.connect().await;
    assert!(client.list().await.unwrap()[0].running);
    is_bounded_below(&stage, &scope.join("aion")).await;
    assert_eq!(group_of(stage.pid()), scope.join("aion-launcher"));
    let (client_again, mut exits_again) = stage.connect().await;
    drop((client, exits.try_recv()));
    client_again
        .kill(&captive.id, std::time::Duration::ZERO)
        .await
        .unwrap();
    exit_of(&mut exits_again, &captive.id).await;
}

#[tokio::test]
async fn in_a_session_of_others_roots_workers_go_beside_it_and_nobody_is_moved() {
    let Some(slice) = Slice::make(&CONTROLLERS) else {
        return;
    };
    let session = slice.group("session-1.scope");
    let shell = Sleeper::within(&session);
    let stage = Stage::within(&session, None);
    is_bounded_below(&stage, &slice.path().join("aion")).await;
    assert_eq!(shell.group(), session);
    assert_eq!(group_of(stage.pid()), session);
}

#[tokio::test]
async fn a_controller_that_was_not_given_is_missing_by_name_and_the_others_hold() {
    let Some(slice) = Slice::make(&["memory", "pids"]) else {
        return;
    };
    let scope = slice.group_of("run.scope", USER);
    let stage = Stage::within(&scope, Some(USER));
    let (client, _exits) = stage.connect().await;
    let captive = stage.start(&client, "a", "").await;
    assert!(captive.layer(Layer::CgroupMemory).is_enforced());
    assert!(captive.layer(Layer::CgroupPids).is_enforced());
    let why = missing(&captive, Layer::CgroupCpu);
    assert!(
        why.contains("the cpu controller") && why.contains("delegate"),
        "{why}"
    );
}

#[tokio::test]
async fn a_session_of_others_gives_an_ordinary_user_nothing_and_the_remedy_is_told() {
    let Some(slice) = Slice::make(&CONTROLLERS) else {
        return;
    };
    let session = slice.group("session-1.scope");
    let shell = Sleeper::within(&session);
    let stage = Stage::within(&session, Some(USER));
    let (client, _exits) = stage.connect().await;
    let captive = stage.start(&client, "a", "").await;
    for layer in LAYERS {
        let why = missing(&captive, layer);
        assert!(why.contains("Delegate=yes"), "{why}");
    }
    assert_eq!(shell.group(), session);
}
