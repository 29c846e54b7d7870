//! Other agents as tools of the model. What one answers is data, as any tool's result is.

use aion_abi::boot::AgentTool;
use aion_abi::code::Code;
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

/// What the agent answers is a result like any other. That it could not is one, too: whether this turn may go on, its
/// next call tells.
pub(super) async fn ask(syscalls: &impl Syscalls, agent: String, arguments: &str) -> String {
    let asked = async {
        let Arguments { input } = parse(arguments)?;
        let request = AskRequest {
            agent,
            input,
            ..AskRequest::default()
        };
        let ended: EndedResponse = syscalls.call(Syscall::AgentAsk, &request).await?;
        let notices = ended.notices.iter().map(|it| format!("[{it}]"));
        match (ended.answer, ended.problem) {
            (Some(answer), _) => Ok(std::iter::once(answer)
                .chain(notices)
                .collect::<Vec<_>>()
                .join("\n\n")),
            (None, Some(problem)) => Err(problem),
            (None, None) => Err(Problem::new(Code::Unanswered, "the agent gave no answer")),
        }
    };
    let failed = |problem: Problem| format!("error: {problem}. {}", problem.remedy);
    asked.await.unwrap_or_else(failed)
}
