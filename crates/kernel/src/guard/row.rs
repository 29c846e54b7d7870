//! The rules of a device as a decision reads them: by point one after another, what they look at by its place.

use std::sync::Arc;

use super::{
    Check, Generation, Guards, Measure, Term,
    moves::MovesId,
    senses::{Place, Senses},
};
use crate::name::Name;

/// What guards a device.
#[derive(Debug)]
pub(crate) struct Row {
    pub(super) device: Name,
    pub(super) generation: Generation,
    points: Box<[OfPoint]>,
    /// For words.
    pub(super) guards: Arc<Guards>,
}

/// What is about one point.
#[derive(Debug)]
pub(super) struct OfPoint {
    name: Name,
    /// With the number of the rule that asks for it.
    pub(super) checks: Box<[(u16, Check<Sight>)]>,
    /// Where it is itself, if a rule looks at it.
    pub(super) current: Option<Place>,
    /// The device says what it is.
    pub(super) heard: bool,
    /// What was done at it before.
    pub(super) moves: Option<MovesId>,
}

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sight {
    Wanted,
    Current(Place),
    Sensed(Place),
    Constant(Measure),
}

impl Row {
    /// Looks at all that the rules look at.
    pub(super) fn new(
        device: &Name,
        generation: Generation,
        guards: Arc<Guards>,
        senses: &mut Senses,
        moves: impl Fn(&Name) -> Option<MovesId>,
    ) -> Self {
        let mut points = Vec::new();
        for (name, of) in guards.points() {
            let mut checks = Vec::new();
            let mut current = None;
            for (number, rule) in guards.of(of) {
                for check in &rule.checks {
                    if matches!(check, Check::Change { .. }) && of.heard {
                        current.get_or_insert_with(|| senses.look(device, name));
                    }
                    let check = check.of_terms(&mut |term| match term {
                        Term::Wanted => Sight::Wanted,
                        Term::Current => Sight::Current(senses.look(device, name)),
                        Term::Sensed { device, point } => Sight::Sensed(senses.look(device, point)),
                        Term::Constant(value) => Sight::Constant(*value),
                    });
                    checks.push((number, check));
                }
            }
            points.push(OfPoint {
                name: name.clone(),
                checks: checks.into(),
                current,
                heard: of.heard,
                moves: moves(name),
            });
        }
        Self {
            device: device.clone(),
            generation,
            points: points.into(),
            guards,
        }
    }

    pub(super) fn point(&self, name: &Name) -> Option<&OfPoint> {
        let at = self.points.binary_search_by(|it| it.name.cmp(name)).ok()?;
        self.points.get(at)
    }

    pub(super) fn point_mut(&mut self, name: &Name) -> Option<&mut OfPoint> {
        let at = self.points.binary_search_by(|it| it.name.cmp(name)).ok()?;
        self.points.get_mut(at)
    }

    /// All that its rules look at, as often as they do.
    pub(super) fn places(&self) -> impl Iterator<Item = Place> {
        self.points.iter().flat_map(|point| {
            let checks = point.checks.iter().filter_map(|(_, it)| match it {
                Check::Forbid(condition) => Some(condition.terms()),
                _ => None,
            });
            let terms = checks.flatten().filter_map(|it| match it {
                Sight::Current(place) | Sight::Sensed(place) => Some(*place),
                Sight::Wanted | Sight::Constant(_) => None,
            });
            terms.chain(point.current)
        })
    }
}
