//! What the gateway says as the program of an agent (`aion_abi::external`).
//!
//! What is begun, and each syscall, is in the name of who asks for it. That the program is there, what it holds, and how that ends the
//! gateway says itself: it does not hang on a key that may end meanwhile.

use aion_abi::{
    admin::TurnOutcome,
    code::Code,
    external::{Begin, Begun, End, Given, Holding, Registered, Registration, Run, Told},
    problem::Problem,
};
use aion_client::{Body, ClientError, Download, Method, Node};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use uuid::Uuid;

use crate::unanswered::{self, problem};

/// See the module. It is given the turns that it begins itself alone.
pub(super) struct Program {
    /// Asked by the gateway itself.
    own: Node,
    /// Namespace and name.
    agent: (String, String),
    /// Whoever has it speaks for the program.
    name: String,
}

impl Program {
    pub(super) fn of(own: Node, agent: (String, String)) -> Self {
        let name = Uuid::new_v4().simple().to_string();
        Self { own, agent, name }
    }

    /// In the name of who asks, or again by the gateway itself.
    pub(super) async fn register(
        &self,
        by: Option<&Node>,
        holds: Vec<Run>,
    ) -> Result<Registered, Problem> {
        let registration = Registration {
            name: concat!("aion-gateway ", env!("CARGO_PKG_VERSION")).to_owned(),
            program: Some(self.name.clone()),
            holds,
            own: true,
        };
        let by = by.unwrap_or(&self.own);
        self.say(by, &[], &registration).await
    }

    pub(super) async fn begin(&self, by: &Node, input: &str) -> Result<u64, Problem> {
        let input = input.to_owned();
        let begun: Begun = self
            .say(by, &[&self.name, "begin"], &Begin { input })
            .await?;
        Ok(begun.turn)
    }

    pub(super) async fn next(&self, holds: Vec<Run>) -> Result<Given, Problem> {
        self.say(&self.own, &[&self.name, "turn"], &Holding { holds })
            .await
    }

    pub(super) async fn heartbeat(&self, holds: Vec<Run>) -> Result<Told, Problem> {
        self.say(&self.own, &[&self.name, "heartbeat"], &Holding { holds })
            .await
    }

    pub(super) async fn end(&self, run: Run) -> Result<(), Problem> {
        let end = End { run, code: 0 };
        self.say::<Value>(&self.own, &[&self.name, "end"], &end)
            .await
            .map(|_| ())
    }

    pub(super) async fn leave(&self) -> Result<(), Problem> {
        let (below, nothing) = ([self.name.as_str()], HeaderMap::new());
        let sent = self.sent(&self.own, Method::DELETE, &below, nothing, Body::default());
        sent.await.map(|_| ()).map_err(away)
    }

    /// How a turn ended, where it has.
    pub(super) async fn outcome(&self, turn: u64) -> Option<TurnOutcome> {
        self.own.turn(turn).await.ok()?.outcome
    }

    pub(super) async fn cancel(&self, turn: u64) {
        if let Err(error) = self.own.cancel_turn(turn).await {
            tracing::warn!(turn, %error, "a turn that was not given is not cancelled");
        }
    }

    /// A signed syscall of a run.
    ///
    /// # Errors
    /// What the node refuses with. `restarting`: nothing was done of it.
    pub(super) async fn syscall(
        &self,
        by: Option<&Node>,
        run: Run,
        path: &str,
        signed: Vec<(&'static str, String)>,
        body: Body,
    ) -> Result<Download, Problem> {
        let mut headers = HeaderMap::new();
        for (name, value) in signed {
            let value = HeaderValue::try_from(value)
                .map_err(|why| Problem::new(Code::Internal, why.to_string()))?;
            headers.insert(HeaderName::from_static(name), value);
        }
        let (turn, incarnation) = (run.turn.to_string(), run.incarnation.to_string());
        let mut below = vec![self.name.as_str(), "turns", &turn, &incarnation];
        below.extend(path.split('/').filter(|it| !it.is_empty()));
        let by = by.unwrap_or(&self.own);
        match self.sent(by, Method::POST, &below, headers, body).await {
            // It was on its way, and has no key under which it could be asked for again.
            Err(error @ ClientError::Broken { .. }) => {
                Err(problem(error).remedy("ask again: a model may have been asked, and charged"))
            }
            sent => refused(sent.map_err(away)?).await,
        }
    }

    async fn say<T: DeserializeOwned>(
        &self,
        by: &Node,
        below: &[&str],
        sent: &impl Serialize,
    ) -> Result<T, Problem> {
        let unread = |why: serde_json::Error| {
            Problem::new(Code::UpstreamFailed, format!("the node's answer: {why}"))
                .remedy("have gateway and node of one version")
        };
        let body = serde_json::to_vec(sent).map_err(unread)?;
        let headers = HeaderMap::new();
        let answer = self.sent(by, Method::POST, below, headers, body.into());
        let answer = answer.await;
        let answer = refused(answer.map_err(away)?).await?;
        let answer = answer.whole().await.map_err(away)?;
        serde_json::from_slice(&answer).map_err(unread)
    }

    async fn sent(
        &self,
        by: &Node,
        method: Method,
        below: &[&str],
        mut headers: HeaderMap,
        body: Body,
    ) -> Result<(u16, Download), ClientError> {
        let json = HeaderValue::from_static("application/json");
        headers.insert(header::CONTENT_TYPE, json);
        let agent = (self.agent.0.as_str(), self.agent.1.as_str());
        let answered = by.of_program(method, agent, below, headers, body);
        let (status, _, answer) = answered.await?;
        Ok((status.as_u16(), answer))
    }
}

/// The answer, where it is not a refusal.
async fn refused((status, answer): (u16, Download)) -> Result<Download, Problem> {
    if status < 300 {
        return Ok(answer);
    }
    let said = answer.whole().await.map_err(away)?;
    Err(serde_json::from_slice(&said).unwrap_or_else(|_| {
        let what = format!("the node answered {status} and no problem");
        Problem::new(Code::UpstreamFailed, what).remedy("have gateway and node of one version")
    }))
}

/// What is said here may be said again.
fn away(error: ClientError) -> Problem {
    unanswered::away(
        error,
        "start the node where it does not run: aionctl local start",
    )
}
