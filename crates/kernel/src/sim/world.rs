//! A shell, its disk, launcher, drivers and clients, all made of chance.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{
    model::{Check, Model, Told, ensure},
    random::Random,
    tamper::Tamper,
};
use crate::{
    Answer, Barrier, BodyDigest, CallId, Class, Date, Effect, Event, Fact, Finish, Incarnation,
    InstanceUid, Kernel, Kind, Limits, Millis, Name, Now, Outcome, Parts, Profile, Refusal,
    Release, Snapshot, Step, Ticket, TurnId, Usage,
};

/// One history.
pub(super) struct World {
    pub(super) random: Random,
    pub(super) tamper: Tamper,
    pub(super) kernel: Kernel,
    pub(super) limits: Limits,
    pub(super) now: Millis,
    /// How far the wall clock is ahead of the kernel's time. It steps, and nothing follows from that.
    pub(super) ahead: u64,
    /// What was recorded, what the operating system has of it, and what the disk has.
    pub(super) journal: Vec<Fact>,
    pub(super) written: usize,
    pub(super) durable: usize,
    /// Effects that wait for their barrier, with the length the journal had.
    pub(super) pending: VecDeque<(usize, Release)>,
    pub(super) snapshot: Option<(usize, Snapshot)>,
    pub(super) model: Model,
    pub(super) told: Told,
    /// Replies that left, with what must survive for them.
    pub(super) replies: Vec<(CallId, Answer, Class)>,
    pub(super) workers: BTreeMap<(TurnId, Incarnation), Worker>,
    /// The newest incarnation that a process was started with, for ever.
    started: BTreeMap<InstanceUid, Incarnation>,
    pub(super) drivers: BTreeMap<CallId, Driver>,
    pub(super) driven: BTreeSet<CallId>,
    /// What calls of devices were made.
    asked: BTreeMap<Ticket, BodyDigest>,
    /// Devices that are being brought into their safe states.
    pub(super) safe: BTreeMap<Name, Parts>,
    /// Workers that were to be killed.
    doomed: BTreeSet<(TurnId, Incarnation)>,
    /// How often an effect ran, by instance and key, and how often it was certainly undone.
    pub(super) key_runs: BTreeMap<(InstanceUid, String), (u32, u32)>,
    pub(super) keys: BTreeMap<CallId, (InstanceUid, String)>,
    /// Turns that run again, with the call up to which what may be done twice was given up.
    evicted: BTreeMap<TurnId, CallId>,
    pub(super) next_ticket: u64,
    pub(super) agents: BTreeMap<(Name, Name), Profile>,
    pub(super) desired: BTreeMap<InstanceUid, Profile>,
    /// Tokens in an hour, by API key.
    pub(super) budgets: BTreeMap<Name, u64>,
    pub(super) crashes: u32,
    pub(super) draining: bool,
}

pub(super) struct Worker {
    pub(super) at_gate: bool,
    pub(super) running: bool,
    pub(super) killed: bool,
    /// Does nothing any more, not even end.
    pub(super) hangs: bool,
}

pub(super) struct Driver {
    pub(super) kind: Kind,
    pub(super) reserve: u64,
    pub(super) told: bool,
    pub(super) hangs: bool,
}

impl World {
    pub(super) fn new(seed: u64, tamper: Tamper, limits: Limits) -> Self {
        Self {
            random: Random::new(seed),
            tamper,
            kernel: Kernel::new(limits.clone()),
            limits,
            now: Millis(1_700_000_000_000),
            ahead: 0,
            journal: Vec::new(),
            written: 0,
            durable: 0,
            pending: VecDeque::new(),
            snapshot: None,
            model: Model::default(),
            told: Told::default(),
            replies: Vec::new(),
            workers: BTreeMap::new(),
            started: BTreeMap::new(),
            drivers: BTreeMap::new(),
            driven: BTreeSet::new(),
            asked: BTreeMap::new(),
            safe: BTreeMap::new(),
            doomed: BTreeSet::new(),
            key_runs: BTreeMap::new(),
            keys: BTreeMap::new(),
            evicted: BTreeMap::new(),
            next_ticket: 1,
            agents: BTreeMap::new(),
            desired: BTreeMap::new(),
            budgets: BTreeMap::new(),
            crashes: 0,
            draining: false,
        }
    }

    /// Hands an event to the kernel and judges the step.
    pub(super) fn feed(&mut self, event: Event) -> Check {
        let now = Now {
            at: self.now,
            date: Date(self.now.0 + self.ahead),
        };
        if let Event::Call(call) = &event
            && call.kind.moves_a_device()
        {
            self.asked.insert(call.ticket, call.body.digest);
        }
        self.tamper.before(&mut self.kernel);
        let mut step = self.kernel.handle(event, now);
        self.tamper.step(&mut step, self.kernel.state());
        for fact in &step.facts {
            self.model.fact(fact)?;
            if let Fact::CallStarted {
                call,
                turn,
                key: Some(key),
                kind,
                ..
            } = fact
                && kind.class() != Class::Observe
                && let Some(turn) = self.model.turns.get(turn)
            {
                self.keys
                    .insert(*call, (turn.instance, key.as_str().to_owned()));
            }
            if let Fact::CallEnded {
                call,
                outcome: Outcome::Interrupted,
                ..
            } = fact
                && let Some(key) = self.keys.get(call)
            {
                self.key_runs.entry(key.clone()).or_default().1 += 1;
            }
            // What was perhaps said may be said again.
            if let Fact::CallEnded {
                call,
                outcome: Outcome::Unknown,
                ..
            } = fact
                && let Some(row) = self.model.calls.get(call)
                && row.kind == Kind::AgentMessage
                && let Some(key) = self.keys.get(call)
                && let Some((runs, undone)) = self.key_runs.get_mut(key)
            {
                *undone = *runs;
            }
            if let Fact::TurnEvicted { turn, .. } | Fact::TurnParked { turn, .. } = fact {
                let last = self.model.calls.last_key_value();
                self.evicted
                    .insert(*turn, last.map_or(CallId(0), |it| *it.0));
            }
            if let Fact::TurnEvicted { turn, .. } | Fact::TurnParked { turn, .. } = fact
                && let Some(row) = self.model.turns.get(turn)
            {
                ensure!(
                    self.model.is_replayable(*turn),
                    "turn {turn} of {} runs again and cannot tell what it did",
                    row.instance
                );
            }
        }
        self.give_up_what_may_be_done_again();
        for release in &step.effects {
            self.model.effect(release, &mut self.told)?;
            if let Effect::Reply {
                ticket,
                answer: Answer::Refused(Refusal::Guarded { why, .. }),
                ..
            } = &release.effect
                && let Some(digest) = self.asked.get(ticket)
            {
                self.model.town.rate_is_full(*digest, why, self.now)?;
            }
        }
        self.model.town.dogs.agree(self.kernel.state())?;
        let Step { facts, effects } = step;
        self.journal.extend(facts);
        let length = self.journal.len();
        self.pending
            .extend(effects.into_iter().map(|release| (length, release)));
        super::standing::check(&self.kernel, self.now)?;
        if self.random.chance(70) {
            self.write()?;
        }
        if self.random.chance(40) {
            self.sync()?;
        }
        Ok(())
    }

    /// What a turn that runs again may do twice: messages, completions with an end that nobody knows, what was not done.
    fn give_up_what_may_be_done_again(&mut self) {
        for (call, key) in &self.keys {
            let Some(row) = self.model.calls.get(call) else {
                continue;
            };
            let given_up = self.evicted.get(&row.turn).is_some_and(|last| call <= last);
            let again = matches!(
                (&row.ended, row.kind),
                (Some(_), Kind::AgentMessage)
                    | (
                        Some((Outcome::Unknown, ..)),
                        Kind::ModelChat | Kind::ModelEmbed
                    )
                    | (
                        Some((Outcome::Cancelled { .. } | Outcome::DeadlineExceeded, ..)),
                        _
                    )
            );
            if given_up
                && again
                && let Some((runs, undone)) = self.key_runs.get_mut(key)
            {
                *undone = *runs;
            }
        }
    }

    pub(super) fn ticket(&mut self) -> Ticket {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        self.told.open(ticket);
        ticket
    }

    pub(super) fn write(&mut self) -> Check {
        self.written = self.journal.len();
        self.release()
    }

    pub(super) fn sync(&mut self) -> Check {
        self.written = self.journal.len();
        self.durable = self.written;
        if self.random.chance(10) {
            self.snapshot = Some((self.durable, self.kernel.snapshot()));
        }
        self.release()
    }

    /// Does what has its barrier behind it; the rest keeps waiting.
    fn release(&mut self) -> Check {
        let mut waiting = VecDeque::new();
        for (length, release) in std::mem::take(&mut self.pending) {
            let reached = match release.barrier {
                Barrier::None => true,
                Barrier::Written => self.written >= length,
                Barrier::Durable => self.durable >= length,
            };
            if reached {
                self.perform(release.effect)?;
            } else {
                waiting.push_back((length, release));
            }
        }
        self.pending = waiting;
        Ok(())
    }

    fn perform(&mut self, effect: Effect) -> Check {
        match effect {
            Effect::Reply { call, answer, .. } => {
                let kind = self.model.calls.get(&call).map(|row| row.kind);
                let class = match &answer {
                    Answer::Outcome { .. } => kind.map_or(Class::Observe, Kind::class),
                    Answer::Refused(_) => Class::Observe,
                };
                self.replies.push((call, answer, class));
            }
            Effect::Drive { call, kind, .. } => {
                let reserve = self.model.calls.get(&call).map_or(0, |row| row.reserve);
                let driver = Driver {
                    kind,
                    reserve,
                    told: false,
                    hangs: self.random.chance(8),
                };
                self.driven.insert(call);
                ensure!(
                    self.drivers.insert(call, driver).is_none(),
                    "call {call} runs twice"
                );
                if let Some(key) = self.keys.get(&call) {
                    let (runs, undone) = self.key_runs.entry(key.clone()).or_default();
                    *runs += 1;
                    ensure!(*runs <= *undone + 1, "the effect of key {key:?} ran again");
                }
            }
            Effect::SafeState { device, parts, .. } => {
                ensure!(
                    self.safe.insert(device.clone(), parts).is_none(),
                    "{device} is made safe twice at once"
                );
            }
            Effect::CancelDriver { call, .. } => {
                ensure!(
                    self.driven.contains(&call),
                    "call {call} is told to stop before it starts"
                );
                if let Some(driver) = self.drivers.get_mut(&call) {
                    driver.told = true;
                }
            }
            Effect::AbortDriver { call } => {
                ensure!(
                    self.driven.contains(&call),
                    "call {call} is given up before it starts"
                );
                self.drivers.remove(&call);
            }
            Effect::StartWorker {
                turn,
                instance,
                incarnation,
            } => {
                let last = self.started.insert(instance, incarnation);
                ensure!(
                    last < Some(incarnation),
                    "two processes of {instance} with key {incarnation}"
                );
                let doomed = self.doomed.contains(&(turn, incarnation));
                ensure!(
                    !doomed,
                    "the worker of turn {turn} is killed before it starts"
                );
                let hangs = self.random.chance(5);
                let worker = Worker {
                    at_gate: false,
                    running: false,
                    killed: false,
                    hangs,
                };
                self.workers.insert((turn, incarnation), worker);
            }
            Effect::OpenGate { turn, incarnation } => {
                if let Some(worker) = self.workers.get_mut(&(turn, incarnation)) {
                    ensure!(worker.at_gate, "a gate opened before the sandbox stood");
                    worker.running = true;
                }
            }
            Effect::KillWorker { turn, incarnation } => {
                self.doomed.insert((turn, incarnation));
                if let Some(worker) = self.workers.get_mut(&(turn, incarnation)) {
                    worker.killed = true;
                }
            }
            Effect::InstanceRemoved { instance } => {
                self.key_runs.retain(|(owner, _), _| *owner != instance);
            }
            Effect::TurnAccepted { .. }
            | Effect::ApprovalAsked { .. }
            | Effect::ApprovalClosed { .. }
            | Effect::QuestionAnswered { .. }
            | Effect::AnswerTaken { .. }
            | Effect::InvokeRefused { .. }
            | Effect::TurnDone { .. } => {}
        }
        Ok(())
    }

    /// A driver's end, remembered to compare with what is charged.
    pub(super) fn finish(&mut self, call: CallId, finish: Finish, usage: Usage) -> Check {
        let before = self
            .model
            .calls
            .get(&call)
            .is_some_and(|row| row.ended.is_none());
        self.feed(Event::Finished {
            call,
            finish: finish.clone(),
            usage,
        })?;
        let ended = self
            .model
            .calls
            .get(&call)
            .and_then(|row| row.ended.clone());
        if before && let Some((outcome, charged, _)) = ended {
            let expected = outcome != Outcome::Unknown;
            let said = match finish {
                Finish::Ok { .. } => matches!(outcome, Outcome::Ok { .. }),
                Finish::Failed(_) => matches!(outcome, Outcome::Failed(_)),
                Finish::Unknown => matches!(outcome, Outcome::Unknown),
                Finish::Stopped => !matches!(
                    outcome,
                    Outcome::Ok { .. } | Outcome::Failed(_) | Outcome::Unknown
                ),
            };
            ensure!(
                said,
                "call {call}: its driver said {finish:?}, recorded {outcome:?}"
            );
            ensure!(
                !expected || charged == usage,
                "call {call} used {usage:?}, charged {charged:?}"
            );
        }
        Ok(())
    }
}
