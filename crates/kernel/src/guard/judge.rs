//! May it, by the rules of a device?

use std::collections::VecDeque;

use super::{
    Aimed, Breach, Breached, Check, Condition, Guards, Measure, Move, Moves, Unknown,
    moves::MAX_MOVES,
    row::{OfPoint, Sight},
    senses::Senses,
};
use crate::{ids::Millis, name::Name};

/// A write or command, and what is known at the moment that it is judged.
pub(super) struct Case<'a> {
    pub(super) aimed: &'a Aimed,
    pub(super) now: Millis,
    pub(super) point: &'a OfPoint,
    /// What was done before.
    pub(super) moves: &'a Moves,
    /// What points of devices are.
    pub(super) senses: &'a Senses,
}

impl Case<'_> {
    /// The rule by which a person must agree, if all others let it pass.
    pub(super) fn judge(&self, guards: &Guards) -> Result<Option<Name>, Breached> {
        let mut asks = None;
        for (number, check) in &self.point.checks {
            if matches!(check, Check::Approval) {
                asks.get_or_insert(*number);
            } else if let Err(why) = self.check(check) {
                let rule = guards.rule(*number);
                return Err(Breached {
                    rule: rule.map(|it| it.name.clone()),
                    why,
                    reason: rule.and_then(|it| it.reason.clone()),
                });
            }
        }
        Ok(asks
            .and_then(|it| guards.rule(it))
            .map(|it| it.name.clone()))
    }

    fn check(&self, check: &Check<Sight>) -> Result<(), Breach> {
        match check {
            Check::Minimum(_) | Check::Maximum(_) => check.range(self.wanted()?),
            Check::Change { by, within_ms } => self.change(*by, *within_ms),
            Check::Rate { times, within_ms } => self.rate(*times, *within_ms),
            Check::Hours(hours) => {
                let minute = self.aimed.minute(self.now);
                match hours.iter().any(|it| it.hold(minute)) {
                    true => Ok(()),
                    false => Err(Breach::Hours),
                }
            }
            Check::Forbid(condition) => self.forbid(condition),
            Check::Approval => Ok(()),
        }
    }

    fn wanted(&self) -> Result<Measure, Breach> {
        let unknown = Breach::Unknown {
            what: Unknown::Wanted,
        };
        self.aimed.aim.value.ok_or(unknown)
    }

    fn current(&self) -> Option<Measure> {
        self.senses.is(self.point.current?, self.now)
    }

    /// What was done at the point before, oldest first.
    fn moves(&self) -> &VecDeque<Move> {
        self.moves.by(self.point.moves)
    }

    fn change(&self, by: u64, within_ms: u64) -> Result<(), Breach> {
        let value = self.wanted()?;
        let moves = self.moves();
        let recent = |it: &&Move| self.now.since(it.at) < within_ms;
        let full = moves.len() >= MAX_MOVES && moves.front().as_ref().is_some_and(recent);
        if full {
            return Err(Breach::Forgotten { within_ms });
        }
        let was_before = match self.point.heard {
            true => {
                let unknown = Breach::Unknown {
                    what: Unknown::Current,
                };
                Some(self.current().ok_or(unknown)?)
            }
            // As the time began it was what was written last before.
            false => {
                let mut before = moves.iter().rev().filter(|it| !recent(it));
                before.find_map(|it| it.value)
            }
        };
        let lately = moves.iter().filter(recent);
        let mut was = lately.filter_map(|it| it.value).chain(was_before);
        match was.find(|it| it.0.abs_diff(value.0) > by) {
            Some(from) => Err(Breach::Change {
                from,
                value,
                by,
                within_ms,
            }),
            None => Ok(()),
        }
    }

    fn rate(&self, times: u32, within_ms: u64) -> Result<(), Breach> {
        let newest = self.moves().iter().rev();
        let mut recent = newest.take_while(|it| self.now.since(it.at) < within_ms);
        let last = (times as usize).checked_sub(1);
        match last.and_then(|it| recent.nth(it)) {
            Some(it) => Err(Breach::Rate {
                times,
                within_ms,
                retry_after_ms: within_ms.saturating_sub(self.now.since(it.at)),
            }),
            None => Ok(()),
        }
    }

    fn forbid(&self, condition: &Condition<Sight>) -> Result<(), Breach> {
        let known = |sight: &Sight| match sight {
            Sight::Wanted => self.aimed.aim.value,
            Sight::Current(place) | Sight::Sensed(place) => self.senses.is(*place, self.now),
            Sight::Constant(value) => Some(*value),
        };
        match condition.holds(&known) {
            Some(false) => Ok(()),
            Some(true) => Err(Breach::Forbidden),
            None => {
                let sensed = |(device, point): (&Name, &Name)| Unknown::Sensed {
                    device: device.clone(),
                    point: point.clone(),
                };
                let what = match condition.unknown(&known) {
                    Some(Sight::Sensed(place)) => self.senses.named(*place).map(sensed),
                    Some(Sight::Current(_)) => Some(Unknown::Current),
                    Some(Sight::Wanted | Sight::Constant(_)) | None => None,
                };
                let what = what.unwrap_or(Unknown::Wanted);
                Err(Breach::Unknown { what })
            }
        }
    }
}
