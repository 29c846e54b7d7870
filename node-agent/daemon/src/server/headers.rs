//! The headers of a syscall: what must be there, in which form.

use aion_abi::{code::Code, date::UnixMillis, headers, problem::Problem};
use aion_kernel::IdempotencyKey;
use http::HeaderMap;

/// The longest idempotency key, in characters.
const MAX_KEY: usize = 64;

/// The signed headers, read but not verified.
#[derive(Debug)]
pub(super) struct Signed<'a> {
    pub(super) timestamp_ms: UnixMillis,
    pub(super) counter: u64,
    pub(super) key: Option<&'a str>,
    pub(super) deadline_ms: Option<u64>,
    pub(super) signature: &'a [u8],
}

impl<'a> Signed<'a> {
    /// Reads them, in one pass over all headers.
    ///
    /// # Errors
    /// The problem to answer with: `bad-signature` for what is missing, `bad-request` for what is not of
    /// its form.
    pub(super) fn read(map: &'a HeaderMap) -> Result<Self, Problem> {
        let [
            mut timestamp,
            mut counter,
            mut deadline,
            mut key,
            mut signature,
        ] = [None; 5];
        for (name, value) in map {
            let place = match name.as_str() {
                headers::TIMESTAMP => &mut timestamp,
                headers::COUNTER => &mut counter,
                headers::DEADLINE => &mut deadline,
                headers::IDEMPOTENCY_KEY => &mut key,
                headers::SIGNATURE => &mut signature,
                _ => continue,
            };
            if place.replace(value.as_bytes()).is_some() {
                return Err(repeated(name.as_str()));
            }
        }
        Ok(Self {
            timestamp_ms: UnixMillis(needed(
                number(timestamp, headers::TIMESTAMP)?,
                headers::TIMESTAMP,
            )?),
            counter: needed(number(counter, headers::COUNTER)?, headers::COUNTER)?,
            deadline_ms: number(deadline, headers::DEADLINE)?,
            key: idempotency_key(key)?,
            signature: needed(signature, headers::SIGNATURE)?,
        })
    }

    /// The key as the kernel takes it.
    pub(super) fn idempotency_key(&self) -> Option<IdempotencyKey> {
        self.key.and_then(IdempotencyKey::new)
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
fn number(text: Option<&[u8]>, name: &'static str) -> Result<Option<u64>, Problem> {
    let Some(text) = text else {
        return Ok(None);
    };
    let canonical = match text {
        [b'0'] => true,
        [first, ..] => (b'1'..=b'9').contains(first) && text.iter().all(u8::is_ascii_digit),
        [] => false,
    };
    std::str::from_utf8(text)
        .ok()
        .filter(|_| canonical)
        .and_then(|text| text.parse().ok())
        .map(Some)
        .ok_or_else(|| {
            Problem::new(
                Code::BadRequest,
                format!("header {name} is not a number in decimal digits"),
            )
        })
}

fn idempotency_key(text: Option<&[u8]>) -> Result<Option<&str>, Problem> {
    let Some(text) = text else {
        return Ok(None);
    };
    let fits = (1..=MAX_KEY).contains(&text.len()) && text.iter().all(u8::is_ascii_graphic);
    std::str::from_utf8(text)
        .ok()
        .filter(|_| fits)
        .map(Some)
        .ok_or_else(|| {
            Problem::new(
                Code::BadRequest,
                format!(
                    "header {} takes 1 to {MAX_KEY} visible ASCII characters",
                    headers::IDEMPOTENCY_KEY
                ),
            )
        })
}

fn needed<T>(value: Option<T>, name: &'static str) -> Result<T, Problem> {
    value.ok_or_else(|| Problem::new(Code::BadSignature, format!("header {name} is missing")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, value.parse().unwrap());
        }
        map
    }

    const GOOD: [(&str, &str); 3] = [
        (headers::TIMESTAMP, "1767225600000"),
        (headers::COUNTER, "7"),
        (headers::SIGNATURE, "ab"),
    ];

    #[test]
    fn the_smallest_set_is_read() {
        let map = headers(&GOOD);
        let signed = Signed::read(&map).unwrap();
        assert_eq!(
            (signed.timestamp_ms, signed.counter, signed.deadline_ms),
            (UnixMillis(1_767_225_600_000), 7, None)
        );
        assert!(signed.idempotency_key().is_none());
    }

    #[test]
    fn a_missing_header_is_named() {
        for (left_out, (name, _)) in GOOD.iter().enumerate() {
            let kept: Vec<_> = GOOD
                .iter()
                .enumerate()
                .filter(|(at, _)| *at != left_out)
                .map(|(_, pair)| *pair)
                .collect();
            let map = headers(&kept);
            let problem = Signed::read(&map).unwrap_err();
            assert_eq!(problem.code, Code::BadSignature);
            assert!(problem.detail.contains(name));
        }
    }

    #[test]
    fn what_is_not_of_its_form_is_a_bad_request() {
        for (name, value) in [
            (headers::COUNTER, "07"),
            (headers::COUNTER, "+7"),
            (headers::COUNTER, ""),
            (headers::COUNTER, "18446744073709551616"),
            (headers::DEADLINE, "5s"),
            (headers::IDEMPOTENCY_KEY, "with space"),
            (headers::IDEMPOTENCY_KEY, ""),
        ] {
            let mut map = headers(&GOOD);
            map.insert(name, value.parse().unwrap());
            let problem = Signed::read(&map).unwrap_err();
            assert_eq!(problem.code, Code::BadRequest, "{name}: {value:?}");
        }
        let mut map = headers(&GOOD);
        map.append(headers::COUNTER, "8".parse().unwrap());
        assert_eq!(Signed::read(&map).unwrap_err().code, Code::BadRequest);
    }
}
