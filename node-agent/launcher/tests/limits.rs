//! Limits that the kernel holds a worker to, by groups of its own: what is told before they are met, when they are met,
//! and of what was used. As root; the paths of an ordinary user without groups are in `ordinary_user`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod stage;

use std::time::Duration;

use aion_sandbox::protocol::{Exited, Limits, Pressure, WorkerId};
use aion_sandbox::{Client, Layer, LayerState, Told};
use stage::image::{Run, lines, roots};
use stage::{PATIENCE, Stage};
use tokio::sync::mpsc::Receiver;

/// A program with these words and limits, that runs.
async fn runs(
    stage: &Stage,
    words: &str,
    limits: Limits,
) -> (Client, Receiver<Told>, stage::Captive) {
    // Those who only connect would take what is told: the launcher has one connection.
    drop(stage.connect().await);
    let socket = stage.path("s/launcher.sock");
    let (client, told) = Client::connect_traced(&socket).await.unwrap();
    let mut run = Run::words(&[words]);
    run.limits = limits;
    let image = stage.image();
    let captive = stage.resident(&client, "a", &image, run).await.unwrap();
    client.open_gate(&captive.id).await.unwrap();
    (client, told, captive)
}

/// The pressure that is told up to the end, and the end.
async fn until_the_end(told: &mut Receiver<Told>) -> (Vec<Pressure>, Exited) {
    let mut pressures = Vec::new();
    let all = async {
        loop {
            match told.recv().await.unwrap() {
                Told::Pressure(pressure) => pressures.push(pressure),
                Told::Exited(exited) => return exited,
                Told::Traced(_) => {}
            }
        }
    };
    let exited = tokio::time::timeout(PATIENCE, all).await.unwrap();
    (pressures, exited)
}

#[tokio::test]
async fn memory_pressure_is_told_before_anything_is_killed() {
    let Some(stage) = roots() else { return };
    let limits = Limits {
        memory_bytes: Some(64 << 20),
        memory_high_bytes: Some(40 << 20),
        ..Limits::default()
    };
    // 24 MiB between the two, so 240 ms.
    let (_client, mut told, _) = runs(&stage, "grow-slowly 10", limits).await;
    let (pressures, exited) = until_the_end(&mut told).await;
    assert_eq!(exited.oom, Some(true));
    let first = pressures.first().expect("it is told before its end");
    assert_eq!((first.high_bytes, first.most_bytes), (40 << 20, 64 << 20));
    assert!(
        (40 << 20..64 << 20).contains(&first.held_bytes),
        "{first:?}"
    );
}

#[tokio::test]
async fn what_stays_below_its_high_is_told_nothing() {
    let Some(stage) = roots() else { return };
    let limits = Limits {
        memory_bytes: Some(64 << 20),
        memory_high_bytes: Some(40 << 20),
        ..Limits::default()
    };
    let (client, mut told, captive) = runs(&stage, "hold-mib 20", limits).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    client.kill(&captive.id, Duration::ZERO).await.unwrap();
    let (pressures, _) = until_the_end(&mut told).await;
    assert_eq!(pressures, []);
}

#[tokio::test]
async fn waiting_for_cpu_is_counted() {
    let Some(stage) = roots() else { return };
    let of = |milli| Limits {
        cpu_milli: Some(milli),
        ..Limits::default()
    };
    let (_client, mut told, _) = runs(&stage, "burn-ms 3000", of(20)).await;
    let (_, exited) = until_the_end(&mut told).await;
    let throttled = exited.throttled.unwrap();
    assert!(
        throttled.is_notable() && throttled.waited_us > 200_000,
        "{throttled:?}"
    );
    let Some(other) = roots() else { return };
    let (_client, mut told, _) = runs(&other, "who", of(2000)).await;
    let (_, exited) = until_the_end(&mut told).await;
    assert!(!exited.throttled.unwrap().is_notable());
}

#[tokio::test]
async fn what_was_used_is_told_since_it_was_asked_last() {
    let Some(stage) = roots() else { return };
    let limits = Limits {
        memory_bytes: Some(64 << 20),
        ..Limits::default()
    };
    let (client, _told, captive) = runs(&stage, "hold-mib 30", limits).await;
    let first = client.measure(&captive.id).await.unwrap();
    assert_eq!(first.peak_memory_bytes, None, "from now on");
    assert_eq!(
        (first.most_bytes, first.killed_for_memory),
        (Some(64 << 20), 0)
    );
    tokio::time::sleep(Duration::from_millis(500)).await;
    let second = client.measure(&captive.id).await.unwrap();
    let Some(peak) = second.peak_memory_bytes else {
        aion_testkit::skip(
            "memory peaks",
            "this kernel does not set a group's peak back",
        );
        return;
    };
    assert!((30 << 20..64 << 20).contains(&peak), "{peak}");
    let nobody = WorkerId {
        instance: "nobody".into(),
        incarnation: 1,
    };
    let unknown = client.measure(&nobody).await;
    assert!(unknown.unwrap_err().to_string().contains("no such worker"));
}

#[tokio::test]
async fn weights_and_disks_are_limits_that_are_read_back() {
    let Some(stage) = roots() else { return };
    let limits = Limits {
        cpu_milli: Some(500),
        cpu_weight: Some(50),
        io_read_bps: Some(50 << 20),
        io_write_bps: Some(20 << 20),
        ..Limits::default()
    };
    let (_client, _told, captive) = runs(&stage, "sleep", limits).await;
    let cpu = captive.layer(Layer::CgroupCpu);
    assert!(cpu.is_enforced(), "{cpu:?}");
    let weight = ["cpu.shares 512", "cpu.weight 50"];
    assert!(
        weight.iter().any(|it| cpu.evidence.contains(it)),
        "{}",
        cpu.evidence
    );
    let io = captive.layer(Layer::CgroupIo);
    match &io.state {
        LayerState::Enforced => assert!(io.evidence.contains("20971520"), "{}", io.evidence),
        LayerState::Missing { why } => aion_testkit::skip("limits of block devices", why),
        LayerState::NotRequested => panic!("it was asked for"),
    }
    let Some(other) = roots() else { return };
    let (_client, _told, captive) = runs(&other, "sleep", Limits::default()).await;
    let io = captive.layer(Layer::CgroupIo);
    assert_eq!(io.state, LayerState::NotRequested);
}

#[tokio::test]
async fn a_weight_that_this_kernel_lacks_is_missing_and_says_so() {
    let Some(stage) = roots() else { return };
    let limits = Limits {
        io_weight: Some(50),
        ..Limits::default()
    };
    let (_client, _told, captive) = runs(&stage, "sleep", limits).await;
    let io = captive.layer(Layer::CgroupIo);
    match &io.state {
        LayerState::Enforced => assert!(io.evidence.contains("50"), "{}", io.evidence),
        LayerState::Missing { why } => assert!(why.contains("weights"), "{why}"),
        LayerState::NotRequested => panic!("it was asked for"),
    }
}

#[tokio::test]
async fn a_launcher_that_ends_takes_no_layer_from_another() {
    let (Some(mut first), Some(second)) = (roots(), roots()) else {
        return;
    };
    let (_client, _exits) = second.connect().await;
    drop(first.connect().await);
    first.terminate();
    let (_client, _told, captive) = runs(&second, "sleep", Limits::default()).await;
    for layer in [Layer::CgroupMemory, Layer::CgroupPids, Layer::CgroupCpu] {
        let layer = captive.layer(layer);
        assert!(layer.is_enforced(), "{layer:?}");
    }
}

#[tokio::test]
async fn a_stricter_filter_leaves_a_program_its_threads_or_nothing() {
    let Some(stage) = roots() else { return };
    let image = stage.image();
    let does = async |name: &str, word: &str, variants: &[&str]| {
        let mut run = Run::words(&[word]);
        run.limits.pids = Some(8);
        run.seccomp = variants.iter().map(|it| (*it).to_owned()).collect();
        let (printed, complained, _) = stage.reside(name, &image, run).await;
        assert_eq!(complained, "", "{name}");
        lines(&printed).join(" ")
    };
    assert_eq!(does("a", "forks", &[]).await, "7, then EAGAIN");
    assert_eq!(does("b", "forks", &["no-processes"]).await, "0, then EPERM");
    assert_eq!(does("c", "thread", &["no-processes"]).await, "joined true");
    assert!(does("d", "thread", &["no-threads"]).await.contains("EPERM"));
    let (client, _exits) = stage.connect().await;
    let mut run = Run::words(&["who"]);
    run.seccomp = vec!["no-such".into()];
    let refused = stage
        .resident(&client, "e", &image, run)
        .await
        .err()
        .unwrap();
    assert!(
        refused.to_string().contains("no-processes, no-threads"),
        "{refused}"
    );
}

#[tokio::test]
async fn what_runs_under_another_launcher_is_told_of_pressure_still() {
    let Some(mut stage) = roots() else { return };
    let limits = Limits {
        memory_bytes: Some(64 << 20),
        memory_high_bytes: Some(20 << 20),
        ..Limits::default()
    };
    let (client, told, captive) = runs(&stage, "hold-mib 30", limits).await;
    drop((client, told));
    stage.kill();
    stage.restart();
    drop(stage.connect().await);
    let socket = stage.path("s/launcher.sock");
    let (client, mut told) = Client::connect_traced(&socket).await.unwrap();
    let heard = async {
        loop {
            if let Some(Told::Pressure(pressure)) = told.recv().await {
                return pressure;
            }
        }
    };
    let pressure = tokio::time::timeout(PATIENCE, heard).await.unwrap();
    assert_eq!(pressure.id, captive.id);
    client.kill(&captive.id, Duration::ZERO).await.unwrap();
    until_the_end(&mut told).await;
}
