//! Topics and payloads, checked with what the device fills in: each is filled once here, so that what is filled later cannot
//! fail.

use aion_api::{Delivery, DeviceCommand, HttpMethod, HttpRequest, Retry, ValueType};

use super::{
    Place, Subject,
    mapped::{Sent, Way},
    mapping::Checked,
    topic_fault,
};
use crate::{
    edge,
    form::{Form, Wire},
    order::How,
    payload::Wanted,
    shape::{About, Listen, Send, Source},
    template::{Filler, Template},
};

/// Seconds that a device has to confirm, unless its model says otherwise.
const CONFIRM_SECONDS: i32 = 5;

impl Checked<'_> {
    /// Adds a subject to the messages of a topic.
    pub(super) fn listen(
        &mut self,
        topic: &str,
        subject: Subject<'_>,
        place: &Place,
    ) -> Option<Source> {
        let topic = self.topic(topic, &[], &place.at(self.way.heard_at()))?;
        self.about(topic, subject, place)
    }

    /// Adds a subject to what is taken in of an answer: it has a topic that is no path.
    pub(super) fn answer(&mut self, topic: &str, subject: Subject<'_>, place: &Place) {
        if let Ok(topic) = Template::text(topic) {
            self.about(topic, subject, place);
        }
    }

    fn about(
        &mut self,
        topic: Template,
        (what, pointer): Subject<'_>,
        place: &Place,
    ) -> Option<Source> {
        let at = self
            .listens
            .iter()
            .position(|it| it.topic == topic)
            .unwrap_or_else(|| {
                self.listens.push(Listen {
                    topic: topic.clone(),
                    wanted: Wanted::default(),
                    about: Vec::new(),
                });
                self.listens.len() - 1
            });
        let listen = &mut self.listens[at];
        match pointer.map(|it| listen.wanted.add(it)).transpose() {
            Ok(number) => listen.about.push(About {
                what,
                pointer: number,
            }),
            Err(why) => {
                let remedy = "give a JSON pointer, such as /temperature";
                self.faults
                    .add(&place.at("pointer"), format!("the pointer {why}"), remedy);
                return None;
            }
        }
        Some(Source {
            topic,
            pointer: pointer.map(Into::into),
        })
    }

    /// A topic or a path that can be filled in, and is one then. Of what is given, the first row stands for all: whatever is filled
    /// into a path is escaped.
    pub(super) fn topic(
        &mut self,
        text: &str,
        rows: &[Vec<(&str, Filler<'_>)>],
        place: &Place,
    ) -> Option<Template> {
        let (read, kind) = match self.way {
            Way::Mqtt => (Template::text(text), "topic"),
            Way::Http => (Template::path(text), "path"),
            Way::Sparkplug => (Template::text(text), "metric"),
        };
        let template = match read {
            Ok(template) => template,
            Err(why) => {
                self.faults.add(
                    place,
                    format!("the {kind} {why}"),
                    "write {{name}} for what is filled in",
                );
                return None;
            }
        };
        let row: &[_] = match (self.way, rows) {
            (Way::Http, [first, ..]) => first,
            _ => &[],
        };
        let given: Vec<&str> = row.iter().map(|(name, _)| *name).collect();
        if !self.known(&template, &given, place) {
            return None;
        }
        let value = |name: &str| row.iter().find(|(it, _)| *it == name);
        let filling = |name: &str| {
            value(name)
                .map(|(_, value)| value.clone())
                .or_else(|| self.device.own(name))
        };
        if let Some(name) = template.stray(filling) {
            let what = format!("{name} makes a segment of the path empty, . or ..");
            let remedy = "give the parameter another value: such a segment leads to another path";
            self.faults.add(place, what, remedy);
            return None;
        }
        let filled = template.fill(filling).ok()?;
        if let Some(what) = topic_fault(self.way, &filled) {
            self.faults.add(
                place,
                what,
                "correct it, or the parameter that is filled in",
            );
            return None;
        }
        Some(template)
    }

    /// A message that is a topic and a payload whatever is filled in: each row of samples is one way to do it.
    pub(super) fn send(
        &mut self,
        (sent, answer): (Sent<'_>, Option<String>),
        otherwise: &str,
        (seconds, retry): (Option<i32>, &Retry),
        rows: &[Vec<(&str, Filler<'_>)>],
        place: &Place,
    ) -> Option<Send> {
        let topic = self.topic(sent.to(), rows, &place.at(self.way.sent_to()));
        let place = match self.way {
            Way::Mqtt | Way::Http => place.at("payload"),
            Way::Sparkplug => Place::new(place.of, place.field.replace(".send", ".value")),
        };
        let otherwise = match sent {
            Sent::Request(it) if it.method == HttpMethod::Get => "",
            _ => otherwise,
        };
        let text = sent.payload().unwrap_or(otherwise);
        let read = match sent {
            Sent::Request(it) if is_form(it) => Template::form(text),
            _ => Template::payload(text),
        };
        let payload = match read {
            Ok(payload) => payload,
            Err(why) => {
                self.faults.add(&place, format!("the payload {why}"), "write {{name}} for what is filled in, where JSON takes a value or within a string");
                return None;
            }
        };
        let given: Vec<&str> = rows
            .first()
            .into_iter()
            .flatten()
            .map(|(name, _)| *name)
            .collect();
        if !self.known(&payload, &given, &place) {
            return None;
        }
        for row in rows.iter().filter(|_| payload.is_json()) {
            let value = |name: &str| {
                row.iter()
                    .find(|(it, _)| *it == name)
                    .map(|(_, value)| value.clone())
            };
            let filled = payload
                .fill(|name| value(name).or_else(|| self.device.own(name)))
                .ok()?;
            if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(&filled) {
                self.faults.add(
                    &place,
                    format!("{filled} is not JSON: {error}"),
                    "correct it: a payload that begins with {, [ or a quote has to be JSON",
                );
                return None;
            }
        }
        Some(Send {
            topic: topic?,
            how: how(sent, &payload, answer),
            payload,
            confirm_ms: u64::from(seconds.unwrap_or(CONFIRM_SECONDS).unsigned_abs()) * 1000,
            repeatable: !retry.is_never(),
        })
    }

    /// Whether there is something for each name.
    pub(super) fn known(&mut self, template: &Template, given: &[&str], place: &Place) -> bool {
        let mut known = true;
        for name in template
            .fields()
            .filter(|name| !given.contains(name) && self.device.own(name).is_none())
        {
            known = false;
            let there = ["device", "namespace"]
                .into_iter()
                .chain(given.iter().copied());
            let there: Vec<&str> = there
                .chain(self.device.parameters.keys().map(String::as_str))
                .filter(|it| !edge::is_own(it))
                .collect();
            let there = there.join(", ");
            let remedy = match self.way {
                Way::Mqtt | Way::Http => format!(
                    "add {name} to spec.{}.parameters of the Device, or say one of {there}",
                    self.way.field()
                ),
                Way::Sparkplug => format!("say one of {there}"),
            };
            self.faults.add(
                place,
                format!("there is nothing for {{{{{name}}}}}"),
                remedy,
            );
        }
        known
    }

    /// Nobody would say that it arrived.
    pub(super) fn unconfirmed(&mut self, sent: Sent<'_>, heard: bool, place: &Place) {
        let Sent::Publish(publish) = sent else { return };
        if publish.delivery == Delivery::AtMostOnce && !heard {
            let remedy = "say atLeastOnce, or add by what the device says that it did it";
            self.faults.add(
                &place.at("delivery"),
                "neither the broker nor the device says that it has the message",
                remedy,
            );
        }
    }
}

/// Whether the payload of a request is a form.
fn is_form(request: &HttpRequest) -> bool {
    let said = request.content_type.as_deref().unwrap_or_default();
    let of = said.split(';').next().unwrap_or_default().trim();
    of.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// How it is carried. What a payload is, its first character says, unless somebody says it.
fn how(sent: Sent<'_>, payload: &Template, answer: Option<String>) -> How {
    let request = match sent {
        Sent::Publish(it) => return How::Publish(it.delivery),
        Sent::Request(it) => it,
    };
    let said = request.content_type.as_deref();
    let looks = match payload.is_json() {
        true => "application/json",
        false => "text/plain; charset=utf-8",
    };
    How::Request {
        method: request.method,
        content_type: (!payload.is_empty()).then(|| said.unwrap_or(looks).into()),
        answer: answer.map(String::into_boxed_str),
    }
}

/// The ways in which arguments may be filled in: each argument with each of its samples, beside the first of the others.
pub(super) fn rows<'a>(
    command: &'a DeviceCommand,
    forms: &'a [Form],
) -> Vec<Vec<(&'a str, Filler<'static>)>> {
    let all: Vec<Vec<Filler<'static>>> = forms
        .iter()
        .map(|form| samples(form, &Wire::default()))
        .collect();
    let most = all.iter().map(Vec::len).max().unwrap_or(1);
    let row = |at: usize| {
        let arguments = command.arguments.iter().zip(&all);
        arguments
            .map(|(it, samples)| (it.name.as_str(), samples[at % samples.len()].clone()))
            .collect()
    };
    (0..most).map(row).collect()
}

/// One of each way in which a value is written.
pub(super) fn samples(form: &Form, wire: &Wire) -> Vec<Filler<'static>> {
    let literal = |text: &str| Filler::Literal(text.to_owned().into());
    let mut samples: Vec<Filler<'static>> = match form.kind {
        ValueType::Boolean => vec![literal("true"), literal("false")],
        ValueType::Integer | ValueType::Number => vec![literal("-1"), literal("-1.5")],
        ValueType::Text | ValueType::Choice => vec![Filler::Text("\"\\".into())],
    };
    for (_, payload) in &wire.values {
        samples.push(match Filler::written(payload) {
            Filler::Literal(it) => Filler::Literal(it.into_owned().into()),
            Filler::Text(it) => Filler::Text(it.into_owned().into()),
        });
    }
    samples
}
