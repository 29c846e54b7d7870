//! Folders that are swapped while they are walked, full disks, names of any kind.
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    os::unix::fs::symlink,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use aion_abi::{
    code::Code,
    syscall::fs::{ListRequest, MAX_CHUNK, WriteMode, WriteRequest},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use proptest::prelude::*;

use super::{
    FilesDriver, FolderFiles, Origin,
    hostile_tests::{SECRET, house, list, mounted, write},
};
use crate::small_disk;

/// A folder is swapped for a link that leads out and back, while files in it are read and written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_swapped_for_a_link_lets_nothing_out_or_in() {
    let house = house();
    fs::create_dir(house.inside("folder")).unwrap();
    fs::write(house.inside("folder/secret"), "inside").unwrap();
    symlink("../out", house.inside("link")).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let swapper = std::thread::spawn({
        let (stop, folder, link) = (stop.clone(), house.inside("folder"), house.inside("link"));
        move || {
            let mut swaps = 0_u64;
            while !stop.load(Ordering::Relaxed) {
                let flags = nix::fcntl::RenameFlags::RENAME_EXCHANGE;
                nix::fcntl::renameat2(
                    nix::fcntl::AT_FDCWD,
                    &folder,
                    nix::fcntl::AT_FDCWD,
                    &link,
                    flags,
                )
                .unwrap();
                swaps += 1;
            }
            swaps
        }
    });
    let (mut read, mut refused) = (0, 0);
    for round in 0..100_000 {
        match house.read("folder/secret").await {
            Ok(text) => {
                assert_eq!(text, "inside");
                read += 1;
            }
            Err(code) => {
                assert!(matches!(code, Code::Denied | Code::NotFound), "{code}");
                refused += 1;
            }
        }
        if round % 16 == 0 {
            let _ = house
                .write(&format!("folder/new-{}", round % 64), WriteMode::Replace)
                .await;
            let tree = house.driver.list(&house.mounts, list(true)).await.unwrap();
            assert!(
                tree.entries
                    .iter()
                    .all(|entry| entry.size != SECRET.len() as u64)
            );
        }
        if round >= 400 && read > 20 && refused > 20 {
            break;
        }
    }
    stop.store(true, Ordering::Relaxed);
    assert!(swapper.join().unwrap() > 0);
    assert!(
        read > 0 && refused > 0,
        "the race was met: {read} read, {refused} refused"
    );
    let out: Vec<_> = fs::read_dir(house.dir.path().join("out"))
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(out, ["secret"]);
}

#[test]
fn a_full_disk_is_said_and_leaves_files_as_they_were() {
    small_disk::on(512 * 1024, |disk| async move {
        let driver = FolderFiles::new([]);
        let mounts = mounted(&disk, Origin::Mapped);
        driver
            .write(&mounts, write("kept", WriteMode::Replace))
            .await
            .unwrap();
        let large = |path: &str, mode| WriteRequest {
            data: STANDARD.encode(vec![b'x'; MAX_CHUNK as usize]),
            ..write(path, mode)
        };
        for (path, mode) in [
            ("kept", WriteMode::Replace),
            ("kept", WriteMode::Append),
            ("new", WriteMode::CreateNew),
        ] {
            let problem = driver.write(&mounts, large(path, mode)).await.unwrap_err();
            assert_eq!(problem.code, Code::StorageFull, "{mode:?}: {problem}");
        }
        assert_eq!(fs::read_to_string(disk.join("kept")).unwrap(), "written");
        let left: Vec<_> = fs::read_dir(&disk)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(left, ["kept"]);
    });
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the name and whatever links there are, nothing outside is read, made or changed.
    #[test]
    fn no_name_leads_outside(
        parts in prop::collection::vec(prop_oneof![
            Just("..".to_owned()), Just(".".to_owned()), Just(String::new()), Just("folder".to_owned()),
            Just("link".to_owned()), Just("secret".to_owned()), Just("up".to_owned()), "[a-z\u{0}\\\\%.~]{1,4}",
        ], 1..6),
        slash in any::<bool>(),
    ) {
        let house = house();
        fs::create_dir(house.inside("folder")).unwrap();
        symlink("../../out", house.inside("folder/link")).unwrap();
        symlink("../out", house.inside("link")).unwrap();
        symlink("..", house.inside("up")).unwrap();
        symlink(".", house.inside("folder/up")).unwrap();
        let path = format!("{}{}", if slash { "/" } else { "" }, parts.join("/"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            if let Ok(text) = house.read(&path).await {
                assert_ne!(text, SECRET, "{path}");
            }
            for mode in [WriteMode::CreateNew, WriteMode::Append, WriteMode::Replace] {
                let _ = house.write(&path, mode).await;
            }
            let request = ListRequest { path: path.clone(), ..list(true) };
            if let Ok(tree) = house.driver.list(&house.mounts, request).await {
                assert!(tree.entries.iter().all(|entry| entry.size != SECRET.len() as u64), "{path}");
            }
        });
        prop_assert_eq!(fs::read_to_string(house.dir.path().join("out/secret")).unwrap(), SECRET);
        prop_assert_eq!(fs::read_dir(house.dir.path().join("out")).unwrap().count(), 1);
        let beside: Vec<_> = fs::read_dir(house.dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        prop_assert_eq!(beside.len(), 2, "{:?}", beside);
    }
}
