//! The ended turns that are kept: which there are, whose, and which of them go.
//!
//! What is asked here costs what is asked for and not what is at rest: how many turns an agent has, who is the
//! oldest and what all weigh is known at any time. What may not enter: files.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use aion_kernel::TurnId;
use uuid::Uuid;

use super::folder::Name;

/// Ended turns kept of one agent.
const PER_AGENT: usize = 50;
/// How long one is kept, in milliseconds: 30 days.
const MAX_AGE_MS: u64 = 30 * 24 * 3_600_000;
/// Bytes of all ended turns together.
const MAX_BYTES: u64 = 2 << 30;
/// The newest turn of an agent stays whatever all weigh, where it has no more bytes than this.
const SMALL: u64 = 1 << 20;
/// A larger one stays so long after its end, in milliseconds: time to fetch its files.
const FETCHED_MS: u64 = 3_600_000;

/// An ended turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) folder: Name,
    pub(super) agent: Arc<str>,
    /// When it ended.
    pub(super) at_ms: u64,
    pub(super) bytes: u64,
    /// Of its question.
    pub(super) nonce: Option<Uuid>,
    /// CPU time of its workers, in milliseconds.
    pub(super) cpu_ms: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Kept {
    turns: BTreeMap<TurnId, Ended>,
    agents: HashMap<Arc<str>, OfAgent>,
    /// CPU time by tenant, of those that have used any.
    tenants: HashMap<Box<str>, u64>,
    bytes: u64,
    /// Agents that have more than they may.
    crowded: Vec<Arc<str>>,
}

#[derive(Debug, Default)]
struct OfAgent {
    turns: BTreeSet<TurnId>,
    bytes: u64,
    cpu_ms: u64,
}

impl Kept {
    pub(super) fn insert(&mut self, turn: TurnId, mut ended: Ended) {
        self.remove(turn);
        if let Some((agent, _)) = self.agents.get_key_value(&ended.agent) {
            ended.agent = Arc::clone(agent);
        }
        let agent = Arc::clone(&ended.agent);
        let of_agent = self.agents.entry(Arc::clone(&agent)).or_default();
        of_agent.turns.insert(turn);
        of_agent.bytes += ended.bytes;
        of_agent.cpu_ms += ended.cpu_ms;
        if of_agent.turns.len() > PER_AGENT {
            self.crowded.push(agent);
        }
        if ended.cpu_ms > 0 {
            *self.tenants.entry(tenant(&ended.agent).into()).or_default() += ended.cpu_ms;
        }
        self.bytes += ended.bytes;
        self.turns.insert(turn, ended);
    }

    pub(super) fn remove(&mut self, turn: TurnId) -> Option<Ended> {
        let ended = self.turns.remove(&turn)?;
        self.bytes -= ended.bytes;
        let of_tenant = tenant(&ended.agent);
        if let Some(cpu_ms) = self.tenants.get_mut(of_tenant) {
            *cpu_ms -= ended.cpu_ms;
            if *cpu_ms == 0 {
                self.tenants.remove(of_tenant);
            }
        }
        if let Some(of_agent) = self.agents.get_mut(&ended.agent) {
            of_agent.turns.remove(&turn);
            of_agent.bytes -= ended.bytes;
            of_agent.cpu_ms -= ended.cpu_ms;
            if of_agent.turns.is_empty() {
                self.agents.remove(&ended.agent);
            }
        }
        Some(ended)
    }

    pub(super) fn get(&self, turn: TurnId) -> Option<&Ended> {
        self.turns.get(&turn)
    }

    /// Those of an agent, newest first.
    pub(super) fn of_agent(&self, agent: &str) -> impl Iterator<Item = TurnId> + use<'_> {
        let of_agent = self.agents.get(agent);
        of_agent
            .into_iter()
            .flat_map(|it| it.turns.iter().rev().copied())
    }

    /// CPU time of an agent's turns, in milliseconds.
    pub(super) fn cpu_ms(&self, agent: &str) -> u64 {
        self.agents.get(agent).map_or(0, |it| it.cpu_ms)
    }

    /// The same of all agents of a tenant.
    pub(super) fn tenant_cpu_ms(&self, tenant: &str) -> u64 {
        self.tenants.get(tenant).copied().unwrap_or_default()
    }

    /// Takes out those that go: what an agent has beyond its number, what is too old, and where all weigh too
    /// much the oldest of the agent that weighs most, of the tenant that does. What is `needed` stays.
    pub(super) fn take_superfluous(&mut self, now_ms: u64, needed: &HashSet<TurnId>) -> Vec<Ended> {
        let mut gone = Vec::new();
        for agent in std::mem::take(&mut self.crowded) {
            while let Some(of_agent) = self.agents.get(&agent)
                && of_agent.turns.len() > PER_AGENT
            {
                let Some(oldest) = oldest(of_agent, needed) else {
                    // What is needed now goes later.
                    self.crowded.push(agent);
                    break;
                };
                gone.extend(self.remove(oldest));
            }
        }
        let old = |ended: &Ended| now_ms.saturating_sub(ended.at_ms) > MAX_AGE_MS;
        let past = self.turns.iter().take_while(|(_, ended)| old(ended));
        let past = past.filter(|(turn, _)| !needed.contains(*turn));
        for turn in past.map(|(turn, _)| *turn).collect::<Vec<_>>() {
            gone.extend(self.remove(turn));
        }
        while self.bytes > MAX_BYTES
            && let Some(turn) = self.heaviest(now_ms, needed)
        {
            gone.extend(self.remove(turn));
        }
        gone
    }

    fn heaviest(&self, now_ms: u64, needed: &HashSet<TurnId>) -> Option<TurnId> {
        let mut tenants: HashMap<&str, u64> = HashMap::new();
        for (agent, of_agent) in &self.agents {
            *tenants.entry(tenant(agent)).or_default() += of_agent.bytes;
        }
        let given = self.agents.iter().filter_map(|(agent, of_agent)| {
            let turn = self.dispensable(of_agent, now_ms, needed)?;
            Some((tenants.get(tenant(agent)), of_agent.bytes, turn))
        });
        given.max().map(|(_, _, turn)| turn)
    }

    /// The oldest of an agent's turns, unless it is its newest and must stay.
    fn dispensable(
        &self,
        of_agent: &OfAgent,
        now_ms: u64,
        needed: &HashSet<TurnId>,
    ) -> Option<TurnId> {
        let oldest = oldest(of_agent, needed)?;
        let ended = self.turns.get(&oldest)?;
        let newest = of_agent.turns.len() == 1;
        let fresh = now_ms.saturating_sub(ended.at_ms) < FETCHED_MS;
        (!newest || (ended.bytes > SMALL && !fresh)).then_some(oldest)
    }
}

/// The oldest turn of an agent that is not needed.
fn oldest(of_agent: &OfAgent, needed: &HashSet<TurnId>) -> Option<TurnId> {
    let mut turns = of_agent.turns.iter();
    turns.find(|turn| !needed.contains(*turn)).copied()
}

/// The tenant of `namespace/agent`.
fn tenant(agent: &str) -> &str {
    agent.split_once('/').map_or(agent, |(tenant, _)| tenant)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const LATER: u64 = 2 * FETCHED_MS;

    fn name(turn: u64) -> Name {
        Name::of(aion_kernel::BodyDigest([turn as u8; 32]))
    }

    fn kept(turns: &[(u64, &str, u64)]) -> Kept {
        let mut kept = Kept::default();
        for &(turn, agent, bytes) in turns {
            let ended = Ended {
                folder: name(turn),
                agent: agent.into(),
                at_ms: 1_000,
                bytes,
                nonce: None,
                cpu_ms: turn,
            };
            kept.insert(TurnId(turn), ended);
        }
        kept
    }

    fn gone(kept: &mut Kept, now_ms: u64) -> Vec<u64> {
        gone_but(kept, now_ms, &[])
    }

    fn gone_but(kept: &mut Kept, now_ms: u64, needed: &[u64]) -> Vec<u64> {
        let needed = needed.iter().map(|turn| TurnId(*turn)).collect();
        let gone = kept.take_superfluous(now_ms, &needed);
        let numbers = (0..200).filter(|n| gone.iter().any(|it| it.folder == name(*n)));
        numbers.collect()
    }

    #[test]
    fn the_newest_of_each_agent_stay() {
        let mut all: Vec<_> = (0..60).map(|turn| (turn, "t/a", 1)).collect();
        all.push((100, "t/b", 1));
        let mut kept = kept(&all);
        assert_eq!(gone(&mut kept, 2_000), (0..10).collect::<Vec<_>>());
        assert!(gone(&mut kept, 2_000).is_empty());
        let newest: Vec<_> = kept.of_agent("t/a").take(2).collect();
        assert_eq!(newest, [TurnId(59), TurnId(58)]);
    }

    #[test]
    fn what_a_turn_may_still_wait_for_stays_until_it_need_not() {
        let all: Vec<_> = (0..60).map(|turn| (turn, "t/a", 1)).collect();
        let mut kept = kept(&all);
        let rest: Vec<_> = (2..12).collect();
        assert_eq!(gone_but(&mut kept, 2_000, &[0, 1]), rest);
        assert!(gone_but(&mut kept, MAX_AGE_MS * 2, &(0..60).collect::<Vec<_>>()).is_empty());
        assert_eq!(gone(&mut kept, 2_000), [] as [u64; 0]);
        assert_eq!(gone(&mut kept, MAX_AGE_MS * 2).len(), 50);
    }

    #[test]
    fn what_is_too_old_goes_and_leaves_nothing_in_the_table() {
        let mut kept = kept(&[(1, "t/a", 7), (2, "t/b", 8)]);
        assert_eq!(gone(&mut kept, MAX_AGE_MS * 2), [1, 2]);
        assert_eq!((kept.bytes, kept.turns.len(), kept.agents.len()), (0, 0, 0));
        assert!(kept.tenants.is_empty());
    }

    #[test]
    fn cpu_time_is_that_of_the_turns_that_are_kept() {
        let mut kept = kept(&[(1, "t/a", 1), (2, "t/a", 1), (3, "t/b", 1), (4, "s/a", 1)]);
        assert_eq!((kept.cpu_ms("t/a"), kept.tenant_cpu_ms("t")), (3, 6));
        kept.remove(TurnId(1));
        assert_eq!((kept.cpu_ms("t/a"), kept.tenant_cpu_ms("t")), (2, 5));
        assert_eq!((kept.cpu_ms("t/c"), kept.tenant_cpu_ms("r")), (0, 0));
    }

    #[test]
    fn whoever_holds_most_gives_first() {
        let half = MAX_BYTES / 2;
        let mut kept = kept(&[
            (1, "small/a", SMALL * 2),
            (2, "large/a", half),
            (3, "large/b", SMALL),
            (4, "large/a", half),
            (5, "large/b", SMALL),
        ]);
        assert_eq!(gone(&mut kept, LATER), [2]);
        assert_eq!(kept.bytes, half + 4 * SMALL);
    }

    #[test]
    fn a_large_newest_turn_can_be_fetched_for_an_hour_and_a_small_one_stays() {
        let mut kept = kept(&[(1, "t/a", MAX_BYTES), (2, "t/b", SMALL)]);
        assert!(gone(&mut kept, 2_000).is_empty());
        assert_eq!(gone(&mut kept, LATER), [1]);
    }
}
