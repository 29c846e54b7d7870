//! The same launcher in a container with its engine's default bounds: there are no
//! namespaces to be had, for root neither, and what remains is enforced.

#![allow(clippy::unwrap_used, clippy::panic)]

mod stage;

use std::fs;

use aion_launcher::{LayerName, LayerState};
use stage::{Stage, is_root};

const USER: u32 = 61_997;

async fn what_remains_is_enforced(stage: Stage, root: bool) {
    let (client, mut exits) = stage.connect().await;
    let words = "open /etc/shadow\ntcp 127.0.0.1:80\nconnect\nfork";
    let captive = stage.start(&client, "a", words).await;
    for name in [LayerName::Rlimits, LayerName::Landlock, LayerName::Seccomp] {
        let layer = captive.layer(name);
        assert!(layer.is_enforced(), "{layer:?}");
    }
    for name in [
        LayerName::UserNamespace,
        LayerName::MountNamespace,
        LayerName::NetworkNamespace,
        LayerName::PidNamespace,
    ] {
        match &captive.layer(name).state {
            LayerState::Missing { why } => assert!(why.contains("container"), "{why}"),
            other => panic!("{name}: {other:?}"),
        }
    }
    if root {
        let capabilities = captive.layer(LayerName::Capabilities);
        assert!(capabilities.is_enforced(), "{capabilities:?}");
        let status = fs::read_to_string(format!("/proc/{}/status", captive.started.pid)).unwrap();
        let own = |line: &str| line.starts_with("Uid:\t1879048192\t1879048192");
        assert!(status.lines().any(own), "{status}");
    }
    client.open_gate(&captive.id).await.unwrap();
    stage::exit_of(&mut exits, &captive.id).await;
    assert_eq!(
        captive.printed(),
        "open /etc/shadow: refused, PermissionDenied\n\
         tcp 127.0.0.1:80: refused, PermissionDenied\n\
         connect : connected\n\
         fork : refused, PermissionDenied\n"
    );
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
