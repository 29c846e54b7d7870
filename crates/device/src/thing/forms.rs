//! Forms of MQTT (the W3C's binding template for it): where a property is heard and set, and how an action is told.

use aion_api::{Delivery, DeviceCommand, MqttPublish, MqttState, Property, ValueType};
use serde_json::Value;

use super::Reading;
use crate::announced::parts::unfit;

/// How a property is heard and set.
#[derive(Debug, Default)]
pub(super) struct Way {
    pub(super) state: Option<MqttState>,
    pub(super) set: Option<MqttPublish>,
}

/// The broker that forms speak of.
pub(super) struct Forms<'a> {
    base: Option<&'a str>,
    broker: Option<String>,
}

/// A form of MQTT.
struct Form<'a> {
    it: &'a Value,
    place: String,
    topic: String,
    json: bool,
}

impl<'a> Forms<'a> {
    pub(super) fn new(base: Option<&'a str>) -> Self {
        Self { base, broker: None }
    }

    /// The address of the broker.
    pub(super) fn broker(&self) -> &str {
        self.broker.as_deref().unwrap_or_default()
    }

    /// Its host.
    pub(super) fn host(&self) -> &str {
        let behind = self.broker().split_once("://").map_or("", |(_, it)| it);
        behind.rsplit_once(':').map_or(behind, |(host, _)| host)
    }

    pub(super) fn property(
        &mut self,
        reading: &mut Reading,
        place: &str,
        it: &Value,
        of: &Property,
    ) -> Option<Way> {
        let mut way = Way::default();
        for form in self.of_mqtt(reading, place, it) {
            let ops = operations(form.it);
            let says = |op: &str| ops.contains(&op);
            // Without one, it is for both.
            let both = ops.is_empty() && packet(form.it).is_none();
            let reads = both
                || says("readproperty")
                || says("observeproperty")
                || packet(form.it) == Some("subscribe");
            let writes = both || says("writeproperty") || packet(form.it) == Some("publish");
            if reads && way.state.is_none() && of.access.reads() {
                if form.json && of.of == ValueType::Text {
                    let why = "a text that is all of a payload of JSON has quotes around it, which are not taken off: say contentType text/plain";
                    reading.unmapped(&form.place, why);
                } else {
                    way.state = Some(MqttState {
                        topic: form.topic.clone(),
                        pointer: None,
                    });
                }
            }
            if writes && way.set.is_none() && of.access.writes() {
                let payload = filled(form.json, of.of, "value").filter(|it| it != "{{value}}");
                way.set = Some(form.publish(reading, payload));
            }
        }
        (way.state.is_some() || way.set.is_some()).then_some(way)
    }

    pub(super) fn action(
        &mut self,
        reading: &mut Reading,
        place: &str,
        it: &Value,
        of: &DeviceCommand,
    ) -> Option<MqttPublish> {
        let form = self.of_mqtt(reading, place, it).into_iter().next()?;
        let payload = match of.arguments.as_slice() {
            [] => None,
            [one] if it["input"]["type"] != "object" => filled(form.json, one.of, &one.name),
            all if form.json => {
                let fields = all
                    .iter()
                    .map(|it| format!("\"{0}\": {{{{{0}}}}}", it.name));
                Some(format!("{{{}}}", fields.collect::<Vec<_>>().join(", ")))
            }
            _ => {
                reading.unmapped(
                    &form.place,
                    "several arguments are sent as JSON, and its contentType is another",
                );
                return None;
            }
        };
        Some(form.publish(reading, payload))
    }

    /// The forms of MQTT at the broker of all of them.
    fn of_mqtt<'b>(&mut self, reading: &mut Reading, place: &str, it: &'b Value) -> Vec<Form<'b>> {
        let mut found = Vec::new();
        for (at, form) in it["forms"].as_array().into_iter().flatten().enumerate() {
            let place = format!("{place}/forms/{at}");
            let href = form["href"].as_str().unwrap_or_default();
            let absolute = match (href.contains("://"), self.base) {
                (false, Some(base)) => format!(
                    "{}/{}",
                    base.trim_end_matches('/'),
                    href.trim_start_matches('/')
                ),
                _ => href.to_owned(),
            };
            let Some((scheme, rest)) = absolute
                .split_once("://")
                .filter(|(it, _)| ["mqtt", "mqtts"].contains(it))
            else {
                reading.unmapped(
                    &place,
                    "it is not a form of MQTT: devices are reached by no other protocol",
                );
                continue;
            };
            let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
            let authority = authority.rsplit('@').next().unwrap_or(authority);
            let broker = format!("{scheme}://{authority}");
            if *self.broker.get_or_insert_with(|| broker.clone()) != broker {
                reading.unmapped(
                    &place,
                    format!("a Device has one broker, and {} is another", brief(&broker)),
                );
                continue;
            }
            let said = ["mqv:topic", "mqv:filter"]
                .into_iter()
                .find_map(|it| form[it].as_str());
            let topic = said.unwrap_or(path).to_owned();
            if let Some(why) = unfit(&topic) {
                reading.unmapped(&place, format!("the topic {why}"));
                continue;
            }
            let content = form["contentType"].as_str().unwrap_or("application/json");
            let content = content.split(';').next().unwrap_or(content).trim();
            let json = content == "application/json" || content.ends_with("+json");
            if !json && !content.starts_with("text/") {
                reading.unmapped(format!("{place}/contentType"), "payloads are JSON or text");
                continue;
            }
            found.push(Form {
                it: form,
                place,
                topic,
                json,
            });
        }
        found
    }
}

impl Form<'_> {
    fn publish(&self, reading: &mut Reading, payload: Option<String>) -> MqttPublish {
        if self.it["mqv:retain"] == true {
            let why =
                "no broker is asked to keep what a device is told: a command is of its moment";
            reading.unmapped(format!("{}/mqv:retain", self.place), why);
        }
        let exact = self.it["mqv:qos"] == 2 || self.it["mqv:qos"] == "2";
        MqttPublish {
            topic: self.topic.clone(),
            payload,
            delivery: match exact {
                true => Delivery::ExactlyOnce,
                false => Delivery::AtLeastOnce,
            },
        }
    }
}

/// A payload that is a value: a text is a string of JSON there.
fn filled(json: bool, of: ValueType, name: &str) -> Option<String> {
    let worded = matches!(of, ValueType::Text | ValueType::Choice);
    Some(match json && worded {
        true => format!("\"{{{{{name}}}}}\""),
        false => format!("{{{{{name}}}}}"),
    })
}

fn operations(form: &Value) -> Vec<&str> {
    match &form["op"] {
        Value::String(it) => vec![it],
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// What is done with the topic, in this version of the binding or the one before.
fn packet(form: &Value) -> Option<&'static str> {
    let said = form["mqv:controlPacket"]
        .as_str()
        .or(form["mqv:controlPacketValue"].as_str())?;
    match said.to_ascii_lowercase().trim_start_matches("mqv:") {
        "publish" => Some("publish"),
        "subscribe" => Some("subscribe"),
        _ => None,
    }
}

fn brief(text: &str) -> String {
    crate::announced::parts::brief(text, 100)
}
