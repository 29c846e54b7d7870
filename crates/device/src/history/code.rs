//! Values as 64 bits: numbers as they are, choices by their number, texts by their place in the ring's own list.

use aion_abi::syscall::device::Value;
use aion_api::ValueType;

use crate::form::Form;

/// How much of a text is kept, in bytes.
pub(super) const MAX_KEPT: usize = 256;

/// The texts of a ring, each once.
pub(super) type Texts = Vec<Box<str>>;

/// A value in bits; a new text is added.
pub(super) fn encode(value: &Value, form: &Form, texts: &mut Texts) -> u64 {
    match value {
        Value::Boolean(it) => u64::from(*it),
        Value::Integer(it) => it.cast_unsigned(),
        Value::Number(it) => it.to_bits(),
        Value::Text(it) if form.kind == ValueType::Choice => {
            let at = form.choices.iter().position(|choice| **choice == **it);
            at.unwrap_or_default() as u64
        }
        Value::Text(it) => {
            let it = cut(it);
            // What is said again was most often said last.
            let at = texts
                .iter()
                .rposition(|text| **text == *it)
                .unwrap_or_else(|| {
                    texts.push(it.into());
                    texts.len() - 1
                });
            at as u64
        }
    }
}

/// A value of bits.
pub(super) fn decode(bits: u64, form: &Form, texts: &Texts) -> Value {
    let text = |list: &[Box<str>]| {
        let at = usize::try_from(bits).unwrap_or(usize::MAX);
        Value::Text(list.get(at).map(|it| it.to_string()).unwrap_or_default())
    };
    match form.kind {
        ValueType::Boolean => Value::Boolean(bits != 0),
        ValueType::Integer => Value::Integer(bits.cast_signed()),
        ValueType::Number => Value::Number(f64::from_bits(bits)),
        ValueType::Choice => text(&form.choices),
        ValueType::Text => text(texts),
    }
}

/// The number that bits are, if they are one.
#[allow(clippy::cast_precision_loss)]
pub(super) fn number(bits: u64, form: &Form) -> Option<f64> {
    match form.kind {
        ValueType::Integer => Some(bits.cast_signed() as f64),
        ValueType::Number => Some(f64::from_bits(bits)),
        ValueType::Boolean | ValueType::Choice | ValueType::Text => None,
    }
}

/// What is kept of a text.
fn cut(text: &str) -> String {
    match text.len() <= MAX_KEPT {
        true => text.to_owned(),
        false => format!(
            "{}…",
            &text[..text.floor_char_boundary(MAX_KEPT - '…'.len_utf8())]
        ),
    }
}
