//! A question on its way to a node agent, through restarts of it: asked again under its key until a turn is there, then
//! followed again until the turn has ended.
//!
//! What was not taken may be asked of another node; what may have been taken is asked of the same one, which knows it by
//! the key.

use std::time::Duration;

use aion_abi::{
    admin::{TurnEvent, TurnRequest},
    code::Code,
    device::{BY_HAND, Command, Write},
};
use aion_client::{ClientError, Events};
use uuid::Uuid;

use crate::{
    asked::Asked,
    context::Context,
    failure::{Failure, Status},
};

use super::{local, shown::Shown};

/// How long a node that went away is waited for: a pod is replaced in a minute, and on a busy machine in some.
const PATIENCE: Duration = Duration::from_secs(300);
/// As long as a node was never reached: it may be gone for good.
const FIRST: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(500);

/// What a turn is to do.
#[derive(Debug)]
pub(super) enum What {
    /// An agent answers.
    Ask(TurnRequest),
    /// A property of a device is set.
    Write(String, Write),
    /// A device does something.
    Command(String, Command),
}

/// What is asked of an agent.
#[derive(Debug)]
pub(super) struct Question {
    agent: String,
    what: What,
    key: String,
    /// A node may have taken it.
    taken: bool,
    /// It is on its way to a node, and nothing is known of it.
    under_way: bool,
    /// A node answered, or was there and broke off.
    reached: bool,
}

/// A failed try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Failed {
    /// The node did not take the question, and soon takes it.
    NotTaken,
    /// No node runs on this machine.
    Absent,
    /// It may have.
    Unknown,
    /// For good.
    ForGood,
}

impl Question {
    pub(super) fn new(agent: &str, request: TurnRequest) -> Self {
        Self::of(agent, What::Ask(request))
    }

    /// What a person does by hand.
    pub(super) fn by_hand(what: What) -> Self {
        Self::of(BY_HAND, what)
    }

    fn of(agent: &str, what: What) -> Self {
        Self {
            agent: agent.to_owned(),
            what,
            key: Uuid::new_v4().to_string(),
            taken: false,
            under_way: false,
            reached: false,
        }
    }

    /// Whether a node took it, or may have: what it asks for may be done.
    pub(super) fn may_be_taken(&self) -> bool {
        self.taken || self.under_way
    }

    /// Between two streams.
    pub(super) async fn rest(&self) {
        tokio::time::sleep(PAUSE).await;
    }

    /// The turn's events from its start, also after the node went away.
    ///
    /// # Errors
    /// The node refuses, or does not come back.
    pub(super) async fn events(
        &mut self,
        context: &Context,
        asked: &mut Asked,
        shown: &mut Shown<'_>,
    ) -> Result<Events<TurnEvent>, Failure> {
        let mut waited = Duration::ZERO;
        loop {
            self.under_way = true;
            let tried = match shown.turn {
                Some(turn) => asked.node.turn_events(turn).await,
                None => {
                    let (node, key) = (&asked.node, self.key.as_str());
                    let namespace = context.namespace.as_str();
                    match &self.what {
                        What::Ask(request) => {
                            let agent = &self.agent;
                            node.start_turn(namespace, agent, request, Some(key)).await
                        }
                        What::Write(device, it) => {
                            node.write_device((namespace, device), it, key).await
                        }
                        What::Command(device, it) => {
                            node.command_device((namespace, device), it, key).await
                        }
                    }
                }
            };
            self.under_way = false;
            let error = match tried {
                Ok(stream) => {
                    (self.taken, self.reached) = (true, true);
                    return Ok(stream);
                }
                Err(error) => error,
            };
            let failed = match failed(&error, self.reached) {
                Failed::Absent if local::is_started_again(context) => Failed::NotTaken,
                Failed::Absent => Failed::ForGood,
                failed => failed,
            };
            self.reached |= was_reached(&error);
            self.taken |= may_be_taken(&error);
            let patience = if self.reached { PATIENCE } else { FIRST };
            if failed == Failed::ForGood || waited >= patience {
                return Err(gone(error, asked, shown.turn));
            }
            shown.waits(&format!(
                "the node at {} does not answer; waiting for it to come back",
                asked.node.address
            ));
            tokio::time::sleep(PAUSE).await;
            waited += PAUSE;
            let found = match self.taken {
                true => context.again(asked).await,
                false => context.node_of(&self.agent).await,
            };
            // Where the cluster does not say, it is where it was.
            if let Ok(found) = found {
                *asked = found;
            }
        }
    }
}

/// What a failed try of a node that was `reached` before means.
fn failed(error: &ClientError, reached: bool) -> Failed {
    match error {
        ClientError::Refused(problem) if problem.code == Code::Restarting => Failed::NotTaken,
        // On this machine there is a socket where a node runs: without one it ended, or nobody started it.
        ClientError::Unreachable { at, .. } if !reached && at.starts_with('/') => Failed::Absent,
        ClientError::Unreachable { .. } => Failed::NotTaken,
        ClientError::Broken { .. } => Failed::Unknown,
        _ => Failed::ForGood,
    }
}

/// Whether the node may have taken the question. One that answers with a problem, or is not reached, did not.
fn may_be_taken(error: &ClientError) -> bool {
    matches!(
        error,
        ClientError::Broken { .. } | ClientError::Unexpected { .. }
    )
}

/// Whether a node was there. One on this machine that breaks a connection off was, and is being started again.
fn was_reached(error: &ClientError) -> bool {
    match error {
        ClientError::Refused(_) => true,
        ClientError::Broken { at, .. } => at.starts_with('/'),
        _ => false,
    }
}

fn gone(error: ClientError, asked: &Asked, turn: Option<u64>) -> Failure {
    match (&error, turn) {
        (ClientError::Unreachable { .. } | ClientError::Broken { .. }, Some(turn)) => {
            Failure::new(format!("the node went away during turn {turn}"))
                .at(&asked.node.address)
                .remedy("the turn is recorded and goes on when the node is back: aionctl why AGENT shows its last turns")
                .status(Status::Unreachable)
        }
        _ => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use aion_abi::problem::Problem;

    use super::*;

    #[test]
    fn what_may_have_been_taken_is_not_asked_of_another_node() {
        let unreachable = |at: &str| ClientError::Unreachable {
            at: at.to_owned(),
            why: io::Error::from(io::ErrorKind::ConnectionRefused),
        };
        let refused = |code| ClientError::Refused(Box::new(Problem::new(code, "no")));
        let broken = |at: &str| ClientError::Broken {
            at: at.to_owned(),
            why: "reset".to_owned(),
        };
        assert_eq!(failed(&broken("10.0.0.1:1"), false), Failed::Unknown);
        assert!(!was_reached(&broken("10.0.0.1:1")));
        assert!(was_reached(&broken("/run/a.sock")), "it was killed");
        assert!(!was_reached(&unreachable("/run/a.sock")));
        assert_eq!(failed(&unreachable("10.0.0.1:1"), false), Failed::NotTaken);
        assert_eq!(failed(&unreachable("/run/a.sock"), false), Failed::Absent);
        assert_eq!(failed(&unreachable("/run/a.sock"), true), Failed::NotTaken);
        assert_eq!(failed(&refused(Code::Restarting), false), Failed::NotTaken);
        assert_eq!(failed(&refused(Code::Denied), true), Failed::ForGood);
        assert!(may_be_taken(&broken("10.0.0.1:1")));
        assert!(!may_be_taken(&refused(Code::Denied)));
        assert!(!may_be_taken(&unreachable("10.0.0.1:1")));
    }
}
