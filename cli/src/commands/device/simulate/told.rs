//! What a person who plays devices is told.

use aion_device::Told;
use serde_json::json;

use super::play::Counts;
use crate::{
    context::Context,
    failure::Failure,
    render::table::{Field, table},
};

/// See the module.
pub(super) struct Telling<'a> {
    pub(super) context: &'a Context,
    /// The broker, as it was named.
    pub(super) broker: &'a str,
    pub(super) devices: usize,
    /// What devices were told is told one by one.
    pub(super) each: bool,
    pub(super) json: bool,
}

impl Telling<'_> {
    pub(super) fn connected(&self, again: bool) {
        let (broker, devices) = (self.broker, self.devices);
        self.context.note(&match again {
            true => format!("the broker at {broker} is back"),
            false => format!("{devices} devices are played at {broker}; Ctrl-C ends it"),
        });
        if !again && self.each {
            self.context
                .note("write DEVICE PROPERTY VALUE to have one say something: kitchen-window contact closed");
        }
    }

    pub(super) fn away(&self, why: &str) {
        self.context
            .note(&format!("the broker is away, and is waited for: {why}"));
    }

    pub(super) fn not_typed(&self, why: &str) {
        self.context.note(why);
    }

    pub(super) fn told(&self, device: &str, told: &Told) -> Result<(), Failure> {
        if !self.each {
            return Ok(());
        }
        let line = match (told, self.json) {
            (Told::Set { property, value }, true) => {
                json!({"device": device, "property": property, "value": value}).to_string()
            }
            (Told::Command { command, arguments }, true) => {
                json!({"device": device, "command": command, "arguments": arguments}).to_string()
            }
            (Told::Set { property, value }, false) => {
                format!("{device} is set: {property} {}", value.in_a_line())
            }
            (Told::Command { command, arguments }, false) => {
                let given = arguments.iter();
                let given = given.map(|(name, it)| format!(" {name}={}", it.in_a_line()));
                format!("{device} is told: {command}{}", given.collect::<String>())
            }
        };
        self.context.print(&format!("{line}\n"))
    }

    /// How it ended.
    pub(super) fn ended(&self, counts: &Counts) -> Result<(), Failure> {
        if self.json {
            let counts = json!({"devices": self.devices, "counts": counts}).to_string();
            return self.context.print(&format!("{counts}\n"));
        }
        let rows = [
            ("devices", self.devices as u64),
            ("messages said", counts.said),
            ("  that cannot be read", counts.wrong),
            ("  said twice", counts.duplicate),
            ("properties set", counts.set),
            ("commands done", counts.commanded),
            ("  confirmed too late", counts.late),
            ("  not confirmed", counts.unconfirmed),
            ("messages not understood", counts.not_understood),
            ("messages to silent devices", counts.unheard),
        ];
        let rows: Vec<_> = rows
            .iter()
            .map(|(what, count)| vec![Field::plain(*what), Field::plain(count.to_string())])
            .collect();
        self.context
            .print(&table(&self.context.screen, &["", "count"], &rows))
    }
}
