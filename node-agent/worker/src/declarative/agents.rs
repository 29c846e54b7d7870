//! Other agents as tools of the model. What one answers is data, as any tool's result is.

use aion_abi::boot::AgentTool;
use aion_abi::problem::Problem;
use aion_abi::syscall::Syscall;
use aion_abi::syscall::agent::{AskRequest, EndedResponse};
use serde::Deserialize;

use super::arguments::parse;
use crate::syscalls::Syscalls;

#[derive(Deserialize)]
struct Arguments {
    input: String,
}

/// What the model is told of it.
pub(super) fn description(agent: &AgentTool) -> String {
    match agent.description.is_empty() {
        true => format!("Asks the agent {}.", agent.name),
        false => format!("Asks the agent {}: {}", agent.name, agent.description),
    }
}

/// What the agent answers is a result like any other, and that it could not is one, too: how its turn ended says nothing of
/// this one.
///
/// # Errors
/// What became of the call itself: whether this turn goes on then is the toolbox's to say. One that was interrupted must not
/// be text for the model, which would ask anew while the first turn goes on.
pub(super) async fn ask(
    syscalls: &impl Syscalls,
    agent: String,
    arguments: &str,
) -> Result<String, Problem> {
    let Arguments { input } = parse(arguments)?;
    let request = AskRequest {
        agent,
        input,
        ..AskRequest::default()
    };
    let ended: EndedResponse = syscalls.call(Syscall::AgentAsk, &request).await?;
    let notices = ended.notices.iter().map(|it| format!("[{it}]"));
    Ok(match (ended.answer, ended.problem) {
        (Some(answer), _) => std::iter::once(answer)
            .chain(notices)
            .collect::<Vec<_>>()
            .join("\n\n"),
        (None, Some(problem)) => format!("error: {problem}. {}", problem.remedy),
        (None, None) => "error: the agent gave no answer".to_owned(),
    })
}
