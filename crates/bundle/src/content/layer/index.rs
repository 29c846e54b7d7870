//! What a layer does, in the order of its archive. The contents of its files are elsewhere, by number. What may not
//! enter: archives, and what the layers below hold.

use serde::{Deserialize, Serialize};

use crate::content::layer::path::{LayerPath, bytes};

/// What a layer does, entry by entry.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Index {
    pub(crate) entries: Vec<Entry>,
    /// Devices, pipes and the like that were left out.
    pub(crate) left_out: usize,
    /// Names and link targets together, in bytes.
    pub(crate) names: usize,
}

/// What one entry does to a path.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) path: LayerPath,
    #[serde(flatten)]
    pub(crate) kind: Kind,
}

/// See [`Entry`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "is")]
pub(crate) enum Kind {
    /// It is a folder; what a lower layer has in it stays.
    Folder,
    /// It is a file.
    File(Content),
    /// It is a symbolic link.
    Symlink {
        #[serde(with = "bytes")]
        target: Vec<u8>,
    },
    /// It is the same file as another path.
    HardLink { target: LayerPath },
    /// What lower layers have there is gone.
    Gone,
    /// What lower layers have in this folder is gone.
    Emptied,
    /// It is a device, a pipe or the like: nothing is there.
    LeftOut,
}

/// The content of a file.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub(crate) struct Content {
    /// Which of the layer's contents.
    pub(crate) number: u32,
    /// In bytes.
    pub(crate) size: u64,
    /// Whether its owner may execute it; then everybody may.
    pub(crate) executable: bool,
}
