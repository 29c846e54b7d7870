//! What guards devices in simulated histories, and its own words for it.

use super::{failsafe::Dog, random::Random};
use crate::{
    Check as Asks, Clause, Comparison, Condition, Guards, Hours, Measure, Name, Point, Rule, Term,
    WEEK_MS,
};

/// A number that is heard, one that is not, and a command.
pub(super) const POINTS: [&str; 3] = ["level", "knob", "ring"];
/// What interlocks look at.
pub(super) const CONTACT: (&str, &str) = ("red/door", "contact");

/// What guards a device, as somebody would say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fence {
    pub(super) minimum: Option<i64>,
    /// Of each device.
    pub(super) maximum: i64,
    /// By so much in so many milliseconds.
    pub(super) change: Option<(u64, u64)>,
    /// So often in so many milliseconds.
    pub(super) rate: Option<(u32, u64)>,
    /// Minutes of the week.
    pub(super) hours: Option<(u16, u16)>,
    pub(super) interlock: Option<Interlock>,
    pub(super) approval: bool,
    pub(super) dog: Option<Dog>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interlock {
    /// Not more than this while the door is open.
    MoreWhileOpen(i64),
    /// Not while it is below this, and not unless the door is open.
    FromAndClosed(i64),
}

impl Fence {
    pub(super) fn random(random: &mut Random) -> Self {
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
            dog: random.chance(40).then(|| {
                let after_ms = span(random);
                Dog::random(random, after_ms)
            }),
        }
    }

    /// The same with another safe state.
    pub(super) fn with_another_safe_state(&self) -> Self {
        Self {
            dog: self.dog.map(Dog::of_another),
            ..self.clone()
        }
    }

    pub(super) fn compiled(&self) -> Result<Guards, String> {
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
