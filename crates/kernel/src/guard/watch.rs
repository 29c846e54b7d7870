//! The guards of all devices, and what was heard of the points that they look at.
//!
//! Not durable: after a restart the shell says again what guards a device, and nothing is known that was not heard since.
//! What no rule looks at is not kept, so the rules bound it.
//!
//! An aim is found by its generation, a number, and reads a few neighbouring lines of memory: no name is hashed for a decision.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
    sync::Arc,
};

use super::{
    Aim, Aimed, Breach, Breached, Case, Generation, Guards, Measure, Moves,
    moves::MovesId,
    row::Row,
    senses::{ByDevice, Senses},
};
use crate::{ids::Millis, name::Name};

/// What is known of the guards of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Guarding {
    /// These are all. What they look at and was heard by another description is to be heard again.
    By {
        /// Compiled.
        guards: Arc<Guards>,
        /// By this description: what is aimed at the device by another is refused.
        generation: Generation,
    },
    /// The device is there, and its guards cannot be told: nothing is done to it, and what was done goes on counting.
    Unknown,
    /// The device is gone, and what was done to it no longer counts.
    Gone,
}

#[derive(Debug, Default)]
pub(crate) struct Watch {
    rows: Vec<Option<Row>>,
    free: Vec<u32>,
    by_device: ByDevice<u32>,
    /// Where two are of one generation, one of them: the other is found by its name.
    by_generation: HashMap<u64, u32, BuildHasherDefault<OfNumber>>,
    senses: Senses,
}

impl Watch {
    pub(crate) fn guards(&self, device: &Name) -> Option<&Guards> {
        let row = *self.by_device.get(device)?;
        self.row(row).map(|it| &*it.guards)
    }

    /// By which description a device is guarded.
    pub(crate) fn generation(&self, device: &Name) -> Option<Generation> {
        let row = *self.by_device.get(device)?;
        self.row(row).map(|it| it.generation)
    }

    fn row(&self, at: u32) -> Option<&Row> {
        self.rows.get(at as usize)?.as_ref()
    }

    fn find(&self, aim: &Aim) -> Option<&Row> {
        let named = |at: &u32| self.row(*at).filter(|it| it.device == aim.device);
        let found = self.by_generation.get(&aim.generation.0).and_then(named);
        found.or_else(|| self.by_device.get(&aim.device).and_then(named))
    }

    /// The guardrail by which a person must agree, if all of them let the call pass.
    pub(crate) fn judge(
        &self,
        aimed: &Aimed,
        now: Millis,
        moves: &Moves,
    ) -> Result<Option<Name>, Breached> {
        let aim = &aimed.aim;
        let unguarded = || Breach::Unguarded {
            device: aim.device.clone(),
            point: aim.point.clone(),
        };
        let row = self.find(aim).ok_or_else(|| unguarded().of_no_rule())?;
        if row.generation != aim.generation {
            return Err(Breach::Changed.of_no_rule());
        }
        let point = row.point(&aim.point);
        let case = Case {
            aimed,
            now,
            point: point.ok_or_else(|| unguarded().of_no_rule())?,
            moves,
            senses: &self.senses,
        };
        case.judge(&row.guards)
    }

    /// Something was done at a point.
    pub(crate) fn moved(&mut self, device: &Name, point: &Name, id: Option<MovesId>) {
        let row = self.by_device.get(device);
        let row = row.and_then(|at| self.rows.get_mut(*at as usize)?.as_mut());
        if let Some(point) = row.and_then(|it| it.point_mut(point)) {
            point.moves = id;
        }
    }

    /// Replaces what guards a device. Where that is not told, what was heard of the device is forgotten.
    pub(crate) fn guard(&mut self, device: &Name, guarding: Guarding, moves: &Moves) {
        let old = self.take(device);
        let Guarding::By { guards, generation } = guarding else {
            old.iter().for_each(|old| self.let_go(old));
            return self.senses.forget_all(device);
        };
        // What both look at stays known: the new ones come first.
        let known = |point: &Name| moves.id(device, point);
        let new = Row::new(device, generation, guards, &mut self.senses, known);
        if old.as_ref().map(|it| it.generation) != Some(generation) {
            new.places().for_each(|it| self.senses.forget(it));
        }
        old.iter().for_each(|old| self.let_go(old));
        let at = self.free.pop().unwrap_or_else(|| {
            self.rows.push(None);
            u32::try_from(self.rows.len() - 1).unwrap_or(u32::MAX)
        });
        self.by_device.insert(device.clone(), at);
        self.by_generation.insert(generation.0, at);
        if let Some(row) = self.rows.get_mut(at as usize) {
            *row = Some(new);
        }
    }

    fn take(&mut self, device: &Name) -> Option<Row> {
        let at = self.by_device.remove(device)?;
        self.free.push(at);
        let row = self.rows.get_mut(at as usize)?.take()?;
        let generation = row.generation.0;
        if self.by_generation.get(&generation) == Some(&at) {
            self.by_generation.remove(&generation);
        }
        Some(row)
    }

    fn let_go(&mut self, row: &Row) {
        row.places().for_each(|it| self.senses.look_away(it));
    }

    /// What a point is, until when that counts; none: it is not known.
    pub(crate) fn hear(
        &mut self,
        device: &Name,
        point: &Name,
        value: Option<Measure>,
        until: Option<Millis>,
    ) {
        self.senses.hear((device, point), value, until);
    }
}

/// Spreads numbers that are counted up: the hash of no text.
#[derive(Debug, Default)]
pub(super) struct OfNumber(u64);

impl Hasher for OfNumber {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|it| self.write_u64(u64::from(*it)));
    }

    fn write_u64(&mut self, number: u64) {
        // The golden ratio of 64 bits: neighbours come far from one another.
        self.0 = (self.0 ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

#[cfg(test)]
impl Watch {
    /// The points that are kept.
    pub(crate) fn kept(&self) -> usize {
        self.senses.kept()
    }
}
