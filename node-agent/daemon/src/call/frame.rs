//! The events of a `model.chat` as they stand on the wire.

use aion_abi::syscall::model::ChatEvent;
use bytes::{Bytes, BytesMut};

/// One event as it stands on the wire.
pub(crate) fn frame(event: &ChatEvent) -> Bytes {
    // Text, numbers and JSON values: there is always a JSON form.
    frame_of(&serde_json::to_vec(event).unwrap_or_default())
}

/// An event whose JSON is made already.
pub(crate) fn frame_of(json: &[u8]) -> Bytes {
    let mut bytes = BytesMut::with_capacity(json.len() + 8);
    bytes.extend_from_slice(b"data: ");
    bytes.extend_from_slice(json);
    bytes.extend_from_slice(b"\n\n");
    bytes.freeze()
}
