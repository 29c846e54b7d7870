//! Why a guardrail does not let something pass, in words.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Measure, measure::Decimal};
use crate::name::Name;

/// Why something is not done to a device. As JSON an object whose `breach` is its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "breach", rename_all = "kebab-case")]
pub enum Breach {
    /// Nobody has said what guards the device, or whether it has such a point.
    Unguarded {
        /// The device.
        device: Name,
        /// The property or command.
        point: Name,
    },
    /// It is aimed by another description of the device than the one that holds.
    Changed,
    /// It is not said what the call is aimed at.
    Aimless,
    /// Less than the least.
    Below {
        /// What was to be written.
        value: Measure,
        /// The bound.
        minimum: Measure,
    },
    /// More than the most.
    Above {
        /// What was to be written.
        value: Measure,
        /// The bound.
        maximum: Measure,
    },
    /// Too far from what it was.
    Change {
        /// What it was.
        from: Measure,
        /// What was to be written.
        value: Measure,
        /// The bound, in millionths.
        by: u64,
        /// In this time.
        within_ms: u64,
    },
    /// Too often.
    Rate {
        /// The bound.
        times: u32,
        /// In this time.
        within_ms: u64,
        /// When it can be again, in milliseconds.
        retry_after_ms: u64,
    },
    /// So often that what it was in this time is no longer remembered.
    Forgotten {
        /// The time.
        within_ms: u64,
    },
    /// Out of its hours.
    Hours,
    /// The condition holds.
    Forbidden,
    /// It is not known whether it holds, or whether a bound is kept.
    Unknown {
        /// What is not known.
        what: Unknown,
    },
}

/// What is not known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unknown {
    /// What was to be written.
    Wanted,
    /// What the property is now.
    Current,
    /// What a point of a device is.
    Sensed {
        /// The device.
        device: Name,
        /// The point.
        point: Name,
    },
}

/// A rule that does not let something pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Breached {
    /// None where no rule was found.
    pub(crate) rule: Option<Name>,
    pub(crate) why: Breach,
    pub(crate) reason: Option<Name>,
}

impl Breach {
    /// Where no rule was found.
    pub(crate) fn of_no_rule(self) -> Breached {
        Breached {
            rule: None,
            why: self,
            reason: None,
        }
    }
}

/// A time in words.
struct Span(u64);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 % 1_000 {
            0 => write!(f, "{} s", self.0 / 1_000),
            _ => write!(f, "{} ms", self.0),
        }
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unguarded { device, point } => write!(
                f,
                "nothing is known of what guards {point} of device {device}, so nothing is done to it"
            ),
            Self::Changed => f.write_str(
                "the device, or what guards it, changed while the call waited: make it again",
            ),
            Self::Aimless => f.write_str("it is not said what device the call is aimed at"),
            Self::Below { value, minimum } => {
                write!(
                    f,
                    "{value} is less than {minimum}, the least that is written"
                )
            }
            Self::Above { value, maximum } => {
                write!(
                    f,
                    "{value} is more than {maximum}, the most that is written"
                )
            }
            Self::Change {
                from,
                value,
                by,
                within_ms,
            } => write!(
                f,
                "it was {from}, and {value} is further than {} from what it was in {}",
                Decimal(*by),
                Span(*within_ms)
            ),
            Self::Rate {
                times,
                within_ms,
                retry_after_ms,
            } => write!(
                f,
                "{times} in {} are the most, and it can be again in {}",
                Span(*within_ms),
                Span(retry_after_ms.div_ceil(1_000) * 1_000)
            ),
            Self::Forgotten { within_ms } => write!(
                f,
                "it was written so often in {} that what it was is not remembered",
                Span(*within_ms)
            ),
            Self::Hours => f.write_str("it is not the time for it"),
            Self::Forbidden => f.write_str("what it forbids is so"),
            Self::Unknown { what } => write!(f, "{what} is not known, or is stale"),
        }
    }
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wanted => f.write_str("what is to be written"),
            Self::Current => f.write_str("what it is now"),
            Self::Sensed { device, point } => write!(f, "{point} of device {device}"),
        }
    }
}
