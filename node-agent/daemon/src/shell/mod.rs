//! The shell: everything around the kernel that the kernel must not know.
//!
//! One task ([`owner`]) owns kernel and journal. It drains its lanes in batches, appends the facts of a
//! batch in one write and releases each effect when its facts are safe enough. Three lanes lead to it: one
//! bounded, for new work; one for what ends or gives up work that was admitted, which is never refused
//! and bounded by that work; and one for looks and the stop, which record nothing and are always read,
//! also while a batch waits for room.
//!
//! What may not enter: HTTP, drivers, launchers. They are behind [`Reply`], [`Driving`] and [`WorkerOrder`].

mod driving;
mod owner;
#[cfg(test)]
mod prepared_tests;
mod recover;
mod release;
mod room;
#[cfg(test)]
mod stalled_tests;
mod telling;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use aion_abi::{admin::TurnEvent, code::Code, problem::Problem};
use aion_journal::{FoundBody, Journal};
use aion_kernel::{
    BodyDigest, Call, CallId, Event, Finish, Incarnation, InstanceUid, Invoke, Kernel, Millis,
    Name, Ticket, TurnId, TurnOutcome, Unheard, Usage, Word,
};
use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

pub(crate) use driving::{Driven, Driving, Job, Progress};
pub(crate) use owner::{ShellError, ShellParts};
pub(crate) use recover::{RecoverError, open};
pub(crate) use telling::{depths, tell_depths};

use crate::call::{Verified, restarting};

/// Where the journal is, below the state of a node.
pub(crate) fn journal_folder(home: &Path) -> PathBuf {
    home.join("state/journal")
}

/// New work that waits for the kernel; more is refused as overloaded.
const CALLS_WAITING: usize = 4096;
/// Chunks of a stream that wait for their connection; a driver waits beyond.
pub(crate) const CHUNKS_WAITING: usize = 64;

/// A verified syscall on its way into the kernel.
#[derive(Debug)]
pub struct CallInput {
    /// What the kernel sees of it. Its ticket is from [`Handle::ticket`].
    pub call: Call,
    /// What its driver gets of it.
    pub verified: Verified,
    /// The request, byte for byte: where a person is asked about it, this is shown and kept.
    pub body: Bytes,
    /// Where the answer goes.
    pub reply: oneshot::Sender<Reply>,
}

/// The one answer of a syscall.
#[derive(Debug)]
pub enum Reply {
    /// It was done.
    Done {
        /// Which call it was.
        call: CallId,
        /// The outcome is that of an earlier call with the same key.
        recorded: bool,
        /// The answer: JSON, or for a stream its terminal event alone; the whole stream where `whole`.
        body: Bytes,
        /// The body is a whole stream.
        whole: bool,
    },
    /// It was not done.
    Problem(Box<Problem>),
}

/// What the kernel wants done with workers and turns. In order.
#[derive(Debug)]
pub(crate) enum WorkerOrder {
    /// See [`aion_kernel::Effect::StartWorker`].
    Start {
        /// For which turn.
        turn: TurnId,
        /// Whose.
        instance: InstanceUid,
        /// Of which start.
        incarnation: Incarnation,
    },
    /// See [`aion_kernel::Effect::OpenGate`].
    OpenGate {
        /// Whose.
        turn: TurnId,
        /// Of which start.
        incarnation: Incarnation,
    },
    /// See [`aion_kernel::Effect::KillWorker`].
    Kill {
        /// Whose.
        turn: TurnId,
        /// Of which start.
        incarnation: Incarnation,
    },
    /// A turn ended.
    Done {
        /// Its input, which its folder is named by.
        input: BodyDigest,
        /// How.
        end: TurnEnd,
    },
    /// The turn has something to tell whoever follows it.
    Tell {
        /// Which.
        turn: TurnId,
        /// What.
        event: TurnEvent,
    },
    /// An instance is gone.
    Removed {
        /// Which.
        instance: InstanceUid,
    },
}

/// How a turn ended.
#[derive(Debug, Clone, PartialEq)]
pub struct TurnEnd {
    /// Which.
    pub turn: TurnId,
    /// How.
    pub outcome: TurnOutcome,
    /// Tokens it was charged.
    pub usage: Usage,
    /// Syscalls that were admitted.
    pub calls: u64,
    /// When.
    pub at: Millis,
}

/// Reads something out of kernel and journal, between two batches.
type Look = Box<dyn FnOnce(&Kernel, &Journal) + Send>;

/// What goes to the owner.
enum Input {
    Call(Box<CallInput>),
    Invoke(Invoke, oneshot::Sender<Result<TurnId, Problem>>),
    Word(Event, Ticket, oneshot::Sender<Result<(), Unheard>>),
    Question(Box<Question>),
    Event(Event),
    Finished {
        call: CallId,
        finish: Finish,
        usage: Usage,
        /// The answer's bytes, or what the driver said.
        said: Result<Bytes, Problem>,
        /// The answer is a whole stream's transcript, the terminal event apart.
        stream: Option<Bytes>,
    },
    Snapshot,
}

/// A driver's question to a person.
struct Question {
    ticket: Ticket,
    call: CallId,
    rule: Name,
    /// What is shown.
    shown: Bytes,
    answer: oneshot::Sender<Result<Word, Problem>>,
}

/// A question that its driver waits for. Dropped without an answer, nobody is asked any longer.
struct Open<'a> {
    handle: &'a Handle,
    ticket: Option<Ticket>,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.handle.tell(Event::QuestionDropped { ticket });
        }
    }
}

/// What records nothing.
enum Control {
    Look(Look),
    Stop(oneshot::Sender<()>),
}

/// The way into the shell. Clones share it.
#[derive(Debug, Clone)]
pub struct Handle {
    work: mpsc::Sender<Input>,
    ends: mpsc::UnboundedSender<Input>,
    control: mpsc::UnboundedSender<Control>,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    tickets: AtomicU64,
    /// The journal has no room for new work.
    full: AtomicBool,
}

struct Lanes {
    work: mpsc::Receiver<Input>,
    ends: mpsc::UnboundedReceiver<Input>,
    control: mpsc::UnboundedReceiver<Control>,
}

fn lanes() -> (Handle, Lanes) {
    let (work, work_out) = mpsc::channel(CALLS_WAITING);
    let (ends, ends_out) = mpsc::unbounded_channel();
    let (control, control_out) = mpsc::unbounded_channel();
    let handle = Handle {
        work,
        ends,
        control,
        shared: Arc::default(),
    };
    let lanes = Lanes {
        work: work_out,
        ends: ends_out,
        control: control_out,
    };
    (handle, lanes)
}

impl Handle {
    /// A ticket that nobody had before.
    pub fn ticket(&self) -> Ticket {
        Ticket(self.shared.tickets.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// Hands a verified call in; its answer comes through its own channel.
    ///
    /// # Errors
    /// The problem to answer with, where it cannot be taken now.
    pub fn call(&self, input: CallInput) -> Result<(), Problem> {
        self.admit(Input::Call(Box::new(input)))
    }

    /// Asks for a turn.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn invoke(&self, invoke: Invoke) -> Result<TurnId, Problem> {
        let (answer, accepted) = oneshot::channel();
        self.admit(Input::Invoke(invoke, answer))?;
        accepted.await.unwrap_or_else(|_| Err(restarting()))
    }

    /// A person answers an approval, or takes a standing word back: an event that bears `ticket`.
    ///
    /// # Errors
    /// The problem to answer with; inside, why the word does not count.
    pub async fn word(&self, ticket: Ticket, event: Event) -> Result<Result<(), Unheard>, Problem> {
        let (answer, taken) = oneshot::channel();
        self.admit(Input::Word(event, ticket, answer))?;
        taken.await.map_err(|_| restarting())
    }

    /// A driver asks a person while its call runs: `shown` is what the person sees, and `rule` says who asks.
    ///
    /// # Errors
    /// Why nobody is asked.
    pub(crate) async fn question(
        &self,
        call: CallId,
        rule: Name,
        shown: Bytes,
    ) -> Result<Word, Problem> {
        let (answer, said) = oneshot::channel();
        let ticket = self.ticket();
        let question = Question {
            ticket,
            call,
            rule,
            shown,
            answer,
        };
        self.admit(Input::Question(Box::new(question)))?;
        // Behind the question, so that it is found; dropped by who waits, nobody is asked any longer.
        let mut open = Open {
            handle: self,
            ticket: Some(ticket),
        };
        let said = said.await.unwrap_or_else(|_| Err(restarting()));
        open.ticket = None;
        said
    }

    fn admit(&self, input: Input) -> Result<(), Problem> {
        if self.shared.full.load(Ordering::Relaxed) {
            return Err(storage_full());
        }
        self.work.try_send(input).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Problem::new(
                Code::Overloaded,
                format!("{CALLS_WAITING} calls wait for the kernel already"),
            )
            .retry_after_ms(100),
            mpsc::error::TrySendError::Closed(_) => restarting(),
        })
    }

    /// Tells the kernel what became of something it knows.
    pub fn tell(&self, event: Event) {
        let _ = self.ends.send(Input::Event(event));
    }

    fn finished(&self, call: CallId, driven: Driven) {
        let _ = self.ends.send(Input::Finished {
            call,
            finish: driven.finish,
            usage: driven.usage,
            said: driven.said,
            stream: driven.stream,
        });
    }

    /// Reads something out of the kernel; `None` when the shell has stopped.
    pub async fn look<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Kernel) -> T + Send + 'static,
    ) -> Option<T> {
        self.look_with_bodies(move |kernel, _| read(kernel)).await
    }

    /// As [`Handle::look`], with where the journal keeps bodies. They are read elsewhere: the kernel waits for no disk.
    pub async fn look_with_bodies<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Kernel, &dyn Fn(BodyDigest) -> Option<FoundBody>) -> T + Send + 'static,
    ) -> Option<T> {
        let (answer, seen) = oneshot::channel();
        let look: Look = Box::new(move |kernel, journal| {
            let find = |digest| journal.find(digest);
            let _ = answer.send(read(kernel, &find));
        });
        self.control.send(Control::Look(look)).ok()?;
        seen.await.ok()
    }

    /// Whether the journal has room for new work.
    pub fn has_room(&self) -> bool {
        !self.shared.full.load(Ordering::Relaxed)
    }

    /// Takes a snapshot, syncs, ends the shell; returns when that is done. A batch that waits for room is left: nobody
    /// was promised anything of it.
    pub async fn stop(&self) {
        let (done, stopped) = oneshot::channel();
        if self.control.send(Control::Stop(done)).is_ok() {
            let _ = stopped.await;
        }
    }
}

fn storage_full() -> Problem {
    Problem::new(
        Code::StorageFull,
        "the node's journal has no room for new work",
    )
    .retry_after_ms(1000)
}
