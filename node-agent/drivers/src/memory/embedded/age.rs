//! How old items are: by the time that a pool saw pass, not by what two readings of a wall clock make of it.
//!
//! While the machine runs, asleep or awake, a clock that nobody sets says how much passed. Across a restart of the
//! machine only the wall clock tells, and it may be wrong at either end: a machine that lost its time begins in the
//! past, and one reading may be years ahead. So that counts for a day at most, and never backwards. An item is
//! kept rather too long than not at all.

use aion_abi::date::UnixMillis;
use rusqlite::{Connection, Transaction, params};
use uuid::Uuid;

use super::{super::Reading, fault::Fault};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// The clocks when a pool was looked at last, and the time that it had seen pass by then.
struct Seen {
    passed: i64,
    then: Reading,
}

impl Seen {
    fn read(database: &Connection) -> Result<Self, Fault> {
        let mut row = database.prepare_cached("SELECT passed, date, boot, up FROM age")?;
        Ok(row.query_row([], |row| {
            let number = |at| row.get::<_, i64>(at).map(i64::unsigned_abs);
            Ok(Self {
                passed: row.get(0)?,
                then: Reading {
                    date: UnixMillis(number(1)?),
                    boot: Uuid::from_bytes(row.get(2)?),
                    up_ms: number(3)?,
                },
            })
        })?)
    }

    /// The time that the pool has seen pass by now.
    fn passed(&self, now: &Reading) -> i64 {
        let since = match now.boot == self.then.boot && !now.boot.is_nil() {
            true => stored(now.up_ms.saturating_sub(self.then.up_ms)),
            false => stored(now.date.since(self.then.date)).min(DAY_MS),
        };
        self.passed.saturating_add(since)
    }
}

/// The time that the pool has seen pass by now, noted.
pub(super) fn note(step: &Transaction<'_>, now: &Reading) -> Result<i64, Fault> {
    let passed = Seen::read(step)?.passed(now);
    step.prepare_cached("UPDATE age SET passed = ?1, date = ?2, boot = ?3, up = ?4")?
        .execute(params![
            passed,
            stored(now.date.0),
            now.boot.as_bytes(),
            stored(now.up_ms)
        ])?;
    Ok(passed)
}

/// What was stored before this much had passed is older than the pool keeps it.
pub(super) fn cutoff(retention_days: Option<u32>, passed: i64) -> Option<i64> {
    let days = i64::from(retention_days?);
    Some(passed.saturating_sub(days.saturating_mul(DAY_MS)))
}

/// The same for somebody who only reads.
pub(super) fn cutoff_now(
    reader: &Connection,
    retention_days: Option<u32>,
    now: &Reading,
) -> Result<Option<i64>, Fault> {
    if retention_days.is_none() {
        return Ok(None);
    }
    Ok(cutoff(retention_days, Seen::read(reader)?.passed(now)))
}

/// A number as SQLite takes it.
pub(super) fn stored(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const YEAR_MS: u64 = 365 * DAY_MS as u64;
    const THEN: Reading = Reading {
        date: UnixMillis(56 * YEAR_MS),
        boot: Uuid::from_u128(1),
        up_ms: 1_000,
    };

    fn passed(date: u64, boot: u128, up_ms: u64) -> i64 {
        let now = Reading {
            date: UnixMillis(date),
            boot: Uuid::from_u128(boot),
            up_ms,
        };
        Seen {
            passed: 7,
            then: THEN,
        }
        .passed(&now)
            - 7
    }

    #[test]
    fn while_the_machine_runs_the_wall_clock_ages_nothing() {
        for date in [0, THEN.date.0, 99 * YEAR_MS] {
            assert_eq!(passed(date, 1, 61_000), 60_000);
        }
        assert_eq!(passed(0, 1, 90 * YEAR_MS), 90 * YEAR_MS as i64 - 1_000);
    }

    #[test]
    fn a_restart_of_the_machine_ages_by_a_day_at_most() {
        assert_eq!(passed(THEN.date.0 + 5_000, 2, 0), 5_000);
        assert_eq!(passed(99 * YEAR_MS, 2, 0), DAY_MS);
        assert_eq!(passed(0, 2, 0), 0, "it lost its time");
    }

    #[test]
    fn where_no_run_is_known_each_look_ages_by_a_day_at_most() {
        let unknown = Seen {
            passed: 0,
            then: Reading {
                boot: Uuid::nil(),
                ..THEN
            },
        };
        let now = Reading {
            date: UnixMillis(99 * YEAR_MS),
            boot: Uuid::nil(),
            up_ms: 99 * YEAR_MS,
        };
        assert_eq!(unknown.passed(&now), DAY_MS);
    }
}
