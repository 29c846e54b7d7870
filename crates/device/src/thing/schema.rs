//! Data schemas: what properties are, and what actions take.

use std::collections::BTreeSet;

use aion_api::{Access, Argument, DeviceCommand, Property, ValueType};
use serde_json::Value;

use super::{Reading, at};
use crate::announced::{
    naming,
    parts::{brief, decimal},
    unit,
};

/// What is read of a schema. Every other field of it is named.
const READ: [&str; 22] = [
    "@type",
    "title",
    "titles",
    "description",
    "descriptions",
    "type",
    "unit",
    "minimum",
    "maximum",
    "multipleOf",
    "enum",
    "readOnly",
    "writeOnly",
    "observable",
    "forms",
    "properties",
    "required",
    "default",
    "input",
    "safe",
    "idempotent",
    "synchronous",
];

/// The values of a schema.
#[derive(Debug, Default)]
struct Shape {
    of: ValueType,
    unit: Option<String>,
    minimum: Option<String>,
    maximum: Option<String>,
    step: Option<String>,
    choices: Vec<String>,
}

pub(super) fn property(
    reading: &mut Reading,
    place: &str,
    key: &str,
    it: &Value,
) -> Option<Property> {
    let name = name(reading, place, key)?;
    let shape = shape(reading, place, it)?;
    let access = match (it["readOnly"] == true, it["writeOnly"] == true) {
        (true, true) => {
            reading.unmapped(place, "it can neither be read nor written");
            return None;
        }
        (true, false) => Access::Read,
        (false, true) => Access::Write,
        (false, false) => Access::ReadWrite,
    };
    Some(Property {
        name,
        description: description(it),
        of: shape.of,
        unit: shape.unit,
        minimum: shape.minimum,
        maximum: shape.maximum,
        step: shape.step,
        choices: shape.choices,
        access,
        ..Property::default()
    })
}

pub(super) fn command(
    reading: &mut Reading,
    place: &str,
    key: &str,
    it: &Value,
) -> Option<DeviceCommand> {
    let name = name(reading, place, key)?;
    for field in it.as_object()?.keys() {
        if !READ.contains(&field.as_str()) {
            let why = match field.as_str() {
                "output" => "a command is done or not: what else an action answers is not read",
                _ => "nothing is made of it",
            };
            reading.unmapped(at(place, field), why);
        }
    }
    let mut arguments = Vec::new();
    let input = format!("{place}/input");
    match &it["input"] {
        Value::Null => {}
        schema if schema["type"] == "object" => {
            let required = schema["required"].as_array();
            for (key, schema) in schema["properties"].as_object().into_iter().flatten() {
                let place = at(&format!("{input}/properties"), key);
                if !required.is_some_and(|all| all.iter().any(|it| it == key)) {
                    reading.unmapped(
                        &place,
                        "it may be left out there, and each argument of a command has to be given",
                    );
                }
                // Under another name it would not be what the thing reads.
                if !is_name(key) || ["device", "namespace", "value"].contains(&key.as_str()) {
                    reading.unmapped(&place, "no argument can be called so");
                    return None;
                }
                arguments.push(argument(key, shape(reading, &place, schema)?, schema));
            }
        }
        schema => arguments.push(argument("input", shape(reading, &input, schema)?, schema)),
    }
    if arguments.len() > 16 {
        reading.unmapped(&input, "a command takes 16 arguments at most");
        return None;
    }
    Some(DeviceCommand {
        name,
        description: description(it),
        arguments,
        ..DeviceCommand::default()
    })
}

fn argument(name: &str, shape: Shape, schema: &Value) -> Argument {
    Argument {
        name: name.to_owned(),
        description: description(schema),
        of: shape.of,
        unit: shape.unit,
        minimum: shape.minimum,
        maximum: shape.maximum,
        choices: shape.choices,
    }
}

fn description(it: &Value) -> Option<String> {
    let text = it["description"].as_str().or(it["title"].as_str())?;
    Some(brief(text, 256)).filter(|it| !it.is_empty())
}

/// Whether a property, command or argument may be called so.
fn is_name(text: &str) -> bool {
    let mut letters = text.chars();
    let first = letters.next().is_some_and(|it| it.is_ascii_alphabetic());
    first
        && text.len() <= 63
        && letters.all(|it| it.is_ascii_alphanumeric() || matches!(it, '_' | '-'))
}

fn name(reading: &mut Reading, place: &str, key: &str) -> Option<String> {
    if is_name(key) {
        return Some(key.to_owned());
    }
    let name = naming::point(key);
    reading.unmapped(
        place,
        match &name {
            Some(name) => {
                format!("its name has other characters than a-z, 0-9, _ and -: it is called {name}")
            }
            None => "no name can be made of its own".to_owned(),
        },
    );
    name
}

/// What the values are; `None`, and named, where they are no scalars.
fn shape(reading: &mut Reading, place: &str, it: &Value) -> Option<Shape> {
    let mut shape = Shape::default();
    let choices = it["enum"].as_array();
    let texts = |all: &[Value]| {
        all.iter()
            .map(|it| it.as_str().map(str::to_owned))
            .collect::<Option<Vec<_>>>()
    };
    shape.of = match (it["type"].as_str(), choices) {
        (Some("string") | None, Some(all)) => {
            let fits =
                |it: &String| (1..=128).contains(&it.len()) && !it.chars().any(char::is_control);
            let all =
                texts(all).filter(|all| (1..=64).contains(&all.len()) && all.iter().all(fits));
            let Some(mut all) = all else {
                reading.unmapped(
                    format!("{place}/enum"),
                    "choices are 1 to 64 texts of 1 to 128 bytes",
                );
                return None;
            };
            let mut seen = BTreeSet::new();
            all.retain(|it| seen.insert(it.clone()));
            shape.choices = all;
            ValueType::Choice
        }
        (Some(_), Some(_)) => {
            reading.unmapped(
                format!("{place}/enum"),
                "a choice is one of texts: the range is not as narrow as that",
            );
            scalar(reading, place, it)?
        }
        (_, None) => scalar(reading, place, it)?,
    };
    let numeric = matches!(shape.of, ValueType::Integer | ValueType::Number);
    let mut bound = |field: &str| {
        let said = it.get(field)?;
        let written = said.as_f64().filter(|_| numeric).and_then(decimal);
        if written.is_none() {
            let why = "it is not a bound of a number with nine digits and six places at most";
            reading.unmapped(format!("{place}/{field}"), why);
        }
        written
    };
    (shape.minimum, shape.maximum) = (bound("minimum"), bound("maximum"));
    shape.step = bound("multipleOf").filter(|it| it != "0");
    if let Some(said) = it["unit"].as_str() {
        shape.unit = unit(said).filter(|_| numeric).map(str::to_owned);
        if shape.unit.is_none() {
            let why = "it is not a unit of a number that is known by UCUM: it has none";
            reading.unmapped(format!("{place}/unit"), why);
        }
    }
    let object = it.as_object()?;
    for field in object.keys().filter(|it| !READ.contains(&it.as_str())) {
        reading.unmapped(at(place, field), "nothing is made of it");
    }
    Some(shape)
}

fn scalar(reading: &mut Reading, place: &str, it: &Value) -> Option<ValueType> {
    let why = match it["type"].as_str() {
        Some("boolean") => return Some(ValueType::Boolean),
        Some("integer") => return Some(ValueType::Integer),
        Some("number") => return Some(ValueType::Number),
        Some("string") => return Some(ValueType::Text),
        Some(of @ ("object" | "array" | "null")) => {
            format!("it is of type {of}, and a value is a boolean, a number or a text")
        }
        Some(_) | None => "its type is not said".to_owned(),
    };
    reading.unmapped(format!("{place}/type"), why);
    None
}

/// Units as descriptions name them, by UCUM.
fn unit(said: &str) -> Option<&'static str> {
    // What names a vocabulary is named in it.
    let bare = said.rsplit([':', '/', '#']).next().unwrap_or(said);
    match bare
        .to_ascii_lowercase()
        .replace(['_', '-', ' '], "")
        .as_str()
    {
        "celsius" | "degreecelsius" | "degreescelsius" | "degc" | "cel" => Some("Cel"),
        "fahrenheit" | "degreefahrenheit" | "degf" => Some("[degF]"),
        "kelvin" => Some("K"),
        "percent" | "percentage" => Some("%"),
        "lux" => Some("lx"),
        "watt" | "watts" => Some("W"),
        "volt" | "volts" => Some("V"),
        "ampere" => Some("A"),
        "second" | "seconds" => Some("s"),
        "meter" | "metre" => Some("m"),
        _ => unit::ucum(said),
    }
}
