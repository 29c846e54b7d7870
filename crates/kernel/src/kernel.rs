//! The kernel's one door: events in, facts and effects out.

use crate::{
    apply::ApplyError,
    effect::{Barrier, Effect, Release, Step},
    event::Event,
    fact::Fact,
    ids::{Date, Millis, Now},
    live::Live,
    outcome::CancelCause,
    snapshot::{NewerFormat, Snapshot},
    spec::Limits,
    state::{Phase, State, TurnRow},
    timers::Timer,
};

/// A wall clock that is off from what it was known to say by more than this has stepped, or the machine slept.
const CLOCK_STEP_MS: u64 = 1_000;

/// Durable state, and what waits and runs right now.
#[derive(Debug)]
pub struct Kernel {
    pub(crate) state: State,
    pub(crate) live: Live,
    pub(crate) limits: Limits,
    pub(crate) now: Millis,
    /// Durable state came from a snapshot or a journal, and what was in flight then
    /// has not been settled.
    pub(crate) unsettled: bool,
}

/// How much waits and runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Turns that have a worker, or whose worker is starting.
    pub running_turns: usize,
    /// Turns that wait.
    pub waiting_turns: usize,
    /// Turns that wait for a person's word.
    pub parked_turns: usize,
    /// Calls that wait for a person's approval.
    pub pending_approvals: usize,
    /// Calls whose driver works.
    pub running_calls: usize,
    /// Calls that wait.
    pub waiting_calls: usize,
}

impl Kernel {
    /// With nothing in it.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let mut state = State::default();
        let live = Live::derive(&mut state, &limits);
        Self {
            state,
            live,
            limits,
            now: Millis(0),
            unsettled: false,
        }
    }

    /// As it was at a snapshot. The facts recorded after it follow by [`Kernel::apply`],
    /// then [`Event::Recovered`].
    ///
    /// # Errors
    /// When the snapshot's format is newer than this build's.
    pub fn restore(snapshot: Snapshot, limits: Limits) -> Result<Self, NewerFormat> {
        let mut state = snapshot.into_state()?;
        let live = Live::derive(&mut state, &limits);
        Ok(Self {
            state,
            live,
            limits,
            now: Millis(0),
            unsettled: true,
        })
    }

    /// Folds a fact of the journal in, before [`Event::Recovered`]. The facts of
    /// [`Kernel::handle`]'s own steps are applied already.
    ///
    /// # Errors
    /// When the fact does not follow from those before it: the journal is damaged, and
    /// the kernel is not to be used.
    pub fn apply(&mut self, fact: &Fact) -> Result<(), ApplyError> {
        self.unsettled = true;
        self.state.apply(fact)
    }

    /// Takes one event in, at `now`. The step's facts are applied when this returns; the
    /// shell must append them to the journal before those of any later step, and stop
    /// if it cannot.
    pub fn handle(&mut self, event: Event, now: Now) -> Step {
        self.now = self.now.max(now.at);
        let mut step = Step::default();
        self.note_date(now.date, &mut step);
        if self.unsettled && !matches!(event, Event::Recovered { .. }) {
            self.recover(&[], &mut step);
        }
        // What was due before the event comes first, but for what the event is the end of;
        // what the event made due, at once.
        self.disarm_what_ends(&event);
        self.fire_due(&mut step);
        match event {
            Event::Recovered { workers } => self.recover(&workers, &mut step),
            Event::Call(call) => self.call(call, &mut step),
            Event::Finished {
                call,
                finish,
                usage,
            } => self.finished(call, finish, usage, &mut step),
            Event::Progress { call, usage } => self.progress(call, usage),
            Event::Disconnected { ticket } => self.disconnected(ticket, &mut step),
            Event::Apply(spec) => self.apply_instance(spec, &mut step),
            Event::Remove { instance } => self.remove_instance(instance, &mut step),
            Event::Withdraw {
                instance,
                spare_running,
            } => {
                let by = CancelCause::Withdrawn;
                match spare_running {
                    true => self.stop_waiting_turns_of(instance, by, &mut step),
                    false => self.stop_turns_of(instance, by, &mut step),
                }
            }
            Event::Invoke(invoke) => self.invoke(invoke, &mut step),
            Event::Answer {
                ticket,
                approval,
                yes,
                by,
            } => self.answer(ticket, approval, yes, by, &mut step),
            Event::Question {
                ticket,
                call,
                body,
                rule,
            } => self.question(ticket, call, (body, rule), &mut step),
            Event::QuestionDropped { ticket } => self.question_dropped(ticket, &mut step),
            Event::Revoke {
                ticket,
                approval,
                by,
            } => self.revoke(ticket, approval, by, &mut step),
            Event::CancelTurn { turn } => self.cancel_turn(turn, &mut step),
            Event::WorkerReady {
                turn,
                incarnation,
                pid,
                start_time,
                layers,
            } => {
                self.worker_ready(turn, incarnation, (pid, start_time), layers, &mut step);
            }
            Event::WorkerExited {
                turn,
                incarnation,
                exit,
            } => {
                self.worker_exited(turn, incarnation, exit, &mut step);
            }
            Event::Guard { device, guards } => self.guard(&device, guards, &mut step),
            Event::Sensed {
                device,
                point,
                value,
                until,
            } => self.live.watch.hear(&device, &point, value, until),
            Event::Present { devices } => self.present(&devices, &mut step),
            Event::SafeStateEnded {
                device,
                done,
                unknown,
            } => self.safe_state_ended(&device, done, unknown, &mut step),
            Event::SetLimits(limits) => self.set_limits(limits, &mut step),
            Event::Drain => self.live.draining = true,
            Event::Alarm => {}
        }
        self.fire_due(&mut step);
        step
    }

    /// When [`Event::Alarm`] is due; `None`: not needed.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Millis> {
        let watchdogs = self.live.watchdogs.next();
        self.live.timers.next().into_iter().chain(watchdogs).min()
    }

    /// Durable state as it is now, to store.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::of(&self.state)
    }

    /// Durable state, to read.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// How much waits and runs.
    #[must_use]
    pub fn load(&self) -> Load {
        let waiting_turns = self
            .live
            .waiting_turns
            .values()
            .map(std::collections::VecDeque::len)
            .sum();
        let queues = || self.live.scheduler.resources().map(|(_, queue)| queue);
        let parked = |row: &&TurnRow| row.phase == Phase::Parked;
        let parked_turns = self.state.turns.values().filter(parked).count();
        Load {
            running_turns: self.state.turns.len() - waiting_turns - parked_turns,
            waiting_turns,
            parked_turns,
            pending_approvals: self
                .state
                .approvals()
                .filter(|(_, row)| row.is_pending())
                .count(),
            running_calls: queues().map(|queue| queue.busy() as usize).sum(),
            waiting_calls: queues().map(crate::scheduler::FairQueue::waiting).sum(),
        }
    }

    /// Sees to it that the journal tells the date of what it records.
    fn note_date(&mut self, date: Date, step: &mut Step) {
        if self.state.date_of(self.now).0.abs_diff(date.0) > CLOCK_STEP_MS {
            self.record(Fact::ClockRead { at: self.now, date }, step);
            self.arm_approvals();
        }
    }

    /// Records a fact: applies it and puts it into the step.
    pub(crate) fn record(&mut self, fact: Fact, step: &mut Step) {
        if let Err(error) = self.state.apply(&fact) {
            // A decision that contradicts the state it was taken on. The fact is not in
            // the journal yet: stopping here loses nothing, going on would.
            unreachable!("{error}");
        }
        step.facts.push(fact);
    }

    /// An end that is here counts, though its time ran out while the alarm was on its way.
    fn disarm_what_ends(&mut self, event: &Event) {
        match event {
            Event::Finished { call, .. } if self.state.calls.contains_key(call) => {
                self.live.timers.clear(Timer::Call(*call));
            }
            Event::WorkerExited {
                turn, incarnation, ..
            } => {
                let row = self.state.turns.get(turn);
                if row.is_some_and(|row| row.phase.incarnation() == Some(*incarnation)) {
                    self.live.timers.clear(Timer::Turn(*turn));
                }
            }
            _ => {}
        }
    }

    fn fire_due(&mut self, step: &mut Step) {
        while let Some(timer) = self.live.timers.due(self.now) {
            match timer {
                Timer::Call(call) => self.call_due(call, step),
                Timer::Turn(turn) => self.turn_due(turn, step),
                Timer::Approval(approval) => self.approval_due(approval, step),
                Timer::Account(account) => self.account_due(account, step),
            }
        }
        while let Some(device) = self.live.watchdogs.due(self.now) {
            self.watchdog_due(&device, step);
        }
    }

    fn set_limits(&mut self, limits: Limits, step: &mut Step) {
        self.live.scheduler.set_limits(&limits);
        self.limits = limits;
        self.dispatch_turns(step);
        let resources: Vec<_> = self
            .live
            .scheduler
            .resources()
            .map(|(name, _)| name.clone())
            .collect();
        for resource in resources {
            self.dispatch_calls(&resource, step);
        }
    }
}

impl Step {
    pub(crate) fn release(&mut self, barrier: Barrier, effect: Effect) {
        self.effects.push(Release { barrier, effect });
    }
}
