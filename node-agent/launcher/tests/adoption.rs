//! Launcher and daemon may go away at any time: nobody is forgotten, and no end is
//! lost.

#![allow(clippy::unwrap_used)]

mod stage;

use aion_sandbox::protocol::ExitStatus;
use stage::{PATIENCE, Stage, exit_of};

#[tokio::test]
async fn a_running_worker_outlives_the_launcher_and_is_adopted() {
    let mut stage = Stage::new(&[]);
    let (client, mut exits) = stage.connect().await;
    let captive = stage.start(&client, "a", "sleep").await;
    client.open_gate(&captive.id).await.unwrap();
    stage.kill();
    assert!(exits.recv().await.is_none());
    assert!(client.list().await.is_err());

    stage.restart();
    let (client, mut exits) = stage.connect().await;
    let listed = client.list().await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].id, captive.id);
    assert_eq!(listed[0].pid, captive.started.pid);
    assert_eq!(listed[0].start_time, captive.started.start_time);
    assert!(listed[0].running);

    client.kill(&captive.id, Default::default()).await.unwrap();
    let exited = exit_of(&mut exits, &captive.id).await;
    assert!(
        matches!(
            exited.status,
            ExitStatus::Signal(libc::SIGKILL) | ExitStatus::Unknown
        ),
        "{exited:?}"
    );
    // Its new parent may still have to take its end.
    let status = std::fs::read_to_string(format!("/proc/{}/status", captive.started.pid));
    assert!(
        status.map_or(true, |status| status.contains("State:\tZ")),
        "it lives"
    );
}

#[tokio::test]
async fn a_worker_at_its_gate_ends_with_its_launcher_and_that_is_told() {
    let mut stage = Stage::new(&[]);
    let (client, _) = stage.connect().await;
    let captive = stage.start(&client, "a", "say escaped").await;
    stage.kill();
    stage.restart();
    let (client, mut exits) = stage.connect().await;
    let exited = exit_of(&mut exits, &captive.id).await;
    assert_eq!(exited.status, ExitStatus::Unknown);
    assert!(client.list().await.unwrap().is_empty());
    let (printed, complaint) = captive.said();
    assert_eq!(printed, "", "it ran");
    assert_eq!(complaint, "the gate closed without opening\n");
}

#[tokio::test]
async fn an_exit_while_no_daemon_was_there_is_told_until_acknowledged() {
    let mut stage = Stage::new(&[]);
    let (client, _) = stage.connect().await;
    let captive = stage.start(&client, "a", "connect\nexit 7").await;
    client.open_gate(&captive.id).await.unwrap();
    // Gone before the worker ends: it waits for its connection to be taken.
    drop(client);
    captive.listener.accept().unwrap();

    for restarted in [false, true] {
        if restarted {
            stage.kill();
            stage.restart();
        }
        let (_client, mut exits) = stage.connect().await;
        let exited = exit_of(&mut exits, &captive.id).await;
        assert_eq!(exited.status, ExitStatus::Code(7), "restarted {restarted}");
    }
    let (client, mut exits) = stage.connect().await;
    exit_of(&mut exits, &captive.id).await;
    client.acknowledge(&captive.id).await.unwrap();
    // An answer to a later request: the acknowledgement was taken before it.
    client.list().await.unwrap();
    stage.kill();
    stage.restart();
    let (client, mut exits) = stage.connect().await;
    client.list().await.unwrap();
    assert!(exits.try_recv().is_err());
}

#[tokio::test]
async fn an_adopted_workers_own_exit_status_is_known_or_called_unknown() {
    let mut stage = Stage::new(&[]);
    let (client, _) = stage.connect().await;
    let captive = stage.start(&client, "a", "wait\nexit 7").await;
    client.open_gate(&captive.id).await.unwrap();
    let (held, _) = captive.listener.accept().unwrap();
    stage.kill();
    stage.restart();
    let (_client, mut exits) = stage.connect().await;
    drop(held);
    let exited = exit_of(&mut exits, &captive.id).await;
    assert!(
        matches!(exited.status, ExitStatus::Code(7) | ExitStatus::Unknown),
        "{exited:?}"
    );
}

#[tokio::test]
async fn a_stopped_launcher_leaves_no_worker_behind() {
    let mut stage = Stage::new(&[]);
    let (client, _) = stage.connect().await;
    let captive = stage.start(&client, "a", "sleep").await;
    client.open_gate(&captive.id).await.unwrap();
    stage.terminate();
    // Its new parent may still have to take its end.
    let status = std::fs::read_to_string(format!("/proc/{}/status", captive.started.pid));
    assert!(
        status.map_or(true, |status| status.contains("State:\tZ")),
        "it lives"
    );
    stage.restart();
    let (_client, mut exits) = stage.connect().await;
    let exited = exit_of(&mut exits, &captive.id).await;
    assert_eq!(exited.status, ExitStatus::Evicted);
}

#[tokio::test]
async fn a_worker_asked_to_stop_has_its_grace() {
    let stage = Stage::new(&[]);
    let (client, mut exits) = stage.connect().await;
    let captive = stage.start(&client, "a", "stoppable\nsleep").await;
    client.open_gate(&captive.id).await.unwrap();
    // A signal before the worker takes it would be lost on the first process of a
    // namespace, so wait until it says that it does.
    captive.listener.accept().unwrap();
    client.kill(&captive.id, PATIENCE).await.unwrap();
    let exited = exit_of(&mut exits, &captive.id).await;
    assert_eq!(exited.status, ExitStatus::Code(76));
}

#[tokio::test]
async fn a_worker_that_ignores_the_request_is_killed_after_its_grace() {
    let stage = Stage::new(&[]);
    let (client, mut exits) = stage.connect().await;
    let captive = stage.start(&client, "a", "sleep").await;
    client.open_gate(&captive.id).await.unwrap();
    let grace = std::time::Duration::from_millis(50);
    client.kill(&captive.id, grace).await.unwrap();
    let exited = exit_of(&mut exits, &captive.id).await;
    assert!(matches!(exited.status, ExitStatus::Signal(_)), "{exited:?}");
}
