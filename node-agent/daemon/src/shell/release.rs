//! Releasing effects: what is done once the facts behind it are safe enough.
//!
//! Replies and drivers go as soon as their own barrier is reached. Everything else keeps its order behind
//! what waits for a sync, so that nothing is stopped before it was started.

use std::sync::Arc;

use aion_abi::{admin::TurnEvent, code::Code, date::UnixMillis, problem::Problem};
use aion_journal::Lsn;
use aion_kernel::{
    Answer, Barrier, CallId, Effect, Finish, Generation, Name, Outcome, Parts, PeerTurn, Ticket,
    Usage,
};
use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use super::{
    Driven, Job, Reply, TurnEnd, WorkerOrder,
    driving::Progress,
    owner::{Running, Said, Shell, Staged},
};
use crate::call::{refusal, wanted, word_of};

/// What an answer without content looks like.
pub(crate) const EMPTY: &[u8] = b"{}";

impl Shell {
    /// The facts of the staged effects were written; the journal ends at `end`.
    pub(super) fn release(&mut self, end: Lsn) {
        let mut staged = std::mem::take(&mut self.staged);
        for (barrier, effect) in staged.drain(..) {
            let needs = match barrier {
                Barrier::Durable => end,
                Barrier::None | Barrier::Written => Lsn(0),
            };
            let free = matches!(effect.effect, Effect::Reply { .. } | Effect::Drive { .. });
            if needs <= self.durable && (free || self.queue.is_empty()) {
                self.carry_out(effect);
            } else {
                self.queue.push_back((needs, effect));
            }
        }
        self.staged = staged;
    }

    /// Carries out what waited for the disk and need not any longer.
    pub(super) fn release_durable(&mut self) {
        while let Some((needs, _)) = self.queue.front()
            && *needs <= self.durable
            && let Some((_, effect)) = self.queue.pop_front()
        {
            self.carry_out(effect);
        }
    }

    fn carry_out(&mut self, staged: Staged) {
        match staged.effect {
            Effect::Reply {
                ticket,
                call,
                answer,
            } => self.reply(ticket, call, answer, staged.said),
            Effect::Drive {
                call,
                ticket,
                deadline,
                peer,
                aimed,
                ..
            } => self.drive((call, ticket), deadline, peer, aimed),
            Effect::SafeState {
                device,
                generation,
                parts,
            } => self.make_safe(device, generation, parts),
            Effect::CancelDriver { call, .. } => {
                if let Some(running) = self.running.get(&call) {
                    running.cancel.cancel();
                }
            }
            Effect::AbortDriver { call } => {
                if let Some(running) = self.running.remove(&call) {
                    running.abort.abort();
                }
            }
            Effect::TurnAccepted { ticket, turn } => {
                if let Some(answer) = ticket.and_then(|ticket| self.invokes.remove(&ticket)) {
                    let _ = answer.send(Ok(turn));
                }
            }
            Effect::InvokeRefused { ticket, refusal } => {
                if let Some(answer) = ticket.and_then(|ticket| self.invokes.remove(&ticket)) {
                    let _ = answer.send(Err(refusal::problem(&refusal)));
                }
            }
            Effect::StartWorker {
                turn,
                instance,
                incarnation,
            } => self.order(WorkerOrder::Start {
                turn,
                instance,
                incarnation,
            }),
            Effect::OpenGate { turn, incarnation } => {
                self.order(WorkerOrder::OpenGate { turn, incarnation });
            }
            Effect::KillWorker { turn, incarnation } => {
                self.order(WorkerOrder::Kill { turn, incarnation });
            }
            Effect::TurnDone {
                turn,
                input,
                outcome,
                usage,
                calls,
                ..
            } => self.order(WorkerOrder::Done {
                input: input.digest,
                end: TurnEnd {
                    turn,
                    outcome,
                    usage,
                    calls,
                    at: self.clock.now(),
                },
            }),
            Effect::ApprovalAsked { approval, turn, .. } => {
                if let Some(row) = self.kernel.state().approval(approval) {
                    let event = TurnEvent::Asked {
                        approval: approval.0,
                        capability: wanted(row.kind, row.target.as_ref(), row.within),
                        until_ms: UnixMillis(row.until.0),
                    };
                    self.order(WorkerOrder::Tell { turn, event });
                }
            }
            Effect::ApprovalClosed {
                approval,
                turn,
                word,
                by,
            } => {
                let event = TurnEvent::Answered {
                    approval: approval.0,
                    word: word_of(word),
                    by: by.map(|by| by.as_str().to_owned()),
                };
                self.order(WorkerOrder::Tell { turn, event });
            }
            Effect::QuestionAnswered { ticket, said } => {
                if let Some(answer) = self.questions.remove(&ticket) {
                    let _ = answer.send(said.map_err(|why| refusal::problem(&why)));
                }
            }
            Effect::AnswerTaken { ticket, refused } => {
                if let Some(answer) = self.words.remove(&ticket) {
                    let _ = answer.send(refused.map_or(Ok(()), Err));
                }
            }
            Effect::InstanceRemoved { instance } => {
                self.order(WorkerOrder::Removed { instance });
            }
        }
    }

    fn order(&self, order: WorkerOrder) {
        let _ = self.orders.send(order);
    }

    fn reply(&mut self, ticket: Ticket, call: CallId, answer: Answer, said: Option<Said>) {
        let Some(waiting) = self.waiting.remove(&ticket) else {
            return;
        };
        let reply = match answer {
            Answer::Refused(refusal) => Err(refusal::problem(&refusal)),
            Answer::Outcome { outcome, replayed } => match said {
                Some(said) => first_hand(ticket, call, &outcome, said),
                None => self.recorded(call, &outcome, replayed),
            },
        };
        let reply = reply.unwrap_or_else(|problem| Reply::Problem(Box::new(problem.call(call.0))));
        let _ = waiting.reply.send(reply);
    }

    /// The answer of a call that ended without a driver of this run: inside the kernel, or earlier.
    fn recorded(&self, call: CallId, outcome: &Outcome, replayed: bool) -> Result<Reply, Problem> {
        let body = match outcome {
            Outcome::Ok { body: None } => Bytes::from_static(EMPTY),
            Outcome::Ok { body: Some(body) } => match self.journal.body(body.digest) {
                Ok(bytes) => Bytes::from(bytes),
                Err(error) => {
                    return Err(Problem::new(
                        Code::OutcomeUnknown,
                        format!(
                            "call {call} ended well, but its answer is no longer kept: {error}"
                        ),
                    )
                    .remedy("the effect happened once: look at it instead of doing it again"));
                }
            },
            other => return Err(refusal::ended(other)),
        };
        Ok(Reply::Done {
            call,
            recorded: replayed,
            body,
            whole: true,
        })
    }

    fn make_safe(&mut self, device: Name, judged: Generation, parts: Parts) {
        let handle = self.handle.clone();
        let driving = Arc::clone(&self.driving);
        self.drivers.spawn(async move {
            let work = tokio::spawn(driving.make_safe(device.clone(), judged, parts));
            // Of a driver that broke nobody knows what it did.
            let (done, unknown) = work.await.unwrap_or((Parts::default(), parts));
            handle.tell(aion_kernel::Event::SafeStateEnded {
                device,
                done,
                unknown,
            });
        });
    }

    fn drive(
        &mut self,
        (call, ticket): (CallId, Ticket),
        deadline: aion_kernel::Millis,
        peer: Option<PeerTurn>,
        judged: Option<Generation>,
    ) {
        let waiting = self.waiting.get_mut(&ticket);
        let Some(verified) = waiting.and_then(|waiting| waiting.verified.take()) else {
            // Its connection closed while it waited for the disk: nobody has its body any more.
            self.handle.tell(aion_kernel::Event::Finished {
                call,
                finish: Finish::Stopped,
                usage: Usage::default(),
            });
            return;
        };
        let cancel = CancellationToken::new();
        let keyed = verified.key.is_some();
        let job = Job {
            verified,
            cancel: cancel.clone(),
            deadline,
            peer,
            judged,
            progress: Progress {
                handle: self.handle.clone(),
                call,
            },
        };
        let handle = self.handle.clone();
        let driving = Arc::clone(&self.driving);
        let work = self.drivers.spawn(driving.drive(job));
        let abort = work.abort_handle();
        self.drivers.spawn(async move {
            match work.await {
                Ok(driven) => handle.finished(call, driven),
                Err(error) if error.is_cancelled() => {}
                Err(error) => handle.finished(call, broken(&error)),
            }
        });
        let running = Running {
            ticket,
            keyed,
            cancel,
            abort,
        };
        self.running.insert(call, running);
    }
}

fn first_hand(
    ticket: Ticket,
    call: CallId,
    outcome: &Outcome,
    said: Said,
) -> Result<Reply, Problem> {
    match (outcome, said.answer) {
        (Outcome::Ok { .. }, Ok(body)) => {
            let joined = said.stream.filter(|_| ticket != said.first);
            let whole = joined.is_some();
            Ok(Reply::Done {
                call,
                recorded: ticket != said.first,
                body: joined.unwrap_or(body),
                whole,
            })
        }
        (Outcome::Failed(_), Err(problem)) => Err(problem),
        // The driver knows why nobody knows.
        (Outcome::Unknown, Err(problem)) if problem.leaves_unknown() => Err(problem),
        (other, _) => Err(refusal::ended(other)),
    }
}

/// A driver that broke down. What it did nobody knows.
fn broken(error: &tokio::task::JoinError) -> Driven {
    tracing::error!(%error, "a driver broke down");
    Driven {
        finish: Finish::Unknown,
        usage: Usage::default(),
        said: Err(Problem::new(Code::OutcomeUnknown, "the driver broke down")),
        stream: None,
    }
}
