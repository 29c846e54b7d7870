//! The token that whoever connects has to show: text in a file, for its owner alone.

use std::path::{Path, PathBuf};

use aion_folders::FolderError;

/// The fewest characters: nobody guesses so many.
const LEAST: usize = 32;

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Its file.
    #[error(transparent)]
    File(#[from] FolderError),
    /// Whoever guesses it would be let in.
    #[error(
        "{0} is not a token of {LEAST} characters or more; write one, or remove the file to have a new one"
    )]
    Unfit(PathBuf),
}

/// Reads the token of `path`, and makes it where there is none.
///
/// # Errors
/// [`TokenError`].
pub fn token(path: &Path) -> Result<String, TokenError> {
    let bytes = aion_folders::secret(path, aion_folders::text)?;
    let text = std::str::from_utf8(&bytes).map(str::trim);
    let fits = |text: &&str| text.len() >= LEAST && text.bytes().all(|b| b.is_ascii_graphic());
    match text.ok().filter(fits) {
        Some(token) => Ok(token.to_owned()),
        None => Err(TokenError::Unfit(path.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;

    use super::*;

    #[test]
    fn a_token_is_text_stays_the_same_and_is_never_one_that_can_be_guessed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let made = token(&path).unwrap();
        assert_eq!(made.len(), 64);
        assert_eq!(token(&path).unwrap(), made);
        assert_eq!(fs::read_to_string(&path).unwrap().trim(), made);
        for unfit in ["", "\n", "short", &"with space ".repeat(9)] {
            fs::write(&path, unfit).unwrap();
            assert!(
                matches!(token(&path), Err(TokenError::Unfit(_))),
                "{unfit:?}"
            );
        }
    }
}
