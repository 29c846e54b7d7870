//! What was read of files lately, for as long as they are the files that were read. What may not enter: what it means.

use std::{collections::HashMap, fs, hash::Hash, path::Path};

use aion_folders::Stamp;
use parking_lot::Mutex;

/// How many are kept. Beyond, all are forgotten: what is in use is read again.
const MOST: usize = 256;
/// The largest file of which what was read is kept, in bytes.
const LARGEST: u64 = 16 << 10;

/// See the module.
#[derive(Debug)]
pub(crate) struct Recent<K, V>(Mutex<HashMap<K, (Stamp, V)>>);

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Hash + Eq, V: Clone> Recent<K, V> {
    /// What was read of the file at `path`, known by `key`; by `read`, where that was another file, or none. A link is not
    /// followed.
    pub(crate) fn read(&self, key: K, path: &Path, read: impl FnOnce() -> Option<V>) -> Option<V> {
        let now = Stamp::of(&fs::symlink_metadata(path).ok()?);
        if let Some((then, value)) = self.0.lock().get(&key)
            && *then == now
        {
            return Some(value.clone());
        }
        let value = read()?;
        if now.size() <= LARGEST {
            let mut kept = self.0.lock();
            if kept.len() >= MOST {
                kept.clear();
            }
            kept.insert(key, (now, value.clone()));
        }
        Some(value)
    }

    /// What was read of it counts no longer: the file was written, within a tick of the disk's clock perhaps.
    pub(crate) fn forget(&self, is: impl Fn(&K) -> bool) {
        self.0.lock().retain(|key, _| !is(key));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::cell::Cell;

    use super::*;

    #[test]
    fn a_file_is_read_once_until_it_is_another() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("one"), folder.path().join("other"));
        let (recent, reads) = (Recent::default(), Cell::new(0));
        let text = || {
            reads.set(reads.get() + 1);
            fs::read_to_string(&path).ok()
        };
        assert_eq!(recent.read(7, &path, text), None);
        fs::write(&path, "a").unwrap();
        for _ in 0..3 {
            assert_eq!(recent.read(7, &path, text).unwrap(), "a");
        }
        assert_eq!(reads.get(), 1);
        fs::write(&other, "b").unwrap();
        fs::rename(&other, &path).unwrap();
        assert_eq!(recent.read(7, &path, text).unwrap(), "b");
        recent.forget(|key| *key == 7);
        assert_eq!(recent.read(7, &path, text).unwrap(), "b");
        assert_eq!(reads.get(), 3);
        fs::remove_file(&path).unwrap();
        assert_eq!(recent.read(7, &path, text), None);
    }

    #[test]
    fn neither_many_files_nor_large_ones_pile_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("one");
        fs::write(&path, "a").unwrap();
        let recent = Recent::default();
        for key in 0..3 * MOST {
            recent.read(key, &path, || Some(())).unwrap();
            assert!(recent.0.lock().len() <= MOST);
        }
        fs::write(&path, vec![0; LARGEST as usize + 1]).unwrap();
        recent.forget(|_| true);
        recent.read(0, &path, || Some(())).unwrap();
        assert!(recent.0.lock().is_empty());
    }
}
