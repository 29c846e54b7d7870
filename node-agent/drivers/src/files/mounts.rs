//! Which folder a mount's name stands for, and which folders may never be one.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::fs::{Access, access};

use super::account::Account;

/// Who chose the folder of a mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A person or the node's configuration; it is never AION-OS's own state.
    Mapped,
    /// The node made it for one turn (`input`, `output`), inside its own state.
    Turn,
}

/// What a mount's name stands for.
#[derive(Clone, Debug)]
pub struct Mount {
    /// Absolute path of the folder.
    pub folder: PathBuf,
    /// Whether files may be written.
    pub writable: bool,
    /// Who chose it.
    pub origin: Origin,
    /// What may be written there; a folder of a person's own is theirs to watch.
    pub account: Option<Arc<Account>>,
}

/// The mounts of one call, by name.
#[derive(Clone, Debug, Default)]
pub struct MountTable(BTreeMap<String, Mount>);

impl MountTable {
    /// No mounts.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a mount; replaces one of the same name.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, mount: Mount) -> Self {
        self.0.insert(name.into(), mount);
        self
    }

    /// The mount of that name.
    pub fn get(&self, name: &str) -> Option<&Mount> {
        self.0.get(name)
    }
}

/// Why a folder cannot be mapped.
#[derive(Debug, thiserror::Error)]
pub enum MountError {
    /// It is not written as an absolute path.
    #[error("{0} is not an absolute path: write it from / on")]
    Relative(PathBuf),
    /// It is not there, or not a folder.
    #[error("{folder} cannot be mapped: {source}")]
    Unusable {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is a file.
    #[error("{0} is not a folder")]
    NotFolder(PathBuf),
    /// It holds, or lies in, AION-OS's own state.
    #[error(
        "{folder} cannot be mapped: AION-OS keeps its own state in {state}; choose another folder"
    )]
    OwnState {
        /// The folder.
        folder: PathBuf,
        /// The state.
        state: PathBuf,
    },
    /// The user that the node runs as cannot use it.
    #[error("the node's user {user} may not {use_} {folder}{}", keeps_out(.closed, .folder))]
    Closed {
        /// The folder.
        folder: PathBuf,
        /// `read` or `write to`.
        use_: &'static str,
        /// Who the node runs as.
        user: String,
        /// The folder above it that lets that user no further, or itself.
        closed: PathBuf,
    },
}

fn keeps_out(closed: &Path, folder: &Path) -> String {
    match closed == folder {
        true => String::new(),
        false => format!(": {} lets it no further", closed.display()),
    }
}

impl MountError {
    /// What to do about it.
    pub fn remedy(&self) -> String {
        match self {
            Self::Closed {
                folder,
                use_,
                user,
                closed,
            } => {
                let rights = if *use_ == "read" { "rX" } else { "rwX" };
                let folder = folder.display();
                let mut steps = String::new();
                if folder.to_string() != closed.display().to_string() {
                    steps = format!("setfacl -m u:{user}:x {} && ", closed.display());
                }
                format!(
                    "let that user in, as who owns it: {steps}setfacl -R -m u:{user}:{rights} {folder}; or map a folder \
                     outside of anybody's home, such as one in /srv"
                )
            }
            _ => "name a folder of your own, as an absolute path".to_owned(),
        }
    }
}

/// What a set-up puts into the home for agents to read: the one folder in it that can be mapped.
const SHARED: &str = "share";

/// Folders that no mapped mount may hold or lie in: AION-OS's home and its other state.
#[derive(Clone, Debug, Default)]
pub(super) struct Reserved(Vec<PathBuf>);

impl Reserved {
    /// Links in `folders` are followed now, as far as the folders exist.
    pub(super) fn new(folders: impl IntoIterator<Item = PathBuf>) -> Self {
        Self(folders.into_iter().map(|folder| settled(&folder)).collect())
    }

    /// The reserved folder that `real` (without links) holds or lies in.
    pub(super) fn touched_by(&self, real: &Path) -> Option<&Path> {
        let touches = |state: &&PathBuf| {
            let within = real.starts_with(state) && !real.starts_with(state.join(SHARED));
            within || state.starts_with(real)
        };
        self.0.iter().find(touches).map(PathBuf::as_path)
    }

    /// Checks a folder that somebody wants to map; answers its real path.
    pub(super) fn check(&self, folder: &Path, writable: bool) -> Result<PathBuf, MountError> {
        if !folder.is_absolute() {
            return Err(MountError::Relative(folder.to_owned()));
        }
        let unusable = |source| MountError::Unusable {
            folder: folder.to_owned(),
            source,
        };
        let real = fs::canonicalize(folder).map_err(|source| match source.kind() {
            io::ErrorKind::PermissionDenied => closed(folder, "read"),
            _ => unusable(source),
        })?;
        if !fs::metadata(&real).map_err(unusable)?.is_dir() {
            return Err(MountError::NotFolder(folder.to_owned()));
        }
        match self.touched_by(&real) {
            Some(state) => Err(MountError::OwnState {
                folder: folder.to_owned(),
                state: state.to_owned(),
            }),
            None => open_to_this_process(real, writable),
        }
    }
}

/// `real`, if this process may do there what agents will ask of it. The files in it may still be closed, each
/// to be told of when it is asked for.
fn open_to_this_process(real: PathBuf, writable: bool) -> Result<PathBuf, MountError> {
    if let Err(source) = fs::read_dir(&real) {
        return Err(match source.kind() {
            io::ErrorKind::PermissionDenied => closed(&real, "read"),
            _ => MountError::Unusable {
                folder: real,
                source,
            },
        });
    }
    match writable && access(&real, Access::WRITE_OK | Access::EXEC_OK).is_err() {
        true => Err(closed(&real, "write to")),
        false => Ok(real),
    }
}

fn closed(folder: &Path, use_: &'static str) -> MountError {
    // The highest that lets nobody of this process through; those below cannot be looked at.
    let above: Vec<&Path> = folder.ancestors().skip(1).collect();
    let closed = above
        .into_iter()
        .rev()
        .find(|it| access(*it, Access::EXEC_OK).is_err());
    let user = nix::unistd::geteuid();
    let name = nix::unistd::User::from_uid(user).ok().flatten();
    MountError::Closed {
        folder: folder.to_owned(),
        use_,
        user: name.map_or_else(|| user.to_string(), |user| user.name),
        closed: closed.unwrap_or(folder).to_owned(),
    }
}

/// The real path of a folder that may not exist yet: links are followed in the part that does.
fn settled(folder: &Path) -> PathBuf {
    for known in folder.ancestors() {
        if let (Ok(real), Ok(rest)) = (fs::canonicalize(known), folder.strip_prefix(known)) {
            return if rest.as_os_str().is_empty() {
                real
            } else {
                real.join(rest)
            };
        }
    }
    folder.to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_folder_that_holds_lies_in_or_links_to_the_state_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path();
        fs::create_dir_all(home.join(".aion/state/memory")).unwrap();
        fs::create_dir(home.join("notes")).unwrap();
        fs::write(home.join("file"), "").unwrap();
        std::os::unix::fs::symlink(home.join(".aion/state"), home.join("notes/link")).unwrap();
        let reserved = Reserved::new([home.join(".aion")]);
        for folder in [
            home.to_owned(),
            home.join(".aion"),
            home.join(".aion/state/memory"),
            home.join("notes/link"),
            home.join("notes/../.aion"),
            "/".into(),
        ] {
            assert!(
                matches!(
                    reserved.check(&folder, false),
                    Err(MountError::OwnState { .. })
                ),
                "{}",
                folder.display()
            );
        }
        assert!(reserved.check(&home.join("notes"), true).is_ok());
        assert!(matches!(
            reserved.check(Path::new("notes"), false),
            Err(MountError::Relative(_))
        ));
        assert!(matches!(
            reserved.check(&home.join("file"), false),
            Err(MountError::NotFolder(_))
        ));
        assert!(matches!(
            reserved.check(&home.join("none"), false),
            Err(MountError::Unusable { .. })
        ));
    }

    #[test]
    fn a_state_folder_that_is_not_made_yet_is_kept_free_too() {
        let home = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(home.path(), home.path().join("alias")).unwrap();
        let reserved = Reserved::new([home.path().join("alias/.aion")]);
        assert!(matches!(
            reserved.check(home.path(), false),
            Err(MountError::OwnState { .. })
        ));
    }

    #[test]
    fn what_a_set_up_shares_can_be_mapped_and_nothing_beside_it() {
        let home = tempfile::tempdir().unwrap();
        for folder in ["share/doc", "shared", "state"] {
            fs::create_dir_all(home.path().join(folder)).unwrap();
        }
        let reserved = Reserved::new([home.path().to_owned()]);
        assert!(
            reserved
                .check(&home.path().join("share/doc"), false)
                .is_ok()
        );
        for folder in ["shared", "state"] {
            let refused = reserved.check(&home.path().join(folder), false);
            assert!(
                matches!(refused, Err(MountError::OwnState { .. })),
                "{folder}"
            );
        }
    }

    #[test]
    fn a_folder_that_the_nodes_user_may_not_use_is_refused_with_who_keeps_it_out_and_what_to_do() {
        if !nix::unistd::geteuid().is_root() {
            aion_testkit::skip("root", "only root can look at a folder as another user");
            return;
        }
        const USER: u32 = 61_994;
        let home = tempfile::tempdir_in("/tmp").unwrap();
        let (private, open) = (home.path().join("private"), home.path().join("open"));
        fs::create_dir_all(private.join("notes")).unwrap();
        fs::create_dir(&open).unwrap();
        let mode = |path: &Path, mode| {
            fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        };
        mode(home.path(), 0o755);
        mode(&private, 0o700);
        mode(&open, 0o755);
        let reserved = Reserved::new([home.path().join(".aion")]);
        let check = |folder: &Path, writable| {
            // As this thread's user alone, and with the rights of no other.
            std::thread::scope(|scope| {
                let as_user = scope.spawn(|| {
                    let user = rustix::fs::Uid::from_raw(USER);
                    rustix::thread::set_thread_res_uid(user, user, user).unwrap();
                    reserved.check(folder, writable)
                });
                as_user.join().unwrap()
            })
        };
        let refused = check(&private.join("notes"), false).unwrap_err();
        let told = refused.to_string();
        let expected = format!("{} lets it no further", private.display());
        assert!(
            told.contains("may not read") && told.ends_with(&expected),
            "{told}"
        );
        let remedy = refused.remedy();
        assert!(remedy.contains("setfacl -m u:"), "{remedy}");
        assert!(
            remedy.contains(&format!(":x {}", private.display())),
            "{remedy}"
        );
        assert!(check(&open, false).is_ok());
        let told = check(&open, true).unwrap_err().to_string();
        assert!(told.contains("may not write to"), "{told}");
    }
}
