//! Edge nodes as they are born, count, fall silent and lie.
#![allow(clippy::unwrap_used, clippy::panic)]

mod bounds;
mod lives;
mod order;
mod shares;

use std::sync::Arc;

use aion_abi::{
    code::Code,
    syscall::device::{Reach, Value},
};

use crate::{
    Change, Compiled, Heard, Key, Limits, Link, Message, Registry, compile,
    sparkplug::{self, Metric, Type, testing::*},
    testing::{at, device, model},
};

const PRESS: &str = r#"
properties:
- {name: speed, type: number, unit: Cel, minimum: "-10", maximum: "100", access: readWrite}
- {name: mode, type: choice, choices: [idle, run], access: readWrite}
- {name: count, type: integer}
- {name: note, type: text}
commands:
- {name: start, arguments: [{name: shift, type: integer}]}
sparkplug:
  properties:
  - {name: speed, metric: Outputs/Speed}
  - {name: mode, metric: Mode, values: [{value: idle, payload: "0"}, {value: run, payload: "1"}]}
  - {name: count, metric: "Count #1"}
  - {name: note, metric: Note}
  commands:
  - {name: start, metric: Start, value: "{{shift}}", done: {metric: Started, equals: "true"}}
"#;

fn press(name: &str, of: &str) -> Arc<Compiled> {
    let spec =
        format!("{{model: m, sparkplug: {{broker: hub, group: plant, edgeNode: line, {of}}}}}");
    Arc::new(compile(&device(name, &spec), &model(PRESS)).unwrap())
}

fn key(name: &str) -> Key {
    Key {
        namespace: "home".to_owned(),
        name: name.to_owned(),
    }
}

/// A node of a plant with a press, and the moment that it is.
struct Plant {
    registry: Registry,
    now: u64,
}

impl Plant {
    fn new() -> Self {
        let mut registry = Registry::new(Limits::default(), at(0));
        registry.insert(press("press", "device: press"));
        registry.link(Link::New, at(0));
        Self { registry, now: 0 }
    }

    fn hears(&mut self, topic: &str, payload: &[u8]) -> Vec<Heard> {
        self.now += 1;
        let topic = format!("spBv1.0/plant/{topic}");
        let message = Message {
            topic: &topic,
            payload,
            retained: false,
        };
        self.registry.take(message, at(self.now))
    }

    /// The edge node is born, and the press.
    fn born(&mut self, bd: u64) {
        self.hears("NBIRTH/line", &message(Some(0), &[bd_seq(bd)]));
        self.hears("DBIRTH/line/press", &message(Some(1), &birth()));
    }

    fn data(&mut self, seq: u64, metrics: &[Metric]) -> Vec<Heard> {
        self.hears("DDATA/line/press", &message(Some(seq), metrics))
    }

    fn value(&self, property: &str) -> (Option<Value>, bool) {
        let read = self
            .registry
            .read(&key("press"), &[property.to_owned()], at(self.now))
            .unwrap();
        let it = read.readings.into_iter().next().unwrap();
        (it.value, it.stale)
    }

    fn speed(&self) -> (Option<Value>, bool) {
        self.value("speed")
    }

    fn reach(&self) -> Reach {
        self.registry.reach(&key("press")).unwrap()
    }

    fn counts(&self) -> crate::EdgeCounts {
        self.registry.edge_node(&key("press")).unwrap().1.clone()
    }

    fn asks(&mut self) -> usize {
        self.registry.rebirths(at(self.now)).len()
    }
}

fn birth() -> [Metric; 6] {
    [
        aliased(1, metric("Outputs/Speed", Type::Float, "21.3")),
        aliased(2, metric("Mode", Type::Int16, "0")),
        metric("Count #1", Type::UInt64, "7"),
        metric("Note", Type::String, "fine"),
        metric("Start", Type::Int8, "0"),
        metric("Started", Type::Boolean, "false"),
    ]
}

fn number(value: f64) -> (Option<Value>, bool) {
    (Some(Value::Number(value)), false)
}
