//! What stands in a payload, as the scalar that it is meant to be. Devices write booleans as words and numbers as strings,
//! and have words for what they do not know.

use std::borrow::Cow;

use super::{bare, not_a_number};

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub enum Found<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A number; finite.
    Number(f64),
    /// A string of JSON, or all of a payload.
    Text(Cow<'a, str>),
    /// An object or an array.
    Compound(&'static str),
}

/// Why a message says nothing that can be believed, for a person: at most some 200 bytes, without control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread(Cow<'static, str>);

/// The words of a boolean where its mapping has none of its own, whatever their case.
const TRUE: [&str; 4] = ["true", "on", "yes", "1"];
const FALSE: [&str; 4] = ["false", "off", "no", "0"];
/// The words for what a device does not know, whatever their case.
const UNKNOWN: [&str; 6] = ["", "null", "none", "unavailable", "unknown", "undefined"];
/// How much of a payload a reason tells.
const TOLD: usize = 40;

impl Unread {
    pub(crate) const fn of(why: &'static str) -> Self {
        Self(Cow::Borrowed(why))
    }

    /// The reason.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for Unread {
    fn from(why: String) -> Self {
        Self(Cow::Owned(why))
    }
}

impl Found<'_> {
    /// The same, with a text of its own.
    #[must_use]
    pub fn into_owned(self) -> Found<'static> {
        match self {
            Self::Null => Found::Null,
            Self::Boolean(it) => Found::Boolean(it),
            Self::Integer(it) => Found::Integer(it),
            Self::Number(it) => Found::Number(it),
            Self::Text(it) => Found::Text(Cow::Owned(it.into_owned())),
            Self::Compound(it) => Found::Compound(it),
        }
    }

    /// A boolean: `true` and `false`, `on` and `off`, `yes` and `no` in any case, 1 and 0.
    ///
    /// # Errors
    /// It is something else.
    pub fn boolean(&self) -> Result<bool, Unread> {
        match self {
            Self::Boolean(it) => Ok(*it),
            Self::Integer(it @ (0 | 1)) => Ok(*it == 1),
            Self::Number(it) if *it == 0.0 || *it == 1.0 => Ok(*it == 1.0),
            Self::Text(text) => {
                let word = unquoted(text);
                let is = |words: &[&str]| words.iter().any(|it| word.eq_ignore_ascii_case(it));
                match (is(&TRUE), is(&FALSE)) {
                    (true, _) => Ok(true),
                    (_, true) => Ok(false),
                    _ => Err(self.not("true or false")),
                }
            }
            _ => Err(self.not("true or false")),
        }
    }

    /// A number, which may stand in a string, with a point and not a comma.
    ///
    /// # Errors
    /// It is something else, or not finite.
    #[allow(clippy::cast_precision_loss)]
    pub fn number(&self) -> Result<f64, Unread> {
        match self {
            Self::Integer(it) => Ok(*it as f64),
            Self::Number(it) if it.is_finite() => Ok(*it),
            Self::Text(text) => match unquoted(text).parse::<f64>() {
                Ok(it) if it.is_finite() => Ok(it),
                _ => Err(self.not("a number")),
            },
            _ => Err(self.not("a number")),
        }
    }

    /// A whole number: 20.0 is one, 20.5 is not.
    ///
    /// # Errors
    /// It is something else, or beyond 64 bits.
    pub fn integer(&self) -> Result<i64, Unread> {
        match self {
            Self::Integer(it) => return Ok(*it),
            Self::Text(text) => {
                if let Ok(it) = unquoted(text).parse() {
                    return Ok(it);
                }
            }
            _ => {}
        }
        whole(self.number()?).ok_or_else(|| self.not("a whole number of 64 bits"))
    }

    /// A text. Of JSON, a number or a boolean as it is written; null, objects and arrays are none.
    ///
    /// # Errors
    /// It is none.
    pub fn text(&self) -> Result<Cow<'_, str>, Unread> {
        match self {
            Self::Boolean(it) => Ok(it.to_string().into()),
            Self::Integer(it) => Ok(it.to_string().into()),
            Self::Number(it) => Ok(it.to_string().into()),
            Self::Text(it) => Ok(Cow::Borrowed(it)),
            Self::Null | Self::Compound(_) => Err(self.not("a text")),
        }
    }

    /// A text that stands for something: but for a text itself, the quotes of a payload that is a string of JSON are taken off.
    ///
    /// # Errors
    /// It is none.
    pub fn word(&self, as_it_is: bool) -> Result<Cow<'_, str>, Unread> {
        match self {
            Self::Text(it) if !as_it_is => Ok(Cow::Borrowed(unquoted(it))),
            _ => self.text(),
        }
    }

    /// Says that this is not what it has to be.
    #[must_use]
    pub fn not(&self, what: &str) -> Unread {
        let is = match self {
            Self::Null => return Unread::of("the device says null: it does not know"),
            Self::Compound(it) => return format!("{it} is not {what}").into(),
            Self::Text(text) => {
                let word = unquoted(text);
                let unknown = UNKNOWN.iter().any(|it| word.eq_ignore_ascii_case(it));
                if word.is_empty() {
                    return Unread::of("the text is empty");
                }
                if unknown || not_a_number(word.trim_start_matches(['-', '+'])) {
                    return format!("the device says {word}: it does not know").into();
                }
                told(text)
            }
            Self::Boolean(it) => it.to_string(),
            Self::Integer(it) => it.to_string(),
            Self::Number(it) => it.to_string(),
        };
        format!("{is} is not {what}").into()
    }
}

/// What a whole payload says for a scalar that may stand in quotes.
fn unquoted(text: &str) -> &str {
    let text = bare(text);
    let inner = text.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
    inner.map_or(text, bare)
}

/// A number that is whole and has 64 bits at most.
#[allow(clippy::cast_possible_truncation)]
pub(crate) fn whole(number: f64) -> Option<i64> {
    // 2^63 is no i64 any more.
    let fits = (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&number);
    (fits && number.fract() == 0.0).then_some(number as i64)
}

/// The beginning of a text, for a reason.
pub(crate) fn told(text: &str) -> String {
    let mut told: String = text
        .chars()
        .take(TOLD)
        .flat_map(char::escape_debug)
        .collect();
    if text.chars().nth(TOLD).is_some() {
        told.push('…');
    }
    format!("\"{told}\"")
}
