//! Headers of the syscall protocol: their names, the writing of those of a signed request, and their reading. Names are
//! lower case, as HTTP/2 and `http` want them. A type of an HTTP library may not enter: callers and servers have
//! different ones.

use crate::{
    canonical::CanonicalRequest, code::Code, date::UnixMillis, problem::Problem, signing::Key,
};

/// Milliseconds since the Unix epoch at which the caller signed the request.
pub const TIMESTAMP: &str = "aion-timestamp";
/// Strictly increasing per key, starting at 1; see [`crate::replay::Window`].
pub const COUNTER: &str = "aion-counter";
/// Lower-case hex HMAC-SHA256 of the canonical request.
pub const SIGNATURE: &str = "aion-signature";
/// Names an effect so that a retry gets the recorded outcome; 1–64 visible ASCII characters.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// How long the caller will wait, in milliseconds from the arrival of the call.
pub const DEADLINE: &str = "aion-deadline-ms";
/// In a response: the kernel's id of the call, for logs and `aionctl why`.
pub const CALL: &str = "aion-call";
/// In a response: `recorded` when the outcome is that of an earlier call with the same key.
pub const OUTCOME: &str = "aion-outcome";

/// The longest idempotency key, in characters.
pub const MAX_IDEMPOTENCY_KEY: usize = 64;

/// The headers of `request`, signed with `key`.
pub fn sign(key: &Key, request: &CanonicalRequest<'_>) -> Vec<(&'static str, String)> {
    let mut headers = vec![
        (TIMESTAMP, request.timestamp_ms.0.to_string()),
        (COUNTER, request.counter.to_string()),
        (SIGNATURE, key.sign(request)),
    ];
    headers.extend(
        request
            .idempotency_key
            .map(|it| (IDEMPOTENCY_KEY, it.to_owned())),
    );
    headers.extend(request.deadline_ms.map(|it| (DEADLINE, it.to_string())));
    headers
}

/// The signed headers of a request, read but not verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signed<'a> {
    /// When it was signed, by the caller's clock.
    pub timestamp_ms: UnixMillis,
    /// The caller's counter.
    pub counter: u64,
    /// The idempotency key, if any.
    pub idempotency_key: Option<&'a str>,
    /// How long the caller waits, if it says so.
    pub deadline_ms: Option<u64>,
    /// The signature.
    pub signature: &'a [u8],
}

impl<'a> Signed<'a> {
    /// Reads them in one pass over `headers`, names in lower case.
    ///
    /// # Errors
    /// The problem to answer with: `bad-signature` for what is missing, `bad-request` for what is not of
    /// its form.
    pub fn read(headers: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Result<Self, Problem> {
        let [
            mut timestamp,
            mut counter,
            mut deadline,
            mut idempotency_key,
            mut signature,
        ] = [None; 5];
        for (name, value) in headers {
            let place = match name {
                TIMESTAMP => &mut timestamp,
                COUNTER => &mut counter,
                DEADLINE => &mut deadline,
                IDEMPOTENCY_KEY => &mut idempotency_key,
                SIGNATURE => &mut signature,
                _ => continue,
            };
            if place.replace(value).is_some() {
                return Err(repeated(name));
            }
        }
        let needed = |name, value: Option<&'a [u8]>| value.ok_or_else(|| missing(name));
        Ok(Self {
            timestamp_ms: UnixMillis(number(TIMESTAMP, needed(TIMESTAMP, timestamp)?)?),
            counter: number(COUNTER, needed(COUNTER, counter)?)?,
            deadline_ms: deadline.map(|text| number(DEADLINE, text)).transpose()?,
            idempotency_key: idempotency_key.map(key).transpose()?,
            signature: needed(SIGNATURE, signature)?,
        })
    }

    /// The request that these headers came with, as its signature covers it.
    pub fn request(&self, path: &'a str, body_digest: [u8; 32]) -> CanonicalRequest<'a> {
        CanonicalRequest {
            method: "POST",
            path,
            timestamp_ms: self.timestamp_ms,
            counter: self.counter,
            idempotency_key: self.idempotency_key,
            deadline_ms: self.deadline_ms,
            body_digest,
        }
    }
}

/// A repeated header would let two readers see two requests.
fn repeated(name: &str) -> Problem {
    Problem::new(
        Code::BadRequest,
        format!("header {name} is there more than once"),
    )
}

/// A number in plain decimal digits, as the signature covers it.
fn number(name: &str, text: &[u8]) -> Result<u64, Problem> {
    let canonical = match text {
        [b'0'] => true,
        [first, ..] => (b'1'..=b'9').contains(first) && text.iter().all(u8::is_ascii_digit),
        [] => false,
    };
    std::str::from_utf8(text)
        .ok()
        .filter(|_| canonical)
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| {
            Problem::new(
                Code::BadRequest,
                format!("header {name} is not a number in decimal digits"),
            )
        })
}

fn key(text: &[u8]) -> Result<&str, Problem> {
    let length = 1..=MAX_IDEMPOTENCY_KEY;
    let fits = length.contains(&text.len()) && text.iter().all(u8::is_ascii_graphic);
    std::str::from_utf8(text)
        .ok()
        .filter(|_| fits)
        .ok_or_else(|| {
            Problem::new(
                Code::BadRequest,
                format!(
                    "header {IDEMPOTENCY_KEY} takes 1 to {MAX_IDEMPOTENCY_KEY} visible ASCII characters"
                ),
            )
        })
}

fn missing(name: &str) -> Problem {
    Problem::new(Code::BadSignature, format!("header {name} is missing"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{canonical::body_digest, signing::NodeSecret, syscall::Syscall};

    fn read<'a>(headers: &'a [(&'static str, String)]) -> Result<Signed<'a>, Problem> {
        Signed::read(
            headers
                .iter()
                .map(|(name, value)| (*name, value.as_bytes())),
        )
    }

    fn good() -> Vec<(&'static str, String)> {
        let pairs = [
            (TIMESTAMP, "1767225600000"),
            (COUNTER, "7"),
            (SIGNATURE, "ab"),
        ];
        pairs.map(|(name, value)| (name, value.to_owned())).into()
    }

    #[test]
    fn what_is_signed_is_read_as_it_was() {
        let key = NodeSecret::new([7; 32]).derive("uid-a", 3);
        let digest = body_digest(b"{}");
        let least = CanonicalRequest::call(Syscall::SysNull, UnixMillis(5), 1, digest);
        let most = CanonicalRequest {
            idempotency_key: Some("k-7"),
            deadline_ms: Some(5_000),
            ..least
        };
        for request in [least, most] {
            let headers = sign(&key, &request);
            let signed = read(&headers).unwrap();
            assert_eq!(signed.request(Syscall::SysNull.path(), digest), request);
            key.verify(&request, signed.signature).unwrap();
        }
    }

    #[test]
    fn the_smallest_set_is_read() {
        let headers = good();
        let signed = read(&headers).unwrap();
        assert_eq!(
            (signed.timestamp_ms, signed.counter, signed.deadline_ms),
            (UnixMillis(1_767_225_600_000), 7, None)
        );
        assert!(signed.idempotency_key.is_none());
    }

    #[test]
    fn a_missing_header_is_named() {
        for left_out in 0..3 {
            let mut kept = good();
            let (name, _) = kept.remove(left_out);
            let problem = read(&kept).unwrap_err();
            assert_eq!(problem.code, Code::BadSignature);
            assert!(problem.detail.contains(name));
        }
    }

    #[test]
    fn what_is_not_of_its_form_is_a_bad_request() {
        let long = "k".repeat(MAX_IDEMPOTENCY_KEY + 1);
        for (name, value) in [
            (COUNTER, "07"),
            (COUNTER, "+7"),
            (COUNTER, ""),
            (COUNTER, "18446744073709551616"),
            (DEADLINE, "5s"),
            (IDEMPOTENCY_KEY, "with space"),
            (IDEMPOTENCY_KEY, ""),
            (IDEMPOTENCY_KEY, &long),
        ] {
            let mut headers = good();
            headers.retain(|(it, _)| *it != name);
            headers.push((name, value.to_owned()));
            let problem = read(&headers).unwrap_err();
            assert_eq!(problem.code, Code::BadRequest, "{name}: {value:?}");
        }
        let mut twice = good();
        twice.push((COUNTER, "8".to_owned()));
        assert_eq!(read(&twice).unwrap_err().code, Code::BadRequest);
    }
}
