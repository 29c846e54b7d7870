//! A lock: what it is, and what it is told.

use aion_api::{MqttDone, ValueType};

use crate::announced::{
    fields::Fields,
    parts::{Parts, Point},
    template,
};

/// States with their fields and what is said where nothing else is.
const STATES: [(&str, &str, &str); 5] = [
    ("locked", "state_locked", "LOCKED"),
    ("unlocked", "state_unlocked", "UNLOCKED"),
    ("locking", "state_locking", "LOCKING"),
    ("unlocking", "state_unlocking", "UNLOCKING"),
    ("jammed", "state_jammed", "JAMMED"),
];

pub(super) fn lock(fields: &mut Fields, parts: &mut Parts) {
    let values = super::states(fields, &STATES);
    let said = |value: &str| {
        values
            .iter()
            .find(|(it, _)| it == value)
            .map(|(_, word)| word.clone())
    };
    let (locked, unlocked) = (said("locked"), said("unlocked"));
    let state = Point {
        name: "state",
        of: ValueType::Choice,
        choices: values.iter().map(|(it, _)| it.clone()).collect(),
        values: values.clone(),
        state: ("state_topic", "value_template"),
        ..Point::default()
    };
    let state = parts.point(fields, state);
    if fields.has("code_format") {
        parts.unmapped(
            "code_format",
            "a lock that asks for a code is not told anything: the code would stand in its record",
        );
        for field in [
            "code_format",
            "command_topic",
            "command_template",
            "payload_lock",
            "payload_unlock",
            "payload_open",
        ] {
            fields.take(field);
        }
        return;
    }
    let template = fields
        .word("command_template")
        .map(|it| template::writes(&it, "value"))
        .transpose();
    let template = match template {
        Ok(template) => template.unwrap_or_else(|| "{{value}}".to_owned()),
        Err(why) => {
            fields.take("command_topic");
            return parts.unmapped("command_template", why);
        }
    };
    let Some(topic) = parts.topic(fields, "command_topic") else {
        return;
    };
    let commands = [
        (
            "lock",
            fields.text("payload_lock").or(Some("LOCK".to_owned())),
            locked,
        ),
        (
            "unlock",
            fields.text("payload_unlock").or(Some("UNLOCK".to_owned())),
            unlocked,
        ),
        // Only where it says so.
        ("open", fields.word("payload_open"), None),
    ];
    for (name, payload, said) in commands {
        let Some(payload) = payload else { continue };
        let done = state.clone().zip(said).map(|(state, word)| MqttDone {
            topic: state.topic,
            pointer: state.pointer,
            equals: Some(word),
        });
        let payload = template.replace("{{value}}", &payload);
        parts.command(name, ("command_topic", &topic), &payload, done);
    }
}
