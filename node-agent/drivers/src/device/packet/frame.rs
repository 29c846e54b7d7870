//! From bytes to packets: a packet is kept once its length is known to be within its bound, and read once it is whole.
//!
//! rumqttc's own codec would take a packet whose inside ends too early for one of which more is to come, after it took
//! the packet away. Here a packet is read alone: what is wrong with it is its own, and no other one is lost.

use std::io;

use bytes::{Buf, BytesMut};
use tokio_util::codec::Decoder;

use super::{Head, Incoming, v5, v311};
use crate::device::{Qos, Version};

const PUBLISH: u8 = 3;
const PUBREL: u8 = 6;
/// The longest number of bytes that says a length.
const LENGTH_BYTES: usize = 4;

/// What ends a stream.
#[derive(Debug, thiserror::Error)]
pub(in crate::device) enum Fault {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("a packet of type {kind} has {size} bytes, more than the {most} that one may have")]
    TooLarge { kind: u8, size: u64, most: u32 },
    #[error("a packet of type {kind} cannot be read: {why}")]
    Malformed { kind: u8, why: String },
}

/// Packets of a version, of at most so many bytes.
#[derive(Debug)]
pub(in crate::device) struct Frames {
    version: Version,
    most: u32,
    /// Bytes of a packet that is passed over.
    passed_over: u64,
}

impl Frames {
    pub(in crate::device) fn new(version: Version, most: u32) -> Self {
        Self {
            version,
            most,
            passed_over: 0,
        }
    }
}

impl Decoder for Frames {
    type Item = Incoming;
    type Error = Fault;

    fn decode(&mut self, bytes: &mut BytesMut) -> Result<Option<Incoming>, Fault> {
        if self.passed_over > 0 {
            let here = bytes
                .len()
                .min(usize::try_from(self.passed_over).unwrap_or(usize::MAX));
            bytes.advance(here);
            self.passed_over -= here as u64;
        }
        let Some(&first) = bytes.first() else {
            return Ok(None);
        };
        let (kind, flags) = (first >> 4, first & 0xf);
        let malformed = |why: String| Fault::Malformed { kind, why };
        // What is no MQTT is known by it, mostly, before anything is waited for.
        if kind != PUBLISH && flags != if kind == PUBREL { 2 } else { 0 } {
            return Err(malformed(format!("its flags are {flags:#06b}")));
        }
        let Some((begins, length)) = length(&bytes[1..]).map_err(malformed)? else {
            return Ok(None);
        };
        let begins = begins + 1;
        let size = begins as u64 + length;
        if size > u64::from(self.most) {
            if kind != PUBLISH {
                let most = self.most;
                return Err(Fault::TooLarge { kind, size, most });
            }
            let end = bytes.len().min(usize::try_from(size).unwrap_or(usize::MAX));
            let Some(head) = head(flags, &bytes[begins..end]).map_err(malformed)? else {
                // Topic and number are in the first 64 KiB.
                return Ok(None);
            };
            self.passed_over = size;
            return Ok(Some(Incoming::TooLarge { head, size }));
        }
        if (bytes.len() as u64) < size {
            return Ok(None);
        }
        let packet = bytes.split_to(begins + length as usize);
        let read = match self.version {
            Version::V5 => v5::read(kind, packet),
            Version::V311 => v311::read(kind, packet),
        };
        read.map(Some).map_err(malformed)
    }
}

/// How many bytes say how many follow, and how many those are; nothing where they are not all there.
fn length(bytes: &[u8]) -> Result<Option<(usize, u64)>, String> {
    let mut length = 0;
    for (at, byte) in bytes.iter().take(LENGTH_BYTES).enumerate() {
        length |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Ok(Some((at + 1, length)));
        }
    }
    match bytes.len() < LENGTH_BYTES {
        true => Ok(None),
        false => Err("its length has more than four bytes".to_owned()),
    }
}

/// The beginning of a publish, which is the same in all versions; nothing where it is not all there.
fn head(flags: u8, bytes: &[u8]) -> Result<Option<Head>, String> {
    let qos = match (flags >> 1) & 3 {
        0 => Qos::AtMostOnce,
        1 => Qos::AtLeastOnce,
        2 => Qos::ExactlyOnce,
        _ => return Err("there is no such quality of service".to_owned()),
    };
    let Some((length, rest)) = bytes.split_first_chunk::<2>() else {
        return Ok(None);
    };
    let length = usize::from(u16::from_be_bytes(*length));
    let Some((topic, rest)) = rest.split_at_checked(length) else {
        return Ok(None);
    };
    let topic = checked_topic(topic)?;
    let pkid = match (qos, rest.first_chunk::<2>()) {
        (Qos::AtMostOnce, _) => 0,
        (_, None) => return Ok(None),
        (_, Some(pkid)) => checked_pkid(u16::from_be_bytes(*pkid))?,
    };
    Ok(Some(Head {
        topic,
        qos,
        pkid,
        retained: flags & 1 == 1,
    }))
}

/// The topic of a publish. What no broker passes on ends the connection; other control characters may be a device's.
pub(super) fn checked_topic(topic: &[u8]) -> Result<String, String> {
    let topic = std::str::from_utf8(topic).map_err(|_| "its topic is not UTF-8".to_owned())?;
    match () {
        () if topic.is_empty() => Err("it has no topic".to_owned()),
        () if topic.contains(['+', '#']) => Err("its topic has a wildcard".to_owned()),
        () if topic.contains('\0') => Err("its topic has a null character".to_owned()),
        () => Ok(topic.to_owned()),
    }
}

pub(super) fn checked_pkid(pkid: u16) -> Result<u16, String> {
    match pkid {
        0 => Err("its number is zero".to_owned()),
        _ => Ok(pkid),
    }
}

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;
