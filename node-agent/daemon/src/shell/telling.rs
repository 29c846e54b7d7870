//! What the feed is told of facts: of turns that go on, and of calls that ended. Once they are written, and only while somebody
//! listens.

use std::collections::HashMap;

use aion_abi::event::{Happened, Queue, Syscall, Turn, TurnState};
use aion_kernel::{CallId, Fact, InstanceUid, Kernel, Millis, Outcome, TurnId};
use tokio::time::{Duration, Instant, sleep};

use super::Handle;
use crate::{
    call::{capability, refusal, word_of},
    feed::Feed,
};

/// How often is looked how much waits.
const LOOK: Duration = Duration::from_millis(500);
/// After so long it is told also where it did not change: somebody may have come since.
const AGAIN: Duration = Duration::from_secs(10);

/// See the module.
pub(super) struct Telling {
    feed: Feed,
    is_heard: bool,
    /// Calls whose driver works.
    running: HashMap<CallId, Begun>,
    /// Of facts that are not written yet.
    told: Vec<(Option<String>, Happened)>,
}

struct Begun {
    turn: TurnId,
    agent: Option<String>,
    capability: String,
    at: Millis,
}

impl Telling {
    pub(super) fn to(feed: Feed) -> Self {
        Self {
            feed,
            is_heard: false,
            running: HashMap::new(),
            told: Vec::new(),
        }
    }

    /// Looks whether somebody listens: what runs by then ends with its name, too.
    pub(super) fn look(&mut self, kernel: &Kernel) {
        if self.feed.is_heard() == self.is_heard {
            return;
        }
        self.is_heard = !self.is_heard;
        self.running.clear();
        if self.is_heard {
            let calls = kernel.state().calls();
            self.running = calls
                .map(|(call, row)| {
                    let begun = Begun {
                        turn: row.turn,
                        agent: agent(kernel, row.instance),
                        capability: capability(row.kind, row.target.as_ref()),
                        at: row.started_at,
                    };
                    (call, begun)
                })
                .collect();
        }
    }

    /// Takes note of facts of which `kernel` has already made its state.
    pub(super) fn facts(&mut self, facts: &[Fact], kernel: &Kernel) {
        if self.is_heard {
            for fact in facts {
                self.fact(fact, kernel);
            }
        }
    }

    /// What was noted is written.
    pub(super) fn written(&mut self) {
        for (agent, what) in self.told.drain(..) {
            self.feed.tell(agent, what);
        }
    }

    fn fact(&mut self, fact: &Fact, kernel: &Kernel) {
        let of_turn = |turn: TurnId| {
            let row = kernel.state().turn(turn)?;
            agent(kernel, row.instance)
        };
        let mut turn = |turn: TurnId, agent: Option<String>, state| {
            // What nobody is known to have is told to nobody.
            if agent.is_some() {
                let went_on = Turn {
                    turn: turn.0,
                    state,
                };
                self.told.push((agent, Happened::Turn(went_on)));
            }
        };
        match fact {
            Fact::TurnQueued {
                turn: id,
                instance,
                cause,
                ..
            } => {
                let cause = Some(cause.as_str().to_owned());
                turn(*id, agent(kernel, *instance), TurnState::Queued { cause });
            }
            Fact::TurnStarted {
                turn: id,
                incarnation,
                ..
            } => {
                let incarnation = incarnation.0;
                turn(*id, of_turn(*id), TurnState::Started { incarnation });
            }
            Fact::TurnRequeued { turn: id, .. } | Fact::TurnEvicted { turn: id, .. } => {
                turn(*id, of_turn(*id), TurnState::Queued { cause: None });
            }
            Fact::TurnParked { turn: id, .. } => turn(*id, of_turn(*id), TurnState::Paused),
            Fact::TurnResumed { turn: id, .. } => turn(*id, of_turn(*id), TurnState::Resumed),
            Fact::ApprovalAsked {
                approval,
                turn: id,
                kind,
                target,
                ..
            } => {
                let state = TurnState::Asked {
                    approval: approval.0,
                    capability: capability(*kind, target.as_ref()),
                };
                turn(*id, of_turn(*id), state);
            }
            Fact::ApprovalAnswered { approval, word, .. } => {
                if let Some(row) = kernel.state().approval(*approval) {
                    let state = TurnState::Answered {
                        approval: approval.0,
                        word: word_of(*word),
                    };
                    let agent = format!("{}/{}", row.tenant, row.agent);
                    turn(row.turn, Some(agent), state);
                }
            }
            Fact::CallStarted {
                call,
                turn,
                kind,
                target,
                at,
                ..
            } => {
                let begun = Begun {
                    turn: *turn,
                    agent: of_turn(*turn),
                    capability: capability(*kind, target.as_ref()),
                    at: *at,
                };
                self.running.insert(*call, begun);
            }
            Fact::CallEnded {
                call,
                outcome,
                usage,
                at,
            } => {
                if let Some(begun) = self.running.remove(call) {
                    let ended = Syscall {
                        ok: matches!(outcome, Outcome::Ok { .. }),
                        code: failed(outcome),
                        elapsed_ms: Some(at.since(begun.at)),
                        tokens: usage.total(),
                        ..ended(*call, begun.turn, begun.capability)
                    };
                    self.syscall(begun.agent, ended);
                }
            }
            Fact::CallServed {
                call, turn, kind, ..
            } => {
                let ended = ended(*call, *turn, capability(*kind, None));
                self.syscall(of_turn(*turn), ended);
            }
            Fact::CallRefused {
                call,
                turn,
                kind,
                target,
                refusal,
                ..
            } => {
                let refused = Syscall {
                    ok: false,
                    code: Some(refusal::problem(refusal).code),
                    ..ended(*call, *turn, capability(*kind, target.as_ref()))
                };
                self.syscall(of_turn(*turn), refused);
            }
            _ => {}
        }
    }

    fn syscall(&mut self, agent: Option<String>, syscall: Syscall) {
        if agent.is_some() {
            self.told.push((agent, Happened::Syscall(syscall)));
        }
    }
}

/// One that the kernel itself did.
fn ended(call: CallId, turn: TurnId, capability: String) -> Syscall {
    Syscall {
        call: call.0,
        turn: turn.0,
        capability,
        ok: true,
        code: None,
        elapsed_ms: None,
        tokens: 0,
    }
}

fn failed(outcome: &Outcome) -> Option<aion_abi::code::Code> {
    let ok = matches!(outcome, Outcome::Ok { .. });
    (!ok).then(|| refusal::ended(outcome).code)
}

/// `namespace/name`, as everything is told.
fn agent(kernel: &Kernel, instance: InstanceUid) -> Option<String> {
    let profile = kernel.state().instance(instance)?.profile;
    Some(format!("{}/{}", profile.tenant, profile.agent))
}

/// Tells how much waits, while somebody listens. For as long as there is a kernel.
pub(crate) async fn tell_depths(shell: Handle, feed: Feed) {
    let mut last: Option<(Queue, Instant)> = None;
    loop {
        if !feed.is_heard() {
            last = None;
            feed.heard().await;
        }
        let Some(load) = shell.look(Kernel::load).await else {
            return;
        };
        let depths = Queue {
            turns_waiting: load.waiting_turns as u64,
            turns_running: load.running_turns as u64,
            turns_paused: load.parked_turns as u64,
            calls_waiting: load.waiting_calls as u64,
            calls_running: load.running_calls as u64,
            approvals_pending: load.pending_approvals as u64,
        };
        let is_known = last.is_some_and(|(it, at)| it == depths && at.elapsed() < AGAIN);
        if !is_known {
            feed.tell(None, Happened::Queue(depths));
            last = Some((depths, Instant::now()));
        }
        sleep(LOOK).await;
    }
}
