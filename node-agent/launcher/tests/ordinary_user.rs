//! The same launcher for a user without privileges: what remains is enforced, what
//! is missing is named.

#![allow(clippy::unwrap_used, clippy::panic)]

mod stage;

use aion_sandbox::protocol::InsideUser;
use aion_sandbox::{Layer, LayerState};
use stage::image::{Run, lines, worker};
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

#[tokio::test]
async fn an_ordinary_user_runs_the_program_of_an_image_too() {
    let Some(worker) = is_root().then(worker).flatten() else {
        return;
    };
    let stage = Stage::with_worker(&worker, Some(USER), false);
    let image = stage.image();
    let (client, _exits) = stage.connect().await;
    let mut run = Run::words(&[
        "who",
        "write /x",
        "write /tmp/x",
        "connect /run/aion.sock",
        "read /mnt/docs/captive",
        "write /mnt/docs/x",
        "call inet",
        "status CapEff",
        "descriptors",
    ]);
    run.user = Some(InsideUser {
        uid: 65_532,
        gid: 65_532,
    });
    let docs = stage.path("docs");
    std::fs::create_dir(&docs).unwrap();
    std::fs::write(docs.join("captive"), "shown").unwrap();
    run.mounts = vec![("docs".into(), docs)];
    let namespaces = client.features().await.unwrap();
    let root = namespaces
        .iter()
        .find(|it| it.name == Layer::MountNamespace);
    if !root.unwrap().is_enforced() {
        // Then it is refused by that name.
        let refused = stage.resident(&client, "a", &image, run).await.err();
        let why = refused.unwrap().to_string();
        assert!(why.contains("takes a mount-namespace"), "{why}");
        return;
    }
    drop(client);
    let (printed, complained, _) = stage.reside("a", &image, run).await;
    assert_eq!(complained, "");
    assert_eq!(
        lines(&printed),
        [
            "65532 65532 65532 65532 with 0 groups",
            "refused, EROFS",
            "written",
            "connected",
            "shown",
            "refused, EROFS",
            "refused, EPERM",
            "CapEff: 0000000000000000",
            "0,1,2,3",
        ]
    );
}
