//! Requests signed beforehand, as they go over the wire.

use std::sync::Arc;
use std::time::SystemTime;

use aion_abi::canonical::{CanonicalRequest, body_digest};
use aion_abi::date::UnixMillis;
use aion_abi::headers;
use aion_abi::signing::Key;
use aion_abi::syscall::Syscall;
use anyhow::Result;

use crate::load::Requests;

/// So many `sys.null` requests with a body of `body` bytes, in the order of their counters; these start
/// after `*counter` and leave it at the last one used, so that no request is a replay.
pub(crate) fn null_requests(
    key: &Key,
    counter: &mut u64,
    count: usize,
    body: usize,
) -> Result<Requests> {
    let body = vec![b'x'; body];
    let digest = body_digest(&body);
    #[expect(clippy::disallowed_methods, reason = "the date of a signature")]
    let timestamp_ms = UnixMillis::from(SystemTime::now());
    let path = Syscall::SysNull.path();
    let mut requests = Vec::with_capacity(count);
    for _ in 0..count {
        *counter += 1;
        let canonical = CanonicalRequest::call(Syscall::SysNull, timestamp_ms, *counter, digest);
        let mut wire = format!("POST {path} HTTP/1.1\r\nhost: aion\r\n");
        for (name, value) in headers::sign(key, &canonical) {
            wire += &format!("{name}: {value}\r\n");
        }
        wire += &format!(
            "content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let mut wire = wire.into_bytes();
        wire.extend_from_slice(&body);
        requests.push(wire);
    }
    Ok(Arc::new(requests))
}
