//! Agents that call agents in simulated histories, and what must hold of it, told without the kernel's code.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    model::{Check, Model, ensure, right_of},
    world::World,
};
use crate::{
    Body, BodyDigest, CalledBy, Delegated, Fact, IdempotencyKey, InstanceUid, Kernel, Kind,
    MAX_BEGUN, MAX_DEPTH, Millis, Name, Peer, Phase, Spawn, TargetPattern, TurnId,
};

/// Who called whom, as the facts say.
#[derive(Default)]
pub(super) struct Chains {
    by: BTreeMap<TurnId, CalledBy>,
    agents: BTreeMap<TurnId, (Name, Name)>,
    deadlines: BTreeMap<TurnId, Option<Millis>>,
    keys: BTreeSet<(TurnId, IdempotencyKey)>,
}

impl Chains {
    /// The callers of a turn, from the nearest.
    fn above(&self, turn: TurnId) -> Vec<TurnId> {
        let up = |turn: &TurnId| self.by.get(turn).map(|it| it.turn);
        std::iter::successors(up(&turn), up).collect()
    }

    /// The agents whose quotas the tokens of a turn count against, besides its own.
    pub(super) fn payers(&self, turn: TurnId) -> Vec<(Name, Name)> {
        let above = self.above(turn);
        above
            .iter()
            .filter_map(|it| self.agents.get(it).cloned())
            .collect()
    }

    /// Whether a turn made the call before, and began the one that it is about: it is found, and begun by nobody's word.
    pub(super) fn is_found(&self, turn: TurnId, key: Option<&IdempotencyKey>) -> bool {
        key.is_some_and(|key| self.keys.contains(&(turn, key.clone())))
    }

    /// Whether every caller of a turn lets it make such a call.
    pub(super) fn allow(&self, turn: TurnId, kind: Kind, target: Option<&Name>) -> bool {
        let free = [
            Kind::Null,
            Kind::ModelChat,
            Kind::ModelEmbed,
            Kind::ToolList,
            Kind::DeviceList,
            Kind::AgentMessage,
            Kind::AgentCheckpoint,
            Kind::AgentWait,
            Kind::AgentCancel,
        ];
        let has = |it: &Delegated| {
            let named = match (&it.target, target) {
                (TargetPattern::Any, _) => true,
                (TargetPattern::Prefix(start), Some(it)) => it.as_str().starts_with(start.as_str()),
                (TargetPattern::Exact(name), Some(it)) => name == it,
                _ => false,
            };
            named && it.kind == right_of(kind)
        };
        let chain = std::iter::once(turn).chain(self.above(turn));
        let mut sets = chain.filter_map(|it| self.by.get(&it)?.delegated.as_ref());
        free.contains(&kind) || sets.all(|set| set.iter().any(has))
    }
}

impl Model {
    pub(super) fn is_called_by(&self, turn: TurnId, by: TurnId) -> bool {
        self.chains.by.get(&turn).is_some_and(|it| it.turn == by)
    }

    pub(super) fn called_fact(&mut self, fact: &Fact) -> Check {
        let Fact::TurnQueued {
            turn,
            instance,
            deadline,
            caller,
            ..
        } = fact
        else {
            return Ok(());
        };
        let profile = self.profile(*instance).ok_or("a turn of nobody")?;
        let agent = (profile.tenant.clone(), profile.agent.clone());
        self.chains.agents.insert(*turn, agent.clone());
        self.chains.deadlines.insert(*turn, *deadline);
        let Some(by) = caller else { return Ok(()) };
        let row = self.turns.get(&by.turn).ok_or("an unknown turn calls")?;
        ensure!(
            row.running && !row.stopping && row.ended.is_none(),
            "turn {turn} is called by one that does not run"
        );
        let call = self.calls.get(&by.call).ok_or("a turn without its call")?;
        ensure!(
            call.turn == by.turn && call.ended.is_none(),
            "turn {turn} is of a call of somebody else, or of one that ended"
        );
        ensure!(
            matches!(call.kind, Kind::AgentAsk | Kind::AgentSpawn)
                && call.target.as_ref() == Some(&agent.1)
                && call.agent.0 == agent.0,
            "turn {turn} is of an agent that its call does not name"
        );
        if let Some(key) = &by.key {
            let new = self.chains.keys.insert((by.turn, key.clone()));
            ensure!(new, "the call of key {key:?} began two turns");
        }
        let within = match (deadline, self.chains.deadlines.get(&by.turn)) {
            (own, Some(Some(callers))) => own.is_some_and(|own| own <= *callers),
            _ => true,
        };
        ensure!(within, "turn {turn} may outlive its caller");
        let begun = self.chains.by.values().filter(|it| it.turn == by.turn);
        ensure!(begun.count() < MAX_BEGUN, "a turn begins too many");
        self.chains.by.insert(*turn, by.clone());
        let chain = self.chains.payers(*turn);
        ensure!(chain.len() <= MAX_DEPTH as usize, "a chain is too long");
        ensure!(!chain.contains(&agent), "{agent:?} calls itself");
        Ok(())
    }
}

/// No turn goes on whose caller ended, and slots are lent by those that wait.
pub(super) fn check(kernel: &Kernel) -> Check {
    let Kernel { state, live, .. } = kernel;
    for (turn, row) in &state.turns {
        let Some(called) = &row.called else { continue };
        let caller = state.turns.get(&called.by);
        let over = caller.is_none_or(|it| it.stopping.is_some());
        ensure!(
            !over || row.stopping.is_some(),
            "turn {turn} goes on without its caller"
        );
    }
    for (turn, row) in live.turns.iter().filter(|(_, row)| row.lends) {
        let waits = row.calls.iter().any(|id| {
            let call = live.calls.get(id);
            let there = |it: &TurnId| state.turns.contains_key(it);
            call.is_some_and(|it| {
                it.kind.waits_for_a_turn() && it.waits_for.as_ref().is_some_and(there)
            })
        });
        ensure!(waits, "turn {turn} lends its slot and waits for nobody");
    }
    let lent = live.turns.values().filter(|row| row.lends).count();
    ensure!(live.lent as usize == lent, "{lent} slots are lent");
    nobody_waits_for_itself(kernel)
}

/// Turns are taken away that wait for none that is left: in the end that is all of them.
fn nobody_waits_for_itself(kernel: &Kernel) -> Check {
    let Kernel { state, live, .. } = kernel;
    let mut waits: BTreeMap<TurnId, BTreeSet<TurnId>> = BTreeMap::new();
    for (turn, row) in state.turns.iter().filter(|(_, it)| it.stopping.is_none()) {
        let of = waits.entry(*turn).or_default();
        let calls = live.turns.get(turn).map(|it| &it.calls);
        let calls = calls.into_iter().flatten();
        for call in calls.filter_map(|id| live.calls.get(id)) {
            if call.kind.waits_for_a_turn() && row.phase.incarnation().is_some() && !row.pausing {
                of.extend(call.waits_for);
            }
        }
        if row.phase == Phase::Queued {
            let works = state.instances.get(&row.instance).and_then(|it| it.turn);
            of.extend(works);
            let others = live.waiting_turns.get(&row.instance);
            let before = others.into_iter().flatten().take_while(|it| *it != turn);
            of.extend(before);
        }
    }
    loop {
        let left: BTreeSet<TurnId> = waits.keys().copied().collect();
        if left.is_empty() {
            return Ok(());
        }
        waits.retain(|_, of| of.iter().any(|it| left.contains(it)));
        ensure!(waits.len() < left.len(), "{waits:?} wait for each other");
    }
}

impl World {
    /// Whom a call of `turn` is about, by chance: mostly what can be.
    pub(super) fn peer(&mut self, turn: TurnId, kind: Kind) -> (Option<Name>, Option<Peer>) {
        let state = self.kernel.state();
        match kind {
            Kind::AgentAsk | Kind::AgentSpawn => {
                let all = state.instances();
                let all: Vec<(InstanceUid, Name)> =
                    all.map(|it| (it.uid, it.profile.agent.clone())).collect();
                let Some((instance, agent)) = self.random.pick(&all) else {
                    return (None, None);
                };
                let spawn = Spawn {
                    instance,
                    input: Body {
                        digest: BodyDigest([9; 32]),
                        size: 3,
                    },
                    deadline_ms: self.random.chance(20).then(|| self.random.below(90_000)),
                    delegated: self.random.chance(30).then(|| self.delegated()),
                };
                let peer = match self.random.below(40) {
                    0 => None,
                    1 => Some(Peer::Nobody),
                    _ => Some(Peer::New(spawn)),
                };
                (Some(agent), peer)
            }
            Kind::AgentWait | Kind::AgentCancel => {
                let begun = state.turn(turn).map(|row| row.begun.clone());
                let begun: Vec<TurnId> = begun.into_iter().flatten().map(|it| it.turn).collect();
                let own = self.random.pick(&begun).filter(|_| self.random.chance(90));
                let peer = own.unwrap_or_else(|| TurnId(self.random.below(20)));
                (None, Some(Peer::Begun(peer)))
            }
            _ => (None, None),
        }
    }

    fn delegated(&mut self) -> Vec<Delegated> {
        let mut to = Vec::new();
        for kind in Kind::ALL {
            let target = match self.random.below(3) {
                0 => TargetPattern::Any,
                1 => TargetPattern::parse("calendar.*"),
                _ => continue,
            };
            to.push(Delegated { kind, target });
        }
        to
    }
}
