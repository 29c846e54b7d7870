//! Components of Home Assistant, and what properties and commands they are. What a component has that no property can be (a colour
//! of three numbers in one text) stays in its fields, and is named as unmapped.

mod climate;
mod cover;
mod fan;
mod light;
mod lock;
mod simple;
mod switch;

use super::{
    fields::Fields,
    parts::{Parts, Point},
};

/// What the device says for each state: by its field, and otherwise what Home Assistant takes for it.
fn states(fields: &mut Fields, all: &[(&str, &str, &str)]) -> Vec<(String, String)> {
    let word = |(value, field, otherwise): &(&str, &str, &str)| {
        let word = fields.word(field);
        let word = word.unwrap_or_else(|| (*otherwise).to_owned());
        ((*value).to_owned(), word)
    };
    all.iter().map(word).collect()
}

/// Makes properties and commands of the fields of a component.
///
/// # Errors
/// Nothing is made of such a component.
pub(super) fn read(component: &str, fields: &mut Fields, parts: &mut Parts) -> Result<(), String> {
    match component {
        "binary_sensor" => simple::binary_sensor(fields, parts),
        "button" => simple::button(fields, parts),
        "climate" => climate::climate(fields, parts),
        "cover" => cover::cover(fields, parts),
        "fan" => fan::fan(fields, parts),
        "light" => light::light(fields, parts)?,
        "lock" => lock::lock(fields, parts),
        "number" => simple::number(fields, parts),
        "select" => simple::select(fields, parts),
        "sensor" => simple::sensor(fields, parts),
        "switch" => switch::switch(fields, parts),
        "text" => simple::text(fields, parts),
        _ => {
            return Err(format!(
                "nothing is made of the component {}",
                crate::payload::scalar_told(component)
            ));
        }
    }
    Ok(())
}

/// Whether a component is one property or command, which its name stands for.
pub(super) fn is_one(component: &str) -> bool {
    [
        "binary_sensor",
        "button",
        "number",
        "select",
        "sensor",
        "switch",
        "text",
    ]
    .contains(&component)
}

/// The words for on and off of a property, by their fields and what they are where nothing is said.
fn words(fields: &mut Fields, on: (&str, &str), off: (&str, &str)) -> (String, String) {
    let mut word = |(field, otherwise): (&str, &str)| {
        fields.text(field).unwrap_or_else(|| otherwise.to_owned())
    };
    (word(on), word(off))
}

/// What stands in JSON for what Python writes.
fn in_json(word: &str) -> String {
    match word {
        "True" => "true".to_owned(),
        "False" => "false".to_owned(),
        other => other.to_owned(),
    }
}

/// Whether a template reads a place within JSON.
fn reads_json(fields: &Fields, template: &str) -> bool {
    let template = fields
        .map()
        .get(template)
        .and_then(serde_json::Value::as_str);
    template.is_some_and(|it| it.contains("value_json"))
}

/// The values of a boolean.
fn booleans((on, off): (String, String)) -> Vec<(String, String)> {
    vec![("true".to_owned(), on), ("false".to_owned(), off)]
}

/// A choice of a list of the fields.
fn choice<'a>(
    parts: &mut Parts,
    fields: &mut Fields,
    list: &str,
    otherwise: &[&str],
    point: Point<'a>,
) -> Option<aion_api::MqttState> {
    let is_there = |fields: &Fields| fields.has(point.state.0) || fields.has(point.set.0);
    if !is_there(fields) {
        return None;
    }
    let choices = fields
        .list(list)
        .unwrap_or_else(|| otherwise.iter().map(|it| (*it).to_owned()).collect());
    let point = Point {
        of: aion_api::ValueType::Choice,
        choices,
        ..point
    };
    parts.point(fields, point)
}
