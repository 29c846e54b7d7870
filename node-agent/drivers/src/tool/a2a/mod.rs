//! Agents elsewhere as tools, asked by A2A 1.0 (<https://a2a-protocol.org>): each has one operation, `ask`, which its card
//! describes. A call is a message, and is followed until its task ends (docs/adr/0051).
//!
//! What may not enter: files that an agent made, what it may ask of the node, an answer without a bound.

mod agents;
mod answer;
mod binding;
mod card;
mod events;
mod fault;
mod follow;
mod line;
mod message;
mod offer;
mod task;
mod update;

#[cfg(test)]
mod scripted;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use aion_abi::{
    code::Code,
    problem::Problem,
    syscall::tool::{CallRequest, CallResponse, ListResponse, ToolSpec, Unavailable},
};
use futures::future::{BoxFuture, join_all};
use tokio::time::{Instant, timeout, timeout_at};

use self::{
    agents::{Agent, Agents},
    follow::Following,
    line::Dialer,
    message::Message,
};
use super::{Attempt, Granted, ToolDriver, ToolServer, Waits, parsed, progress::Call};
use crate::{
    outbound::{Endpoint, Outbound},
    secrets::Secrets,
};

/// The one operation.
const ASK: &str = "ask";
/// How long a card is waited for where tools are listed; the others are listed meanwhile.
const LIST_TIMEOUT: Duration = Duration::from_secs(10);

/// An agent elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Remote {
    /// Where it is. Its secret is sent to this scheme, host and port, and nowhere else.
    pub endpoint: Endpoint,
    /// Where its card is, where that is not below its address.
    pub card_url: Option<String>,
}

/// Tools that are agents elsewhere.
pub struct A2aTools {
    dialer: Dialer,
    agents: Agents,
}

impl A2aTools {
    /// Dials by `outbound`, with keys from `secrets`.
    pub fn new(outbound: Arc<Outbound>, secrets: Arc<dyn Secrets>) -> Self {
        Self {
            dialer: Dialer { outbound, secrets },
            agents: Agents::default(),
        }
    }

    async fn list_one(
        &self,
        server: &ToolServer,
        granted: &Granted,
    ) -> Result<Option<ToolSpec>, Unavailable> {
        let unavailable = |reason: String| Unavailable {
            tool: server.name.clone(),
            reason,
        };
        if !server.offers(ASK) || !granted(&format!("{}.{ASK}", server.name)) {
            return Ok(None);
        }
        let agent = self.agents.of(server);
        let card = timeout(LIST_TIMEOUT, agent.card(&self.dialer)).await;
        let card = card.unwrap_or_else(|_| {
            let seconds = LIST_TIMEOUT.as_secs();
            let what = format!(
                "tool {}: its card did not come within {seconds} s",
                server.name
            );
            Err(Problem::new(Code::Unreachable, what))
        });
        match card {
            Ok(card) => Ok(Some(offer::of(server, &card))),
            Err(problem) => Err(unavailable(format!(
                "{}; {}",
                problem.detail, problem.remedy
            ))),
        }
    }

    async fn call_one(
        &self,
        tools: &[ToolServer],
        request: CallRequest,
        attempt: &Attempt,
        deadline: Instant,
        waits: &Waits,
    ) -> Result<CallResponse, Problem> {
        let (server, operation, arguments) = parsed(tools, &request)?;
        if operation != ASK {
            let what = format!(
                "tool {}: it is an agent, and has no operation {operation}",
                server.name
            );
            let remedy = format!("call {}.{ASK}", server.name);
            return Err(Problem::new(Code::NotFound, what).remedy(remedy));
        }
        if request.link.is_some() {
            let what = format!(
                "tool {}: an agent's answer has no links that are read",
                server.name
            );
            return Err(
                Problem::new(Code::NotFound, what).remedy("ask the agent for what is there")
            );
        }
        let deadline = deadline.min(Instant::now() + server.timeout);
        let agent = self.agents.of(server);
        let asked = offer::read(server, arguments)?;
        let message = Message::new(server, asked, attempt, &agent)?;
        let during = async {
            let card = agent.card(&self.dialer).await?;
            let line = self.dialer.line(&agent, &card).await?;
            let heard = Call::new(&request.name, &waits.told);
            Following::new(line, &agent, heard).ask(&message).await
        };
        let ended = timeout_at(deadline, during).await;
        ended.unwrap_or_else(|_| {
            let what = format!(
                "tool {}: the call's time was over before the agent's task ended; it was told to stop",
                server.name
            );
            Err(Problem::new(Code::DeadlineExceeded, what))
        })
    }
}

/// What is wrong with an agent, for whoever asked.
fn problem(code: Code, agent: &Agent, what: &str) -> Problem {
    Problem::new(code, format!("tool {}: {what}", agent.name()))
}

impl ToolDriver for A2aTools {
    fn list<'a>(
        &'a self,
        tools: &'a [ToolServer],
        granted: &'a Granted,
    ) -> BoxFuture<'a, Result<ListResponse, Problem>> {
        Box::pin(async move {
            let mut response = ListResponse {
                tools: Vec::new(),
                unavailable: Vec::new(),
            };
            for listed in join_all(tools.iter().map(|it| self.list_one(it, granted))).await {
                match listed {
                    Ok(spec) => response.tools.extend(spec),
                    Err(unavailable) => response.unavailable.push(unavailable),
                }
            }
            Ok(response)
        })
    }

    fn call<'a>(
        &'a self,
        tools: &'a [ToolServer],
        request: CallRequest,
        attempt: &'a Attempt,
        deadline: Instant,
        waits: &'a Waits,
    ) -> BoxFuture<'a, Result<CallResponse, Problem>> {
        Box::pin(self.call_one(tools, request, attempt, deadline, waits))
    }
}
