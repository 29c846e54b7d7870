//! A metric of a birth as a property: its type, and what its own properties say of its unit, its range, and whether it is written.

use aion_api::{Access, Property, SparkplugProperty, ValueType};

use crate::{
    announced::{
        naming,
        parts::{brief, decimal},
        unit,
    },
    sparkplug::{Metric, PropertyValue, Type, named},
};

/// Characters of the name of a metric that a resource takes.
const MAX_METRIC: usize = 256;

/// A metric that would be a property.
#[derive(Debug, Clone)]
pub(super) struct Point {
    pub(super) metric: String,
    pub(super) property: Property,
    pub(super) mapped: SparkplugProperty,
}

/// What a metric would be. What of it is not mapped is told.
///
/// # Errors
/// Why it would be nothing.
pub(super) fn point(
    metric: &Metric,
    name: &str,
    mut left: impl FnMut(&str, &str),
) -> Result<Point, String> {
    if name.is_empty()
        || name.chars().count() > MAX_METRIC
        || name.contains("{{")
        || name.chars().any(char::is_control)
    {
        return Err(
            "its name is empty, longer than 256 characters, or has {{ or a control character"
                .to_owned(),
        );
    }
    let called = naming::point(name).ok_or("nothing of its name can be the name of a property")?;
    let datatype = metric.datatype.ok_or("the birth does not say its type")?;
    let of = Type::of(datatype)
        .ok_or_else(|| format!("it is {}, which is not mapped", named(datatype)))?;
    let kind = match of {
        Type::Boolean => ValueType::Boolean,
        Type::Float | Type::Double => ValueType::Number,
        Type::String | Type::Text | Type::Uuid => ValueType::Text,
        _ => ValueType::Integer,
    };
    let mut property = Property {
        name: called,
        of: kind,
        description: Some(brief(name, 256)),
        ..Property::default()
    };
    let said = metric.set();
    let is = |key: &str| {
        let mut all = said.iter();
        all.find(|(it, _)| it.eq_ignore_ascii_case(key))
            .map(|(_, it)| it)
    };
    if let Some(words) = is("documentation")
        .and_then(PropertyValue::text)
        .filter(|it| !it.trim().is_empty())
    {
        property.description = Some(brief(words, 256));
    }
    if of == Type::DateTime {
        property.unit = Some("ms".to_owned());
    } else if matches!(kind, ValueType::Integer | ValueType::Number) {
        measured(&mut property, &is, |field, why| {
            left(&format!("{name} {field}"), why)
        });
    }
    let boolean = |key| is(key).and_then(PropertyValue::boolean);
    if boolean("readOnly") == Some(false) || boolean("writable") == Some(true) {
        property.access = Access::ReadWrite;
    }
    let mapped = SparkplugProperty {
        metric: name.to_owned(),
        ..SparkplugProperty::default()
    };
    Ok(Point {
        metric: name.to_owned(),
        property,
        mapped,
    })
}

/// The unit of a number, and its range.
fn measured<'a>(
    property: &mut Property,
    is: &impl Fn(&str) -> Option<&'a PropertyValue>,
    mut left: impl FnMut(&str, &str),
) {
    if let Some(words) = is("engUnit")
        .and_then(PropertyValue::text)
        .filter(|it| !it.trim().is_empty())
    {
        property.unit = unit::ucum(words.trim()).map(str::to_owned);
        if property.unit.is_none() {
            left(
                "engUnit",
                &format!("the unit {} is not known", brief(words, 32)),
            );
        }
    }
    let bound = |key: &str| is(key).and_then(PropertyValue::decimal);
    let (least, most) = (bound("engLow"), bound("engHigh"));
    if least.zip(most).is_some_and(|(least, most)| least >= most) {
        return left("engLow", "it is not below engHigh: the number has no range");
    }
    for (field, bound, into) in [
        ("engLow", least, &mut property.minimum),
        ("engHigh", most, &mut property.maximum),
    ] {
        let Some(bound) = bound else { continue };
        *into = decimal(bound);
        if into.is_none() {
            left(
                field,
                "it has more than nine digits before the point, or six after it",
            );
        }
    }
}
