//! What was written to a point or commanded before, as rules of rate and change count it.
//!
//! Durable: an end of the daemon sets no rate back. Bounded, a point by [`MAX_MOVES`], and all by age.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::Measure;
use crate::{
    ids::{CallId, Millis},
    name::Name,
};

/// As many moves of a point are remembered.
pub const MAX_MOVES: usize = 64;

/// Something was written or commanded: its driver was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Move {
    /// When.
    pub(crate) at: Millis,
    /// What was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) value: Option<Measure>,
    /// By which call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) call: Option<CallId>,
}

/// The last moves of one point, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OfPoint {
    /// How long one counts.
    keep_ms: u64,
    moves: VecDeque<Move>,
}

/// The last moves, by device and point.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Moves(BTreeMap<Name, BTreeMap<Name, OfPoint>>);

impl Moves {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those of a point, oldest first.
    pub(crate) fn of(&self, device: &Name, point: &Name) -> &VecDeque<Move> {
        static NONE: VecDeque<Move> = VecDeque::new();
        let of = self.0.get(device).and_then(|points| points.get(point));
        of.map_or(&NONE, |it| &it.moves)
    }

    /// The points of a device that something is remembered of.
    pub(crate) fn points(&self, device: &Name) -> impl Iterator<Item = &Name> {
        self.0.get(device).into_iter().flat_map(BTreeMap::keys)
    }

    pub(crate) fn add(&mut self, device: &Name, point: &Name, keep_ms: u64, new: Move) {
        let points = self.0.entry(device.clone()).or_default();
        let of = points.entry(point.clone()).or_default();
        of.keep_ms = keep_ms;
        of.forget_old(new.at);
        if of.moves.len() == MAX_MOVES {
            of.moves.pop_front();
        }
        of.moves.push_back(new);
    }

    /// What a call was to write was not written: it counts, and the point was never that.
    pub(crate) fn undo(&mut self, device: &Name, point: &Name, call: CallId) -> Option<()> {
        let moves = &mut self.0.get_mut(device)?.get_mut(point)?.moves;
        let mut newest = moves.iter_mut().rev();
        newest.find(|it| it.call == Some(call))?.value = None;
        Some(())
    }

    pub(crate) fn forget(&mut self, device: &Name, point: &Name) -> Option<()> {
        let points = self.0.get_mut(device)?;
        points.remove(point)?;
        if points.is_empty() {
            self.0.remove(device);
        }
        Some(())
    }

    /// Forgets what no longer counts, of devices that are gone, too.
    pub(crate) fn forget_old(&mut self, now: Millis) {
        self.0.retain(|_, points| {
            points.retain(|_, of| {
                of.forget_old(now);
                !of.moves.is_empty()
            });
            !points.is_empty()
        });
    }
}

impl OfPoint {
    fn forget_old(&mut self, now: Millis) {
        let keep_ms = self.keep_ms;
        self.moves.retain(|it| now.since(it.at) < keep_ms);
    }
}
