//! A Device and its DeviceModel, checked and compiled. All that is wrong is found at once, each fault in the resource that has
//! to be mended.

mod mapped;
mod mapping;
mod message;
mod points;
mod sparkplug;
mod watchdog;
mod way;
mod wire;

use std::{collections::BTreeMap, fmt, sync::Arc};

use aion_api::{Device, DeviceModel, MqttAvailability};
use internment::ArcIntern;

use mapped::{Command, Property, Said, Way};

use crate::{
    compiled::{Compiled, Key},
    shape::{Shape, What},
    topic,
};

/// What has to be mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// The Device.
    Device,
    /// Its DeviceModel.
    Model,
    /// A policy, which the field names.
    Policy,
}

/// Something that is wrong with a device, its model, or what a policy says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Of which of them.
    pub of: Of,
    /// Which field, such as `spec.mqtt.properties[2].state.topic`.
    pub field: String,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = match self.of {
            Of::Device => "Device",
            Of::Model => "DeviceModel",
            Of::Policy => "policy",
        };
        write!(f, "{of} {}: {}; {}", self.field, self.what, self.remedy)
    }
}

/// Where something stands.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    of: Of,
    field: String,
}

impl Place {
    fn new(of: Of, field: impl Into<String>) -> Self {
        Self {
            of,
            field: field.into(),
        }
    }

    fn at(&self, below: &str) -> Self {
        Self::new(self.of, format!("{}.{below}", self.field))
    }
}

/// The faults that were found.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    fn add(&mut self, place: &Place, what: impl Into<String>, remedy: impl Into<String>) {
        let fault = Fault {
            of: place.of,
            field: place.field.clone(),
            what: what.into(),
            remedy: remedy.into(),
        };
        if !self.0.contains(&fault) {
            self.0.push(fault);
        }
    }
}

/// An entry of a mapping, and where it stands.
struct Entry<T> {
    it: T,
    place: Place,
}

/// The entries of a mapping by the names of what they are about: the device's in place of the model's.
#[derive(Default)]
struct Mapping<'a> {
    properties: Vec<Entry<Property<'a>>>,
    commands: Vec<Entry<Command<'a>>>,
    availability: Option<Entry<&'a MqttAvailability>>,
}

/// Checks a device with its model, and compiles them.
///
/// # Errors
/// All that is wrong with either.
pub fn compile(device: &Device, model: &DeviceModel) -> Result<Compiled, Vec<Fault>> {
    let mut faults = Faults::default();
    let spec = &device.spec;
    let mut compiled = Compiled {
        key: Key {
            namespace: device.metadata.namespace.clone().unwrap_or_default(),
            name: device.metadata.name.clone().unwrap_or_default(),
        },
        shape: ArcIntern::new(empty()),
        description: spec.description.as_deref().map(Into::into),
        labels: device.metadata.labels.clone().unwrap_or_default(),
        parameters: BTreeMap::new(),
        edge: None,
        safe: Arc::default(),
        http: None,
    };
    let way = match (&spec.mqtt, &spec.http, &spec.sparkplug) {
        (Some(mqtt), None, None) => {
            parameters(&mqtt.parameters, Way::Mqtt, &mut compiled, &mut faults)
        }
        (None, Some(http), None) => {
            parameters(&http.parameters, Way::Http, &mut compiled, &mut faults)
        }
        (None, None, Some(it)) => {
            sparkplug::reached(it, &mut compiled, &mut faults);
            Way::Sparkplug
        }
        _ => {
            let what = "a device is reached in one way: by mqtt, http or sparkplug";
            faults.add(&Place::new(Of::Device, "spec"), what, "say one of them");
            return Err(faults.0);
        }
    };

    let mut shape = empty();
    shape.model = spec.model.as_str().into();
    shape.description = model.spec.description.as_deref().map(Into::into);
    let points = points::check(model, &mut faults);
    let converted = sparkplug::converted(device, model, &mut faults);
    let mapping = match &converted {
        Some(converted) => converted.mapping(),
        None => merged(device, model, way, &mut faults),
    };
    let http = way::http(device, model, &compiled, &mut faults);
    let mut listens = Vec::new();
    let mut checked = mapping::Checked {
        way,
        stale_ms: http.as_ref().map(crate::way::Http::stale_ms),
        device: &compiled,
        faults: &mut faults,
        listens: &mut listens,
    };
    shape.properties = checked.properties(&points, &mapping.properties, model);
    shape.commands = checked.commands(&points, &mapping.commands, model);
    if let Some(Entry { it, place }) = &mapping.availability {
        shape.availability = checked.availability(it, place);
    }
    shape.listens = listens.into();
    if !faults.0.is_empty() {
        return Err(faults.0);
    }
    compiled.shape = ArcIntern::new(shape);
    compiled.http = http.map(Arc::new);
    watchdog::watch(&mut compiled, device, model)?;
    Ok(compiled)
}

/// What the device fills in.
fn parameters(
    parameters: &BTreeMap<String, String>,
    way: Way,
    compiled: &mut Compiled,
    faults: &mut Faults,
) -> Way {
    compiled.parameters.clone_from(parameters);
    let names = parameters.keys();
    for name in names.filter(|name| mapping::RESERVED.contains(&name.as_str())) {
        let field = format!("spec.{}.parameters.{name}", way.field());
        faults.add(
            &Place::new(Of::Device, field),
            format!("{{{{{name}}}}} means something already"),
            "give the parameter another name",
        );
    }
    way
}

fn empty() -> Shape {
    Shape {
        model: Box::default(),
        description: None,
        properties: Box::default(),
        commands: Box::default(),
        listens: Box::default(),
        availability: None,
    }
}

/// The mapping that holds for a device, of which each entry is about something that the model has.
fn merged<'a>(
    device: &'a Device,
    model: &'a DeviceModel,
    way: Way,
    faults: &mut Faults,
) -> Mapping<'a> {
    let (own, shared) = match way {
        Way::Mqtt => (
            device.spec.mqtt.as_ref().map(Said::from),
            model.spec.mqtt.as_ref().map(Said::from),
        ),
        Way::Http => (
            device.spec.http.as_deref().map(Said::from),
            model.spec.http.as_ref().map(Said::from),
        ),
        // It has a mapping of its own.
        Way::Sparkplug => (None, None),
    };
    let own = own.unwrap_or_default();
    let availability = format!("spec.{}.availability", way.field());
    let properties: Vec<&str> = model
        .spec
        .properties
        .iter()
        .map(|it| it.name.as_str())
        .collect();
    let commands: Vec<&str> = model
        .spec
        .commands
        .iter()
        .map(|it| it.name.as_str())
        .collect();
    let mut merged = Mapping {
        properties: entries(Of::Device, way, "properties", own.properties),
        commands: entries(Of::Device, way, "commands", own.commands),
        availability: own.availability.map(|it| Entry {
            it,
            place: Place::new(Of::Device, availability.clone()),
        }),
    };
    about(
        &merged.properties,
        "property",
        &properties,
        |it| it.name,
        faults,
    );
    about(&merged.commands, "command", &commands, |it| it.name, faults);
    if let Some(shared) = shared {
        let others = entries(Of::Model, way, "properties", shared.properties);
        about(&others, "property", &properties, |it| it.name, faults);
        beside(&mut merged.properties, others, |it| it.name);
        let others = entries(Of::Model, way, "commands", shared.commands);
        about(&others, "command", &commands, |it| it.name, faults);
        beside(&mut merged.commands, others, |it| it.name);
        if merged.availability.is_none() {
            merged.availability = shared.availability.map(|it| Entry {
                it,
                place: Place::new(Of::Model, availability),
            });
        }
    }
    merged
}

/// Adds the entries whose names are not there yet.
fn beside<'a, T>(own: &mut Vec<Entry<T>>, others: Vec<Entry<T>>, name: impl Fn(&T) -> &'a str) {
    for other in others {
        if !own.iter().any(|it| name(&it.it) == name(&other.it)) {
            own.push(other);
        }
    }
}

fn entries<T>(of: Of, way: Way, list: &str, from: Vec<T>) -> Vec<Entry<T>> {
    let place = |at| Place::new(of, format!("spec.{}.{list}[{at}]", way.field()));
    from.into_iter()
        .enumerate()
        .map(|(at, it)| Entry {
            it,
            place: place(at),
        })
        .collect()
}

/// Each entry is about something that is there, and no two about the same.
fn about<'a, T>(
    entries: &[Entry<T>],
    what: &str,
    there: &[&str],
    name: impl Fn(&T) -> &'a str,
    faults: &mut Faults,
) {
    for (at, entry) in entries.iter().enumerate() {
        let its = name(&entry.it);
        if !there.contains(&its) {
            let remedy = format!("name one of the model's: {}", there.join(", "));
            faults.add(
                &entry.place.at("name"),
                format!("the model has no {what} {its}"),
                remedy,
            );
        }
        if entries[..at].iter().any(|other| name(&other.it) == its) {
            faults.add(
                &entry.place.at("name"),
                format!("the {what} {its} is there twice"),
                "remove one of them",
            );
        }
    }
}

/// What is wrong with a topic or a path that was filled in.
fn topic_fault(way: Way, topic: &str) -> Option<String> {
    let (kind, why) = match way {
        Way::Mqtt => ("topic", topic::check_name(topic).err()?),
        Way::Http => ("path", topic::check_path(topic).err()?),
        // It is the place of a metric, and no topic.
        Way::Sparkplug => return None,
    };
    Some(format!(
        "the {kind} {} {why}",
        crate::payload::scalar_told(topic)
    ))
}

/// A message's subject, for a listen.
type Subject<'a> = (What, Option<&'a str>);

#[cfg(test)]
mod http_tests;
#[cfg(test)]
mod sparkplug_tests;
#[cfg(test)]
mod tests;
