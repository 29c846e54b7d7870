//! Links, devices, the node's own state.
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    os::{
        fd::AsRawFd,
        unix::fs::{PermissionsExt, symlink},
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
