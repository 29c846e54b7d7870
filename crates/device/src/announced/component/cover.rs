//! A blind, a shutter or a gate: what it is, how far it is open, and what it is told.

use aion_api::ValueType;

use crate::announced::{
    fields::Fields,
    parts::{Parts, Point, percent_of},
};

/// States with their fields and what is said where nothing else is.
const STATES: [(&str, &str, &str); 5] = [
    ("open", "state_open", "open"),
    ("opening", "state_opening", "opening"),
    ("closed", "state_closed", "closed"),
    ("closing", "state_closing", "closing"),
    ("stopped", "state_stopped", "stopped"),
];
/// Commands with their fields and what is sent where nothing else is said.
const COMMANDS: [(&str, &str, &str); 3] = [
    ("open", "payload_open", "OPEN"),
    ("close", "payload_close", "CLOSE"),
    ("stop", "payload_stop", "STOP"),
];

pub(super) fn cover(fields: &mut Fields, parts: &mut Parts) {
    fields.take("device_class");
    let values = super::states(fields, &STATES);
    let state = Point {
        name: "state",
        of: ValueType::Choice,
        choices: values.iter().map(|(it, _)| it.clone()).collect(),
        values,
        state: ("state_topic", "value_template"),
        ..Point::default()
    };
    parts.point(fields, state);
    let position = Range {
        name: "position",
        closed: ("position_closed", 0.0),
        open: ("position_open", 100.0),
        state: ("position_topic", "position_template"),
        set: ("set_position_topic", "set_position_template"),
    };
    position.add(fields, parts);
    // Which values are open and closed is said beside the range.
    for field in ["tilt_closed_value", "tilt_opened_value"] {
        if fields.take(field).is_some() {
            parts.unmapped(field, "a tilt is told in percent of its range");
        }
    }
    let tilt = Range {
        name: "tilt",
        closed: ("tilt_min", 0.0),
        open: ("tilt_max", 100.0),
        state: ("tilt_status_topic", "tilt_status_template"),
        set: ("tilt_command_topic", "tilt_command_template"),
    };
    tilt.add(fields, parts);
    let told = COMMANDS.map(|(name, field, otherwise)| {
        // `null` says that it cannot be told so.
        let cannot = fields
            .map()
            .get(field)
            .is_some_and(serde_json::Value::is_null);
        let payload = fields.text(field).unwrap_or_else(|| otherwise.to_owned());
        (name, payload, cannot)
    });
    let Some(topic) = parts.topic(fields, "command_topic") else {
        return;
    };
    for (name, payload, cannot) in told {
        if !cannot {
            parts.command(name, ("command_topic", &topic), &payload, None);
        }
    }
}

/// A percentage of a range that the device counts in.
struct Range<'a> {
    name: &'a str,
    closed: (&'a str, f64),
    open: (&'a str, f64),
    state: (&'a str, &'a str),
    set: (&'a str, &'a str),
}

impl Range<'_> {
    fn add(&self, fields: &mut Fields, parts: &mut Parts) {
        let mut end = |(field, otherwise): (&str, f64)| fields.number(field).unwrap_or(otherwise);
        let (closed, open) = (end(self.closed), end(self.open));
        if !fields.has(self.state.0) && !fields.has(self.set.0) {
            return;
        }
        let Some(scale) = percent_of(closed, open) else {
            return parts.unmapped(self.open.0, "open and closed are the same position");
        };
        let point = Point {
            name: self.name,
            of: ValueType::Integer,
            unit: Some("%"),
            minimum: Some(0.0),
            maximum: Some(100.0),
            scale: Some(scale).filter(|_| (closed, open) != (0.0, 100.0)),
            state: self.state,
            set: self.set,
            ..Point::default()
        };
        parts.point(fields, point);
    }
}
