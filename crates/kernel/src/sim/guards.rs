//! Devices in simulated histories: what guards them, what they say, and what is done to them, told without the kernel's
//! code.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    failsafe::{Dog, Dogs, part_of},
    model::{Check, ensure},
    random::Random,
    world::World,
};
use crate::{
    Aim, BodyDigest, CallId, Check as Asks, Clause, Comparison, Condition, Event, Generation,
    Guarding, Guards, Hours, Kind, MAX_SPAN_MS, Measure, Millis, Name, Point, Rule, Term, WEEK_MS,
};

const DEVICES: [&str; 3] = ["red/lamp", "red/door", "red/nowhere"];
/// A number that is heard, one that is not, and a command.
const POINTS: [&str; 3] = ["level", "knob", "ring"];
const CONTACT: (&str, &str) = ("red/door", "contact");
/// More than any guardrail here lets be written.
const TOO_MUCH: u8 = 99;

/// What guards a device, as somebody would say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fence {
    minimum: Option<i64>,
    /// Of each device.
    maximum: i64,
    /// By so much in so many milliseconds.
    change: Option<(u64, u64)>,
    /// So often in so many milliseconds.
    rate: Option<(u32, u64)>,
    /// Minutes of the week.
    hours: Option<(u16, u16)>,
    interlock: Option<Interlock>,
    approval: bool,
    pub(super) dog: Option<Dog>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Interlock {
    /// Not more than this while the door is open.
    MoreWhileOpen(i64),
    /// Not while it is below this, and not unless the door is open.
    FromAndClosed(i64),
}

/// What is aimed at, by what a request of the simulation holds.
fn read(digest: BodyDigest) -> (&'static str, &'static str, Option<i64>) {
    let [device, point, value, ..] = digest.0;
    let at = |all: [&'static str; 3], n: u8| all[usize::from(n) % all.len()];
    let point = at(POINTS, point);
    let value = (point != "ring").then(|| i64::from(value));
    (at(DEVICES, device), point, value)
}

/// By which description it is aimed.
fn generation_of(digest: BodyDigest) -> u8 {
    digest.0[3]
}

/// What a word for a call has to be about.
pub(super) fn point_of(kind: Kind, digest: BodyDigest) -> Option<Name> {
    let (_, point, _) = read(digest);
    kind.moves_a_device().then(|| point.into())
}

pub(super) fn write_too_much(digest: &mut BodyDigest) {
    digest.0[1] = 0;
    digest.0[2] = TOO_MUCH;
}

impl Fence {
    fn random(random: &mut Random) -> Self {
        let interlock = match random.below(3) {
            0 => Some(Interlock::MoreWhileOpen(random.below(6) as i64)),
            1 => Some(Interlock::FromAndClosed(random.below(6) as i64)),
            _ => None,
        };
        let week = WEEK_MS / 60_000;
        let mut minute = || random.below(u64::from(week)) as u16;
        let hours = (minute(), minute());
        let span = |random: &mut Random| [500, 5_000, 60_000][random.below(3) as usize];
        Self {
            minimum: random.chance(40).then_some(1),
            maximum: 6 + random.below(3) as i64,
            change: random.chance(30).then(|| (2, span(random))),
            rate: random
                .chance(40)
                .then(|| (1 + random.below(2) as u32, span(random))),
            hours: (random.chance(25) && hours.0 != hours.1).then_some(hours),
            interlock,
            approval: random.chance(30),
            dog: random.chance(40).then(|| Dog {
                after_ms: span(random),
                twice: [random.chance(50), random.chance(50)],
            }),
        }
    }

    fn compiled(&self) -> Result<Guards, String> {
        let numbers = || vec![Name::from("level"), Name::from("knob")];
        let rule = |name: &str, points: Vec<Name>, checks: Vec<Asks>| Rule {
            name: name.into(),
            reason: None,
            points,
            checks,
        };
        let sensed = Term::Sensed {
            device: CONTACT.0.into(),
            point: CONTACT.1.into(),
        };
        let compare = |left: Term, how, right: i64| {
            Clause::Compare(left, how, Term::Constant(Measure(right)))
        };
        let mut bounds = vec![Asks::Maximum(Measure(self.maximum))];
        bounds.extend(self.minimum.map(|it| Asks::Minimum(Measure(it))));
        bounds.extend(
            self.change
                .map(|(by, within_ms)| Asks::Change { by, within_ms }),
        );
        let mut rules = vec![rule("bounds", numbers(), bounds)];
        if let Some((times, within_ms)) = self.rate {
            rules.push(rule(
                "rate",
                Vec::new(),
                vec![Asks::Rate { times, within_ms }],
            ));
        }
        if let Some((from, to)) = self.hours {
            rules.push(rule(
                "hours",
                Vec::new(),
                vec![Asks::Hours(vec![Hours { from, to }])],
            ));
        }
        if let Some(interlock) = self.interlock {
            let clause = match interlock {
                Interlock::MoreWhileOpen(most) => Clause::All(vec![
                    compare(Term::Wanted, Comparison::Greater, most),
                    compare(sensed, Comparison::Equal, 1),
                ]),
                Interlock::FromAndClosed(least) => Clause::Not(Box::new(Clause::All(vec![
                    compare(Term::Current, Comparison::GreaterOrEqual, least),
                    compare(sensed, Comparison::Equal, 1),
                ]))),
            };
            let forbid = Condition::new(clause).map_err(|error| error.to_string())?;
            rules.push(rule("interlock", numbers(), vec![Asks::Forbid(forbid)]));
        }
        if self.approval {
            rules.push(rule("approval", Vec::new(), vec![Asks::Approval]));
        }
        let points = POINTS.map(|name| Point {
            name: name.into(),
            heard: name == "level",
        });
        let guards = Guards::new(points.to_vec(), rules);
        let guards = guards.and_then(|it| match self.dog {
            Some(dog) => it.watched(dog.compiled()),
            None => Ok(it),
        });
        guards.map_err(|error| error.to_string())
    }
}

/// When something was done, what was written, and by which call.
type Drive = (Millis, Option<i64>, CallId);

/// All devices, as they are.
#[derive(Default)]
pub(super) struct Town {
    /// What is to guard them.
    wanted: BTreeMap<Name, Fence>,
    /// What the kernel was told since its start.
    pub(super) fences: BTreeMap<Name, Fence>,
    /// By which description each is guarded, and how many there were.
    generations: BTreeMap<Name, u8>,
    described: u8,
    heard: BTreeMap<(Name, Name), (i64, Option<Millis>)>,
    /// Since when the same guards a device: what was done before counts for nothing here.
    since: BTreeMap<Name, Millis>,
    /// All that was done.
    drives: BTreeMap<(Name, Name), Vec<Drive>>,
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
            dogs: Dogs::default(),
            reading: true,
            ..self
        }
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
        }
        let part = part_of(point.as_str(), value);
        self.dogs.called(&device, part, at);
        let drives = self.drives.entry((device, point)).or_default();
        drives.push((at, value, call));
        Ok(self.asked.contains(&call))
    }

    /// Its driver did not write what it was to.
    pub(super) fn is_undone(&mut self, call: CallId) -> Check {
        let mut drives = self.drives.values_mut().flatten();
        let drive = drives.find(|it| it.2 == call && it.1.is_some());
        drive.ok_or("what was not written is undone")?.1 = None;
        Ok(())
    }

    pub(super) fn has_ended(&self, call: CallId, done: bool) -> Check {
        let mut drives = self.drives.iter().filter(|(of, _)| of.1.as_str() != "ring");
        let undone = drives.any(|(_, of)| of.iter().any(|it| it.2 == call && it.1.is_none()));
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

impl World {
    /// What a call would do to a device: its request says it, and its shell at times does not.
    pub(super) fn aim(&mut self, digest: &mut BodyDigest) -> Option<Aim> {
        let device = match self.random.chance(4) {
            true => 2,
            false => self.random.below(2) as u8,
        };
        digest.0 = [0; 32];
        digest.0[0] = device;
        digest.0[1] = self.random.below(3) as u8;
        digest.0[2] = self.random.below(10) as u8;
        let (device, point, value) = read(*digest);
        let generation = self.model.town.generations.get(&Name::from(device));
        digest.0[3] = generation.copied().unwrap_or_default();
        let week_ms = (self.now.0 % u64::from(WEEK_MS)) as u32;
        self.random.chance(97).then(|| Aim {
            device: device.into(),
            generation: Generation(generation_of(*digest).into()),
            point: point.into(),
            value: value.map(Measure),
            safe: part_of(point, value),
            week_ms,
        })
    }

    pub(super) fn put_up_devices(&mut self) -> Check {
        for device in &DEVICES[..2] {
            let fence = Fence::random(&mut self.random);
            self.model.town.wanted.insert((*device).into(), fence);
        }
        self.say_what_guards()?;
        for (device, point) in [CONTACT, ("red/lamp", "level"), ("red/door", "level")] {
            self.a_point_is_heard(device, point)?;
        }
        Ok(())
    }

    /// After each start.
    pub(super) fn say_what_guards(&mut self) -> Check {
        for (device, fence) in self.model.town.wanted.clone() {
            if self.random.chance(90) {
                self.is_guarded_by(&device, Some(fence))?;
            }
        }
        Ok(())
    }

    fn is_guarded_by(&mut self, device: &Name, fence: Option<Fence>) -> Check {
        self.what_is_due()?;
        let guards = fence.as_ref().map(Fence::compiled).transpose()?;
        let town = &mut self.model.town;
        if town.wanted.get(device) != fence.as_ref() {
            town.since.insert(device.clone(), self.now);
            town.described = town.described.wrapping_add(1);
            town.generations.insert(device.clone(), town.described);
        }
        match fence {
            Some(fence) => {
                town.wanted.insert(device.clone(), fence.clone());
                town.fences.insert(device.clone(), fence);
            }
            None => {
                town.wanted.remove(device);
                town.fences.remove(device);
                town.heard.retain(|(of, _), _| of != device);
            }
        }
        let generation = town.generations.get(device).copied().unwrap_or_default();
        let guards = guards.map_or(Guarding::Gone, |guards| Guarding::By {
            guards: guards.into(),
            generation: Generation(generation.into()),
        });
        self.guard(device, guards)
    }

    /// It is there, and nobody can say what guards it.
    fn is_guarded_unknown(&mut self, device: &Name) -> Check {
        self.what_is_due()?;
        let town = &mut self.model.town;
        town.fences.remove(device);
        town.heard.retain(|(of, _), _| of != device);
        self.guard(device, Guarding::Unknown)?;
        let fence = self.model.town.wanted.get(device).cloned();
        match fence.filter(|_| self.random.chance(60)) {
            Some(fence) => self.is_guarded_by(device, Some(fence)),
            None => Ok(()),
        }
    }

    /// What begins now begins before the model is told of what is new.
    fn what_is_due(&mut self) -> Check {
        let deadline = self.kernel.next_deadline();
        match deadline.is_some_and(|it| it <= self.now) {
            true => self.feed(Event::Alarm),
            false => Ok(()),
        }
    }

    /// With what is known of the points that it may look at.
    fn guard(&mut self, device: &Name, guards: Guarding) -> Check {
        let device = device.clone();
        self.feed(Event::Guard { device, guards })?;
        let heard: Vec<_> = self.model.town.heard.keys().cloned().collect();
        heard.into_iter().try_for_each(|place| {
            // It may have crashed meanwhile.
            let Some(&(value, until)) = self.model.town.heard.get(&place) else {
                return Ok(());
            };
            let (device, point) = place;
            let value = Some(Measure(value));
            self.feed(Event::Sensed {
                device,
                point,
                value,
                until,
            })
        })
    }

    fn a_point_is_heard(&mut self, device: &str, point: &str) -> Check {
        self.what_is_due()?;
        let most = if (device, point) == CONTACT { 2 } else { 8 };
        let value = self
            .random
            .chance(85)
            .then(|| self.random.below(most) as i64);
        let until = self
            .random
            .chance(30)
            .then(|| self.now.plus(self.random.below(3_000)));
        let place = (Name::from(device), Name::from(point));
        match value {
            Some(value) => self.model.town.heard.insert(place, (value, until)),
            None => self.model.town.heard.remove(&place),
        };
        self.feed(Event::Sensed {
            device: device.into(),
            point: point.into(),
            value: value.map(Measure),
            until,
        })
    }

    pub(super) fn a_device_changes(&mut self) -> Check {
        let device = self.random.pick(&DEVICES).unwrap_or("red/lamp");
        let guarded = Name::from(self.random.pick(&DEVICES[..2]).unwrap_or("red/lamp"));
        match self.random.below(14) {
            12 | 13 => self.a_safe_state_ends(false),
            0 if self.random.chance(50) => self.is_guarded_unknown(&guarded),
            0 => self.is_guarded_by(&guarded, None),
            1 | 2 => {
                let fence = Fence::random(&mut self.random);
                self.is_guarded_by(&guarded, Some(fence))
            }
            3 => self.say_what_guards(),
            4..=7 => self.a_point_is_heard(CONTACT.0, CONTACT.1),
            8 => self.a_point_is_heard(device, "knob"),
            _ => self.a_point_is_heard(device, "level"),
        }
    }

    pub(super) fn every_device_goes(&mut self) -> Check {
        for device in &DEVICES {
            self.is_guarded_by(&(*device).into(), None)?;
        }
        Ok(())
    }
}
