//! Cgroup version 2 alone, in the places where launchers are there: a unit's own group, one that a user was given and
//! shares with what started the launcher, a session's that is nobody's to divide, and what systemd itself makes.

#![allow(clippy::unwrap_used, clippy::panic)]

mod stage;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use aion_sandbox::protocol::{ExitStatus, Limits};
use aion_sandbox::{Layer, LayerState};
use stage::groups::{CONTROLLERS, Sleeper, Slice, belongs, group_of};
use stage::spawn::Within;
use stage::{Captive, Stage, exit_of, is_root};

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
    let stage = Stage::within(Within::Group(unit.clone()), None);
    is_bounded_below(&stage, &unit.join("aion")).await;
    assert_eq!(group_of(stage.pid()), unit.join("aion-launcher"));
}

#[tokio::test]
async fn an_ordinary_users_launcher_bounds_its_workers_in_a_group_that_it_shares_with_what_started_it()
 {
    let Some(slice) = Slice::make(&CONTROLLERS) else {
        return;
    };
    let scope = slice.delegated("run.scope", USER);
    let supervisor = Sleeper::within(&scope);
    let stage = Stage::within(Within::Group(scope.clone()), Some(USER));
    is_bounded_below(&stage, &scope.join("aion")).await;
    assert_eq!(supervisor.group(), scope.join("aion-launcher"));
}

#[tokio::test]
async fn a_launcher_that_is_started_again_where_the_one_before_was_has_the_same_groups() {
    let Some(slice) = Slice::make(&CONTROLLERS) else {
        return;
    };
    let scope = slice.group("run.scope");
    let mut stage = Stage::within(Within::Group(scope.clone()), None);
    let (client, _exits) = stage.connect().await;
    let captive = stage.start(&client, "b", "say on\nsleep").await;
    client.open_gate(&captive.id).await.unwrap();
    stage.kill();
    stage.within = Within::Group(scope.join("aion-launcher"));
    stage.restart();
    let (client, exits) = stage.connect().await;
    assert!(client.list().await.unwrap()[0].running);
    drop((client, exits));
    is_bounded_below(&stage, &scope.join("aion")).await;
    assert_eq!(group_of(stage.pid()), scope.join("aion-launcher"));
    let (client, mut exits) = stage.connect().await;
    client.kill(&captive.id, Duration::ZERO).await.unwrap();
    let exited = exit_of(&mut exits, &captive.id).await;
    assert_eq!(exited.oom, Some(false));
}

#[tokio::test]
async fn in_a_session_of_others_roots_workers_go_beside_it_and_nobody_is_moved() {
    let Some(slice) = Slice::make(&CONTROLLERS) else {
        return;
    };
    slice.gives_what_the_root_gives();
    let session = slice.group("session-1.scope");
    let shell = Sleeper::within(&session);
    let stage = Stage::within(Within::Group(session.clone()), None);
    is_bounded_below(&stage, &slice.path().join("aion")).await;
    assert_eq!(shell.group(), session);
    assert_eq!(group_of(stage.pid()), session);
}

#[tokio::test]
async fn in_a_session_of_his_own_an_ordinary_users_workers_go_beside_it_and_nobody_is_moved() {
    let Some(slice) = Slice::make(&CONTROLLERS) else {
        return;
    };
    let session = slice.group("tmux.scope");
    belongs(slice.path(), USER);
    belongs(&session, USER);
    let shell = Sleeper::within(&session);
    let stage = Stage::within(Within::Group(session.clone()), Some(USER));
    is_bounded_below(&stage, &slice.path().join("aion")).await;
    assert_eq!(shell.group(), session);
    assert_eq!(group_of(stage.pid()), session);
}

#[tokio::test]
async fn a_controller_that_was_not_given_is_missing_by_name_and_the_others_hold() {
    let Some(slice) = Slice::make(&["memory", "pids"]) else {
        return;
    };
    let scope = slice.delegated("run.scope", USER);
    let stage = Stage::within(Within::Group(scope.clone()), Some(USER));
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
async fn a_session_that_is_not_delegated_gives_an_ordinary_user_nothing_and_the_remedy_is_told() {
    for his in [false, true] {
        let Some(slice) = Slice::make(&CONTROLLERS) else {
            return;
        };
        let session = slice.group("session-1.scope");
        if his {
            belongs(&session, USER);
        }
        let shell = Sleeper::within(&session);
        let stage = Stage::within(Within::Group(session.clone()), Some(USER));
        let (client, _exits) = stage.connect().await;
        let captive = stage.start(&client, "a", "").await;
        for layer in LAYERS {
            let why = missing(&captive, layer);
            assert!(why.contains("Delegate=yes"), "{why}");
        }
        assert_eq!(shell.group(), session);
        assert_eq!(group_of(stage.pid()), session);
    }
}

/// Whether systemd runs this machine, on version 2 alone; if not, the test is noted as skipped.
fn has_systemd() -> bool {
    let unified = Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
    let has = unified && Path::new("/run/systemd/system").exists();
    if !has {
        let why = "it runs no machine with cgroup version 2 here: tests/vm/run --systemd has one";
        aion_testkit::skip("systemd", why);
    }
    has
}

#[tokio::test]
async fn in_a_scope_that_systemd_delegates_to_root_workers_are_bounded() {
    if !is_root() || !has_systemd() {
        return;
    }
    let stage = Stage::within(Within::Scope, None);
    let own = scope_of(&stage).await;
    is_bounded_below(&stage, &own.join("aion")).await;
}

/// A user that a Debian machine has, with a manager of its own from `systemctl start` on.
struct Manager(u32);

impl Manager {
    fn start(user: u32) -> Self {
        let manager = Self(user);
        manager.is_told("start");
        manager
    }

    fn is_told(&self, word: &str) {
        let unit = format!("user@{}.service", self.0);
        let status = Command::new("systemctl").args([word, &unit]).status();
        assert!(status.unwrap().success(), "systemctl {word} {unit}");
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        self.is_told("stop");
    }
}

#[tokio::test]
async fn in_a_scope_of_an_ordinary_users_own_manager_workers_are_bounded() {
    const DAEMON: u32 = 1;
    if !is_root() || !has_systemd() {
        return;
    }
    let _manager = Manager::start(DAEMON);
    let stage = Stage::within(Within::Scope, Some(DAEMON));
    let own = scope_of(&stage).await;
    let of_manager = format!("user@{DAEMON}.service");
    assert!(own.display().to_string().contains(&of_manager), "{own:?}");
    is_bounded_below(&stage, &own.join("aion")).await;
}

/// The scope whose leaf a launcher is in once it serves.
async fn scope_of(stage: &Stage) -> PathBuf {
    drop(stage.connect().await);
    let leaf = group_of(stage.pid());
    assert!(leaf.ends_with("aion-launcher"), "{leaf:?}");
    leaf.parent().unwrap().to_owned()
}
