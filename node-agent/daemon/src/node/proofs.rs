//! The node's key for proofs of what it gave to whom: made once, and kept with its state. What may not enter: what is
//! proved.

use std::{fs, io, path::Path};

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::files::write_whole;

/// Reads the key at `path`, or makes one there.
pub(super) fn key(path: &Path) -> io::Result<[u8; 32]> {
    match fs::read(path) {
        Ok(bytes) => bytes.try_into().map_err(|_| {
            let what = "it is not a key of 32 bytes: remove it, and a new one is made";
            io::Error::new(io::ErrorKind::InvalidData, what)
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // Two UUIDs have 244 random bits.
            let mut hash = Sha256::new();
            for _ in 0..2 {
                hash.update(Uuid::new_v4());
            }
            let key: [u8; 32] = hash.finalize().into();
            write_whole(path, &key)?;
            Ok(key)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_key_is_made_once_and_one_that_is_cut_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("tasks.key");
        let made = key(&path).unwrap();
        assert_eq!(key(&path).unwrap(), made);
        fs::write(&path, b"cut").unwrap();
        assert!(key(&path).unwrap_err().to_string().contains("32 bytes"));
    }
}
