//! Secrets of a machine standing alone: `config/secrets/<secret>/<key>`, a file each.

use std::{
    fs::{File, OpenOptions},
    io::{ErrorKind, Read},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use aion_abi::tenant::Tenant;
use futures::future::BoxFuture;
use rustix::{
    fs::OFlags,
    io::Errno,
    process::{getegid, geteuid},
};
use zeroize::Zeroizing;

use super::{MAX_SECRET, Secret, SecretError, SecretRef, Secrets};

/// A folder of secrets. They belong to the machine's owner, as the manifests do, so the tenant is not looked at
/// (docs/trust.md).
pub struct SecretFolder {
    root: PathBuf,
}

impl SecretFolder {
    /// Secrets under `root`; it need not exist yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }
}

impl Secrets for SecretFolder {
    fn text<'a>(
        &'a self,
        _tenant: &'a Tenant,
        reference: &'a SecretRef,
    ) -> BoxFuture<'a, Result<Secret, SecretError>> {
        let (root, wanted) = (self.root.clone(), reference.clone());
        Box::pin(async move {
            let task = tokio::task::spawn_blocking(move || read(&root, &wanted));
            task.await.unwrap_or_else(|error| {
                Err(SecretError::Unreadable {
                    reference: reference.clone(),
                    why: error.to_string(),
                })
            })
        })
    }
}

fn read(root: &Path, reference: &SecretRef) -> Result<Secret, SecretError> {
    let unfit = |why| SecretError::Unfit {
        reference: reference.clone(),
        why,
    };
    if !is_name(&reference.secret) || !is_name(&reference.key) {
        return Err(unfit(
            "its name is not one of letters, digits, '-', '_' and '.'",
        ));
    }
    let path = root.join(&reference.secret).join(&reference.key);
    let failed = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => SecretError::Missing(reference.clone()),
        _ if Errno::from_io_error(&error) == Some(Errno::LOOP) => unfit("it is a link"),
        ErrorKind::PermissionDenied => SecretError::Closed {
            reference: reference.clone(),
            group: group(),
        },
        _ => SecretError::Unreadable {
            reference: reference.clone(),
            why: error.to_string(),
        },
    };
    // Without blocking, so that a fifo put there does not hold a thread for ever.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
        .map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(unfit("it is not a regular file"));
    }
    // Root's own for the node to read: through its group, which is nobody else's.
    let through_group = metadata.uid() == 0
        && !geteuid().is_root()
        && metadata.gid() == getegid().as_raw()
        && metadata.mode() & 0o037 == 0;
    if metadata.mode() & 0o077 != 0 && !through_group {
        return Err(unfit("others than its owner may open it"));
    }
    if metadata.uid() != geteuid().as_raw() && metadata.uid() != 0 {
        return Err(unfit("it belongs to another user"));
    }
    let bytes = read_bounded(file).map_err(failed)?;
    if bytes.len() > MAX_SECRET {
        return Err(unfit("it is larger than 64 KiB"));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| unfit("it is not UTF-8 text"))?;
    Ok(Secret::new(text.to_owned()))
}

/// The group of this process, by name where it has one.
fn group() -> String {
    let group = nix::unistd::getegid();
    let named = nix::unistd::Group::from_gid(group).ok().flatten();
    named.map_or_else(|| group.to_string(), |group| group.name)
}

fn read_bounded(file: File) -> std::io::Result<Zeroizing<Vec<u8>>> {
    // Reserved at once: growing would leave copies behind that nobody wipes.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_SECRET + 2));
    file.take(MAX_SECRET as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn is_name(text: &str) -> bool {
    (1..=253).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        && !matches!(text, "." | "..")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    fn reference(secret: &str, key: &str) -> SecretRef {
        SecretRef {
            secret: secret.into(),
            key: key.into(),
        }
    }

    fn home() -> (tempfile::TempDir, SecretFolder) {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("openai");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("key"), "hunter2\n").unwrap();
        fs::set_permissions(folder.join("key"), fs::Permissions::from_mode(0o600)).unwrap();
        let secrets = SecretFolder::new(home.path());
        (home, secrets)
    }

    #[tokio::test]
    async fn a_file_of_mode_0600_is_read() {
        let (_home, secrets) = home();
        let secret = secrets
            .read(&"me".into(), &reference("openai", "key"))
            .await
            .unwrap();
        assert_eq!(secret.expose(), "hunter2");
    }

    #[tokio::test]
    async fn a_file_that_others_may_read_is_refused_without_being_shown() {
        let (home, secrets) = home();
        fs::set_permissions(
            home.path().join("openai/key"),
            fs::Permissions::from_mode(0o640),
        )
        .unwrap();
        let error = secrets
            .read(&"me".into(), &reference("openai", "key"))
            .await
            .unwrap_err();
        assert!(matches!(error, SecretError::Unfit { .. }));
        assert!(!error.to_string().contains("hunter2"));
    }

    #[tokio::test]
    async fn links_fifos_folders_and_paths_are_refused() {
        let (home, secrets) = home();
        let folder = home.path().join("openai");
        std::os::unix::fs::symlink(folder.join("key"), folder.join("link")).unwrap();
        nix::unistd::mkfifo(&folder.join("fifo"), nix::sys::stat::Mode::S_IRUSR).unwrap();
        fs::create_dir(folder.join("sub")).unwrap();
        for (secret, key) in [
            ("openai", "link"),
            ("openai", "fifo"),
            ("openai", "sub"),
            ("..", "key"),
            ("openai", "../openai/key"),
            ("", "key"),
        ] {
            let error = secrets
                .read(&"me".into(), &reference(secret, key))
                .await
                .unwrap_err();
            assert!(
                matches!(error, SecretError::Unfit { .. }),
                "{secret}/{key}: {error}"
            );
        }
        let error = secrets
            .read(&"me".into(), &reference("openai", "none"))
            .await
            .unwrap_err();
        assert!(matches!(error, SecretError::Missing(_)));
    }

    #[tokio::test]
    async fn root_lets_the_nodes_user_read_a_secret_through_its_group_alone() {
        if !geteuid().is_root() {
            aion_testkit::skip("root", "only root can read a file as another user");
            return;
        }
        const USER: u32 = 61_993;
        let (home, _) = home();
        let mode = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        let key = home.path().join("openai/key");
        mode(home.path(), 0o755);
        mode(&home.path().join("openai"), 0o755);
        let read = || {
            std::thread::scope(|scope| {
                let as_user = scope.spawn(|| {
                    let (user, group) = (
                        rustix::fs::Uid::from_raw(USER),
                        rustix::fs::Gid::from_raw(USER),
                    );
                    rustix::thread::set_thread_groups(&[]).unwrap();
                    rustix::thread::set_thread_res_gid(group, group, group).unwrap();
                    rustix::thread::set_thread_res_uid(user, user, user).unwrap();
                    super::read(home.path(), &reference("openai", "key"))
                });
                as_user.join().unwrap()
            })
        };
        let closed = read().unwrap_err();
        assert!(matches!(closed, SecretError::Closed { .. }), "{closed}");
        let remedy = aion_abi::problem::Problem::from(closed).remedy;
        assert!(remedy.contains("chmod 640"), "{remedy}");
        std::os::unix::fs::chown(&key, None, Some(USER)).unwrap();
        mode(&key, 0o640);
        assert_eq!(read().unwrap().expose(), "hunter2");
        for open in [0o660, 0o644, 0o641] {
            mode(&key, open);
            assert!(matches!(read(), Err(SecretError::Unfit { .. })), "{open:o}");
        }
        std::os::unix::fs::chown(&key, Some(USER + 1), Some(USER)).unwrap();
        mode(&key, 0o640);
        assert!(matches!(read(), Err(SecretError::Unfit { .. })));
    }
}
