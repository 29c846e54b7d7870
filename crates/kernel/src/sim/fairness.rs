//! Whether the scheduler keeps the bounds that its README states.

use std::collections::BTreeMap;

use super::random::Random;
use crate::{
    AccountId, Lane, Millis,
    scheduler::{Claim, FairQueue, Slot},
};

const LANES: [Lane; 4] = [
    Lane::Realtime,
    Lane::Interactive,
    Lane::Batch,
    Lane::Background,
];

/// One resource under load. Costs are tokens or slot time; estimates are wrong.
struct Load {
    random: Random,
    queue: FairQueue<u64>,
    slots: u64,
    now: Millis,
    next: u64,
    by_time: bool,
    /// Who an item belongs to, and what it will really cost.
    items: BTreeMap<u64, (Lane, u32, u64)>,
    running: Vec<(u64, Slot)>,
    /// Real cost of all that was given a slot, by lane and tenant.
    served: BTreeMap<(Lane, u32), u64>,
    largest: u64,
}

impl Load {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let slots = 1 + random.below(5);
        let by_time = random.chance(50);
        Self {
            queue: FairQueue::new(slots as u32),
            slots,
            now: Millis(1_000),
            next: 0,
            by_time,
            items: BTreeMap::new(),
            running: Vec::new(),
            served: BTreeMap::new(),
            largest: 1 + random.below(2_000),
            random,
        }
    }

    /// `seen_as` is the tenant that the queue is told.
    fn push(&mut self, lane: Lane, tenant: u32, seen_as: u32) {
        let id = self.next;
        self.next += 1;
        let real = 1 + self.random.below(self.largest);
        let guess = 1 + self.random.below(self.largest);
        self.items.insert(id, (lane, tenant, real));
        let cost = (!self.by_time).then_some(guess);
        let attained = self.random.below(100);
        let claim = Claim {
            id,
            lane,
            tenant: AccountId(seen_as),
            attained,
            cost,
        };
        self.queue.push(claim, self.now);
    }

    /// Fills the slots, then ends something.
    fn turn(&mut self) {
        while let Some((id, slot)) = self.queue.pop(self.now, 10_000) {
            let (lane, tenant, real) = self.items[&id];
            *self.served.entry((lane, tenant)).or_default() += real;
            self.running.push((id, slot));
        }
        let at = self.random.below(self.running.len() as u64) as usize;
        let (id, slot) = self.running.swap_remove(at);
        let (_, _, real) = self.items.remove(&id).unwrap_or((Lane::Batch, 0, 1));
        if self.by_time {
            // It ends when it has had its time; the others have had as much or more.
            self.now = self.now.max(slot.since().plus(real));
        }
        self.queue.release(slot, real, self.now);
    }

    fn served(&self, lane: Lane, tenant: u32) -> u64 {
        self.served.get(&(lane, tenant)).copied().unwrap_or(0)
    }

    fn waiting(&self, lane: Lane, tenant: u32) -> usize {
        let running: Vec<_> = self.running.iter().map(|(id, _)| *id).collect();
        let waits = |(id, item): &(&u64, &(Lane, u32, u64))| {
            (item.0, item.1) == (lane, tenant) && !running.contains(id)
        };
        self.items.iter().filter(waits).count()
    }

    /// The README's bound on the difference between two backlogged tenants of a lane.
    fn bound(&self) -> u64 {
        2 * self.largest * (1 + self.slots)
    }
}

/// The largest difference in service between two backlogged tenants of one lane, and its bound.
fn gap_between_tenants(seed: u64, blind: bool) -> (u64, u64) {
    let mut load = Load::new(seed);
    load.by_time = false;
    let seen_as = |tenant| if blind { 0 } else { tenant };
    let mut gap = 0;
    for round in 0..600 {
        // Tenant 1 offers much more than tenant 2; both always have something waiting.
        while load.waiting(Lane::Interactive, 1) < 12 {
            load.push(Lane::Interactive, 1, seen_as(1));
        }
        while load.waiting(Lane::Interactive, 2) < 2 {
            load.push(Lane::Interactive, 2, seen_as(2));
        }
        if round % 3 == 0 {
            let lane = load.random.pick(&LANES).unwrap_or_default();
            let tenant = 3 + load.random.below(3) as u32;
            load.push(lane, tenant, seen_as(tenant));
        }
        load.turn();
        let (one, two) = (
            load.served(Lane::Interactive, 1),
            load.served(Lane::Interactive, 2),
        );
        gap = gap.max(one.abs_diff(two));
    }
    (gap, load.bound())
}

#[test]
fn two_backlogged_tenants_are_served_alike_within_the_bound() {
    for seed in 0..120 {
        let (gap, bound) = gap_between_tenants(seed, false);
        assert!(gap <= bound, "seed {seed}: {gap} > {bound}");
    }
    let blind = (0..120).filter(|seed| {
        let (gap, bound) = gap_between_tenants(*seed, true);
        gap > bound
    });
    assert!(
        blind.count() > 100,
        "a queue that does not know tenants would pass as well"
    );
}

#[test]
fn lanes_share_by_weight_and_none_starves() {
    const WEIGHTS: [u64; 4] = [8, 4, 2, 1];
    for seed in 0..60 {
        let mut load = Load::new(seed);
        load.by_time = false;
        for _ in 0..1_200 {
            for lane in LANES {
                while load.waiting(lane, 1) < 3 {
                    load.push(lane, 1, 1);
                }
            }
            load.turn();
            let by_weight = LANES.map(|lane| load.served(lane, 1) * 8 / WEIGHTS[lane as usize]);
            let (least, most) = (by_weight.iter().min(), by_weight.iter().max());
            let gap = most.zip(least).map_or(0, |(most, least)| most - least);
            assert!(gap <= 8 * load.bound(), "seed {seed}: {by_weight:?}");
        }
        assert!(
            LANES.iter().all(|lane| load.served(*lane, 1) > 0),
            "seed {seed}: a lane starves"
        );
    }
}

#[test]
fn slot_time_is_shared_alike_where_cost_is_time() {
    let mut load = Load::new(7);
    load.by_time = true;
    load.largest = 1_000;
    for _ in 0..3_000 {
        for (tenant, depth) in [(1, 10), (2, 1)] {
            while load.waiting(Lane::Batch, tenant) < depth {
                load.push(Lane::Batch, tenant, tenant);
            }
        }
        load.turn();
    }
    let (one, two) = (load.served(Lane::Batch, 1), load.served(Lane::Batch, 2));
    assert!(
        one.abs_diff(two) * 5 < one + two,
        "{one} and {two} are not alike"
    );
}

/// A program that has had much waits behind every newcomer, until it has aged.
#[test]
fn aging_brings_a_long_program_to_its_turn() {
    let waited = |aging_ms| {
        let mut queue = FairQueue::new(1);
        let claim = |id, attained| Claim {
            id,
            lane: Lane::Batch,
            tenant: AccountId(1),
            attained,
            cost: Some(1),
        };
        queue.push(claim(0, 1_000_000), Millis(0));
        (1..2_000_u64).find(|round| {
            let now = Millis(round * 10);
            queue.push(claim(*round, 0), now);
            let popped = queue.pop(now, aging_ms);
            popped.is_some_and(|(id, slot)| {
                queue.release(slot, 1, now);
                id == 0
            })
        })
    };
    assert_eq!(waited(u64::MAX), None, "without aging it starves");
    assert_eq!(waited(5_000), Some(501));
}
