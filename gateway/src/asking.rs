//! A question on its way to an agent, through restarts of the node agent: asked again under its key until a turn is there,
//! then followed again until that has ended.

use std::{sync::Arc, time::Duration};

use aion_abi::{
    admin::{TurnEvent, TurnRecord, TurnRequest},
    code::Code,
    problem::Problem,
};
use aion_client::{ClientError, Events};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::{
    gateway::{Gateway, problem},
    unanswered::PATIENCE,
};

const PAUSE: Duration = Duration::from_millis(500);

/// What becomes of the turn where its client goes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Abandoned {
    /// It goes on: the client can follow it again.
    GoesOn,
    /// It is cancelled: nobody would ever see its answer.
    Cancelled,
}

/// What is heard of the turn.
#[derive(Debug)]
pub(crate) enum Heard {
    Event(TurnEvent),
    /// It was lost, and is told from its start again.
    Again,
}

/// See the module.
pub(crate) struct Asking {
    gateway: Arc<Gateway>,
    /// Namespace and name.
    agent: (String, String),
    request: TurnRequest,
    key: String,
    abandoned: Abandoned,
    turn: Option<u64>,
    events: Option<Events<TurnEvent>>,
    /// A node agent answered before.
    reached: bool,
    ended: bool,
}

impl Asking {
    /// Asks, and returns when the node agent took the question or refuses it.
    pub(crate) async fn begin(
        gateway: Arc<Gateway>,
        (namespace, name): (&str, &str),
        request: TurnRequest,
        key: Option<&str>,
        abandoned: Abandoned,
    ) -> Result<Self, Problem> {
        let mut asking = Self {
            gateway,
            agent: (namespace.to_owned(), name.to_owned()),
            request,
            key: key.map_or_else(|| Uuid::new_v4().to_string(), str::to_owned),
            abandoned,
            turn: None,
            events: None,
            reached: false,
            ended: false,
        };
        // To its end also where the client goes away: a turn that was begun is known then, and can be cancelled.
        let begun = tokio::spawn(async move {
            asking.events = Some(asking.follow().await?);
            Ok(asking)
        });
        match begun.await {
            Ok(begun) => begun,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }

    /// A turn that is there, followed from its start.
    pub(crate) fn resumed(gateway: Arc<Gateway>, turn: u64) -> Self {
        Self {
            gateway,
            // Nothing is asked.
            agent: <(String, String)>::default(),
            request: TurnRequest::default(),
            key: String::new(),
            abandoned: Abandoned::GoesOn,
            turn: Some(turn),
            events: None,
            // It was found there.
            reached: true,
            ended: false,
        }
    }

    /// What is kept of the turn, once it has ended. A node agent that goes away meanwhile is waited for.
    pub(crate) async fn record(&mut self) -> Result<TurnRecord, Problem> {
        let turn = self.turn.ok_or_else(|| {
            let what = "the node told the end of a turn and not which";
            Problem::new(Code::UpstreamFailed, what)
        })?;
        let until = Instant::now() + PATIENCE;
        loop {
            match self.gateway.node.turn(turn).await {
                Err(error) if self.comes_back(&error) && Instant::now() < until => {
                    sleep(PAUSE).await;
                }
                told => return told.map_err(problem),
            }
        }
    }

    /// The turn, once it is known.
    pub(crate) fn turn(&self) -> Option<u64> {
        self.turn
    }

    /// What comes next; `None` after the turn's end.
    pub(crate) async fn next(&mut self) -> Result<Option<Heard>, Problem> {
        if self.ended {
            return Ok(None);
        }
        let mut events = match self.events.take() {
            Some(events) => events,
            None => self.follow().await?,
        };
        match events.next().await {
            Ok(Some(event)) => {
                match &event {
                    TurnEvent::Queued { turn } => self.turn = Some(*turn),
                    TurnEvent::Ended(_) => self.ended = true,
                    _ => {}
                }
                self.events = Some(events);
                Ok(Some(Heard::Event(event)))
            }
            // It ends without its end where the node agent goes away.
            Ok(None) | Err(ClientError::Broken { .. }) => {
                sleep(PAUSE).await;
                Ok(Some(Heard::Again))
            }
            Err(error) => Err(problem(error)),
        }
    }

    /// The turn's events from its start.
    async fn follow(&mut self) -> Result<Events<TurnEvent>, Problem> {
        let until = Instant::now() + PATIENCE;
        loop {
            let node = &self.gateway.node;
            let (namespace, name) = (&self.agent.0, &self.agent.1);
            let tried = match self.turn {
                Some(turn) => node.turn_events(turn).await,
                None => {
                    let key = Some(self.key.as_str());
                    node.start_turn(namespace, name, &self.request, key).await
                }
            };
            match tried {
                Ok(events) => {
                    self.reached = true;
                    return Ok(events);
                }
                Err(error) if self.comes_back(&error) && Instant::now() < until => {
                    sleep(PAUSE).await;
                }
                Err(error) => return Err(self.lost(error)),
            }
        }
    }

    /// Whether another try is worth it. Where nothing ever answered somebody has to start the node.
    fn comes_back(&self, error: &ClientError) -> bool {
        match error {
            ClientError::Refused(problem) => problem.code == Code::Restarting,
            ClientError::Unreachable { .. } => self.reached,
            ClientError::Broken { .. } => true,
            _ => false,
        }
    }

    /// What was taken may still be done where the node agent is not heard of again.
    fn lost(&self, error: ClientError) -> Problem {
        let Some(turn) = self.turn.filter(|_| self.comes_back(&error)) else {
            return problem(error);
        };
        let what = format!("the node agent went away during turn {turn}: {error}");
        Problem::new(Code::OutcomeUnknown, what)
            .remedy("the turn goes on when the node agent is back: look with aionctl why AGENT")
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        if self.ended || self.abandoned == Abandoned::GoesOn {
            return;
        }
        let (gateway, turn) = (Arc::clone(&self.gateway), self.turn);
        let events = self.events.take();
        tokio::spawn(async move {
            let turn = match (turn, events) {
                (Some(turn), _) => turn,
                (None, Some(events)) => match number(events).await {
                    Some(turn) => turn,
                    None => return,
                },
                // Nothing took the question.
                (None, None) => return,
            };
            if let Err(error) = gateway.node.cancel_turn(turn).await {
                tracing::warn!(turn, %error, "a turn whose client went away is not cancelled");
            }
        });
    }
}

/// The turn that these are the events of: what they say first.
async fn number(mut events: Events<TurnEvent>) -> Option<u64> {
    while let Ok(Some(event)) = events.next().await {
        if let TurnEvent::Queued { turn } = event {
            return Some(turn);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use crate::lending::Lending;
    use aion_client::{Address, Node};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::UnixListener,
    };

    use super::*;

    /// A node that takes a question as turn 7, and is gone before it says more.
    async fn killed_in_the_middle() -> Asking {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("node.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let dies = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 4096]).await.unwrap();
            let queued = serde_json::to_string(&TurnEvent::Queued { turn: 7 }).unwrap();
            let event = format!("data: {queued}\n\n");
            let head =
                "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked";
            let answer = format!("{head}\r\n\r\n{:x}\r\n{event}\r\n", event.len());
            stream.write_all(answer.as_bytes()).await.unwrap();
            drop(folder);
        });
        let node = Node {
            address: Address::unix(&socket).unwrap(),
        };
        let gateway = Arc::new(Gateway {
            lending: Lending::of(node.clone()),
            events: Arc::new(crate::events::Events::of(node.clone(), "default")),
            node,
            namespace: "default".to_owned(),
            token: String::new(),
            signer: crate::signing::Signer::of(&[7; 32]).unwrap(),
            base: std::sync::OnceLock::new(),
        });
        let request = TurnRequest {
            input: "A name for a cat?".to_owned(),
            ..TurnRequest::default()
        };
        let agent = ("default", "jarvis");
        let begun = Asking::begin(gateway, agent, request, None, Abandoned::GoesOn).await;
        dies.await.unwrap();
        begun.unwrap()
    }

    #[tokio::test]
    async fn a_node_that_is_killed_and_stays_away_ends_the_stream_with_a_code() {
        let mut asking = killed_in_the_middle().await;
        let queued = asking.next().await.unwrap();
        assert!(
            matches!(queued, Some(Heard::Event(TurnEvent::Queued { turn: 7 }))),
            "{queued:?}"
        );
        // From here on it waits for nothing but its own patience.
        tokio::time::pause();
        let began = Instant::now();
        let again = asking.next().await.unwrap();
        assert!(matches!(again, Some(Heard::Again)), "{again:?}");
        let lost = asking.next().await.unwrap_err();
        assert_eq!(lost.code, Code::OutcomeUnknown, "{lost}");
        assert!(lost.detail.contains("turn 7"), "{lost}");
        assert!(began.elapsed() >= PATIENCE, "{:?}", began.elapsed());
    }
}
