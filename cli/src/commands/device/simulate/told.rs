//! What a person who plays devices is told.

use aion_abi::seen::in_a_line;
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

    /// Ctrl-C was typed, or the time is over.
    pub(super) fn ending(&self) {
        self.context
            .note("the devices go; Ctrl-C once more ends it at once");
    }

    /// The broker was away at the end, or takes no more.
    pub(super) fn not_taken_back(&self, topics: usize) {
        let broker = self.broker;
        self.context.warn(&match topics {
            0 => format!("the broker at {broker} did not hear that the devices went"),
            topics => format!(
                "the broker at {broker} did not hear that the devices went, and may retain what they said on {topics} topics: play them once more while it is there, and end it with Ctrl-C"
            ),
        });
    }

    pub(super) fn not_typed(&self, why: &str) {
        self.context.note(why);
    }

    pub(super) fn told(&self, device: &str, told: &Told) -> Result<(), Failure> {
        if !self.each {
            return Ok(());
        }
        let line = match told {
            Told::Set { property, value } if self.json => {
                let told = json!({"device": device, "property": property, "value": value});
                return self.context.print_json_line(&told);
            }
            Told::Command { command, arguments } if self.json => {
                let told = json!({"device": device, "command": command, "arguments": arguments});
                return self.context.print_json_line(&told);
            }
            Told::Set { property, value } => {
                format!("{device} is set: {property} {}", value.in_a_line())
            }
            Told::Command { command, arguments } => {
                let given = arguments.iter();
                let given = given.map(|(name, it)| format!(" {name}={}", it.in_a_line()));
                format!("{device} is told: {command}{}", given.collect::<String>())
            }
        };
        self.context.print(&format!("{}\n", in_a_line(&line)))
    }

    /// How it ended.
    pub(super) fn ended(&self, counts: &Counts) -> Result<(), Failure> {
        if self.json {
            let counts = json!({"devices": self.devices, "counts": counts});
            return self.context.print_json_line(&counts);
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
            ("messages that did not leave", counts.left_out),
        ];
        let rows: Vec<_> = rows
            .iter()
            .map(|(what, count)| vec![Field::plain(*what), Field::plain(count.to_string())])
            .collect();
        self.context
            .print(&table(&self.context.screen, &["", "count"], &rows))
    }
}
