//! A file of random bytes for its owner alone, made where there is none: whole or not at all. Or root's, for the one group
//! that root gives it to.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

use rustix::{
    fs::{AtFlags, Stat, fsync, linkat},
    io::Errno,
    process::{getegid, geteuid},
};

use crate::{Folder, FolderError, Trust, files::io_failed, folder::failed};

/// What the file at `path` holds; where there is none, what `form` makes of 32 random bytes, which it holds then.
///
/// # Errors
/// [`FolderError`], also where others may read or write it, but for this process' group where root gave it to that.
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
        let Some((bytes, about)) = self.read_and_look(name)? else {
            return Ok(None);
        };
        let reader = (geteuid().as_raw(), getegid().as_raw());
        match is_ones_own(&about, reader) {
            true => Ok(Some(bytes)),
            false => Err(FolderError::Shared {
                path: self.path.join(name),
                mode: about.st_mode & 0o7777,
            }),
        }
    }
}

/// Whether nobody knows it but who reads it. What is root's, and what the reader's group reads and nobody writes but
/// root, was given to that group by root: such a reader is a system user with a group of its own.
fn is_ones_own(about: &Stat, (user, group): (u32, u32)) -> bool {
    let given = about.st_uid == 0 && user != 0 && group != 0 && about.st_gid == group;
    match about.st_mode & 0o077 {
        0 => true,
        0o040 => given,
        _ => false,
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
    fn of_what_a_group_reads_only_what_root_gave_it_is_a_secret() {
        let folder = tempfile::tempdir().unwrap();
        let mut about = rustix::fs::stat(folder.path()).unwrap();
        let mut is = |owner, group, mode: u32, reader| {
            (about.st_uid, about.st_gid, about.st_mode) = (owner, group, 0o100_000 | mode);
            is_ones_own(&about, reader)
        };
        let gateway = (998, 997);
        assert!(is(0, 997, 0o640, gateway));
        assert!(is(998, 997, 0o600, gateway));
        for (what, is_secret) in [
            ("its own", is(998, 997, 0o640, gateway)),
            ("another user's", is(996, 997, 0o640, gateway)),
            ("of another group", is(0, 996, 0o640, gateway)),
            ("of root's group", is(0, 0, 0o640, (998, 0))),
            ("root's to root", is(0, 0, 0o640, (0, 0))),
            ("written by the group", is(0, 997, 0o660, gateway)),
            ("everybody's", is(0, 997, 0o644, gateway)),
        ] {
            assert!(!is_secret, "{what}");
        }
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
