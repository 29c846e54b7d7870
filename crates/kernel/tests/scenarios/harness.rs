//! A kernel with a few agents, and short ways to say what happens to it.
//! Nothing is judged here.

use aion_kernel::{
    Answer, Body, BodyDigest, Call, CallId, Date, Effect, Event, Exit, Finish, GrantRule,
    IdempotencyKey, Incarnation, InstanceSpec, InstanceUid, Invoke, Kernel, Kind, Lane, Limits,
    Millis, Name, Now, Outcome, Payer, Profile, Quota, Refusal, Resource, Step, TargetPattern,
    Ticket, TurnId, Usage, Verdict,
};

pub(crate) struct Node {
    pub(crate) kernel: Kernel,
    pub(crate) now: Millis,
    /// How far the wall clock is ahead of the kernel's time.
    pub(crate) ahead: u64,
    tickets: u64,
}

pub(crate) fn uid(n: u128) -> InstanceUid {
    InstanceUid(n)
}

pub(crate) fn body(of: u8) -> Body {
    Body {
        digest: BodyDigest([of; 32]),
        size: 10,
    }
}

pub(crate) fn rule(verdict: Verdict, kind: Kind, target: &str) -> GrantRule {
    GrantRule {
        verdict,
        kind,
        target: TargetPattern::parse(target),
        origin: format!("test {target}").as_str().into(),
    }
}

/// Everything is allowed.
pub(crate) fn profile(tenant: &str, agent: &str) -> Profile {
    Profile {
        tenant: tenant.into(),
        agent: agent.into(),
        revision: "1".into(),
        lane: Lane::Interactive,
        required_layers: vec!["seccomp".into(), "landlock".into()],
        grants: Kind::ALL
            .map(|kind| rule(Verdict::Allow, kind, "*"))
            .to_vec()
            .into(),
        quota: Quota::default(),
        max_turn_seconds: 600,
    }
}

impl Node {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            kernel: Kernel::new(limits),
            now: Millis(1_700_000_000_000),
            ahead: 0,
            tickets: 0,
        }
    }

    pub(crate) fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    pub(crate) fn feed(&mut self, event: Event) -> Step {
        let now = Now {
            at: self.now,
            date: Date(self.now.0 + self.ahead),
        };
        self.kernel.handle(event, now)
    }

    /// So many milliseconds later, the alarm.
    pub(crate) fn wait(&mut self, ms: u64) -> Step {
        self.now = self.now.plus(ms);
        self.feed(Event::Alarm)
    }

    pub(crate) fn apply(&mut self, n: u128, profile: Profile) -> Step {
        self.feed(Event::Apply(InstanceSpec {
            uid: uid(n),
            profile,
        }))
    }

    pub(crate) fn invoke(&mut self, n: u128) -> (Ticket, Step) {
        self.invoke_by(n, None)
    }

    pub(crate) fn invoke_by(&mut self, n: u128, payer: Option<Payer>) -> (Ticket, Step) {
        let ticket = self.ticket();
        let invoke = Invoke {
            ticket: Some(ticket),
            instance: uid(n),
            cause: "ask".into(),
            input: body(1),
            deadline_ms: None,
            payer,
        };
        (ticket, self.feed(Event::Invoke(invoke)))
    }

    pub(crate) fn ready(&mut self, turn: TurnId, incarnation: u32, layers: &[&str]) -> Step {
        let layers = layers.iter().map(|layer| Name::from(*layer)).collect();
        let incarnation = Incarnation(incarnation);
        self.feed(Event::WorkerReady {
            turn,
            incarnation,
            pid: 10,
            start_time: 20,
            layers,
        })
    }

    pub(crate) fn exited(&mut self, turn: TurnId, incarnation: u32) -> Step {
        self.feed(Event::WorkerExited {
            turn,
            incarnation: Incarnation(incarnation),
            exit: Exit::Code(0),
        })
    }

    /// Applies an instance and brings its first turn to run.
    pub(crate) fn running(&mut self, n: u128, profile: Profile) -> TurnId {
        self.apply(n, profile);
        let (_, step) = self.invoke(n);
        let (turn, incarnation) = started(&step)[0];
        self.ready(turn, incarnation.0, &["seccomp", "landlock"]);
        turn
    }

    pub(crate) fn call(&mut self, call: Call) -> (Ticket, Step) {
        (call.ticket, self.feed(Event::Call(call)))
    }

    /// A call that nothing is special about.
    pub(crate) fn plain(&mut self, turn: TurnId, kind: Kind) -> Call {
        let (target, resource) = match kind {
            Kind::ModelChat => ("local/qwen", Resource::Model("local/qwen".into())),
            Kind::ToolCall | Kind::ToolList => ("calendar.read", Resource::Tool("calendar".into())),
            Kind::FsRead | Kind::FsWrite | Kind::FsList => {
                ("notes", Resource::Files("notes".into()))
            }
            _ => ("personal", Resource::Memory("personal".into())),
        };
        Call {
            ticket: self.ticket(),
            turn,
            kind,
            target: Some(target.into()),
            resource,
            body: body(2),
            key: None,
            deadline_ms: None,
            reserve_tokens: 0,
            repeatable: false,
            peer: None,
            aim: None,
        }
    }

    pub(crate) fn keyed(&mut self, turn: TurnId, kind: Kind, key: &str) -> Call {
        Call {
            key: IdempotencyKey::new(key),
            ..self.plain(turn, kind)
        }
    }

    pub(crate) fn finish(&mut self, call: CallId) -> Step {
        self.feed(Event::Finished {
            call,
            finish: Finish::Ok {
                body: Some(body(3)),
            },
            usage: Usage::default(),
        })
    }
}

/// The workers that a step starts.
pub(crate) fn started(step: &Step) -> Vec<(TurnId, Incarnation)> {
    let of = |effect: &Effect| match effect {
        Effect::StartWorker {
            turn, incarnation, ..
        } => Some((*turn, *incarnation)),
        _ => None,
    };
    step.effects
        .iter()
        .filter_map(|release| of(&release.effect))
        .collect()
}

/// The calls whose drivers a step starts.
pub(crate) fn driven(step: &Step) -> Vec<CallId> {
    let of = |effect: &Effect| match effect {
        Effect::Drive { call, .. } => Some(*call),
        _ => None,
    };
    step.effects
        .iter()
        .filter_map(|release| of(&release.effect))
        .collect()
}

/// The answers that a step gives.
pub(crate) fn answers(step: &Step) -> Vec<(Ticket, Answer)> {
    let of = |effect: &Effect| match effect {
        Effect::Reply { ticket, answer, .. } => Some((*ticket, answer.clone())),
        _ => None,
    };
    step.effects
        .iter()
        .filter_map(|release| of(&release.effect))
        .collect()
}

pub(crate) fn effects(step: &Step) -> Vec<Effect> {
    step.effects
        .iter()
        .map(|release| release.effect.clone())
        .collect()
}

/// The names of a step's facts.
pub(crate) fn facts(step: &Step) -> Vec<&'static str> {
    step.facts.iter().map(aion_kernel::Fact::name).collect()
}

pub(crate) const OK: Outcome = Outcome::Ok { body: None };

pub(crate) fn only_answer(step: &Step) -> Answer {
    let answers = answers(step);
    assert_eq!(answers.len(), 1, "{step:?}");
    answers[0].1.clone()
}

pub(crate) fn refusal(step: &Step) -> Refusal {
    match only_answer(step) {
        Answer::Refused(refusal) => refusal,
        other => unreachable!("{other:?}"),
    }
}

pub(crate) fn outcome(step: &Step) -> (Outcome, bool) {
    match only_answer(step) {
        Answer::Outcome { outcome, replayed } => (outcome, replayed),
        other => unreachable!("{other:?}"),
    }
}
