//! Who we are to a registry: a name and a password, given or read from a docker config file, as docker, podman and
//! Kubernetes write it, or the identity token that a sign-in left there. Credential helpers are programs and are
//! not run: where one would have to be, that is said.

use std::{collections::BTreeMap, fmt, io, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::file::read_bounded;

const MAX_FILE: u64 = 1 << 20;

/// A name and a password, or an identity token. Never printed.
#[derive(Clone)]
pub struct Credentials(Kept);

#[derive(Clone)]
enum Kept {
    Password {
        user: String,
        password: Zeroizing<String>,
    },
    /// What a sign-in left instead of the password: its token service takes it for a refresh token.
    IdentityToken(Zeroizing<String>),
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
    /// What it holds for a registry is with a program.
    #[error(
        "docker config {path} keeps the credentials for {host} with the program docker-credential-{helper} ({field}), and helpers are not run; \
         write them down in a file of its own, and name that: `podman login --authfile FILE {host}`, or {{\"auths\": {{\"{host}\": \
         {{\"username\": …, \"password\": …}}}}}}"
    )]
    Helper {
        /// The file.
        path: String,
        /// The registry.
        host: String,
        /// The helper's name.
        helper: String,
        /// `credsStore` or `credHelpers`.
        field: &'static str,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DockerConfig {
    auths: Option<BTreeMap<String, Option<DockerAuth>>>,
    creds_store: Option<String>,
    cred_helpers: Option<BTreeMap<String, String>>,
}

/// The entry of one registry; a field that is null is as one that is not there.
#[derive(Default, Deserialize)]
struct DockerAuth {
    auth: Option<Zeroizing<String>>,
    username: Option<String>,
    password: Option<Zeroizing<String>>,
    identitytoken: Option<Zeroizing<String>>,
}

impl DockerAuth {
    fn is_empty(&self) -> bool {
        let empty =
            |text: &Option<Zeroizing<String>>| text.as_ref().is_none_or(|text| text.is_empty());
        empty(&self.auth)
            && empty(&self.identitytoken)
            && self.username.as_ref().is_none_or(String::is_empty)
    }
}

/// The host that a key is about: docker writes addresses, podman host and path.
fn host_of(key: &str) -> &str {
    let key = key
        .trim_start_matches("https://")
        .trim_start_matches("http://");
    key.split('/').next().unwrap_or(key)
}

impl Credentials {
    /// Credentials as given.
    pub fn new(user: impl Into<String>, password: impl Into<String>) -> Self {
        Self(Kept::Password {
            user: user.into(),
            password: Zeroizing::new(password.into()),
        })
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
        // docker asks the helper of a registry first, then the store, then the file. What is in the file is
        // enough here.
        let mut entries = config
            .auths
            .into_iter()
            .flatten()
            .filter(|(key, _)| host_of(key) == host)
            .map(|(_, entry)| entry.unwrap_or_default())
            .peekable();
        // A sign-in whose secret went to the store leaves an empty entry. Without one the store has nothing to say
        // of the registry, and what is public there stays in reach.
        let signed_in = entries.peek().is_some();
        let Some(entry) = entries.find(|entry| !entry.is_empty()) else {
            let helpers = config.cred_helpers.unwrap_or_default();
            let own = helpers.into_iter().find(|(key, _)| host_of(key) == host);
            let (helper, field) = match (own, config.creds_store) {
                (Some((_, helper)), _) => (helper, "credHelpers"),
                (None, Some(store)) if signed_in => (store, "credsStore"),
                (None, _) => return Ok(None),
            };
            if helper.is_empty() {
                return Ok(None);
            }
            return Err(CredentialsError::Helper {
                path: name(),
                host: host.to_owned(),
                helper,
                field,
            });
        };
        let bad = || malformed(format!(" (auth of {host})"));
        // It stands beside a name without a password, and docker takes it before one.
        if let Some(token) = entry.identitytoken.filter(|token| !token.is_empty()) {
            return Ok(Some(Self(Kept::IdentityToken(token))));
        }
        let (user, password) = match entry.auth.filter(|auth| !auth.is_empty()) {
            Some(auth) => {
                let decoded = Zeroizing::new(STANDARD.decode(auth.as_bytes()).map_err(|_| bad())?);
                let text = std::str::from_utf8(&decoded).map_err(|_| bad())?;
                let (user, password) = text.split_once(':').ok_or_else(bad)?;
                // docker fills the end of old entries with NUL bytes.
                let password = password.trim_end_matches('\0').to_owned();
                (user.to_owned(), Zeroizing::new(password))
            }
            None => (
                entry.username.unwrap_or_default(),
                entry.password.unwrap_or_default(),
            ),
        };
        Ok(Some(Self(Kept::Password { user, password })))
    }

    /// The value of an `Authorization` header (RFC 7617); an identity token has none.
    pub(crate) fn basic(&self) -> Option<Zeroizing<String>> {
        let Kept::Password { user, password } = &self.0 else {
            return None;
        };
        let pair = Zeroizing::new(format!("{user}:{}", password.as_str()));
        let value = format!("Basic {}", STANDARD.encode(pair.as_bytes()));
        Some(Zeroizing::new(value))
    }

    /// The identity token, if that is what there is.
    pub(crate) fn identity_token(&self) -> Option<&str> {
        match &self.0 {
            Kept::IdentityToken(token) => Some(token),
            Kept::Password { .. } => None,
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Credentials");
        if let Kept::Password { user, .. } = &self.0 {
            shown.field("user", user);
        }
        shown.finish_non_exhaustive()
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
                found.and_then(|c| c.basic()).as_deref().map(String::as_str),
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
    fn a_name_and_a_password_are_read_as_every_program_writes_them() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.json");
        let ours = Some("Basic YW5uOm1pbGw=");
        for (json, expect) in [
            (
                r#"{"auths":{"r":{"username":"ann","password":"mill"}}}"#,
                ours,
            ),
            (
                r#"{"auths":{"r":{"username":"ann","password":"mill","email":"","auth":""}}}"#,
                ours,
            ),
            (
                r#"{"auths":{"r":{"username":"other","password":"x","auth":"YW5uOm1pbGw="}}}"#,
                ours,
            ),
            (
                r#"{"auths":{"r/team/app":{"auth":"YW5uOm1pbGw="}},"credHelpers":{}}"#,
                ours,
            ),
            (
                r#"{"auths":{"r":{"auth":"YW5uOm1pbGw=","identitytoken":null}},"credsStore":""}"#,
                ours,
            ),
            (r#"{"auths":{"r":{"auth":"YW5uOm1pbGwAAAA="}}}"#, ours),
            (r#"{"auths":{"r":null},"credHelpers":{"other":"x"}}"#, None),
            (
                r#"{"auths":null,"HttpHeaders":{},"credHelpers":null}"#,
                None,
            ),
        ] {
            std::fs::write(&path, json).unwrap();
            let found = Credentials::from_docker_config(&path, "r").unwrap();
            let found = found.and_then(|mine| mine.basic());
            assert_eq!(found.as_deref().map(String::as_str), expect, "{json}");
        }
    }

    #[test]
    fn what_only_another_program_can_give_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.json");
        for (json, says) in [
            (
                r#"{"auths":{"r":{}},"credsStore":"desktop"}"#,
                "docker-credential-desktop (credsStore)",
            ),
            (
                r#"{"credHelpers":{"r":"gcloud"},"credsStore":"desktop"}"#,
                "docker-credential-gcloud (credHelpers)",
            ),
        ] {
            std::fs::write(&path, json).unwrap();
            let error = Credentials::from_docker_config(&path, "r")
                .unwrap_err()
                .to_string();
            assert!(
                error.contains(says) && error.contains("podman login"),
                "{error}"
            );
        }
    }

    #[test]
    fn an_identity_token_is_taken_before_a_password_and_never_printed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.json");
        for json in [
            r#"{"auths":{"r":{"auth":"YW5uOg==","identitytoken":"hidden"}}}"#,
            r#"{"auths":{"r":{"identitytoken":"hidden"}},"credsStore":"desktop"}"#,
            r#"{"auths":{"r":{"auth":"YW5uOm1pbGw=","identitytoken":"hidden"}}}"#,
        ] {
            std::fs::write(&path, json).unwrap();
            let found = Credentials::from_docker_config(&path, "r")
                .unwrap()
                .unwrap();
            assert_eq!(found.identity_token(), Some("hidden"), "{json}");
            assert!(found.basic().is_none());
            assert!(!format!("{found:?}").contains("hidden"));
        }
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
