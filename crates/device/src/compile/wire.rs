//! What a device writes for values, checked: words for values, and the scale of numbers.

use aion_api::{Takes, ValueType};

use super::{Place, mapped::Property, mapping::Checked};
use crate::{
    decimal::Decimal,
    form::{Form, Scale, Wire},
    payload::scalar_told,
};

impl Checked<'_> {
    pub(super) fn wire(&mut self, mapped: &Property<'_>, form: &Form, place: &Place) -> Wire {
        let values = mapped
            .values
            .iter()
            .map(|it| (it.value.as_str().into(), it.payload.as_str().into()))
            .collect();
        let mut wire = Wire {
            values,
            scale: None,
        };
        let numeric = matches!(form.kind, ValueType::Integer | ValueType::Number);
        for (at, (value, payload)) in wire.values.iter().enumerate() {
            let place = Place::new(place.of, format!("{}.values[{at}]", place.field));
            let fits = match form.kind {
                ValueType::Boolean => matches!(&**value, "true" | "false"),
                ValueType::Choice => form.choices.contains(value),
                ValueType::Text => true,
                ValueType::Integer | ValueType::Number => false,
            };
            if !fits {
                let what = format!(
                    "{value} is not a value of {}, which is of type {}",
                    mapped.name,
                    form.kind.as_str()
                );
                let remedy = match form.kind {
                    ValueType::Boolean => "say \"true\" or \"false\"".to_owned(),
                    ValueType::Choice => format!("say one of {}", form.choices.join(", ")),
                    _ => "numbers have scale and no values: remove it".to_owned(),
                };
                self.faults.add(&place.at("value"), what, remedy);
            }
            let before = &wire.values[..at];
            if before.iter().any(|(it, _)| it == value) {
                self.faults.add(
                    &place.at("value"),
                    format!("{value} is there twice"),
                    "remove one of them",
                );
            }
            if before.iter().any(|(_, it)| it == payload) {
                self.faults.add(
                    &place.at("payload"),
                    format!("two values have the payload {}", scalar_told(payload)),
                    "give each its own",
                );
            }
        }
        // With one of them alone, the other's own words might say the same.
        if form.kind == ValueType::Boolean && wire.values.len() == 1 {
            self.faults.add(
                &place.at("values"),
                "only one of true and false has a payload",
                "add the other",
            );
        }
        if let Some(scale) = mapped.scale {
            let place = place.at("scale");
            if !numeric {
                self.faults.add(
                    &place,
                    format!("{} is not a number", mapped.name),
                    "remove scale, or change the type in the model",
                );
            }
            let factor = self.decimal(scale.factor.as_deref(), Decimal::ONE, &place.at("factor"));
            if factor == Decimal::ZERO {
                self.faults.add(
                    &place.at("factor"),
                    "the factor is 0, which makes everything the same",
                    "give another",
                );
            }
            let offset = self.decimal(scale.offset.as_deref(), Decimal::ZERO, &place.at("offset"));
            wire.scale = Some(Scale {
                factor,
                offset,
                whole: scale.takes == Takes::Whole,
            });
        }
        wire
    }

    fn decimal(&mut self, text: Option<&str>, otherwise: Decimal, place: &Place) -> Decimal {
        let Some(text) = text else { return otherwise };
        Decimal::read(text).unwrap_or_else(|| {
            let what = format!("{} is not a decimal", scalar_told(text));
            self.faults.add(
                place,
                what,
                "give at most nine digits and six places, such as \"0.1\"",
            );
            Decimal::ONE
        })
    }
}
