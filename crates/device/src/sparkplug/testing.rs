//! Messages of edge nodes for tests.

use prost::{Message, bytes::Bytes};

use super::{BD_SEQ, Metric, Payload, PropertySet, PropertyValue, QUALITY, Type, written};

/// A metric with a value of its type.
pub(crate) fn metric(name: &str, of: Type, value: &str) -> Metric {
    Metric {
        name: Some(name.to_owned()),
        timestamp: Some(1),
        ..written(value, of as u32).unwrap_or_default()
    }
}

/// The same, with an alias.
pub(crate) fn aliased(alias: u64, of: Metric) -> Metric {
    Metric {
        alias: Some(alias),
        ..of
    }
}

/// The same by its alias alone, as data has it.
pub(crate) fn by_alias(alias: u64, of: Metric) -> Metric {
    Metric {
        name: None,
        datatype: None,
        ..aliased(alias, of)
    }
}

/// The same, with properties.
pub(crate) fn with(of: Metric, properties: &[(&str, PropertyValue)]) -> Metric {
    let set = PropertySet {
        keys: properties
            .iter()
            .map(|(key, _)| Bytes::copy_from_slice(key.as_bytes()))
            .collect(),
        values: properties
            .iter()
            .map(|(_, it)| Bytes::from(it.encode_to_vec()))
            .collect(),
    };
    Metric {
        properties: Some(Bytes::from(set.encode_to_vec())),
        ..of
    }
}

/// The same, of a quality.
pub(crate) fn of_quality(of: Metric, quality: u32) -> Metric {
    let value = PropertyValue {
        of: Some(3),
        int_value: Some(quality),
        ..PropertyValue::default()
    };
    with(of, &[(QUALITY, value)])
}

/// A property that is a number.
pub(crate) fn decimal(value: f64) -> PropertyValue {
    PropertyValue {
        of: Some(10),
        double_value: Some(value),
        ..PropertyValue::default()
    }
}

/// A property that is a text.
pub(crate) fn words(value: &str) -> PropertyValue {
    PropertyValue {
        of: Some(12),
        string_value: Some(value.to_owned()),
        ..PropertyValue::default()
    }
}

/// A property that is true or false.
pub(crate) fn boolean(value: bool) -> PropertyValue {
    PropertyValue {
        of: Some(11),
        boolean_value: Some(value),
        ..PropertyValue::default()
    }
}

/// The number of a birth or death.
pub(crate) fn bd_seq(number: u64) -> Metric {
    metric(BD_SEQ, Type::Int64, &number.to_string())
}

/// A message.
pub(crate) fn message(seq: Option<u64>, metrics: &[Metric]) -> Vec<u8> {
    let payload = Payload {
        timestamp: Some(1),
        metrics: metrics
            .iter()
            .map(|it| Bytes::from(it.encode_to_vec()))
            .collect(),
        seq,
    };
    payload.encode_to_vec()
}
