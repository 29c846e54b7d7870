//! How much a bundle may be, and how long it may take to come. The defaults are
//! generous for agents and far below what would hurt a small machine.

use std::time::Duration;

/// Bounds on one bundle; every one of them holds while bytes are read, not
/// after.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// The program layer, in bytes.
    pub program: u64,
    /// The archive as it is transferred, in bytes.
    pub packed: u64,
    /// The archive unpacked, in bytes, headers and padding included.
    pub unpacked: u64,
    /// Files and folders in the archive.
    pub entries: usize,
    /// Bytes unpacked per byte packed, once [`Limits::RATIO_FROM`] bytes are
    /// unpacked.
    pub ratio: u64,
    /// Layers of an image.
    pub image_layers: usize,
    /// The layers of an image together as they are transferred, in bytes.
    pub image_packed: u64,
    /// The layers of an image together unpacked, in bytes, headers and padding included.
    pub image_unpacked: u64,
    /// Files, folders and links in the layers of an image together.
    pub image_entries: usize,
    /// What all of its sources together are given, from the first question to
    /// the last byte.
    pub time: Duration,
}

impl Limits {
    /// For what is here already.
    pub(crate) const NONE: Self = Self {
        program: u64::MAX,
        packed: u64::MAX,
        unpacked: u64::MAX,
        entries: usize::MAX,
        ratio: u64::MAX,
        image_layers: usize::MAX,
        image_packed: u64::MAX,
        image_unpacked: u64::MAX,
        image_entries: usize::MAX,
        time: Duration::MAX,
    };
    /// Below this many unpacked bytes the ratio is not looked at: a small file
    /// of blanks compresses well and harms nobody.
    pub const RATIO_FROM: u64 = 1 << 20;
    /// Bytes unpacked per byte packed of a layer, once [`Limits::LAYER_RATIO_FROM`] are unpacked: files of blanks are
    /// in real ones.
    pub const LAYER_RATIO: u64 = 400;
    /// As [`Limits::RATIO_FROM`], for a layer.
    pub const LAYER_RATIO_FROM: u64 = 256 << 20;
    /// Names and link targets in the layers of an image together, in bytes: they are in memory when it is composed.
    pub const IMAGE_NAMES: usize = 32 << 20;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            program: 128 << 20,
            packed: 64 << 20,
            unpacked: 256 << 20,
            entries: 4096,
            ratio: 100,
            image_layers: 128,
            image_packed: 4 << 30,
            image_unpacked: 8 << 30,
            image_entries: 200_000,
            time: Duration::from_secs(20 * 60),
        }
    }
}
