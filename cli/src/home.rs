//! Where the node of this machine keeps things. The layout is the daemon's; this file only finds it.
//!
//! Where root runs it, the daemon has a user of its own, and what root writes, or believes, is apart from what that
//! user may write: the launcher's folder and that of pid files and programs' logs are root's alone.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use aion_folders::Trust;

use crate::failure::Failure;

/// Where root's node is unless said otherwise: root's own folder lets no other user in.
const OF_ROOT: &str = "/var/lib/aion";

/// `$AION_HOME`, or `~/.aion`; root's is `/var/lib/aion`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Home {
    root: PathBuf,
    trust: Trust,
    is_default: bool,
}

impl Home {
    /// From the option or variable where given, else where this user's is.
    ///
    /// # Errors
    /// Where there is neither.
    pub(crate) fn find(given: Option<&Path>) -> Result<Self, Failure> {
        let trust = Trust::of_process().map_err(|why| {
            Failure::new(format!("cannot tell whether this is root: {why}"))
                .at("/proc/self/uid_map")
        })?;
        let given = given.filter(|path| !path.as_os_str().is_empty());
        let own = env::var_os("HOME").filter(|home| !home.is_empty());
        let own = own.map(|home| Path::new(&home).join(".aion"));
        let usual = match trust {
            Trust::Root => Some(PathBuf::from(OF_ROOT)),
            Trust::Own => own.clone(),
        };
        let root = match (given, trust) {
            (Some(path), _) => path.to_owned(),
            (None, Trust::Root) => of_root(own),
            (None, Trust::Own) => own.ok_or_else(|| {
                Failure::usage("there is no home folder: the variable HOME is not set")
                    .remedy("say where the node's state is with --home FOLDER or AION_HOME")
            })?,
        };
        let root = std::path::absolute(&root)
            .map_err(|why| Failure::io("find the state folder", &root, &why))?;
        // Root follows no link when it works there.
        let root = match trust {
            Trust::Root => without_links(&root),
            Trust::Own => root,
        };
        Ok(Self {
            trust,
            is_default: given.is_none() || usual.is_some_and(|usual| usual == root),
            root,
        })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// What is asked of a folder before this process believes what is in it.
    pub(crate) fn trust(&self) -> Trust {
        self.trust
    }

    /// Whether it is where this user's node is unless said otherwise.
    pub(crate) fn is_default(&self) -> bool {
        self.is_default
    }

    /// The daemon's admin socket.
    pub(crate) fn admin_socket(&self) -> PathBuf {
        self.root.join("run/admin.sock")
    }

    /// The launcher's socket.
    pub(crate) fn launcher_socket(&self) -> PathBuf {
        match self.trust {
            Trust::Root => self.root.join("launcher/launcher.sock"),
            Trust::Own => self.root.join("run/launcher.sock"),
        }
    }

    /// Where the gateway says where it serves: what is in there is its word.
    pub(crate) fn gateway_run(&self) -> PathBuf {
        let folder = self.root.join(aion_abi::gateway::FOLDER);
        folder.join(aion_abi::gateway::RUN)
    }

    /// The token that programs show to the gateway. Root's gateway cannot put anything in its place.
    pub(crate) fn gateway_token(&self) -> PathBuf {
        let folder = self.root.join(aion_abi::gateway::FOLDER);
        folder.join(aion_abi::gateway::TOKEN)
    }

    /// Where the launcher remembers workers.
    pub(crate) fn launcher_state(&self) -> PathBuf {
        match self.trust {
            Trust::Root => self.root.join("launcher"),
            Trust::Own => self.root.join("run/launcher"),
        }
    }

    /// The OCI layout the node takes bundles from.
    pub(crate) fn bundles(&self) -> PathBuf {
        self.root.join("bundles")
    }

    /// The trust roots that TrustPolicies name.
    pub(crate) fn trust_roots(&self) -> PathBuf {
        self.root.join("config/trust_roots")
    }

    /// What is kept about the programs that run: pid files, locks.
    pub(crate) fn pids(&self) -> PathBuf {
        match self.trust {
            Trust::Root => self.root.join("service"),
            Trust::Own => self.run(),
        }
    }

    /// What the node's programs write.
    pub(crate) fn logs(&self) -> PathBuf {
        match self.trust {
            Trust::Root => self.root.join("service"),
            Trust::Own => self.root.join("logs"),
        }
    }

    /// The daemon's sockets, and pid files where root is not asked.
    pub(crate) fn run(&self) -> PathBuf {
        self.root.join("run")
    }
}

/// A set-up of an earlier version is where root's own things are, until it was moved.
fn of_root(earlier: Option<PathBuf>) -> PathBuf {
    let here = PathBuf::from(OF_ROOT);
    match earlier.filter(|earlier| !here.exists() && earlier.join("config").is_dir()) {
        Some(earlier) => earlier,
        None => here,
    }
}

/// The path with its links followed, as far as it exists.
fn without_links(path: &Path) -> PathBuf {
    for known in path.ancestors() {
        if let (Ok(real), Ok(rest)) = (fs::canonicalize(known), path.strip_prefix(known)) {
            return match rest.as_os_str().is_empty() {
                true => real,
                false => real.join(rest),
            };
        }
    }
    path.to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_home_that_is_not_made_yet_is_named_without_links() {
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().canonicalize().unwrap();
        fs::create_dir(real.join("real")).unwrap();
        std::os::unix::fs::symlink("real", real.join("link")).unwrap();
        assert_eq!(without_links(&real.join("link/a/b")), real.join("real/a/b"));
        assert_eq!(without_links(&real.join("link")), real.join("real"));
    }
}
