//! How properties and commands look in Sparkplug, as what the rest checks: each metric is a place that is heard or told.

use std::collections::BTreeMap;

use aion_api::{
    Delivery, Device, DeviceModel, DeviceSparkplug, MqttCommand, MqttDone, MqttProperty,
    MqttPublish, MqttState, SparkplugCommand, SparkplugProperty,
};

use super::{
    Entry, Faults, Mapping, Of, Place, about, beside, entries,
    mapped::{Way, published, published_command},
};
use crate::{
    compiled::Compiled,
    edge::{self, Edge},
};

/// What is written where a command does not say it.
const TRUE: &str = "true";

/// Which device of which edge node it is.
pub(super) fn reached(it: &DeviceSparkplug, compiled: &mut Compiled, faults: &mut Faults) {
    let edge = Edge {
        group: it.group.as_str().into(),
        node: it.edge_node.as_str().into(),
        device: it.device.as_deref().map(Into::into),
        asks: it.rebirth.is_asked(),
    };
    if let Some(why) = edge.fault() {
        let place = Place::new(Of::Device, "spec.sparkplug");
        faults.add(&place, why, "write them as its topics have them");
    }
    compiled.parameters = BTreeMap::from([
        (edge::HEARD.to_owned(), edge.heard()),
        (edge::TOLD.to_owned(), edge.told()),
    ]);
    compiled.edge = Some(edge);
}

/// A mapping that others than the device and its model hold.
pub(super) struct Converted {
    properties: Vec<(MqttProperty, Place)>,
    commands: Vec<(MqttCommand, Place)>,
}

impl Converted {
    pub(super) fn mapping(&self) -> Mapping<'_> {
        fn held<'a, T, U>(all: &'a [(T, Place)], of: fn(&'a T) -> U) -> Vec<Entry<U>> {
            let entry = |(it, place): &'a (T, Place)| Entry {
                it: of(it),
                place: place.clone(),
            };
            all.iter().map(entry).collect()
        }
        Mapping {
            properties: held(&self.properties, published),
            commands: held(&self.commands, published_command),
            // Births and deaths say it.
            availability: None,
        }
    }
}

/// The mapping of a device that is reached by Sparkplug: its own entries in the place of its model's.
pub(super) fn converted(
    device: &Device,
    model: &DeviceModel,
    faults: &mut Faults,
) -> Option<Converted> {
    let own = device.spec.sparkplug.as_ref()?;
    let shared = model.spec.sparkplug.as_ref();
    let names = model.spec.properties.iter().map(|it| it.name.as_str());
    let names: Vec<&str> = names.collect();
    let properties = own_and_shared(
        (&own.properties, shared.map(|it| &it.properties)),
        ("properties", "property", &names),
        |it| it.name.as_str(),
        faults,
    );
    let names = model.spec.commands.iter().map(|it| it.name.as_str());
    let names: Vec<&str> = names.collect();
    let commands = own_and_shared(
        (&own.commands, shared.map(|it| &it.commands)),
        ("commands", "command", &names),
        |it| it.name.as_str(),
        faults,
    );

    let properties = properties.into_iter().map(|it| property(it, model, faults));
    let properties = properties.collect();
    let commands = commands.into_iter().map(|it| command(it, faults));
    Some(Converted {
        properties,
        commands: commands.collect(),
    })
}

/// A device's own entries, and its model's of other names.
fn own_and_shared<'a, T>(
    (own, shared): (&'a [T], Option<&'a Vec<T>>),
    (list, what, names): (&str, &str, &[&str]),
    name: fn(&'a T) -> &'a str,
    faults: &mut Faults,
) -> Vec<Entry<&'a T>> {
    let way = Way::Sparkplug;
    let mut all = entries(Of::Device, way, list, own.iter().collect());
    about(&all, what, names, |it| name(it), faults);
    let shared = shared.into_iter().flatten().collect();
    let others = entries(Of::Model, way, list, shared);
    about(&others, what, names, |it| name(it), faults);
    beside(&mut all, others, |it| name(it));
    all
}

fn property(
    Entry { it, place }: Entry<&SparkplugProperty>,
    model: &DeviceModel,
    faults: &mut Faults,
) -> (MqttProperty, Place) {
    let mut properties = model.spec.properties.iter();
    let access = properties.find(|of| of.name == it.name).map(|of| of.access);
    let access = access.unwrap_or_default();
    metric(&it.metric, &place.at("metric"), faults);
    if access.writes() && !access.reads() {
        let what = format!("nobody would say that {} was written", it.name);
        let remedy =
            "say access: readWrite in the model: what is written in Sparkplug is heard, too";
        faults.add(&place, what, remedy);
    }
    let mapped = MqttProperty {
        name: it.name.clone(),
        state: access.reads().then(|| MqttState {
            topic: of(edge::HEARD, &it.metric),
            pointer: None,
        }),
        set: access.writes().then(|| MqttPublish {
            topic: of(edge::TOLD, &it.metric),
            payload: None,
            delivery: Delivery::AtMostOnce,
        }),
        values: it.values.clone(),
        scale: it.scale.clone(),
    };
    (mapped, place)
}

fn command(
    Entry { it, place }: Entry<&SparkplugCommand>,
    faults: &mut Faults,
) -> (MqttCommand, Place) {
    metric(&it.metric, &place.at("metric"), faults);
    metric(&it.done.metric, &place.at("done.metric"), faults);
    let mapped = MqttCommand {
        name: it.name.clone(),
        send: MqttPublish {
            topic: of(edge::TOLD, &it.metric),
            payload: Some(it.value.clone().unwrap_or_else(|| TRUE.to_owned())),
            delivery: Delivery::AtMostOnce,
        },
        done: Some(MqttDone {
            topic: of(edge::HEARD, &it.done.metric),
            pointer: None,
            equals: it.done.equals.clone(),
        }),
    };
    (mapped, place)
}

/// The place of a metric, of which the device fills in the beginning.
fn of(filled: &str, metric: &str) -> String {
    edge::place(&format!("{{{{{filled}}}}}"), metric)
}

fn metric(name: &str, place: &Place, faults: &mut Faults) {
    let bad = name.is_empty() || name.chars().any(char::is_control);
    if bad || name.contains("{{") {
        let what = "it is not the name of a metric: it is empty, or has {{ or a control character";
        faults.add(place, what, "write it as the birth has it");
    }
}
