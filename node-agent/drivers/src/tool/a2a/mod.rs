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
mod guard;
mod handles;
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
use parking_lot::Mutex;
use tokio::time::{Instant, timeout, timeout_at};

use self::{
    agents::{Agent, Agents},
    fault::unknown,
    follow::{Answer, Following},
    guard::Reach,
    handles::Handles,
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
    handles: Handles,
}

impl A2aTools {
    /// Dials by `outbound`, with keys from `secrets`. Tasks that wait can be gone on with as long as `proofs` is the same.
    pub fn new(outbound: Arc<Outbound>, secrets: Arc<dyn Secrets>, proofs: [u8; 32]) -> Self {
        Self {
            handles: Handles::new(proofs),
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
        let answers = asked.task.as_deref();
        let answers = answers.map(|it| self.handles.read(server, &attempt.instance, it));
        let message = Message::new(server, &asked, attempt, answers.transpose()?);
        let reach = Mutex::default();
        let during = async {
            let before = async {
                let card = agent.card(&self.dialer).await?;
                self.dialer.line(&agent, &card).await
            };
            // An earlier try may have been taken: that this one was not says nothing of it.
            let line = before.await.map_err(|problem| match message.again {
                true => unknown(problem),
                false => problem,
            })?;
            let heard = Call::new(&request.name, &waits.told);
            Following::new(line, &agent, heard, &reach)
                .ask(&message)
                .await
        };
        let told = match timeout_at(deadline, during).await {
            Ok(told) => told?,
            Err(_) => return Err(late(&agent, &message, *reach.lock())),
        };
        self.answer(server, &attempt.instance, told)
    }

    fn answer(
        &self,
        server: &ToolServer,
        instance: &str,
        told: Answer,
    ) -> Result<CallResponse, Problem> {
        let (task, is_unsent) = match told {
            Answer::Message(parts) => return Ok(answer::of_message(parts)),
            Answer::Task(task) => (task, false),
            Answer::Unsent(task) => (task, true),
        };
        let handle = self.handles.give(server, instance, &task.named.task)?;
        let mut answer = answer::of_task(&server.name, &handle, task);
        if is_unsent {
            let words = "[the task did not wait any more: it went on without this message, which was not sent]";
            answer.text = format!("{words}\n\n{}", answer.text);
        }
        Ok(answer)
    }
}

/// The end of a call whose time was over, by how far it came.
fn late(agent: &Agent, message: &Message, reach: Reach) -> Problem {
    let over = "the call's time was over before";
    match reach {
        Reach::Before if message.again => {
            let what = format!("{over} an earlier try of it was found");
            unknown(problem(Code::DeadlineExceeded, agent, &what))
        }
        Reach::Before => {
            let what = format!("{over} it was asked: no message was sent");
            problem(Code::DeadlineExceeded, agent, &what)
        }
        Reach::Sent => {
            let what = format!("{over} it answered the message");
            unknown(problem(Code::DeadlineExceeded, agent, &what))
        }
        Reach::Task => {
            let what = format!("{over} its task ended; the agent is asked to cancel it");
            problem(Code::DeadlineExceeded, agent, &what)
        }
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
