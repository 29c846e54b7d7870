//! The points of one property: at first instants of 16 bytes, and spans of 48 once neighbours had to be merged.

use aion_abi::syscall::device::{Span, Value};
use aion_api::ValueType;

use super::code::{Texts, decode, encode, number};
use crate::{decimal::rounded, form::Form, moment::Moment, shape::Property};

/// What is kept of a property. It takes memory as it fills.
#[derive(Debug, Default)]
pub(crate) struct Ring {
    points: Points,
    /// Milliseconds that a point covers at least before the next begins.
    width: u64,
    /// Something is kept no longer.
    lost: bool,
    texts: Texts,
}

#[derive(Debug)]
enum Points {
    Instants(Vec<(u64, u64)>),
    Spans(Vec<Kept>),
}

impl Default for Points {
    fn default() -> Self {
        Self::Instants(Vec::new())
    }
}

/// What was heard from one instant to another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Kept {
    at: u64,
    last: u64,
    /// Zero, all three, where the property is no number.
    minimum: f64,
    maximum: f64,
    mean: f64,
    count: u32,
    /// Milliseconds from its first to its last; a span beyond 49 days is told as one.
    took: u32,
}

impl Kept {
    fn instant((at, last): (u64, u64), form: &Form) -> Self {
        let number = number(last, form).unwrap_or_default();
        Self {
            at,
            last,
            minimum: number,
            maximum: number,
            mean: number,
            count: 1,
            took: 0,
        }
    }

    fn from(&self) -> u64 {
        self.at - u64::from(self.took)
    }

    /// Whether what was heard at an instant belongs to it.
    fn covers(&self, at: u64, width: u64) -> bool {
        at.saturating_sub(self.from()) < width
    }

    /// Adds what was heard later.
    fn add(&mut self, later: &Self) {
        let from = self.from();
        let (count, more) = (f64::from(self.count), f64::from(later.count));
        // As weights, since a sum of doubles may be infinite.
        self.mean = self.mean * (count / (count + more)) + later.mean * (more / (count + more));
        self.minimum = self.minimum.min(later.minimum);
        self.maximum = self.maximum.max(later.maximum);
        self.count = self.count.saturating_add(later.count);
        self.last = later.last;
        self.at = later.at;
        self.took = u32::try_from(self.at - from).unwrap_or(u32::MAX);
    }
}

/// Merges neighbours so that a point covers `width` and the next begins after it.
fn merge(points: impl Iterator<Item = Kept>, width: u64, most: usize) -> Vec<Kept> {
    let mut merged: Vec<Kept> = Vec::with_capacity(most);
    for point in points {
        match merged.last_mut() {
            Some(last) if last.covers(point.from(), width) => last.add(&point),
            _ => merged.push(point),
        }
    }
    merged
}

/// The width by which points from `first` to `last` become `most` at most.
fn width(first: u64, last: u64, most: usize) -> u64 {
    last.saturating_sub(first) / most.max(1) as u64 + 1
}

impl Ring {
    /// Takes a value that was heard at an instant.
    pub(crate) fn push(&mut self, at: u64, value: &Value, property: &Property) {
        let most = property.keep.points;
        if most == 0 {
            return;
        }
        let form = &property.form;
        let bits = encode(value, form, &mut self.texts);
        self.place(at.max(self.newest()), bits, property);
        // Texts are bounded by what is in use, and sorted out rarely.
        if self.texts.len() > 2 * most {
            self.sort_texts(form);
        }
    }

    fn place(&mut self, at: u64, bits: u64, property: &Property) {
        let (most, form) = (property.keep.points, &property.form);
        if let Points::Instants(points) = &mut self.points {
            if points.len() < most {
                if points.len() == points.capacity() {
                    points.reserve_exact(points.len().max(2).min(most - points.len()));
                }
                points.push((at, bits));
                return;
            }
            let spans = points.iter().map(|it| Kept::instant(*it, form)).collect();
            self.points = Points::Spans(spans);
        }
        let Points::Spans(points) = &mut self.points else {
            return;
        };
        let point = Kept::instant((at, bits), form);
        if points.len() >= most {
            let oldest = at.saturating_sub(property.keep.reach_ms);
            let gone = points.iter().take_while(|it| it.at < oldest).count();
            self.lost |= gone > 0;
            points.drain(..gone);
        }
        if points.len() >= most
            && !points
                .last()
                .is_some_and(|last| last.covers(at, self.width))
        {
            let first = points.first().map_or(at, Kept::from);
            self.width = width(first, at, most / 2)
                .max(self.width.saturating_mul(2).min(property.keep.reach_ms));
            *points = merge(points.drain(..), self.width, most);
        }
        // A ring of one point is full whatever is merged.
        let full = points.len() >= most;
        match points.last_mut() {
            Some(last) if full || last.covers(at, self.width) => last.add(&point),
            _ => points.push(point),
        }
    }

    /// When the newest was heard.
    fn newest(&self) -> u64 {
        match &self.points {
            Points::Instants(points) => points.last().map_or(0, |(at, _)| *at),
            Points::Spans(points) => points.last().map_or(0, |it| it.at),
        }
    }

    /// When the oldest that is kept was heard.
    pub(crate) fn first(&self) -> Option<u64> {
        match &self.points {
            Points::Instants(points) => points.first().map(|(at, _)| *at),
            Points::Spans(points) => points.first().map(Kept::from),
        }
    }

    /// Whether something was kept and is no longer.
    pub(crate) fn has_lost(&self) -> bool {
        self.lost
    }

    /// What was heard between two instants, in so many points at most.
    pub(crate) fn spans(
        &self,
        property: &Property,
        from: u64,
        to: u64,
        most: usize,
        now: Moment,
    ) -> Vec<Span> {
        let form = &property.form;
        let within = |it: &Kept| it.at >= from && it.from() <= to;
        let mut points: Vec<Kept> = match &self.points {
            Points::Instants(points) => points
                .iter()
                .map(|it| Kept::instant(*it, form))
                .filter(within)
                .collect(),
            Points::Spans(points) => points.iter().copied().filter(within).collect(),
        };
        if points.len() > most
            && let (Some(first), Some(last)) = (points.first(), points.last())
        {
            let width = width(first.from(), last.from(), most);
            points = merge(points.into_iter(), width, most);
        }
        let numeric = matches!(form.kind, ValueType::Integer | ValueType::Number);
        let span = |it: &Kept| Span {
            at_ms: now.date_of(it.at),
            count: it.count,
            last: decode(it.last, form, &self.texts),
            minimum: numeric.then_some(it.minimum),
            maximum: numeric.then_some(it.maximum),
            mean: numeric.then(|| rounded(it.mean)),
        };
        points.iter().map(span).collect()
    }

    /// Leaves out the texts that no point has any more.
    fn sort_texts(&mut self, form: &Form) {
        if form.kind != ValueType::Text {
            return;
        }
        let old = std::mem::take(&mut self.texts);
        let mut moved: Vec<Option<u64>> = vec![None; old.len()];
        let mut kept = Texts::new();
        let mut follow = |bits: &mut u64| {
            let Some(place) = usize::try_from(*bits)
                .ok()
                .and_then(|at| moved.get_mut(at).zip(old.get(at)))
            else {
                return;
            };
            let (place, text) = place;
            *bits = *place.get_or_insert_with(|| {
                kept.push(text.clone());
                kept.len() as u64 - 1
            });
        };
        match &mut self.points {
            Points::Instants(points) => points.iter_mut().for_each(|(_, bits)| follow(bits)),
            Points::Spans(points) => points.iter_mut().for_each(|it| follow(&mut it.last)),
        }
        self.texts = kept;
    }

    /// The bytes that it takes.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        let points = match &self.points {
            Points::Instants(points) => points.capacity() * size_of::<(u64, u64)>(),
            Points::Spans(points) => points.capacity() * size_of::<Kept>(),
        };
        points
            + self
                .texts
                .iter()
                .map(|it| it.len() + size_of::<Box<str>>())
                .sum::<usize>()
    }
}
