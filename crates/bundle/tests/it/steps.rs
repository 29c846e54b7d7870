//! An admission that ends at any of its steps: the store is asked for room before each of them, which counts them.

use std::{
    env, fs, io,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use aion_bundle::{Content, Digest, Layout, Limits, Reason, Room, SigningKey, Store};

use crate::{
    fixture::{sign, trust_pem},
    images::{Image, Layer, base, wanted},
};

const FOLDER: &str = "AION_BUNDLE_STEPS_FOLDER";
const STEP: &str = "AION_BUNDLE_STEPS_STEP";
const SIGKILL: i32 = 9;

async fn signed(at: &Path) -> (Layout, Digest, String) {
    let layout = Layout::create(at.join("layout")).unwrap();
    let second = Layer::default()
        .file("a/b/c", &"text".repeat(40_000))
        .link("a/same", "a/b/c")
        .symlink("a/link", "b");
    let digest = Image::new([base(), second]).put(&layout).await;
    let key = SigningKey::generate().unwrap();
    sign(&layout, &key, &digest).await;
    (layout, digest, key.public_pem())
}

/// A store in `at` whose `step`th question for room is answered by `end`.
fn store(
    at: &Path,
    step: usize,
    end: impl Fn() -> io::Result<()> + Send + Sync + 'static,
) -> Store {
    let steps = AtomicUsize::new(0);
    let room = Room::new(
        move |_| match steps.fetch_add(1, Ordering::SeqCst) + 1 == step {
            true => end(),
            false => Ok(()),
        },
    );
    Store::open_in(at.join("store"), room, || Duration::ZERO).unwrap()
}

fn count(at: &Path, folder: &str) -> usize {
    fs::read_dir(at.join("store").join(folder)).unwrap().count()
}

/// Whether the image is in the store; if it is, all of it is.
fn is_whole(store: &Store, digest: &Digest) -> bool {
    let Some(stored) = store.get(digest) else {
        assert_eq!(store.list().unwrap(), [], "half an entry");
        return false;
    };
    let Content::Image(image) = stored.content else {
        panic!("not an image");
    };
    let text = fs::read_to_string(image.rootfs.join("a/link/c")).unwrap();
    assert_eq!(text, "text".repeat(40_000));
    assert_eq!(
        fs::read_to_string(image.rootfs.join("a/same")).unwrap(),
        text
    );
    assert_eq!(fs::read(image.rootfs.join("bin/sh")).unwrap(), b"\x7fELF");
    true
}

#[tokio::test]
async fn a_disk_that_is_full_at_any_step_leaves_nothing() {
    let at = tempfile::tempdir().unwrap();
    let (layout, digest, pem) = signed(at.path()).await;
    let (wanted, limits) = (wanted(digest), Limits::default());
    for step in 1.. {
        let full = || Err(io::ErrorKind::StorageFull.into());
        let store = store(at.path(), step, full);
        match store
            .admit(&layout, &wanted, &trust_pem(&pem), &limits)
            .await
        {
            Ok(_) => {
                assert!(is_whole(&store, &digest));
                assert!(step > 20, "only {step} steps");
                return;
            }
            Err(refused) => {
                assert_eq!(refused.reason(), Reason::NoSpace, "step {step}: {refused}");
                assert!(!is_whole(&store, &digest));
                for folder in ["tmp", "layers", "bundles"] {
                    assert_eq!(count(at.path(), folder), 0, "step {step}: {folder}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_kill_at_any_step_leaves_an_image_whole_or_absent() {
    let at = tempfile::tempdir().unwrap();
    let (layout, digest, pem) = signed(at.path()).await;
    fs::write(at.path().join("key.pub"), &pem).unwrap();
    // Once with nothing of it here, once with its layers.
    for layers in [0, 2] {
        let steps = kill_at_each_step(at.path(), (&layout, &digest, &pem), layers).await;
        assert!(steps > 10, "only {steps} steps with {layers} layers here");
    }
}

/// Kills an admission at its first step, at its second, until one ends; gives how many were killed.
async fn kill_at_each_step(
    at: &Path,
    (layout, digest, pem): (&Layout, &Digest, &str),
    layers: usize,
) -> usize {
    for step in 1.. {
        let child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "steps::admits_until_its_step"])
            .args(["--ignored", "--nocapture"])
            .env(FOLDER, at)
            .env(STEP, step.to_string())
            .output()
            .unwrap();
        let store = Store::open(at.join("store")).unwrap();
        assert_eq!(count(at, "tmp"), 0);
        let whole = is_whole(&store, digest);
        if !child.status.success() {
            let said = String::from_utf8_lossy(&child.stdout);
            assert_eq!(child.status.signal(), Some(SIGKILL), "{said}");
        }
        // What came of its layers is whole, too: the next one goes on with it.
        let (wanted, limits) = (wanted(*digest), Limits::default());
        let admitted = store.admit(layout, &wanted, &trust_pem(pem), &limits).await;
        admitted.unwrap();
        assert!(is_whole(&store, digest));
        fs::remove_dir_all(store.get(digest).unwrap().root).unwrap();
        if layers == 0 {
            store.prune(&[], Duration::ZERO).unwrap();
        }
        assert_eq!(count(at, "layers"), layers);
        if child.status.success() {
            assert!(whole);
            return step - 1;
        }
    }
    0
}

#[tokio::test]
#[ignore = "the child of a_kill_at_any_step_leaves_an_image_whole_or_absent"]
async fn admits_until_its_step() {
    let at = PathBuf::from(env::var_os(FOLDER).unwrap());
    let step: usize = env::var(STEP).unwrap().parse().unwrap();
    let layout = Layout::at(at.join("layout"));
    let listed = layout.index().unwrap().manifests;
    let digest = listed
        .iter()
        .find(|it| it.artifact_type.is_none())
        .unwrap()
        .digest;
    let store = store(&at, step, || {
        let me = rustix::process::getpid();
        rustix::process::kill_process(me, rustix::process::Signal::KILL).unwrap();
        loop {
            std::thread::park();
        }
    });
    let trust = trust_pem(&fs::read_to_string(at.join("key.pub")).unwrap());
    let (wanted, limits) = (wanted(digest), Limits::default());
    store
        .admit(&layout, &wanted, &trust, &limits)
        .await
        .unwrap();
}
