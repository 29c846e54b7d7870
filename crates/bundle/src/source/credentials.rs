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

/// A docker config that cannot be used.
#[derive(Debug, Error)]
pub enum CredentialsError {
    /// It cannot be read.
    #[error("read docker config {config}: {why}")]
    Unreadable {
        /// Which.
        config: String,
        /// The error.
        why: io::Error,
    },
    /// It is not what docker writes.
    #[error("docker config {config} is malformed{at}; write it again with `docker login`")]
    Malformed {
        /// Which.
        config: String,
        /// Where in it, without quoting the content.
        at: String,
    },
    /// What it holds for a registry is with a program.
    #[error(
        "docker config {config} keeps the credentials for {host} with the program docker-credential-{helper} ({field}), and helpers are not run; \
         write them down in a file of its own, and name that: `podman login --authfile FILE {host}`, or {{\"auths\": {{\"{host}\": \
         {{\"username\": …, \"password\": …}}}}}}"
    )]
    Helper {
        /// Which.
        config: String,
        /// The registry.
        host: String,
        /// The helper's name.
        helper: String,
        /// `credsStore` or `credHelpers`.
        field: &'static str,
    },
}

/// What `docker login` writes, in a file or in a Secret of type `kubernetes.io/dockerconfigjson`. Never printed.
pub struct DockerConfig {
    /// What it is called in errors.
    name: String,
    written: Written,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
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

/// The host that a key is about, and the path below which it counts there: docker writes addresses, podman and Kubernetes
/// host and path. `v1` and `v2` are of the registry's interface.
fn place_of(key: &str) -> (&str, &str) {
    let key = key
        .trim_start_matches("https://")
        .trim_start_matches("http://");
    let (host, path) = key.split_once('/').unwrap_or((key, ""));
    match path.trim_end_matches('/') {
        "v1" | "v2" => (host, ""),
        path => (host, path),
    }
}

fn is_below(repository: &str, path: &str) -> bool {
    let rest = repository.strip_prefix(path);
    path.is_empty() || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl DockerConfig {
    /// The file `path`; `None` where there is none.
    ///
    /// # Errors
    /// It cannot be read, or is not what docker writes.
    pub fn read(path: &Path) -> Result<Option<Self>, CredentialsError> {
        let config = path.display().to_string();
        match read_bounded(path, MAX_FILE).map(|it| it.map(Zeroizing::new)) {
            Ok(Some(bytes)) => Self::parse(config, &bytes).map(Some),
            Ok(None) => Err(CredentialsError::Malformed {
                config,
                at: format!(": it is larger than {MAX_FILE} bytes"),
            }),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(why) => Err(CredentialsError::Unreadable { config, why }),
        }
    }

    /// What somebody else read, called `name` in errors.
    ///
    /// # Errors
    /// It is not what docker writes.
    pub fn parse(name: String, text: &[u8]) -> Result<Self, CredentialsError> {
        match serde_json::from_slice(text) {
            Ok(written) => Ok(Self { name, written }),
            Err(error) => Err(CredentialsError::Malformed {
                config: name,
                at: format!(" (line {})", error.line()),
            }),
        }
    }

    /// What it holds for a repository of the registry `host` (`host` or `host:port`); nothing where it holds nothing for it.
    /// What it holds for a part of the registry goes before what it holds for all of it.
    ///
    /// # Errors
    /// What it holds is with a program, or malformed.
    pub fn credentials(
        &self,
        host: &str,
        repository: &str,
    ) -> Result<Option<Credentials>, CredentialsError> {
        // docker asks the helper of a registry first, then the store, then the file. What is in the file is
        // enough here.
        let auths = self.written.auths.iter().flatten();
        let mut entries: Vec<_> = auths
            .map(|(key, entry)| (place_of(key), entry))
            .filter(|((at, path), _)| *at == host && is_below(repository, path))
            .collect();
        entries.sort_by_key(|((_, path), _)| std::cmp::Reverse(path.len()));
        // A sign-in whose secret went to the store leaves an empty entry. Without one the store has nothing to say
        // of the registry, and what is public there stays in reach.
        let signed_in = !entries.is_empty();
        let mut held = entries.into_iter().filter_map(|(_, entry)| entry.as_ref());
        match held.find(|entry| !entry.is_empty()) {
            Some(entry) => {
                entry
                    .credentials()
                    .map(Some)
                    .ok_or_else(|| CredentialsError::Malformed {
                        config: self.name.clone(),
                        at: format!(" (auth of {host})"),
                    })
            }
            None => self.not_with_a_program(host, signed_in).map(|()| None),
        }
    }

    fn not_with_a_program(&self, host: &str, signed_in: bool) -> Result<(), CredentialsError> {
        let mut helpers = self.written.cred_helpers.iter().flatten();
        let own = helpers.find(|(key, _)| place_of(key).0 == host);
        let (helper, field) = match (own, &self.written.creds_store) {
            (Some((_, helper)), _) => (helper, "credHelpers"),
            (None, Some(store)) if signed_in => (store, "credsStore"),
            (None, _) => return Ok(()),
        };
        if helper.is_empty() {
            return Ok(());
        }
        Err(CredentialsError::Helper {
            config: self.name.clone(),
            host: host.to_owned(),
            helper: helper.clone(),
            field,
        })
    }
}

impl DockerAuth {
    /// `None` where it is malformed.
    fn credentials(&self) -> Option<Credentials> {
        let given = |text: &Option<Zeroizing<String>>| text.clone().filter(|it| !it.is_empty());
        // It stands beside a name without a password, and docker takes it before one.
        if let Some(token) = given(&self.identitytoken) {
            return Some(Credentials(Kept::IdentityToken(token)));
        }
        let Some(auth) = given(&self.auth) else {
            return Some(Credentials(Kept::Password {
                user: self.username.clone().unwrap_or_default(),
                password: self.password.clone().unwrap_or_default(),
            }));
        };
        let decoded = Zeroizing::new(STANDARD.decode(auth.as_bytes()).ok()?);
        let (user, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
        // docker fills the end of old entries with NUL bytes.
        let password = password.trim_end_matches('\0');
        Some(Credentials::new(user, password))
    }
}

impl fmt::Debug for DockerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("DockerConfig");
        shown.field("name", &self.name).finish_non_exhaustive()
    }
}

impl Credentials {
    /// Credentials as given.
    pub fn new(user: impl Into<String>, password: impl Into<String>) -> Self {
        Self(Kept::Password {
            user: user.into(),
            password: Zeroizing::new(password.into()),
        })
    }

    /// What the docker config in the file `path` holds, as [`DockerConfig::credentials`]; nothing where there is no file.
    ///
    /// # Errors
    /// As [`DockerConfig::read`] and [`DockerConfig::credentials`].
    pub fn from_docker_config(
        path: &Path,
        host: &str,
        repository: &str,
    ) -> Result<Option<Self>, CredentialsError> {
        match DockerConfig::read(path)? {
            Some(config) => config.credentials(host, repository),
            None => Ok(None),
        }
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

    fn found(path: &Path, host: &str) -> Result<Option<Credentials>, CredentialsError> {
        Credentials::from_docker_config(path, host, "team/app")
    }

    #[test]
    fn a_docker_config_gives_what_it_holds_for_the_host() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.json");
        let check = |json: &str, host: &str, expect: Option<&str>| {
            std::fs::write(&path, json).unwrap();
            let held = found(&path, host).unwrap();
            assert_eq!(
                held.and_then(|c| c.basic()).as_deref().map(String::as_str),
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
        assert!(found(&dir.path().join("none"), "r").unwrap().is_none());
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
            let held = found(&path, "r").unwrap();
            let held = held.and_then(|mine| mine.basic());
            assert_eq!(held.as_deref().map(String::as_str), expect, "{json}");
        }
    }

    #[test]
    fn what_is_for_a_part_of_a_registry_goes_before_what_is_for_all_and_no_further() {
        let json = br#"{"auths":{
            "r":{"username":"all","password":"x"},
            "r/team":{"username":"team","password":"x"},
            "r/team/app":{"username":"app","password":"x"},
            "https://hub/v1/":{"username":"hub","password":"x"}}}"#;
        let config = DockerConfig::parse("it".into(), json).unwrap();
        for (host, repository, user) in [
            ("r", "other", "all"),
            ("r", "teams", "all"),
            ("r", "team", "team"),
            ("r", "team/other/app", "team"),
            ("r", "team/app", "app"),
            ("hub", "library/x", "hub"),
        ] {
            let held = config.credentials(host, repository).unwrap().unwrap();
            assert!(
                format!("{held:?}").contains(&format!("{user:?}")),
                "{repository}: {held:?}"
            );
        }
        let part = br#"{"auths":{"r/team":{"username":"team","password":"x"}}}"#;
        let part = DockerConfig::parse("it".into(), part).unwrap();
        assert!(part.credentials("r", "other").unwrap().is_none());
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
            let error = found(&path, "r").unwrap_err().to_string();
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
            let held = found(&path, "r").unwrap().unwrap();
            assert_eq!(held.identity_token(), Some("hidden"), "{json}");
            assert!(held.basic().is_none());
            assert!(!format!("{held:?}").contains("hidden"));
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
            let error = found(&path, "r").unwrap_err();
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    #[test]
    fn credentials_do_not_print_their_password() {
        let shown = format!("{:?}", Credentials::new("ann", "hunter2"));
        assert!(shown.contains("ann") && !shown.contains("hunter2"));
    }
}
