//! What the kernel wants done. The shell does these; they are never stored.

use crate::{
    approval::{Unheard, Word},
    body::Body,
    called::PeerTurn,
    fact::Fact,
    guard::{Generation, Parts},
    ids::{ApprovalId, CallId, Incarnation, InstanceUid, Millis, Ticket, TurnId},
    name::Name,
    outcome::{CancelCause, Outcome, TurnOutcome, Usage},
    refusal::Refusal,
    syscall::{Kind, Resource},
};

/// The answer to one event. The facts are applied already; the shell writes them in
/// order and releases each effect when its barrier is reached.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Step {
    /// In order; to be appended to the journal before any later step's.
    pub facts: Vec<Fact>,
    /// In order.
    pub effects: Vec<Release>,
}

/// An effect, and how safe the facts of its step must be first.
#[derive(Clone, Debug, PartialEq)]
pub struct Release {
    /// To be reached first.
    pub barrier: Barrier,
    /// To be done.
    pub effect: Effect,
}

/// How safe the facts of a step, and of all steps before it, must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Barrier {
    /// Nothing to wait for.
    None,
    /// Handed to the operating system: survives the end of this process.
    Written,
    /// Synced: survives the end of the machine.
    Durable,
}

/// Something to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Answer a syscall, as the ticket's only answer. For a stream: its terminal event.
    Reply {
        /// Whom.
        ticket: Ticket,
        /// The number the caller may quote; in the journal it finds the outcome.
        call: CallId,
        /// What.
        answer: Answer,
    },
    /// Start a driver on a call. Ends with [`crate::Event::Finished`].
    Drive {
        /// Which.
        call: CallId,
        /// The connection that a stream's chunks go to; it may be gone by now.
        ticket: Ticket,
        /// Whose turn.
        turn: TurnId,
        /// Whose instance.
        instance: InstanceUid,
        /// Which syscall.
        kind: Kind,
        /// As called.
        target: Option<Name>,
        /// As called.
        resource: Resource,
        /// When the kernel will tell the driver to stop.
        deadline: Millis,
        /// The turn that it began or is about.
        peer: Option<PeerTurn>,
        /// By this description of the device it was judged: of another one, nothing is sent.
        aimed: Option<Generation>,
    },
    /// Tell a driver to stop. It still ends with [`crate::Event::Finished`], within the grace of
    /// [`crate::spec::Limits::cancel_grace_ms`]; after it the shell must abort it.
    CancelDriver {
        /// Which.
        call: CallId,
        /// Why: `None` is its deadline.
        by: Option<CancelCause>,
    },
    /// The driver did not stop in time and its call has ended: abort it, its
    /// [`crate::Event::Finished`] is no longer wanted.
    AbortDriver {
        /// Which.
        call: CallId,
    },
    /// Bind the socket, derive the key, start a confined worker.
    StartWorker {
        /// For which turn.
        turn: TurnId,
        /// Whose.
        instance: InstanceUid,
        /// Of which start.
        incarnation: Incarnation,
    },
    /// Let the worker run its first instruction.
    OpenGate {
        /// Whose.
        turn: TurnId,
        /// Of which start.
        incarnation: Incarnation,
    },
    /// Kill a worker; ends with [`crate::Event::WorkerExited`].
    KillWorker {
        /// Whose.
        turn: TurnId,
        /// Of which start.
        incarnation: Incarnation,
    },
    /// An [`crate::Event::Invoke`] has its turn.
    TurnAccepted {
        /// Who waits, if anybody.
        ticket: Option<Ticket>,
        /// The turn.
        turn: TurnId,
    },
    /// An [`crate::Event::Invoke`] has none.
    InvokeRefused {
        /// Who waits, if anybody.
        ticket: Option<Ticket>,
        /// Why.
        refusal: Refusal,
    },
    /// A turn ended.
    TurnDone {
        /// Who waits, if anybody.
        ticket: Option<Ticket>,
        /// The turn.
        turn: TurnId,
        /// Whose.
        instance: InstanceUid,
        /// Its input.
        input: Body,
        /// How.
        outcome: TurnOutcome,
        /// Model tokens it was charged.
        usage: Usage,
        /// Syscalls it made that were admitted.
        calls: u64,
    },
    /// A person is asked about a call of a turn.
    ApprovalAsked {
        /// Which.
        approval: ApprovalId,
        /// Whose turn.
        turn: TurnId,
        /// Whose instance.
        instance: InstanceUid,
    },
    /// Nobody is asked about it any more.
    ApprovalClosed {
        /// Which.
        approval: ApprovalId,
        /// Whose turn.
        turn: TurnId,
        /// What was said.
        word: Word,
        /// Who said it.
        by: Option<Name>,
    },
    /// An [`crate::Event::Question`] has its answer.
    QuestionAnswered {
        /// Who waits.
        ticket: Ticket,
        /// What was said, or why nobody was asked.
        said: Result<Word, Refusal>,
    },
    /// An [`crate::Event::Answer`] or [`crate::Event::Revoke`] counts, or does not and why.
    AnswerTaken {
        /// Who waits.
        ticket: Ticket,
        /// Why not.
        refused: Option<Unheard>,
    },
    /// Bring a device into its safe state, whoever has it. Ends with [`crate::Event::SafeStateEnded`].
    SafeState {
        /// Which, as `<tenant>/<name>`.
        device: Name,
        /// By this description of it: by another, nothing is sent.
        generation: Generation,
        /// What of it is to be done, in the order of [`crate::Watchdog::safe`].
        parts: Parts,
    },
    /// An instance is gone; what it left may be erased.
    InstanceRemoved {
        /// Which.
        instance: InstanceUid,
    },
}

/// What a caller gets.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// The call ran (or a finished one with the same key did).
    Outcome {
        /// How it ended.
        outcome: Outcome,
        /// Recorded earlier under the same key: the shell fetches the body by digest.
        replayed: bool,
    },
    /// The call did not run.
    Refused(Refusal),
}
