//! The canonical request: the exact bytes that are signed.
//!
//! ```text
//! AION-HMAC-SHA256-V1
//! POST
//! /v1/memory/recall
//! 1767225600000            timestamp, ms
//! 42                       counter
//! k-7                      idempotency key, or an empty line
//! 5000                     deadline in ms, or an empty line
//! 9f86d0…                  lower-case hex SHA-256 of the body
//! ```
//! Lines are joined by one `\n`, with none at the end. No field can hold a newline:
//! a header value cannot, and the path is compared with the fixed table of syscalls.

use hmac::Mac;
use sha2::{Digest, Sha256};

use crate::{date::UnixMillis, syscall::Syscall};

/// The first line; names the scheme, so that a later one cannot be confused with it.
pub const SCHEME: &str = "AION-HMAC-SHA256-V1";

/// A request as its signer and its verifier see it. Borrowed: it is built on the hot path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CanonicalRequest<'a> {
    /// Upper-case HTTP method; the syscall protocol uses only `POST`.
    pub method: &'a str,
    /// The path without scheme, host or query, e.g. `/v1/sys/null`.
    pub path: &'a str,
    /// When it was signed, by the caller's wall clock.
    pub timestamp_ms: UnixMillis,
    /// The caller's counter.
    pub counter: u64,
    /// The idempotency key as sent, if any.
    pub idempotency_key: Option<&'a str>,
    /// The deadline in milliseconds as sent, if any.
    pub deadline_ms: Option<u64>,
    /// SHA-256 of the body's bytes.
    pub body_digest: [u8; 32],
}

impl CanonicalRequest<'_> {
    /// A call of `syscall` with neither an idempotency key nor a deadline.
    pub fn call(
        syscall: Syscall,
        timestamp_ms: UnixMillis,
        counter: u64,
        body_digest: [u8; 32],
    ) -> Self {
        Self {
            method: "POST",
            path: syscall.path(),
            timestamp_ms,
            counter,
            idempotency_key: None,
            deadline_ms: None,
            body_digest,
        }
    }

    /// Feeds the canonical bytes to `mac` without building them in memory.
    pub(crate) fn feed(&self, mac: &mut impl Mac) {
        let mut number = itoa::Buffer::new();
        mac.update(SCHEME.as_bytes());
        mac.update(b"\n");
        mac.update(self.method.as_bytes());
        mac.update(b"\n");
        mac.update(self.path.as_bytes());
        mac.update(b"\n");
        mac.update(number.format(self.timestamp_ms.0).as_bytes());
        mac.update(b"\n");
        mac.update(number.format(self.counter).as_bytes());
        mac.update(b"\n");
        mac.update(self.idempotency_key.unwrap_or_default().as_bytes());
        mac.update(b"\n");
        if let Some(deadline) = self.deadline_ms {
            mac.update(number.format(deadline).as_bytes());
        }
        mac.update(b"\n");
        let mut digest = [0u8; 64];
        // The buffer is exactly twice the digest, the only length this call refuses.
        let _ = hex::encode_to_slice(self.body_digest, &mut digest);
        mac.update(&digest);
    }
}

/// SHA-256 of a body.
pub fn body_digest(body: &[u8]) -> [u8; 32] {
    Sha256::digest(body).into()
}
