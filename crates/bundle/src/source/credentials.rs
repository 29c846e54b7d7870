//! Who we are to a registry: a name and a password, given or read from a
//! docker config file. Credential helpers are programs and are not run.

use std::{collections::BTreeMap, fmt, io, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::file::read_bounded;

const MAX_FILE: u64 = 1 << 20;

/// A name and a password. Never printed.
#[derive(Clone)]
pub struct Credentials {
    user: String,
    password: Zeroizing<String>,
}

/// A docker config file that cannot be used.
#[derive(Debug, Error)]
pub enum CredentialsError {
    /// It cannot be read.
    #[error("read docker config {path}: {why}")]
    Unreadable {
        /// The file.
        path: String,
        /// The error.
        why: io::Error,
    },
    /// It is not what docker writes.
    #[error("docker config {path} is malformed{at}; write it again with `docker login`")]
    Malformed {
        /// The file.
        path: String,
        /// Where in it, without quoting the content.
        at: String,
    },
}

#[derive(Deserialize)]
struct DockerConfig {
    #[serde(default)]
    auths: BTreeMap<String, DockerAuth>,
}

#[derive(Deserialize)]
struct DockerAuth {
    #[serde(default)]
    auth: Zeroizing<String>,
}

impl Credentials {
    /// Credentials as given.
    pub fn new(user: impl Into<String>, password: impl Into<String>) -> Self {
        Self {
            user: user.into(),
            password: Zeroizing::new(password.into()),
        }
    }

    /// What the docker config file `path` holds for the registry `host`
    /// (`host` or `host:port`); nothing where it holds nothing for it.
    pub fn from_docker_config(path: &Path, host: &str) -> Result<Option<Self>, CredentialsError> {
        let name = || path.display().to_string();
        let unreadable = |why| CredentialsError::Unreadable { path: name(), why };
        let malformed = |at: String| CredentialsError::Malformed { path: name(), at };
        let bytes = match read_bounded(path, MAX_FILE) {
            Ok(bytes) => Zeroizing::new(bytes.ok_or_else(|| malformed(String::new()))?),
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(unreadable(e)),
        };
        let config: DockerConfig = serde_json::from_slice(&bytes)
            .map_err(|e| malformed(format!(" (line {})", e.line())))?;
        let found = config.auths.iter().find(|(key, auth)| {
            let key = key
                .trim_start_matches("https://")
                .trim_start_matches("http://");
            key.split('/').next() == Some(host) && !auth.auth.is_empty()
        });
        let Some((_, entry)) = found else {
            return Ok(None);
        };
        let bad = || malformed(format!(" (auth of {host})"));
        let decoded = Zeroizing::new(STANDARD.decode(entry.auth.as_bytes()).map_err(|_| bad())?);
        let text = std::str::from_utf8(&decoded).map_err(|_| bad())?;
        let (user, password) = text.split_once(':').ok_or_else(bad)?;
        Ok(Some(Self::new(user, password)))
    }

    /// The value of an `Authorization` header (RFC 7617).
    pub(crate) fn basic(&self) -> Zeroizing<String> {
        let pair = Zeroizing::new(format!("{}:{}", self.user, self.password.as_str()));
        Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())))
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_docker_config_gives_what_it_holds_for_the_host() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.json");
        let check = |json: &str, host: &str, expect: Option<&str>| {
            std::fs::write(&path, json).unwrap();
            let found = Credentials::from_docker_config(&path, host).unwrap();
            assert_eq!(
                found.map(|c| c.basic().to_string()).as_deref(),
                expect,
                "{json}"
            );
        };
        let ours =
            r#"{"auths":{"https://r.example:5000/v1/":{"auth":"YTpiOmM="}},"credsStore":"x"}"#;
        check(ours, "r.example:5000", Some("Basic YTpiOmM="));
        check(ours, "r.example", None);
        check(r#"{"auths":{"r":{}}}"#, "r", None);
        check("{}", "r", None);
        assert!(
            Credentials::from_docker_config(&dir.path().join("none"), "r")
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn a_broken_docker_config_is_named_without_its_secrets() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.json");
        for broken in [
            r#"{"auths":{"r":{"auth":"secret!"}}}"#,
            r#"{"auths":{"r":{"auth":"c2VjcmV0"}}}"#,
            r#"{"auths":{"r":{"auth":"secret"#,
        ] {
            std::fs::write(&path, broken).unwrap();
            let error = Credentials::from_docker_config(&path, "r").unwrap_err();
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    #[test]
    fn credentials_do_not_print_their_password() {
        let shown = format!("{:?}", Credentials::new("ann", "hunter2"));
        assert!(shown.contains("ann") && !shown.contains("hunter2"));
    }
}
