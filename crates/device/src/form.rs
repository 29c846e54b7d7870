//! What the values of a property or an argument are, and what a device writes for them: bytes to values and back.

use aion_abi::{
    code::Code,
    problem::Problem,
    syscall::device::{MAX_TEXT, Value},
};
use aion_api::ValueType;

use crate::{
    decimal::{Decimal, rounded, rounded_for_device},
    payload::{Found, Unread, scalar_told, whole},
    template::Filler,
};

/// What values are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Form {
    pub(crate) kind: ValueType,
    pub(crate) minimum: Option<Decimal>,
    pub(crate) maximum: Option<Decimal>,
    pub(crate) step: Option<Decimal>,
    pub(crate) choices: Box<[Box<str>]>,
}

/// What a device writes for them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Wire {
    /// Values, and what stands for each.
    pub(crate) values: Box<[(Box<str>, Box<str>)]>,
    pub(crate) scale: Option<Scale>,
}

/// How a device's numbers become a property's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Scale {
    pub(crate) factor: Decimal,
    pub(crate) offset: Decimal,
    /// It takes whole numbers only.
    pub(crate) whole: bool,
}

impl Form {
    /// What a device says.
    pub(crate) fn read(&self, wire: &Wire, found: &Found<'_>) -> Result<Value, Unread> {
        if !wire.values.is_empty() {
            let said = found.word(self.kind == ValueType::Text)?;
            if let Some((value, _)) = wire.values.iter().find(|(_, payload)| **payload == *said) {
                return Ok(self.named(value));
            }
        }
        match self.kind {
            ValueType::Boolean if wire.values.is_empty() => found.boolean().map(Value::Boolean),
            // Words are often how it is told alone: what it says is a boolean of JSON.
            ValueType::Boolean => match found {
                Found::Boolean(it) => Ok(Value::Boolean(*it)),
                _ => Err(found.not("what the device writes for true or false")),
            },
            ValueType::Integer => self.integer(wire, found),
            ValueType::Number => {
                let said = found.number()?;
                let value = rounded(wire.scale.map_or(said, |it| it.read(said)));
                if !value.is_finite() {
                    return Err(found.not("a number that can be scaled"));
                }
                self.within(value)?;
                Ok(Value::Number(value))
            }
            ValueType::Choice => {
                let said = found.word(false)?;
                match self.choices.iter().find(|it| ***it == *said) {
                    Some(choice) if !wire.values.iter().any(|(value, _)| value == choice) => {
                        Ok(Value::Text(choice.to_string()))
                    }
                    _ => Err(found.not("one of its choices")),
                }
            }
            ValueType::Text => {
                let said = found.text()?;
                match said.len() <= MAX_TEXT {
                    true => Ok(Value::Text(said.into_owned())),
                    false => Err(Unread::of("the text is longer than 1,024 bytes")),
                }
            }
        }
    }

    #[allow(clippy::cast_precision_loss)]
    fn integer(&self, wire: &Wire, found: &Found<'_>) -> Result<Value, Unread> {
        let value = match wire.scale {
            None => found.integer()?,
            Some(scale) => {
                // A brightness of 0 to 254 is a whole percentage by no factor.
                let value = scale.read(found.number()?).round();
                whole(value).ok_or_else(|| Found::Number(value).not("a whole number of 64 bits"))?
            }
        };
        self.within(value as f64)?;
        Ok(Value::Integer(value))
    }

    /// A value that a mapping names.
    fn named(&self, value: &str) -> Value {
        match self.kind {
            ValueType::Boolean => Value::Boolean(value == "true"),
            _ => Value::Text(value.to_owned()),
        }
    }

    fn within(&self, value: f64) -> Result<(), Unread> {
        match self.beyond(value) {
            Some(bound) => Err(format!("{value} is {bound}, and not believed").into()),
            None => Ok(()),
        }
    }

    fn beyond(&self, value: f64) -> Option<String> {
        if let Some(least) = self.minimum.filter(|it| it.is_above(value)) {
            return Some(format!("below {least}, the least that it is"));
        }
        let most = self.maximum.filter(|it| it.is_below(value))?;
        Some(format!("above {most}, the most that it is"))
    }

    /// A value that somebody gives, as the type has it: 20.0 is a whole number, and 20 a number.
    ///
    /// # Errors
    /// It is of another type, too long, out of the range, between steps, or none of the choices.
    #[allow(clippy::cast_precision_loss)]
    pub(crate) fn take(&self, name: &str, value: &Value) -> Result<Value, Problem> {
        let refused = |why: String| Problem::new(Code::BadRequest, format!("{name}: {why}"));
        let wrong = || {
            let (given, of) = (told(value), self.kind.as_str());
            let article = if self.kind == ValueType::Integer {
                "an"
            } else {
                "a"
            };
            refused(format!("{given} is not {article} {of}")).remedy(self.remedy(name))
        };
        let number = match (self.kind, value) {
            (ValueType::Boolean, Value::Boolean(_)) => return Ok(value.clone()),
            (ValueType::Choice, Value::Text(text)) => {
                return match self.choices.iter().any(|it| **it == **text) {
                    true => Ok(value.clone()),
                    false => Err(
                        refused(format!("{} is not one of its choices", told(value)))
                            .remedy(self.remedy(name)),
                    ),
                };
            }
            (ValueType::Text, Value::Text(text)) => {
                return match text.len() <= MAX_TEXT {
                    true => Ok(value.clone()),
                    false => Err(refused(format!(
                        "a text of {} bytes is longer than {MAX_TEXT}",
                        text.len()
                    ))
                    .remedy(format!("give {name} a shorter text"))),
                };
            }
            (ValueType::Integer, Value::Integer(it)) => Value::Integer(*it),
            (ValueType::Integer, Value::Number(it)) => {
                Value::Integer(whole(*it).ok_or_else(wrong)?)
            }
            (ValueType::Number, Value::Integer(it)) => Value::Number(*it as f64),
            (ValueType::Number, Value::Number(it)) if it.is_finite() => Value::Number(rounded(*it)),
            _ => return Err(wrong()),
        };
        let (Value::Integer(_) | Value::Number(_)) = number else {
            return Err(wrong());
        };
        let as_f64 = match number {
            Value::Integer(it) => it as f64,
            Value::Number(it) => it,
            _ => return Err(wrong()),
        };
        if let Some(bound) = self.beyond(as_f64) {
            return Err(refused(format!("{number} is {bound}")).remedy(self.remedy(name)));
        }
        let base = self.minimum.unwrap_or(Decimal::ZERO);
        match self.step {
            Some(step) if !step.steps_to(base, as_f64) => Err(refused(format!(
                "{number} is not a step of {step} from {base}"
            ))
            .remedy(self.remedy(name))),
            _ => Ok(number),
        }
    }

    /// A value that a person gives: what is written as a text is meant as the type has it, `on` as true and `21` as a number.
    ///
    /// # Errors
    /// As [`Form::take`].
    pub(crate) fn meant(&self, name: &str, value: &Value) -> Result<Value, Problem> {
        let Value::Text(words) = value else {
            return self.take(name, value);
        };
        let found = Found::Text(words.as_str().into());
        let meant = match self.kind {
            ValueType::Boolean => found.boolean().ok().map(Value::Boolean),
            ValueType::Integer => found.integer().ok().map(Value::Integer),
            ValueType::Number => found.number().ok().map(Value::Number),
            ValueType::Choice | ValueType::Text => None,
        };
        self.take(name, meant.as_ref().unwrap_or(value))
    }

    /// What may be given.
    fn remedy(&self, name: &str) -> String {
        let mut is = match self.kind {
            ValueType::Boolean => "true or false".to_owned(),
            ValueType::Integer => "a whole number".to_owned(),
            ValueType::Number => "a number".to_owned(),
            ValueType::Text => "a text".to_owned(),
            ValueType::Choice => format!("one of {}", self.choices.join(", ")),
        };
        for (word, bound) in [
            (" from", self.minimum),
            (" to", self.maximum),
            (" in steps of", self.step),
        ] {
            if let Some(bound) = bound {
                is.push_str(&format!("{word} {bound}"));
            }
        }
        format!("give {name} {is}")
    }

    /// What the device is sent for a value that was taken, and what it will say of itself then.
    ///
    /// # Errors
    /// It cannot be told: what it rounds it to is out of the range.
    pub(crate) fn write<'a>(
        &self,
        wire: &'a Wire,
        name: &str,
        value: &'a Value,
    ) -> Result<(Filler<'a>, Value), Problem> {
        let named = match value {
            Value::Boolean(it) => Some(if *it { "true" } else { "false" }),
            Value::Text(it) => Some(it.as_str()),
            _ => None,
        };
        let mapped =
            named.and_then(|named| wire.values.iter().find(|(value, _)| **value == *named));
        if let Some((_, payload)) = mapped {
            return Ok((Filler::written(payload), value.clone()));
        }
        let Some(scale) = wire.scale else {
            return Ok((filler(value), value.clone()));
        };
        let Some(sent) = scale.write(value) else {
            return Ok((filler(value), value.clone()));
        };
        let read = self.read(wire, &Found::Number(sent)).map_err(|why| {
            Problem::new(
                Code::BadRequest,
                format!(
                    "{name}: the device takes {sent} for {value}, and then {}",
                    why.as_str()
                ),
            )
            .remedy("give a value that the device can be told: its scale rounds this one away")
        })?;
        Ok((Filler::Literal(plain(sent).into()), read))
    }
}

impl Scale {
    fn read(self, said: f64) -> f64 {
        said * self.factor.as_f64() + self.offset.as_f64()
    }

    #[allow(clippy::cast_precision_loss)]
    fn write(self, value: &Value) -> Option<f64> {
        let value = match value {
            Value::Integer(it) => *it as f64,
            Value::Number(it) => *it,
            _ => return None,
        };
        let sent = (value - self.offset.as_f64()) / self.factor.as_f64();
        Some(if self.whole {
            sent.round() + 0.0
        } else {
            rounded_for_device(sent)
        })
    }
}

/// A value as it is filled into a payload.
pub(crate) fn filler(value: &Value) -> Filler<'_> {
    match value {
        Value::Boolean(it) => Filler::Literal(if *it { "true" } else { "false" }.into()),
        Value::Integer(it) => Filler::Literal(it.to_string().into()),
        Value::Number(it) => Filler::Literal(plain(*it).into()),
        Value::Text(it) => Filler::Text(it.into()),
    }
}

/// A number without an exponent, and a whole one without a point: many devices read no other.
fn plain(number: f64) -> String {
    number.to_string()
}

fn told(value: &Value) -> String {
    match value {
        Value::Text(text) => scalar_told(text),
        _ => value.to_string(),
    }
}
