//! Broken kernels: each lets one thing go wrong that a check must see.

use crate::{
    Answer, Barrier, Breach, Effect, Fact, Kernel, Name, Outcome, Parts, Refusal, State, Step,
    guard::Watchdogs, live::Live,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tamper {
    None,
    /// Runs what no rule allows.
    IgnoreGrants,
    /// Answers a caller twice.
    AnswerTwice,
    /// Does not answer a caller.
    ForgetCaller,
    /// Tells an outcome that it does not record.
    TellOtherwise,
    /// Records two outcomes.
    EndTwice,
    /// Charges something else than was used.
    Overcharge,
    /// Does not record that a driver starts.
    ForgetIntent,
    /// Lets an outcome go before it is durable.
    ReplyEarly,
    /// Lets a driver start before its intent is durable.
    DriveEarly,
    /// Makes a device safe before its intent is durable.
    SafeEarly,
    /// Makes a device safe by another description than it was judged by.
    SafeOtherwise,
    /// Makes a device safe but for a part.
    SafeInPart,
    /// Lets a part count that was done before somebody led out of the safe state.
    CountLatePart,
    /// Lets a part count that was done while a call that leads out of the safe state ran.
    ForgetWhoLeadsOut,
    /// Forgets which devices are out of their safe states.
    ForgetWatched,
    /// Makes a device safe while a call tells it something.
    ForgetCallsUnderWay,
    /// Refuses for a rate what it lets pass.
    RefuseEarly,
    /// Runs a driver twice.
    DriveTwice,
    /// Opens the gate of an incomplete sandbox.
    OpenAnyway,
    /// Gives an incarnation out twice.
    ReuseIncarnation,
    /// Changes state without a fact.
    ForgetFact,
    /// Takes a yes for another call than it was for.
    WordForAnother,
    /// Goes on with a turn before somebody has answered.
    GoOnUnheard,
    /// Begins a turn for each try of a call.
    BeginTwice,
    /// Lets a called turn do what its caller does not.
    IgnoreDelegation,
    /// Has a called turn use what the key of its caller does not pay for.
    ForgetPayer,
    /// Writes to a device what its guardrails do not let pass.
    IgnoreGuards,
}

impl Tamper {
    pub(super) const ALL: [Self; 27] = [
        Self::IgnoreGrants,
        Self::AnswerTwice,
        Self::ForgetCaller,
        Self::TellOtherwise,
        Self::EndTwice,
        Self::Overcharge,
        Self::ForgetIntent,
        Self::ReplyEarly,
        Self::DriveEarly,
        Self::SafeEarly,
        Self::SafeOtherwise,
        Self::SafeInPart,
        Self::CountLatePart,
        Self::ForgetWhoLeadsOut,
        Self::ForgetWatched,
        Self::ForgetCallsUnderWay,
        Self::RefuseEarly,
        Self::DriveTwice,
        Self::OpenAnyway,
        Self::ReuseIncarnation,
        Self::ForgetFact,
        Self::WordForAnother,
        Self::GoOnUnheard,
        Self::BeginTwice,
        Self::IgnoreDelegation,
        Self::ForgetPayer,
        Self::IgnoreGuards,
    ];

    /// What the check says that is to see it, where that is told apart from others that may.
    pub(super) fn seen_as(self) -> &'static str {
        match self {
            Self::ForgetWhoLeadsOut => "counts that came too late",
            Self::ForgetWatched => "is watched: false, and is to be: true",
            Self::ForgetCallsUnderWay => "is made safe while a call tells it something",
            Self::RefuseEarly => "is refused after",
            _ => "",
        }
    }

    /// What the kernel forgets before each event.
    pub(super) fn before(self, kernel: &mut Kernel) {
        let Live {
            under_way, watch, ..
        } = &mut kernel.live;
        match self {
            Self::ForgetWhoLeadsOut => under_way.forget_who_leads_out(|device| {
                let watchdog = watch.guards(device)?.watchdog()?;
                Some(watchdog.what.clone())
            }),
            Self::ForgetWatched => kernel.state.watchdogs = Watchdogs::default(),
            Self::ForgetCallsUnderWay => under_way.forget_calls(),
            _ => {}
        }
    }

    pub(super) fn step(self, step: &mut Step, state: &State) {
        match self {
            Self::None
            | Self::ForgetWhoLeadsOut
            | Self::ForgetWatched
            | Self::ForgetCallsUnderWay => {}
            Self::IgnoreGrants => {
                let nowhere = Some(Name::from("nowhere"));
                for fact in &mut step.facts {
                    if let Fact::CallStarted { target, .. } = fact {
                        target.clone_from(&nowhere);
                    }
                }
                for release in &mut step.effects {
                    if let Effect::Drive { target, .. } = &mut release.effect {
                        target.clone_from(&nowhere);
                    }
                }
            }
            Self::AnswerTwice => {
                let reply = step
                    .effects
                    .iter()
                    .find(|release| matches!(release.effect, Effect::Reply { .. }));
                step.effects.extend(reply.cloned());
            }
            Self::ForgetCaller => step
                .effects
                .retain(|release| !matches!(release.effect, Effect::TurnDone { .. })),
            Self::TellOtherwise => {
                for release in &mut step.effects {
                    if let Effect::Reply {
                        answer: Answer::Outcome { outcome, .. },
                        ..
                    } = &mut release.effect
                    {
                        *outcome = Outcome::DeadlineExceeded;
                    }
                }
            }
            Self::EndTwice => {
                let end = step
                    .facts
                    .iter()
                    .find(|fact| matches!(fact, Fact::CallEnded { .. }));
                step.facts.extend(end.cloned());
            }
            Self::Overcharge => {
                for fact in &mut step.facts {
                    if let Fact::CallEnded {
                        outcome: Outcome::Ok { .. },
                        usage,
                        ..
                    } = fact
                    {
                        usage.output_tokens += 1;
                    }
                }
            }
            Self::ForgetIntent => step
                .facts
                .retain(|fact| !matches!(fact, Fact::CallStarted { .. })),
            Self::ReplyEarly => self.lower(step, |effect| matches!(effect, Effect::Reply { .. })),
            Self::DriveEarly => self.lower(step, |effect| matches!(effect, Effect::Drive { .. })),
            Self::SafeEarly => {
                self.lower(step, |effect| matches!(effect, Effect::SafeState { .. }));
            }
            Self::SafeOtherwise => {
                for release in &mut step.effects {
                    if let Effect::SafeState { generation, .. } = &mut release.effect {
                        generation.0 += 1;
                    }
                }
            }
            Self::SafeInPart => {
                let first = Parts::default().with(0);
                for fact in &mut step.facts {
                    if let Fact::SafeStateBegun { parts, .. } = fact {
                        *parts = parts.without(first);
                    }
                }
                for release in &mut step.effects {
                    if let Effect::SafeState { parts, .. } = &mut release.effect {
                        *parts = parts.without(first);
                    }
                }
            }
            Self::CountLatePart => {
                let fed = step.facts.iter().find_map(|fact| match fact {
                    Fact::WatchdogFed {
                        device,
                        leaves: Some(all),
                        at,
                        ..
                    } => Some((device.clone(), *all, *at)),
                    _ => None,
                });
                let late = |(device, parts, at)| Fact::SafePartDone { device, parts, at };
                step.facts.extend(fed.map(late));
            }
            Self::RefuseEarly => {
                for fact in &mut step.facts {
                    if let Fact::CallRefused {
                        refusal: Refusal::Guarded { why, .. },
                        ..
                    } = fact
                        && let Breach::Rate { times, .. } = why
                    {
                        *times += 1;
                    }
                }
                for release in &mut step.effects {
                    if let Effect::Reply {
                        answer: Answer::Refused(Refusal::Guarded { why, .. }),
                        ..
                    } = &mut release.effect
                        && let Breach::Rate { times, .. } = why
                    {
                        *times += 1;
                    }
                }
            }
            Self::DriveTwice => {
                let drive = step
                    .effects
                    .iter()
                    .find(|release| matches!(release.effect, Effect::Drive { .. }));
                step.effects.extend(drive.cloned());
            }
            Self::OpenAnyway => {
                for release in &mut step.effects {
                    if let Effect::KillWorker { turn, incarnation } = release.effect {
                        release.effect = Effect::OpenGate { turn, incarnation };
                    }
                }
            }
            Self::ReuseIncarnation => {
                for fact in &mut step.facts {
                    if let Fact::TurnStarted { incarnation, .. } = fact {
                        incarnation.0 = 1;
                    }
                }
            }
            Self::WordForAnother => {
                for fact in &mut step.facts {
                    if let Fact::ApprovalAsked { body, .. } = fact {
                        body.digest.0[0] ^= 0xff;
                    }
                }
            }
            Self::GoOnUnheard => {
                for fact in &mut step.facts {
                    if let Fact::TurnParked { turn, at } = *fact {
                        *fact = Fact::TurnResumed { turn, at };
                    }
                }
            }
            Self::BeginTwice => {
                let called = |fact: &&Fact| matches!(fact, Fact::TurnQueued { caller: Some(by), .. } if by.key.is_some());
                if let Some(mut again) = step.facts.iter().find(called).cloned() {
                    if let Fact::TurnQueued { turn, .. } = &mut again {
                        turn.0 += 1_000_000;
                    }
                    step.facts.push(again);
                }
            }
            Self::IgnoreDelegation => {
                for fact in &mut step.facts {
                    if let Fact::TurnQueued {
                        caller: Some(by), ..
                    } = fact
                    {
                        by.delegated = Some(Vec::new());
                    }
                }
            }
            Self::ForgetPayer => {
                for fact in &mut step.facts {
                    if let Fact::TurnQueued {
                        caller: Some(_),
                        paid_by,
                        ..
                    } = fact
                    {
                        *paid_by = None;
                    }
                }
            }
            Self::IgnoreGuards => {
                for fact in &mut step.facts {
                    if let Fact::CallStarted { kind, digest, .. } = fact
                        && kind.moves_a_device()
                    {
                        super::guards::write_too_much(digest);
                    }
                }
            }
            Self::ForgetFact => {
                if state.next_call.is_multiple_of(16) {
                    step.facts
                        .retain(|fact| !matches!(fact, Fact::CallServed { .. }));
                    let replies = |effect: &Effect| matches!(effect, Effect::Reply { .. });
                    step.effects.retain(|release| !replies(&release.effect));
                }
            }
        }
    }

    fn lower(self, step: &mut Step, which: impl Fn(&Effect) -> bool) {
        for release in &mut step.effects {
            if which(&release.effect) {
                release.barrier = Barrier::None;
            }
        }
    }
}
