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
pub(crate) fn load(path: &Path) -> Result<NodeSecret, SecretError> {
    let bytes = kept(path, |bytes| Zeroizing::new(bytes.to_vec()))?;
    let bytes: [u8; 32] = bytes
        .as_slice()
        .try_into()
        .map_err(|_| unfit(path, "it is not 32 bytes"))?;
    Ok(NodeSecret::new(bytes))
}

/// Reads the token of the interface over TCP, or makes one: text, since people copy it.
///
/// # Errors
/// [`SecretError`].
pub(crate) fn token(path: &Path) -> Result<String, SecretError> {
    let bytes = kept(path, |bytes| {
        Zeroizing::new(format!("{}\n", hex::encode(bytes)).into_bytes())
    })?;
    let text = std::str::from_utf8(&bytes).map(str::trim);
    let fits = |text: &&str| text.len() >= 32 && text.bytes().all(|b| b.is_ascii_graphic());
    match text.ok().filter(fits) {
        Some(token) => Ok(token.to_owned()),
        None => Err(unfit(path, "it is not a token of 32 characters or more")),
    }
}

/// What `path` holds; where there is nothing, what `form` makes of 32 random bytes.
fn kept(
    path: &Path,
    form: impl FnOnce(&[u8; 32]) -> Zeroizing<Vec<u8>>,
) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    let io = |source| SecretError::Io {
        path: path.to_owned(),
        source,
    };
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut random = Zeroizing::new([0u8; 32]);
            File::open("/dev/urandom")
                .and_then(|mut source| source.read_exact(random.as_mut()))
                .map_err(io)?;
            let bytes = form(&random);
            write_whole(path, &bytes).map_err(io)?;
            return Ok(bytes);
        }
        opened => opened.map_err(io)?,
    };
    if file.metadata().map_err(io)?.mode() & 0o077 != 0 {
        return Err(unfit(path, "others may read or write it"));
    }
    fs::read(path).map(Zeroizing::new).map_err(io)
}

fn unfit(path: &Path, why: &str) -> SecretError {
    SecretError::Unfit {
        path: path.to_owned(),
        why: why.to_owned(),
    }
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

    #[test]
    fn a_token_is_text_and_stays_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        let made = token(&path).unwrap();
        assert_eq!(made.len(), 64);
        assert_eq!(token(&path).unwrap(), made);
        assert_eq!(fs::read_to_string(&path).unwrap().trim(), made);
        fs::write(&path, "short").unwrap();
        assert!(matches!(token(&path), Err(SecretError::Unfit { .. })));
    }
}
