//! The worker that is made ahead: the next start takes it, and whatever befalls it, a start has its worker.

#![allow(clippy::unwrap_used)]

mod stage;

use std::fs;
use std::time::{Duration, Instant};

use aion_sandbox::protocol::ExitStatus;
use aion_sandbox::protocol::InsideUser;
use stage::image::{Run, worker};
use stage::{PATIENCE, Stage, exit_of};

/// The children of a process, which is single-threaded.
fn children(pid: u32) -> Vec<u32> {
    let is_child = |child: &u32| {
        let stat = fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        let after_name = stat.rsplit(") ").next().unwrap_or_default();
        let mut fields = after_name.split(' ');
        let lives = fields.next() != Some("Z");
        lives && fields.next() == Some(&pid.to_string())
    };
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(is_child)
        .collect()
}

fn status(pid: u32, key: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    line.unwrap().trim().to_owned()
}

/// Waits for what must come.
async fn awaited<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    let patience = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < patience, "{what} does not come");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The child of the launcher that is none of `workers`.
async fn spare(stage: &Stage, workers: &[u32]) -> u32 {
    awaited("the spare", || {
        let mut children = children(stage.pid());
        children.retain(|child| !workers.contains(child));
        children.first().copied()
    })
    .await
}

async fn ended_for_good(pid: u32) {
    awaited("its end", || {
        let status = fs::read_to_string(format!("/proc/{pid}/status"));
        let gone = status.map_or(true, |it| it.contains("State:\tZ"));
        gone.then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_next_start_takes_the_worker_that_was_made_ahead() {
    let stage = Stage::new(&[]);
    let (client, mut exits) = stage.connect().await;
    let ahead = spare(&stage, &[]).await;
    assert!(client.list().await.unwrap().is_empty());
    // No copy of the mounts yet, which would be an old one by the time that it is used.
    let mounts = |pid| fs::read_link(format!("/proc/{pid}/ns/mnt")).unwrap();
    assert_eq!(mounts(ahead), mounts(stage.pid()));

    let captive = stage.start(&client, "a", "descriptors\nenvironment").await;
    assert_eq!(captive.started.pid, ahead);
    let next = spare(&stage, &[ahead]).await;
    if stage::is_root() {
        assert_ne!(status(next, "Uid:"), status(ahead, "Uid:"));
    }
    client.open_gate(&captive.id).await.unwrap();
    assert_eq!(
        exit_of(&mut exits, &captive.id).await.status,
        ExitStatus::Code(0)
    );
    assert_eq!(
        captive.printed(),
        "descriptors : 0,1,2,3,4\nenvironment : 0\n"
    );
}

#[tokio::test]
async fn a_start_has_a_worker_where_the_one_made_ahead_is_gone() {
    let stage = Stage::new(&[]);
    let (client, _exits) = stage.connect().await;
    let ahead = spare(&stage, &[]).await;
    let ended = rustix::process::Pid::from_raw(ahead.try_into().unwrap()).unwrap();
    rustix::process::kill_process(ended, rustix::process::Signal::KILL).unwrap();
    ended_for_good(ahead).await;
    // The launcher takes its end, or the start finds it: either may come first.
    let captive = stage.start(&client, "a", "sleep").await;
    assert_ne!(captive.started.pid, ahead);
    spare(&stage, &[captive.started.pid]).await;
}

#[tokio::test]
async fn several_starts_at_once_have_a_worker_each() {
    let stage = Stage::new(&[]);
    let (client, _exits) = stage.connect().await;
    spare(&stage, &[]).await;
    let (a, b, c) = tokio::join!(
        stage.start(&client, "a", "sleep"),
        stage.start(&client, "b", "sleep"),
        stage.start(&client, "c", "sleep"),
    );
    let pids = [a.started.pid, b.started.pid, c.started.pid];
    let last = spare(&stage, &pids).await;
    let mut users: Vec<String> = (pids.iter().chain([&last]))
        .map(|pid| status(*pid, "Uid:"))
        .collect();
    users.sort();
    users.dedup();
    assert_eq!(users.len(), if stage::is_root() { 4 } else { 1 });
}

#[tokio::test]
async fn the_worker_made_ahead_ends_with_its_launcher() {
    for killed in [true, false] {
        let mut stage = Stage::new(&[]);
        let (_client, _exits) = stage.connect().await;
        let ahead = spare(&stage, &[]).await;
        match killed {
            true => stage.kill(),
            false => stage.terminate(),
        }
        ended_for_good(ahead).await;
    }
}

#[tokio::test]
async fn the_worker_made_ahead_is_who_the_last_images_program_was() {
    let Some(worker) = stage::is_root().then(worker).flatten() else {
        return;
    };
    let stage = Stage::with_worker(&worker, None, false);
    let image = stage.image();
    let (client, _exits) = stage.connect().await;
    let ahead = spare(&stage, &[]).await;
    let run = || {
        let mut run = Run::words(&["sleep"]);
        run.user = Some(InsideUser {
            uid: 1000,
            gid: 1000,
        });
        run
    };
    let first = stage.resident(&client, "a", &image, run()).await.unwrap();
    assert_ne!(first.started.pid, ahead, "the map of its user is written");
    let next = spare(&stage, &[first.started.pid]).await;
    let second = stage.resident(&client, "b", &image, run()).await.unwrap();
    assert_eq!(second.started.pid, next);
    // A program of another kind asks for nobody in particular.
    let workers = [first.started.pid, second.started.pid];
    let next = spare(&stage, &workers).await;
    let other = stage.start(&client, "c", "").await;
    assert_eq!(other.started.pid, next);
}
