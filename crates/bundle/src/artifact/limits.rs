//! How much a bundle may be. The defaults are generous for agents and far
//! below what would hurt a small machine.

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
}

impl Limits {
    /// Below this many unpacked bytes the ratio is not looked at: a small file
    /// of blanks compresses well and harms nobody.
    pub const RATIO_FROM: u64 = 1 << 20;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            program: 128 << 20,
            packed: 64 << 20,
            unpacked: 256 << 20,
            entries: 4096,
            ratio: 100,
        }
    }
}
