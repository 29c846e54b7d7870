//! Reading a body away from the journal's owner.

use std::{fs::File, io, os::unix::fs::FileExt as _, path::PathBuf};

use aion_kernel::BodyDigest;

use super::{Journal, segment};

/// Where a body is. Its segment may be removed before it is read: then it is gone, or elsewhere by now.
#[derive(Debug, Clone)]
pub struct FoundBody {
    path: PathBuf,
    offset: u64,
    length: usize,
}

impl Journal {
    /// Where a body is; nothing is read.
    pub fn find(&self, digest: BodyDigest) -> Option<FoundBody> {
        let place = self.bodies.get(&digest)?;
        Some(FoundBody {
            path: segment::path(&self.dir, place.segment),
            offset: place.offset,
            length: place.length,
        })
    }
}

impl FoundBody {
    /// Its length in bytes.
    pub fn size(&self) -> u64 {
        self.length as u64
    }

    /// Its first bytes, `most` of them. Blocks on the disk.
    ///
    /// # Errors
    /// Where it is gone or the disk fails.
    pub fn begin(&self, most: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; self.length.min(most)];
        File::open(&self.path)?.read_exact_at(&mut bytes, self.offset)?;
        Ok(bytes)
    }
}
