//! A birth as a device that may be admitted.

use std::collections::BTreeMap;

use aion_api::{DeviceModelSpec, DeviceSparkplug, DeviceSpec, Rebirth};
use sha2::{Digest, Sha256};

use super::metric::{self, Point};
use crate::{
    announced::{
        Draft, Unmapped,
        draft::{MAX_PROPERTIES, MAX_UNMAPPED, MAX_WHY, faults},
        entity::identity,
        naming,
        parts::brief,
    },
    edge::Topic,
    sparkplug::{self, BD_SEQ, Payload},
};

/// Metrics that say how an edge node or a device is managed, and nothing of what it is for.
const CONTROL: [&str; 2] = ["Node Control/", "Device Control/"];
/// Digits of what stands behind a name that two metrics would have.
const TOLD_APART: usize = 4;

/// What could not be mapped: some is said, the rest is counted.
struct Left<'a> {
    topic: &'a str,
    said: Vec<Unmapped>,
    more: usize,
}

impl Left<'_> {
    fn add(&mut self, field: &str, why: &str) {
        if self.said.len() >= MAX_UNMAPPED {
            self.more += 1;
            return;
        }
        self.said.push(Unmapped {
            topic: self.topic.to_owned(),
            field: brief(field, 64),
            why: brief(why, MAX_WHY),
        });
    }

    fn all(mut self) -> Vec<Unmapped> {
        self.said.sort();
        self.said.dedup();
        if self.more > 0 {
            self.said.push(Unmapped {
                topic: self.topic.to_owned(),
                field: String::new(),
                why: format!("{} more metrics or properties are not mapped", self.more),
            });
        }
        self.said
    }
}

/// What was born by a message; nothing where its topic is no birth's.
pub(super) fn draft(broker: &str, rebirth: Rebirth, topic: &str, payload: &[u8]) -> Option<Draft> {
    let of = Topic::of(topic)?;
    let names = [of.group, of.node, of.device.unwrap_or_default()];
    let mut left = Left {
        topic,
        said: Vec::new(),
        more: 0,
    };
    let points = match sparkplug::read(payload) {
        Ok(read) => points(&read, &mut left),
        Err(why) => {
            left.add("", &why);
            Vec::new()
        }
    };
    let node = format!("{}/{}", of.group, of.node);
    let what = match of.device {
        Some(device) => format!("Sparkplug device {device} of edge node {node}"),
        None => format!("Sparkplug edge node {node}"),
    };
    let sparkplug = DeviceSparkplug {
        broker: broker.to_owned(),
        group: of.group.to_owned(),
        edge_node: of.node.to_owned(),
        device: of.device.map(str::to_owned),
        rebirth,
        ..DeviceSparkplug::default()
    };
    let too_long = names.iter().any(|it| it.chars().count() > 128);
    if too_long {
        left.add(
            "",
            "its group, edge node or name is longer than 128 characters",
        );
    }
    let specs = |points: &[Point]| specs(&brief(&what, 1024), &sparkplug, points);
    // What does not make sense is found by itself, so that the rest can be admitted.
    let mut points = points;
    if faults(&specs(&points)).is_some() {
        points.retain(|it| match faults(&specs(std::slice::from_ref(it))) {
            None => true,
            Some(why) => {
                left.add(&it.metric, &why);
                false
            }
        });
    }
    let made = specs(&points);
    let sound = !points.is_empty() && !too_long && faults(&made).is_none();
    Some(Draft {
        identity: identity("sparkplug", &names.map(str::to_owned)),
        name: naming::device(of.device.unwrap_or(of.node)).unwrap_or_else(|| "device".to_owned()),
        topics: vec![topic.to_owned()],
        unmapped: left.all(),
        specs: sound.then_some(made),
    })
}

/// The properties that its metrics would be, each under a name that no other has.
fn points(read: &Payload, left: &mut Left<'_>) -> Vec<Point> {
    let mut points: BTreeMap<String, Point> = BTreeMap::new();
    for metric in read.metrics() {
        let metric = match metric {
            Ok(metric) => metric,
            Err(why) => {
                left.add("", &why);
                continue;
            }
        };
        let Some(name) = metric.name.as_deref() else {
            left.add("", "a metric of the birth has no name");
            continue;
        };
        if name == BD_SEQ || CONTROL.iter().any(|it| name.starts_with(it)) {
            continue;
        }
        if points.contains_key(name) {
            left.add(name, "the birth has it twice, and the first counts");
            continue;
        }
        match metric::point(&metric, name, |field, why| left.add(field, why)) {
            Ok(point) if points.len() < MAX_PROPERTIES => {
                points.insert(name.to_owned(), point);
            }
            Ok(_) => left.add(name, "a model has 64 properties at most"),
            Err(why) => left.add(name, &why),
        }
    }
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for point in points.values() {
        *counts.entry(point.property.name.clone()).or_default() += 1;
    }
    let mut all: Vec<Point> = points.into_values().collect();
    for point in &mut all {
        if counts.get(&point.property.name).is_some_and(|it| *it > 1) {
            let digest = Sha256::digest(point.metric.as_bytes());
            let digits: String = digest[..TOLD_APART]
                .iter()
                .map(|it| format!("{it:02x}"))
                .collect();
            point.property.name = format!("{}-{digits}", point.property.name);
        }
        point.mapped.name.clone_from(&point.property.name);
    }
    all
}

fn specs(
    what: &str,
    sparkplug: &DeviceSparkplug,
    points: &[Point],
) -> (DeviceModelSpec, DeviceSpec) {
    let model = DeviceModelSpec {
        description: Some(what.to_owned()),
        properties: points.iter().map(|it| it.property.clone()).collect(),
        ..DeviceModelSpec::default()
    };
    let device = DeviceSpec {
        sparkplug: Some(Box::new(DeviceSparkplug {
            properties: points.iter().map(|it| it.mapped.clone()).collect(),
            ..sparkplug.clone()
        })),
        ..DeviceSpec::default()
    };
    (model, device)
}
