//! A device as it is itself: what it says and what it makes of what it is told, by the mapping of its model used backwards. For
//! simulators and tests: whatever the node would send, a twin understands, and whatever it says, the node can read.
//!
//! What may not enter: IO, a clock, randomness.

mod saying;

use std::{collections::BTreeMap, sync::Arc};

use aion_abi::{problem::Problem, syscall::device::Value};
use aion_api::ValueType;

use crate::{
    compiled::Compiled,
    decimal::Decimal,
    form::{Form, Wire},
    payload,
    shape::{Property, Send},
    unfill::{Filled, unfill},
};

/// A device that is played.
#[derive(Debug, Clone)]
pub struct Twin {
    compiled: Arc<Compiled>,
    values: BTreeMap<Arc<str>, Value>,
}

/// A message of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Its topic.
    pub topic: String,
    /// Its payload.
    pub payload: Vec<u8>,
}

/// What a device was told.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    /// A property is to be this.
    Set {
        /// Which.
        property: String,
        /// What.
        value: Value,
    },
    /// It is to do something.
    Command {
        /// What.
        command: String,
        /// With what.
        arguments: BTreeMap<String, Value>,
    },
}

impl Twin {
    /// A device that nothing has happened to: each property is in the middle of what it may be.
    #[must_use]
    pub fn new(compiled: Arc<Compiled>) -> Self {
        let properties = compiled.shape.properties.iter();
        let values = properties.map(|it| (Arc::clone(&it.name), first(&it.form)));
        let values = values.collect();
        Self { compiled, values }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.compiled.key().name
    }

    /// The properties that it says, by name.
    pub fn says_of(&self) -> impl Iterator<Item = &str> {
        let all = self.compiled.shape.properties.iter();
        all.filter(|it| it.source.is_some()).map(|it| &*it.name)
    }

    /// What a property is.
    #[must_use]
    pub fn value(&self, property: &str) -> Option<&Value> {
        self.values.get(property)
    }

    /// A property is this from now on, whoever may set it.
    ///
    /// # Errors
    /// There is no such property, or the value is not one of it.
    pub fn put(&mut self, property: &str, value: &Value) -> Result<(), Problem> {
        let Some((_, it)) = self.compiled.shape.property(property) else {
            return Err(self.compiled.no_property(property));
        };
        let value = it.form.take(property, value)?;
        self.values.insert(Arc::clone(&it.name), value);
        Ok(())
    }

    /// A property is what these words say, as a person writes them.
    ///
    /// # Errors
    /// As [`Twin::put`].
    pub fn put_words(&mut self, property: &str, words: &str) -> Result<(), Problem> {
        let Some((_, it)) = self.compiled.shape.property(property) else {
            return Err(self.compiled.no_property(property));
        };
        self.put(
            property,
            &it.form.meant(property, &Value::Text(words.to_owned()))?,
        )
    }

    /// A property becomes another by chance, which is 0 to 1: a number wanders a little, all else is anew.
    pub fn wander(&mut self, property: &str, chance: f64) {
        let Some((_, it)) = self.compiled.shape.property(property) else {
            return;
        };
        let is = self.values.get(property);
        let value = wandered(&it.form, is, chance.clamp(0.0, 1.0));
        // What the form does not take, such as what lies between steps, it does not become.
        if let Ok(value) = it.form.take(property, &value) {
            self.values.insert(Arc::clone(&it.name), value);
        }
    }

    /// The topics on which it is told something, each once.
    #[must_use]
    pub fn topics(&self) -> Vec<String> {
        let shape = &self.compiled.shape;
        let sets = shape.properties.iter().filter_map(|it| it.set.as_ref());
        let commands = shape.commands.iter().map(|it| &it.send);
        let mut topics: Vec<_> = sets.chain(commands).map(|it| self.topic(it)).collect();
        topics.sort_unstable();
        topics.dedup();
        topics
    }

    fn topic(&self, send: &Send) -> String {
        self.compiled.fill(&send.topic, |_| None)
    }

    /// What it makes of a message: the command that it is, or the properties that it sets, which are so from now on.
    pub fn hear(&mut self, topic: &str, payload: &[u8]) -> Vec<Told> {
        let Ok(text) = payload::text(payload) else {
            return Vec::new();
        };
        let told = self.told(topic, text);
        for it in &told {
            if let Told::Set { property, value } = it
                && let Some((_, it)) = self.compiled.shape.property(property)
            {
                self.values.insert(Arc::clone(&it.name), value.clone());
            }
        }
        told
    }

    /// The same, and nothing becomes of it.
    #[must_use]
    pub fn told(&self, topic: &str, text: &str) -> Vec<Told> {
        let shape = &self.compiled.shape;
        let mut commands = shape.commands.iter();
        let command = commands.find_map(|it| {
            let filled = self.unfilled(&it.send, topic, text)?;
            let taken = filled.iter().map(|(name, found)| {
                let argument = it.arguments.iter().find(|it| *it.name == **name)?;
                let value = argument.form.read(&Wire::default(), found).ok()?;
                Some((name.clone(), value))
            });
            Some(Told::Command {
                command: it.name.to_string(),
                arguments: taken.collect::<Option<_>>()?,
            })
        });
        if let Some(command) = command {
            return vec![command];
        }
        let properties = shape.properties.iter();
        properties
            .filter_map(|it| self.set(it, topic, text))
            .collect()
    }

    fn set(&self, property: &Property, topic: &str, text: &str) -> Option<Told> {
        let filled = self.unfilled(property.set.as_ref()?, topic, text)?;
        let (_, found) = filled.into_iter().find(|(name, _)| name == "value")?;
        Some(Told::Set {
            property: property.name.to_string(),
            value: property.form.read(&property.wire, &found).ok()?,
        })
    }

    fn unfilled(&self, send: &Send, topic: &str, text: &str) -> Option<Filled> {
        let is_its = self.topic(send) == topic;
        let own = |name: &str| self.compiled.own(name);
        is_its.then(|| unfill(&send.payload, text, own)).flatten()
    }

    /// How long the node waits for it to confirm this, in milliseconds.
    #[must_use]
    pub fn confirm_ms(&self, told: &Told) -> u64 {
        let shape = &self.compiled.shape;
        let send = match told {
            Told::Set { property, .. } => shape.property(property).and_then(|it| it.1.set.as_ref()),
            Told::Command { command, .. } => shape.command(command).map(|it| &it.send),
        };
        send.map_or(0, |it| it.confirm_ms)
    }
}

/// What a property is where nobody says what.
fn first(form: &Form) -> Value {
    let (least, most) = bounds(form);
    let middle = match (least, most) {
        (Some(least), Some(most)) => f64::midpoint(least, most),
        (Some(bound), None) | (None, Some(bound)) => bound,
        (None, None) => 0.0,
    };
    match form.kind {
        ValueType::Boolean => Value::Boolean(false),
        ValueType::Integer | ValueType::Number => number(form, middle),
        ValueType::Choice => choice(form, 0),
        ValueType::Text => Value::Text("simulated".to_owned()),
    }
}

fn wandered(form: &Form, is: Option<&Value>, chance: f64) -> Value {
    match form.kind {
        ValueType::Boolean => Value::Boolean(chance < 0.5),
        ValueType::Choice => {
            let count = form.choices.len();
            // Between 0 and the count.
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss
            )]
            let at = (chance * count as f64) as usize;
            choice(form, at.min(count.saturating_sub(1)))
        }
        ValueType::Text => Value::Text(format!("simulated {chance:.3}")),
        ValueType::Integer | ValueType::Number => {
            let now = match is {
                #[allow(clippy::cast_precision_loss)]
                Some(Value::Integer(it)) => *it as f64,
                Some(Value::Number(it)) => *it,
                _ => 0.0,
            };
            let (least, most) = bounds(form);
            let span = match (least, most) {
                (Some(least), Some(most)) => (most - least) / 10.0,
                _ => 2.0,
            };
            let pace = match form.kind {
                ValueType::Integer => span.max(3.0),
                _ => span,
            };
            number(form, now + (chance - 0.5) * pace)
        }
    }
}

fn bounds(form: &Form) -> (Option<f64>, Option<f64>) {
    let bound = |it: Option<Decimal>| it.map(Decimal::as_f64);
    (bound(form.minimum), bound(form.maximum))
}

/// The number within the range that is near, on a step, with two places.
fn number(form: &Form, wanted: f64) -> Value {
    let (least, most) = bounds(form);
    let held = wanted
        .max(least.unwrap_or(f64::MIN))
        .min(most.unwrap_or(f64::MAX));
    let base = least.unwrap_or(0.0);
    let stepped = match form.step.map(Decimal::as_f64) {
        Some(step) => base + ((held - base) / step).floor() * step,
        None => (held * 100.0).round() / 100.0,
    };
    match form.kind {
        ValueType::Integer => {
            #[allow(clippy::cast_possible_truncation)]
            let whole = stepped.floor() as i64;
            Value::Integer(whole)
        }
        _ => Value::Number(stepped),
    }
}

fn choice(form: &Form, at: usize) -> Value {
    Value::Text(
        form.choices
            .get(at)
            .map(ToString::to_string)
            .unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests;
