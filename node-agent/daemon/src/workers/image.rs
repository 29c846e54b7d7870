//! What a program from a container image is started with: its root file system and folders, opened by this process, and
//! what is executed in it. How an image came here and who vouches for it is the store's and `instances`' matter.

use std::{
    fs::{File, OpenOptions},
    os::{fd::OwnedFd, unix::fs::OpenOptionsExt},
    path::Path,
    sync::Arc,
};

use aion_abi::boot;
use aion_api::ResolvedMount;
use aion_bundle::{Content, Digest, Image, Store};
use aion_sandbox::protocol::InsideUser;
use rustix::fs::OFlags;
use tokio::task::spawn_blocking;

use crate::mounts::Mounts;

/// An image that was opened for one start.
pub(super) struct Opened {
    /// What is executed.
    pub(super) program: boot::Process,
    /// Who it is inside.
    pub(super) user: InsideUser,
    /// The root file system.
    pub(super) root: OwnedFd,
}

/// Opens the image `digest` of the store.
///
/// # Errors
/// It is not there any more, or cannot be opened, in words.
pub(super) async fn open(store: &Arc<Store>, digest: Digest) -> Result<Opened, String> {
    let store = Arc::clone(store);
    let opened = spawn_blocking(move || match store.get(&digest).map(|it| it.content) {
        Some(Content::Image(image)) => opened(image),
        Some(Content::Bundle { .. }) => Err(format!("{digest} is not a container image")),
        None => Err(format!("the image {digest} is not in the store")),
    });
    opened.await.map_err(|error| error.to_string())?
}

fn opened(image: Image) -> Result<Opened, String> {
    let working_dir = image.working_dir.into_os_string().into_string();
    let working_dir =
        working_dir.map_err(|it| format!("the image's folder {it:?} is not UTF-8"))?;
    let root = folder(&image.rootfs).map_err(|error| {
        format!(
            "the image's root file system {} cannot be opened: {error}",
            image.rootfs.display()
        )
    })?;
    Ok(Opened {
        program: boot::Process {
            command: image.command,
            env: image.env,
            working_dir,
        },
        user: InsideUser {
            uid: image.user.uid,
            gid: image.user.gid,
        },
        root: root.into(),
    })
}

fn folder(path: &Path) -> std::io::Result<File> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW;
    OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
}

/// Opens the folders of an instance, each with the name that it is shown under. Nothing is opened for it that this
/// process may not open. One that is mapped to nothing is left out, as in a call.
///
/// # Errors
/// A folder that is mapped and cannot be opened, in words.
pub(super) async fn shown(
    mounts: &Mounts,
    wanted: &[ResolvedMount],
) -> Result<(Vec<String>, Vec<OwnedFd>), String> {
    let (mut names, mut folders) = (Vec::new(), Vec::new());
    for mount in wanted {
        if mounts.mapping(&mount.volume).is_none() {
            continue;
        }
        let folder = mounts.open_folder(&mount.volume).await;
        folders
            .push(folder.map_err(|problem| format!("mount {}: {}", mount.name, problem.detail))?);
        names.push(mount.name.clone());
    }
    Ok((names, folders))
}
