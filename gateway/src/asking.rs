//! A question on its way to an agent, through restarts of the node agent: asked again under its key until a turn is there,
//! then followed again until that has ended.
//!
//! It is asked in the name of who asks. What was begun so is followed, told and cancelled by the gateway itself: a key may end meanwhile,
//! and what it began does not.

use std::{sync::Arc, time::Duration};

use aion_abi::{
    admin::{TurnEvent, TurnOutcome, TurnRecord, TurnRequest},
    code::Code,
    problem::Problem,
};
use aion_client::ClientError;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::{
    gateway::{Gateway, problem},
    place::{self, Key, Places},
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
    /// Where it is asked; nowhere where a turn is there.
    places: Option<Places>,
    request: TurnRequest,
    key: String,
    abandoned: Abandoned,
    turn: Option<u64>,
    events: Option<place::Told>,
    /// A node agent answered before.
    reached: bool,
    told: Told,
}

/// What was heard of the turn's end.
#[derive(Debug, Default)]
struct Told {
    answer: Option<String>,
    outcome: Option<TurnOutcome>,
}

impl Told {
    fn hears(&mut self, event: &TurnEvent) {
        match event {
            // What an earlier run said at its end is said again, or otherwise.
            TurnEvent::Started { .. } => self.answer = None,
            TurnEvent::Final { text } => self.answer = Some(text.clone()),
            TurnEvent::Ended(outcome) => self.outcome = Some(TurnOutcome::clone(outcome)),
            _ => {}
        }
    }
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
        let made = Uuid::new_v4().to_string();
        let at = key.map_or(Key::Ours(&made), Key::Theirs);
        let places = gateway
            .nodes
            .places((namespace, name), at, &request.uploads);
        let mut asking = Self {
            places: Some(places.await.map_err(problem)?),
            gateway,
            agent: (namespace.to_owned(), name.to_owned()),
            request,
            key: key.unwrap_or(&made).to_owned(),
            abandoned,
            turn: None,
            events: None,
            reached: false,
            told: Told::default(),
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
            places: None,
            request: TurnRequest::default(),
            key: String::new(),
            abandoned: Abandoned::GoesOn,
            turn: Some(turn),
            events: None,
            // It was found there.
            reached: true,
            told: Told::default(),
        }
    }

    /// What is kept of the turn, once it has ended or is let go of; of one whose agent was deleted under it, what was heard. A node agent
    /// that goes away meanwhile is waited for.
    pub(crate) async fn record(&mut self) -> Result<TurnRecord, Problem> {
        let turn = self.turn.ok_or_else(|| {
            let what = "the node told the end of a turn and not which";
            Problem::new(Code::UpstreamFailed, what)
        })?;
        let until = Instant::now() + PATIENCE;
        loop {
            match self.gateway.own.turn(turn).await {
                Err(error) if self.comes_back(&error) && Instant::now() < until => {
                    sleep(PAUSE).await;
                }
                // It was erased; or, in a cluster, whose it is may ask no more: what was told is told.
                Err(ClientError::Refused(problem))
                    if matches!(
                        problem.code,
                        Code::NotFound | Code::BadSignature | Code::Denied
                    ) =>
                {
                    return self.heard(turn).ok_or(*problem);
                }
                told => return told.map_err(problem),
            }
        }
    }

    /// The record by what was heard; `None` where the end was not.
    fn heard(&mut self, turn: u64) -> Option<TurnRecord> {
        let outcome = self.told.outcome.clone()?;
        Some(TurnRecord {
            turn,
            trace: None,
            agent: format!("{}/{}", self.agent.0, self.agent.1),
            input: self.request.input.clone(),
            asked_at_ms: None,
            context: self.request.context.clone(),
            caller: None,
            trigger: None,
            answer: self.told.answer.take(),
            running: false,
            steps: Vec::new(),
            steps_beyond: 0,
            outcome: Some(outcome),
        })
    }

    fn ended(&self) -> bool {
        self.told.outcome.is_some()
    }

    /// What becomes of it from now on where its client goes away.
    pub(crate) fn where_abandoned(&mut self, it: Abandoned) {
        self.abandoned = it;
    }

    /// The turn, once it is known.
    pub(crate) fn turn(&self) -> Option<u64> {
        self.turn
    }

    /// What comes next; `None` after the turn's end.
    pub(crate) async fn next(&mut self) -> Result<Option<Heard>, Problem> {
        if self.ended() {
            return Ok(None);
        }
        let mut events = match self.events.take() {
            Some(events) => events,
            None => self.follow().await?,
        };
        match events.next().await {
            Ok(Some(event)) => {
                if let TurnEvent::Queued { turn } = &event {
                    self.turn = Some(*turn);
                }
                self.told.hears(&event);
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
    async fn follow(&mut self) -> Result<place::Told, Problem> {
        let until = Instant::now() + PATIENCE;
        loop {
            let tried = match (self.turn, &mut self.places) {
                (Some(turn), _) => self.gateway.own.turn_events(turn).await,
                (None, Some(places)) => places.ask(&self.request, Some(&self.key)).await,
                (None, None) => {
                    let what = "there is no turn to follow, and nothing to ask";
                    return Err(Problem::new(Code::Internal, what));
                }
            };
            match tried {
                Ok(events) => {
                    self.reached = true;
                    return Ok(events);
                }
                Err(error) if self.comes_back(&error) && Instant::now() < until => {
                    // It had the question, and may have taken it.
                    self.reached |= matches!(error, ClientError::Broken { .. });
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
        let away = matches!(error, ClientError::Unreachable { .. }) && self.reached;
        let turn = match self.turn.filter(|_| self.comes_back(&error)) {
            Some(turn) => turn,
            None if away => {
                let what = format!("the node agent went away with the question: {error}");
                return Problem::new(Code::OutcomeUnknown, what)
                    .remedy("ask again under the same idempotency key, if it had one: what was taken is not done twice");
            }
            None => return problem(error),
        };
        let what = format!("the node agent went away during turn {turn}: {error}");
        Problem::new(Code::OutcomeUnknown, what)
            .remedy("the turn goes on when the node agent is back: see aionctl why AGENT")
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        if self.ended() || self.abandoned == Abandoned::GoesOn {
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
            if let Err(error) = gateway.own.cancel_turn(turn).await {
                tracing::warn!(turn, %error, "a turn whose client went away is not cancelled");
            }
        });
    }
}

/// The turn that these are the events of: what they say first.
async fn number(mut events: place::Told) -> Option<u64> {
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
    use aion_client::{Address, Node};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::UnixListener,
    };

    use super::*;

    const HEAD: &str =
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked";

    /// A question to a node that gives one answer a connection, each of them of bytes, and is gone then.
    async fn asked_of(answers: Vec<String>) -> Asking {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("node.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        tokio::spawn(async move {
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let _ = stream.read(&mut [0; 4096]).await.unwrap();
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
            drop(folder);
        });
        let node = Node {
            address: Address::unix(&socket).unwrap(),
        };
        let gateway = Arc::new(Gateway::at(node));
        let request = TurnRequest {
            input: "A name for a cat?".to_owned(),
            ..TurnRequest::default()
        };
        let agent = ("default", "jarvis");
        let begun = Asking::begin(gateway, agent, request, None, Abandoned::GoesOn).await;
        begun.unwrap()
    }

    fn chunk(event: &TurnEvent) -> String {
        let event = format!("data: {}\n\n", serde_json::to_string(event).unwrap());
        format!("{:x}\r\n{event}\r\n", event.len())
    }

    /// A node that takes a question as turn 7, and is gone before it says more.
    async fn killed_in_the_middle() -> Asking {
        let queued = chunk(&TurnEvent::Queued { turn: 7 });
        asked_of(vec![format!("{HEAD}\r\n\r\n{queued}")]).await
    }

    #[tokio::test]
    async fn the_end_of_a_turn_that_is_erased_at_once_is_what_was_heard_of_it() {
        let problem = Problem::new(Code::NotRunning, "agent jarvis was deleted");
        let outcome = serde_json::from_value(serde_json::json!({"ok": false, "problem": problem}));
        let outcome: TurnOutcome = outcome.unwrap();
        let text = |text: &str| text.to_owned();
        let told: String = [
            TurnEvent::Queued { turn: 7 },
            TurnEvent::Started { incarnation: 1 },
            TurnEvent::Final { text: text("Mio") },
            TurnEvent::Started { incarnation: 2 },
            TurnEvent::Final { text: text("Tom") },
            TurnEvent::Ended(Box::new(outcome.clone())),
        ]
        .iter()
        .map(chunk)
        .collect();
        let gone = serde_json::to_string(&Problem::new(Code::NotFound, "no turn 7")).unwrap();
        let gone = format!(
            "HTTP/1.1 404 Not Found\r\ncontent-type: application/problem+json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{gone}",
            gone.len()
        );
        let mut asking = asked_of(vec![format!("{HEAD}\r\n\r\n{told}0\r\n\r\n"), gone]).await;
        while asking.next().await.unwrap().is_some() {}
        let record = asking.record().await.unwrap();
        assert_eq!(
            (record.turn, record.agent.as_str(), record.answer.as_deref()),
            (7, "default/jarvis", Some("Tom"))
        );
        assert_eq!(record.outcome, Some(outcome));
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

    #[tokio::test]
    async fn a_node_that_goes_away_with_the_question_may_have_taken_it() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("node.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 4096]).await.unwrap();
        });
        let node = Node {
            address: Address::unix(&socket).unwrap(),
        };
        tokio::time::pause();
        let gateway = Arc::new(Gateway::at(node));
        let (agent, request) = (("default", "jarvis"), TurnRequest::default());
        let begun = Asking::begin(gateway, agent, request, None, Abandoned::GoesOn).await;
        let lost = begun.err().unwrap();
        assert_eq!(lost.code, Code::OutcomeUnknown, "{lost}");
    }

    #[tokio::test]
    async fn a_turn_that_was_begun_is_told_after_its_key_has_ended() {
        let record =
            serde_json::json!({"turn": 7, "agent": "default/jarvis", "input": "", "answer": "Mio"});
        let told = move |headers: axum::http::HeaderMap| async move {
            match headers.contains_key("aion-key") {
                true => Err(axum::http::StatusCode::UNAUTHORIZED),
                false => Ok(axum::Json(record)),
            }
        };
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("node.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let router = axum::Router::new().route("/api/v1/turns/7", axum::routing::get(told));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let node = Node {
            address: Address::unix(&socket).unwrap(),
        };
        let address = node.address.in_the_name_of("a key").unwrap();
        let admitted = serde_json::json!({"id": "a", "namespace": "default"});
        let admitted = serde_json::from_value(admitted).unwrap();
        let gateway = Gateway::at(node).asked_by(Node { address }, admitted);
        assert!(gateway.nodes.turn(7).await.is_err());
        let mut asking = Asking::resumed(Arc::new(gateway), 7);
        assert_eq!(
            asking.record().await.unwrap().answer.as_deref(),
            Some("Mio")
        );
    }
}
