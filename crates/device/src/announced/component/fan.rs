//! A fan: on or off, how fast, in which mode and direction.

use aion_api::{Scale, ValueType};

use super::{
    choice,
    switch::{OnOff, on_off},
};
use crate::announced::{
    fields::Fields,
    parts::{Parts, Point, percent_of},
};

pub(super) fn fan(fields: &mut Fields, parts: &mut Parts) {
    let power = OnOff {
        name: "power",
        state: ("state_topic", "state_value_template"),
        set: ("command_topic", "command_template"),
        on: ("payload_on", "ON"),
        off: ("payload_off", "OFF"),
    };
    on_off(fields, parts, &power);
    let oscillates = OnOff {
        name: "oscillation",
        state: ("oscillation_state_topic", "oscillation_value_template"),
        set: ("oscillation_command_topic", "oscillation_command_template"),
        on: ("payload_oscillation_on", "oscillate_on"),
        off: ("payload_oscillation_off", "oscillate_off"),
    };
    on_off(fields, parts, &oscillates);
    speed(fields, parts);
    let preset = Point {
        name: "presetMode",
        state: ("preset_mode_state_topic", "preset_mode_value_template"),
        set: ("preset_mode_command_topic", "preset_mode_command_template"),
        ..Point::default()
    };
    choice(parts, fields, "preset_modes", &[], preset);
    let direction = Point {
        name: "direction",
        state: ("direction_state_topic", "direction_value_template"),
        set: ("direction_command_topic", "direction_command_template"),
        ..Point::default()
    };
    choice(parts, fields, "", &["forward", "reverse"], direction);
}

/// How fast: in percent of its steps, of which the slowest is `speed_range_min` and nothing stands still but 0.
fn speed(fields: &mut Fields, parts: &mut Parts) {
    let from = fields.number("speed_range_min").unwrap_or(1.0);
    let to = fields.number("speed_range_max").unwrap_or(100.0);
    let scale: Option<Scale> = percent_of(from - 1.0, to);
    if scale.is_none()
        && (fields.has("percentage_state_topic") || fields.has("percentage_command_topic"))
    {
        return parts.unmapped("speed_range_max", "the range of speeds is none");
    }
    let point = Point {
        name: "speed",
        of: ValueType::Integer,
        unit: Some("%"),
        minimum: Some(0.0),
        maximum: Some(100.0),
        scale: scale.filter(|_| (from, to) != (1.0, 100.0)),
        state: ("percentage_state_topic", "percentage_value_template"),
        set: ("percentage_command_topic", "percentage_command_template"),
        ..Point::default()
    };
    parts.point(fields, point);
}
