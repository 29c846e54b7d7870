//! What is kept of an image beside its root file system: how it is run, and which layers it shares. What may not enter:
//! how it got there.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{artifact::digest::Digest, content::image::user::ImageUser, file::read_bounded};

/// The file in the entry of a store.
pub(crate) const FILE: &str = "image.json";
/// The folder in the entry of a store.
pub(crate) const ROOTFS: &str = "rootfs";
/// No configuration is so long once it is read.
const MAX_FILE: u64 = 8 << 20;

/// A container image in the store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Image {
    /// Its root file system, which belongs to whoever runs the store and is changed by nobody.
    pub rootfs: PathBuf,
    /// The name that it gives itself (label `dev.aion.bundle.name`).
    pub name: Option<String>,
    /// What is run, Entrypoint then Cmd; never empty, and the first word is in the image.
    pub command: Vec<String>,
    /// What it is run with, in order.
    pub env: Vec<(String, String)>,
    /// Where, absolute; it is a folder of the image.
    pub working_dir: PathBuf,
    /// As whom.
    pub user: ImageUser,
}

/// As it is written.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Kept {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    pub(crate) command: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) working_dir: String,
    pub(crate) user: ImageUser,
    pub(crate) layers: Vec<Digest>,
}

impl Kept {
    /// What is kept in the entry `root`.
    pub(crate) fn read(root: &Path) -> Option<Self> {
        let bytes = read_bounded(&root.join(FILE), MAX_FILE).ok()??;
        let read: Self = serde_json::from_slice(&bytes).ok()?;
        (!read.command.is_empty()).then_some(read)
    }

    /// As whoever runs it sees it.
    pub(crate) fn image(self, root: &Path) -> Image {
        Image {
            rootfs: root.join(ROOTFS),
            name: self.name,
            command: self.command,
            env: self.env,
            working_dir: self.working_dir.into(),
            user: self.user,
        }
    }
}
