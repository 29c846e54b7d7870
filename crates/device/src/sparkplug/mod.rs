//! Payloads of Sparkplug B (`sparkplug_b.proto` of version 3.0.0): what is read of them, and what is written.
//!
//! Payloads are hostile. A metric is decoded by itself and when somebody wants it, so that a payload costs what its bytes do; data
//! sets, templates, files and their like are left as bytes. What may not enter: topics, sessions of edge nodes, properties of devices.

mod value;

use std::collections::BTreeMap;

use aion_abi::date::UnixMillis;
use prost::{Message, bytes::Bytes};

pub(crate) use value::{Type, named, text, written};

/// Metrics of a message that are read.
pub(crate) const MAX_METRICS: usize = 4096;
/// Properties of a metric that are read.
const MAX_PROPERTIES: usize = 64;
/// Bytes of the name of a metric.
pub(crate) const MAX_NAME: usize = 1024;

/// The metric that counts births and deaths.
pub(crate) const BD_SEQ: &str = "bdSeq";
/// The metric by which an edge node is asked for its birth.
const REBIRTH: &str = "Node Control/Rebirth";
/// The property that says how good a value is, and what it says of a good one.
const QUALITY: &str = "Quality";
const GOOD: i64 = 192;

/// A message by which an edge node is asked for its birth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RebirthRequest {
    /// The topic.
    pub topic: String,
    /// The payload.
    pub payload: Vec<u8>,
}

/// A message.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Payload {
    #[prost(uint64, optional, tag = "1")]
    pub(crate) timestamp: Option<u64>,
    /// Each as it came.
    #[prost(bytes = "bytes", repeated, tag = "2")]
    pub(crate) metrics: Vec<Bytes>,
    #[prost(uint64, optional, tag = "3")]
    pub(crate) seq: Option<u64>,
}

/// A metric.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Metric {
    #[prost(string, optional, tag = "1")]
    pub(crate) name: Option<String>,
    #[prost(uint64, optional, tag = "2")]
    pub(crate) alias: Option<u64>,
    #[prost(uint64, optional, tag = "3")]
    pub(crate) timestamp: Option<u64>,
    #[prost(uint32, optional, tag = "4")]
    pub(crate) datatype: Option<u32>,
    #[prost(bool, optional, tag = "5")]
    pub(crate) is_historical: Option<bool>,
    #[prost(bool, optional, tag = "7")]
    pub(crate) is_null: Option<bool>,
    #[prost(bytes = "bytes", optional, tag = "9")]
    pub(crate) properties: Option<Bytes>,
    #[prost(uint32, optional, tag = "10")]
    pub(crate) int_value: Option<u32>,
    #[prost(uint64, optional, tag = "11")]
    pub(crate) long_value: Option<u64>,
    #[prost(float, optional, tag = "12")]
    pub(crate) float_value: Option<f32>,
    #[prost(double, optional, tag = "13")]
    pub(crate) double_value: Option<f64>,
    #[prost(bool, optional, tag = "14")]
    pub(crate) boolean_value: Option<bool>,
    #[prost(string, optional, tag = "15")]
    pub(crate) string_value: Option<String>,
}

/// The properties of a metric: the first key is of the first value.
#[derive(Clone, PartialEq, Message)]
struct PropertySet {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    keys: Vec<Bytes>,
    #[prost(bytes = "bytes", repeated, tag = "2")]
    values: Vec<Bytes>,
}

/// What a property of a metric is.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct PropertyValue {
    #[prost(uint32, optional, tag = "1")]
    of: Option<u32>,
    #[prost(bool, optional, tag = "2")]
    is_null: Option<bool>,
    #[prost(uint32, optional, tag = "3")]
    int_value: Option<u32>,
    #[prost(uint64, optional, tag = "4")]
    long_value: Option<u64>,
    #[prost(float, optional, tag = "5")]
    float_value: Option<f32>,
    #[prost(double, optional, tag = "6")]
    double_value: Option<f64>,
    #[prost(bool, optional, tag = "7")]
    boolean_value: Option<bool>,
    #[prost(string, optional, tag = "8")]
    string_value: Option<String>,
}

/// Reads a message.
///
/// # Errors
/// Why it is none that is read.
pub(crate) fn read(payload: &[u8]) -> Result<Payload, String> {
    let read = Payload::decode(Bytes::copy_from_slice(payload))
        .map_err(|why| format!("the message is not Sparkplug: {why}"))?;
    match read.metrics.len() {
        0..=MAX_METRICS => Ok(read),
        more => Err(format!(
            "the message has {more} metrics, more than {MAX_METRICS}"
        )),
    }
}

impl Payload {
    /// Its metrics, each by itself: one that cannot be read costs the others nothing.
    pub(crate) fn metrics(&self) -> impl Iterator<Item = Result<Metric, String>> {
        self.metrics.iter().map(|it| {
            let read = Metric::decode(it.clone());
            let read = read.map_err(|why| format!("a metric is not Sparkplug: {why}"))?;
            match read.name.as_ref().is_some_and(|it| it.len() > MAX_NAME) {
                true => Err(format!(
                    "the name of a metric is longer than {MAX_NAME} bytes"
                )),
                false => Ok(read),
            }
        })
    }

    /// The number of its birth or death.
    pub(crate) fn bd_seq(&self) -> Option<u64> {
        let mut metrics = self.metrics().filter_map(Result::ok);
        let it = metrics.find(|it| it.name.as_deref() == Some(BD_SEQ))?;
        it.long_value.or(it.int_value.map(u64::from))
    }
}

impl Metric {
    /// Its properties, by name.
    pub(crate) fn set(&self) -> BTreeMap<String, PropertyValue> {
        let Some(set) = &self.properties else {
            return BTreeMap::new();
        };
        let Ok(set) = PropertySet::decode(set.clone()) else {
            return BTreeMap::new();
        };
        let both = set.keys.iter().zip(&set.values).take(MAX_PROPERTIES);
        let read = both.filter_map(|(key, value)| {
            let key = std::str::from_utf8(key).ok()?;
            let value = PropertyValue::decode(value.clone()).ok()?;
            Some((key.to_owned(), value))
        });
        read.collect()
    }

    /// Why what it says is not known, by its own word; nothing where it is.
    pub(crate) fn not_known(&self) -> Option<String> {
        if self.is_null == Some(true) {
            return Some("the device says null: it does not know".to_owned());
        }
        let quality = self.properties.is_some().then(|| self.set());
        let quality = quality?.get(QUALITY)?.number()?;
        (quality != GOOD).then(|| format!("its quality is {quality}, and {GOOD} is good"))
    }
}

impl PropertyValue {
    /// A whole number.
    #[allow(clippy::cast_possible_wrap)]
    fn number(&self) -> Option<i64> {
        let int = self.int_value.map(|it| i64::from(it as i32));
        int.or(self.long_value.map(|it| it as i64))
    }

    /// A number, by its type: the signed ones are written as unsigned ones.
    #[allow(clippy::cast_precision_loss)]
    pub(crate) fn decimal(&self) -> Option<f64> {
        if self.is_null == Some(true) {
            return None;
        }
        let float = self
            .float_value
            .map(|it| it.to_string().parse().unwrap_or(f64::NAN));
        let number = float
            .or(self.double_value)
            .or(self.number().map(|it| it as f64));
        number.filter(|it| it.is_finite())
    }

    /// A text.
    pub(crate) fn text(&self) -> Option<&str> {
        self.string_value
            .as_deref()
            .filter(|_| self.is_null != Some(true))
    }

    /// True or false.
    pub(crate) fn boolean(&self) -> Option<bool> {
        self.boolean_value.filter(|_| self.is_null != Some(true))
    }
}

/// A command: one metric, by its alias where it has one, and without a number.
pub(crate) fn command(metric: Metric, wall: UnixMillis) -> Vec<u8> {
    let metric = Metric {
        timestamp: Some(wall.0),
        ..metric
    };
    let payload = Payload {
        timestamp: Some(wall.0),
        metrics: vec![Bytes::from(metric.encode_to_vec())],
        seq: None,
    };
    payload.encode_to_vec()
}

/// That an edge node is asked for its birth.
pub(crate) fn rebirth(wall: UnixMillis) -> Vec<u8> {
    let metric = Metric {
        name: Some(REBIRTH.to_owned()),
        datatype: Some(Type::Boolean as u32),
        boolean_value: Some(true),
        ..Metric::default()
    };
    command(metric, wall)
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
