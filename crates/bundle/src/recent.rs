//! What was read of files lately, for as long as they are the files that were read. What may not enter: what it means.

use std::{collections::HashMap, fs, hash::Hash, path::Path};

use aion_folders::Stamp;
use parking_lot::Mutex;

/// How many are kept. Beyond, all are forgotten: what is in use is read again.
const MOST: usize = 256;
/// The most bytes of files of which what was read is kept.
const LARGEST: u64 = 16 << 10;

/// See the module.
#[derive(Debug)]
pub(crate) struct Recent<K, V>(Mutex<HashMap<K, (Stamps, V)>>);

/// As the files are, in their order; nothing of one that is not there.
type Stamps = Vec<Option<Stamp>>;

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Hash + Eq, V: Clone> Recent<K, V> {
    /// What was read of `files`, known by `key`; by `read`, where one of them was another file, or was or is not there. A
    /// link is not followed.
    pub(crate) fn read<P: AsRef<Path>>(
        &self,
        key: K,
        files: &[P],
        read: impl FnOnce() -> Option<V>,
    ) -> Option<V> {
        let stamp = |file: &P| Some(Stamp::of(&fs::symlink_metadata(file).ok()?));
        let now: Stamps = files.iter().map(stamp).collect();
        if let Some((then, value)) = self.0.lock().get(&key)
            && *then == now
        {
            return Some(value.clone());
        }
        let value = read()?;
        if now.iter().flatten().map(Stamp::size).sum::<u64>() <= LARGEST {
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
        let read = || recent.read(7, &[&path, &other], text);
        assert_eq!(read(), None);
        fs::write(&path, "a").unwrap();
        for _ in 0..3 {
            assert_eq!(read().unwrap(), "a");
        }
        assert_eq!(reads.get(), 2);
        fs::write(&other, "b").unwrap();
        assert_eq!((read().unwrap().as_str(), reads.get()), ("a", 3));
        fs::rename(&other, &path).unwrap();
        assert_eq!((read().unwrap().as_str(), reads.get()), ("b", 4));
        recent.forget(|key| *key == 7);
        assert_eq!((read().unwrap().as_str(), reads.get()), ("b", 5));
        fs::remove_file(&path).unwrap();
        assert_eq!(read(), None);
    }

    #[test]
    fn neither_many_files_nor_large_ones_pile_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("one");
        fs::write(&path, "a").unwrap();
        let recent = Recent::default();
        for key in 0..3 * MOST {
            recent.read(key, &[&path], || Some(())).unwrap();
            assert!(recent.0.lock().len() <= MOST);
        }
        fs::write(&path, vec![0; LARGEST as usize + 1]).unwrap();
        recent.forget(|_| true);
        recent.read(0, &[&path], || Some(())).unwrap();
        assert!(recent.0.lock().is_empty());
    }
}
