//! The node's secret: 32 bytes from the operating system, made at the first start, for this user only.

use std::{
    fs,
    fs::File,
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use aion_abi::signing::NodeSecret;
use zeroize::Zeroizing;

use crate::files::write_whole;

/// Why there is no secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// It can be read by others, or is not 32 bytes.
    #[error(
        "the node's secret {path} is not used: {why}; remove it, and workers that run now will be refused"
    )]
    Unfit {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The operating system refused.
    #[error("the node's secret {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Reads the secret of `path`, or makes one.
///
/// # Errors
/// [`SecretError`].
pub fn load(path: &Path) -> Result<NodeSecret, SecretError> {
    let io = |source| SecretError::Io {
        path: path.to_owned(),
        source,
    };
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut bytes = Zeroizing::new([0u8; 32]);
            File::open("/dev/urandom")
                .and_then(|mut random| random.read_exact(bytes.as_mut()))
                .and_then(|()| write_whole(path, bytes.as_ref()))
                .map_err(io)?;
            return Ok(NodeSecret::new(*bytes));
        }
        opened => opened.map_err(io)?,
    };
    let unfit = |why: &str| SecretError::Unfit {
        path: path.to_owned(),
        why: why.to_owned(),
    };
    let metadata = file.metadata().map_err(io)?;
    if metadata.mode() & 0o077 != 0 {
        return Err(unfit("others may read or write it"));
    }
    let bytes = Zeroizing::new(fs::read(path).map_err(io)?);
    let bytes: [u8; 32] = bytes
        .as_slice()
        .try_into()
        .map_err(|_| unfit("it is not 32 bytes"))?;
    Ok(NodeSecret::new(bytes))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_secret_is_made_once_and_never_read_where_others_can() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        let key = |secret: NodeSecret| *secret.derive("uid", 1).expose();
        let first = key(load(&path).unwrap());
        assert_eq!(key(load(&path).unwrap()), first);
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(load(&path), Err(SecretError::Unfit { .. })));
    }
}
