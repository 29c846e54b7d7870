//! Names of rights and patterns of them.

use std::fmt;

use aion_abi::syscall::{Syscall, is_family};

use crate::destination::Destination;
use crate::operations::Operations;

/// The one right that is not to a syscall of `aion-abi`: a program uses it by connecting.
const CONNECT: &str = "net.connect";

/// A right: `family.verb`, with a target where the syscall has one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Capability {
    /// `family.verb`.
    pub syscall: String,
    /// A tool's operations as [`Operations`] writes them (`calendar.read`, `calendar.*`), a mount, an endpoint, a pool.
    pub target: Option<String>,
}

impl Capability {
    /// The right to `syscall`, on `target`.
    #[must_use]
    pub fn new(syscall: Syscall, target: Option<&str>) -> Self {
        Self::written(syscall.name(), target)
    }

    /// The right to connect there.
    #[must_use]
    pub fn connect(destination: &Destination) -> Self {
        Self::written(CONNECT, Some(&destination.to_string()))
    }

    /// Where it is a right to connect to, if it is one.
    #[must_use]
    pub fn connects_to(&self) -> Option<Destination> {
        let target = self.target.as_deref();
        target
            .filter(|_| self.syscall == CONNECT)
            .and_then(|target| Destination::parse(target).ok())
    }

    fn written(syscall: &str, target: Option<&str>) -> Self {
        Self {
            syscall: syscall.to_owned(),
            target: target.map(str::to_owned),
        }
    }

    /// The syscall, where this release has it.
    #[must_use]
    pub fn known(&self) -> Option<Syscall> {
        Syscall::from_name(&self.syscall)
    }

    /// What stands before the dot.
    #[must_use]
    pub fn family(&self) -> &str {
        self.syscall.split('.').next().unwrap_or_default()
    }

    /// Reads a right as people write it: `memory.forget`, `tool.call:calendar.read`, and in short `calendar.read`,
    /// `calendar.*` or `calendar."free at?"` for the latter. `None` where it is none of these.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (family, _) = text.split_once('.')?;
        // `X.Y` where X is not a family is operation Y of tool X.
        if !is_family(family) {
            return Self::of_tool(text);
        }
        let (syscall, target) = match text.split_once(':') {
            Some((syscall, target)) => (syscall, Some(target)),
            None => (text, None),
        };
        let (_, verb) = syscall.split_once('.')?;
        match target {
            _ if verb.is_empty() => None,
            Some("") => None,
            Some(target) if syscall == Syscall::ToolCall.name() => Self::of_tool(target),
            target => Some(Self::written(syscall, target)),
        }
    }

    fn of_tool(operations: &str) -> Option<Self> {
        let operations = Operations::parse(operations).filter(|it| it.tool.is_some())?;
        Some(Self::new(Syscall::ToolCall, Some(&operations.to_string())))
    }

    /// The operations of a tool that it is about, where it is about those.
    #[must_use]
    pub fn operations(&self) -> Option<Operations> {
        let target = self.target.as_deref();
        let of_tool = self.syscall == Syscall::ToolCall.name();
        target.filter(|_| of_tool).and_then(Operations::parse)
    }

    /// Whether it takes in all of `other`.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        if self.syscall != other.syscall {
            return false;
        }
        if let (Some(here), Some(there)) = (self.connects_to(), other.connects_to()) {
            return here.covers(&there);
        }
        match (self.operations(), other.operations()) {
            (Some(these), Some(those)) => these.cover(&those),
            _ => self.target.is_none() || self.target == other.target,
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.syscall)?;
        match &self.target {
            Some(target) => write!(f, ":{target}"),
            None => Ok(()),
        }
    }
}

/// A pattern of rights in a policy: a right, where the last part may be `*`. A pattern without a target
/// takes in every target: `fs.read` is every mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern<'a>(pub &'a str);

impl Pattern<'_> {
    /// Whether `capability` fits.
    #[must_use]
    pub fn matches(&self, capability: &Capability) -> bool {
        if self.0 == "*" {
            return true;
        }
        if let Some(these) = self.operations() {
            return capability
                .operations()
                .is_some_and(|those| these.cover(&those));
        }
        if let (Some(here), Some(there)) = (self.destination(), capability.connects_to()) {
            return here.covers(&there);
        }
        let (syscall, target) = match self.0.split_once(':') {
            Some((syscall, target)) => (syscall, Some(target)),
            None => (self.0, None),
        };
        let Some((family, verb)) = syscall.split_once('.') else {
            return false;
        };
        if !is_family(family) {
            return false;
        }
        if verb == "*" {
            return capability.family() == family;
        }
        capability.syscall == syscall
            && target.is_none_or(|pattern| {
                capability
                    .target
                    .as_deref()
                    .is_some_and(|have| fits(pattern, have))
            })
    }

    /// The operations of tools that it is about, where it names some: `calendar.read` and `calendar.*` in short,
    /// `tool.call:*`.
    fn operations(&self) -> Option<Operations> {
        let (family, _) = self.0.split_once('.')?;
        match is_family(family) {
            true => Operations::parse(
                self.0
                    .strip_prefix(Syscall::ToolCall.name())?
                    .strip_prefix(':')?,
            ),
            false => Operations::parse(self.0),
        }
    }

    /// Where it is about connecting to, where it names that.
    fn destination(&self) -> Option<Destination> {
        let target = self.0.strip_prefix(CONNECT)?.strip_prefix(':')?;
        Destination::pattern(target).ok()
    }

    /// The part of `capability`, which is about many operations of a tool or many hosts, that it is about and no more: an
    /// exception from the others.
    #[must_use]
    pub fn part_of(&self, capability: &Capability) -> Option<Capability> {
        if let (Some(here), Some(all)) = (self.destination(), capability.connects_to()) {
            let part = here.part_of(&all).filter(|part| *part != all)?;
            return Some(Capability::connect(&part));
        }
        let (these, all) = (self.operations()?, capability.operations()?);
        (all.cover(&these) && these != all)
            .then(|| Capability::new(Syscall::ToolCall, Some(&these.to_string())))
    }
}

/// Whether `text` is `pattern`, or begins as `pattern` does before its final `*`.
pub(crate) fn fits(pattern: &str, text: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => text.starts_with(prefix),
        None => text == pattern,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_right_is_read_as_people_write_it() {
        let check = |text: &str, expect: Option<&str>| {
            assert_eq!(
                Capability::parse(text).map(|c| c.to_string()).as_deref(),
                expect,
                "{text}"
            );
        };
        check("memory.recall", Some("memory.recall"));
        check("calendar.read", Some("tool.call:calendar.read"));
        check("tool.call:calendar.read", Some("tool.call:calendar.read"));
        check("fs.read:notes", Some("fs.read:notes"));
        check("calendar", None);
        check("calendar.read:today", None);
        check(".read", None);
        check("memory.recall:", None);
        check("depot.*", Some("tool.call:depot.*"));
        check("depot.files/read", Some("tool.call:depot.files/read"));
        check(
            "depot.\"stock: now\"",
            Some("tool.call:depot.\"stock: now\""),
        );
        check("tool.call:depot.\"read\"", Some("tool.call:depot.read"));
        check("depot.stock now", None);
        check("tool.call:*", None);
        check(
            "net.connect:a.example:443",
            Some("net.connect:a.example:443"),
        );
    }

    #[test]
    fn a_pattern_matches_what_it_says_and_nothing_else() {
        let check = |pattern: &str, capability: &str, expect: bool| {
            let capability = Capability::parse(capability).unwrap();
            assert_eq!(
                Pattern(pattern).matches(&capability),
                expect,
                "{pattern} on {capability}"
            );
        };
        check("*", "memory.recall", true);
        check("memory.*", "memory.recall", true);
        check("memory.*", "fs.read:notes", false);
        check("memory.recall", "memory.recall", true);
        check("memory.recall", "memory.recall:pool", true);
        check("memory.recall", "memory.remember", false);
        check("fs.read:notes", "fs.read:notes", true);
        check("fs.read:notes", "fs.read:notebook", false);
        check("fs.read", "fs.read:notes", true);
        check("tool.call:calendar.*", "calendar.read", true);
        check("tool.call:calendar.*", "calendars.read", false);
        check("tool.call:*", "calendar.read", true);
        check("calendar.*", "calendar.read", true);
        check("calendar.read", "calendar.read", true);
        check("calendar.read", "calendar.write", false);
        check("calendar.read", "fs.read:calendar.read", false);
        check("calendar.*", "calendar.*", true);
        check("tool.call:*", "calendar.*", true);
        check("tool.call", "calendar.*", true);
        check("calendar.read", "calendar.*", false);
        check("calendar.*", "calendar.\"free at?\"", true);
        check("calendar.\"free at?\"", "calendar.\"free at?\"", true);
        check("calendar.\"free at?\"", "calendar.free", false);
    }
}
