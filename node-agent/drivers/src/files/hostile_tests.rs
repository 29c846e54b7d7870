//! Links, devices, the node's own state.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{
    fs,
    os::{
        fd::AsRawFd,
        unix::{
            ffi::OsStrExt,
            fs::{PermissionsExt, symlink},
        },
    },
    path::Path,
};

use aion_abi::{
    code::Code,
    syscall::fs::{ListRequest, ReadRequest, WriteMode, WriteRequest},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use nix::sys::stat::Mode;

use super::{FilesDriver, FolderFiles, Mount, MountTable, Origin};

pub(super) const SECRET: &str = "the secret outside";

pub(super) struct House {
    pub(super) dir: tempfile::TempDir,
    pub(super) driver: FolderFiles,
    pub(super) mounts: MountTable,
}

/// A writable mount `m` on the folder `in`, beside a folder `out` with a secret.
pub(super) fn house() -> House {
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

pub(super) fn mounted(folder: &Path, origin: Origin) -> MountTable {
    MountTable::new().with(
        "m",
        Mount {
            folder: folder.to_owned(),
            writable: true,
            origin,
            account: None,
        },
    )
}

fn read(path: &str) -> ReadRequest {
    ReadRequest {
        mount: "m".into(),
        path: path.into(),
        offset: 0,
        length: 100,
        version: None,
    }
}

pub(super) fn write(path: &str, mode: WriteMode) -> WriteRequest {
    WriteRequest {
        mount: "m".into(),
        path: path.into(),
        data: STANDARD.encode("written"),
        mode,
    }
}

pub(super) fn list(recursive: bool) -> ListRequest {
    ListRequest {
        mount: "m".into(),
        path: String::new(),
        recursive,
        after: None,
        limit: 1000,
        unless: None,
    }
}

impl House {
    pub(super) fn inside(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join("in").join(name)
    }

    pub(super) async fn read(&self, path: &str) -> Result<String, Code> {
        let answer = self
            .driver
            .read(&self.mounts, read(path))
            .await
            .map_err(|problem| problem.code)?;
        Ok(String::from_utf8(STANDARD.decode(answer.data).unwrap()).unwrap())
    }

    pub(super) async fn write(&self, path: &str, mode: WriteMode) -> Result<u64, Code> {
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
    let missed = |path: &str| {
        let first = tree.left_out.first.iter();
        let why = first.filter(|it| it.path == path).map(|it| it.why.as_str());
        why.collect::<String>()
    };
    assert_eq!(tree.left_out.count, 5, "{:?}", tree.left_out);
    assert_eq!(missed("far"), "a link that leads outside its mount");
    assert_eq!(missed("loop"), "a link that leads back to itself");
    assert_eq!(missed("near"), "", "it is listed as what it leads to");
}

#[tokio::test]
async fn what_cannot_be_listed_is_left_out_and_named_and_the_rest_is_there() {
    let house = house();
    fs::create_dir_all(house.inside("deep").join("a/".repeat(70))).unwrap();
    fs::write(house.inside("deep/near.md"), "").unwrap();
    nix::unistd::mkfifo(&house.inside("fifo"), Mode::S_IRWXU).unwrap();
    symlink("nowhere", house.inside("link")).unwrap();
    let odd = std::ffi::OsStr::from_bytes(b"caf\xe9.md");
    fs::write(house.inside("").join(odd), "").unwrap();
    fs::write(house.inside("zebra.md"), "").unwrap();
    let (mut found, mut missed, mut after) = (Vec::new(), Vec::new(), None);
    loop {
        let request = ListRequest {
            after,
            limit: 1,
            ..list(true)
        };
        let page = house.driver.list(&house.mounts, request).await.unwrap();
        assert_eq!(page.left_out.count, page.left_out.first.len() as u64);
        missed.extend(page.left_out.first.into_iter().map(|it| (it.path, it.why)));
        found.extend(page.entries.into_iter().map(|it| it.path));
        after = found.last().cloned();
        if !page.more {
            break;
        }
    }
    assert_eq!(found, ["deep/near.md", "zebra.md"]);
    missed.sort();
    let [odd, deep, fifo, link] = &missed[..] else {
        panic!("each is named once: {missed:?}");
    };
    assert_eq!(odd.0, "caf\u{fffd}.md");
    assert!(
        deep.0.starts_with("deep/a/a") && deep.1.starts_with("deeper than 64"),
        "{deep:?}"
    );
    assert_eq!(fifo.1, "neither a file nor a folder");
    assert_eq!(link.1, "a link that leads nowhere");
}

#[tokio::test]
async fn a_file_has_another_version_when_it_was_replaced_with_its_size_and_time_set_back() {
    let house = house();
    let long_ago =
        std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    let put = |name: &str, text: &str| {
        fs::write(house.inside(name), text).unwrap();
        let file = fs::File::options()
            .write(true)
            .open(house.inside(name))
            .unwrap();
        file.set_modified(long_ago).unwrap();
    };
    let listed = async || {
        let page = house.driver.list(&house.mounts, list(true)).await.unwrap();
        page.entries.into_iter().next().unwrap()
    };
    // A file that changed just now has no version yet.
    let settled = async || {
        loop {
            let entry = listed().await;
            if let Some(version) = entry.version {
                return (entry.size, entry.modified_ms, version);
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    put("a", "40 bar");
    assert_eq!(listed().await.version, None);
    let part = async || house.driver.read(&house.mounts, read("a")).await.unwrap();
    assert!(part().await.fresh);
    let before = settled().await;
    assert_eq!(before, settled().await);
    let first = part().await;
    assert_eq!((&first.version, first.fresh), (&before.2, false));
    put("new", "60 bar");
    fs::rename(house.inside("new"), house.inside("a")).unwrap();
    let after = settled().await;
    assert_eq!((before.0, before.1), (after.0, after.1));
    assert_ne!(before.2, after.2);
    let next = ReadRequest {
        version: Some(first.version),
        ..read("a")
    };
    let problem = house.driver.read(&house.mounts, next).await.unwrap_err();
    assert_eq!(problem.code, Code::Changed);
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
    let page = house.driver.list(&house.mounts, list(false)).await.unwrap();
    assert!(page.entries.is_empty());
    assert_eq!(page.left_out.count, 2, "{:?}", page.left_out);
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

#[tokio::test]
async fn a_folder_is_opened_as_a_whole_only_while_it_is_not_the_nodes_own() {
    let house = house();
    let opened = house.driver.open_folder(&house.mounts, "m").await.unwrap();
    let opened = fs::read_link(format!("/proc/self/fd/{}", opened.as_raw_fd())).unwrap();
    assert_eq!(opened, house.dir.path().join("in").canonicalize().unwrap());
    fs::create_dir(house.dir.path().join(".aion")).unwrap();
    fs::remove_dir(house.dir.path().join("in")).unwrap();
    symlink(".aion", house.dir.path().join("in")).unwrap();
    let refused = house.driver.open_folder(&house.mounts, "m").await;
    assert_eq!(refused.unwrap_err().code, Code::Denied);
    let refused = house.driver.open_folder(&house.mounts, "none").await;
    assert_eq!(refused.unwrap_err().code, Code::NotFound);
}
