//! A device as the hot path has it: what it shares with others of its model, and what is its own; and the messages that it
//! is sent.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use aion_abi::{
    code::Code,
    problem::Problem,
    syscall::device::{Command as CommandDescribed, Described, Point, Reach, Value},
};
use aion_api::ValueType;
use internment::ArcIntern;

use crate::{
    decimal::Decimal,
    edge::{self, Edge},
    form::{Form, filler},
    order::{Confirm, Order},
    safe::SafeStep,
    shape::{Send, Shape, Source},
    template::{Filler, Template},
    way::Http,
};

/// Which device.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// A device, ready to be heard and told. Devices that say the same of themselves in other words share what they have alike.
#[derive(Debug, Clone, PartialEq)]
pub struct Compiled {
    pub(crate) key: Key,
    pub(crate) shape: ArcIntern<Shape>,
    pub(crate) description: Option<Box<str>>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) parameters: BTreeMap<String, String>,
    /// Which device of which edge node it is, where it is reached by Sparkplug.
    pub(crate) edge: Option<Edge>,
    pub(crate) safe: Arc<[SafeStep]>,
    pub(crate) http: Option<Arc<Http>>,
}

impl Compiled {
    /// Which device it is.
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// Its labels.
    #[must_use]
    pub fn labels(&self) -> &BTreeMap<String, String> {
        &self.labels
    }

    /// The topics that the broker has to let the node listen to, each once. Those of an edge node have a wildcard for its devices: what
    /// all of them say is counted together.
    #[must_use]
    pub fn topics(&self) -> Vec<String> {
        match &self.edge {
            Some(edge) => edge.filters().into(),
            None => self.places(),
        }
    }

    /// Where it is heard, each once: topics, or metrics of its edge node.
    pub(crate) fn places(&self) -> Vec<String> {
        let mut topics: Vec<String> = (0..self.shape.listens.len())
            .map(|at| self.topic(at))
            .collect();
        topics.sort_unstable();
        topics.dedup();
        topics
    }

    /// How it is asked by HTTP, if it is.
    #[must_use]
    pub fn http(&self) -> Option<&Arc<Http>> {
        self.http.as_ref()
    }

    /// The paths that it is asked by, each once.
    #[must_use]
    pub fn paths(&self) -> Vec<String> {
        let mut topics = self.topics();
        topics.retain(|it| it.starts_with('/'));
        topics
    }

    /// The path that a property is asked by.
    #[must_use]
    pub fn path_of(&self, property: &str) -> Option<String> {
        let (_, it) = self.shape.property(property)?;
        it.source.as_ref().map(|it| self.fill(&it.topic, |_| None))
    }

    /// The metrics that it is heard or told by, where it is reached by Sparkplug.
    pub(crate) fn metrics(&self) -> BTreeSet<Arc<str>> {
        let sets = self
            .shape
            .properties
            .iter()
            .filter_map(|it| it.set.as_ref());
        let commands = self.shape.commands.iter().map(|it| &it.send);
        let told = sets
            .chain(commands)
            .map(|it| self.fill(&it.topic, |_| None));
        let metric = |it: String| Some(edge::metric_of(&it)?.1.into());
        let places = self.places().into_iter();
        places.chain(told).filter_map(metric).collect()
    }

    /// The topic of a number.
    pub(crate) fn topic(&self, at: usize) -> String {
        self.fill(&self.shape.listens[at].topic, |_| None)
    }

    /// Whether what this device says at a place is what another version of it says at its own.
    pub(crate) fn says_the_same(
        &self,
        source: Option<&Source>,
        other: &Self,
        others: Option<&Source>,
    ) -> bool {
        let (Some(source), Some(others)) = (source, others) else {
            return false;
        };
        source.pointer == others.pointer
            && self.fill(&source.topic, |_| None) == other.fill(&others.topic, |_| None)
    }

    /// What of the device itself stands for a name.
    pub(crate) fn own(&self, name: &str) -> Option<Filler<'_>> {
        match name {
            "device" => Some(Filler::Text(self.key.name.as_str().into())),
            "namespace" => Some(Filler::Text(self.key.namespace.as_str().into())),
            _ => self.parameters.get(name).map(|it| Filler::written(it)),
        }
    }

    /// Fills in a template of which every name is known since it was compiled.
    pub(crate) fn fill<'a>(
        &'a self,
        template: &'a Template,
        given: impl Fn(&str) -> Option<Filler<'a>>,
    ) -> String {
        template
            .fill(|name| given(name).or_else(|| self.own(name)))
            .unwrap_or_default()
    }

    /// What the values of a property are, and what a choice may be.
    #[must_use]
    pub fn kind_of(&self, property: &str) -> Option<(ValueType, &[Box<str>])> {
        let (_, it) = self.shape.property(property)?;
        Some((it.form.kind, &it.form.choices))
    }

    /// The unit of a property.
    #[must_use]
    pub fn unit_of(&self, property: &str) -> Option<&str> {
        self.shape.property(property)?.1.unit.as_deref()
    }

    /// Its safe state, where it is watched.
    #[must_use]
    pub fn safe_state(&self) -> &[SafeStep] {
        &self.safe
    }

    /// The message of a part of its safe state.
    ///
    /// # Errors
    /// As [`Compiled::set`] and [`Compiled::command`].
    pub fn safe_order(&self, step: &SafeStep) -> Result<Order, Problem> {
        match step {
            SafeStep::Property { name, value } => self.set(name, value),
            SafeStep::Command { name, arguments } => self.command(name, arguments),
        }
    }

    /// Which part of its safe state an order is.
    #[must_use]
    pub fn part_of(&self, order: &Order) -> Option<u8> {
        let mut steps = (0_u8..).zip(self.safe.iter());
        let (at, _) = steps.find(|(_, it)| self.safe_order(it).is_ok_and(|it| it == *order))?;
        Some(at)
    }

    /// What the values of an argument are.
    pub(crate) fn argument(&self, command: &str, argument: &str) -> Option<ValueType> {
        let mut arguments = self.shape.command(command)?.arguments.iter();
        let found = arguments.find(|it| *it.name == *argument)?;
        Some(found.form.kind)
    }

    /// After how many milliseconds what it said of a property is stale, where it ever is.
    #[must_use]
    pub fn stale_ms(&self, property: &str) -> Option<u64> {
        self.shape.property(property)?.1.stale_ms
    }

    /// Whether nothing of it can be written or commanded.
    #[must_use]
    pub fn is_only_read(&self) -> bool {
        let written = self.shape.properties.iter().any(|it| it.access.writes());
        !written && self.shape.commands.is_empty()
    }

    /// What it is, for agents and people.
    #[must_use]
    pub fn describe(&self, reach: Reach) -> Described {
        let text = |it: &Option<Box<str>>| it.as_deref().map(str::to_owned);
        let property = |it: &ArcIntern<crate::shape::Property>| Point {
            writable: it.access.writes(),
            write_only: !it.access.reads(),
            ..point(&it.name, &it.description, &it.unit, &it.form)
        };
        let command = |it: &ArcIntern<crate::shape::Command>| CommandDescribed {
            name: it.name.to_string(),
            description: text(&it.description),
            arguments: it
                .arguments
                .iter()
                .map(|it| point(&it.name, &it.description, &it.unit, &it.form))
                .collect(),
        };
        Described {
            name: self.key.name.clone(),
            model: self.shape.model.to_string(),
            description: text(&self.description).or_else(|| text(&self.shape.description)),
            labels: self.labels.clone(),
            reach,
            properties: self.shape.properties.iter().map(property).collect(),
            commands: self.shape.commands.iter().map(command).collect(),
            ..Described::default()
        }
    }

    /// A value for a property as a person gives it: see [`Form::meant`].
    ///
    /// # Errors
    /// There is no such property, or the value is not one of it.
    pub fn meant(&self, property: &str, value: &Value) -> Result<Value, Problem> {
        let Some((_, it)) = self.shape.property(property) else {
            return Err(self.no_property(property));
        };
        it.form.meant(property, value)
    }

    /// The arguments of a command as a person gives them. What the command does not have is left as it is.
    ///
    /// # Errors
    /// A value is not one of its argument.
    pub fn meant_arguments(
        &self,
        command: &str,
        mut arguments: BTreeMap<String, Value>,
    ) -> Result<BTreeMap<String, Value>, Problem> {
        let its = self.shape.command(command).into_iter();
        for it in its.flat_map(|it| &it.arguments) {
            if let Some(value) = arguments.get_mut(&*it.name) {
                *value = it.form.meant(&format!("{command}.{}", it.name), value)?;
            }
        }
        Ok(arguments)
    }

    /// The message that sets a property.
    ///
    /// # Errors
    /// There is no such property, it cannot be written, or the value is not one of it.
    pub fn set(&self, property: &str, value: &Value) -> Result<Order, Problem> {
        let Some((_, it)) = self.shape.property(property) else {
            return Err(self.no_property(property));
        };
        let Some(send) = it.set.as_ref().filter(|_| it.access.writes()) else {
            let writable = self.shape.properties.iter().filter(|it| it.access.writes());
            return Err(Problem::new(
                Code::Denied,
                format!(
                    "{property} of {} can be read, and not written",
                    self.key.name
                ),
            )
            .remedy(listed("what can be written", writable.map(|it| &*it.name))));
        };
        let value = it.form.take(property, value)?;
        let (sent, read) = it.form.write(&it.wire, property, &value)?;
        let confirm = match it.access.reads() {
            true => Confirm::State {
                property: property.to_owned(),
                value: read,
            },
            false => Confirm::Broker,
        };
        self.order(send, confirm, |name| {
            (name == "value").then(|| sent.clone())
        })
    }

    /// The message that has it do something.
    ///
    /// # Errors
    /// There is no such command, or an argument is missing, unknown or not what it has to be.
    pub fn command(
        &self,
        name: &str,
        arguments: &BTreeMap<String, Value>,
    ) -> Result<Order, Problem> {
        let Some(it) = self.shape.command(name) else {
            let there = self.shape.commands.iter().map(|it| &*it.name);
            return Err(Problem::new(
                Code::NotFound,
                format!("{} has no command {:?}", self.key.name, cut(name)),
            )
            .remedy(listed("its commands", there)));
        };
        let takes = || {
            listed(
                &format!("what {name} takes"),
                it.arguments.iter().map(|it| &*it.name),
            )
        };
        let unknown = arguments
            .keys()
            .find(|given| it.arguments.iter().all(|it| *it.name != ***given));
        if let Some(unknown) = unknown {
            return Err(Problem::new(
                Code::BadRequest,
                format!("{name} takes no {:?}", cut(unknown)),
            )
            .remedy(takes()));
        }
        let mut taken = BTreeMap::new();
        for argument in &it.arguments {
            let Some(value) = arguments.get(&*argument.name) else {
                let problem =
                    Problem::new(Code::BadRequest, format!("{name} needs {}", argument.name));
                return Err(problem.remedy(takes()));
            };
            taken.insert(
                &*argument.name,
                argument
                    .form
                    .take(&format!("{name}.{}", argument.name), value)?,
            );
        }
        let confirm = match it.done {
            Some(_) => Confirm::Done {
                command: name.to_owned(),
            },
            None => Confirm::Broker,
        };
        self.order(&it.send, confirm, |name| taken.get(name).map(filler))
    }

    fn order<'a>(
        &'a self,
        send: &'a Send,
        confirm: Confirm,
        given: impl Fn(&str) -> Option<Filler<'a>>,
    ) -> Result<Order, Problem> {
        let stray = |name: &str| given(name).or_else(|| self.own(name));
        if let Some(name) = send.topic.stray(stray) {
            let what = format!(
                "{name} cannot be sent to {}: with it, a segment of the path is empty, . or ..",
                self.key.name
            );
            return Err(Problem::new(Code::BadRequest, what)
                .remedy("give another value: such a segment leads to another path of the device"));
        }
        Ok(Order {
            topic: self.fill(&send.topic, &given),
            payload: self.fill(&send.payload, given).into_bytes(),
            how: send.how.clone(),
            confirm,
            confirm_ms: send.confirm_ms,
            repeatable: send.repeatable,
        })
    }

    /// That there is no such property.
    pub(crate) fn no_property(&self, name: &str) -> Problem {
        let there = self.shape.properties.iter().map(|it| &*it.name);
        Problem::new(
            Code::NotFound,
            format!("{} has no property {:?}", self.key.name, cut(name)),
        )
        .remedy(listed("its properties", there))
    }
}

/// A property or an argument, for agents and people.
fn point(
    name: &str,
    description: &Option<Box<str>>,
    unit: &Option<Box<str>>,
    form: &Form,
) -> Point {
    Point {
        name: name.to_owned(),
        description: description.as_deref().map(str::to_owned),
        of: form.kind.as_str().to_owned(),
        unit: unit.as_deref().map(str::to_owned),
        minimum: form.minimum.map(Decimal::as_f64),
        maximum: form.maximum.map(Decimal::as_f64),
        choices: form.choices.iter().map(|it| it.to_string()).collect(),
        ..Point::default()
    }
}

/// What there is, for a remedy.
pub(crate) fn listed<'a>(what: &str, names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    match names.is_empty() {
        true => format!("{what}: none"),
        false => format!("{what}: {}", names.join(", ")),
    }
}

/// A name that somebody gave, for an error.
fn cut(name: &str) -> String {
    name.chars().take(64).collect()
}
