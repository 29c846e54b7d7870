//! Tokens of issuers that whoever owns the node trusts (OpenID Connect): who is behind one, and for which agents.
//!
//! A token is believed where its issuer, its audience, its time and its signature hold, the last by a key that the issuer serves and
//! an algorithm that is allowed by name. What may not enter: secrets that are shared with an issuer.

mod served;
mod settings;

use std::{path::Path, sync::Arc};

use aion_abi::{code::Code, date::UnixMillis, key, problem::Problem};
use jsonwebtoken::{
    Algorithm, DecodingKey, TokenData, Validation,
    dangerous::insecure_decode_claims,
    decode, decode_header,
    errors::{Error, ErrorKind},
    jwk::{AlgorithmParameters, Jwk, KeyAlgorithm, PublicKeyUse},
};
use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

pub(crate) use self::settings::SettingsError;
use self::{
    served::Served,
    settings::{Issuer, Rule},
};
use super::Holder;

/// The longest token, in bytes.
const LARGEST: usize = 16 << 10;
/// How far clocks may be apart, in seconds.
const LEEWAY: u64 = 60;
/// The longest name of whoever a token is of, in characters.
const NAME: usize = 200;

/// See the module. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Issuers(Arc<Vec<Trusted>>);

#[derive(Debug)]
struct Trusted {
    issuer: Issuer,
    served: Served,
}

/// What is read before anything is believed.
#[derive(Deserialize)]
struct Claimed {
    iss: String,
}

impl Issuers {
    /// Those of a file; there may be none. With `offline` no key is fetched from another machine.
    ///
    /// # Errors
    /// A file that is there and cannot be one.
    pub(crate) fn read(file: &Path, offline: bool) -> Result<Self, SettingsError> {
        let issuers = settings::read(file)?.into_iter();
        let trusted = issuers.map(|issuer| {
            let served = Served::of(&issuer, offline)?;
            Ok(Trusted { issuer, served })
        });
        Ok(Self(Arc::new(trusted.collect::<Result<_, _>>()?)))
    }

    /// Them, as they are told.
    pub(crate) fn told(&self) -> Vec<key::Issuer> {
        self.0.iter().map(|it| it.issuer.told()).collect()
    }

    /// Whether the text has the form of a token, and somebody's is believed here.
    pub(crate) fn know(&self, text: &str) -> bool {
        !self.0.is_empty() && text.starts_with("eyJ") && text.matches('.').count() == 2
    }

    /// Who is behind a token.
    ///
    /// # Errors
    /// It is not believed, is for nothing here, or the issuer's keys cannot be had.
    pub(crate) async fn holder(&self, token: &str) -> Result<Holder, Problem> {
        if token.len() > LARGEST {
            let what = format!("the token is longer than {LARGEST} bytes");
            return Err(
                Problem::new(Code::BadSignature, what).remedy("ask for one with fewer claims")
            );
        }
        let header = decode_header(token).map_err(|why| refused(&why))?;
        let Claimed { iss } = insecure_decode_claims(token).map_err(|why| refused(&why))?;
        let mut all = self.0.iter();
        let trusted = all.find(|it| it.issuer.issuer == iss).ok_or_else(|| {
            untrusted("the token is of an issuer that is not in config/issuers.yaml")
        })?;
        // Before anything is fetched for it.
        if !trusted.issuer.allows(header.alg) {
            return Err(untrusted(
                "the token is signed with an algorithm that is not allowed",
            ));
        }
        let kid = header.kid.as_deref();
        let kid =
            kid.ok_or_else(|| untrusted("the token does not say by which key it is signed"))?;
        let key = trusted.served.key(kid).await?;
        trusted.holder(token, header.alg, &key)
    }
}

impl Trusted {
    fn holder(&self, token: &str, algorithm: Algorithm, key: &Jwk) -> Result<Holder, Problem> {
        let claims = self.verified(token, algorithm, key)?;
        let subject = claims.get("sub").and_then(Value::as_str);
        let subject = subject.filter(|it| !it.is_empty());
        let subject = subject.ok_or_else(|| untrusted("the token does not say whose it is"))?;
        let mut rules = self.issuer.rules.iter();
        let rule = rules.find(|it| fits(it, &claims)).ok_or_else(|| {
            let what = "no rule of the issuer is for this token";
            Problem::new(Code::Denied, what)
                .remedy("add one to config/issuers.yaml, or give its owner the claim of one")
        })?;
        let issuer = &self.issuer.issuer;
        let digest = Sha256::digest(format!("{issuer}\n{subject}"));
        let shown = subject.chars().filter(|it| !it.is_control());
        let shown: String = shown.take(NAME).collect();
        Ok(Holder {
            id: format!("oidc-{}", hex::encode(&digest[..8])),
            name: format!("{shown} of {issuer}"),
            scope: rule.scope(),
            doors: rule.doors.clone(),
            may: rule.may.clone(),
            requests_per_minute: rule.requests_per_minute,
            tokens_per_hour: rule.tokens_per_hour,
            is_listed: false,
            expires: expires(&claims),
        })
    }

    /// What the token says, where it is believed.
    fn verified(
        &self,
        token: &str,
        algorithm: Algorithm,
        key: &Jwk,
    ) -> Result<Map<String, Value>, Problem> {
        let of_key = key.common.key_algorithm.as_ref();
        let is_for_this = of_key.is_none_or(|it| *it == KeyAlgorithm::from(algorithm));
        let signs = key.common.public_key_use.as_ref();
        let signs = signs.is_none_or(|it| *it == PublicKeyUse::Signature);
        // What an issuer serves everybody can read: a shared secret is none there.
        let is_public = !matches!(key.algorithm, AlgorithmParameters::OctetKey(_));
        if !is_for_this || !signs || !is_public {
            return Err(untrusted(
                "the key of the token is not one for its algorithm",
            ));
        }
        let key = DecodingKey::from_jwk(key).map_err(|why| refused(&why))?;
        let mut validation = Validation::new(algorithm);
        validation.leeway = LEEWAY;
        validation.validate_nbf = true;
        validation.set_audience(&[&self.issuer.audience]);
        validation.set_issuer(&[&self.issuer.issuer]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        let decoded: TokenData<Map<String, Value>> =
            decode(token, &key, &validation).map_err(|why| refused(&why))?;
        Ok(decoded.claims)
    }
}

/// When the token counts no more. It was verified that it says so.
fn expires(claims: &Map<String, Value>) -> UnixMillis {
    // Nothing lasts by what is not a whole number.
    let seconds = claims.get("exp").and_then(Value::as_u64);
    UnixMillis(seconds.unwrap_or_default().saturating_mul(1_000))
}

/// A claim that is a text, some texts, or, as `scope` is, words of one.
fn fits(rule: &Rule, claims: &Map<String, Value>) -> bool {
    match claims.get(&rule.claim) {
        Some(Value::String(text)) => {
            *text == rule.has || (rule.claim == "scope" && text.split(' ').any(|it| it == rule.has))
        }
        Some(Value::Array(all)) => all.iter().any(|it| it.as_str() == Some(&rule.has)),
        Some(Value::Bool(is)) => is.to_string() == rule.has,
        _ => false,
    }
}

fn untrusted(what: &str) -> Problem {
    Problem::new(Code::BadSignature, what)
        .remedy("log in again for a token of this node's audience")
}

/// In words that say nothing of the token.
fn refused(why: &Error) -> Problem {
    untrusted(match why.kind() {
        ErrorKind::ExpiredSignature => "the token has expired",
        ErrorKind::ImmatureSignature => "the token does not count yet",
        ErrorKind::InvalidAudience => "the token is for another audience",
        ErrorKind::InvalidIssuer => "the token is of another issuer",
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName => {
            "the token is signed with an algorithm that is not allowed"
        }
        ErrorKind::MissingRequiredClaim(_) => "the token lacks one of exp, iss, aud and sub",
        ErrorKind::InvalidSignature => "the signature of the token does not hold",
        _ => "the token cannot be read",
    })
}

#[cfg(test)]
#[path = "issuer_tests.rs"]
mod tests;
