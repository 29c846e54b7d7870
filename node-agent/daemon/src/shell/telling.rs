//! What the feed is told of facts: of turns that go on, and of calls that ended. Once they are written, and only while somebody
//! listens.

use std::collections::HashMap;

use aion_abi::event::{Happened, Queue, Syscall, Turn, TurnState};
use aion_kernel::{
    CallId, Effect, Fact, InstanceUid, Kernel, Load, Millis, Outcome, Release, Step, TurnId,
};
use tokio::time::{Duration, Instant, sleep};

use super::Handle;
use crate::{
    call::{capability, refusal, wanted, word_of},
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
    /// Whose turns are, also in the step that ends them: the kernel's state has let go of them by then.
    agents: HashMap<TurnId, String>,
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
            agents: HashMap::new(),
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
        self.agents.clear();
        if self.is_heard {
            let turns = kernel.state().turns();
            let named = turns.filter_map(|(turn, row)| Some((turn, agent(kernel, row.instance)?)));
            self.agents = named.collect();
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

    /// Takes note of a step of which `kernel` has already made its state.
    pub(super) fn step(&mut self, step: &Step, kernel: &Kernel) {
        if self.is_heard {
            self.closed(&step.effects);
            for fact in &step.facts {
                self.fact(fact, kernel);
            }
        }
    }

    /// Nobody is asked any more: by a word, by time, or since the turn ended, of which there is no fact of its own.
    fn closed(&mut self, effects: &[Release]) {
        for release in effects {
            if let Effect::ApprovalClosed {
                approval,
                turn,
                word,
                ..
            } = release.effect
            {
                let state = TurnState::Answered {
                    approval: approval.0,
                    word: word_of(word),
                };
                self.turn(turn, self.agents.get(&turn).cloned(), state);
            }
        }
    }

    fn turn(&mut self, turn: TurnId, agent: Option<String>, state: TurnState) {
        let went_on = Turn {
            turn: turn.0,
            state,
        };
        self.note(turn, agent, Happened::Turn(went_on));
    }

    /// What is of an agent is told with its name, since who may see it is asked by that.
    fn note(&mut self, turn: TurnId, agent: Option<String>, what: Happened) {
        match agent {
            Some(agent) => self.told.push((Some(agent), what)),
            None => tracing::warn!(%turn, "whose turn it is is not known: an event is not told"),
        }
    }

    /// What was noted is written.
    pub(super) fn written(&mut self) {
        for (agent, what) in self.told.drain(..) {
            self.feed.tell(agent, what);
        }
    }

    fn fact(&mut self, fact: &Fact, kernel: &Kernel) {
        let of_turn = |this: &Self, turn: &TurnId| this.agents.get(turn).cloned();
        match fact {
            Fact::TurnQueued {
                turn: id,
                instance,
                cause,
                caller,
                ..
            } => {
                let cause = Some(cause.as_str().to_owned());
                let caller = caller.as_ref().map(|it| it.turn.0);
                let agent = agent(kernel, *instance);
                if let Some(agent) = &agent {
                    self.agents.insert(*id, agent.clone());
                }
                self.turn(*id, agent, TurnState::Queued { cause, caller });
            }
            Fact::TurnStarted {
                turn: id,
                incarnation,
                ..
            } => {
                let incarnation = incarnation.0;
                self.turn(*id, of_turn(self, id), TurnState::Started { incarnation });
            }
            Fact::TurnRequeued { turn: id, .. } | Fact::TurnEvicted { turn: id, .. } => {
                let again = TurnState::Queued {
                    cause: None,
                    caller: None,
                };
                self.turn(*id, of_turn(self, id), again);
            }
            Fact::TurnEnded { turn: id, .. } => {
                self.agents.remove(id);
            }
            Fact::TurnParked { turn: id, .. } => {
                self.turn(*id, of_turn(self, id), TurnState::Paused);
            }
            Fact::TurnResumed { turn: id, .. } => {
                self.turn(*id, of_turn(self, id), TurnState::Resumed);
            }
            Fact::ApprovalAsked {
                approval,
                turn: id,
                kind,
                target,
                within,
                ..
            } => {
                let state = TurnState::Asked {
                    approval: approval.0,
                    capability: wanted(*kind, target.as_ref(), *within),
                };
                self.turn(*id, of_turn(self, id), state);
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
                    agent: of_turn(self, turn),
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
                    self.syscall(begun.turn, begun.agent, ended);
                }
            }
            Fact::CallServed {
                call, turn, kind, ..
            } => {
                let ended = ended(*call, *turn, capability(*kind, None));
                self.syscall(*turn, of_turn(self, turn), ended);
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
                self.syscall(*turn, of_turn(self, turn), refused);
            }
            _ => {}
        }
    }

    fn syscall(&mut self, turn: TurnId, agent: Option<String>, syscall: Syscall) {
        self.note(turn, agent, Happened::Syscall(syscall));
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

/// How much waits and runs.
pub(crate) fn depths(load: &Load) -> Queue {
    Queue {
        turns_waiting: load.waiting_turns as u64,
        turns_running: load.running_turns as u64,
        turns_paused: load.parked_turns as u64,
        calls_waiting: load.waiting_calls as u64,
        calls_running: load.running_calls as u64,
        approvals_pending: load.pending_approvals as u64,
    }
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
        let depths = depths(&load);
        let is_known = last.is_some_and(|(it, at)| it == depths && at.elapsed() < AGAIN);
        if !is_known {
            feed.tell(None, Happened::Queue(depths));
            last = Some((depths, Instant::now()));
        }
        sleep(LOOK).await;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use aion_kernel::{ApprovalId, Barrier, Kind, Limits, Refusal, TurnOutcome, Word};
    use futures::FutureExt as _;
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn what_ends_with_its_turn_is_told_though_the_kernel_has_let_go_of_it() {
        let (feed, kernel) = (Feed::new(), Kernel::new(Limits::default()));
        let mut listener = feed.listen(None, true);
        let mut telling = Telling::to(feed);
        telling.look(&kernel);
        telling.agents.insert(TurnId(3), "default/a".to_owned());
        let closed = Effect::ApprovalClosed {
            approval: ApprovalId(5),
            turn: TurnId(3),
            word: Word::Withdrawn,
            by: None,
        };
        let refused = Fact::CallRefused {
            call: CallId(4),
            turn: TurnId(3),
            kind: Kind::ModelChat,
            target: None,
            refusal: Refusal::Denied { rule: None },
            at: Millis(1),
        };
        let ended = Fact::TurnEnded {
            turn: TurnId(3),
            outcome: TurnOutcome::Completed,
            at: Millis(1),
        };
        let step = Step {
            facts: vec![refused, ended],
            effects: vec![Release {
                barrier: Barrier::Durable,
                effect: closed,
            }],
        };
        telling.step(&step, &kernel);
        assert!(telling.agents.is_empty());
        telling.written();
        let told = std::iter::from_fn(|| listener.next().now_or_never().flatten());
        let told: Vec<_> = told.map(|it| serde_json::to_value(it).unwrap()).collect();
        assert_eq!(told[1]["event"]["state"], "answered", "{told:?}");
        assert_eq!(told[1]["event"]["word"], json!("withdrawn"), "{told:?}");
        assert_eq!(told[2]["event"]["kind"], "syscall", "{told:?}");
        assert!(
            told[1..]
                .iter()
                .all(|it| it["event"]["agent"] == "default/a")
        );
    }
}
