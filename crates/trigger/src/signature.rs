//! Who sent a delivery: the HMAC-SHA256 of one of the hook's secrets, in the form that its sender has.
//!
//! | form | headers | signed | the same delivery again |
//! |---|---|---|---|
//! | standard | `webhook-id`, `webhook-timestamp`, `webhook-signature` | id, time, body | has the same id |
//! | github | `x-hub-signature-256` | body | has the same body: the id in `x-github-delivery` is signed by nobody |
//! | stripe | `stripe-signature` | time, body | has the same `id` in its body |

use aion_abi::date::UnixMillis;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

/// How far a delivery's time may be from now, either way, in milliseconds.
pub const WINDOW_MS: u64 = 5 * 60_000;
/// Signatures of one delivery that are looked at: a sender that changes its secret sends two.
const SIGNATURES: usize = 8;
/// Secrets that a hook has at most: as many are tried of each.
const KEYS: usize = 2;
/// The longest id, in bytes.
const ID: usize = 256;
/// What a secret of the standard begins with.
const STANDARD_SECRET: &str = "whsec_";

/// In which form deliveries are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Standard Webhooks.
    Standard,
    /// GitHub's.
    Github,
    /// Stripe's.
    Stripe,
}

/// Why a delivery does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unverified {
    /// None of the secrets signed it.
    #[error("it is signed with none of the hook's secrets")]
    Unsigned,
    /// It is signed, and of another time.
    #[error("it was signed more than five minutes ago, or ahead")]
    Stale,
}

/// A delivery as it came.
#[derive(Debug, Clone, Copy)]
struct Sent<'a> {
    /// What names it.
    id: &'a str,
    /// When, in seconds since 1970, where that is signed.
    at: Option<&'a str>,
    body: &'a [u8],
}

/// Whether one of `secrets` signed what came; gives the id by which it is known again. There is as much work without a
/// secret as with two, so that nobody learns by the time it takes whether there is such a hook.
///
/// # Errors
/// [`Unverified`].
pub fn verify<'a>(
    form: Form,
    header: impl Fn(&str) -> Option<&'a str>,
    body: &'a [u8],
    secrets: &[&str],
    now: UnixMillis,
) -> Result<String, Unverified> {
    let (sent, signatures) = read(form, &header, body);
    let mut signed = false;
    let nobodys = KEYS.saturating_sub(secrets.len());
    for secret in secrets.iter().chain(std::iter::repeat_n(&"", nobodys)) {
        let key = key(form, secret);
        let usable = key.is_some() && !secret.is_empty();
        let mac = mac(form, &key.unwrap_or_default(), sent);
        for signature in &signatures {
            signed |= mac.clone().verify_slice(signature).is_ok() && usable;
        }
    }
    if !signed || sent.id.is_empty() && form == Form::Standard || sent.id.len() > ID {
        return Err(Unverified::Unsigned);
    }
    if let Some(at) = sent.at {
        let at: u64 = at.parse().map_err(|_| Unverified::Stale)?;
        let at = UnixMillis(at.saturating_mul(1000));
        if now.since(at).max(at.since(now)) > WINDOW_MS {
            return Err(Unverified::Stale);
        }
    }
    Ok(known_by(form, sent))
}

/// What was sent, and its signatures.
fn read<'a>(
    form: Form,
    header: &impl Fn(&str) -> Option<&'a str>,
    body: &'a [u8],
) -> (Sent<'a>, Vec<Vec<u8>>) {
    let of = |name| header(name).unwrap_or_default();
    match form {
        Form::Standard => {
            let at = Some(of("webhook-timestamp"));
            let id = of("webhook-id");
            let listed = of("webhook-signature").split(' ').take(SIGNATURES);
            let listed = listed.filter_map(|one| STANDARD.decode(one.strip_prefix("v1,")?).ok());
            (Sent { id, at, body }, listed.collect())
        }
        Form::Github => {
            let listed = of("x-hub-signature-256").strip_prefix("sha256=");
            let listed = listed.and_then(|one| hex::decode(one).ok());
            let sent = Sent {
                id: "",
                at: None,
                body,
            };
            (sent, listed.into_iter().collect())
        }
        Form::Stripe => {
            let parts = || {
                of("stripe-signature")
                    .split(',')
                    .filter_map(|it| it.split_once('='))
            };
            let at = parts().find(|(name, _)| *name == "t").map(|(_, at)| at);
            let listed = parts().filter(|(name, _)| *name == "v1").take(SIGNATURES);
            let listed = listed
                .filter_map(|(_, one)| hex::decode(one).ok())
                .collect();
            let sent = Sent {
                id: "",
                at: Some(at.unwrap_or_default()),
                body,
            };
            (sent, listed)
        }
    }
}

/// The key that a secret is; `None` where it is none.
fn key(form: Form, secret: &str) -> Option<Vec<u8>> {
    match form {
        Form::Standard => {
            let encoded = secret.strip_prefix(STANDARD_SECRET).unwrap_or(secret);
            STANDARD.decode(encoded).ok().filter(|key| !key.is_empty())
        }
        Form::Github | Form::Stripe => Some(secret.as_bytes().to_vec()),
    }
}

fn mac(form: Form, key: &[u8], sent: Sent<'_>) -> Hmac<Sha256> {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length");
    if form == Form::Standard {
        mac.update(sent.id.as_bytes());
        mac.update(b".");
    }
    if let Some(at) = sent.at {
        mac.update(at.as_bytes());
        mac.update(b".");
    }
    mac.update(sent.body);
    mac
}

/// By what a delivery is known when it comes again.
fn known_by(form: Form, sent: Sent<'_>) -> String {
    let of_body = || -> Option<String> {
        let body: serde_json::Value = serde_json::from_slice(sent.body).ok()?;
        Some(body["id"].as_str()?.to_owned())
    };
    let digest = match form {
        Form::Standard => Sha256::digest(sent.id),
        Form::Github => Sha256::digest(sent.body),
        Form::Stripe => match of_body() {
            Some(id) => Sha256::digest(id),
            None => Sha256::digest(sent.body),
        },
    };
    hex::encode(&digest[..16])
}

#[cfg(test)]
#[path = "signature_tests.rs"]
mod tests;
