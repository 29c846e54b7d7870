//! A file of random bytes for its owner alone, made where there is none: whole or not at all.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

use rustix::{
    fs::{AtFlags, fsync, linkat},
    io::Errno,
};

use crate::{Folder, FolderError, Trust, files::io_failed, folder::failed};

/// What the file at `path` holds; where there is none, what `form` makes of 32 random bytes, which it holds then.
///
/// # Errors
/// [`FolderError`], also where others may read or write it.
pub fn secret(
    path: &Path,
    form: impl FnOnce(&[u8; 32]) -> Vec<u8>,
) -> Result<Vec<u8>, FolderError> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(FolderError::NotAFile(path.to_owned()));
    };
    let folder = match folder.as_os_str().is_empty() {
        // Of a bare name.
        true => Path::new("."),
        false => folder,
    };
    let real = fs::canonicalize(folder).map_err(|why| io_failed("open", folder, why))?;
    Folder::open(&real, Trust::Own)?.secret(name, form)
}

impl Folder {
    /// As [`secret`], of a file in this folder.
    ///
    /// # Errors
    /// As there.
    pub fn secret(
        &self,
        name: impl AsRef<OsStr>,
        form: impl FnOnce(&[u8; 32]) -> Vec<u8>,
    ) -> Result<Vec<u8>, FolderError> {
        let name = name.as_ref();
        let path = self.path.join(name);
        if let Some(kept) = self.kept(name)? {
            return Ok(kept);
        }
        let bytes = form(&random().map_err(|why| io_failed("make", &path, why))?);
        // Of this process, so that two who make it at once do not write the same file.
        let mut beside = OsString::from(name);
        beside.push(format!(".{}.new", std::process::id()));
        self.write_beside(&beside, &bytes, 0o600, true)?;
        let placed = linkat(&self.handle, &beside, &self.handle, name, AtFlags::empty());
        self.remove(&beside)?;
        match placed {
            Ok(()) => {
                fsync(&self.handle).map_err(failed("sync", &self.path))?;
                Ok(bytes)
            }
            // Somebody else was first, and it is theirs.
            Err(Errno::EXIST) => self.kept(name)?.ok_or(FolderError::NotAFile(path)),
            Err(error) => Err(failed("make", &path)(error)),
        }
    }

    fn kept(&self, name: &OsStr) -> Result<Option<Vec<u8>>, FolderError> {
        match self.read_with_mode(name)? {
            Some((_, mode)) if mode & 0o077 != 0 => Err(FolderError::Shared {
                path: self.path.join(name),
                mode,
            }),
            found => Ok(found.map(|(bytes, _)| bytes)),
        }
    }
}

/// A line of text, for [`secret`] where people copy it.
#[must_use]
pub fn text(random: &[u8; 32]) -> Vec<u8> {
    let digits: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{digits}\n").into_bytes()
}

fn random() -> io::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::{os::unix::fs::PermissionsExt, thread};

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let names = entries.map(|it| it.unwrap().file_name().to_string_lossy().into_owned());
        names.collect()
    }

    #[test]
    fn it_is_made_once_and_not_read_where_others_can() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let made = secret(&path, |bytes| bytes.to_vec()).unwrap();
        assert_ne!(made, [0; 32]);
        assert_eq!(secret(&path, |_| Vec::new()).unwrap(), made);
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(names(folder.path()), ["secret"]);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let refused = secret(&path, |_| Vec::new()).unwrap_err();
        assert!(
            matches!(refused, FolderError::Shared { mode: 0o640, .. }),
            "{refused}"
        );
    }

    #[test]
    fn a_bare_name_is_of_the_folder_that_one_is_in() {
        let found = secret(Path::new("Cargo.toml"), |_| Vec::new());
        // Whether others may read it is the copy's business.
        assert!(
            matches!(found, Ok(_) | Err(FolderError::Shared { .. })),
            "{found:?}"
        );
    }

    #[test]
    fn of_two_who_make_it_at_once_both_have_what_the_first_made() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let made = secret(&path, |_| {
            // While the second is at it, it is not there yet, and then whole.
            assert_eq!(names(folder.path()), Vec::<String>::new());
            fs::write(&path, "first").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            b"second".to_vec()
        });
        assert_eq!(made.unwrap(), b"first");
        assert_eq!(names(folder.path()), ["secret"]);
    }

    #[test]
    fn what_a_process_left_that_was_killed_over_it_is_not_taken_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let own = format!("secret.{}.new", std::process::id());
        for left in ["secret.1.new", &own] {
            fs::write(folder.path().join(left), "").unwrap();
        }
        let in_time = thread::scope(|scope| {
            let made = scope.spawn(|| secret(&path, |bytes| bytes.to_vec()));
            made.join().unwrap().unwrap()
        });
        assert_eq!(in_time.len(), 32);
        assert_eq!(fs::read(&path).unwrap(), in_time);
    }
}
