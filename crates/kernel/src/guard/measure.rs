//! A value as rules compare it, and what a call is aimed at.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{ids::Millis, name::Name};

/// Minutes of a week.
pub const WEEK_MINUTES: u16 = 7 * 24 * 60;
/// Milliseconds of a week.
pub const WEEK_MS: u32 = WEEK_MINUTES as u32 * 60_000;

/// What a point of a device is, or is to be: a number in millionths, a boolean as 0 or 1, a choice as its place in the
/// list of its choices.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Measure(pub i64);

impl fmt::Display for Measure {
    /// As a decimal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        write!(f, "{sign}{}", Decimal(self.0.unsigned_abs()))
    }
}

/// Millionths as a decimal without trailing zeros.
pub(super) struct Decimal(pub(super) u64);

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / 1_000_000, self.0 % 1_000_000);
        if rest == 0 {
            return write!(f, "{whole}");
        }
        let digits = format!("{rest:06}");
        write!(f, "{whole}.{}", digits.trim_end_matches('0'))
    }
}

/// Which description of a device something was said by. A device that is described in another way has another one, one
/// that is gone and comes back, too: the place of a choice may mean something else by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Generation(pub u64);

/// What a call would write or command. The shell's word, as the time is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aim {
    /// The device, as `<tenant>/<name>`.
    pub device: Name,
    /// By which description of it the rest is said.
    pub generation: Generation,
    /// Its property or command.
    pub point: Name,
    /// What the property is to be; none of a command, and of what is not a number, boolean or choice.
    pub value: Option<Measure>,
    /// Which part of the device's safe state it is, if it is one.
    pub safe: Option<u8>,
    /// Milliseconds since Monday 00:00 in the device's time zone, less than [`WEEK_MS`].
    pub week_ms: u32,
}

/// An aim, and when it was said: the week goes on while the call waits.
#[derive(Clone, Debug)]
pub(crate) struct Aimed {
    pub(crate) aim: Aim,
    pub(crate) at: Millis,
}

impl Aimed {
    pub(crate) fn new(aim: Aim, at: Millis) -> Self {
        Self { aim, at }
    }

    /// The minute of the week at `now`.
    pub(super) fn minute(&self, now: Millis) -> u16 {
        let minute = u64::from(self.week_ms(now)) / 60_000;
        u16::try_from(minute).unwrap_or(WEEK_MINUTES)
    }

    fn week_ms(&self, now: Millis) -> u32 {
        let week = u64::from(WEEK_MS);
        let ms = (u64::from(self.aim.week_ms) + now.since(self.at) % week) % week;
        u32::try_from(ms).unwrap_or(WEEK_MS)
    }

    /// The aim as it would be said at `now`.
    pub(crate) fn said_at(&self, now: Millis) -> Aim {
        let week_ms = self.week_ms(now);
        Aim {
            week_ms,
            ..self.aim.clone()
        }
    }
}
