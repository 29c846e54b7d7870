//! How properties and commands look on the wire: what the model has is mapped, as it may be used, and confirmed by somebody.

use aion_api::{DeviceModel, MqttAvailability, Retry};
use internment::ArcIntern;

use super::{
    Entry, Faults, Of, Place,
    mapped::{self, Way},
    message::{rows, samples},
    points::Points,
};
use crate::{
    compiled::Compiled,
    form::{Form, Wire},
    shape::{Argument, Availability, Command, Keep, Listen, Property, Send, Source, What},
    template::Template,
};

/// The names that mean the same everywhere, and that no parameter and no argument may have.
pub(super) const RESERVED: [&str; 3] = ["device", "namespace", "value"];

/// What is kept of a property without a history of its own: half an hour is one point once it is a day.
const POINTS: i32 = 64;
const HOURS: i32 = 24;

/// A mapping that is being checked.
pub(super) struct Checked<'a> {
    pub(super) way: Way,
    /// When what was heard is stale, unless the model says so.
    pub(super) stale_ms: Option<u64>,
    pub(super) device: &'a Compiled,
    pub(super) faults: &'a mut Faults,
    pub(super) listens: &'a mut Vec<Listen>,
}

impl Checked<'_> {
    pub(super) fn properties(
        &mut self,
        points: &Points,
        entries: &[Entry<mapped::Property<'_>>],
        model: &DeviceModel,
    ) -> Box<[ArcIntern<Property>]> {
        let mut properties = Vec::new();
        for (number, (it, form)) in model
            .spec
            .properties
            .iter()
            .zip(&points.properties)
            .enumerate()
        {
            let entry = entries.iter().find(|entry| entry.it.name == it.name);
            let confirm = (it.confirm_seconds, &it.retry);
            let (mut wire, mut set, mut source) = (Wire::default(), None, None);
            match entry {
                Some(Entry { it: mapped, place }) => {
                    wire = self.wire(mapped, form, place);
                    set = self.set(mapped, (number, it), form, &wire, confirm, place);
                    source = self.state(mapped, it.access.reads(), number, place);
                }
                None => {
                    self.nothing_says("properties", &it.name, "looks on");
                }
            }
            let history = it.history.unwrap_or(aion_api::HistoryUse {
                points: POINTS,
                hours: None,
            });
            properties.push(ArcIntern::new(Property {
                name: it.name.as_str().into(),
                description: it.description.as_deref().map(Into::into),
                unit: it.unit.as_deref().map(Into::into),
                access: it.access,
                form: form.clone(),
                wire,
                source,
                set,
                stale_ms: it
                    .stale_seconds
                    .map(|it| u64::from(it.unsigned_abs()) * 1000)
                    .or(self.stale_ms),
                keep: Keep {
                    points: history.points.unsigned_abs().min(1000) as usize,
                    reach_ms: u64::from(history.hours.unwrap_or(HOURS).unsigned_abs()) * 3_600_000,
                },
            }));
        }
        properties.into()
    }

    fn nothing_says(&mut self, list: &str, name: &str, how: &str) {
        let (field, words) = (self.way.field(), self.way.words());
        self.faults.add(
            &Place::new(Of::Device, format!("spec.{field}.{list}")),
            format!("nothing says how {name} {how} {words}"),
            format!("add an entry named {name}, here or in the model's {field}"),
        );
    }

    fn state(
        &mut self,
        mapped: &mapped::Property<'_>,
        reads: bool,
        number: usize,
        place: &Place,
    ) -> Option<Source> {
        let name = &mapped.name;
        match (&mapped.state, reads) {
            (Some(state), true) => {
                let about = (What::Property(number), state.pointer);
                return self.listen(state.at, about, &place.at("state"));
            }
            (None, true) => self.faults.add(
                place,
                format!("{name} can be read, and nothing says where"),
                format!(
                    "add state.{}, or say access: write in the model",
                    self.way.heard_at()
                ),
            ),
            (Some(_), false) => self.faults.add(
                &place.at("state"),
                format!("{name} is only written"),
                "remove state, or say access: readWrite in the model",
            ),
            (None, false) => {}
        }
        None
    }

    fn set(
        &mut self,
        mapped: &mapped::Property<'_>,
        (number, of): (usize, &aion_api::Property),
        form: &Form,
        wire: &Wire,
        confirm: (Option<i32>, &Retry),
        place: &Place,
    ) -> Option<Send> {
        if mapped.answer.is_some() && !(of.access.reads() && of.access.writes()) {
            let what = format!("{} is not both read and written", mapped.name);
            let remedy = "remove answer, or say access: readWrite in the model";
            self.faults.add(&place.at("answer"), what, remedy);
        }
        match (&mapped.set, of.access.writes()) {
            (Some(set), true) => {
                let samples = samples(form, wire);
                let sample: Vec<_> = samples
                    .iter()
                    .map(|it| vec![("value", it.clone())])
                    .collect();
                let place = place.at("set");
                let of_path = Template::path(set.to()).ok();
                let in_path = self.way == Way::Http
                    && of_path.is_some_and(|it| it.fields().any(|it| it == "value"));
                let otherwise = if in_path { "" } else { "{{value}}" };
                let answer = mapped.answer.map(|pointer| {
                    let topic = format!("answer to set {}", mapped.name);
                    let about = (What::Property(number), pointer);
                    self.answer(&topic, about, &place);
                    topic
                });
                let send = self.send((*set, answer), otherwise, confirm, &sample, &place)?;
                let says = |it: &Template| it.fields().any(|it| it == "value");
                if !says(&send.topic) && !says(&send.payload) {
                    self.faults.add(
                        &place.at("payload"),
                        "the payload does not say {{value}}",
                        "add it, or make a command of this",
                    );
                }
                self.unconfirmed(*set, of.access.reads(), &place);
                Some(send)
            }
            (None, true) => {
                self.faults.add(
                    place,
                    format!("{} can be written, and nothing says how", mapped.name),
                    format!(
                        "add set.{}, or say access: read in the model",
                        self.way.sent_to()
                    ),
                );
                None
            }
            (Some(_), false) => {
                self.faults.add(
                    &place.at("set"),
                    format!("{} is only read", mapped.name),
                    "remove set, or say access: readWrite in the model",
                );
                None
            }
            (None, false) => None,
        }
    }

    pub(super) fn commands(
        &mut self,
        points: &Points,
        entries: &[Entry<mapped::Command<'_>>],
        model: &DeviceModel,
    ) -> Box<[ArcIntern<Command>]> {
        let mut commands = Vec::new();
        for (number, (it, forms)) in model.spec.commands.iter().zip(&points.commands).enumerate() {
            let Some(Entry { it: mapped, place }) =
                entries.iter().find(|entry| entry.it.name == it.name)
            else {
                self.nothing_says("commands", &it.name, "is sent by");
                continue;
            };
            for (at, argument) in it.arguments.iter().enumerate() {
                if self.device.parameters.contains_key(&argument.name) {
                    let place = Place::new(
                        Of::Model,
                        format!("spec.commands[{number}].arguments[{at}].name"),
                    );
                    self.faults.add(
                        &place,
                        format!("the device has a parameter {} as well", argument.name),
                        "give one of them another name",
                    );
                }
            }
            let place_of_send = place.at("send");
            let answer = mapped.done.filter(|it| it.at.is_none());
            let answer = answer.map(|_| format!("answer to command {}", it.name));
            let send = self.send(
                (mapped.send, answer.clone()),
                "",
                (it.confirm_seconds, &it.retry),
                &rows(it, forms),
                &place_of_send,
            );
            self.unconfirmed(mapped.send, mapped.done.is_some(), &place_of_send);
            let done = mapped.done.map(|done| {
                let about = (What::Done(commands.len()), done.pointer);
                match (done.at, &answer) {
                    (Some(topic), _) => {
                        self.listen(topic, about, &place.at("done"));
                    }
                    (None, Some(topic)) => self.answer(topic, about, &place.at("done")),
                    (None, None) => {}
                }
                done.equals.map(Into::into)
            });
            let Some(send) = send else { continue };
            let arguments = it.arguments.iter().zip(forms).map(|(it, form)| Argument {
                name: it.name.as_str().into(),
                description: it.description.as_deref().map(Into::into),
                unit: it.unit.as_deref().map(Into::into),
                form: form.clone(),
            });
            commands.push(ArcIntern::new(Command {
                name: it.name.as_str().into(),
                description: it.description.as_deref().map(Into::into),
                arguments: arguments.collect(),
                send,
                done,
            }));
        }
        commands.into()
    }

    pub(super) fn availability(
        &mut self,
        it: &MqttAvailability,
        place: &Place,
    ) -> Option<Availability> {
        let about = (What::Availability, it.pointer.as_deref());
        let made = Availability {
            source: self.listen(&it.topic, about, place)?,
            online: it.online.as_deref().map(Into::into),
            offline: it.offline.as_deref().map(Into::into),
        };
        let online = it.online.as_deref().unwrap_or("online");
        let offline = it.offline.as_deref().unwrap_or("offline");
        if (made.read(online), made.read(offline)) != (Some(true), Some(false)) {
            self.faults.add(
                &place.at("offline"),
                "it says the same for there and not there",
                "give two different texts",
            );
        }
        Some(made)
    }
}
