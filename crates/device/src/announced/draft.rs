//! Devices as they are announced: the components of each together, named so that none takes the name of another, and checked as
//! every device is.

use std::collections::{BTreeMap, BTreeSet};

use aion_api::{Device, DeviceModel, DeviceModelSpec, DeviceMqtt, DeviceSpec, MqttAvailability};

use super::{
    Announcements, Unmapped,
    entity::{self, Entity},
    naming,
    parts::brief,
};
use crate::compile;

/// As many properties and commands as a model has.
pub(super) const MAX_PROPERTIES: usize = 64;
const MAX_COMMANDS: usize = 32;
/// As much as is said of what could not be mapped.
pub(super) const MAX_UNMAPPED: usize = 64;
/// As much as is held of that before it is sorted: each says the topic of its announcement.
const MAX_HELD: usize = 4 * MAX_UNMAPPED;
pub(super) const MAX_WHY: usize = 300;

/// A device as it is announced, without a name that is its own.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// What tells it from all others of its broker: the same as long as it calls itself the same.
    pub identity: String,
    /// What it would be called.
    pub(super) name: String,
    /// Topics of its announcements.
    pub topics: Vec<String>,
    /// What could not be mapped.
    pub unmapped: Vec<Unmapped>,
    /// Its model and itself, if something could be mapped.
    pub(super) specs: Option<(DeviceModelSpec, DeviceSpec)>,
}

/// What is announced at a broker of this name, by device.
#[must_use]
pub fn drafts(broker: &str, announcements: &Announcements) -> Vec<Draft> {
    let mut groups: BTreeMap<String, Vec<Entity>> = BTreeMap::new();
    for (topic, name, payload) in announcements.iter() {
        for entity in entity::entities(&topic, name, payload) {
            groups
                .entry(entity.device.identity.clone())
                .or_default()
                .push(entity);
        }
    }
    groups
        .into_iter()
        .map(|(identity, all)| draft(broker, identity, all))
        .collect()
}

fn draft(broker: &str, identity: String, mut all: Vec<Entity>) -> Draft {
    let mut unmapped = Vec::new();
    let mut more = 0;
    for it in &mut all {
        let left = std::mem::take(&mut it.parts.unmapped);
        let room = MAX_HELD - unmapped.len().min(MAX_HELD);
        more += it.parts.more + left.len().saturating_sub(room);
        let left = left.into_iter().take(room);
        unmapped.extend(left.map(|(field, why)| say(it, &field, &why)));
    }
    let named: BTreeSet<&str> = all
        .iter()
        .filter_map(|it| it.device.name.as_deref())
        .collect();
    if let [first, second, ..] = named.iter().copied().collect::<Vec<_>>()[..] {
        let why = format!(
            "its announcements call it {} and {}",
            told(first),
            told(second)
        );
        unmapped.push(say(&all[0], "device.name", &why));
    }
    let name = all.iter().find_map(|it| it.device.name.clone());
    let make = all.iter().find_map(|it| it.device.make.clone());
    let called = name.as_deref().or(make.as_deref()).and_then(naming::device);
    let called = called.or_else(|| naming::device(&all[0].object));
    let topics: BTreeSet<String> = all.iter().map(|it| it.topic.clone()).collect();
    named_apart(&mut all, &mut unmapped);
    bounded(&mut all, &mut unmapped);
    let availability = availability(&all, &mut unmapped);
    let describe = |it: &Option<String>| it.as_deref().map(|it| brief(it, 1024));
    let model = describe(&make.or_else(|| name.clone()));
    let specs = |all: &[Entity]| {
        specs(
            broker,
            all,
            (&model, &describe(&name)),
            availability.as_ref(),
        )
    };
    // What does not make sense is found by itself, so that the rest can be admitted.
    if faults(&specs(&all)).is_some() {
        all.retain(|it| {
            let Some(why) = faults(&specs(std::slice::from_ref(it))) else {
                return true;
            };
            unmapped.push(say(it, "", &why));
            false
        });
    }
    let made = specs(&all);
    let why = faults(&made);
    let empty = made.0.properties.is_empty() && made.0.commands.is_empty();
    if let (Some(why), Some(first), false) = (&why, all.first(), empty) {
        unmapped.push(say(first, "", why));
    }
    unmapped.sort();
    unmapped.dedup();
    more += unmapped.len().saturating_sub(MAX_UNMAPPED);
    unmapped.truncate(MAX_UNMAPPED);
    if more > 0 && !unmapped.is_empty() {
        let first = unmapped[0].topic.clone();
        unmapped.push(Unmapped {
            topic: first,
            field: String::new(),
            why: format!("{more} more fields are not mapped"),
        });
    }
    Draft {
        identity,
        name: called.unwrap_or_else(|| "device".to_owned()),
        topics: topics.into_iter().collect(),
        unmapped,
        specs: (why.is_none() && !empty).then_some(made),
    }
}

fn say(it: &Entity, field: &str, why: &str) -> Unmapped {
    Unmapped {
        topic: it.topic.clone(),
        field: brief(field, 64),
        why: brief(why, MAX_WHY),
    }
}

fn told(text: &str) -> String {
    crate::payload::scalar_told(text)
}

/// Gives each property and command a name of its own. Where two would have the same, none has it: whoever announces later, or under
/// a topic that sorts before, takes nobody's place.
fn named_apart(all: &mut [Entity], unmapped: &mut Vec<Unmapped>) {
    for it in all.iter_mut() {
        let own = it.name.clone().unwrap_or_default();
        let one = it.parts.properties.first().map(|(it, _)| &it.name);
        let one = one
            .or(it.parts.commands.first().map(|(it, _)| &it.name))
            .cloned();
        let one = one.filter(|_| it.is_one && !own.is_empty());
        each_name(it, |name| match one.as_deref() == Some(name) {
            true => own.clone(),
            false => naming::joined(&own, name),
        });
    }
    let twice = twice(all);
    for it in all.iter_mut() {
        let object = naming::point(&it.object).unwrap_or_default();
        each_name(it, |name| match twice.contains(name) {
            true => naming::joined(&object, name),
            false => name.to_owned(),
        });
    }
    let twice = self::twice(all);
    for it in all.iter_mut() {
        let gone = |it: &Entity, name: &str| {
            say(
                it,
                "name",
                &format!(
                    "two components of the device would be called {}",
                    told(name)
                ),
            )
        };
        let names = it.parts.properties.iter().map(|(it, _)| it.name.clone());
        let names = names.chain(it.parts.commands.iter().map(|(it, _)| it.name.clone()));
        let lost: Vec<String> = names.filter(|name| twice.contains(name)).collect();
        unmapped.extend(lost.iter().map(|name| gone(it, name)));
        it.parts
            .properties
            .retain(|(it, _)| !twice.contains(&it.name));
        it.parts
            .commands
            .retain(|(it, _)| !twice.contains(&it.name));
    }
}

fn each_name(it: &mut Entity, rename: impl Fn(&str) -> String) {
    for (property, mapped) in &mut it.parts.properties {
        property.name = rename(&property.name);
        mapped.name.clone_from(&property.name);
    }
    for (command, mapped) in &mut it.parts.commands {
        command.name = rename(&command.name);
        mapped.name.clone_from(&command.name);
    }
}

fn twice(all: &[Entity]) -> BTreeSet<String> {
    let (mut seen, mut twice) = (BTreeSet::new(), BTreeSet::new());
    let properties = all
        .iter()
        .flat_map(|it| it.parts.properties.iter().map(|(it, _)| &it.name));
    let commands = all
        .iter()
        .flat_map(|it| it.parts.commands.iter().map(|(it, _)| &it.name));
    for name in properties.chain(commands) {
        if !seen.insert(name.clone()) {
            twice.insert(name.clone());
        }
    }
    twice
}

/// Leaves no more than a model has.
fn bounded(all: &mut [Entity], unmapped: &mut Vec<Unmapped>) {
    let (mut properties, mut commands) = (0, 0);
    for it in all.iter_mut() {
        let parts = &mut it.parts;
        let room = (MAX_PROPERTIES - properties, MAX_COMMANDS - commands);
        let beyond = parts.properties.iter().skip(room.0);
        let beyond = beyond.map(|(it, _)| it.name.as_str());
        let also = parts.commands.iter().skip(room.1);
        let beyond: Vec<_> = beyond.chain(also.map(|(it, _)| it.name.as_str())).collect();
        let why = (!beyond.is_empty()).then(|| {
            format!(
                "a model has 64 properties and 32 commands, and without room are {}",
                beyond.join(", ")
            )
        });
        parts.properties.truncate(room.0);
        parts.commands.truncate(room.1);
        properties += parts.properties.len();
        commands += parts.commands.len();
        unmapped.extend(why.map(|why| say(it, "", &why)));
    }
}

/// Where the device says that it is there, if all of its components say the same.
fn availability(all: &[Entity], unmapped: &mut Vec<Unmapped>) -> Option<MqttAvailability> {
    let mut said = all.iter().filter(|it| it.availability.is_some());
    let first = said.next()?;
    if let Some(other) = said.find(|it| it.availability != first.availability) {
        let why = "components of the device say otherwise whether it is there, and a Device has one topic for it";
        unmapped.push(say(other, "availability", why));
        return None;
    }
    first.availability.clone()
}

fn specs(
    broker: &str,
    all: &[Entity],
    (make, name): (&Option<String>, &Option<String>),
    availability: Option<&MqttAvailability>,
) -> (DeviceModelSpec, DeviceSpec) {
    let properties = || all.iter().flat_map(|it| it.parts.properties.iter());
    let commands = || all.iter().flat_map(|it| it.parts.commands.iter());
    let model = DeviceModelSpec {
        description: make.clone(),
        properties: properties().map(|(it, _)| it.clone()).collect(),
        commands: commands().map(|(it, _)| it.clone()).collect(),
        ..DeviceModelSpec::default()
    };
    let device = DeviceSpec {
        description: name.clone(),
        mqtt: Some(DeviceMqtt {
            broker: broker.to_owned(),
            properties: properties().map(|(_, it)| it.clone()).collect(),
            commands: commands().map(|(_, it)| it.clone()).collect(),
            availability: availability.cloned(),
            ..DeviceMqtt::default()
        }),
        ..DeviceSpec::default()
    };
    (model, device)
}

/// What is wrong with it, as it would be told of a device that is applied.
pub(super) fn faults((model, device): &(DeviceModelSpec, DeviceSpec)) -> Option<String> {
    let faults = compile(
        &Device::new("device", device.clone()),
        &DeviceModel::new("device", model.clone()),
    )
    .err()?;
    let faults: Vec<_> = faults.into_iter().take(3).map(|it| it.what).collect();
    Some(faults.join("; "))
}
