//! What metrics are, by their type: as the text that a payload of MQTT would have, and back. Signed numbers are written as unsigned ones,
//! in two's complement; peers write them in 32 bits or in those of the type, and some write 32 bits as 64.

use super::Metric;
use crate::payload::{Found, bare};

/// The types whose values are scalars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    Int8 = 1,
    Int16 = 2,
    Int32 = 3,
    Int64 = 4,
    UInt8 = 5,
    UInt16 = 6,
    UInt32 = 7,
    UInt64 = 8,
    Float = 9,
    Double = 10,
    Boolean = 11,
    String = 12,
    DateTime = 13,
    Text = 14,
    Uuid = 15,
}

/// What the others are called.
const OTHERS: [&str; 7] = [
    "DataSet",
    "Bytes",
    "File",
    "Template",
    "PropertySet",
    "PropertySetList",
    "an array",
];

impl Type {
    /// By its number; nothing of one that is no scalar.
    pub(crate) fn of(number: u32) -> Option<Self> {
        use Type::{
            Boolean, DateTime, Double, Float, Int8, Int16, Int32, Int64, String, Text, UInt8,
            UInt16, UInt32, UInt64, Uuid,
        };
        let all = [
            Int8, Int16, Int32, Int64, UInt8, UInt16, UInt32, UInt64, Float, Double, Boolean,
            String, DateTime, Text, Uuid,
        ];
        all.into_iter().find(|it| *it as u32 == number)
    }

    /// The bits of a whole number, and whether it has a sign.
    pub(crate) fn whole(self) -> Option<(u32, bool)> {
        match self {
            Self::Int8 => Some((8, true)),
            Self::Int16 => Some((16, true)),
            Self::Int32 => Some((32, true)),
            Self::Int64 => Some((64, true)),
            Self::UInt8 => Some((8, false)),
            Self::UInt16 => Some((16, false)),
            Self::UInt32 => Some((32, false)),
            Self::UInt64 | Self::DateTime => Some((64, false)),
            _ => None,
        }
    }
}

/// What a type is called.
pub(crate) fn named(number: u32) -> String {
    if let Some(of) = Type::of(number) {
        return format!("{of:?}");
    }
    match number {
        16..=21 => OTHERS[number as usize - 16].to_owned(),
        22..=34 => OTHERS[6].to_owned(),
        _ => format!("type {number}"),
    }
}

/// What a metric says, as a text.
///
/// # Errors
/// Why it says nothing that is read.
pub(crate) fn text(metric: &Metric, datatype: u32) -> Result<String, String> {
    let Some(of) = Type::of(datatype) else {
        return Err(format!(
            "the metric is {}, which is not mapped",
            named(datatype)
        ));
    };
    let none = || format!("the metric has no value of its type, {}", named(datatype));
    if let Some((bits, signed)) = of.whole() {
        let read = whole(metric, bits, signed).ok_or_else(none)?;
        return read.ok_or_else(|| format!("its number does not fit into {}", named(datatype)));
    }
    match of {
        // In the digits of 32 bits: 21.3 is not 21.299999.
        Type::Float => {
            let float = metric.float_value.map(|it| it.to_string());
            float
                .or(metric.double_value.map(|it| it.to_string()))
                .ok_or_else(none)
        }
        Type::Double => {
            let double = metric.double_value.map(|it| it.to_string());
            double
                .or(metric.float_value.map(|it| it.to_string()))
                .ok_or_else(none)
        }
        Type::Boolean => {
            let int = metric.int_value.filter(|it| *it < 2).map(|it| it == 1);
            let boolean = metric.boolean_value.or(int).ok_or_else(none)?;
            Ok(boolean.to_string())
        }
        _ => metric.string_value.clone().ok_or_else(none),
    }
}

/// A whole number; the inner nothing where it does not fit.
#[allow(clippy::cast_possible_wrap, clippy::cast_possible_truncation)]
fn whole(metric: &Metric, bits: u32, signed: bool) -> Option<Option<String>> {
    let (raw, wide) = match (metric.int_value, metric.long_value) {
        (Some(int), _) => (u64::from(int), i64::from(int as i32)),
        (None, Some(long)) => (long, long as i64),
        (None, None) => return None,
    };
    // Shifted out, and in again with the sign.
    let away = 64 - bits;
    let as_signed = ((raw << away) as i64) >> away;
    let fits_bits = (raw << away) >> away == raw;
    Some(match signed {
        // Written in its own bits, or with its sign in those of the field.
        true if fits_bits || as_signed == wide => Some(as_signed.to_string()),
        false if fits_bits => Some(raw.to_string()),
        _ => None,
    })
}

/// A metric that says what a text does.
///
/// # Errors
/// Why its type does not hold that.
pub(crate) fn written(text: &str, datatype: u32) -> Result<Metric, String> {
    let mut metric = Metric {
        datatype: Some(datatype),
        ..Metric::default()
    };
    let Some(of) = Type::of(datatype) else {
        return Err(format!("it is {}, which is not written", named(datatype)));
    };
    let found = Found::Text(text.into());
    let not = || {
        format!(
            "it is {}, which does not hold {}",
            named(datatype),
            crate::payload::scalar_told(text)
        )
    };
    if let Some((bits, signed)) = of.whole() {
        let (int, long) = number(bare(text), bits, signed).ok_or_else(not)?;
        (metric.int_value, metric.long_value) = (int, long);
        return Ok(metric);
    }
    match of {
        Type::Float => {
            let number: f32 = bare(text).parse().map_err(|_| not())?;
            metric.float_value = Some(number).filter(|it| it.is_finite());
            metric.float_value.ok_or_else(not)?;
        }
        Type::Double => metric.double_value = Some(found.number().map_err(|_| not())?),
        Type::Boolean => metric.boolean_value = Some(found.boolean().map_err(|_| not())?),
        _ => metric.string_value = Some(text.to_owned()),
    }
    Ok(metric)
}

/// A whole number, in 32 or in 64 bits.
#[allow(clippy::cast_sign_loss, clippy::cast_possible_truncation)]
fn number(text: &str, bits: u32, signed: bool) -> Option<(Option<u32>, Option<u64>)> {
    let number: i128 = text.parse().ok()?;
    let (least, most) = match signed {
        true => (-(1_i128 << (bits - 1)), (1_i128 << (bits - 1)) - 1),
        false => (0, (1_i128 << bits) - 1),
    };
    if !(least..=most).contains(&number) {
        return None;
    }
    // Whose sign is written in all bits of the field is read by all peers.
    Some(match bits {
        64 => (None, Some(number as u64)),
        _ => (Some(number as u32), None),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn int(value: u32) -> Metric {
        Metric {
            int_value: Some(value),
            ..Metric::default()
        }
    }

    fn long(value: u64) -> Metric {
        Metric {
            long_value: Some(value),
            ..Metric::default()
        }
    }

    #[test]
    fn whole_numbers_are_of_their_type_however_a_peer_writes_them() {
        let cases = [
            (int(0xff), Type::Int8, Some("-1")),
            (int(0xffff_ffff), Type::Int8, Some("-1")),
            (int(0xffff_ff00), Type::Int8, None),
            (int(127), Type::Int8, Some("127")),
            (int(0x8000), Type::Int16, Some("-32768")),
            (int(u32::MAX), Type::Int32, Some("-1")),
            (long(u64::MAX), Type::Int32, Some("-1")),
            (long(1 << 32), Type::Int32, None),
            (long(u64::MAX), Type::Int64, Some("-1")),
            (int(256), Type::UInt8, None),
            (int(u32::MAX), Type::UInt32, Some("4294967295")),
            (long(4_294_967_295), Type::UInt32, Some("4294967295")),
            (long(u64::MAX), Type::UInt64, Some("18446744073709551615")),
            (
                long(1_700_000_000_000),
                Type::DateTime,
                Some("1700000000000"),
            ),
        ];
        for (metric, of, is) in cases {
            assert_eq!(
                text(&metric, of as u32).ok().as_deref(),
                is,
                "{metric:?} {of:?}"
            );
        }
    }

    #[test]
    fn what_is_written_reads_as_it_was_and_what_does_not_fit_is_refused() {
        for (of, value) in [
            (Type::Int8, "-128"),
            (Type::Int16, "-2"),
            (Type::Int64, "-9223372036854775808"),
            (Type::UInt64, "18446744073709551615"),
            (Type::Float, "21.3"),
            (Type::Double, "0.1"),
            (Type::Boolean, "true"),
            (Type::String, " as it is "),
            (Type::Uuid, "0d7"),
        ] {
            let metric = written(value, of as u32).unwrap();
            assert_eq!(text(&metric, of as u32).unwrap(), value, "{of:?}");
        }
        for (of, value) in [
            (Type::Int8, "128"),
            (Type::UInt8, "-1"),
            (Type::Int32, "21.5"),
            (Type::UInt64, "18446744073709551616"),
            (Type::Float, "1e300"),
            (Type::Double, "inf"),
            (Type::Boolean, "perhaps"),
        ] {
            let why = written(value, of as u32).unwrap_err();
            assert!(why.contains(&format!("{of:?}")), "{why}");
        }
    }

    #[test]
    fn what_is_no_scalar_is_named() {
        for (number, called) in [
            (16, "DataSet"),
            (17, "Bytes"),
            (19, "Template"),
            (30, "an array"),
            (99, "type 99"),
        ] {
            assert!(text(&int(1), number).unwrap_err().contains(called));
            assert!(written("1", number).unwrap_err().contains(called));
        }
        assert!(text(&Metric::default(), 9).unwrap_err().contains("Float"));
    }
}
