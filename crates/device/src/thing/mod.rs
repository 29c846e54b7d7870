//! Things as the W3C describes them (Thing Description 1.1): a DeviceModel, and a Device where a thing's forms are of MQTT. What
//! cannot be mapped is named by its JSON pointer, and never guessed. What may not enter: files, the command line.

mod forms;
mod schema;

use aion_api::{
    Access, Argument, Device, DeviceCommand, DeviceModel, DeviceModelSpec, DeviceMqtt, DeviceSpec,
    MqttCommand, MqttProperty, MqttPublish, MqttState, Retry,
};
use serde_json::{Map, Value};

use crate::{
    announced::{naming, parts::brief},
    compile,
};
use forms::{Forms, Way};

/// As many properties and commands as a model has.
const MAX_PROPERTIES: usize = 64;
const MAX_COMMANDS: usize = 32;

/// What a thing comes to.
#[derive(Debug, Clone, PartialEq)]
pub struct Thing {
    /// Its model.
    pub model: DeviceModel,
    /// Itself, where its forms are of MQTT, with the address of its broker.
    pub device: Option<(Device, String)>,
    /// What could not be mapped.
    pub unmapped: Vec<Unmapped>,
}

/// Something that could not be mapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmapped {
    /// Where it stands.
    pub pointer: String,
    /// Why not.
    pub why: String,
}

/// What the resources are called.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// Its name and that of its model; made of its title unless said.
    pub name: Option<String>,
    /// The DeviceBroker; made of the host of its forms unless said.
    pub broker: Option<String>,
}

/// What is read of a description, and what is not.
#[derive(Debug, Default)]
struct Reading {
    unmapped: Vec<Unmapped>,
}

impl Reading {
    fn unmapped(&mut self, pointer: impl Into<String>, why: impl Into<String>) {
        self.unmapped.push(Unmapped {
            pointer: pointer.into(),
            why: why.into(),
        });
    }
}

/// Fields of a thing that say nothing of what it can say or do. Who may speak with it, its broker asks.
const BESIDE: [&str; 19] = [
    "@context",
    "@type",
    "id",
    "title",
    "titles",
    "description",
    "descriptions",
    "version",
    "created",
    "modified",
    "support",
    "base",
    "security",
    "securityDefinitions",
    "links",
    "profile",
    "schemaDefinitions",
    "properties",
    "actions",
];

/// Reads a description.
///
/// # Errors
/// It is none, or nothing of it can be mapped.
pub fn read(text: &str, names: &Names) -> Result<Thing, String> {
    let thing: Value =
        serde_json::from_str(text).map_err(|why| format!("it is not JSON: {why}"))?;
    let Value::Object(thing) = thing else {
        return Err("a Thing Description is an object".to_owned());
    };
    let text_of = |field: &str| thing.get(field).and_then(Value::as_str);
    let title = text_of("title").ok_or("it has no title, which every Thing Description has")?;
    let name = names.name.clone().or_else(|| naming::device(title));
    let name = name.ok_or("no name can be made of its title: say one")?;
    let mut reading = Reading::default();
    for field in thing.keys().filter(|it| !BESIDE.contains(&it.as_str())) {
        let why = match field.as_str() {
            "events" => continue,
            "forms" => "forms for all properties at once are not followed",
            _ => "it is not a field of Thing Description 1.1 that is read",
        };
        reading.unmapped(at("", field), why);
    }
    for event in map(&thing, "events").into_iter().flat_map(Map::keys) {
        let why = "a model has no events: a property that is read starts triggers when it changes";
        reading.unmapped(at("/events", event), why);
    }
    let mut forms = Forms::new(text_of("base"));
    let (mut properties, mut mapped) = (Vec::new(), Vec::new());
    for (key, it) in map(&thing, "properties").into_iter().flatten() {
        let place = at("/properties", key);
        let Some(mut property) = schema::property(&mut reading, &place, key, it) else {
            continue;
        };
        if properties
            .iter()
            .any(|(other, ..): &(aion_api::Property, _, _)| other.name == property.name)
        {
            reading.unmapped(
                &place,
                format!("another property is called {}, too", property.name),
            );
            continue;
        }
        let ways = forms.property(&mut reading, &place, it, &property);
        if let Some(way) = &ways {
            property.access = narrowed(&mut reading, &place, property.access, way);
        }
        properties.push((property, ways, place));
    }
    let mut commands = Vec::new();
    for (key, it) in map(&thing, "actions").into_iter().flatten() {
        let place = at("/actions", key);
        let Some(mut command) = schema::command(&mut reading, &place, key, it) else {
            continue;
        };
        if it["idempotent"] == true {
            command.retry = Retry::Safe;
        }
        if commands
            .iter()
            .any(|(other, ..): &(DeviceCommand, _, _)| other.name == command.name)
        {
            reading.unmapped(
                &place,
                format!("another action is called {}, too", command.name),
            );
            continue;
        }
        let send = forms.action(&mut reading, &place, it, &command);
        commands.push((command, send, place));
    }
    // A Device says of all of its model how it looks: what has no form of MQTT is in a model without a Device only.
    let mqtt =
        properties.iter().any(|it| it.1.is_some()) || commands.iter().any(|it| it.1.is_some());
    let mut model = DeviceModelSpec {
        description: Some(brief(text_of("description").unwrap_or(title), 1024)),
        ..DeviceModelSpec::default()
    };
    for (property, way, place) in properties {
        if way.is_none() && mqtt {
            reading.unmapped(
                &place,
                "it has no form of MQTT at the same broker as the others",
            );
            continue;
        }
        if model.properties.len() == MAX_PROPERTIES {
            reading.unmapped(&place, "a model has 64 properties, and they were before it");
            continue;
        }
        let way = way.unwrap_or_else(|| stand_in(&property.name));
        let it = MqttProperty {
            name: property.name.clone(),
            state: way.state.filter(|_| property.access.reads()),
            set: way.set.filter(|_| property.access.writes()),
            ..MqttProperty::default()
        };
        let alone = DeviceModelSpec {
            properties: vec![property.clone()],
            ..DeviceModelSpec::default()
        };
        if makes_sense(&mut reading, &place, alone, (vec![it.clone()], Vec::new())) {
            model.properties.push(property);
            mapped.push(it);
        }
    }
    let mut sent = Vec::new();
    for (command, send, place) in commands {
        if send.is_none() && mqtt {
            reading.unmapped(
                &place,
                "it has no form of MQTT at the same broker as the others",
            );
            continue;
        }
        if model.commands.len() == MAX_COMMANDS {
            reading.unmapped(&place, "a model has 32 commands, and they were before it");
            continue;
        }
        // A payload has to say all of its arguments.
        let filled = |it: &Argument| format!("{{{{{}}}}}", it.name);
        let stand_in = || MqttPublish {
            topic: command.name.clone(),
            payload: Some(
                command
                    .arguments
                    .iter()
                    .map(filled)
                    .collect::<Vec<_>>()
                    .join(" "),
            )
            .filter(|it| !it.is_empty()),
            ..MqttPublish::default()
        };
        let it = MqttCommand {
            name: command.name.clone(),
            send: send.unwrap_or_else(stand_in),
            done: None,
        };
        let alone = DeviceModelSpec {
            commands: vec![command.clone()],
            ..DeviceModelSpec::default()
        };
        if makes_sense(&mut reading, &place, alone, (Vec::new(), vec![it.clone()])) {
            model.commands.push(command);
            sent.push(it);
        }
    }
    some(&reading, &model)?;
    let model = DeviceModel::new(&name, model);
    // Without forms of MQTT it is what the model is tried with.
    let device = device(&name, title, names, &forms, (mapped, sent));
    if let Err(faults) = compile(&device.0, &model) {
        let faults: Vec<_> = faults
            .iter()
            .map(|it| format!("{}: {}", it.field, it.what))
            .collect();
        return Err(format!(
            "what it comes to makes no sense: {}",
            faults.join("; ")
        ));
    }
    Ok(Thing {
        model,
        device: mqtt.then_some(device),
        unmapped: reading.unmapped,
    })
}

/// How a property could be heard and set that has no form of MQTT, to see whether the rest of it makes sense.
fn stand_in(name: &str) -> Way {
    Way {
        state: Some(MqttState {
            topic: name.to_owned(),
            pointer: None,
        }),
        set: Some(MqttPublish {
            topic: name.to_owned(),
            ..MqttPublish::default()
        }),
    }
}

/// Whether a property or an action makes sense by itself; named where it does not, so that the rest can be had.
fn makes_sense(
    reading: &mut Reading,
    place: &str,
    model: DeviceModelSpec,
    (properties, commands): (Vec<MqttProperty>, Vec<MqttCommand>),
) -> bool {
    let spec = DeviceSpec {
        model: "alone".to_owned(),
        mqtt: Some(DeviceMqtt {
            broker: "broker".to_owned(),
            properties,
            commands,
            ..DeviceMqtt::default()
        }),
        ..DeviceSpec::default()
    };
    let compiled = compile(
        &Device::new("alone", spec),
        &DeviceModel::new("alone", model),
    );
    let Err(faults) = compiled else {
        return true;
    };
    let faults: Vec<_> = faults.into_iter().take(3).map(|it| it.what).collect();
    reading.unmapped(place, format!("it makes no sense: {}", faults.join("; ")));
    false
}

fn device(
    name: &str,
    title: &str,
    names: &Names,
    forms: &Forms,
    (properties, commands): (Vec<MqttProperty>, Vec<MqttCommand>),
) -> (Device, String) {
    let broker = names
        .broker
        .clone()
        .or_else(|| naming::device(forms.host()));
    let spec = DeviceSpec {
        model: name.to_owned(),
        description: Some(brief(title, 1024)),
        mqtt: Some(DeviceMqtt {
            broker: broker.unwrap_or_else(|| "broker".to_owned()),
            properties,
            commands,
            ..DeviceMqtt::default()
        }),
        ..DeviceSpec::default()
    };
    (Device::new(name, spec), forms.broker().to_owned())
}

/// What may be done with a property, as far as its forms say how.
fn narrowed(reading: &mut Reading, place: &str, access: Access, way: &Way) -> Access {
    let said = match (
        access.reads() && way.state.is_some(),
        access.writes() && way.set.is_some(),
    ) {
        (true, true) => Access::ReadWrite,
        (_, true) => Access::Write,
        _ => Access::Read,
    };
    if said != access {
        let why = "no form of MQTT says how it is read, or how it is written: the model has the other alone";
        reading.unmapped(format!("{place}/forms"), why);
    }
    said
}

fn some(reading: &Reading, model: &DeviceModelSpec) -> Result<(), String> {
    if model.properties.is_empty() && model.commands.is_empty() {
        let why = reading
            .unmapped
            .first()
            .map(|it| format!(": {}: {}", it.pointer, it.why));
        return Err(format!(
            "it has no property and no action that can be mapped{}",
            why.unwrap_or_default()
        ));
    }
    Ok(())
}

fn map<'a>(of: &'a Map<String, Value>, field: &str) -> Option<&'a Map<String, Value>> {
    of.get(field).and_then(Value::as_object)
}

/// The pointer of a field below another.
fn at(above: &str, field: &str) -> String {
    let field: String = field.chars().take(64).collect();
    format!("{above}/{}", field.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests;
