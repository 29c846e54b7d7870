//! Something that is on or off.

use aion_api::{MqttDone, ValueType};

use super::{booleans, in_json, reads_json, words};
use crate::announced::{
    fields::Fields,
    parts::{Parts, Point},
};

/// The fields of something that is on or off, and its name.
pub(super) struct OnOff<'a> {
    pub(super) name: &'a str,
    pub(super) state: (&'a str, &'a str),
    pub(super) set: (&'a str, &'a str),
    /// Fields of the words that are sent, and what they are where nothing is said.
    pub(super) on: (&'a str, &'a str),
    pub(super) off: (&'a str, &'a str),
}

pub(super) fn switch(fields: &mut Fields, parts: &mut Parts) {
    let power = OnOff {
        // Beside a sensor of its power, as plugs have it.
        name: "switch",
        state: ("state_topic", "value_template"),
        set: ("command_topic", "command_template"),
        on: ("payload_on", "ON"),
        off: ("payload_off", "OFF"),
    };
    fields.take("device_class");
    on_off(fields, parts, &power);
}

/// A property where the device says what it is told. Where it says it in other words, one that is read and a command for each.
pub(super) fn on_off(fields: &mut Fields, parts: &mut Parts, it: &OnOff<'_>) {
    let sent = words(fields, it.on, it.off);
    let said = words(fields, ("state_on", &sent.0), ("state_off", &sent.1));
    let said = match reads_json(fields, it.state.1) {
        true => (in_json(&said.0), in_json(&said.1)),
        false => said,
    };
    let point = Point {
        name: it.name,
        of: ValueType::Boolean,
        state: it.state,
        ..Point::default()
    };
    if said == sent || !fields.has(it.state.0) || !fields.has(it.set.0) {
        let values = if fields.has(it.state.0) { said } else { sent };
        let (values, set) = (booleans(values), it.set);
        parts.point(
            fields,
            Point {
                values,
                set,
                ..point
            },
        );
        return;
    }
    let (on, off) = said.clone();
    let values = booleans(said);
    let state = parts.point(fields, Point { values, ..point });
    if fields.word(it.set.1).is_some() {
        parts.unmapped(
            it.set.1,
            "what is sent and what is said are other words, which a template puts elsewhere",
        );
        return;
    }
    let Some(topic) = parts.topic(fields, it.set.0) else {
        return;
    };
    let done = |word: String| {
        state.clone().map(|state| MqttDone {
            topic: state.topic,
            pointer: state.pointer,
            equals: Some(word),
        })
    };
    parts.command("turnOn", (it.set.0, &topic), &sent.0, done(on));
    parts.command("turnOff", (it.set.0, &topic), &sent.1, done(off));
}
