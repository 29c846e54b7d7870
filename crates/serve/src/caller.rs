//! Who asks, as the headers of a request say it.

use aion_abi::{code::Code, problem::Problem};
use axum::http::{HeaderMap, header};
use subtle::ConstantTimeEq as _;

/// The bearer token (RFC 6750), where there is one.
#[must_use]
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    value.strip_prefix("Bearer ")
}

/// Whether the bearer token is `token`; how much of it is right does not show in the time.
#[must_use]
pub fn bears(headers: &HeaderMap, token: &str) -> bool {
    let given = bearer(headers).unwrap_or_default();
    given.as_bytes().ct_eq(token.as_bytes()).into()
}

/// Whether a request means this machine, and comes of no page of another: a browser sends whoever's page it shows to
/// loopback, too, and a name that is made to lead here (DNS rebinding) stays in the header.
///
/// # Errors
/// A header names another machine.
pub fn of_this_machine(headers: &HeaderMap) -> Result<(), Problem> {
    for name in [header::HOST, header::ORIGIN] {
        for value in headers.get_all(&name) {
            if !value.to_str().is_ok_and(is_loopback) {
                let what = format!("header {name} names another machine");
                return Err(Problem::new(Code::Denied, what)
                    .remedy("ask at http://127.0.0.1 or http://localhost"));
            }
        }
    }
    Ok(())
}

fn is_loopback(authority: &str) -> bool {
    let authority = authority
        .strip_prefix("http://")
        .or_else(|| authority.strip_prefix("https://"))
        .unwrap_or(authority);
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn a_token_counts_only_on_this_machine() {
        let check = |headers: &[(&'static str, &'static str)]| {
            let headers: HeaderMap = headers
                .iter()
                .map(|(name, value)| {
                    (
                        HeaderName::from_static(name),
                        HeaderValue::from_static(value),
                    )
                })
                .collect();
            of_this_machine(&headers).is_ok() && bears(&headers, "secret")
        };
        let good = ("authorization", "Bearer secret");
        assert!(check(&[("host", "127.0.0.1:8080"), good]));
        assert!(check(&[("host", "[::1]:8080"), good]));
        assert!(check(&[
            ("host", "localhost"),
            ("origin", "http://localhost:3000"),
            good
        ]));
        assert!(!check(&[
            ("host", "localhost"),
            ("origin", "https://evil.example"),
            good
        ]));
        assert!(!check(&[("host", "evil.example"), good]));
        assert!(!check(&[
            ("host", "localhost"),
            ("authorization", "Bearer secrets")
        ]));
        assert!(!check(&[("host", "localhost")]));
    }
}
