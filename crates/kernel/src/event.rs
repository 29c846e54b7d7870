//! What happens to the kernel. The shell makes these; they are never stored.

use std::collections::BTreeSet;

use crate::{
    approval::Scope,
    body::Body,
    called::Peer,
    guard::{Aim, Guarding, Measure, Parts},
    ids::{ApprovalId, CallId, Incarnation, InstanceUid, Millis, Ticket, TurnId},
    name::{IdempotencyKey, Name},
    outcome::{Exit, Finish, Usage},
    payer::Payer,
    spec::{InstanceSpec, Limits},
    syscall::{Kind, Resource},
};

/// One input of [`crate::Kernel::handle`].
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// An instance is to be here with this spec. Repeating it changes nothing; a new
    /// profile governs the next call. Without effect on an instance that is being removed.
    Apply(InstanceSpec),
    /// An instance is to be gone: waiting turns end, the running one is killed.
    Remove {
        /// Which.
        instance: InstanceUid,
    },
    /// An instance's program is let in no longer: its turns end, those that wait and, unless it is spared, the one that
    /// runs. The instance stays, and takes the turns that somebody invokes later.
    Withdraw {
        /// Which.
        instance: InstanceUid,
        /// The turn that runs ends as it would.
        spare_running: bool,
    },
    /// Somebody wants a turn.
    Invoke(Invoke),
    /// Somebody who need not hold its ticket stops a turn.
    CancelTurn {
        /// Which.
        turn: TurnId,
    },
    /// A person says yes or no to a call.
    Answer {
        /// Who waits.
        ticket: Ticket,
        /// To which.
        approval: ApprovalId,
        /// To how much, for a yes; `None` is a no.
        yes: Option<Scope>,
        /// Who says so. For people.
        by: Name,
    },
    /// The driver of a running call asks a person. It has one answer: [`crate::Effect::QuestionAnswered`].
    Question {
        /// Who waits.
        ticket: Ticket,
        /// The call.
        call: CallId,
        /// What is asked: what is shown.
        body: Body,
        /// Who asks, where otherwise a rule stands. For people.
        rule: Name,
    },
    /// The driver waits for the answer to its question no longer.
    QuestionDropped {
        /// Who waited.
        ticket: Ticket,
    },
    /// A person takes a word back that counts beyond its turn.
    Revoke {
        /// Who waits.
        ticket: Ticket,
        /// The approval that it was given for.
        approval: ApprovalId,
        /// Who says so.
        by: Name,
    },
    /// A worker is confined and waits at its gate.
    WorkerReady {
        /// Whose.
        turn: TurnId,
        /// Of which start.
        incarnation: Incarnation,
        /// Process id, as the launcher sees it.
        pid: u32,
        /// The process's start time in clock ticks since boot; with the pid it names
        /// the process across restarts of the daemon.
        start_time: u64,
        /// The layers that were read back as enforced.
        layers: Vec<Name>,
    },
    /// A worker ended, or could not be started.
    WorkerExited {
        /// Whose.
        turn: TurnId,
        /// Of which start.
        incarnation: Incarnation,
        /// How.
        exit: Exit,
    },
    /// A verified syscall.
    Call(Call),
    /// What a running call has used so far; the shell coalesces.
    Progress {
        /// Which.
        call: CallId,
        /// In total since its start.
        usage: Usage,
    },
    /// A driver no longer works on a call. Never refused; late ones change nothing.
    Finished {
        /// Which.
        call: CallId,
        /// How.
        finish: Finish,
        /// What it used.
        usage: Usage,
    },
    /// The connection behind this ticket is gone. A call that nobody waits for is stopped; a turn goes on.
    Disconnected {
        /// A call's or a turn's.
        ticket: Ticket,
    },
    /// The moment that [`crate::Kernel::next_deadline`] named has come; early or
    /// repeated ones do no harm.
    Alarm,
    /// What guards a device, from now on and for the calls that wait. It is said again after each start: until then
    /// nothing is done to the device.
    Guard {
        /// Which, as `<tenant>/<name>`.
        device: Name,
        /// By what.
        guards: Guarding,
    },
    /// What a point of a device is. Of use for the points that [`crate::Guards::looks_at`] names, and not kept for others.
    Sensed {
        /// Which, as `<tenant>/<name>`.
        device: Name,
        /// Of which property.
        point: Name,
        /// What it is; none: it is not known.
        value: Option<Measure>,
        /// From when on that is not known any more; none: it holds until something else is said.
        until: Option<Millis>,
    },
    /// All devices that are there, also those of which it is not known what guards them. Told once all of them are known: what
    /// was remembered of others is of devices that left while the shell was down, and counts no longer.
    Present {
        /// As `<tenant>/<name>`.
        devices: BTreeSet<Name>,
    },
    /// What [`crate::Effect::SafeState`] asked for was tried. What is in neither was not done, and nothing was sent of it.
    SafeStateEnded {
        /// Of which device.
        device: Name,
        /// What was done.
        done: Parts,
        /// What was sent, and may have been done.
        unknown: Parts,
    },
    /// New bounds for the node.
    SetLimits(Limits),
    /// Start no further turn; running ones go on.
    Drain,
    /// Once after [`crate::Kernel::restore`] and the facts behind the snapshot, before
    /// any other event: settles what was in flight. If another comes first, no worker
    /// is taken to have lived on.
    Recovered {
        /// Workers that still run.
        workers: Vec<LiveWorker>,
    },
}

/// A request for a turn.
#[derive(Clone, Debug, PartialEq)]
pub struct Invoke {
    /// Who waits; `None` when nobody does.
    pub ticket: Option<Ticket>,
    /// Of which instance.
    pub instance: InstanceUid,
    /// What made it: `ask`, `cron`, … For people.
    pub cause: Name,
    /// The input. The shell keeps its bytes until the turn ends.
    pub input: Body,
    /// Give up so many milliseconds after now, waiting included; `None`: only the
    /// agent's own bound on a running turn holds.
    pub deadline_ms: Option<u64>,
    /// The API key that it is begun by, where that has a budget.
    pub payer: Option<Payer>,
}

/// A syscall whose signature, age and counter the connection's task has verified.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// Who waits.
    pub ticket: Ticket,
    /// The turn whose worker called.
    pub turn: TurnId,
    /// Which syscall.
    pub kind: Kind,
    /// What the grant is looked up for: `<tool>.<operation>`, a mount, an endpoint, a pool.
    pub target: Option<Name>,
    /// What it waits for; not looked at for `sys.null`.
    pub resource: Resource,
    /// The request's body.
    pub body: Body,
    /// Makes a retry safe.
    pub key: Option<IdempotencyKey>,
    /// Wanted deadline in milliseconds from now; `None`: the kind's default.
    pub deadline_ms: Option<u64>,
    /// Model tokens it may use at most: prompt plus largest answer. 0 for the rest.
    pub reserve_tokens: u64,
    /// Doing it twice changes nothing more than once: in flight at a crash it is given up as an
    /// observation is, and a retry runs it again.
    pub repeatable: bool,
    /// The turn that it begins or is about. None for `agent.ask` and `agent.spawn`: there is no instance to take it.
    pub peer: Option<Peer>,
    /// What it would do to a device. `device.write` and `device.command` without are refused.
    pub aim: Option<Aim>,
}

/// A worker found running after a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveWorker {
    /// Whose.
    pub turn: TurnId,
    /// Of which start.
    pub incarnation: Incarnation,
}
