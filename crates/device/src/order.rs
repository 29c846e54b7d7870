//! A message that has a device do something, and by what is known that it did.

use aion_abi::syscall::device::Value;
use aion_api::{Delivery, HttpMethod};

/// What is sent to a device. It is never retained: a broker would give it to a device that comes back days later.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    /// The topic, or the path.
    pub topic: String,
    /// The payload.
    pub payload: Vec<u8>,
    /// How it is carried.
    pub how: How,
    /// By what is known that it was done.
    pub confirm: Confirm,
    /// Milliseconds until then; after that the outcome is unknown.
    pub confirm_ms: u64,
    /// Doing it twice changes nothing.
    pub repeatable: bool,
}

/// How a message is carried.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum How {
    /// It is published at a broker.
    Publish(Delivery),
    /// It is a request of HTTP.
    Request {
        /// Its method.
        method: HttpMethod,
        /// What its payload is, where it has one.
        content_type: Option<Box<str>>,
        /// The topic that its answer is taken in by, where that is about something.
        answer: Option<Box<str>>,
    },
}

/// By what is known that an order was carried out. What the broker kept from before never counts.
#[derive(Debug, Clone, PartialEq)]
pub enum Confirm {
    /// The device says that the property is so.
    State {
        /// The property.
        property: String,
        /// As it will read, after scale and rounding.
        value: Value,
    },
    /// The device says that it did the command.
    Done {
        /// The command.
        command: String,
    },
    /// The broker has it: the device has no way to say that it did it. Of HTTP, the device's answer is one of success.
    Broker,
}
