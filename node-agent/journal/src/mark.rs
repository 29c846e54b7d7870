//! The mark: how far the disk is known to hold the journal, and in which run of the machine that was.
//!
//! It is synced when it is made, and then written without a sync after each sync of the segments, so it never
//! says too much: after a loss of power it may say less than is true. Recovery needs it to tell a tail that was
//! never promised to anyone from damage to what was.

use std::{fs, fs::File, io, os::unix::fs::FileExt, path::Path};

use super::{JournalError, Lsn, disk::Disk};

const NAME: &str = "mark";
const MAGIC: [u8; 8] = *b"AIONMRK1";
const SIZE: usize = 8 + 8 + 16 + 4;

/// What a mark says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Mark {
    /// Everything before it was synced.
    pub(super) durable: Lsn,
    /// The kernel's boot id then; zero where it is not to be had.
    pub(super) boot: [u8; 16],
}

impl Mark {
    fn encode(self) -> [u8; SIZE] {
        let mut bytes = [0; SIZE];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..16].copy_from_slice(&self.durable.0.to_le_bytes());
        bytes[16..32].copy_from_slice(&self.boot);
        let crc = crc32c::crc32c(&bytes[..32]);
        bytes[32..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; SIZE] = bytes.try_into().ok()?;
        let crc = crc32c::crc32c(&bytes[..32]).to_le_bytes();
        if bytes[..8] != MAGIC || bytes[32..] != crc {
            return None;
        }
        Some(Self {
            durable: Lsn(u64::from_le_bytes(bytes[8..16].try_into().ok()?)),
            boot: bytes[16..32].try_into().ok()?,
        })
    }
}

/// The open mark file.
#[derive(Debug)]
pub(super) struct MarkFile {
    file: File,
    boot: [u8; 16],
}

/// The mark of the journal in `dir`, if it has a good one.
///
/// # Errors
/// One that cannot be read: what it promises must not be taken for nothing.
pub(super) fn read(dir: &Path) -> Result<Option<Mark>, JournalError> {
    let path = dir.join(NAME);
    match fs::read(&path) {
        Ok(bytes) => Ok(Mark::decode(&bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(JournalError::io("read", path)(error)),
    }
}

/// This run of the machine; zero where `/proc` does not tell.
pub(super) fn boot_id() -> [u8; 16] {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    let mut id = [0; 16];
    match hex::decode_to_slice(digits.as_bytes(), &mut id) {
        Ok(()) => id,
        Err(_) => [0; 16],
    }
}

impl MarkFile {
    /// Opens or makes the mark of `dir`.
    pub(super) fn open(dir: &Path) -> Result<Self, JournalError> {
        let path = dir.join(NAME);
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(JournalError::io("open", path))?;
        Ok(Self {
            file,
            boot: boot_id(),
        })
    }

    /// Makes the mark of a new journal durable, once it was noted.
    pub(super) fn settle(&self, dir: &Path, disk: &dyn Disk) -> Result<(), JournalError> {
        disk.sync(&self.file)
            .and_then(|()| disk.sync_dir(dir))
            .map_err(JournalError::io("sync", dir.join(NAME)))
    }

    /// Notes that everything before `durable` was synced. A mark that cannot be written only makes the
    /// next recovery more forgiving, so it is not an error.
    pub(super) fn note(&self, durable: Lsn) {
        let mark = Mark {
            durable,
            boot: self.boot,
        };
        let _ = self.file.write_all_at(&mark.encode(), 0);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_mark_reads_back_and_a_damaged_one_is_ignored() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(dir.path()).unwrap(), None);
        MarkFile::open(dir.path()).unwrap().note(Lsn(77));
        let mark = read(dir.path()).unwrap().unwrap();
        assert_eq!((mark.durable, mark.boot), (Lsn(77), boot_id()));
        let path = dir.path().join(NAME);
        let mut bytes = fs::read(&path).unwrap();
        bytes[9] ^= 1;
        fs::write(&path, bytes).unwrap();
        assert_eq!(read(dir.path()).unwrap(), None);
    }
}
