//! What is heard of devices by a message, for whoever waits for it.

use std::sync::Arc;

use aion_abi::syscall::device::{Reach, Value};

use crate::{
    compiled::{Compiled, Key},
    order::Confirm,
};

/// What is heard.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    /// What a property is.
    Value {
        /// The device.
        device: Arc<Compiled>,
        /// The property.
        property: Arc<str>,
        /// What it is.
        value: Value,
        /// Whether that is new.
        change: Change,
    },
    /// A message about a property, or about whether the device is there, that says nothing which can be believed.
    Unread {
        /// The device.
        device: Arc<Compiled>,
        /// The property; none where it is about whether the device is there.
        property: Option<Arc<str>>,
        /// Why, for a person.
        why: String,
    },
    /// What was said of a property, or of all of them, holds no longer.
    Doubted {
        /// The device.
        device: Arc<Compiled>,
        /// The property; none where it is all of them.
        property: Option<Arc<str>>,
        /// Why, for a person.
        why: String,
    },
    /// Whether the device can be reached, where that changed.
    Reach {
        /// The device.
        device: Arc<Compiled>,
        /// Whether it can.
        reach: Reach,
    },
    /// The device says that it did a command.
    Done {
        /// The device.
        device: Arc<Compiled>,
        /// The command.
        command: Arc<str>,
    },
}

/// Whether a value is new.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// It is the first that the device says since the node hears it.
    First,
    /// It is another than before.
    From(Value),
    /// It is the same again.
    Same,
    /// The broker kept it from before: it starts nothing and confirms nothing.
    Retained,
}

impl Heard {
    /// The device.
    #[must_use]
    pub fn device(&self) -> &Arc<Compiled> {
        match self {
            Self::Value { device, .. }
            | Self::Unread { device, .. }
            | Self::Doubted { device, .. }
            | Self::Reach { device, .. }
            | Self::Done { device, .. } => device,
        }
    }

    /// Whether it says that an order of a device was carried out.
    #[must_use]
    pub fn confirms(&self, of: &Key, confirm: &Confirm) -> bool {
        let carried_out = match (self, confirm) {
            (
                Self::Value {
                    property,
                    value,
                    change,
                    ..
                },
                Confirm::State {
                    property: set,
                    value: to,
                },
            ) => *change != Change::Retained && **property == **set && value == to,
            (Self::Done { command, .. }, Confirm::Done { command: sent }) => **command == **sent,
            _ => false,
        };
        carried_out && self.device().key() == of
    }
}
