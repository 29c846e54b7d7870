//! How facts change durable state: the only way.
//!
//! Folding decides nothing and reads no limits: a fact that follows from those
//! before it has one meaning, and one that does not is an error that stops recovery.

mod approvals;
mod charges;
mod table;

use std::sync::Arc;

use approvals::Asked;

use crate::{
    approval::Request,
    fact::Fact,
    guard::Move,
    ids::Now,
    ledger::{Account, Denial, Denied},
    outcome::{Outcome, Usage},
    refusal::Refusal,
    state::{CallRow, Phase, ProfileRow, State, TurnRow},
    syscall::{Class, Kind},
};

/// A fact that does not follow from those before it: the journal is damaged or incomplete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("fact {fact} does not follow from those before it: {why}")]
pub struct ApplyError {
    /// The fact's name.
    pub fact: &'static str,
    /// What is missing, or there already.
    pub why: &'static str,
}

/// Done, or what is missing or there already.
type Applied = Result<(), &'static str>;

impl State {
    /// Folds one fact in.
    ///
    /// # Errors
    /// When the fact does not follow from those before it; the state is then not to be used.
    pub fn apply(&mut self, fact: &Fact) -> Result<(), ApplyError> {
        self.fold(fact).map_err(|why| ApplyError {
            fact: fact.name(),
            why,
        })?;
        self.latest = self.latest.max(fact.at());
        Ok(())
    }

    fn fold(&mut self, fact: &Fact) -> Applied {
        match fact {
            Fact::Recovered { at } => {
                self.recoveries += 1;
                // Of a device that went away while nobody ran, nobody says that it is gone.
                self.moves.forget_old(*at);
                Ok(())
            }
            Fact::ClockRead { at, date } => {
                self.read_clock(Now {
                    at: *at,
                    date: *date,
                });
                Ok(())
            }
            Fact::AccountOpened {
                account,
                level,
                parent,
                name,
            } => self.open_account(*account, Account::new(*level, *parent, name.clone())),
            Fact::AccountClosed { account } => self.close_account(*account),
            Fact::ProfileAdded {
                profile,
                account,
                spec,
            } => {
                let row = ProfileRow {
                    spec: Arc::new(spec.clone()),
                    account: *account,
                    instances: 0,
                };
                self.add_profile(*profile, row)
            }
            Fact::ProfileDropped { profile } => self.drop_profile(*profile),
            Fact::InstanceApplied {
                instance,
                profile,
                behind,
                ..
            } => self.apply_instance(*instance, *profile, behind.unwrap_or_default()),
            Fact::InstanceRetiring { instance, .. } => self.retire_instance(*instance),
            Fact::InstanceRemoved { instance, .. } => self.remove_instance(*instance),
            Fact::TurnQueued {
                turn,
                instance,
                cause,
                input,
                deadline,
                caller,
                paid_by,
                at,
            } => {
                let called = caller.as_ref().map(|it| self.call_turn(*turn, it));
                let row = TurnRow {
                    instance: *instance,
                    cause: cause.clone(),
                    input: *input,
                    queued_at: *at,
                    deadline: *deadline,
                    phase: Phase::Queued,
                    stopping: None,
                    pausing: false,
                    behind: Vec::new(),
                    usage: Usage::default(),
                    calls: 0,
                    asked: 0,
                    replayable: true,
                    called: called.transpose()?.map(Box::new),
                    begun: Vec::new(),
                    paid_by: *paid_by,
                };
                self.queue_turn(*turn, row)
            }
            Fact::TurnStarted {
                turn,
                incarnation,
                at,
            } => self.start_turn(*turn, *incarnation, *at),
            Fact::TurnRequeued { turn, .. } => self.requeue_turn(*turn),
            Fact::TurnEvicted { turn, .. } => self.evict_turn(*turn),
            Fact::WorkerRunning {
                turn,
                pid,
                start_time,
                ..
            } => self.run_worker(*turn, *pid, *start_time),
            Fact::TurnStopping { turn, outcome, .. } => {
                let row = self.turns.get_mut(turn).ok_or("no such turn")?;
                row.stopping = Some(outcome.clone());
                Ok(())
            }
            Fact::TurnPausing { turn, behind, .. } => self.pause_turn(*turn, behind),
            Fact::TurnParked { turn, .. } => self.park_turn(*turn),
            Fact::TurnResumed { turn, .. } => self.resume_turn(*turn),
            Fact::ApprovalAsked {
                approval,
                turn,
                kind,
                target,
                point,
                key,
                within,
                body,
                rule,
                until,
                at,
            } => {
                let call = Request {
                    turn: *turn,
                    kind: *kind,
                    target: target.as_ref(),
                    point: point.as_ref(),
                    key: key.as_ref(),
                    digest: body.digest,
                };
                let asked = Asked {
                    call,
                    within: *within,
                    body: *body,
                    rule,
                    until: *until,
                    at: *at,
                };
                self.ask(*approval, &asked)
            }
            Fact::ApprovalAnswered {
                approval,
                word,
                by,
                covered_by,
                at,
            } => self.answer(*approval, *word, by.as_ref(), *covered_by, *at),
            Fact::WordRevoked { approval, .. } => self.revoke_word(*approval),
            Fact::TurnEnded { turn, outcome, at } => self.end_turn(*turn, outcome, *at),
            Fact::CallStarted {
                call,
                turn,
                kind,
                target,
                point,
                key,
                digest,
                reserve,
                repeatable,
                at,
            } => {
                let (instance, account) = self.charge_call(*call, *turn, *at)?;
                self.spend_word(Request {
                    turn: *turn,
                    kind: *kind,
                    target: target.as_ref(),
                    point: point.as_ref(),
                    key: key.as_ref(),
                    digest: *digest,
                });
                let is_step = key.as_ref().is_some_and(|key| key.is_step_of(*turn));
                if kind.class() != Class::Observe
                    && *kind != Kind::AgentMessage
                    && !is_step
                    && let Some(row) = self.turns.get_mut(turn)
                {
                    row.replayable = false;
                }
                if let Some(key) = key {
                    self.begin_key(instance, key, (*call, *kind, *digest));
                }
                let row = CallRow {
                    turn: *turn,
                    instance,
                    kind: *kind,
                    target: target.clone(),
                    key: key.clone(),
                    account,
                    payers: self.payers(*turn).into_iter().map(|it| it.0).collect(),
                    reserve: *reserve,
                    repeatable: *repeatable,
                    started_at: *at,
                };
                self.calls.insert(*call, row);
                Ok(())
            }
            Fact::DeviceMoved {
                device,
                point,
                value,
                keep_ms,
                call,
                at,
            } => {
                let new = Move {
                    at: *at,
                    value: *value,
                    call: *call,
                };
                self.moves.add(device, point, *keep_ms, new);
                Ok(())
            }
            Fact::MoveUndone {
                device,
                point,
                call,
                ..
            } => {
                let there = self.moves.undo(device, point, *call);
                there.ok_or("nothing is remembered of it")
            }
            Fact::MovesForgotten { device, points, .. } => points.iter().try_for_each(|point| {
                let there = self.moves.forget(device, point);
                there.ok_or("nothing is remembered of it")
            }),
            Fact::MoveWithdrawn {
                device,
                point,
                value,
                moved,
                ..
            } => {
                let there = self.moves.withdraw(device, point, (*moved, *value));
                there.ok_or("nothing is remembered of it")
            }
            Fact::WatchdogFed {
                device,
                leaves,
                what,
                fed,
                ..
            } => {
                let what = what.as_ref();
                let there = self.watchdogs.feed(device, *leaves, what, *fed);
                there.ok_or("its watchdog is not armed")
            }
            Fact::SafePartDone { device, parts, .. } => {
                let there = self.watchdogs.do_parts(device, *parts);
                there.ok_or("its watchdog is not armed")
            }
            Fact::SafeStateBegun {
                device,
                parts,
                repeatable,
                ..
            } => {
                let there = self.watchdogs.begin(device, *parts, *repeatable);
                there.ok_or("its watchdog is not armed")
            }
            Fact::SafeStateEnded {
                device,
                done,
                unknown,
                again,
                ..
            } => {
                let there = self.watchdogs.end(device, *done, *unknown, *again);
                there.ok_or("its safe state was not begun")
            }
            Fact::WatchdogStopped { device, .. } => {
                let there = self.watchdogs.stop(device);
                there.ok_or("its watchdog is not armed")
            }
            Fact::CallEnded {
                call,
                outcome,
                usage,
                at,
            } => self.end_call(*call, outcome, *usage, *at),
            Fact::CallServed {
                call,
                turn,
                kind,
                key,
                digest,
                at,
            } => {
                let (instance, _) = self.charge_call(*call, *turn, *at)?;
                if let Some(key) = key {
                    self.begin_key(instance, key, (*call, *kind, *digest));
                    self.end_key(instance, key, *call, &Outcome::Ok { body: None }, *at);
                }
                Ok(())
            }
            Fact::CallRefused {
                call,
                turn,
                kind,
                target,
                refusal,
                at,
            } => {
                self.next_call = self.next_call.max(call.0 + 1);
                let date = self.date_of(*at);
                self.charge_refusal(*turn, refusal, *at);
                if is_denial(refusal)
                    && let Some(account) = self.agent_account(*turn)
                {
                    account.remember_denial(Denial {
                        at: date,
                        turn: *turn,
                        kind: *kind,
                        target: target.clone(),
                        refusal: Denied::Kernel(refusal.clone()),
                    });
                }
                Ok(())
            }
        }
    }
}

fn is_denial(refusal: &Refusal) -> bool {
    matches!(
        refusal,
        Refusal::Denied { .. }
            | Refusal::Guarded { .. }
            | Refusal::ApprovalRequired { .. }
            | Refusal::ApprovalDenied { .. }
            | Refusal::ApprovalExpired { .. }
            | Refusal::QuotaExceeded { .. }
    )
}

fn insert_new(is_new: bool) -> Applied {
    if is_new {
        Ok(())
    } else {
        Err("it is there already")
    }
}
