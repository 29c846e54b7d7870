//! A thermostat, a heater or an air conditioner.

use aion_api::ValueType;
use serde_json::Value;

use super::{
    choice,
    switch::{OnOff, on_off},
};
use crate::announced::{
    fields::Fields,
    parts::{Parts, Point},
};

const MODES: &[&str] = &["auto", "off", "cool", "heat", "dry", "fan_only"];
const ACTIONS: &[&str] = &[
    "off",
    "preheating",
    "heating",
    "cooling",
    "drying",
    "idle",
    "fan",
    "defrosting",
];
const FAN_MODES: &[&str] = &["auto", "low", "medium", "high"];
const SWING_MODES: &[&str] = &["on", "off"];
/// The fields of a topic and of its template.
type Place<'a> = (&'a str, &'a str);
/// The name, the list of choices with what is in it where nothing is said, and where it is heard and set.
type Choice<'a> = (&'a str, &'a str, &'a [&'a str], Place<'a>, Place<'a>);
/// The name, and where it is heard and set.
type Target<'a> = (&'a str, Place<'a>, Place<'a>);

const CHOICES: [Choice<'static>; 5] = [
    (
        "mode",
        "modes",
        MODES,
        ("mode_state_topic", "mode_state_template"),
        ("mode_command_topic", "mode_command_template"),
    ),
    (
        "action",
        "",
        ACTIONS,
        ("action_topic", "action_template"),
        ("", ""),
    ),
    (
        "fanMode",
        "fan_modes",
        FAN_MODES,
        ("fan_mode_state_topic", "fan_mode_state_template"),
        ("fan_mode_command_topic", "fan_mode_command_template"),
    ),
    (
        "swingMode",
        "swing_modes",
        SWING_MODES,
        ("swing_mode_state_topic", "swing_mode_state_template"),
        ("swing_mode_command_topic", "swing_mode_command_template"),
    ),
    (
        "presetMode",
        "preset_modes",
        &[],
        ("preset_mode_state_topic", "preset_mode_value_template"),
        ("preset_mode_command_topic", "preset_mode_command_template"),
    ),
];

/// Numbers that are told: the name, and the fields.
const TARGETS: [Target<'static>; 3] = [
    (
        "targetTemperature",
        ("temperature_state_topic", "temperature_state_template"),
        ("temperature_command_topic", "temperature_command_template"),
    ),
    (
        "targetTemperatureHigh",
        (
            "temperature_high_state_topic",
            "temperature_high_state_template",
        ),
        (
            "temperature_high_command_topic",
            "temperature_high_command_template",
        ),
    ),
    (
        "targetTemperatureLow",
        (
            "temperature_low_state_topic",
            "temperature_low_state_template",
        ),
        (
            "temperature_low_command_topic",
            "temperature_low_command_template",
        ),
    ),
];

pub(super) fn climate(fields: &mut Fields, parts: &mut Parts) {
    // A template for all that have none of their own.
    let shared = fields.word("value_template");
    let mut fields = Templated { fields, shared };
    // Without it, it is that of whoever listens, which is not known here.
    let (unit, least, most) = match fields.fields.word("temperature_unit").as_deref() {
        Some("C") => (Some("Cel"), Some(7.0), Some(35.0)),
        Some("F") => (Some("[degF]"), Some(45.0), Some(95.0)),
        _ => (None, None, None),
    };
    let mut topics = TARGETS.iter().flat_map(|(_, state, set)| [state.0, set.0]);
    let told =
        fields.fields.has("current_temperature_topic") || topics.any(|it| fields.fields.has(it));
    if unit.is_none() && told {
        let why =
            "it is not C or F: temperatures have no unit, and no bounds but those that are said";
        parts.unmapped("temperature_unit", why);
    }
    let temperature = Point {
        name: "temperature",
        of: ValueType::Number,
        unit,
        state: ("current_temperature_topic", "current_temperature_template"),
        ..Point::default()
    };
    fields.point(parts, temperature);
    let humidity = Point {
        name: "humidity",
        of: ValueType::Number,
        unit: Some("%"),
        state: ("current_humidity_topic", "current_humidity_template"),
        ..Point::default()
    };
    fields.point(parts, humidity);
    let minimum = fields.fields.number("min_temp").or(least);
    let maximum = fields.fields.number("max_temp").or(most);
    let step = fields.fields.number("temp_step").unwrap_or(1.0);
    // How it is shown.
    fields.fields.take("precision");
    for (name, state, set) in TARGETS {
        let target = Point {
            name,
            of: ValueType::Number,
            unit,
            minimum,
            maximum,
            step: Some(step),
            state,
            set,
            ..Point::default()
        };
        fields.point(parts, target);
    }
    let target = Point {
        name: "targetHumidity",
        of: ValueType::Number,
        unit: Some("%"),
        minimum: fields.fields.number("min_humidity").or(Some(30.0)),
        maximum: fields.fields.number("max_humidity").or(Some(99.0)),
        state: (
            "target_humidity_state_topic",
            "target_humidity_state_template",
        ),
        set: (
            "target_humidity_command_topic",
            "target_humidity_command_template",
        ),
        ..Point::default()
    };
    fields.point(parts, target);
    let power = OnOff {
        name: "power",
        state: ("", ""),
        set: ("power_command_topic", "power_command_template"),
        on: ("payload_on", "ON"),
        off: ("payload_off", "OFF"),
    };
    on_off(fields.fields, parts, &power);
    for (name, list, otherwise, state, set) in CHOICES {
        fields.template(state);
        let point = Point {
            name,
            state,
            set,
            ..Point::default()
        };
        if name == "presetMode" {
            with_none(fields.fields);
        }
        choice(parts, fields.fields, list, otherwise, point);
    }
    fields.fields.take("initial");
}

/// A device without a preset says `none`.
fn with_none(fields: &mut Fields) {
    if let Some(mut modes) = fields.list("preset_modes") {
        if !modes.iter().any(|it| it == "none") {
            modes.push("none".to_owned());
        }
        fields.put("preset_modes", Value::from(modes));
    }
}

/// Fields with a template for those that have none.
struct Templated<'a> {
    fields: &'a mut Fields,
    shared: Option<String>,
}

impl Templated<'_> {
    fn template(&mut self, (topic, template): (&str, &str)) {
        if let Some(shared) = &self.shared
            && self.fields.has(topic)
            && !self.fields.has(template)
        {
            self.fields.put(template, shared.as_str().into());
        }
    }

    fn point(&mut self, parts: &mut Parts, point: Point<'_>) {
        self.template(point.state);
        parts.point(self.fields, point);
    }
}
