//! Safe states in simulated histories: when the node brings them about, and that it does so once; told without the kernel's code.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    guards::Town,
    model::{Check, ensure},
    random::Random,
    world::World,
};
use crate::{
    Barrier, BodyDigest, CallId, Event, Fact, Generation, Measure, Millis, Name, Outcome, Parts,
    SafePart, State, Watchdog,
};

/// Both parts of every safe state: a level that is written, and a ring.
const ALL: [u8; 2] = [0, 1];
/// The levels that may be written for one.
const LEVELS: [i64; 2] = [3, 4];

/// As a fence says it: after so long, which level, and which of its parts may be done twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dog {
    after_ms: u64,
    level: i64,
    twice: [bool; 2],
}

impl Dog {
    pub(super) fn random(random: &mut Random, after_ms: u64) -> Self {
        Self {
            after_ms,
            level: random.pick(&LEVELS).unwrap_or(LEVELS[0]),
            twice: [random.chance(50), random.chance(50)],
        }
    }

    /// With another safe state.
    pub(super) fn of_another(self) -> Self {
        let level = LEVELS.into_iter().find(|it| *it != self.level);
        Self {
            level: level.unwrap_or(self.level),
            ..self
        }
    }

    pub(super) fn compiled(self) -> Watchdog {
        let part = |point: &str, value: Option<i64>, repeatable| SafePart {
            point: point.into(),
            value: value.map(Measure),
            repeatable,
        };
        Watchdog {
            after_ms: self.after_ms,
            safe: vec![
                part("level", Some(self.level), self.twice[0]),
                part("ring", None, self.twice[1]),
            ],
            what: self.what().to_string().into(),
        }
    }

    /// A number of its own for each safe state; 0 is of none.
    fn what(self) -> u8 {
        let [level, ring] = self.twice.map(u8::from);
        1 + u8::from(self.level == LEVELS[1]) + 2 * level + 4 * ring
    }

    /// What the node does for a part.
    pub(super) fn moves(self, part: u8) -> (&'static str, Option<i64>) {
        match part {
            0 => ("level", Some(self.level)),
            _ => ("ring", None),
        }
    }

    /// Which part a call is.
    pub(super) fn part_of(self, point: &str, value: Option<i64>) -> Option<u8> {
        ALL.into_iter().find(|it| self.moves(*it) == (point, value))
    }
}

/// What a request says of the safe state: which one it is, and which part of it the request is.
pub(super) fn write_part(digest: &mut BodyDigest, dog: Option<Dog>, part: Option<u8>) {
    digest.0[4] = dog.map_or(0, Dog::what);
    digest.0[5] = part.map_or(0, |it| it + 1);
}

fn read_part(digest: BodyDigest) -> (u8, Option<u8>) {
    (digest.0[4], digest.0[5].checked_sub(1))
}

pub(super) fn each(parts: Parts) -> impl Iterator<Item = u8> {
    (0..8).filter(move |at| parts.has(*at))
}

/// One device. Orders are places in the history, of which no two are equal.
#[derive(Clone, Debug, Default)]
struct Seen {
    called: Millis,
    /// It was led out of its safe state.
    armed: bool,
    /// When that was last, or when its safe state became another.
    led_out: u64,
    /// Which safe state it is to be brought into, and whether that is another one than the kernel noted.
    what: u8,
    changed: bool,
    /// Parts that must not be done again, until somebody leads out of the safe state.
    spent: Vec<u8>,
    doing: Option<(u64, Parts, Parts)>,
}

/// A call of a device that runs.
#[derive(Clone, Debug)]
struct Running {
    device: Name,
    /// Which part of which safe state.
    part: Option<u8>,
    what: u8,
    since: u64,
    /// Nothing that leads out of that safe state was under way as it began.
    alone: bool,
}

/// All devices.
#[derive(Clone, Debug, Default)]
pub(super) struct Dogs {
    all: BTreeMap<Name, Seen>,
    calls: BTreeMap<CallId, Running>,
    order: u64,
    /// Parts that began while the node brought about another safe state. Facts alone do not tell when it ended that.
    beside: BTreeSet<CallId>,
}

impl Seen {
    fn lead_out(&mut self, order: u64, what: u8) {
        (self.armed, self.led_out, self.what) = (true, order, what);
        self.spent.clear();
    }

    fn spend(&mut self, parts: impl Iterator<Item = u8>) {
        self.spent.extend(parts);
        self.rest();
    }

    fn rest(&mut self) {
        let all = ALL.iter().all(|it| self.spent.contains(it));
        self.armed &= !all || self.doing.is_some();
    }
}

impl Dogs {
    fn next(&mut self) -> u64 {
        self.order += 1;
        self.order
    }

    pub(super) fn after_a_crash(self) -> Self {
        Self {
            beside: self.beside,
            ..Self::default()
        }
    }

    /// A device that a call leads out of its safe state.
    pub(super) fn led_out(&self) -> Option<&Name> {
        let mut calls = self.calls.values();
        let led_out = calls.find(|it| it.part.is_none() && it.what != 0);
        led_out.map(|it| &it.device)
    }

    /// The node is bringing the device of a call that begins into this safe state, or nothing.
    pub(super) fn begins_beside(&mut self, call: CallId, digest: BodyDigest, tried: Option<Dog>) {
        match tried.is_some_and(|it| it.what() != read_part(digest).0) {
            true => self.beside.insert(call),
            false => self.beside.remove(&call),
        };
    }

    /// A call to a device begins.
    pub(super) fn called(&mut self, call: CallId, device: &Name, digest: BodyDigest, at: Millis) {
        let (what, part) = read_part(digest);
        let since = self.next();
        let leads_out = |it: &Running| it.part.is_none() || it.what != what;
        let mut running = self.calls.values().filter(|it| it.device == *device);
        let alone = !running.any(leads_out) && !self.beside.contains(&call);
        let seen = self.all.entry(device.clone()).or_default();
        seen.called = at;
        if what != 0 && part.is_none() {
            seen.lead_out(since, what);
        }
        let device = device.clone();
        let running = Running {
            device,
            part,
            what,
            since,
            alone,
        };
        self.calls.insert(call, running);
    }

    /// What it did counts where nothing that leads out of the safe state was under way with it.
    fn call_ended(&mut self, call: CallId, outcome: &Outcome) {
        let Some(it) = self.calls.remove(&call) else {
            return;
        };
        let done = matches!(outcome, Outcome::Ok { .. });
        if let Some(part) = it.part.filter(|_| done)
            && let Some(seen) = self.all.get_mut(&it.device)
            && seen.armed
            && it.since > seen.led_out
            && it.alone
        {
            seen.spend([part].into_iter());
        }
    }

    /// The kernel is to be told what watches a device: another safe state is to be brought about in full.
    pub(super) fn watched_by(&mut self, device: &Name, dog: Option<Dog>) {
        let order = self.next();
        let Some(seen) = self.all.get_mut(device) else {
            return;
        };
        match dog {
            None => (seen.armed, seen.doing) = (false, None),
            Some(dog) if seen.armed && seen.what != dog.what() => {
                seen.lead_out(order, dog.what());
                seen.changed = true;
            }
            Some(_) => {}
        }
    }

    /// `dog`: what watches the device as the fact is new; an old one was judged then.
    fn fact(&mut self, fact: &Fact, dog: impl Fn(&Name) -> Option<Option<Dog>>) -> Check {
        let order = self.next();
        match fact {
            Fact::CallEnded { call, outcome, .. } => self.call_ended(*call, outcome),
            Fact::WatchdogFed {
                device,
                leaves: Some(_),
                what,
                call: None,
                ..
            } => {
                let seen = self.all.entry(device.clone()).or_default();
                let changed = std::mem::take(&mut seen.changed) || dog(device).is_none();
                ensure!(changed, "{device} has the safe state that it had");
                let what = what.as_ref().and_then(|it| it.as_str().parse().ok());
                seen.lead_out(order, what.unwrap_or_default());
            }
            Fact::SafePartDone { device, parts, .. } => {
                let seen = self.all.entry(device.clone()).or_default();
                let done = each(*parts).all(|it| seen.spent.contains(&it));
                ensure!(done, "a part of {device} counts that came too late");
            }
            Fact::SafeStateBegun {
                device,
                parts,
                repeatable,
                at,
            } => self.begins(device, (*parts, *repeatable), *at, dog(device))?,
            Fact::SafeStateEnded {
                device,
                done,
                unknown,
                ..
            } => {
                let seen = self.all.entry(device.clone()).or_default();
                let (since, parts, repeatable) =
                    seen.doing.take().ok_or("what was not begun ends")?;
                ensure!(
                    each(*done).chain(each(*unknown)).all(|it| parts.has(it)),
                    "{device} ends more than it began"
                );
                if seen.led_out < since {
                    let once = each(*unknown).filter(|it| !repeatable.has(*it));
                    seen.spend(each(*done).chain(once));
                }
                seen.rest();
            }
            Fact::WatchdogStopped { device, .. } => {
                let wanted = dog(device).flatten();
                ensure!(wanted.is_none(), "{device} is watched no more: {wanted:?}");
                let seen = self.all.entry(device.clone()).or_default();
                (seen.armed, seen.doing) = (false, None);
            }
            _ => {}
        }
        Ok(())
    }

    fn begins(
        &mut self,
        device: &Name,
        (parts, repeatable): (Parts, Parts),
        at: Millis,
        dog: Option<Option<Dog>>,
    ) -> Check {
        let order = self.next();
        let told = self.calls.values().find(|it| it.device == *device);
        ensure!(
            told.is_none(),
            "{device} is made safe while a call tells it something"
        );
        let seen = self.all.entry(device.clone()).or_default();
        ensure!(seen.armed, "{device} is made safe, which nobody moved");
        ensure!(seen.doing.is_none(), "{device} is made safe twice at once");
        let left: Vec<u8> = ALL
            .into_iter()
            .filter(|it| !seen.spent.contains(it))
            .collect();
        let now: Vec<u8> = each(parts).collect();
        ensure!(
            now == left,
            "parts {now:?} of {device} are done, and {left:?} are to be"
        );
        if let Some(dog) = dog {
            let dog = dog.ok_or(format!("{device} is made safe, which nothing watches"))?;
            ensure!(
                at.since(seen.called) >= dog.after_ms,
                "{device} is made safe before its time"
            );
        }
        seen.doing = Some((order, parts, repeatable));
        Ok(())
    }

    /// The kernel watches those that are out of their safe state, and no others.
    pub(super) fn agree(&self, state: &State) -> Check {
        for (device, seen) in &self.all {
            let armed = state.watchdogs.get(device).is_some();
            ensure!(
                armed == seen.armed,
                "{device} is watched: {armed}, and is to be: {}",
                seen.armed
            );
        }
        Ok(())
    }
}

impl Town {
    pub(super) fn dog_fact(&mut self, fact: &Fact) -> Check {
        let (reading, wanted) = (self.reading, &self.wanted);
        let dog = |device: &Name| {
            let fence = wanted.get(device);
            (!reading).then(|| fence.and_then(|it| it.dog))
        };
        self.dogs.fact(fact, dog)
    }

    /// The shell is to do it.
    pub(super) fn is_made_safe(
        &self,
        device: &Name,
        generation: Generation,
        parts: Parts,
        barrier: Barrier,
    ) -> Check {
        let begun = self.dogs.all.get(device).and_then(|it| it.doing);
        ensure!(
            begun.is_some_and(|(_, begun, _)| begun == parts),
            "{device} is made safe without a fact"
        );
        ensure!(
            self.generation(device) == generation,
            "{device} is made safe as it was before"
        );
        ensure!(
            barrier == Barrier::Durable,
            "what makes {device} safe does not wait for its intent"
        );
        Ok(())
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
                _ => self.model.town.is_not_sent(&device, part),
            }
        }
        self.model.town.tries.remove(&device);
        self.feed(Event::SafeStateEnded {
            device,
            done,
            unknown,
        })
    }
}
