//! When a schedule is due: five fields of cron in a time zone.
//!
//! Where a zone's clock jumps, it is as with Vixie's cron. A job at a fixed time of day that the clock jumps over runs right
//! after the jump, and one whose time comes twice runs the first time. A job with `*` in its minutes or hours goes by the clock on the
//! wall: what is jumped over is left out, and what comes twice runs twice.

use std::fmt;

use aion_abi::date::UnixMillis;
use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};
use jiff::Zoned;

use crate::zone::{NoZone, Zone};

const FIELDS: usize = 5;

/// Why a schedule cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// One of the fields.
    #[error("{cron:?} is not a schedule of five fields: {why}")]
    Fields {
        /// The schedule.
        cron: String,
        /// What is wrong.
        why: String,
    },
    /// It has no time.
    #[error("{0:?} is never due")]
    Never(String),
    /// The time zone.
    #[error(transparent)]
    Zone(#[from] NoZone),
}

/// See the module.
///
/// It takes kilobytes: what waits for a date keeps the date, and reads the fields again when that has come.
#[derive(Clone)]
pub struct Schedule {
    cron: Cron,
    zone: Zone,
}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.cron.as_str())
    }
}

impl Schedule {
    /// The schedule of five fields, in a zone of the IANA database; UTC where none is named.
    ///
    /// # Errors
    /// [`ScheduleError`].
    pub fn parse(cron: &str, zone: Option<&str>) -> Result<Self, ScheduleError> {
        let zone = Zone::named(zone)?;
        let parser = CronParser::builder()
            .seconds(Seconds::Disallowed)
            .year(Year::Disallowed)
            .build();
        let wrong = |why: &str| ScheduleError::Fields {
            cron: cron.to_owned(),
            why: why.trim_end_matches('.').to_owned(),
        };
        // A nickname, such as @daily, is not five fields.
        if cron.split_whitespace().count() != FIELDS {
            return Err(wrong(
                "write minute, hour, day of the month, month, day of the week",
            ));
        }
        let read = parser.parse(cron).map_err(|why| wrong(&why.to_string()))?;
        let schedule = Self { cron: read, zone };
        let never = || ScheduleError::Never(cron.to_owned());
        schedule.next(UnixMillis(0)).map(|_| ()).ok_or_else(never)?;
        Ok(schedule)
    }

    /// When it is due next after a date.
    #[must_use]
    pub fn next(&self, after: UnixMillis) -> Option<UnixMillis> {
        date(
            self.cron
                .find_next_occurrence(&self.zone.at(after)?, false)
                .ok()?,
        )
    }

    /// When it was due last, up to a date and with it.
    #[must_use]
    pub fn newest(&self, until: UnixMillis) -> Option<UnixMillis> {
        // The job of a fixed time that was jumped over is due after the jump, which is found by looking forwards alone.
        let before = self
            .cron
            .find_previous_occurrence(&self.zone.at(until)?, true)
            .ok()
            .and_then(date);
        let mut newest = before?;
        while let Some(next) = self.next(newest).filter(|next| *next <= until) {
            newest = next;
        }
        Some(newest)
    }
}

fn date(at: Zoned) -> Option<UnixMillis> {
    u64::try_from(at.timestamp().as_millisecond())
        .ok()
        .map(UnixMillis)
}

#[cfg(test)]
#[path = "schedule_tests.rs"]
mod tests;
