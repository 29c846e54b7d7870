//! When something must not be done. What is not known has an answer of its own (Kleene's logic of three values): a
//! condition is unknown only where knowing could make it true and could make it false.

use super::Measure;
use crate::name::Name;

/// The most clauses of a condition, those inside others included.
pub const MAX_CLAUSES: usize = 64;
/// How deep clauses stand in one another at most.
const MAX_NESTED: usize = 16;

/// A condition that was found small enough.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Condition<T = Term>(Clause<T>);

/// A part of a condition.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Clause<T = Term> {
    /// All hold; with none it is true.
    All(Vec<Self>),
    /// One holds; with none it is false.
    Any(Vec<Self>),
    /// It does not hold.
    Not(Box<Self>),
    /// The one stands so to the other.
    Compare(T, Comparison, T),
}

/// What is compared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Term {
    /// What is to be written.
    Wanted,
    /// What the point is that is to be written.
    Current,
    /// What a point of a device is.
    Sensed {
        /// As `<tenant>/<name>`.
        device: Name,
        /// Which.
        point: Name,
    },
    /// This.
    Constant(Measure),
}

/// How two values stand to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Comparison {
    /// `==`
    Equal,
    /// `!=`
    Unequal,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

/// A condition that is too large to be looked at for each call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the condition has more than {MAX_CLAUSES} parts, or more than {MAX_NESTED} in one another: split it into several guardrails"
)]
pub struct TooLarge;

impl Condition {
    /// # Errors
    /// When it has more than [`MAX_CLAUSES`] clauses, or more than 16 in one another.
    pub fn new(clause: Clause) -> Result<Self, TooLarge> {
        let mut left = MAX_CLAUSES;
        clause.fits(&mut left, MAX_NESTED)?;
        Ok(Self(clause))
    }
}

impl<T> Condition<T> {
    /// Whether it holds, by what the terms are; none of a term, or of the condition: it is not known.
    pub fn holds(&self, known: &impl Fn(&T) -> Option<Measure>) -> Option<bool> {
        self.0.holds(known)
    }

    /// One of the terms for which it is not known.
    pub(super) fn unknown(&self, known: &impl Fn(&T) -> Option<Measure>) -> Option<&T> {
        self.0.unknown(known)
    }

    /// The same of other terms.
    pub(super) fn of_terms<U>(&self, term: &mut impl FnMut(&T) -> U) -> Condition<U> {
        Condition(self.0.of_terms(term))
    }

    /// All that it compares.
    pub(super) fn terms(&self) -> Vec<&T> {
        let mut terms = Vec::new();
        self.0.terms(&mut terms);
        terms
    }
}

impl<T> Clause<T> {
    fn fits(&self, left: &mut usize, depth: usize) -> Result<(), TooLarge> {
        *left = left.checked_sub(1).ok_or(TooLarge)?;
        let depth = depth.checked_sub(1).ok_or(TooLarge)?;
        match self {
            Self::All(clauses) | Self::Any(clauses) => {
                clauses.iter().try_for_each(|it| it.fits(left, depth))
            }
            Self::Not(clause) => clause.fits(left, depth),
            Self::Compare(..) => Ok(()),
        }
    }

    fn holds(&self, known: &impl Fn(&T) -> Option<Measure>) -> Option<bool> {
        match self {
            Self::All(clauses) => until(clauses, false, known),
            Self::Any(clauses) => until(clauses, true, known),
            Self::Not(clause) => clause.holds(known).map(|it| !it),
            Self::Compare(left, how, right) => Some(how.holds(known(left)?, known(right)?)),
        }
    }

    fn unknown(&self, known: &impl Fn(&T) -> Option<Measure>) -> Option<&T> {
        if self.holds(known).is_some() {
            return None;
        }
        match self {
            Self::All(clauses) | Self::Any(clauses) => {
                clauses.iter().find_map(|it| it.unknown(known))
            }
            Self::Not(clause) => clause.unknown(known),
            Self::Compare(left, _, right) => {
                [left, right].into_iter().find(|it| known(it).is_none())
            }
        }
    }

    fn of_terms<U>(&self, term: &mut impl FnMut(&T) -> U) -> Clause<U> {
        let mut all = |clauses: &[Self]| clauses.iter().map(|it| it.of_terms(term)).collect();
        match self {
            Self::All(clauses) => Clause::All(all(clauses)),
            Self::Any(clauses) => Clause::Any(all(clauses)),
            Self::Not(clause) => Clause::Not(Box::new(clause.of_terms(term))),
            Self::Compare(left, how, right) => Clause::Compare(term(left), *how, term(right)),
        }
    }

    fn terms<'a>(&'a self, into: &mut Vec<&'a T>) {
        match self {
            Self::All(clauses) | Self::Any(clauses) => {
                clauses.iter().for_each(|it| it.terms(into));
            }
            Self::Not(clause) => clause.terms(into),
            Self::Compare(left, _, right) => into.extend([left, right]),
        }
    }
}

/// The first answer that is `decides` decides, whatever else is not known.
fn until<T>(
    clauses: &[Clause<T>],
    decides: bool,
    known: &impl Fn(&T) -> Option<Measure>,
) -> Option<bool> {
    let mut all = Some(!decides);
    for clause in clauses {
        match clause.holds(known) {
            Some(it) if it == decides => return Some(decides),
            Some(_) => {}
            None => all = None,
        }
    }
    all
}

impl Comparison {
    fn holds(self, left: Measure, right: Measure) -> bool {
        match self {
            Self::Equal => left == right,
            Self::Unequal => left != right,
            Self::Less => left < right,
            Self::LessOrEqual => left <= right,
            Self::Greater => left > right,
            Self::GreaterOrEqual => left >= right,
        }
    }
}
