//! A tool's call: a question to an agent, and what comes of it.

use std::sync::Arc;

use aion_abi::{
    admin::{TurnEvent, TurnOutcome, TurnRequest},
    code::Code,
    problem::Problem,
};
use aion_route::Match;
use rmcp::{
    ErrorData, Peer, RoleServer,
    model::{
        CallToolResult, ContentBlock, JsonObject, ProgressNotificationParam, ProgressToken,
        Resource,
    },
};
use serde_json::Value;

use super::{
    data, files,
    tools::{self, ASK, Answer, Arguments, File},
};
use crate::{
    asking::{Abandoned, Asking, Heard},
    gateway::Gateway,
    notes,
    routing::Unrouted,
};

/// Tells a client how its call goes, where it asked for that.
pub(super) struct Progress {
    peer: Peer<RoleServer>,
    token: Option<ProgressToken>,
    told: u32,
}

impl Progress {
    pub(super) fn new(peer: Peer<RoleServer>, token: Option<ProgressToken>) -> Self {
        Self {
            peer,
            token,
            told: 0,
        }
    }

    async fn tell(&mut self, text: String) {
        let Some(token) = &self.token else { return };
        self.told += 1;
        let told = ProgressNotificationParam::new(token.clone(), f64::from(self.told));
        // A client that does not hear it is gone, which cancels the call.
        let _ = self.peer.notify_progress(told.with_message(text)).await;
    }
}

/// Asks, and waits for the end. What the agent or the node refuses is the result of the tool; only a tool that is not there is a fault.
pub(super) async fn ask(
    gateway: &Arc<Gateway>,
    tool: &str,
    arguments: JsonObject,
    progress: Progress,
) -> Result<CallToolResult, ErrorData> {
    let arguments: Arguments = match serde_json::from_value(Value::Object(arguments)) {
        Ok(arguments) => arguments,
        Err(error) => {
            let (namespace, name) = tools::agent(gateway, tool);
            let found = match tool == ASK {
                true => None,
                false => gateway.agent(namespace, name).await.err(),
            };
            if let Some(problem) = found.filter(|it| it.code == Code::NotFound) {
                return Err(nobody(tool, &problem));
            }
            let wrong = Problem::new(Code::BadRequest, error.to_string());
            return Ok(failed(
                &wrong.remedy("give the tool one argument, question: a text"),
            ));
        }
    };
    let question = arguments.question;
    let routed = match tool == ASK {
        true => {
            let remedy = "ask one of them by its tool";
            match gateway.route(&gateway.namespace, &question, remedy).await {
                Ok(chosen) => Some(chosen),
                Err(unrouted) => return Ok(undecided(gateway, &unrouted)),
            }
        }
        false => None,
    };
    let agent = match &routed {
        Some(chosen) => (chosen.namespace.as_str(), chosen.name.as_str()),
        None => tools::agent(gateway, tool),
    };
    let request = TurnRequest {
        input: question,
        ..TurnRequest::default()
    };
    let node = Arc::clone(gateway);
    match Asking::begin(node, agent, request, None, Abandoned::Cancelled).await {
        Err(problem) if problem.code == Code::NotFound => Err(nobody(tool, &problem)),
        Err(problem) => Ok(failed(&problem)),
        Ok(asking) => Ok(match answered(asking, routed, progress).await {
            Ok(result) => result,
            Err(problem) => failed(&problem),
        }),
    }
}

fn nobody(tool: &str, problem: &Problem) -> ErrorData {
    ErrorData::invalid_params(format!("there is no tool {tool}"), data(problem))
}

async fn answered(
    mut asking: Asking,
    routed: Option<Match>,
    mut progress: Progress,
) -> Result<CallToolResult, Problem> {
    let mut answer = aion_client::Answer::default();
    while let Some(heard) = asking.next().await? {
        match heard {
            Heard::Again => answer.start_again(),
            Heard::Event(TurnEvent::Progress { text, .. }) => progress.tell(text).await,
            Heard::Event(TurnEvent::Ended(outcome)) => {
                if let Some(problem) = outcome.problem {
                    return Err(problem);
                }
                let turn = asking.turn().unwrap_or_default();
                return Ok(result(answer.text(), turn, &outcome, routed));
            }
            Heard::Event(event) => {
                answer.take(&event);
            }
        }
    }
    let what = "the node did not say how the turn ended";
    Err(Problem::new(Code::OutcomeUnknown, what).remedy("look with aionctl why AGENT"))
}

fn result(answer: &str, turn: u64, outcome: &TurnOutcome, routed: Option<Match>) -> CallToolResult {
    let text = format!("{answer}{}", notes::after(outcome));
    let mut content = vec![ContentBlock::text(text)];
    let files = outcome.files.iter().map(|file| File {
        uri: files::uri(turn, &file.path),
        path: file.path.clone(),
        size: file.size,
    });
    let files: Vec<File> = files.collect();
    content.extend(files.iter().map(|file| {
        let link = Resource::new(file.uri.clone(), file.path.clone());
        ContentBlock::resource_link(link.with_size(file.size))
    }));
    let answer = Answer {
        answer: answer.to_owned(),
        turn,
        notes: notes::of(outcome),
        left_out: outcome.incomplete,
        files,
        routed,
    };
    let mut result = CallToolResult::success(content);
    // What is answered always has a JSON form.
    result.structured_content = serde_json::to_value(answer).ok();
    result
}

/// For a model to read: what went wrong, and what to do.
fn failed(problem: &Problem) -> CallToolResult {
    let Problem {
        code,
        detail,
        remedy,
        ..
    } = problem;
    let said = format!("{code}: {detail}; {remedy}");
    CallToolResult::error(vec![ContentBlock::text(said)])
}

/// As [`failed`], with the tools that could be meant.
fn undecided(gateway: &Gateway, unrouted: &Unrouted) -> CallToolResult {
    let mut result = failed(&unrouted.problem);
    let candidates = unrouted.candidates.iter().filter_map(|it| {
        let tool = tools::name(gateway, &it.namespace, &it.name)?;
        let what = it.description.as_deref().unwrap_or_default();
        Some(format!("{tool}: {what}"))
    });
    let candidates: Vec<String> = candidates.collect();
    if !candidates.is_empty() {
        result
            .content
            .push(ContentBlock::text(candidates.join("\n")));
    }
    result
}

/// What a client hears that does not want to.
pub(super) fn cancelled() -> CallToolResult {
    let cancelled = Problem::new(Code::Cancelled, "the call was cancelled");
    failed(&cancelled.remedy("call again"))
}
