//! Links, devices, folders that are swapped while they are walked, full disks.
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use aion_abi::{
    code::Code,
    syscall::fs::{ListRequest, MAX_CHUNK, ReadRequest, WriteMode, WriteRequest},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use nix::sys::stat::Mode;
use proptest::prelude::*;

use super::{FilesDriver, FolderFiles, Mount, MountTable, Origin};
use crate::drivers::small_disk;

const SECRET: &str = "the secret outside";

struct House {
    dir: tempfile::TempDir,
    driver: FolderFiles,
    mounts: MountTable,
}

/// A writable mount `m` on the folder `in`, beside a folder `out` with a secret.
fn house() -> House {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("in")).unwrap();
    fs::create_dir(dir.path().join("out")).unwrap();
    fs::write(dir.path().join("out/secret"), SECRET).unwrap();
    let driver = FolderFiles::new([dir.path().join(".aion")]);
    let mounts = mounted(&dir.path().join("in"), Origin::Mapped);
    House {
        dir,
        driver,
        mounts,
    }
}

fn mounted(folder: &Path, origin: Origin) -> MountTable {
    MountTable::new().with(
        "m",
        Mount {
            folder: folder.to_owned(),
            writable: true,
            origin,
        },
    )
}

fn read(path: &str) -> ReadRequest {
    ReadRequest {
        mount: "m".into(),
        path: path.into(),
        offset: 0,
        length: 100,
    }
}

fn write(path: &str, mode: WriteMode) -> WriteRequest {
    WriteRequest {
        mount: "m".into(),
        path: path.into(),
        data: STANDARD.encode("written"),
        mode,
    }
}

fn list(recursive: bool) -> ListRequest {
    ListRequest {
        mount: "m".into(),
        path: String::new(),
        recursive,
        after: None,
        limit: 1000,
    }
}

impl House {
    fn inside(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join("in").join(name)
    }

    async fn read(&self, path: &str) -> Result<String, Code> {
        let answer = self
            .driver
            .read(&self.mounts, read(path))
            .await
            .map_err(|problem| problem.code)?;
        Ok(String::from_utf8(STANDARD.decode(answer.data).unwrap()).unwrap())
    }

    async fn write(&self, path: &str, mode: WriteMode) -> Result<u64, Code> {
        let done = self.driver.write(&self.mounts, write(path, mode)).await;
        done.map(|answer| answer.size)
            .map_err(|problem| problem.code)
    }
}

#[tokio::test]
async fn a_link_is_followed_inside_its_mount_and_nowhere_else() {
    let house = house();
    fs::write(house.inside("real"), "inside").unwrap();
    symlink("real", house.inside("near")).unwrap();
    symlink("../out/secret", house.inside("far")).unwrap();
    symlink(
        house.dir.path().join("out/secret"),
        house.inside("absolute"),
    )
    .unwrap();
    symlink("../out", house.inside("folder")).unwrap();
    symlink("/proc/self/root", house.inside("magic")).unwrap();
    symlink("loop", house.inside("loop")).unwrap();
    assert_eq!(house.read("near").await, Ok("inside".into()));
    for path in [
        "far",
        "absolute",
        "folder/secret",
        "magic/etc/passwd",
        "loop",
    ] {
        assert_eq!(house.read(path).await, Err(Code::Denied), "{path}");
    }
    for path in [
        "near",
        "far",
        "absolute",
        "folder/secret",
        "folder/new",
        "folder/a/b",
        "loop",
    ] {
        for mode in [WriteMode::Replace, WriteMode::Append] {
            assert_eq!(
                house.write(path, mode).await,
                Err(Code::Denied),
                "{path} {mode:?}"
            );
        }
    }
    assert_eq!(
        fs::read_to_string(house.dir.path().join("out/secret")).unwrap(),
        SECRET
    );
    assert_eq!(
        fs::read_dir(house.dir.path().join("out")).unwrap().count(),
        1
    );
    let tree = house.driver.list(&house.mounts, list(true)).await.unwrap();
    assert_eq!(
        tree.entries.len(),
        1,
        "links are not listed: {:?}",
        tree.entries
    );
}

#[tokio::test]
async fn what_is_not_a_file_is_neither_read_nor_written_and_holds_nobody_up() {
    let house = house();
    nix::unistd::mkfifo(&house.inside("fifo"), Mode::S_IRWXU).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(house.inside("socket")).unwrap();
    for path in ["fifo", "socket"] {
        assert_eq!(house.read(path).await, Err(Code::Denied), "{path}");
        for mode in [WriteMode::Replace, WriteMode::Append] {
            assert_eq!(
                house.write(path, mode).await,
                Err(Code::Denied),
                "{path} {mode:?}"
            );
        }
    }
    assert!(house.inside("fifo").exists());
    assert!(
        house
            .driver
            .list(&house.mounts, list(false))
            .await
            .unwrap()
            .entries
            .is_empty()
    );
    let devices = mounted(Path::new("/dev"), Origin::Mapped);
    for device in ["zero", "null", "tty", "random"] {
        let problem = house.driver.read(&devices, read(device)).await.unwrap_err();
        assert!(
            matches!(problem.code, Code::Denied | Code::NotFound),
            "{device}: {problem}"
        );
    }
}

#[tokio::test]
async fn the_nodes_own_state_is_no_mapped_mount_even_when_mapped_behind_its_back() {
    let house = house();
    let state = house.dir.path().join(".aion/state/turn");
    fs::create_dir_all(&state).unwrap();
    symlink(&state, house.dir.path().join("alias")).unwrap();
    for folder in [
        state.clone(),
        house.dir.path().to_owned(),
        house.dir.path().join("alias"),
    ] {
        let problem = house
            .driver
            .list(&mounted(&folder, Origin::Mapped), list(false))
            .await
            .unwrap_err();
        assert_eq!(problem.code, Code::Denied);
        assert!(
            !problem
                .to_string()
                .contains(house.dir.path().to_str().unwrap()),
            "{problem}"
        );
    }
    let own = mounted(&state, Origin::Turn);
    house
        .driver
        .write(&own, write("report.md", WriteMode::CreateNew))
        .await
        .unwrap();
    let gone = mounted(&house.dir.path().join("none"), Origin::Mapped);
    assert_eq!(
        house
            .driver
            .list(&gone, list(false))
            .await
            .unwrap_err()
            .code,
        Code::NotFound
    );
}

#[tokio::test]
async fn a_replaced_file_keeps_its_mode() {
    let house = house();
    fs::write(house.inside("script"), "old").unwrap();
    fs::set_permissions(house.inside("script"), fs::Permissions::from_mode(0o751)).unwrap();
    house.write("script", WriteMode::Replace).await.unwrap();
    assert_eq!(
        fs::read_to_string(house.inside("script")).unwrap(),
        "written"
    );
    assert_eq!(
        fs::metadata(house.inside("script"))
            .unwrap()
            .permissions()
            .mode()
            & 0o777,
        0o751
    );
}

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
