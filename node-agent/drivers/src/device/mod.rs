//! Brokers of MQTT, and devices that are asked by [`http`]: how what devices say gets here, and what is said to them gets there.
//!
//! It knows brokers, topics and bytes. What may not enter: devices, properties, values, rights and guardrails; a retry of
//! anything that may have had an effect.
//!
//! **Nothing is published twice.** A publish ends with success when the broker has it. Where the connection is lost first,
//! it ends with `unreachable` if it was not written whole, since no broker acts on a part of a packet, and with
//! `outcome-unknown` if it was: nobody sends it again, neither this room nor, since every session starts clean, the broker.
//! While the connection is down, a publish is refused at once. What was said meanwhile is not heard; retained messages,
//! which come again with each subscription, are how a state is found again.
//!
//! **The broker is not trusted.** Every packet has a bound before it is kept, so have the publishes and subscriptions under
//! way, and every wait on the broker has a deadline. What breaks the protocol ends the connection by name, and the next
//! one is made after a back-off.

mod topic;

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
#[cfg(any(test, feature = "conformance"))]
mod fake;
pub mod http;
mod mqtt;
mod packet;
mod refused;

use std::{sync::Arc, time::Duration};

use aion_abi::problem::Problem;
use bytes::Bytes;
use futures::future::BoxFuture;

#[cfg(any(test, feature = "conformance"))]
pub use fake::FakeBroker;
pub use mqtt::MqttBrokers;
pub use topic::{MAX_TOPIC, filter_fault, matches, topic_fault};

use crate::outbound::Endpoint;

/// Publishes under way at once, on one connection; the next one is `overloaded`.
pub const MAX_PUBLISHES: usize = 256;
/// Filters that one connection subscribes to.
pub const MAX_FILTERS: usize = 131_072;
/// The least that [`Broker::max_packet`] is, in bytes: a topic and a little more.
pub const MIN_PACKET: u32 = 2 * 1024;
/// The most that [`Broker::max_packet`] is, in bytes.
pub const MAX_PACKET: u32 = 16 * 1024 * 1024;

/// A broker, as resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broker {
    /// `mqtt://host:port` or `mqtts://host:port`, of port 1883 or 8883 where none is said; its secret is the password.
    pub endpoint: Endpoint,
    /// The one authority whose certificates count, in PEM form, instead of the system's. For `mqtts` only.
    pub authority: Option<Arc<str>>,
    /// What is spoken.
    pub version: Version,
    /// The name of this client at the broker, which ends the older one of two connections with the same name.
    pub client_id: String,
    /// Who logs in; nobody, where there is none.
    pub username: Option<String>,
    /// The longest silence. Zero: the broker is not asked whether it is there, and an MQTT broker does not ask either.
    pub keep_alive: Duration,
    /// The largest packet either way, in bytes, from [`MIN_PACKET`] to [`MAX_PACKET`].
    pub max_packet: u32,
}

/// The protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// MQTT 5.0.
    V5,
    /// MQTT 3.1.1.
    V311,
}

/// How a message is handed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Qos {
    /// Once or not at all.
    AtMostOnce,
    /// Once or several times.
    AtLeastOnce,
    /// Once.
    ExactlyOnce,
}

/// What is to be said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publish {
    /// A topic without wildcards.
    pub topic: String,
    /// Any bytes.
    pub payload: Bytes,
    /// How it is handed to the broker, and at most how by it.
    pub qos: Qos,
    /// Whether the broker keeps it for who subscribes later.
    pub retain: bool,
}

/// What was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// A topic without wildcards and control characters; of any length that fits into a packet.
    pub topic: &'a str,
    /// Any bytes.
    pub payload: &'a [u8],
    /// Whether the broker kept it: it was said before the subscription.
    pub retained: bool,
}

/// How it is with the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// The broker took the connection, and is asked for everything that is wanted.
    Up,
    /// There is no connection.
    Down {
        /// Why it was lost or was not made.
        why: Problem,
        /// After which pause it is tried again.
        retry_in: Duration,
    },
}

/// What is heard of a broker. Called by the connection's task, one call at a time, in order: none of them may block.
pub trait Hearing: Send + Sync {
    /// A message to something that was subscribed. One of [`Qos::AtLeastOnce`] may come again, and one that several
    /// filters match may come for each.
    fn message(&self, message: Message<'_>);

    /// The connection is made, is lost, or was not made. The subscriptions need not be repeated.
    fn link(&self, link: LinkState);

    /// A subscription that is refused: by the broker, when it is asked again at the next connection, or because the
    /// filter is none.
    fn refused(&self, topic: &str, why: Problem);

    /// A message that is not handed on: larger than a packet may be, or to a topic with control characters. `topic` is
    /// as it was sent, `size` its bytes where they are too many.
    fn dropped(&self, _topic: &str, _size: Option<u64>, _why: Problem) {}
}

/// How brokers are reached.
pub trait BrokerDriver: Send + Sync {
    /// A connection that is made in the background, and made again whenever it is lost, until it is dropped; what is
    /// heard at that very moment may still be said. What is wrong with the broker is said by [`Hearing::link`]. Called
    /// within a runtime of tokio.
    fn open(&self, broker: Broker, hearing: Arc<dyn Hearing>) -> Box<dyn Connection>;
}

/// A broker that is connected to, or will be.
pub trait Connection: Send + Sync {
    /// Asks for these filters, too, now and after each reconnect. One that was asked for is asked for again: its
    /// retained messages come again.
    fn subscribe(&self, filters: Vec<(String, Qos)>);

    /// Asks for these filters no longer.
    fn unsubscribe(&self, filters: Vec<String>);

    /// Says it, and ends when the broker has it: when it is written ([`Qos::AtMostOnce`]) or acknowledged. There is no
    /// deadline but the caller's, who drops the future: what was not written then is never said.
    ///
    /// # Errors
    /// Nothing was done with `unreachable` (the broker is not connected to), `overloaded` ([`MAX_PUBLISHES`] are under
    /// way), `too-large` (more than the packets of [`Broker::max_packet`] or of the broker hold) and `bad-request` (not a
    /// topic, or what the broker does not offer). `denied` and `upstream-failed` are the broker's refusals, by MQTT 5
    /// alone. `outcome-unknown`: the connection was lost before the broker said that it has it.
    fn publish(&self, publish: Publish) -> BoxFuture<'_, Result<(), Problem>>;
}

#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod publish_tests;
#[cfg(test)]
mod scripted;
