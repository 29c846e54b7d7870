//! One resource with a number of slots, and what waits for them.
//!
//! Lane by weighted shares, tenant within the lane by shares, program within the
//! tenant by least attained service. See the README beside this file for the
//! problem, the algorithm and its bounds.

use std::collections::BTreeMap;

use super::{
    shares::Shares,
    tenant_queue::{Item, TenantQueue},
};
use crate::{
    ids::{AccountId, Millis},
    spec::Lane,
};

const LANES: [Lane; 4] = [
    Lane::Realtime,
    Lane::Interactive,
    Lane::Batch,
    Lane::Background,
];

/// How much faster a lane's counter grows than its service: the inverse of the
/// weights 8, 4, 2, 1.
const fn stretch(lane: Lane) -> i64 {
    match lane {
        Lane::Realtime => 1,
        Lane::Interactive => 2,
        Lane::Batch => 4,
        Lane::Background => 8,
    }
}

#[derive(Debug)]
pub(crate) struct FairQueue<T> {
    slots: u32,
    busy: u32,
    waiting: usize,
    next_seq: u64,
    /// Moving mean of the time an item has its slot, in milliseconds.
    mean_ms: u64,
    lane_shares: Shares<Lane>,
    lanes: [LaneQueue<T>; LANES.len()],
}

#[derive(Debug)]
struct LaneQueue<T> {
    shares: Shares<AccountId>,
    queues: BTreeMap<AccountId, TenantQueue<T>>,
}

/// Who wants a slot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claim<T> {
    pub(crate) id: T,
    pub(crate) lane: Lane,
    pub(crate) tenant: AccountId,
    /// Service that the item's program has had, in milliseconds of slots.
    pub(crate) attained: u64,
    /// Its cost if known before (tokens); else time in the slot is the cost.
    pub(crate) cost: Option<u64>,
}

/// Where something waits, to take it out again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    lane: Lane,
    tenant: AccountId,
    seq: u64,
}

/// Something that has a slot. To be given back by [`FairQueue::release`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    lane: Lane,
    tenant: AccountId,
    since: Millis,
    charged: u64,
    by_time: bool,
}

impl Slot {
    #[cfg(test)]
    pub(crate) fn since(&self) -> Millis {
        self.since
    }

    /// How long it has been had, in milliseconds.
    pub(crate) fn held_ms(&self, now: Millis) -> u64 {
        now.since(self.since)
    }
}

impl<T> FairQueue<T> {
    pub(crate) fn new(slots: u32) -> Self {
        Self {
            slots,
            busy: 0,
            waiting: 0,
            next_seq: 0,
            mean_ms: 1,
            lane_shares: Shares::default(),
            lanes: std::array::from_fn(|_| LaneQueue {
                shares: Shares::default(),
                queues: BTreeMap::new(),
            }),
        }
    }

    pub(crate) fn set_slots(&mut self, slots: u32) {
        self.slots = slots;
    }

    pub(crate) fn push(&mut self, claim: Claim<T>, now: Millis) -> Place {
        let Claim {
            id,
            lane,
            tenant,
            attained,
            cost,
        } = claim;
        let seq = self.next_seq;
        self.next_seq += 1;
        self.waiting += 1;
        self.lane_shares.join(lane);
        let queue = &mut self.lanes[lane as usize];
        queue.shares.join(tenant);
        queue.queues.entry(tenant).or_default().push(
            seq,
            Item {
                id,
                attained,
                cost,
                queued_at: now,
            },
        );
        Place { lane, tenant, seq }
    }

    /// Takes what waits at `place` out.
    pub(crate) fn remove(&mut self, place: Place) {
        let queue = self.lanes[place.lane as usize]
            .queues
            .get_mut(&place.tenant);
        if queue.and_then(|queue| queue.remove(place.seq)).is_some() {
            self.waiting -= 1;
            self.after_removal(place.lane, place.tenant);
        }
    }

    /// Gives a free slot to who is next.
    pub(crate) fn pop(&mut self, now: Millis, aging_ms: u64) -> Option<(T, Slot)> {
        if self.busy >= self.slots {
            return None;
        }
        let lane = self.lane_shares.least()?;
        let queue = &mut self.lanes[lane as usize];
        let tenant = queue.shares.least()?;
        let item = queue.queues.get_mut(&tenant)?.pop(now, aging_ms)?;
        self.waiting -= 1;
        let charged = item.cost.unwrap_or(self.mean_ms).max(1);
        self.charge(lane, tenant, signed(charged));
        self.after_removal(lane, tenant);
        self.busy += 1;
        Some((
            item.id,
            Slot {
                lane,
                tenant,
                since: now,
                charged,
                by_time: item.cost.is_none(),
            },
        ))
    }

    /// A slot that is taken already, by what was adopted after a restart.
    pub(crate) fn occupy(&mut self, lane: Lane, tenant: AccountId, since: Millis) -> Slot {
        self.busy += 1;
        Slot {
            lane,
            tenant,
            since,
            charged: 0,
            by_time: true,
        }
    }

    /// What has the slot has cost `cost` so far: more than was charged is charged now.
    pub(crate) fn progress(&mut self, slot: &mut Slot, cost: u64) {
        if !slot.by_time && cost > slot.charged {
            self.charge(slot.lane, slot.tenant, signed(cost - slot.charged));
            slot.charged = cost;
        }
    }

    /// Takes a slot back; its estimate is corrected to `cost`, or to the time it was had.
    pub(crate) fn release(&mut self, slot: Slot, cost: u64, now: Millis) {
        let had_ms = slot.held_ms(now);
        let cost = if slot.by_time { had_ms } else { cost }.max(1);
        self.charge(slot.lane, slot.tenant, signed(cost) - signed(slot.charged));
        self.mean_ms = (self.mean_ms * 7 + had_ms).div_ceil(8).max(1);
        self.busy -= 1;
        if self.is_idle() {
            // Nobody waits and nobody is served: old debts would hurt somebody later
            // without having helped anybody.
            *self = Self {
                mean_ms: self.mean_ms,
                ..Self::new(self.slots)
            };
        }
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.busy == 0 && self.waiting == 0
    }

    pub(crate) fn waiting(&self) -> usize {
        self.waiting
    }

    pub(crate) fn busy(&self) -> u32 {
        self.busy
    }

    pub(crate) fn slots(&self) -> u32 {
        self.slots
    }

    /// How many wait, by lane and tenant.
    pub(crate) fn waiting_by(&self) -> impl Iterator<Item = (Lane, AccountId, usize)> {
        let lanes = LANES.into_iter().zip(&self.lanes);
        lanes.flat_map(|(lane, queue)| {
            let queues = queue.queues.iter();
            queues.map(move |(tenant, queue)| (lane, *tenant, queue.len()))
        })
    }

    pub(crate) fn waiting_of(&self, tenant: AccountId) -> usize {
        self.lanes
            .iter()
            .filter_map(|lane| lane.queues.get(&tenant))
            .map(TenantQueue::len)
            .sum()
    }

    /// A guess at when `waiting` items have had their slot: 100 ms to a minute.
    pub(crate) fn retry_after_ms(&self, waiting: usize) -> u64 {
        let rounds = (waiting as u64).div_ceil(u64::from(self.slots.max(1)));
        rounds.saturating_mul(self.mean_ms).clamp(100, 60_000)
    }

    fn charge(&mut self, lane: Lane, tenant: AccountId, amount: i64) {
        self.lane_shares
            .charge(lane, amount.saturating_mul(stretch(lane)));
        self.lanes[lane as usize].shares.charge(tenant, amount);
    }

    fn after_removal(&mut self, lane: Lane, tenant: AccountId) {
        let queue = &mut self.lanes[lane as usize];
        if queue
            .queues
            .get(&tenant)
            .is_some_and(|queue| queue.len() == 0)
        {
            queue.queues.remove(&tenant);
            queue.shares.leave(tenant);
        }
        if queue.queues.is_empty() {
            self.lane_shares.leave(lane);
        }
    }
}

fn signed(amount: u64) -> i64 {
    i64::try_from(amount).unwrap_or(i64::MAX)
}
