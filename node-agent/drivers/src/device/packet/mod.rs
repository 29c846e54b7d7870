//! Packets as this room speaks of them, whatever the version: rumqttc's own are read and written in `v5` and `v311`, and
//! nowhere else.
//!
//! What may not enter: streams, time, what an answer means.

mod closing;
mod frame;
mod v311;
mod v5;

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::{Publish, Qos, Version, refused::Refusal};

pub(super) use frame::{Fault, Frames};

/// Messages of a broker that may wait for the end of their exchange at once, by MQTT 5.
pub(super) const RECEIVE_MAXIMUM: u16 = 1024;

/// What a broker says.
#[derive(Debug)]
pub(super) enum Incoming {
    Connected(Result<Accepted, Refusal>),
    Publish {
        head: Head,
        payload: Bytes,
    },
    /// A publish that is larger than a packet may be, and is passed over.
    TooLarge {
        head: Head,
        size: u64,
    },
    Acked {
        pkid: u16,
        refused: Option<Refusal>,
    },
    Received {
        pkid: u16,
        refused: Option<Refusal>,
    },
    Release {
        pkid: u16,
    },
    Completed {
        pkid: u16,
        refused: Option<Refusal>,
    },
    /// One answer for each filter.
    Subscribed {
        pkid: u16,
        refused: Vec<Option<Refusal>>,
    },
    Unsubscribed {
        pkid: u16,
    },
    Pong,
    /// Why the broker ends the connection.
    Closing(&'static str),
}

/// What a connection that was taken offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Accepted {
    pub session_present: bool,
    /// Publishes under way at once.
    pub receive_maximum: u16,
    pub maximum_qos: Qos,
    pub retains: bool,
    /// In bytes, of a packet.
    pub max_packet: u32,
    /// In seconds, in the place of what was asked for.
    pub keep_alive: Option<u16>,
}

/// A publish without its payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub topic: String,
    pub qos: Qos,
    /// Zero where the publish has none.
    pub pkid: u16,
    pub retained: bool,
}

/// What is said to a broker.
pub(super) enum Outgoing<'a> {
    Connect(Hello<'a>),
    Publish {
        pkid: u16,
        publish: &'a Publish,
    },
    Acked(u16),
    Received(u16),
    Release(u16),
    Completed(u16),
    Subscribe {
        pkid: u16,
        filters: &'a [(Arc<str>, Qos)],
    },
    Unsubscribe {
        pkid: u16,
        filters: &'a [Arc<str>],
    },
    Ping,
}

/// Who connects. The password is wiped by whoever keeps the bytes.
#[derive(Clone, Copy)]
pub(super) struct Hello<'a> {
    pub client_id: &'a str,
    pub username: Option<&'a str>,
    pub password: Option<&'a str>,
    /// In seconds.
    pub keep_alive: u16,
    pub max_packet: u32,
}

/// Why a packet is not written; nothing of it is.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unwritten {
    #[error("a packet of {size} bytes is more than the {most} that one may have")]
    TooLarge { size: usize, most: u32 },
    #[error("{0}")]
    Other(String),
}

/// Appends a packet of at most `most` bytes to `out`.
pub(super) fn write(
    version: Version,
    packet: &Outgoing<'_>,
    most: u32,
    out: &mut BytesMut,
) -> Result<(), Unwritten> {
    let before = out.len();
    let written = match version {
        Version::V5 => v5::write(packet, most, out),
        Version::V311 => v311::write(packet, most, out),
    };
    if written.is_err() {
        out.truncate(before);
    }
    written
}
