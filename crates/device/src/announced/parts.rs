//! What components come to: properties and commands with how they look on MQTT, and what could not be mapped. Whatever is longer
//! than a resource may say is refused here.

use aion_api::{
    Access, Delivery, DeviceCommand, MqttCommand, MqttDone, MqttProperty, MqttPublish, MqttState,
    MqttValue, Property, Scale, Takes, ValueType,
};

use super::{fields::Fields, template};
use crate::topic;

/// As many bytes as a resource takes of each.
pub(super) const MAX_TOPIC: usize = 512;
const MAX_POINTER: usize = 256;
const MAX_WORD: usize = 128;
pub(super) const MAX_CHOICES: usize = 64;
const MAX_PAYLOAD: usize = 4096;
/// As many fields as one component says that were not mapped; more are counted.
pub(super) const MAX_UNMAPPED: usize = 32;

/// A field that says something that nothing was made of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unmapped {
    /// The topic of the announcement.
    pub topic: String,
    /// The field, under its long name.
    pub field: String,
    /// Why not.
    pub why: String,
}

/// See the module. Names are those within the component.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Parts {
    pub(super) properties: Vec<(Property, MqttProperty)>,
    pub(super) commands: Vec<(DeviceCommand, MqttCommand)>,
    /// Fields and reasons.
    pub(super) unmapped: Vec<(String, String)>,
    /// How many more there are.
    pub(super) more: usize,
    pub(super) delivery: Delivery,
    pub(super) stale_seconds: Option<i32>,
}

/// A property that is looked for: its shape, and the fields that say where it is.
#[derive(Debug, Clone, Default)]
pub(super) struct Point<'a> {
    pub(super) name: &'a str,
    pub(super) description: Option<String>,
    pub(super) of: ValueType,
    pub(super) unit: Option<&'static str>,
    pub(super) minimum: Option<f64>,
    pub(super) maximum: Option<f64>,
    pub(super) step: Option<f64>,
    pub(super) choices: Vec<String>,
    /// What the device writes for values.
    pub(super) values: Vec<(String, String)>,
    pub(super) scale: Option<Scale>,
    /// The fields of the topic and the template that it is heard by.
    pub(super) state: (&'a str, &'a str),
    /// Those that it is set by.
    pub(super) set: (&'a str, &'a str),
}

impl Parts {
    pub(super) fn unmapped(&mut self, field: &str, why: impl Into<String>) {
        if self.unmapped.len() < MAX_UNMAPPED {
            self.unmapped.push((brief(field, 64), why.into()));
        } else {
            self.more += 1;
        }
    }

    /// A topic that may be listened to or sent to.
    pub(super) fn topic(&mut self, fields: &mut Fields, field: &str) -> Option<String> {
        let topic = fields.word(field)?;
        match unfit(&topic) {
            None => Some(topic),
            Some(why) => {
                self.unmapped(field, format!("the topic {why}"));
                None
            }
        }
    }

    /// Where something is heard: a topic, and what its template reads there.
    pub(super) fn state(
        &mut self,
        fields: &mut Fields,
        (topic, by): (&str, &str),
    ) -> Option<(MqttState, Option<String>)> {
        let template = fields.word(by);
        let topic = self.topic(fields, topic)?;
        let read = match template.as_deref().map(template::reads).transpose() {
            Ok(read) => read.unwrap_or_default(),
            Err(why) => {
                self.unmapped(by, why);
                return None;
            }
        };
        if read
            .pointer
            .as_ref()
            .is_some_and(|it| it.len() > MAX_POINTER)
        {
            self.unmapped(
                by,
                "its place in the payload is named by more than 256 bytes",
            );
            return None;
        }
        let state = MqttState {
            topic,
            pointer: read.pointer,
        };
        Some((state, read.factor))
    }

    /// How something is set: a topic, and what its template writes there.
    fn set(
        &mut self,
        fields: &mut Fields,
        (topic, by): (&str, &str),
        scaled: bool,
    ) -> Option<MqttPublish> {
        let template = fields.word(by);
        let topic = self.topic(fields, topic)?;
        let writes = |it: &str| {
            let payload = template::writes(it, named(by))?;
            // Under its own name it is the percentage, which a scale would count in the device's range.
            if scaled && template::writes(it, "value").is_err() {
                let (named, range) = (named(by), "what the device says is of another range");
                return Err(format!("it says {named}, a percentage, and {range}"));
            }
            Ok(payload)
        };
        let payload = match template.as_deref().map(writes).transpose() {
            Ok(payload) => payload.filter(|it| it != "{{value}}"),
            Err(why) => {
                self.unmapped(by, why);
                return None;
            }
        };
        Some(MqttPublish {
            topic,
            payload,
            delivery: self.delivery,
        })
    }

    /// Adds a property where its fields say that it is heard, set or both. Gives where it is heard.
    pub(super) fn point(&mut self, fields: &mut Fields, point: Point<'_>) -> Option<MqttState> {
        let heard = self.state(fields, point.state);
        let set = match point.set.0.is_empty() {
            true => None,
            false => self.set(fields, point.set, point.scale.is_some()),
        };
        self.add(point, heard, set)
    }

    /// Adds a property that is heard, set or both.
    pub(super) fn add(
        &mut self,
        point: Point<'_>,
        heard: Option<(MqttState, Option<String>)>,
        set: Option<MqttPublish>,
    ) -> Option<MqttState> {
        let access = match (&heard, &set) {
            (Some(_), Some(_)) => Access::ReadWrite,
            (Some(_), None) => Access::Read,
            (None, Some(_)) => Access::Write,
            (None, None) => return None,
        };
        let field = if heard.is_some() {
            point.state.0
        } else {
            point.set.0
        };
        let numeric = matches!(point.of, ValueType::Integer | ValueType::Number);
        let (state, factor) = heard.unzip();
        let scale = match (factor.flatten(), point.scale.clone()) {
            (None, scale) => scale,
            (Some(factor), None) if numeric && set.is_none() => Some(Scale {
                factor: Some(factor),
                ..Scale::default()
            }),
            _ => {
                self.unmapped(
                    point.state.1,
                    "its template reckons with a value that is set, or is not a number",
                );
                return None;
            }
        };
        if let Some(why) = wordy(&point) {
            self.unmapped(field, why);
            return None;
        }
        let mut bound = |name: &str, it: Option<f64>| {
            let written = it.and_then(decimal);
            if it.is_some() && written.is_none() {
                self.unmapped(name, "it has more than nine digits or six places");
            }
            written
        };
        let property = Property {
            name: point.name.to_owned(),
            description: point.description.as_deref().map(|it| brief(it, 256)),
            of: point.of,
            unit: point.unit.map(str::to_owned),
            minimum: bound("min", point.minimum),
            maximum: bound("max", point.maximum),
            step: bound("step", point.step.filter(|it| *it > 0.0)),
            choices: point.choices,
            access,
            stale_seconds: self.stale_seconds.filter(|_| access.reads()),
            ..Property::default()
        };
        let values = point.values.into_iter();
        let mapped = MqttProperty {
            name: property.name.clone(),
            state: state.clone(),
            set,
            values: values
                .map(|(value, payload)| MqttValue { value, payload })
                .collect(),
            scale,
        };
        self.properties.push((property, mapped));
        state
    }

    /// Adds a command that is one payload, with what the device says when it did it.
    pub(super) fn command(
        &mut self,
        name: &str,
        topic: (&str, &str),
        payload: &str,
        done: Option<MqttDone>,
    ) {
        let (field, topic) = topic;
        if payload.len() > MAX_PAYLOAD || payload.contains("{{") {
            self.unmapped(
                field,
                "its payload is longer than 4,096 bytes, or has {{ in it",
            );
            return;
        }
        let command = DeviceCommand {
            name: name.to_owned(),
            ..DeviceCommand::default()
        };
        let mapped = MqttCommand {
            name: name.to_owned(),
            send: MqttPublish {
                topic: topic.to_owned(),
                payload: Some(payload.to_owned()).filter(|it| !it.is_empty()),
                delivery: self.delivery,
            },
            done,
        };
        self.commands.push((command, mapped));
    }
}

/// What a template calls the value that it says.
fn named(template: &str) -> &str {
    match template {
        "set_position_template" => "position",
        "tilt_command_template" => "tilt_position",
        _ => "value",
    }
}

/// What is wrong with a topic.
pub(crate) fn unfit(topic: &str) -> Option<String> {
    match topic::check_name(topic) {
        _ if topic.len() > MAX_TOPIC => Some("is longer than 512 bytes".to_owned()),
        _ if topic.contains("{{") => Some("has {{ in it".to_owned()),
        Err(why) => Some(why.to_owned()),
        Ok(()) => None,
    }
}

/// What of the words of a property a resource does not take.
fn wordy(point: &Point<'_>) -> Option<&'static str> {
    let long =
        |it: &String| it.is_empty() || it.len() > MAX_WORD || it.chars().any(char::is_control);
    let payload = |it: &String| it.len() > MAX_WORD;
    match point {
        _ if point.of == ValueType::Choice && point.choices.is_empty() => {
            Some("there is nothing to choose")
        }
        _ if point.choices.len() > MAX_CHOICES => Some("there are more than 64 choices"),
        _ if point.choices.iter().any(long) => {
            Some("a choice is empty, longer than 128 bytes or has a control character")
        }
        _ if point.values.iter().any(|(_, it)| payload(it)) => {
            Some("a payload is longer than 128 bytes")
        }
        _ => None,
    }
}

/// A decimal as resources have it; `None` where it is none.
pub(crate) fn decimal(number: f64) -> Option<String> {
    if !number.is_finite() || number.abs() >= 1e9 {
        return None;
    }
    let written = format!("{number:.6}");
    let written = written.trim_end_matches('0').trim_end_matches('.');
    let near = written
        .parse::<f64>()
        .is_ok_and(|it| (it - number).abs() <= 1e-9 * number.abs().max(1e-3));
    let written = if written == "-0" { "0" } else { written };
    near.then(|| written.to_owned())
}

/// A factor and what numbers are sent for a value that is a percentage of a range.
pub(super) fn percent_of(from: f64, to: f64) -> Option<Scale> {
    let factor = 100.0 / (to - from);
    if !factor.is_finite() || factor == 0.0 {
        return None;
    }
    // Rounded: what is sent is a whole number again.
    let six = |it: f64| decimal((it * 1e6).round() / 1e6);
    let offset = six(-from * factor)?;
    Some(Scale {
        factor: Some(six(factor).filter(|it| it != "0")?),
        offset: Some(offset).filter(|it| it != "0"),
        takes: Takes::Whole,
    })
}

/// A text for people: without control characters, and not longer than so many bytes.
pub(crate) fn brief(text: &str, bytes: usize) -> String {
    let mut brief = String::new();
    for c in text.trim().chars().filter(|it| !it.is_control()) {
        if brief.len() + c.len_utf8() > bytes {
            break;
        }
        brief.push(c);
    }
    brief
}
