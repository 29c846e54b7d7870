//! May it, by the rules of a device?

use std::collections::VecDeque;

use super::{
    Aimed, Breach, Breached, Check, Condition, Guards, Measure, Move, Moves, Term, Unknown,
    moves::MAX_MOVES, rules::OfPoint,
};
use crate::{ids::Millis, name::Name};

/// A write or command, and what is known at the moment that it is judged.
pub(crate) struct Case<'a, K> {
    pub(crate) aimed: &'a Aimed,
    pub(crate) now: Millis,
    /// What was done before.
    pub(crate) moves: &'a Moves,
    /// What a point of a device is; none where that is not known.
    pub(crate) sensed: K,
}

impl<K: Fn(&Name, &Name) -> Option<Measure>> Case<'_, K> {
    /// The rule by which a person must agree, if all others let it pass.
    pub(crate) fn judge(&self, guards: &Guards) -> Result<Option<Name>, Breached> {
        let aim = &self.aimed.aim;
        let Some(point) = guards.point(&aim.point) else {
            return Err(Breached {
                rule: None,
                why: Breach::Unguarded {
                    device: aim.device.clone(),
                    point: aim.point.clone(),
                },
                reason: None,
            });
        };
        let mut asks = None;
        for rule in guards.of(point) {
            for check in &rule.checks {
                if matches!(check, Check::Approval) {
                    asks.get_or_insert(&rule.name);
                } else if let Err(why) = self.check(check, point) {
                    return Err(Breached {
                        rule: Some(rule.name.clone()),
                        why,
                        reason: rule.reason.clone(),
                    });
                }
            }
        }
        Ok(asks.cloned())
    }

    fn check(&self, check: &Check, point: &OfPoint) -> Result<(), Breach> {
        match check {
            Check::Minimum(minimum) => match self.wanted()? {
                value if value < *minimum => Err(Breach::Below {
                    value,
                    minimum: *minimum,
                }),
                _ => Ok(()),
            },
            Check::Maximum(maximum) => match self.wanted()? {
                value if value > *maximum => Err(Breach::Above {
                    value,
                    maximum: *maximum,
                }),
                _ => Ok(()),
            },
            Check::Change { by, within_ms } => self.change(*by, *within_ms, point.heard),
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
        let aim = &self.aimed.aim;
        (self.sensed)(&aim.device, &aim.point)
    }

    /// What was done at the point before, oldest first.
    fn moves(&self) -> &VecDeque<Move> {
        let aim = &self.aimed.aim;
        self.moves.of(&aim.device, &aim.point)
    }

    fn change(&self, by: u64, within_ms: u64, heard: bool) -> Result<(), Breach> {
        let value = self.wanted()?;
        let moves = self.moves();
        let recent = |it: &&Move| self.now.since(it.at) < within_ms;
        let full = moves.len() >= MAX_MOVES && moves.front().as_ref().is_some_and(recent);
        if full {
            return Err(Breach::Forgotten { within_ms });
        }
        let was_before = match heard {
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

    fn forbid(&self, condition: &Condition) -> Result<(), Breach> {
        let known = |term: &Term| match term {
            Term::Wanted => self.aimed.aim.value,
            Term::Current => self.current(),
            Term::Sensed { device, point } => (self.sensed)(device, point),
            Term::Constant(value) => Some(*value),
        };
        match condition.holds(&known) {
            Some(false) => Ok(()),
            Some(true) => Err(Breach::Forbidden),
            None => {
                let what = match condition.unknown(&known) {
                    Some(Term::Sensed { device, point }) => Unknown::Sensed {
                        device: device.clone(),
                        point: point.clone(),
                    },
                    Some(Term::Current) => Unknown::Current,
                    Some(Term::Wanted | Term::Constant(_)) | None => Unknown::Wanted,
                };
                Err(Breach::Unknown { what })
            }
        }
    }
}
