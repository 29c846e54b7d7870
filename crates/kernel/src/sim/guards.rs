//! Devices in simulated histories: what is done to them, and that what guards them lets it pass; told without the kernel's code.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    failsafe::{Dog, Dogs},
    fences::{CONTACT, Fence, Interlock, POINTS},
    model::{Check, ensure},
};
use crate::{
    BodyDigest, Breach, CallId, Fact, Generation, Kind, MAX_SPAN_MS, Millis, Name, WEEK_MS,
};

pub(super) const DEVICES: [&str; 3] = ["red/lamp", "red/door", "red/nowhere"];
/// More than any guardrail here lets be written.
const TOO_MUCH: u8 = 99;

/// What is aimed at, by what a request of the simulation holds.
pub(super) fn read(digest: BodyDigest) -> (&'static str, &'static str, Option<i64>) {
    let [device, point, value, ..] = digest.0;
    let at = |all: [&'static str; 3], n: u8| all[usize::from(n) % all.len()];
    let point = at(POINTS, point);
    let value = (point != "ring").then(|| i64::from(value));
    (at(DEVICES, device), point, value)
}

/// By which description it is aimed.
pub(super) fn generation_of(digest: BodyDigest) -> u8 {
    digest.0[3]
}

/// What a word for a call has to be about.
pub(super) fn point_of(kind: Kind, digest: BodyDigest) -> Option<Name> {
    let (_, point, _) = read(digest);
    kind.moves_a_device().then(|| point.into())
}

pub(super) fn write_move(digest: &mut BodyDigest, (point, value): (&str, Option<i64>)) {
    let at = POINTS.iter().position(|it| *it == point);
    digest.0[1] = at.unwrap_or_default() as u8;
    digest.0[2] = value.unwrap_or_default() as u8;
}

pub(super) fn write_too_much(digest: &mut BodyDigest) {
    digest.0[1] = 0;
    digest.0[2] = TOO_MUCH;
}

/// When something was done, what was written, and by which call; none: by the node itself.
type Drive = (Millis, Option<i64>, Option<CallId>);
/// When the kernel was to remember something, and by which call; none: by the node itself.
type Counted = (Millis, Option<CallId>);

/// All devices, as they are.
#[derive(Default)]
pub(super) struct Town {
    /// What is to guard them.
    pub(super) wanted: BTreeMap<Name, Fence>,
    /// What the kernel was told since its start.
    pub(super) fences: BTreeMap<Name, Fence>,
    /// By which description each is guarded, and how many there were.
    pub(super) generations: BTreeMap<Name, u8>,
    described: u8,
    pub(super) heard: BTreeMap<(Name, Name), (i64, Option<Millis>)>,
    /// Since when the same guards a device: what was done before counts for nothing here.
    since: BTreeMap<Name, Millis>,
    /// All that was done.
    drives: BTreeMap<(Name, Name), Vec<Drive>>,
    /// What the kernel may count of it, when and by which call.
    counted: BTreeMap<(Name, Name), Vec<Counted>>,
    /// When the node began to make devices safe, and into which safe state.
    pub(super) tries: BTreeMap<Name, (Millis, Dog)>,
    /// Calls that a guardrail had somebody asked about.
    asked: BTreeSet<CallId>,
    /// Old facts are read again, which were judged as they were new.
    pub(super) reading: bool,
    pub(super) dogs: Dogs,
}

impl Town {
    pub(super) fn after_a_crash(self) -> Self {
        Self {
            fences: BTreeMap::new(),
            heard: BTreeMap::new(),
            drives: BTreeMap::new(),
            counted: BTreeMap::new(),
            tries: BTreeMap::new(),
            dogs: self.dogs.after_a_crash(),
            reading: true,
            ..self
        }
    }

    /// A device is another from now on, or is not there.
    pub(super) fn describe(&mut self, device: &Name, fence: Option<Fence>, at: Millis) {
        if self.wanted.get(device) != fence.as_ref() {
            self.since.insert(device.clone(), at);
            self.described = self.described.wrapping_add(1);
            self.generations.insert(device.clone(), self.described);
        }
        match fence {
            Some(fence) => self.wanted.insert(device.clone(), fence),
            None => self.wanted.remove(device),
        };
    }

    pub(super) fn goes_on(&mut self) {
        self.reading = false;
    }

    /// A driver is started; whether a guardrail has somebody asked first.
    pub(super) fn is_driven(
        &mut self,
        call: CallId,
        digest: BodyDigest,
        at: Millis,
    ) -> Result<bool, String> {
        let (device, point, value) = read(digest);
        let (device, point) = (Name::from(device), Name::from(point));
        if !self.reading {
            let generation = self.generations.get(&device).copied();
            ensure!(
                generation.unwrap_or_default() == generation_of(digest),
                "call {call} drives {device} as it was before"
            );
            self.judge(call, (&device, &point), value, at)?;
            let asks = self.fences.get(&device).is_some_and(|it| it.approval);
            match asks {
                true => self.asked.insert(call),
                false => self.asked.remove(&call),
            };
            let tried = self.tries.get(&device).map(|it| it.1);
            self.dogs.begins_beside(call, digest, tried);
        }
        self.dogs.called(call, &device, digest, at);
        let drives = self.drives.entry((device, point)).or_default();
        drives.push((at, value, Some(call)));
        Ok(self.asked.contains(&call))
    }

    pub(super) fn generation(&self, device: &Name) -> Generation {
        let generation = self.generations.get(device).copied();
        Generation(generation.unwrap_or_default().into())
    }

    /// What the kernel remembers of what was done, and that the node itself does something.
    pub(super) fn move_fact(&mut self, fact: &Fact) {
        match fact.clone() {
            Fact::DeviceMoved {
                device,
                point,
                value,
                call,
                at,
                ..
            } => {
                if call.is_none() {
                    let drives = self.drives.entry((device.clone(), point.clone()));
                    let value = value.map(|it| it.0);
                    drives.or_default().push((at, value, None));
                }
                let counted = self.counted.entry((device, point)).or_default();
                counted.push((at, call));
            }
            // What is new was said already.
            Fact::MoveWithdrawn {
                device,
                point,
                moved,
                ..
            } if self.reading => self.withdraw((device, point), moved),
            Fact::SafeStateBegun { device, at, .. } if !self.reading => {
                let dog = self.wanted.get(&device).and_then(|it| it.dog);
                self.tries.extend(dog.map(|dog| (device, (at, dog))));
            }
            _ => {}
        }
    }

    /// Nothing was sent of a part: it counts for nothing.
    pub(super) fn is_not_sent(&mut self, device: &Name, part: u8) {
        if let Some((at, dog)) = self.tries.get(device) {
            let (point, _) = dog.moves(part);
            self.withdraw((device.clone(), point.into()), *at);
        }
    }

    fn withdraw(&mut self, of: (Name, Name), at: Millis) {
        if let Some(counted) = self.counted.get_mut(&of) {
            counted.retain(|it| *it != (at, None));
        }
        if let Some(drives) = self.drives.get_mut(&of) {
            drives.retain(|it| (it.0, it.2) != (at, None));
        }
    }

    /// A call was refused for a rate: what it counts was done.
    pub(super) fn rate_is_full(&self, digest: BodyDigest, why: &Breach, at: Millis) -> Check {
        let Breach::Rate {
            times, within_ms, ..
        } = why
        else {
            return Ok(());
        };
        let (device, point, _) = read(digest);
        let counted = self.counted.get(&(device.into(), point.into()));
        let counted = counted.into_iter().flatten();
        let count = counted.filter(|it| at.since(it.0) < *within_ms).count();
        ensure!(
            count >= *times as usize,
            "{point} of {device} is refused after {count} of {times}"
        );
        Ok(())
    }

    /// Its driver did not write what it was to.
    pub(super) fn is_undone(&mut self, call: CallId) -> Check {
        let mut drives = self.drives.values_mut().flatten();
        let drive = drives.find(|it| it.2 == Some(call) && it.1.is_some());
        drive.ok_or("what was not written is undone")?.1 = None;
        Ok(())
    }

    pub(super) fn has_ended(&self, call: CallId, done: bool) -> Check {
        let mut drives = self.drives.iter().filter(|(of, _)| of.1.as_str() != "ring");
        let undone = |it: &Drive| it.2 == Some(call) && it.1.is_none();
        let undone = drives.any(|(_, of)| of.iter().any(undone));
        ensure!(!(done && undone), "call {call} was done and is undone");
        Ok(())
    }

    fn is(&self, device: &str, point: &str, at: Millis) -> Option<i64> {
        let heard = self.heard.get(&(device.into(), point.into()));
        let (value, until) = heard?;
        until.is_none_or(|until| at < until).then_some(*value)
    }

    fn judge(
        &self,
        call: CallId,
        (device, point): (&Name, &Name),
        value: Option<i64>,
        at: Millis,
    ) -> Check {
        let fence = self.fences.get(device);
        let fence = fence.ok_or(format!("call {call} drives {device}, which nothing guards"))?;
        let since = self.since.get(device).copied().unwrap_or_default();
        let drives = self.drives.get(&(device.clone(), point.clone()));
        let drives = drives.into_iter().flatten();
        let drives: Vec<_> = drives.filter(|(at, _, _)| *at > since).collect();
        let within = |ms: u64| drives.iter().filter(move |it| at.0 - it.0.0 < ms);
        if let Some((times, ms)) = fence.rate {
            ensure!(
                within(ms).count() < times as usize,
                "call {call} drives {device} too often"
            );
        }
        if let Some((from, to)) = fence.hours {
            let minute = (at.0 % u64::from(WEEK_MS) / 60_000) as u16;
            let inside = match from < to {
                true => from <= minute && minute < to,
                false => from <= minute || minute < to,
            };
            ensure!(inside, "call {call} drives {device} out of its hours");
        }
        let Some(value) = value else {
            return Ok(());
        };
        ensure!(
            value <= fence.maximum && fence.minimum.is_none_or(|it| value >= it),
            "call {call} writes {value} to {device}"
        );
        let current = self.is(device.as_str(), point.as_str(), at);
        if let Some((by, ms)) = fence.change {
            let heard = point.as_str() == "level";
            ensure!(
                current.is_some() || !heard,
                "call {call} changes what is not known"
            );
            let mut before = drives.iter().rev();
            let before = before.find(|it| at.0 - it.0.0 >= ms && it.1.is_some());
            let before = before.filter(|it| at.0 - it.0.0 < MAX_SPAN_MS);
            let before = before.and_then(|it| it.1).filter(|_| !heard);
            let was = within(ms).filter_map(|it| it.1);
            for was in was.chain(current.filter(|_| heard)).chain(before) {
                ensure!(
                    was.abs_diff(value) <= by,
                    "call {call} takes {device} from {was} to {value}"
                );
            }
        }
        let open = self.is(CONTACT.0, CONTACT.1, at);
        let locked = match fence.interlock {
            Some(Interlock::MoreWhileOpen(most)) => value > most && open != Some(0),
            Some(Interlock::FromAndClosed(least)) => {
                current.is_none_or(|it| it < least) || open != Some(1)
            }
            None => false,
        };
        ensure!(!locked, "call {call} drives {device} against its interlock");
        Ok(())
    }
}
