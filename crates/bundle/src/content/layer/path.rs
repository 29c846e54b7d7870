//! Paths as layers of images have them: bytes, below the root of the image. What may not enter: what is there.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest path, in bytes: with the folder that the image is in it stays below `PATH_MAX` of Linux.
pub(crate) const MAX_PATH: usize = 2048;
/// The longest name of one file or folder, in bytes (`NAME_MAX` of Linux).
const MAX_PART: usize = 255;
/// How many folders lead to a file.
pub(crate) const MAX_DEPTH: usize = 128;

/// A path below the root, in its one spelling: parts with `/` between them, none of them empty, `.` or `..`. The root
/// itself is the empty one.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
pub(crate) struct LayerPath(#[serde(with = "bytes")] Vec<u8>);

impl LayerPath {
    /// `raw` as an archive has it: `./a`, `/a` and `a/` are one path, since archives have no other root than the image's.
    pub(crate) fn parse(raw: &[u8]) -> Result<Self, &'static str> {
        if raw.contains(&0) {
            return Err("its path has a zero byte");
        }
        let mut path = Vec::with_capacity(raw.len().min(MAX_PATH));
        let (mut depth, parts) = (0, raw.split(|b| *b == b'/'));
        for part in parts.filter(|it| !matches!(*it, b"" | b".")) {
            if part == b".." {
                return Err("its path leads upwards");
            }
            depth += 1;
            if part.len() > MAX_PART || path.len() + part.len() >= MAX_PATH {
                return Err("its path is too long");
            }
            if depth > MAX_DEPTH {
                return Err("it is nested too deep");
            }
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(part);
        }
        Ok(Self(path))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// For messages.
    pub(crate) fn text(&self) -> String {
        shown(&self.0)
    }

    /// The folder that it is in, and its name there; nothing for the root.
    pub(crate) fn split(&self) -> Option<(Self, &[u8])> {
        if self.0.is_empty() {
            return None;
        }
        Some(match self.0.iter().rposition(|b| *b == b'/') {
            Some(at) => (Self(self.0[..at].to_vec()), &self.0[at + 1..]),
            None => (Self::default(), &self.0),
        })
    }

    /// The path of `name` in this folder.
    pub(crate) fn join(&self, name: &[u8]) -> Result<Self, &'static str> {
        Self::parse(&[&self.0, b"/".as_slice(), name].concat())
    }

    pub(crate) fn parts(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.0.split(|b| *b == b'/').filter(|it| !it.is_empty())
    }

    /// The folders above it, the outermost first, and it itself.
    pub(crate) fn upwards(&self) -> impl Iterator<Item = Self> + '_ {
        let ends = self.0.iter().enumerate().filter(|(_, b)| **b == b'/');
        let ends = ends.map(|(at, _)| at).chain([self.0.len()]);
        ends.filter(|at| *at > 0)
            .map(|at| Self(self.0[..at].to_vec()))
    }
}

/// Bytes of an archive for a message, in characters that command no terminal.
pub(crate) fn shown(raw: &[u8]) -> String {
    const MOST: usize = 300;
    let text = OsStr::from_bytes(raw).to_string_lossy();
    text.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .take(MOST)
        .collect()
}

/// Bytes as text, one character (U+0000 to U+00FF) for each: what is ASCII is written as it is, and what is not even
/// UTF-8 comes back as it was.
pub(crate) mod bytes {
    use super::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&bytes.iter().map(|b| char::from(*b)).collect::<String>())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(from)?;
        let byte = |c: char| u8::try_from(u32::from(c)).map_err(serde::de::Error::custom);
        text.chars().map(byte).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_path_has_one_spelling() {
        let check = |raw: &[u8], expect: Option<&[u8]>| {
            let read = LayerPath::parse(raw);
            assert_eq!(
                read.as_ref().ok().map(LayerPath::as_bytes),
                expect,
                "{}",
                shown(raw)
            );
        };
        check(b"a/b", Some(b"a/b"));
        for same in ["/a/b", "./a/b", "a//b/", "a/./b", "//a/b//."] {
            check(same.as_bytes(), Some(b"a/b"));
        }
        for root in ["", ".", "/", "./", "//"] {
            check(root.as_bytes(), Some(b""));
        }
        check(b"a/..b/...", Some(b"a/..b/..."));
        check(b"\xff\xfe/\n", Some(b"\xff\xfe/\n"));
        for out in ["..", "../a", "a/..", "a/../../b", "/..", "./.."] {
            check(out.as_bytes(), None);
        }
        check(b"a\0b", None);
        check(&[b'a'; 255], Some(&[b'a'; 255]));
        check(&[b'a'; 256], None);
        check(
            "a/".repeat(MAX_DEPTH).as_bytes(),
            Some(&"a/".repeat(MAX_DEPTH).as_bytes()[..2 * MAX_DEPTH - 1]),
        );
        check("a/".repeat(MAX_DEPTH + 1).as_bytes(), None);
        check(
            [[b'a'; 254].as_slice(), b"/"].concat().repeat(9).as_slice(),
            None,
        );
    }

    #[test]
    fn bytes_that_are_no_text_come_back_as_they_were() {
        let path = LayerPath::parse(b"a\xff\x80\n\"\\/\xc3\xa4").unwrap();
        let text = serde_json::to_string(&path).unwrap();
        assert_eq!(serde_json::from_str::<LayerPath>(&text).unwrap(), path);
        assert!(serde_json::from_str::<LayerPath>("\"\u{100}\"").is_err());
    }

    #[test]
    fn a_path_is_told_from_the_folders_above_it() {
        let path = LayerPath::parse(b"a/b/c").unwrap();
        let (parent, name) = path.split().unwrap();
        assert_eq!(
            (parent.as_bytes(), name),
            (b"a/b".as_slice(), b"c".as_slice())
        );
        assert_eq!(parent.join(name).unwrap(), path);
        let above: Vec<_> = path.upwards().map(|it| it.text()).collect();
        assert_eq!(above, ["a", "a/b", "a/b/c"]);
        assert!(LayerPath::default().split().is_none());
        assert_eq!(LayerPath::default().upwards().count(), 0);
    }
}
