//! A lamp: on or off, how bright, which white, which effect. Colours are several numbers in one text or object, and are named.

use aion_api::{MqttPublish, MqttState, Scale, Takes, ValueType};

use super::{
    booleans, choice,
    switch::{OnOff, on_off},
};
use crate::announced::{
    fields::Fields,
    parts::{Parts, Point, decimal, percent_of},
};

pub(super) fn light(fields: &mut Fields, parts: &mut Parts) -> Result<(), String> {
    let schema = fields
        .map()
        .get("schema")
        .and_then(serde_json::Value::as_str);
    match schema.unwrap_or("default") {
        "json" => json(fields, parts),
        "default" | "basic" => by_topics(fields, parts),
        other => {
            let told = crate::payload::scalar_told(other);
            return Err(format!("nothing is made of a light of the schema {told}"));
        }
    }
    Ok(())
}

fn by_topics(fields: &mut Fields, parts: &mut Parts) {
    if fields
        .word("on_command_type")
        .is_some_and(|it| it != "last")
    {
        parts.unmapped(
            "on_command_type",
            "power and brightness are set each by its own message",
        );
    }
    let power = OnOff {
        name: "power",
        state: ("state_topic", "state_value_template"),
        set: ("command_topic", ""),
        on: ("payload_on", "ON"),
        off: ("payload_off", "OFF"),
    };
    on_off(fields, parts, &power);
    let state = ("brightness_state_topic", "brightness_value_template");
    let set = ("brightness_command_topic", "brightness_command_template");
    if (fields.has(state.0) || fields.has(set.0))
        && let Some(bright) = brightness(fields, parts)
    {
        let brightness = Point {
            state,
            set,
            ..bright
        };
        parts.point(fields, brightness);
    }
    let state = ("color_temp_state_topic", "color_temp_value_template");
    let set = ("color_temp_command_topic", "color_temp_command_template");
    if fields.has(state.0) || fields.has(set.0) {
        let white = Point {
            state,
            set,
            ..white(fields)
        };
        parts.point(fields, white);
    }
    let effect = Point {
        name: "effect",
        state: ("effect_state_topic", "effect_value_template"),
        set: ("effect_command_topic", "effect_command_template"),
        ..Point::default()
    };
    choice(parts, fields, "effect_list", &[], effect);
}

/// One object for all of it, heard and sent.
fn json(fields: &mut Fields, parts: &mut Parts) {
    let state = fields.has("state_topic");
    let heard = parts.topic(fields, "state_topic");
    let sent = parts.topic(fields, "command_topic");
    // A topic that is none must not make a lamp of one direction of another.
    if state && heard.is_none() {
        return;
    }
    let modes = fields.list("supported_color_modes").unwrap_or_default();
    let has = |mode: &str| modes.iter().any(|it| it == mode);
    let delivery = parts.delivery;
    let add = |parts: &mut Parts, pointer: &str, payload: &str, point: Point<'_>| {
        let state = heard.clone().map(|topic| MqttState {
            topic,
            pointer: Some(pointer.to_owned()),
        });
        let set = sent.clone().map(|topic| MqttPublish {
            topic,
            payload: Some(payload.to_owned()),
            delivery,
        });
        let point = Point {
            state: ("state_topic", ""),
            set: ("command_topic", ""),
            ..point
        };
        parts.add(point, state.map(|it| (it, None)), set);
    };
    let power = Point {
        name: "power",
        of: ValueType::Boolean,
        values: booleans(("ON".to_owned(), "OFF".to_owned())),
        ..Point::default()
    };
    add(parts, "/state", r#"{"state": {{value}}}"#, power);
    let dims = fields.flag("brightness") || modes.iter().any(|it| it != "onoff");
    if dims && let Some(bright) = brightness(fields, parts) {
        add(
            parts,
            "/brightness",
            r#"{"state": "ON", "brightness": {{value}}}"#,
            bright,
        );
    }
    if fields.flag("color_temp") || has("color_temp") {
        let white = white(fields);
        add(
            parts,
            "/color_temp",
            r#"{"state": "ON", "color_temp": {{value}}}"#,
            white,
        );
    }
    let effects = fields.list("effect_list").unwrap_or_default();
    if fields.flag("effect") && !effects.is_empty() {
        let effect = Point {
            name: "effect",
            of: ValueType::Choice,
            choices: effects,
            ..Point::default()
        };
        add(
            parts,
            "/effect",
            r#"{"state": "ON", "effect": {{value}}}"#,
            effect,
        );
    }
    let colours = ["hs", "rgb", "rgbw", "rgbww", "white", "xy"]
        .into_iter()
        .filter(|it| has(it));
    let colours: Vec<_> = colours.collect();
    if !colours.is_empty() {
        let why = format!(
            "a colour ({}) is several numbers, and a property is one",
            colours.join(", ")
        );
        parts.unmapped("supported_color_modes", why);
    }
    fields.take("color_mode");
}

/// How bright, in percent of what the device counts to; nothing, and named, where that is no range.
fn brightness<'a>(fields: &mut Fields, parts: &mut Parts) -> Option<Point<'a>> {
    let most = fields.number("brightness_scale").unwrap_or(255.0);
    let scale = percent_of(0.0, most).filter(|_| most > 0.0);
    if scale.is_none() {
        parts.unmapped(
            "brightness_scale",
            "no percentage can be made of what the device counts to",
        );
    }
    Some(Point {
        name: "brightness",
        of: ValueType::Integer,
        unit: Some("%"),
        minimum: Some(0.0),
        maximum: Some(100.0),
        scale: Some(scale?),
        ..Point::default()
    })
}

/// The temperature of its white: in kelvin or in mireds, a million by kelvin.
fn white<'a>(fields: &mut Fields) -> Point<'a> {
    let kelvin = fields.flag("color_temp_kelvin");
    let mut bound = |field: &str| fields.number(field).filter(|it| decimal(*it).is_some());
    let mireds = (bound("min_mireds"), bound("max_mireds"));
    let kelvins = (bound("min_kelvin"), bound("max_kelvin"));
    let (minimum, maximum) = if kelvin { kelvins } else { mireds };
    Point {
        name: "colorTemperature",
        description: (!kelvin).then(|| "in mireds: a million divided by kelvin".to_owned()),
        of: ValueType::Integer,
        unit: Some(if kelvin { "K" } else { "MK-1" }),
        minimum,
        maximum,
        scale: Some(Scale {
            takes: Takes::Whole,
            ..Scale::default()
        }),
        ..Point::default()
    }
}
