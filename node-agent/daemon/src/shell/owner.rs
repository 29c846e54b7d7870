//! The task that owns kernel and journal.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use aion_abi::{canonical::body_digest, problem::Problem};
use aion_journal::{AppendError, Batch, Durable, Journal, Lsn};
use aion_kernel::{
    Barrier, Body, BodyDigest, CallId, Effect, Event, Fact, Kernel, LiveWorker, Step, Ticket,
    TurnId, Unheard, Word,
};
use bytes::Bytes;
use tokio::{
    runtime,
    sync::{mpsc, oneshot},
    task::AbortHandle,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    Control, Driving, Handle, Input, Lanes, Reply, WorkerOrder, lanes, storage_full,
    telling::Telling,
};
use crate::{
    call::{Begin, Prepared, Request, Verified},
    clock::Clock,
    feed::Feed,
};

/// The most inputs of one batch.
const BATCH: usize = 512;
/// How often a batch that found no room is tried again.
const RETRY: Duration = Duration::from_millis(200);

/// Why the shell ended although nobody stopped it.
#[derive(Debug, thiserror::Error)]
pub enum ShellError {
    /// The journal cannot be written any more.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The journal cannot be synced any more.
    #[error("{0}; check the disk, then start the daemon again")]
    Sync(String),
    /// A fact could not be written down.
    #[error("a fact has no JSON form: {0}")]
    Fact(#[from] serde_json::Error),
}

/// Kernel, journal and all that waits for them.
pub(crate) struct Shell {
    pub(super) kernel: Kernel,
    pub(super) journal: Journal,
    pub(super) batch: Batch,
    pub(super) handle: Handle,
    pub(super) lanes: Lanes,
    pub(super) clock: Clock,
    pub(super) driving: Arc<dyn Driving>,
    pub(super) orders: mpsc::UnboundedSender<WorkerOrder>,
    /// Effects of the batch at hand.
    pub(super) staged: Vec<(Barrier, Staged)>,
    /// Effects that wait for a sync, and those that must not overtake them.
    pub(super) queue: VecDeque<(Lsn, Staged)>,
    pub(super) durable: Lsn,
    pub(super) waiting: HashMap<Ticket, Waiting>,
    pub(super) invokes: HashMap<Ticket, oneshot::Sender<Result<TurnId, Problem>>>,
    pub(super) words: HashMap<Ticket, oneshot::Sender<Result<(), Unheard>>>,
    /// Drivers that ask people.
    pub(super) questions: HashMap<Ticket, oneshot::Sender<Result<Word, Problem>>>,
    pub(super) running: HashMap<CallId, Running>,
    /// Questions of turns that calls may begin, by what the kernel is told of them: for as long as such a call waits,
    /// also where others came to it by its key and the connection that brought the question has closed.
    prepared: HashMap<BodyDigest, Arc<Prepared>>,
    pub(super) snapshot: super::room::Snapshots,
    /// Where drivers run: not on the thread of the shell.
    pub(super) drivers: runtime::Handle,
    /// The batch at hand found no room.
    stalled: bool,
    telling: Telling,
}

/// An effect and what the caller will be told.
#[derive(Debug)]
pub(super) struct Staged {
    pub(super) effect: Effect,
    pub(super) said: Option<Said>,
}

/// What a driver said.
#[derive(Debug, Clone)]
pub(super) struct Said {
    pub(super) answer: Result<Bytes, Problem>,
    pub(super) stream: Option<Bytes>,
    /// The ticket that the driver worked for; others joined it.
    pub(super) first: Ticket,
}

/// A caller.
#[derive(Debug)]
pub(super) struct Waiting {
    /// Taken when its driver starts.
    pub(super) verified: Option<Verified>,
    pub(super) reply: oneshot::Sender<Reply>,
}

/// A driver at work.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) ticket: Ticket,
    pub(super) keyed: bool,
    pub(super) cancel: CancellationToken,
    pub(super) abort: AbortHandle,
}

impl Shell {
    /// Settles what was in flight, then works until it is stopped.
    ///
    /// # Errors
    /// [`ShellError`]: nothing was released whose facts are not safe.
    pub(crate) async fn run(mut self, alive: Vec<LiveWorker>) -> Result<(), ShellError> {
        let mut inputs = Vec::with_capacity(BATCH);
        let mut durable = self.journal.durable();
        self.durable = durable.now().map_err(ShellError::Sync)?;
        let alarm = sleep_until(Instant::now());
        tokio::pin!(alarm);
        let mut armed = None;
        self.take(Event::Recovered { workers: alive })?;
        self.settle(&mut durable)?;
        loop {
            let due = self.wake_at();
            if due != armed {
                armed = due;
                if let Some(due) = due {
                    alarm.as_mut().reset(due);
                }
            }
            tokio::select! {
                biased;
                changed = durable.changed() => {
                    self.durable = changed.map_err(ShellError::Sync)?;
                }
                control = self.lanes.control.recv() => match control {
                    Some(Control::Look(look)) => look(&self.kernel, &self.journal),
                    Some(Control::Stop(stopped)) => return self.finish(stopped, &mut durable).await,
                    None => {}
                },
                input = self.lanes.ends.recv(), if !self.stalled => inputs.extend(input),
                input = self.lanes.work.recv() => inputs.extend(input),
                () = &mut alarm, if armed.is_some() => armed = None,
            }
            self.telling.look(&self.kernel);
            if self.stalled {
                for input in inputs.drain(..) {
                    self.refuse(input);
                }
            } else {
                if !inputs.is_empty() {
                    // Whoever can hand something in now does so first: a batch costs a write, however little it holds.
                    tokio::task::yield_now().await;
                }
                self.drain_into(&mut inputs);
                for input in inputs.drain(..) {
                    self.process(input)?;
                }
                if self.alarm_is_due() {
                    self.take(Event::Alarm)?;
                }
            }
            self.settle(&mut durable)?;
        }
    }

    /// Takes along what both lanes hold by now.
    fn drain_into(&mut self, inputs: &mut Vec<Input>) {
        while inputs.len() < BATCH
            && let Ok(input) = self.lanes.ends.try_recv()
        {
            inputs.push(input);
        }
        while inputs.len() < BATCH
            && let Ok(input) = self.lanes.work.try_recv()
        {
            inputs.push(input);
        }
    }

    fn process(&mut self, input: Input) -> Result<(), ShellError> {
        match input {
            Input::Call(_) | Input::Invoke(..) | Input::Question(_) if !self.handle.has_room() => {
                self.refuse(input);
            }
            Input::Call(input) => {
                let body = input.body;
                let brought = match &input.verified.request {
                    Request::Begin(Begin { prepared, .. }) => prepared.as_ref(),
                    _ => None,
                };
                if let Some(prepared) = brought {
                    let digest = prepared.input.digest;
                    self.prepared.insert(digest, Arc::clone(prepared));
                }
                let brought = brought.is_some();
                let waiting = Waiting {
                    verified: Some(input.verified),
                    reply: input.reply,
                };
                self.waiting.insert(input.call.ticket, waiting);
                let digest = input.call.body.digest;
                let step = self
                    .kernel
                    .handle(Event::Call(input.call), self.clock.read());
                if step.facts.iter().any(|fact| is_about(fact, digest)) {
                    self.batch.body(digest, &body);
                }
                self.stage(step, None)?;
                if brought {
                    // It may have joined another, or had its answer long ago.
                    self.let_go();
                }
            }
            // Taken back before it was read: what ends comes in another lane.
            Input::Question(asked) if asked.answer.is_closed() => {}
            Input::Question(asked) => {
                self.questions.insert(asked.ticket, asked.answer);
                let digest = BodyDigest(body_digest(&asked.shown));
                let event = Event::Question {
                    ticket: asked.ticket,
                    call: asked.call,
                    body: Body {
                        digest,
                        size: asked.shown.len() as u64,
                    },
                    rule: asked.rule,
                };
                let step = self.kernel.handle(event, self.clock.read());
                if step.facts.iter().any(|fact| is_about(fact, digest)) {
                    self.batch.body(digest, &asked.shown);
                }
                self.stage(step, None)?;
            }
            Input::Word(event, ticket, answer) => {
                self.words.insert(ticket, answer);
                self.take(event)?;
            }
            Input::Invoke(mut invoke, answer) => {
                let ticket = self.handle.ticket();
                invoke.ticket = Some(ticket);
                self.invokes.insert(ticket, answer);
                self.take(Event::Invoke(invoke))?;
            }
            Input::Event(Event::Disconnected { ticket }) => {
                self.waiting.remove(&ticket);
                self.take(Event::Disconnected { ticket })?;
            }
            Input::Event(event) => self.take(event)?,
            Input::Finished {
                call,
                finish,
                usage,
                said,
                stream,
            } => {
                let Some(running) = self.running.remove(&call) else {
                    return Ok(());
                };
                if running.keyed
                    && let aion_kernel::Finish::Ok { body: Some(body) } = &finish
                    && let Some(bytes) = stream.as_ref().or(said.as_ref().ok())
                {
                    self.batch.body(body.digest, bytes);
                }
                let said = Said {
                    answer: said,
                    stream,
                    first: running.ticket,
                };
                let event = Event::Finished {
                    call,
                    finish,
                    usage,
                };
                let step = self.kernel.handle(event, self.clock.read());
                self.stage(step, Some((call, said)))?;
            }
            Input::Snapshot => self.snapshot_written()?,
        }
        Ok(())
    }

    /// Answers new work that there is no room for; everything else waits in its lane, which is not read
    /// meanwhile.
    fn refuse(&mut self, input: Input) {
        match input {
            Input::Call(input) => {
                let _ = input.reply.send(Reply::Problem(Box::new(storage_full())));
            }
            Input::Invoke(_, answer) => {
                let _ = answer.send(Err(storage_full()));
            }
            Input::Question(asked) => {
                let _ = asked.answer.send(Err(storage_full()));
            }
            _ => {}
        }
    }

    pub(super) fn take(&mut self, event: Event) -> Result<(), ShellError> {
        let step = self.kernel.handle(event, self.clock.read());
        self.stage(step, None)
    }

    fn stage(&mut self, step: Step, said: Option<(CallId, Said)>) -> Result<(), ShellError> {
        for fact in &step.facts {
            self.batch.fact(fact)?;
            if let Fact::TurnQueued {
                input,
                caller: Some(_),
                ..
            } = fact
                && let Some(prepared) = self.prepared.remove(&input.digest)
            {
                prepared.keep();
            }
        }
        if step.facts.iter().any(is_of_a_call_that_begins) {
            self.let_go();
        }
        self.telling.step(&step, &self.kernel);
        for release in step.effects {
            let said = match (&release.effect, &said) {
                (Effect::Reply { call, .. }, Some((ended, said))) if call == ended => {
                    Some(said.clone())
                }
                _ => None,
            };
            let staged = Staged {
                effect: release.effect,
                said,
            };
            self.staged.push((release.barrier, staged));
        }
        Ok(())
    }

    /// Questions that no call waits with any more.
    fn let_go(&mut self) {
        if !self.prepared.is_empty() {
            let wanted = self.kernel.inputs_to_come();
            self.prepared.retain(|digest, _| wanted.contains(digest));
        }
    }

    /// Writes the batch at hand and releases what may be released.
    fn settle(&mut self, durable: &mut Durable) -> Result<(), ShellError> {
        let wanted = self.staged.iter().any(|(barrier, staged)| {
            *barrier == Barrier::Durable || matches!(staged.effect, Effect::StartWorker { .. })
        });
        if wanted || !self.batch.is_empty() {
            match self.journal.append(&mut self.batch, wanted) {
                Ok(end) => {
                    self.stalled = false;
                    self.durable = durable.now().map_err(ShellError::Sync)?;
                    self.telling.written();
                    self.release(end);
                }
                Err(AppendError::Full { dir, why }) => {
                    if !self.stalled {
                        tracing::error!(dir = %dir.display(), %why, "the journal has no room; waiting for it");
                    }
                    self.stalled = true;
                }
                Err(error) => return Err(error.into()),
            }
        } else if !self.staged.is_empty() {
            self.release(self.journal.end());
        }
        self.release_durable();
        self.watch_room(self.stalled);
        Ok(())
    }

    fn wake_at(&self) -> Option<Instant> {
        let now = Instant::now();
        if self.stalled {
            return Some(now + RETRY);
        }
        let recheck = (!self.handle.has_room()).then(|| now + RETRY);
        let alarm = self.kernel.next_deadline();
        let alarm = alarm.map(|at| Instant::from_std(self.clock.instant(at)));
        recheck.into_iter().chain(alarm).min()
    }

    fn alarm_is_due(&self) -> bool {
        self.kernel
            .next_deadline()
            .is_some_and(|at| at <= self.clock.now())
    }

    async fn finish(
        mut self,
        stopped: oneshot::Sender<()>,
        durable: &mut Durable,
    ) -> Result<(), ShellError> {
        // What ended by now is recorded; where there is no room, it ended for nobody.
        if !self.stalled {
            while let Ok(input) = self.lanes.ends.try_recv() {
                self.process(input)?;
            }
            self.settle(durable)?;
        }
        self.journal.sync_now();
        let reached = durable.reached(self.journal.end()).await;
        self.durable = reached.map_err(ShellError::Sync)?;
        self.release_durable();
        if !self.stalled {
            self.final_snapshot().await;
        }
        drop(self);
        let _ = stopped.send(());
        Ok(())
    }
}

/// Whether a person is asked about the request with this digest: its bytes are kept until somebody has answered.
fn is_about(fact: &Fact, digest: BodyDigest) -> bool {
    matches!(fact, Fact::ApprovalAsked { body, .. } if body.digest == digest)
}

/// Whether a call that may begin a turn waits no longer.
fn is_of_a_call_that_begins(fact: &Fact) -> bool {
    matches!(fact, Fact::CallStarted { kind, .. } | Fact::CallRefused { kind, .. } if kind.begins_a_turn())
}

/// A shell that has no drivers yet.
pub(crate) struct ShellParts {
    kernel: Kernel,
    journal: Journal,
    clock: Clock,
    handle: Handle,
    lanes: Lanes,
    orders: mpsc::UnboundedSender<WorkerOrder>,
    feed: Feed,
}

impl ShellParts {
    /// Puts a recovered kernel and its journal together. The orders come out of the receiver.
    pub(crate) fn open(
        kernel: Kernel,
        journal: Journal,
        clock: Clock,
        feed: Feed,
    ) -> (Handle, Self, mpsc::UnboundedReceiver<WorkerOrder>) {
        let (handle, lanes) = lanes();
        let (orders, orders_out) = mpsc::unbounded_channel();
        let parts = Self {
            kernel,
            journal,
            clock,
            handle: handle.clone(),
            lanes,
            orders,
            feed,
        };
        (handle, parts, orders_out)
    }

    /// Gives it its drivers, and where they run.
    pub(crate) fn with(self, driving: Arc<dyn Driving>, drivers: runtime::Handle) -> Shell {
        Shell {
            kernel: self.kernel,
            journal: self.journal,
            batch: Batch::default(),
            handle: self.handle,
            lanes: self.lanes,
            clock: self.clock,
            driving,
            orders: self.orders,
            staged: Vec::new(),
            queue: VecDeque::new(),
            durable: Lsn(0),
            waiting: HashMap::new(),
            invokes: HashMap::new(),
            words: HashMap::new(),
            questions: HashMap::new(),
            running: HashMap::new(),
            prepared: HashMap::new(),
            snapshot: super::room::Snapshots::default(),
            drivers,
            stalled: false,
            telling: Telling::to(self.feed),
        }
    }
}
