//! The same launcher for a user without privileges: what remains is enforced, what
//! is missing is named.

#![allow(clippy::unwrap_used, clippy::panic)]

mod stage;

use aion_sandbox::{Layer, LayerState};
use stage::{Stage, is_root};

const USER: u32 = 61_998;

#[tokio::test]
async fn an_ordinary_users_worker_runs_with_the_layers_that_remain() {
    if !is_root() {
        return;
    }
    let stage = Stage::as_user(USER);
    let (client, mut exits) = stage.connect().await;
    let captive = stage.start(&client, "a", stage::REACH).await;
    // These never need privileges.
    for name in [
        Layer::Rlimits,
        Layer::NoNewPrivs,
        Layer::Landlock,
        Layer::Seccomp,
    ] {
        assert!(
            captive.layer(name).is_enforced(),
            "{:?}",
            captive.layer(name)
        );
    }
    // Nothing gives this user a cgroup here, and the reason must say what would.
    let memory = captive.layer(Layer::CgroupMemory);
    match &memory.state {
        LayerState::Missing { why } => assert!(why.contains("delegated"), "{why}"),
        other => panic!("{other:?}"),
    }
    // Namespaces depend on the machine: enforced, or missing with a reason.
    let user = captive.layer(Layer::UserNamespace);
    match &user.state {
        LayerState::Enforced => {
            assert!(
                user.evidence.contains("user 0 is 61998 outside"),
                "{user:?}"
            );
            assert!(captive.layer(Layer::Capabilities).is_enforced());
        }
        LayerState::Missing { why } => assert!(!why.is_empty()),
        LayerState::NotRequested => panic!("always requested"),
    }
    stage::reaches_its_socket_and_nothing_else(&client, &mut exits, captive).await;
}
