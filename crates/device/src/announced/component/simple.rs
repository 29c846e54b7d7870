//! Components that are one property or one command.

use aion_api::ValueType;

use super::{booleans, choice, in_json, reads_json, words};
use crate::announced::{
    fields::Fields,
    naming,
    parts::{Parts, Point},
    unit,
};

/// Classes of sensors whose values are words or dates.
const WORDS: [&str; 3] = ["date", "timestamp", "uptime"];
const STATE: (&str, &str) = ("state_topic", "value_template");
const SET: (&str, &str) = ("command_topic", "command_template");

/// What `true` means, by the class of a binary sensor.
const MEANINGS: &[(&str, &str)] = &[
    ("battery", "true when the battery is low"),
    ("battery_charging", "true when charging"),
    ("carbon_monoxide", "true when carbon monoxide is detected"),
    ("cold", "true when cold"),
    ("connectivity", "true when connected"),
    ("door", "true when open"),
    ("garage_door", "true when open"),
    ("gas", "true when gas is detected"),
    ("heat", "true when hot"),
    ("light", "true when light is detected"),
    ("lock", "true when unlocked"),
    ("moisture", "true when wet"),
    ("motion", "true when motion is detected"),
    ("moving", "true when moving"),
    ("occupancy", "true when occupied"),
    ("opening", "true when open"),
    ("plug", "true when plugged in"),
    ("power", "true when power is detected"),
    ("presence", "true when present"),
    ("problem", "true when there is a problem"),
    ("running", "true when running"),
    ("safety", "true when unsafe"),
    ("smoke", "true when smoke is detected"),
    ("sound", "true when sound is detected"),
    ("tamper", "true when tampered with"),
    ("update", "true when an update is there"),
    ("vibration", "true when vibration is detected"),
    ("window", "true when open"),
];

/// What it is called where it has no name.
fn name(class: Option<&str>, otherwise: &str) -> String {
    class
        .and_then(naming::point)
        .unwrap_or_else(|| otherwise.to_owned())
}

pub(super) fn binary_sensor(fields: &mut Fields, parts: &mut Parts) {
    let class = fields.word("device_class");
    let said = words(fields, ("payload_on", "ON"), ("payload_off", "OFF"));
    let said = match reads_json(fields, STATE.1) {
        true => (in_json(&said.0), in_json(&said.1)),
        false => said,
    };
    let meaning = MEANINGS
        .iter()
        .find(|(it, _)| Some(*it) == class.as_deref());
    let point = Point {
        name: &name(class.as_deref(), "state"),
        description: meaning.map(|(_, it)| (*it).to_owned()),
        of: ValueType::Boolean,
        values: booleans(said),
        state: STATE,
        ..Point::default()
    };
    parts.point(fields, point);
}

pub(super) fn sensor(fields: &mut Fields, parts: &mut Parts) {
    let class = fields.word("device_class");
    let options = fields.list("options");
    let measured = fields.has("state_class") || fields.has("unit_of_measurement");
    let unit = unit(fields, parts);
    let worded = class
        .as_deref()
        .is_none_or(|it| WORDS.contains(&it) || it == "enum");
    let of = match (&options, measured || !worded) {
        (Some(_), _) => ValueType::Choice,
        (None, true) => ValueType::Number,
        (None, false) => ValueType::Text,
    };
    let point = Point {
        name: &name(class.as_deref(), "state"),
        of,
        unit: unit.filter(|_| of == ValueType::Number),
        choices: options.unwrap_or_default(),
        state: STATE,
        ..Point::default()
    };
    parts.point(fields, point);
}

pub(super) fn number(fields: &mut Fields, parts: &mut Parts) {
    let class = fields.word("device_class");
    let minimum = fields.number("min").unwrap_or(1.0);
    let maximum = fields.number("max").unwrap_or(100.0);
    let step = fields.number("step").unwrap_or(1.0);
    let is_whole = [minimum, step].iter().all(|it| it.fract() == 0.0);
    let point = Point {
        name: &name(class.as_deref(), "value"),
        of: if is_whole {
            ValueType::Integer
        } else {
            ValueType::Number
        },
        unit: unit(fields, parts),
        minimum: Some(minimum),
        maximum: Some(maximum),
        step: Some(step),
        state: STATE,
        set: SET,
        ..Point::default()
    };
    parts.point(fields, point);
}

pub(super) fn select(fields: &mut Fields, parts: &mut Parts) {
    let point = Point {
        name: "option",
        state: STATE,
        set: SET,
        ..Point::default()
    };
    choice(parts, fields, "options", &[], point);
}

pub(super) fn text(fields: &mut Fields, parts: &mut Parts) {
    // How many characters there may be is no bound of a number.
    for field in ["min", "max", "pattern"] {
        if fields.take(field).is_some() {
            parts.unmapped(field, "a text has no bounds but 1,024 bytes");
        }
    }
    let point = Point {
        name: "text",
        of: ValueType::Text,
        state: STATE,
        set: SET,
        ..Point::default()
    };
    parts.point(fields, point);
}

pub(super) fn button(fields: &mut Fields, parts: &mut Parts) {
    let class = fields.word("device_class");
    let pressed = fields
        .text("payload_press")
        .unwrap_or_else(|| "PRESS".to_owned());
    let payload = match fields
        .word(SET.1)
        .map(|it| crate::announced::template::writes(&it, "value"))
    {
        None => pressed,
        Some(Ok(template)) => template.replace("{{value}}", &pressed),
        Some(Err(why)) => return parts.unmapped(SET.1, why),
    };
    if let Some(topic) = parts.topic(fields, SET.0) {
        parts.command(
            &name(class.as_deref(), "press"),
            (SET.0, &topic),
            &payload,
            None,
        );
    }
}

/// The unit by UCUM; one that is not known is named.
pub(super) fn unit(fields: &mut Fields, parts: &mut Parts) -> Option<&'static str> {
    let written = fields.word("unit_of_measurement")?;
    let unit = unit::ucum(&written);
    if unit.is_none() {
        let told = crate::payload::scalar_told(&written);
        parts.unmapped(
            "unit_of_measurement",
            format!("{told} is not a unit that is known by UCUM: the number has none"),
        );
    }
    unit
}
