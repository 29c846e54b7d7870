//! A store takes what it was given of the disk, and no more of it, whatever comes.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use aion_bundle::{Built, Layout, Limits, Reason, Room, SigningKey, Store, build};

use crate::fixture::{reference, sign, trusting, wasm, write};

/// What is in `folder`, in bytes.
fn size(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => size(&entry.path()),
            _ => entry.metadata().map_or(0, |it| it.len()),
        })
        .sum()
}

/// A store that may have so many bytes.
fn store(root: PathBuf, most: &Arc<AtomicU64>) -> Store {
    let (folder, most) = (root.clone(), Arc::clone(most));
    let room = Room::new(
        move |more| match size(&folder) + more > most.load(Ordering::SeqCst) {
            true => Err(io::Error::new(
                io::ErrorKind::StorageFull,
                "kept for others",
            )),
            false => Ok(()),
        },
    );
    Store::open_in(root, room, || Duration::ZERO).unwrap()
}

/// A bundle with a file of `content`.
fn with_file(at: &Path, layout: &Layout, content: &str) -> Built {
    let folder = at.join("source");
    write(&folder, "agent.yaml", "x: 1\n");
    write(&folder, "files/large", content);
    let recipe = "name: a\nversion: '1'\nruntime: declarative\nentry: agent.yaml\nfiles: [files]\n";
    write(&folder, "bundle.yaml", recipe);
    build(&folder, layout).unwrap()
}

#[tokio::test]
async fn a_bundle_takes_no_more_of_the_disk_than_the_store_may() {
    let at = tempfile::tempdir().unwrap();
    let layout = Layout::create(at.path().join("layout")).unwrap();
    let key = SigningKey::generate().unwrap();
    let (root, most) = (at.path().join("store"), Arc::new(AtomicU64::new(300_000)));
    let store = store(root.clone(), &most);
    let noise: String = (0..400_000_u32)
        .map(|n| char::from(b' ' + (n.wrapping_mul(2_654_435_761) >> 26) as u8))
        .collect();
    let limits = Limits {
        ratio: 100_000,
        ..Limits::default()
    };
    // Too large as it is announced, and only once it is unpacked.
    for content in [noise, "a line\n".repeat(170_000)] {
        let built = with_file(at.path(), &layout, &content);
        sign(&layout, &key, &built.digest).await;
        let (wanted, trust) = (reference(&built), trusting(&key));
        let admitted = store.admit(&layout, &wanted, &trust, &limits).await;
        let error = admitted.unwrap_err();
        assert_eq!(error.reason(), Reason::NoSpace, "{error}");
        assert!(error.to_string().contains("kept for others"), "{error}");
        assert!(error.may_pass_later());
        assert!(store.list().unwrap().is_empty());
        assert_eq!(fs::read_dir(root.join("tmp")).unwrap().count(), 0);
    }
    // One that fits is let in, and used without room, which needs none.
    let small = wasm(&layout);
    sign(&layout, &key, &small.digest).await;
    for room in [300_000, 0] {
        most.store(room, Ordering::SeqCst);
        let (wanted, trust) = (reference(&small), trusting(&key));
        let admitted = store.admit(&layout, &wanted, &trust, &limits).await;
        admitted.unwrap();
    }
}

#[tokio::test]
async fn what_is_compiled_takes_no_more_of_the_disk_than_the_store_may() {
    let at = tempfile::tempdir().unwrap();
    let layout = Layout::create(at.path().join("layout")).unwrap();
    let key = SigningKey::generate().unwrap();
    let most = Arc::new(AtomicU64::new(600_000));
    let store = store(at.path().join("store"), &most);
    let built = wasm(&layout);
    sign(&layout, &key, &built.digest).await;
    let (wanted, trust) = (reference(&built), trusting(&key));
    let admitted = store
        .admit(&layout, &wanted, &trust, &Limits::default())
        .await;
    admitted.unwrap();
    let error = store
        .keep_compiled(&built.digest, "e", io::Read::take(io::repeat(1), 1_000_000))
        .unwrap_err();
    assert_eq!(error.reason(), Reason::NoSpace, "{error}");
    assert!(store.compiled(&built.digest, "e").is_none());
    let little = io::Read::take(io::repeat(1), 1_000);
    store.keep_compiled(&built.digest, "e", little).unwrap();
}
