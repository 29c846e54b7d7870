//! What devices of a model have alike, compiled and shared: ten thousand lamps hold one of these.

use std::sync::Arc;

use aion_api::Access;
use internment::ArcIntern;

use crate::{
    form::{Form, Wire},
    order::How,
    payload::Wanted,
    template::Template,
};

/// Properties, commands and topics, with nothing of a single device.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Shape {
    pub(crate) model: Box<str>,
    pub(crate) description: Option<Box<str>>,
    pub(crate) properties: Box<[ArcIntern<Property>]>,
    pub(crate) commands: Box<[ArcIntern<Command>]>,
    /// Each topic that is heard, once.
    pub(crate) listens: Box<[Listen]>,
    pub(crate) availability: Option<Availability>,
}

/// A property.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Property {
    pub(crate) name: Arc<str>,
    pub(crate) description: Option<Box<str>>,
    pub(crate) unit: Option<Box<str>>,
    pub(crate) access: Access,
    pub(crate) form: Form,
    pub(crate) wire: Wire,
    /// Where it is heard.
    pub(crate) source: Option<Source>,
    pub(crate) set: Option<Send>,
    pub(crate) stale_ms: Option<u64>,
    pub(crate) keep: Keep,
}

/// Where the device says something.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Source {
    pub(crate) topic: Template,
    pub(crate) pointer: Option<Box<str>>,
}

/// How a message is made.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Send {
    pub(crate) topic: Template,
    pub(crate) payload: Template,
    pub(crate) how: How,
    pub(crate) confirm_ms: u64,
    pub(crate) repeatable: bool,
}

/// How much of what a property was is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Keep {
    pub(crate) points: usize,
    pub(crate) reach_ms: u64,
}

/// A command.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Command {
    pub(crate) name: Arc<str>,
    pub(crate) description: Option<Box<str>>,
    pub(crate) arguments: Box<[Argument]>,
    pub(crate) send: Send,
    /// What stands where the device says that it did it, if it can: anything, if that is left out.
    pub(crate) done: Option<Option<Box<str>>>,
}

/// What a command takes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Argument {
    pub(crate) name: Box<str>,
    pub(crate) description: Option<Box<str>>,
    pub(crate) unit: Option<Box<str>>,
    pub(crate) form: Form,
}

/// A topic that is heard, and what its messages are about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Listen {
    pub(crate) topic: Template,
    pub(crate) wanted: Wanted,
    pub(crate) about: Vec<About>,
}

/// Something that a message may be about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct About {
    pub(crate) what: What,
    /// The number of its pointer; all of the payload, if there is none.
    pub(crate) pointer: Option<usize>,
}

/// What that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum What {
    /// A property, by number.
    Property(usize),
    /// Whether the device is there.
    Availability,
    /// A command that was done, by number.
    Done(usize),
}

/// What says that a device is there, and that it is not. Without words of its own, `online` and `offline` in any case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Availability {
    pub(crate) source: Source,
    pub(crate) online: Option<Box<str>>,
    pub(crate) offline: Option<Box<str>>,
}

impl Availability {
    /// Its own words.
    pub(crate) fn words(&self) -> (Option<&str>, Option<&str>) {
        (self.online.as_deref(), self.offline.as_deref())
    }

    /// Whether the device is there, by what it says.
    pub(crate) fn read(&self, said: &str) -> Option<bool> {
        let is = |own: &Option<Box<str>>, word: &str| match own {
            Some(own) => **own == *said,
            None => said.eq_ignore_ascii_case(word),
        };
        match (is(&self.online, "online"), is(&self.offline, "offline")) {
            (true, _) => Some(true),
            (_, true) => Some(false),
            _ => None,
        }
    }
}

impl Shape {
    /// A property by its name, with its number.
    pub(crate) fn property(&self, name: &str) -> Option<(usize, &Property)> {
        let at = self.properties.iter().position(|it| *it.name == *name)?;
        Some((at, &self.properties[at]))
    }

    /// A command by its name.
    pub(crate) fn command(&self, name: &str) -> Option<&Command> {
        self.commands
            .iter()
            .find(|it| *it.name == *name)
            .map(|it| &**it)
    }
}
