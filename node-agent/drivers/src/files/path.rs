//! A path as a caller may write it. Pure: text in, a checked path out.

use std::path::Path;

/// The longest path, in bytes.
pub(super) const MAX_PATH: usize = 4096;
/// The longest part of a path, in bytes: what Linux's file systems take.
const MAX_PART: usize = 255;
/// The most parts of a path; folders further down are neither walked nor opened.
pub(super) const MAX_DEPTH: usize = 64;
/// Files that a replacing write makes on its way begin so; no caller sees or names them.
pub(super) const PARTIAL_PREFIX: &str = ".aion-partial-";

/// Why a text is not a path beneath a mount.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadPath {
    #[error("the path is empty")]
    Empty,
    #[error(
        "the path is longer than {MAX_PATH} bytes or {MAX_DEPTH} parts, or a part longer than {MAX_PART} bytes"
    )]
    TooLong,
    #[error("the path begins with '/': it is to be relative to the mount")]
    Absolute,
    #[error("the path has a part that is empty, '.' or '..'")]
    Part,
    #[error("the path holds a zero byte")]
    Zero,
    #[error(
        "the path has a part that begins with {PARTIAL_PREFIX}, which is kept for writes under way"
    )]
    Reserved,
}

/// A relative path of plain parts: not empty, no `.`, no `..`, no zero byte, within the bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RelativePath(String);

impl RelativePath {
    /// Checks `text`.
    pub(super) fn parse(text: &str) -> Result<Self, BadPath> {
        if text.is_empty() {
            return Err(BadPath::Empty);
        }
        if text.len() > MAX_PATH {
            return Err(BadPath::TooLong);
        }
        if text.contains('\0') {
            return Err(BadPath::Zero);
        }
        if text.starts_with('/') {
            return Err(BadPath::Absolute);
        }
        let mut depth = 0;
        for part in text.split('/') {
            if matches!(part, "" | "." | "..") {
                return Err(BadPath::Part);
            }
            if part.starts_with(PARTIAL_PREFIX) {
                return Err(BadPath::Reserved);
            }
            depth += 1;
            if part.len() > MAX_PART || depth > MAX_DEPTH {
                return Err(BadPath::TooLong);
            }
        }
        Ok(Self(text.to_owned()))
    }

    /// The path as it was written.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// For the operating system.
    pub(super) fn as_path(&self) -> &Path {
        Path::new(&self.0)
    }

    /// The folder it is in, where that is not the mount itself, and its last part.
    pub(super) fn split(&self) -> (Option<&str>, &str) {
        match self.0.rsplit_once('/') {
            Some((folder, name)) => (Some(folder), name),
            None => (None, &self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hostile_spellings_are_refused_for_what_they_are() {
        for (text, why) in [
            ("", BadPath::Empty),
            ("/etc/passwd", BadPath::Absolute),
            ("..", BadPath::Part),
            ("a/../b", BadPath::Part),
            ("a/..", BadPath::Part),
            ("./a", BadPath::Part),
            ("a//b", BadPath::Part),
            ("a/", BadPath::Part),
            ("a\0b", BadPath::Zero),
            (".aion-partial-1", BadPath::Reserved),
        ] {
            assert_eq!(RelativePath::parse(text), Err(why), "{text:?}");
        }
        assert_eq!(RelativePath::parse(&"a".repeat(256)), Err(BadPath::TooLong));
        assert_eq!(
            RelativePath::parse(&"a/".repeat(64).repeat(2)),
            Err(BadPath::TooLong)
        );
    }

    proptest! {
        #[test]
        fn what_is_accepted_has_only_plain_parts(text in "[a./\\\\ \u{0}é-]{0,40}") {
            if let Ok(path) = RelativePath::parse(&text) {
                prop_assert!(path.as_path().is_relative());
                prop_assert!(path.as_path().components().all(|part| matches!(part, std::path::Component::Normal(_))));
                prop_assert_eq!(path.as_path().components().count(), text.split('/').count());
            }
        }
    }
}
