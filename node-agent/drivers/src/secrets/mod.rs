//! Keys of endpoints, by reference: a name and a key in, the value out, for as long as one call needs it.
//!
//! What may not enter: caching on disk, the environment, a value in a log or an error.

mod folder;
#[cfg(feature = "kubernetes")]
mod kubernetes;
mod written;

use std::{fmt, sync::OnceLock};

use aion_abi::{code::Code, problem::Problem, tenant::Tenant};
use futures::future::BoxFuture;
use zeroize::Zeroizing;

use written::Forms;

pub use folder::SecretFolder;
#[cfg(feature = "kubernetes")]
pub use kubernetes::ClusterSecrets;

/// The longest value, in bytes.
pub const MAX_SECRET: usize = 64 * 1024;

/// A key of a Secret, by name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SecretRef {
    /// The Secret: an object of the tenant's namespace, or a folder under `config/secrets`.
    pub secret: String,
    /// The key within it.
    pub key: String,
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.secret, self.key)
    }
}

/// A value. Shows itself to nobody; wiped when dropped.
#[derive(Clone)]
pub struct Secret {
    value: Zeroizing<String>,
    /// How it may be written, once that is asked.
    forms: OnceLock<Forms>,
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl Eq for Secret {}

impl Secret {
    /// Keeps `value`, without the line end that an editor leaves behind.
    pub fn new(value: String) -> Self {
        let mut value = Zeroizing::new(value);
        let length = value.trim_end_matches(['\r', '\n']).len();
        value.truncate(length);
        let forms = OnceLock::new();
        Self { value, forms }
    }

    /// The same, if it can be sent as a bearer token.
    fn sent(self, reference: &SecretRef) -> Result<Self, SecretError> {
        match self.value.chars().any(char::is_control) {
            false => Ok(self),
            true => Err(SecretError::Unfit {
                reference: reference.clone(),
                why: "it has several lines, or characters that no key has",
            }),
        }
    }

    /// The value, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.value
    }

    /// `text` with the value struck out, for text that somebody else wrote and that may repeat it: as it is, escaped
    /// or encoded, and the beginning of it where the text was cut.
    pub fn redact(&self, text: &str) -> String {
        self.forms
            .get_or_init(|| Forms::of(&self.value))
            .redact(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Why a secret could not be had. Names where it should be, never what it holds.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// It is not there.
    #[error("secret {0} does not exist")]
    Missing(SecretRef),
    /// It is there and must not be used as it is.
    #[error("secret {reference} is not used: {why}")]
    Unfit {
        /// Which.
        reference: SecretRef,
        /// What is wrong with it.
        why: &'static str,
    },
    /// It is root's alone, or another user's.
    #[error("secret {reference} may not be read by the node's user")]
    Closed {
        /// Which.
        reference: SecretRef,
        /// The group of the node's user.
        group: String,
    },
    /// It could not be read.
    #[error("secret {reference} cannot be read: {why}")]
    Unreadable {
        /// Which.
        reference: SecretRef,
        /// What the system said.
        why: String,
    },
}

impl From<SecretError> for Problem {
    fn from(error: SecretError) -> Self {
        let (code, remedy) = match &error {
            SecretError::Missing(reference) => (
                Code::NotFound,
                format!(
                    "put the value into config/secrets/{reference} of the node's home with mode 0600, or make a Secret of that name in the namespace"
                ),
            ),
            SecretError::Unfit { reference, .. } => (
                Code::Denied,
                format!(
                    "make config/secrets/{reference} a regular file of the node's user with mode 0600, and one line of text"
                ),
            ),
            SecretError::Closed { reference, group } => (
                Code::Denied,
                format!(
                    "as root: chgrp {group} config/secrets/{reference} && chmod 640 config/secrets/{reference}, and let it enter the folder"
                ),
            ),
            SecretError::Unreadable { .. } => (
                Code::Internal,
                "let the node read the secret, then try again".to_owned(),
            ),
        };
        Problem::new(code, error.to_string()).remedy(remedy)
    }
}

/// Where secrets come from.
pub trait Secrets: Send + Sync {
    /// The text of `reference` for `tenant`, as it is kept.
    ///
    /// # Errors
    /// [`SecretError`].
    fn text<'a>(
        &'a self,
        tenant: &'a Tenant,
        reference: &'a SecretRef,
    ) -> BoxFuture<'a, Result<Secret, SecretError>>;

    /// The value of `reference` for `tenant`, to be sent as a bearer token.
    ///
    /// # Errors
    /// [`SecretError`]; [`SecretError::Unfit`] for more than one line, and for what is not text.
    fn read<'a>(
        &'a self,
        tenant: &'a Tenant,
        reference: &'a SecretRef,
    ) -> BoxFuture<'a, Result<Secret, SecretError>> {
        Box::pin(async move { self.text(tenant, reference).await?.sent(reference) })
    }
}

/// Secrets that a test holds, by `tenant/secret/key`.
#[cfg(any(test, feature = "conformance"))]
#[derive(Default)]
pub struct HeldSecrets(pub std::collections::HashMap<String, String>);

#[cfg(any(test, feature = "conformance"))]
impl Secrets for HeldSecrets {
    fn text<'a>(
        &'a self,
        tenant: &'a Tenant,
        reference: &'a SecretRef,
    ) -> BoxFuture<'a, Result<Secret, SecretError>> {
        let held = self.0.get(&format!("{tenant}/{reference}")).cloned();
        Box::pin(async move {
            held.map(Secret::new)
                .ok_or_else(|| SecretError::Missing(reference.clone()))
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used)]

    use super::*;

    #[test]
    fn a_secret_shows_itself_to_nobody_and_loses_its_line_end() {
        let secret = Secret::new("hunter2\r\n".into());
        assert_eq!(secret.expose(), "hunter2");
        assert!(!format!("{secret:?}").contains("hunter2"));
        assert_eq!(secret.redact("bad key hunter2!"), "bad key [secret]!");
        assert_eq!(Secret::new("\n".into()).redact("a"), "a");
    }

    #[test]
    fn a_secret_that_cannot_be_sent_is_refused_by_name_and_not_as_a_fault_of_the_node() {
        let reference = SecretRef {
            secret: "openai".into(),
            key: "key".into(),
        };
        for value in ["hunter2\n# the old one", "hun\u{0}ter2"] {
            let refused = Secret::new(value.to_owned()).sent(&reference);
            let refused = refused.map_err(Problem::from);
            let problem = refused.expect_err(value);
            assert_eq!(problem.code, Code::Denied);
            assert!(problem.detail.contains("openai/key"), "{problem}");
            assert!(!problem.detail.contains("hun"), "{problem}");
        }
        assert!(Secret::new("hunter2\r\n".into()).sent(&reference).is_ok());
    }
}
