//! Who holds what. Pure: the time is given.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    time::Duration,
};

use aion_abi::external::{End, Registration, Run, UNHEARD_MS};
use aion_sandbox::protocol::{ExitStatus, Exited, WorkerId};
use tokio::time::Instant;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{LEASE, Offer};

/// Programs of one agent at most.
const OF_AGENT: usize = 32;
/// Programs of one agent at most that one key registers: it leaves room for those of others.
const OF_KEY: usize = 8;
/// Programs of a node at most.
const OF_NODE: usize = 1_024;
/// How long what was given may not be named before its answer counts as lost on the way.
const UNHEARD: Duration = Duration::from_millis(UNHEARD_MS);

/// There are as many as may be.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full(pub(super) String);

#[derive(Default)]
pub(super) struct Table {
    /// By `namespace/name`.
    agents: HashMap<String, Agent>,
    runs: BTreeMap<Run, Held>,
}

/// An agent that has a program, or a run that waits for one.
#[derive(Default)]
struct Agent {
    programs: HashMap<String, Program>,
    /// What is offered, in order; some of it may be gone.
    offered: VecDeque<Run>,
}

struct Program {
    /// Last.
    heard: Instant,
    /// It is given what it begins itself alone.
    own: bool,
    /// The id of the key that registered it.
    key: Option<String>,
}

struct Held {
    offer: Offer,
    /// `None` where an earlier daemon gave it away.
    boot: Option<Zeroizing<Vec<u8>>>,
    state: State,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// Behind its gate.
    Shut,
    /// For whoever asks first.
    Offered,
    /// A program has it since then, and has named it or not.
    Given {
        to: String,
        at: Instant,
        named: bool,
    },
    /// A program has it, and which is not known here.
    Sought { since: Instant },
}

impl Held {
    fn is_of(&self, agent: &str, program: &str) -> bool {
        self.offer.agent == agent && matches!(&self.state, State::Given { to, .. } if to == program)
    }

    fn is_for(&self, program: &str, own: bool) -> bool {
        match &self.offer.to {
            Some(to) => to == program,
            None => !own,
        }
    }

    fn ended(self, status: ExitStatus) -> Exited {
        Exited::of(self.offer.id, status)
    }
}

impl Table {
    pub(super) fn is_connected(&self, agent: &str) -> bool {
        self.agents
            .get(agent)
            .is_some_and(|it| it.programs.values().any(|it| !it.own))
    }

    /// Whether there is one that a run can be given to: this one, or any.
    pub(super) fn reaches(&self, agent: &str, to: Option<&str>) -> bool {
        match to {
            Some(program) => self.knows(agent, program),
            None => self.is_connected(agent),
        }
    }

    pub(super) fn knows(&self, agent: &str, program: &str) -> bool {
        self.agents
            .get(agent)
            .is_some_and(|it| it.programs.contains_key(program))
    }

    /// The program's name from now on, what of what it holds it is to leave, and what ended with it.
    pub(super) fn register(
        &mut self,
        agent: &str,
        registration: &Registration,
        key: Option<&str>,
        now: Instant,
    ) -> Result<(String, Vec<Run>, Vec<Exited>), Full> {
        let again = registration.program.as_deref();
        let again = again.filter(|program| self.knows(agent, program));
        if let Some(program) = again.map(str::to_owned) {
            // It was started anew: what it named before, and does not hold, nobody works on.
            let left = |held: &Held| {
                held.is_of(agent, &program)
                    && matches!(held.state, State::Given { named: true, .. })
                    && !registration.holds.contains(&held.offer.run)
            };
            let lost = self.lost(left);
            let heard = self.hear(agent, &program, &registration.holds, now);
            let stop = heard.map(|(stop, _)| stop).unwrap_or_default();
            return Ok((program, stop, lost));
        }
        let on_node: usize = self.agents.values().map(|it| it.programs.len()).sum();
        if on_node >= OF_NODE {
            return Err(Full(format!(
                "{OF_NODE} programs are registered on this node, as many as may be"
            )));
        }
        let programs = &mut self.agents.entry(agent.to_owned()).or_default().programs;
        if programs.len() >= OF_AGENT {
            return Err(Full(format!(
                "{OF_AGENT} programs are registered for {agent}, as many as may be"
            )));
        }
        let of_key = programs.values().filter(|it| it.key.as_deref() == key);
        if key.is_some() && of_key.count() >= OF_KEY {
            return Err(Full(format!(
                "{OF_KEY} programs are registered for {agent} by this key, as many as may be"
            )));
        }
        let made = || Uuid::new_v4().simple().to_string();
        let program = registration.program.clone().unwrap_or_else(made);
        let made = Program {
            heard: now,
            own: registration.own,
            key: key.map(str::to_owned),
        };
        programs.insert(program.clone(), made);
        self.claim(agent, &program, &registration.holds, now);
        let stop = self.not_held(agent, &program, &registration.holds);
        Ok((program, stop, Vec::new()))
    }

    /// Gives it what it holds and an earlier daemon gave it.
    fn claim(&mut self, agent: &str, program: &str, holds: &[Run], now: Instant) {
        for run in holds {
            if let Some(held) = self.runs.get_mut(run)
                && held.offer.agent == agent
                && matches!(held.state, State::Sought { .. })
            {
                held.state = State::Given {
                    to: program.to_owned(),
                    at: now,
                    named: true,
                };
            }
        }
    }

    /// What of what it names it is to leave, and whether something is offered again; `None` where nobody knows it.
    pub(super) fn hear(
        &mut self,
        agent: &str,
        program: &str,
        holds: &[Run],
        now: Instant,
    ) -> Option<(Vec<Run>, bool)> {
        let its = self.agents.get_mut(agent)?.programs.get_mut(program)?;
        its.heard = now;
        self.claim(agent, program, holds, now);
        let its = self.agents.get_mut(agent)?;
        let mut again = false;
        for (run, held) in &mut self.runs {
            if !held.is_of(agent, program) {
                continue;
            }
            let State::Given { at, named, .. } = &mut held.state else {
                continue;
            };
            *named |= holds.contains(run);
            // The answer was lost on its way: it never had it. What it once named is not given again, whatever a later or
            // an older message lacks.
            if !*named && held.boot.is_some() && now - *at >= UNHEARD {
                held.state = State::Offered;
                its.offered.push_front(*run);
                again = true;
            }
        }
        Some((self.not_held(agent, program, holds), again))
    }

    fn not_held(&self, agent: &str, program: &str, holds: &[Run]) -> Vec<Run> {
        let is_held = |run: &&Run| {
            self.runs
                .get(run)
                .is_some_and(|it| it.is_of(agent, program))
        };
        holds.iter().filter(|run| !is_held(run)).copied().collect()
    }

    /// Gives it what is offered first.
    pub(super) fn take(
        &mut self,
        agent: &str,
        program: &str,
        now: Instant,
    ) -> Option<Zeroizing<Vec<u8>>> {
        let (its, runs) = (self.agents.get_mut(agent)?, &mut self.runs);
        let own = its.programs.get(program)?.own;
        let held = |run: &Run| runs.get(run).filter(|it| it.state == State::Offered);
        its.offered.retain(|run| held(run).is_some());
        let is_its = |run: &Run| held(run).is_some_and(|it| it.is_for(program, own));
        let at = its.offered.iter().position(is_its)?;
        let held = runs.get_mut(&its.offered.remove(at)?)?;
        let boot = held.boot.clone()?;
        held.state = State::Given {
            to: program.to_owned(),
            at: now,
            named: false,
        };
        Some(boot)
    }

    pub(super) fn end(&mut self, agent: &str, program: &str, end: &End) -> Option<Exited> {
        self.runs
            .get(&end.run)
            .filter(|it| it.is_of(agent, program))?;
        let held = self.runs.remove(&end.run)?;
        Some(held.ended(ExitStatus::Code(end.code)))
    }

    /// What ends with it; `None` where nobody knows it.
    pub(super) fn leave(&mut self, agent: &str, program: &str) -> Option<Vec<Exited>> {
        self.agents.get_mut(agent)?.programs.remove(program)?;
        let mut ended = self.lost(|held| held.is_of(agent, program));
        ended.extend(self.abandoned(agent));
        Some(ended)
    }

    /// Whoever asks has the run's key, so its answer came.
    pub(super) fn holds(&mut self, agent: &str, program: &str, run: Run) -> bool {
        let held = self.runs.get_mut(&run);
        let Some(held) = held.filter(|it| it.is_of(agent, program)) else {
            return false;
        };
        if let State::Given { named, .. } = &mut held.state {
            *named = true;
        }
        true
    }

    /// Whether there is a program to give it to.
    pub(super) fn offer(&mut self, offer: Offer, boot: Zeroizing<Vec<u8>>) -> bool {
        let reaches = self.reaches(&offer.agent, offer.to.as_deref());
        if reaches {
            let (boot, state) = (Some(boot), State::Shut);
            self.runs.insert(offer.run, Held { offer, boot, state });
        }
        reaches
    }

    pub(super) fn adopt(&mut self, offer: Offer, now: Instant) {
        let (boot, state) = (None, State::Sought { since: now });
        self.runs.insert(offer.run, Held { offer, boot, state });
    }

    pub(super) fn open(&mut self, id: &WorkerId) {
        let mut runs = self.runs.iter_mut();
        if let Some((run, held)) =
            runs.find(|(_, it)| it.offer.id == *id && it.state == State::Shut)
        {
            held.state = State::Offered;
            let its = self.agents.entry(held.offer.agent.clone()).or_default();
            its.offered.push_back(*run);
        }
    }

    pub(super) fn kill(&mut self, id: &WorkerId) -> Option<Exited> {
        let run = self.runs.iter().find(|(_, it)| it.offer.id == *id);
        let run = run.map(|(run, _)| *run)?;
        let held = self.runs.remove(&run)?;
        Some(held.ended(ExitStatus::Signal(9)))
    }

    /// When the next one that is not heard meanwhile has lost what it holds.
    pub(super) fn next_lapse(&self) -> Option<Instant> {
        let programs = self.agents.values().flat_map(|it| it.programs.values());
        let programs = programs.map(|it| &it.heard);
        let sought = self.runs.values().filter_map(|held| match &held.state {
            State::Sought { since } => Some(since),
            _ => None,
        });
        programs.chain(sought).min().map(|it| *it + LEASE)
    }

    /// What ended because nobody was heard, and the agents that have no program any more.
    pub(super) fn lapse(&mut self, now: Instant) -> (Vec<Exited>, Vec<String>) {
        let lapsed = |heard: &Instant| now.duration_since(*heard) >= LEASE;
        let mut ended =
            self.lost(|held| matches!(&held.state, State::Sought { since } if lapsed(since)));
        let all: Vec<String> = self.agents.keys().cloned().collect();
        let mut without = all.clone();
        without.retain(|agent| self.is_connected(agent));
        let mut gone = Vec::new();
        for (agent, its) in &mut self.agents {
            its.programs.retain(|program, it| {
                let goes = lapsed(&it.heard);
                if goes {
                    gone.push((agent.clone(), program.clone()));
                }
                !goes
            });
        }
        for (agent, program) in &gone {
            ended.extend(self.lost(|held| held.is_of(agent, program)));
        }
        for agent in &all {
            ended.extend(self.abandoned(agent));
        }
        without.retain(|agent| !self.is_connected(agent));
        (ended, without)
    }

    /// Nobody knows what became of these.
    fn lost(&mut self, is_lost: impl Fn(&Held) -> bool) -> Vec<Exited> {
        let lost = self.runs.extract_if(.., |_, held| is_lost(held));
        lost.map(|(_, held)| held.ended(ExitStatus::Unknown))
            .collect()
    }

    /// What of an agent has no program any more that it could be given to: nothing of it was begun, so it may run again.
    fn abandoned(&mut self, agent: &str) -> Vec<Exited> {
        let its = self.agents.get(agent);
        if its.is_some_and(|it| it.programs.is_empty()) {
            self.agents.remove(agent);
        }
        let is_connected = self.is_connected(agent);
        let its = self.agents.get(agent);
        let reaches = |to: &Option<String>| match to {
            Some(to) => its.is_some_and(|it| it.programs.contains_key(to)),
            None => is_connected,
        };
        let waits = |held: &Held| {
            held.offer.agent == agent
                && matches!(held.state, State::Shut | State::Offered)
                && !reaches(&held.offer.to)
        };
        let waiting = self.runs.extract_if(.., |_, held| waits(held));
        waiting
            .map(|(_, held)| held.ended(ExitStatus::Evicted))
            .collect()
    }
}
