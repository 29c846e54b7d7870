//! Identities: signers without a key of their own, by who vouches for them and what they are called there.

use std::{fmt, sync::Arc};

use crate::{
    artifact::{
        digest::Digest,
        name::{BundleName, wildcard},
    },
    trust::{root::TrustRoot, scope::Scope, set::TrustError},
};

/// The longest issuer or subject, in bytes.
const MAX_TEXT: usize = 1024;

/// Whoever an issuer knows by a name that matches, and what they are trusted for.
#[derive(Clone, Debug)]
pub struct TrustedIdentity {
    name: String,
    matcher: IdentityPattern,
    root: Arc<TrustRoot>,
    scope: Scope,
}

/// An issuer and a subject, in both of which `*` stands for any run of characters.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IdentityPattern {
    issuer: String,
    subject: String,
}

impl IdentityPattern {
    /// The pattern. Whose host is a pattern, or whose subject names nobody, is refused: it would let in whom nobody
    /// knows.
    pub fn new(issuer: &str, subject: &str) -> Result<Self, String> {
        if issuer.len() > MAX_TEXT || subject.len() > MAX_TEXT {
            return Err(format!(
                "an issuer and a subject have at most {MAX_TEXT} bytes"
            ));
        }
        let host = issuer.strip_prefix("https://").unwrap_or_default();
        let host = host.split('/').next().unwrap_or_default();
        if host.is_empty() || host.contains('*') {
            return Err(format!(
                "the issuer `{issuer}` is not an `https://` address with a whole host; write the host out"
            ));
        }
        let named = subject.strip_prefix("https://").unwrap_or(subject);
        if !named.contains(|c: char| c.is_ascii_alphanumeric()) {
            return Err(format!(
                "the subject `{subject}` is everybody whom the issuer knows; say whom you mean, as in `*@example.com`"
            ));
        }
        Ok(Self {
            issuer: issuer.to_owned(),
            subject: subject.to_owned(),
        })
    }

    /// Whether both match from their first to their last character.
    pub(crate) fn matches(&self, issuer: &str, subject: &str) -> bool {
        wildcard(&self.issuer, issuer) && wildcard(&self.subject, subject)
    }
}

impl fmt::Display for IdentityPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.subject, self.issuer)
    }
}

impl TrustedIdentity {
    /// An identity as a TrustPolicy has it: for bundles whose names match one of `bundles`, or any where there is none;
    /// and for `digests` alone, where there are some.
    pub fn of_policy(
        name: &str,
        issuer: &str,
        subject: &str,
        root: Arc<TrustRoot>,
        bundles: &[String],
        digests: &[String],
    ) -> Result<Self, TrustError> {
        let matcher =
            IdentityPattern::new(issuer, subject).map_err(|why| TrustError::Identity {
                name: name.to_owned(),
                why,
            })?;
        let scope = Scope::of_policy(false, bundles, digests).map_err(|why| TrustError::Scope {
            name: name.to_owned(),
            why,
        })?;
        Ok(Self {
            name: name.to_owned(),
            matcher,
            root,
            scope,
        })
    }

    /// The name of the identity.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn root(&self) -> &Arc<TrustRoot> {
        &self.root
    }

    pub(crate) fn matches(&self, issuer: &str, subject: &str) -> bool {
        self.matcher.matches(issuer, subject)
    }

    pub(crate) fn covers(&self, name: &BundleName, digest: &Digest) -> bool {
        self.scope.covers(name, digest)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_pattern_matches_whole_issuers_and_whole_subjects() {
        let check = |issuer: &str, subject: &str, expect: bool| {
            let pattern =
                IdentityPattern::new("https://a.example/*", "https://b.example/x/*@v1").unwrap();
            assert_eq!(
                pattern.matches(issuer, subject),
                expect,
                "{issuer} {subject}"
            );
        };
        check("https://a.example/realm", "https://b.example/x/y@v1", true);
        check("https://a.example/", "https://b.example/x/@v1", true);
        check(
            "https://a.example/realm",
            "https://b.example/x/y@v1-evil",
            false,
        );
        check(
            "https://a.example/realm",
            "evil https://b.example/x/y@v1",
            false,
        );
        check("https://a.example.evil/", "https://b.example/x/y@v1", false);
        let exact = IdentityPattern::new("https://a.example", "me@a.example").unwrap();
        assert!(exact.matches("https://a.example", "me@a.example"));
        assert!(!exact.matches("https://a.example", "me@a.example.evil"));
        assert!(!exact.matches("https://a.example/", "me@a.example"));
    }

    #[test]
    fn what_would_let_in_whom_nobody_knows_is_no_pattern() {
        for (issuer, subject) in [
            ("*", "me@a.example"),
            ("https://*", "me@a.example"),
            ("https://*.example/x", "me@a.example"),
            ("http://a.example", "me@a.example"),
            ("https:///x", "me@a.example"),
            ("https://a.example", ""),
            ("https://a.example", "*"),
            ("https://a.example", "**"),
            ("https://a.example", "*@*"),
            ("https://a.example", "*.*"),
            ("https://a.example", "https://*"),
            ("https://a.example", "https://*/*"),
            ("a.example", "me@a.example"),
        ] {
            assert!(
                IdentityPattern::new(issuer, subject).is_err(),
                "{issuer} {subject}"
            );
        }
        assert!(IdentityPattern::new("https://a.example", &"a".repeat(MAX_TEXT + 1)).is_err());
    }
}
