//! How a person names something in a registry:
//! `host[:port]/repository[:tag][@sha256:…]`.

use std::{fmt, str::FromStr};

use thiserror::Error;

use crate::artifact::{digest::Digest, name::is_path};

const MAX_REPOSITORY: usize = 255;
const MAX_TAG: usize = 128;

/// A repository, and perhaps one artifact in it. The host is always written
/// out: there is no default registry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reference {
    /// `host` or `host:port`.
    pub host: String,
    /// The path of the repository.
    pub repository: String,
    /// A tag.
    pub tag: Option<String>,
    /// A digest; where there is one it decides.
    pub digest: Option<Digest>,
}

/// A text that is not a reference.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{text}` is not a reference: {why}; write host[:port]/repository[:tag][@sha256:…]")]
pub struct NotAReference {
    text: String,
    why: &'static str,
}

impl Reference {
    /// The repository `below` this one.
    pub(crate) fn join(&self, below: &str) -> Self {
        Self {
            repository: match self.repository.as_str() {
                "" => below.to_owned(),
                above => format!("{above}/{below}"),
            },
            ..self.clone()
        }
    }

    /// A host with or without a path below it, as a place to look in.
    pub(crate) fn prefix(text: &str) -> Result<Self, NotAReference> {
        let (host, path) = text.split_once('/').unwrap_or((text, ""));
        let found = Self {
            host: host.to_owned(),
            repository: path.to_owned(),
            tag: None,
            digest: None,
        };
        if !is_host(host) {
            return Err(refuse(text, "it does not begin with a host"));
        }
        if !path.is_empty() && !is_path(path) {
            return Err(refuse(text, "its path is not a repository path"));
        }
        Ok(found)
    }
}

fn refuse(text: &str, why: &'static str) -> NotAReference {
    NotAReference {
        text: text.chars().take(MAX_REPOSITORY).collect(),
        why,
    }
}

/// A host is told from the first part of a path as docker tells it: by a dot, a
/// colon, or the name `localhost`.
fn is_host(text: &str) -> bool {
    let alphabet = |b: u8| b.is_ascii_alphanumeric() || b".-:[]".contains(&b);
    (text == "localhost" || text.contains(['.', ':']))
        && text.len() <= MAX_REPOSITORY
        && text.bytes().all(alphabet)
}

fn is_tag(text: &str) -> bool {
    let alphabet = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    !text.is_empty()
        && text.len() <= MAX_TAG
        && text.bytes().all(alphabet)
        && !text.starts_with(['.', '-'])
}

impl FromStr for Reference {
    type Err = NotAReference;

    fn from_str(text: &str) -> Result<Self, NotAReference> {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => {
                let digest = digest
                    .parse()
                    .map_err(|_| refuse(text, "its digest is malformed"))?;
                (rest, Some(digest))
            }
            None => (text, None),
        };
        let (host, path) = rest
            .split_once('/')
            .ok_or_else(|| refuse(text, "it has no repository"))?;
        let (repository, tag) = match path.split_once(':') {
            Some((repository, tag)) if is_tag(tag) => (repository, Some(tag.to_owned())),
            Some(_) => return Err(refuse(text, "its tag is malformed")),
            None => (path, None),
        };
        if !is_host(host) {
            return Err(refuse(text, "it does not begin with a host"));
        }
        if repository.len() > MAX_REPOSITORY || !is_path(repository) {
            return Err(refuse(text, "its path is not a repository path"));
        }
        Ok(Self {
            host: host.to_owned(),
            repository: repository.to_owned(),
            tag,
            digest,
        })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.host, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        match &self.digest {
            Some(digest) => write!(f, "@{digest}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_reference_names_its_host() {
        let digest = Digest::of(b"");
        let check = |text: &str, expect: Option<(&str, &str, Option<&str>, bool)>| {
            let read = text.parse::<Reference>().ok();
            let parts = read.as_ref().map(|r| {
                (
                    r.host.as_str(),
                    r.repository.as_str(),
                    r.tag.as_deref(),
                    r.digest.is_some(),
                )
            });
            assert_eq!(parts, expect, "{text}");
            if let Some(read) = read {
                assert_eq!(read.to_string(), text);
            }
        };
        check(
            "127.0.0.1:5000/a/b:v1",
            Some(("127.0.0.1:5000", "a/b", Some("v1"), false)),
        );
        check(
            &format!("r.example/a@{digest}"),
            Some(("r.example", "a", None, true)),
        );
        check("localhost/a", Some(("localhost", "a", None, false)));
        check("[::1]:5000/a", Some(("[::1]:5000", "a", None, false)));
        for wrong in [
            "",
            "a",
            "a/b",
            "r.example",
            "r.example/",
            "r.example/A",
            "r.example/a:",
            "r.e/a:-x",
            "r.example/a@sha256:00",
            "r.example/a/../b",
            "user@r.example/a",
            "r.e?x/a",
            "r.e/a:b/c",
        ] {
            check(wrong, None);
        }
    }

    #[test]
    fn a_prefix_may_be_a_host_alone() {
        let at = |text: &str| Reference::prefix(text).map(|p| p.join("a/b").to_string());
        assert_eq!(at("r.example").unwrap(), "r.example/a/b");
        assert_eq!(at("r.example/x").unwrap(), "r.example/x/a/b");
        assert!(at("r.example/x/").is_err());
        assert!(at("example").is_err());
    }
}
