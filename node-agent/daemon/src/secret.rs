//! The node's secret: 32 bytes from the operating system, made at the first start, for this user only.

use std::path::{Path, PathBuf};

use aion_abi::signing::NodeSecret;
use aion_folders::FolderError;
use zeroize::Zeroizing;

/// Why there is no secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Its file.
    #[error(
        "the node's secret is not used: {0}; with a new one, workers that run now will be refused"
    )]
    File(#[from] FolderError),
    /// It is not what was made.
    #[error(
        "the node's secret {0} is not used: it is not 32 bytes; remove it, and workers that run now will be refused"
    )]
    Unfit(PathBuf),
}

/// Reads the secret of `path`, or makes one.
///
/// # Errors
/// [`SecretError`].
pub(crate) fn load(path: &Path) -> Result<NodeSecret, SecretError> {
    let bytes = Zeroizing::new(aion_folders::secret(path, |random| random.to_vec())?);
    let bytes: [u8; 32] = bytes
        .as_slice()
        .try_into()
        .map_err(|_| SecretError::Unfit(path.to_owned()))?;
    Ok(NodeSecret::new(bytes))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;

    use super::*;

    #[test]
    fn the_secret_is_made_once_and_is_32_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        let key = |secret: NodeSecret| *secret.derive("uid", 1).expose();
        let first = key(load(&path).unwrap());
        assert_eq!(key(load(&path).unwrap()), first);
        fs::write(&path, "short").unwrap();
        assert!(matches!(load(&path), Err(SecretError::Unfit(_))));
    }
}
