//! A shell whose disk is full. Needs the right to mount a file system.
#![allow(clippy::unwrap_used)]

use std::{fs, path::Path, sync::Arc, time::Duration};

use aion_journal::Options;
use aion_kernel::{Event, InstanceSpec, InstanceUid, Lane, Limits, Profile, Quota};
use futures::future::{BoxFuture, pending};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use tokio::time::timeout;

use super::{Driven, Driving, Job, ShellParts, open};
use crate::{clock::Clock, feed::Feed};

/// So that a shell that never answers fails the test instead of holding it up.
const BOUND: Duration = Duration::from_secs(60);
/// More than one batch takes, and more than the disk does.
const TOLD: usize = 1000;

struct Nobody;

impl Driving for Nobody {
    fn drive(self: Arc<Self>, _: Job) -> BoxFuture<'static, Driven> {
        Box::pin(pending())
    }

    fn make_safe(
        self: Arc<Self>,
        _: aion_kernel::Name,
        _: aion_kernel::Generation,
        _: aion_kernel::Parts,
    ) -> BoxFuture<'static, (aion_kernel::Parts, aion_kernel::Parts)> {
        Box::pin(pending())
    }
}

struct Unmount<'a>(&'a Path);

impl Drop for Unmount<'_> {
    fn drop(&mut self) {
        let _ = umount2(self.0, MntFlags::MNT_DETACH);
    }
}

/// One of an agent with a long name, to fill the disk with.
fn instance(n: usize) -> Event {
    Event::Apply(InstanceSpec {
        uid: InstanceUid(n as u128),
        profile: Profile {
            tenant: "home".into(),
            agent: format!("{n}{}", "x".repeat(1024)).into(),
            revision: "1".into(),
            lane: Lane::Interactive,
            required_layers: Vec::new(),
            grants: Arc::default(),
            quota: Quota::default(),
            max_turn_seconds: 60,
        },
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_batch_waits_for_room_the_kernel_can_be_asked_and_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let options = Some("size=256k");
    if let Err(error) = mount(
        Some("tmpfs"),
        dir.path(),
        Some("tmpfs"),
        MsFlags::empty(),
        options,
    ) {
        aion_testkit::skip("mount", &format!("a tmpfs cannot be mounted: {error}"));
        return;
    }
    let _unmount = Unmount(dir.path());
    let options = Options {
        dir: dir.path().join("journal"),
        segment_bytes: 16 * 1024,
        keep_bytes: 1024 * 1024,
    };
    let opened = open(&options, Limits::default()).unwrap();
    let (handle, parts, _orders) = ShellParts::open(
        opened.kernel,
        opened.journal,
        Clock::behind(None),
        Feed::new(),
    );
    let shell = tokio::spawn(
        parts
            .with(Arc::new(Nobody), tokio::runtime::Handle::current())
            .run(Vec::new()),
    );
    let filler = dir.path().join("filler");
    fs::write(&filler, vec![0; 1024 * 1024]).unwrap_err();
    (1..=TOLD).for_each(|n| handle.tell(instance(n)));

    let full = timeout(BOUND, async {
        while handle.has_room() {
            tokio::task::yield_now().await;
        }
    });
    full.await.unwrap();
    let asked = handle.look(|kernel| kernel.state().instances().count());
    assert!(timeout(BOUND, asked).await.unwrap().unwrap() < TOLD);
    timeout(BOUND, handle.stop()).await.unwrap();
    shell.await.unwrap().unwrap();

    fs::remove_file(&filler).unwrap();
    let after = open(&options, Limits::default()).unwrap();
    assert!(after.kernel.state().instances().count() < TOLD);
}
