//! What a bundle may be called, and patterns over such names.
//!
//! A name becomes part of a repository path, so its alphabet is OCI's.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The longest name, in bytes.
pub const MAX_NAME: usize = 200;

/// The name of a bundle: components of lower-case letters and digits with `.`,
/// `_`, `__` or hyphens between them, joined by `/` (the repository grammar of
/// the OCI distribution spec), at most [`MAX_NAME`] bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BundleName(String);

/// A pattern over bundle names in which `*` stands for any run of characters.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NamePattern(String);

/// A name or a pattern outside the grammar.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "`{0}` is not a bundle name: use lower-case letters and digits, with `.`, `_`, `-` or `/` between them, at most {MAX_NAME} bytes"
)]
pub struct NotAName(String);

impl BundleName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl NamePattern {
    /// The pattern that every name matches.
    pub fn any() -> Self {
        Self("*".to_owned())
    }

    /// Whether `name` matches from its first to its last character.
    pub fn matches(&self, name: &BundleName) -> bool {
        wildcard(&self.0, &name.0)
    }
}

/// Whether `text` matches `pattern` from its first to its last character; `*` stands for any run of characters.
pub(crate) fn wildcard(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.split('*');
    let Some(mut rest) = pieces.next().and_then(|p| text.strip_prefix(p)) else {
        return false;
    };
    let Some(last) = pieces.next_back() else {
        return rest.is_empty();
    };
    for piece in pieces {
        match rest.find(piece) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// Whether `text` is a path of repository components, of any length.
pub(crate) fn is_path(text: &str) -> bool {
    let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let separator =
        |run: &str| matches!(run, "" | "." | "_" | "__") || run.bytes().all(|b| b == b'-');
    text.split('/').all(|part| {
        part.starts_with(word) && part.ends_with(word) && part.split(word).all(separator)
    })
}

impl FromStr for BundleName {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        if text.len() <= MAX_NAME && is_path(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotAName(text.chars().take(MAX_NAME).collect()))
        }
    }
}

impl FromStr for NamePattern {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        let in_alphabet = text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-/*".contains(&b));
        if !text.is_empty() && text.len() <= MAX_NAME && in_alphabet {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotAName(text.chars().take(MAX_NAME).collect()))
        }
    }
}

macro_rules! text {
    ($name:ident) => {
        impl TryFrom<String> for $name {
            type Error = NotAName;

            fn try_from(text: String) -> Result<Self, NotAName> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text!(BundleName);
text!(NamePattern);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_name_is_a_repository_path() {
        for good in ["reader", "acme/counter", "a.b_c--d/e__2", "7"] {
            assert!(good.parse::<BundleName>().is_ok(), "{good}");
        }
        let long = "a".repeat(MAX_NAME + 1);
        for bad in [
            "", "/", "a/", "/a", "a//b", "A", "a b", "..", "a..b", "a.-b", "-a", "a-", "a:b", "ä",
            &long,
        ] {
            assert!(bad.parse::<BundleName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_pattern_matches_whole_names() {
        let check = |pattern: &str, name: &str, expect: bool| {
            let (p, n): (NamePattern, BundleName) =
                (pattern.parse().unwrap(), name.parse().unwrap());
            assert_eq!(p.matches(&n), expect, "{pattern} on {name}");
        };
        check("*", "anything/at.all", true);
        check("reader", "reader", true);
        check("reader", "reader2", false);
        check("reader", "a/reader", false);
        check("acme/*", "acme/counter", true);
        check("acme/*", "acme2/counter", false);
        check("*-v2", "counter-v2", true);
        check("*-v2", "counter-v2-rc", false);
        check("a*b*c", "abc", true);
        check("a*b*c", "axxbyyc", true);
        check("a*b*c", "axxcyyb", false);
        check("ab*ba", "aba", false);
        for bad in ["", "A*", "a b"] {
            assert!(bad.parse::<NamePattern>().is_err(), "{bad}");
        }
    }
}
