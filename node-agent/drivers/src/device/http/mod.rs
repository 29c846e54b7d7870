//! Devices that are asked by HTTP: one question or one order, and what the device answered.
//!
//! It knows addresses, paths and bytes. What may not enter: devices, properties, values, rights and guardrails; when somebody is
//! asked; a second try of anything.
//!
//! **Nothing is sent twice.** Each request has a connection of its own, which ends with it: a connection that is kept is lost
//! without notice, and whoever finds that out by a request does not know whether it arrived. A request that was not written ends as
//! `unreachable`, one that was written and not answered well as `outcome-unknown`.
//!
//! **The device is not trusted.** An answer has a bound to its head, its body and its time. Redirects are not followed and
//! compressed answers not read: the first would lead elsewhere than what was judged, the second has no size.

mod answer;
mod client;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod credentials;
mod exchange;
#[cfg(any(test, feature = "conformance"))]
mod fake;

use std::{sync::Arc, time::Duration};

use aion_abi::problem::Problem;
use bytes::Bytes;
use futures::future::BoxFuture;

pub use answer::NotAnswered;
pub use client::HttpDevices;
#[cfg(any(test, feature = "conformance"))]
pub use fake::{Asked, FakeHttp, Reply, Scene};

use crate::{outbound::Endpoint, secrets::SecretRef};

/// The largest answer that is read, in bytes.
pub const MAX_ANSWER: usize = 64 * 1024;
/// Questions under way at once, a quarter of them to devices that did not answer twice in a row; as many orders beside them, a quarter of those of one namespace
/// at most, and a quarter more for safe states.
pub const MAX_AT_ONCE: usize = 64;
/// Of those, as many to one host and port.
pub const MAX_OF_HOST: usize = 4;

/// A device, as resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpDevice {
    /// `http://host:port` or `https://host:port`, and what stands before every path. It has no secret.
    pub endpoint: Endpoint,
    /// The authority whose certificates count, in PEM form, instead of the system's. For `https` only.
    pub authority: Option<SecretRef>,
    /// Headers of every request, by their names in lower case.
    pub headers: Vec<(String, Shown)>,
    /// Who asks, and where the password is.
    pub basic: Option<(String, SecretRef)>,
    /// Where the token is that is shown.
    pub bearer: Option<SecretRef>,
    /// How long an answer may take, all of it.
    pub timeout: Duration,
}

/// What a header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// This.
    Text(String),
    /// What a secret holds.
    Secret(SecretRef),
}

/// By what a device may say that nothing changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validators {
    /// The `ETag` of what it said last.
    pub etag: Option<String>,
    /// Its `Last-Modified`.
    pub last_modified: Option<String>,
}

/// What a device answered to a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// This.
    Said {
        /// Any bytes, [`MAX_ANSWER`] at most.
        body: Bytes,
        /// By what it can say the same again.
        validators: Validators,
    },
    /// What it said before.
    Same,
}

/// What is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// `GET`, `POST`, `PUT` or `PATCH`.
    pub method: &'static str,
    /// A path, and a query if there is one.
    pub path: String,
    /// What the payload is, where there is one.
    pub content_type: Option<String>,
    /// Any bytes.
    pub payload: Bytes,
    /// It is a part of a safe state, and waits for no order that is none.
    pub safe: bool,
}

/// How devices are asked.
pub trait HttpDriver: Send + Sync {
    /// Something that asks a device, and does nothing before it is asked to.
    fn open(&self, device: HttpDevice) -> Arc<dyn Asks>;
}

/// Asks one device.
pub trait Asks: Send + Sync {
    /// Asks once. Whoever drops it does no harm.
    ///
    /// # Errors
    /// Why there is no answer.
    fn get<'a>(
        &'a self,
        path: &'a str,
        known: &'a Validators,
    ) -> BoxFuture<'a, Result<Answer, NotAnswered>>;

    /// Tells it once, and ends when the device answered that it did it. `may` is asked right before: where it says no, nothing is
    /// sent. Whoever drops it does not know what came of it.
    ///
    /// # Errors
    /// Nothing was done with `unreachable` and `overloaded` (nothing was sent), `bad-request` (it cannot be sent) and
    /// `upstream-failed` (the device refused it). `outcome-unknown`: it was sent, and the answer did not come whole within that
    /// time, or says neither that it was done nor that it was not.
    fn tell<'a>(
        &'a self,
        order: Order,
        within: Duration,
        may: &'a (dyn Fn() -> bool + Sync),
    ) -> BoxFuture<'a, Result<Bytes, Problem>>;
}

#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod tests;
