//! The rules of one device, by the point that they are about.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Breach, Condition, MAX_MOVES, MAX_SAFE_PARTS, MAX_WHAT, Measure, Term, WEEK_MINUTES, Watchdog,
};
use crate::name::Name;

/// The most rules of one device.
pub const MAX_RULES: usize = 1_024;
/// The longest time that a rule looks back, in milliseconds: a day.
pub const MAX_SPAN_MS: u64 = 86_400_000;

/// A property that can be written, or a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// Its name.
    pub name: Name,
    /// The device says what it is: then a rule about how far it may go needs to know that.
    pub heard: bool,
}

/// What must hold of writes and commands. All its checks must let them pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What it is called, for people.
    pub name: Name,
    /// Why it is there, for people.
    pub reason: Option<Name>,
    /// The points that it is about; empty for all of the device.
    pub points: Vec<Name>,
    /// One or more.
    pub checks: Vec<Check>,
}

/// What a rule asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check<T = Term> {
    /// The least that is written.
    Minimum(Measure),
    /// The most that is written.
    Maximum(Measure),
    /// How far what is written may be from all that the point was in a time.
    Change {
        /// In millionths.
        by: u64,
        /// The time, at most [`MAX_SPAN_MS`].
        within_ms: u64,
    },
    /// How often the point is written or commanded in a time.
    Rate {
        /// At most; 1 to [`MAX_MOVES`].
        times: u32,
        /// The time, at most [`MAX_SPAN_MS`].
        within_ms: u64,
    },
    /// Within one of these, and at no other time.
    Hours(Vec<Hours>),
    /// Not while this holds, or is not known.
    Forbid(Condition<T>),
    /// A person agrees.
    Approval,
}

/// Minutes of the week, from Monday 00:00.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    /// The first.
    pub from: u16,
    /// The first that is out again; before `from`, it goes over the end of the week. Never equal to it.
    pub to: u16,
}

impl Hours {
    pub(super) fn hold(self, minute: u16) -> bool {
        match self.from < self.to {
            true => (self.from..self.to).contains(&minute),
            false => minute >= self.from || minute < self.to,
        }
    }
}

/// Rules that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misguided {
    /// More than [`MAX_RULES`].
    #[error("{0} rules are too many for one device, {MAX_RULES} are the most")]
    TooMany(usize),
    /// A rule without a check.
    #[error("guardrail {0} checks nothing")]
    Nothing(Name),
    /// A point that the device does not have.
    #[error("guardrail {rule} is about {point}, which cannot be written or commanded")]
    NoSuchPoint {
        /// The rule.
        rule: Name,
        /// The point.
        point: Name,
    },
    /// A bound that is out of its own bounds.
    #[error(
        "guardrail {0}: a rate is of 1 to {MAX_MOVES} times, a time of 1 ms to a day, and hours begin and end within the week"
    )]
    OutOfBounds(Name),
}

/// What guards one device, compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guards {
    rules: Vec<Rule>,
    points: BTreeMap<Name, OfPoint>,
    watchdog: Option<Watchdog>,
}

/// What is about one point.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct OfPoint {
    pub(super) heard: bool,
    /// Of its rules, in their order.
    pub(super) rules: Vec<u16>,
    /// How long its moves count; none where no rule counts them.
    pub(super) keep_ms: Option<u64>,
}

impl Guards {
    /// Compiles the rules of a device that has these points. What is aimed at any other is refused.
    ///
    /// # Errors
    /// See [`Misguided`].
    pub fn new(points: Vec<Point>, rules: Vec<Rule>) -> Result<Self, Misguided> {
        if rules.len() > MAX_RULES {
            return Err(Misguided::TooMany(rules.len()));
        }
        let points = points.into_iter().map(|it| {
            let of = OfPoint {
                heard: it.heard,
                ..OfPoint::default()
            };
            (it.name, of)
        });
        let mut points: BTreeMap<Name, OfPoint> = points.collect();
        for (number, rule) in (0_u16..).zip(&rules) {
            rule.is_sound()?;
            if rule.points.is_empty() {
                points.values_mut().for_each(|it| it.take(number, rule));
            }
            for point in rule.points.iter().collect::<BTreeSet<_>>() {
                let of = points
                    .get_mut(point)
                    .ok_or_else(|| Misguided::NoSuchPoint {
                        rule: rule.name.clone(),
                        point: point.clone(),
                    })?;
                of.take(number, rule);
            }
        }
        Ok(Self {
            rules,
            points,
            watchdog: None,
        })
    }

    /// With a watchdog.
    ///
    /// # Errors
    /// It has no parts or too many, a part is of a point that the device does not have, or its time is out of bounds.
    pub fn watched(self, watchdog: Watchdog) -> Result<Self, Misguided> {
        let own = || Name::from("watchdog");
        let sound = (1..=MAX_SAFE_PARTS).contains(&watchdog.safe.len())
            && (1..=MAX_SPAN_MS).contains(&watchdog.after_ms)
            && watchdog.what.as_str().len() <= MAX_WHAT;
        if !sound {
            return Err(Misguided::OutOfBounds(own()));
        }
        let mut points = watchdog.safe.iter().map(|it| &it.point);
        if let Some(point) = points.find(|it| !self.points.contains_key(*it)) {
            return Err(Misguided::NoSuchPoint {
                rule: own(),
                point: point.clone(),
            });
        }
        Ok(Self {
            watchdog: Some(watchdog),
            ..self
        })
    }

    /// When the device is brought into its safe state, where it is.
    #[must_use]
    pub fn watchdog(&self) -> Option<&Watchdog> {
        self.watchdog.as_ref()
    }

    /// The rule by whose least or most this must not be written, if there is one.
    #[must_use]
    pub fn out_of_range(&self, point: &Name, value: Measure) -> Option<(&Rule, Breach)> {
        let of = self.points.get(point)?;
        self.of(of).find_map(|(_, rule)| {
            let breach = rule.checks.iter().find_map(|it| it.range(value).err())?;
            Some((rule, breach))
        })
    }

    /// The points, by device and name, that somebody has to be told of with [`crate::Event::Sensed`] for these rules of
    /// the device `own`.
    #[must_use]
    pub fn looks_at(&self, own: &Name) -> BTreeSet<(Name, Name)> {
        let mut all = BTreeSet::new();
        for (point, of) in &self.points {
            for check in self.of(of).flat_map(|(_, it)| &it.checks) {
                match check {
                    Check::Change { .. } if of.heard => {
                        all.insert((own.clone(), point.clone()));
                    }
                    Check::Forbid(condition) => {
                        all.extend(condition.terms().into_iter().filter_map(|it| match it {
                            Term::Current => Some((own.clone(), point.clone())),
                            Term::Sensed { device, point } => Some((device.clone(), point.clone())),
                            Term::Wanted | Term::Constant(_) => None,
                        }));
                    }
                    _ => {}
                }
            }
        }
        all
    }

    /// How long what is done at a point counts, in milliseconds; none where no rule counts it.
    pub(crate) fn keeps(&self, point: &Name) -> Option<u64> {
        self.points.get(point)?.keep_ms
    }

    /// By their names, in the order of these.
    pub(super) fn points(&self) -> impl Iterator<Item = (&Name, &OfPoint)> {
        self.points.iter()
    }

    /// The rules of a point, in their order, with their numbers.
    pub(super) fn of<'a>(&'a self, point: &'a OfPoint) -> impl Iterator<Item = (u16, &'a Rule)> {
        let rules = point.rules.iter();
        rules.filter_map(|number| Some((*number, self.rule(*number)?)))
    }

    pub(super) fn rule(&self, number: u16) -> Option<&Rule> {
        self.rules.get(usize::from(number))
    }
}

impl<T> Check<T> {
    /// Whether it lets be written what is so large.
    pub(super) fn range(&self, value: Measure) -> Result<(), Breach> {
        match *self {
            Self::Minimum(minimum) if value < minimum => Err(Breach::Below { value, minimum }),
            Self::Maximum(maximum) if value > maximum => Err(Breach::Above { value, maximum }),
            _ => Ok(()),
        }
    }

    /// The same of other terms.
    pub(super) fn of_terms<U>(&self, term: &mut impl FnMut(&T) -> U) -> Check<U> {
        match self {
            Self::Minimum(minimum) => Check::Minimum(*minimum),
            Self::Maximum(maximum) => Check::Maximum(*maximum),
            &Self::Change { by, within_ms } => Check::Change { by, within_ms },
            &Self::Rate { times, within_ms } => Check::Rate { times, within_ms },
            Self::Hours(hours) => Check::Hours(hours.clone()),
            Self::Forbid(condition) => Check::Forbid(condition.of_terms(term)),
            Self::Approval => Check::Approval,
        }
    }
}

impl Rule {
    fn is_sound(&self) -> Result<(), Misguided> {
        if self.checks.is_empty() {
            return Err(Misguided::Nothing(self.name.clone()));
        }
        let span = |ms: &u64| (1..=MAX_SPAN_MS).contains(ms);
        let sound = self.checks.iter().all(|check| match check {
            Check::Minimum(_) | Check::Maximum(_) | Check::Forbid(_) | Check::Approval => true,
            Check::Change { within_ms, .. } => span(within_ms),
            Check::Rate { times, within_ms } => {
                (1..=MAX_MOVES).contains(&(*times as usize)) && span(within_ms)
            }
            Check::Hours(hours) => hours
                .iter()
                .all(|it| it.from < WEEK_MINUTES && it.to <= WEEK_MINUTES && it.from != it.to),
        });
        match sound {
            true => Ok(()),
            false => Err(Misguided::OutOfBounds(self.name.clone())),
        }
    }
}

impl OfPoint {
    fn take(&mut self, number: u16, rule: &Rule) {
        self.rules.push(number);
        for check in &rule.checks {
            let keep = match check {
                Check::Rate { within_ms, .. } => *within_ms,
                Check::Change { within_ms, .. } if self.heard => *within_ms,
                // Nobody hears what it is: it is what was written last, for as long as a rule may look back.
                Check::Change { .. } => MAX_SPAN_MS,
                _ => continue,
            };
            self.keep_ms = Some(self.keep_ms.map_or(keep, |it| it.max(keep)));
        }
    }
}
