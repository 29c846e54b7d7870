//! What was written to a point or commanded before, as rules of rate and change count it.
//!
//! Durable: an end of the daemon sets no rate back. Bounded, a point by [`MAX_MOVES`], and all by age.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    hash::BuildHasherDefault,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{MAX_SAFE_PARTS, Measure, watch::OfNumber};
use crate::{
    ids::{CallId, Millis},
    name::Name,
};

/// As many moves of a point are remembered, and a few of the node's own beside them.
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

impl Move {
    fn is_own(&self, own: (Millis, Option<Measure>)) -> bool {
        self.call.is_none() && (self.at, self.value) == own
    }
}

/// The last moves of one point, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OfPoint {
    /// How long one counts.
    keep_ms: u64,
    moves: VecDeque<Move>,
}

/// Those of a point, while there are any. Never of another point after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct MovesId(u64);

/// The last moves, by device and point.
#[derive(Clone, Debug, Default)]
pub(crate) struct Moves {
    ids: BTreeMap<Name, BTreeMap<Name, MovesId>>,
    all: HashMap<u64, OfPoint, BuildHasherDefault<OfNumber>>,
    next: u64,
}

/// As they are stored.
type Stored<T> = BTreeMap<Name, BTreeMap<Name, T>>;

impl Moves {
    pub(crate) fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    pub(crate) fn id(&self, device: &Name, point: &Name) -> Option<MovesId> {
        self.ids.get(device)?.get(point).copied()
    }

    /// Those of a point, oldest first.
    pub(crate) fn by(&self, id: Option<MovesId>) -> &VecDeque<Move> {
        static NONE: VecDeque<Move> = VecDeque::new();
        let of = id.and_then(|it| self.all.get(&it.0));
        of.map_or(&NONE, |it| &it.moves)
    }

    /// Those of a point, oldest first.
    pub(crate) fn of(&self, device: &Name, point: &Name) -> &VecDeque<Move> {
        self.by(self.id(device, point))
    }

    /// The devices that something is remembered of.
    pub(crate) fn devices(&self) -> impl Iterator<Item = &Name> {
        self.ids.keys()
    }

    /// The points of a device that something is remembered of.
    pub(crate) fn points(&self, device: &Name) -> impl Iterator<Item = &Name> {
        self.ids.get(device).into_iter().flat_map(BTreeMap::keys)
    }

    pub(crate) fn add(&mut self, device: &Name, point: &Name, keep_ms: u64, new: Move) {
        let of = self.of_point(device, point);
        of.keep_ms = keep_ms;
        of.forget_old(new.at);
        // One of the node's own may be withdrawn, and what counts then is to be there still.
        let beside = match new.call {
            Some(_) => 0,
            None => MAX_SAFE_PARTS,
        };
        while of.moves.len() >= MAX_MOVES + beside {
            of.moves.pop_front();
        }
        of.moves.push_back(new);
    }

    fn of_point(&mut self, device: &Name, point: &Name) -> &mut OfPoint {
        let points = self.ids.entry(device.clone()).or_default();
        let id = *points.entry(point.clone()).or_insert_with(|| {
            self.next += 1;
            MovesId(self.next)
        });
        self.all.entry(id.0).or_default()
    }

    /// What a call was to write was not written: it counts, and the point was never that.
    pub(crate) fn undo(&mut self, device: &Name, point: &Name, call: CallId) -> Option<()> {
        let id = self.id(device, point)?;
        let mut newest = self.all.get_mut(&id.0)?.moves.iter_mut().rev();
        newest.find(|it| it.call == Some(call))?.value = None;
        Some(())
    }

    /// Whether the node itself moved a point at a time to a value, as far as is remembered.
    pub(crate) fn has_own(
        &self,
        device: &Name,
        point: &Name,
        own: (Millis, Option<Measure>),
    ) -> bool {
        self.of(device, point).iter().any(|it| it.is_own(own))
    }

    /// Nothing was sent of what the node itself was about to do.
    pub(crate) fn withdraw(
        &mut self,
        device: &Name,
        point: &Name,
        own: (Millis, Option<Measure>),
    ) -> Option<()> {
        let id = self.id(device, point)?;
        let moves = &mut self.all.get_mut(&id.0)?.moves;
        moves.remove(moves.iter().rposition(|it| it.is_own(own))?)?;
        match moves.is_empty() {
            true => self.forget(device, point),
            false => Some(()),
        }
    }

    pub(crate) fn forget(&mut self, device: &Name, point: &Name) -> Option<()> {
        let points = self.ids.get_mut(device)?;
        let id = points.remove(point)?;
        if points.is_empty() {
            self.ids.remove(device);
        }
        self.all.remove(&id.0).map(|_| ())
    }

    /// Forgets what no longer counts, of devices that are gone, too.
    pub(crate) fn forget_old(&mut self, now: Millis) {
        self.all.retain(|_, of| {
            of.forget_old(now);
            !of.moves.is_empty()
        });
        self.ids.retain(|_, points| {
            points.retain(|_, id| self.all.contains_key(&id.0));
            !points.is_empty()
        });
    }

    fn stored(&self) -> Stored<&OfPoint> {
        let of = |id: &MovesId| self.all.get(&id.0);
        let points = |points: &BTreeMap<Name, MovesId>| {
            let points = points.iter();
            points
                .filter_map(|(name, id)| Some((name.clone(), of(id)?)))
                .collect()
        };
        let devices = self.ids.iter();
        devices
            .map(|(name, it)| (name.clone(), points(it)))
            .collect()
    }
}

impl PartialEq for Moves {
    fn eq(&self, other: &Self) -> bool {
        self.stored() == other.stored()
    }
}

impl Eq for Moves {}

impl Serialize for Moves {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.stored().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Moves {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut moves = Self::default();
        for (device, points) in Stored::<OfPoint>::deserialize(deserializer)? {
            for (point, of) in points {
                *moves.of_point(&device, &point) = of;
            }
        }
        Ok(moves)
    }
}

impl OfPoint {
    fn forget_old(&mut self, now: Millis) {
        let keep_ms = self.keep_ms;
        self.moves.retain(|it| now.since(it.at) < keep_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_withdrawn_pushed_nothing_out() {
        let (device, point) = (Name::from("home/heater"), Name::from("target"));
        let (mut moves, keep_ms) = (Moves::default(), 1_000_000);
        let value = Some(Measure(5));
        let calls = 0..u64::try_from(MAX_MOVES).unwrap_or_default();
        for n in calls.clone() {
            let call = Some(CallId(n));
            let at = Millis(n);
            moves.add(&device, &point, keep_ms, Move { at, value, call });
        }
        let before = moves.clone();
        let at = Millis(100);
        let own = Move {
            at,
            value,
            call: None,
        };
        moves.add(&device, &point, keep_ms, own);
        assert_eq!(moves.of(&device, &point).len(), MAX_MOVES + 1);
        assert_eq!(moves.withdraw(&device, &point, (at, None)), None);
        assert_eq!(moves.withdraw(&device, &point, (at, value)), Some(()));
        assert_eq!(moves, before);
        // Those that stay are bounded all the same.
        for n in 0..200 {
            let own = Move {
                at: Millis(200 + n),
                ..own
            };
            moves.add(&device, &point, keep_ms, own);
        }
        assert_eq!(moves.of(&device, &point).len(), MAX_MOVES + MAX_SAFE_PARTS);
        let mut one = Moves::default();
        one.add(&device, &point, keep_ms, own);
        one.withdraw(&device, &point, (at, value));
        assert!(one.is_empty());
    }
}
