//! Safe states in simulated histories: when the node brings them about, and that it does so once; told without the kernel's code.

use std::collections::BTreeMap;

use super::{
    guards::Town,
    model::{Check, ensure},
    world::World,
};
use crate::{Barrier, Event, Fact, Measure, Millis, Name, Parts, SafePart, Watchdog};

/// What is written for it, and the level that is its first part.
pub(super) const SAFE_LEVEL: i64 = 3;

/// As a fence says it: after so long, and which of its parts may be done twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dog {
    pub(super) after_ms: u64,
    pub(super) twice: [bool; 2],
}

impl Dog {
    pub(super) fn compiled(self) -> Watchdog {
        let part = |point: &str, value: Option<i64>, repeatable| SafePart {
            point: point.into(),
            value: value.map(Measure),
            repeatable,
        };
        Watchdog {
            after_ms: self.after_ms,
            safe: vec![
                part("level", Some(SAFE_LEVEL), self.twice[0]),
                part("ring", None, self.twice[1]),
            ],
            what: "".into(),
        }
    }
}

/// Which part of the safe state a call is.
pub(super) fn part_of(point: &str, value: Option<i64>) -> Option<u8> {
    match (point, value) {
        ("level", Some(SAFE_LEVEL)) => Some(0),
        ("ring", _) => Some(1),
        _ => None,
    }
}

fn each(parts: Parts) -> impl Iterator<Item = u8> {
    (0..8).filter(move |at| parts.has(*at))
}

/// What was done to one device.
#[derive(Clone, Debug, Default)]
struct Seen {
    called: Millis,
    moved: Millis,
    /// Parts that must not be done again, until somebody leads out of the safe state.
    spent: Vec<u8>,
    doing: Option<(Millis, Parts, Parts)>,
}

/// All devices.
#[derive(Clone, Debug, Default)]
pub(super) struct Dogs(BTreeMap<Name, Seen>);

impl Dogs {
    /// A call to a device begins.
    pub(super) fn called(&mut self, device: &Name, part: Option<u8>, at: Millis) {
        let seen = self.0.entry(device.clone()).or_default();
        seen.called = at;
        if part.is_none() {
            (seen.moved, seen.spent) = (at, Vec::new());
        }
    }

    /// `dog`: what watches the device as the fact is new; an old one was judged then.
    pub(super) fn fact(
        &mut self,
        fact: &Fact,
        dog: impl Fn(&Name) -> Option<Option<Dog>>,
    ) -> Check {
        match fact {
            Fact::WatchdogFed {
                device,
                leaves: Some(_),
                call: None,
                at,
                ..
            } => {
                let seen = self.0.entry(device.clone()).or_default();
                (seen.moved, seen.spent) = (*at, Vec::new());
            }
            Fact::SafePartDone { device, parts, .. } => {
                let seen = self.0.entry(device.clone()).or_default();
                seen.spent.extend(each(*parts));
            }
            Fact::SafeStateBegun {
                device,
                parts,
                repeatable,
                at,
            } => {
                let seen = self.0.entry(device.clone()).or_default();
                ensure!(seen.doing.is_none(), "{device} is made safe twice at once");
                let again = each(*parts).find(|it| seen.spent.contains(it));
                ensure!(again.is_none(), "part {again:?} of {device} is done again");
                if let Some(dog) = dog(device) {
                    let dog = dog.ok_or(format!("{device} is made safe, which nothing watches"))?;
                    ensure!(
                        at.since(seen.called) >= dog.after_ms,
                        "{device} is made safe before its time"
                    );
                }
                seen.doing = Some((*at, *parts, *repeatable));
            }
            Fact::SafeStateEnded {
                device,
                done,
                unknown,
                ..
            } => {
                let seen = self.0.entry(device.clone()).or_default();
                let (since, parts, repeatable) =
                    seen.doing.take().ok_or("what was not begun ends")?;
                ensure!(
                    each(*done).chain(each(*unknown)).all(|it| parts.has(it)),
                    "{device} ends more than it began"
                );
                if seen.moved <= since {
                    let once = each(*unknown).filter(|it| !repeatable.has(*it));
                    seen.spent.extend(each(*done).chain(once));
                }
            }
            Fact::WatchdogStopped { device, .. } => {
                self.0.remove(device);
            }
            _ => {}
        }
        Ok(())
    }

    /// The shell is to do it.
    pub(super) fn effect(&self, device: &Name, parts: Parts, barrier: Barrier) -> Check {
        let begun = self.0.get(device).and_then(|it| it.doing);
        ensure!(
            begun.is_some_and(|(_, begun, _)| begun == parts),
            "{device} is made safe without a fact"
        );
        ensure!(
            barrier == Barrier::Durable,
            "what makes {device} safe does not wait for its intent"
        );
        Ok(())
    }
}

impl Town {
    pub(super) fn dog_fact(&mut self, fact: &Fact) -> Check {
        let (reading, fences) = (self.reading, &self.fences);
        let dog = |device: &Name| {
            let fence = fences.get(device);
            (!reading).then(|| fence.and_then(|it| it.dog))
        };
        self.dogs.fact(fact, dog)
    }
}

impl World {
    /// At rest nothing is left to do for those of which it is known how.
    pub(super) fn every_device_is_safe(&self) -> Check {
        for (device, fence) in &self.model.town.fences {
            let armed = self.kernel.state().watchdogs.get(device).is_some();
            ensure!(!armed, "{device} is never made safe: {:?}", fence.dog);
        }
        Ok(())
    }

    /// The shell ends what it does, in one of all ways.
    pub(super) fn a_safe_state_ends(&mut self, well: bool) -> Check {
        let Some((device, parts)) = self.safe.pop_first() else {
            return Ok(());
        };
        let (mut done, mut unknown) = (Parts::default(), Parts::default());
        for part in each(parts) {
            match self.random.below(3) {
                _ if well => done = done.with(part),
                0 => done = done.with(part),
                1 => unknown = unknown.with(part),
                _ => {}
            }
        }
        self.feed(Event::SafeStateEnded {
            device,
            done,
            unknown,
        })
    }
}
