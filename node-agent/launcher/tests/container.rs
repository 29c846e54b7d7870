//! The same launcher in a container with its engine's default bounds: there are no
//! namespaces to be had, for root neither, and what remains is enforced.

#![allow(clippy::unwrap_used, clippy::panic)]

mod stage;

use std::fs;

use aion_sandbox::ClientError;
use aion_sandbox::protocol::StartFailure;
use aion_sandbox::{Layer, LayerState};
use stage::image::{Run, worker};
use stage::{Stage, is_root};

const USER: u32 = 61_997;

async fn what_remains_is_enforced(stage: Stage, root: bool) {
    let (client, mut exits) = stage.connect().await;
    let captive = stage.start(&client, "a", stage::REACH).await;
    for name in [Layer::Rlimits, Layer::Landlock, Layer::Seccomp] {
        let layer = captive.layer(name);
        assert!(layer.is_enforced(), "{layer:?}");
    }
    for name in [
        Layer::UserNamespace,
        Layer::MountNamespace,
        Layer::NetworkNamespace,
        Layer::PidNamespace,
    ] {
        match &captive.layer(name).state {
            LayerState::Missing { why } => assert!(why.contains("container"), "{why}"),
            other => panic!("{name}: {other:?}"),
        }
    }
    if root {
        let capabilities = captive.layer(Layer::Capabilities);
        assert!(capabilities.is_enforced(), "{capabilities:?}");
        let status = fs::read_to_string(format!("/proc/{}/status", captive.started.pid)).unwrap();
        let own = |line: &str| line.starts_with("Uid:\t1879048192\t1879048192");
        assert!(status.lines().any(own), "{status}");
    }
    stage::reaches_its_socket_and_nothing_else(&client, &mut exits, captive).await;
}

#[tokio::test]
async fn roots_worker_has_a_user_of_its_own_and_reaches_its_socket_without_a_mount() {
    if is_root() {
        what_remains_is_enforced(Stage::contained(None), true).await;
    }
}

#[tokio::test]
async fn so_does_an_ordinary_users() {
    if is_root() {
        what_remains_is_enforced(Stage::contained(Some(USER)), false).await;
    }
}

#[tokio::test]
async fn without_a_mount_namespace_the_program_of_an_image_is_refused_by_the_layers_name() {
    let Some(worker) = is_root().then(worker).flatten() else {
        return;
    };
    for user in [None, Some(USER)] {
        let stage = Stage::with_worker(&worker, user, true);
        let image = stage.image();
        let (client, _exits) = stage.connect().await;
        let refused = stage.resident(&client, "a", &image, Run::words(&[])).await;
        match refused.err() {
            Some(ClientError::NotStarted { failure, why }) => {
                assert_eq!(failure, StartFailure::Invalid);
                let said =
                    "an image's files are its program's root, which takes a mount-namespace: ";
                assert!(why.starts_with(said), "{why}");
            }
            other => panic!("{other:?}"),
        }
    }
}
