//! What was compiled of a bundle's module, kept beside it and gone with it. The store does not know how it
//! was made: only under which key, and that its bytes are those that were kept.
//!
//! A file is called `KEY.SHA256`, so that one rename puts bytes, key and proof in place at once.

use std::{
    fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use crate::{
    artifact::digest::{Digest, Hasher},
    content::store::{Store, StoreError, on},
    file::{beside, place},
    room::Filling,
};

/// Read-only: it is mapped by workers, and a byte that changed under them would be code.
const MODE: u32 = 0o444;

/// Something compiled.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Compiled {
    /// Its file.
    pub path: PathBuf,
    /// What its bytes must digest to.
    pub digest: Digest,
}

impl Compiled {
    /// Opens it, with the proof that the bytes are those that were kept; nothing where they are not.
    ///
    /// # Errors
    /// The disk.
    pub fn open(&self) -> io::Result<Option<fs::File>> {
        let mut file = fs::File::open(&self.path)?;
        let mut hasher = Hasher::default();
        pass(&mut file, &mut hasher, &mut io::sink())?;
        Ok((hasher.finish() == self.digest).then_some(file))
    }
}

impl Store {
    /// What was compiled of `bundle` under `key`.
    pub fn compiled(&self, bundle: &Digest, key: &str) -> Option<Compiled> {
        let folder = self.compiled_folder(bundle);
        let mut found = fs::read_dir(folder).ok()?.filter_map(|entry| {
            let path = entry.ok()?.path();
            let digest = digest_of(&path, key)?;
            Some(Compiled { path, digest })
        });
        found.next()
    }

    /// Keeps what `from` gives, in place of what was kept under `key`, as long as there is room for it.
    ///
    /// # Errors
    /// [`StoreError`]; nothing of it is kept then.
    pub fn keep_compiled(
        &self,
        bundle: &Digest,
        key: &str,
        mut from: impl Read,
    ) -> Result<Compiled, StoreError> {
        let folder = self.compiled_folder(bundle);
        fs::create_dir_all(&folder).map_err(on("create", &folder))?;
        let mut written = || -> io::Result<Compiled> {
            let mut new = beside(&folder, MODE)?;
            let mut hasher = Hasher::default();
            pass(
                &mut from,
                &mut hasher,
                &mut Filling::new(&mut new, self.room()),
            )?;
            new.as_file().sync_all()?;
            let digest = hasher.finish();
            let path = folder.join(format!("{key}.{}", digest.hex()));
            self.clear(bundle, key)?;
            place(new, &path)?;
            Ok(Compiled { path, digest })
        };
        written().map_err(on("write", &folder))
    }

    /// Removes what was compiled of `bundle` under `key`; whoever has it open keeps it.
    ///
    /// # Errors
    /// The disk.
    pub fn drop_compiled(&self, bundle: &Digest, key: &str) -> Result<(), StoreError> {
        let folder = self.compiled_folder(bundle);
        self.clear(bundle, key).map_err(on("clear", &folder))
    }

    fn clear(&self, bundle: &Digest, key: &str) -> io::Result<()> {
        while let Some(compiled) = self.compiled(bundle, key) {
            fs::remove_file(&compiled.path)?;
        }
        Ok(())
    }

    fn compiled_folder(&self, bundle: &Digest) -> PathBuf {
        self.entry(bundle).join("compiled")
    }
}

fn digest_of(path: &Path, key: &str) -> Option<Digest> {
    let name = path.file_name()?.to_str()?;
    let hex = name.strip_prefix(key)?.strip_prefix('.')?;
    format!("sha256:{hex}").parse().ok()
}

fn pass(from: &mut impl Read, hasher: &mut Hasher, to: &mut impl Write) -> io::Result<()> {
    let mut piece = vec![0; 256 * 1024];
    loop {
        match from.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(length) => {
                hasher.update(&piece[..length]);
                to.write_all(&piece[..length])?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn store() -> (tempfile::TempDir, Store, Digest) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        (folder, store, Digest::of(b"bundle"))
    }

    #[test]
    fn what_is_kept_comes_back_under_its_key_only() {
        let (_folder, store, bundle) = store();
        store
            .keep_compiled(&bundle, "engine-1", &b"code"[..])
            .unwrap();
        let found = store.compiled(&bundle, "engine-1").unwrap();
        let mut text = String::new();
        fs::File::open(&found.path)
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(text, "code");
        assert!(found.open().unwrap().is_some());
        assert_eq!(store.compiled(&bundle, "engine"), None);
        assert_eq!(store.compiled(&bundle, "engine-2"), None);
        assert_eq!(store.compiled(&Digest::of(b"other"), "engine-1"), None);
    }

    #[test]
    fn altered_bytes_are_not_opened() {
        let (_folder, store, bundle) = store();
        let kept = store.keep_compiled(&bundle, "e", &b"code"[..]).unwrap();
        fs::remove_file(&kept.path).unwrap();
        fs::write(&kept.path, b"evil").unwrap();
        assert!(kept.open().unwrap().is_none());
    }

    #[test]
    fn a_newer_one_takes_the_place_of_the_older() {
        let (_folder, store, bundle) = store();
        store.keep_compiled(&bundle, "e", &b"old"[..]).unwrap();
        let new = store.keep_compiled(&bundle, "e", &b"new"[..]).unwrap();
        assert_eq!(store.compiled(&bundle, "e"), Some(new.clone()));
        assert_eq!(fs::read_dir(new.path.parent().unwrap()).unwrap().count(), 1);
        store.drop_compiled(&bundle, "e").unwrap();
        assert_eq!(store.compiled(&bundle, "e"), None);
    }

    #[test]
    fn nothing_is_kept_of_what_breaks_off() {
        struct Breaks;
        impl Read for Breaks {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::ErrorKind::UnexpectedEof.into())
            }
        }
        let (_folder, store, bundle) = store();
        assert!(
            store
                .keep_compiled(&bundle, "e", b"half".chain(Breaks))
                .is_err()
        );
        assert_eq!(store.compiled(&bundle, "e"), None);
        assert_eq!(
            fs::read_dir(store.compiled_folder(&bundle))
                .unwrap()
                .count(),
            0
        );
    }
}
