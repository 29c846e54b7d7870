//! The runner of steps: a turn of an agent that is a workflow.
//!
//! What is done next is decided in `aion-steps`; here it is done, each call a syscall under the name of its step. So a turn
//! that runs again asks for what it asked for, and has the outcome of what had ended. What may not enter: a decision about
//! steps, an expression.

mod calls;
mod devices;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use aion_abi::boot::{Input, Steps};
use aion_abi::code::Code;
use aion_abi::problem::Problem;
use aion_abi::steps::{MAX_TOLD, StepState, StepTold};
use aion_abi::syscall::Syscall;
use aion_abi::syscall::agent::{MessageKind, MessageRequest, MessageResponse};
use aion_steps::{Now, Plan, Run};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use serde_json::Value;

use crate::syscalls::{Syscalls, patience};

/// Runs one turn; its answer goes out as `agent.message`.
///
/// # Errors
/// What ended the turn without an answer. What is under way then ends with the turn, by the kernel's hand.
pub(crate) async fn run(
    program: &Steps,
    input: &Input,
    syscalls: &impl Syscalls,
) -> Result<(), Problem> {
    let plan = Plan::make(&program.steps, None).map_err(|faults| {
        let faults: Vec<_> = faults
            .iter()
            .map(|it| format!("{}: {}", it.field, it.what))
            .collect();
        Problem::new(
            Code::ProgramFailed,
            format!("the steps cannot be done: {}", faults.join("; ")),
        )
        .remedy("correct the Agent's spec.steps; aionctl explain shows what is wrong")
    })?;
    if !input.files.is_empty() {
        let text = "the files that were given are not used: steps have no files";
        say(syscalls, MessageKind::LeftOut, text.to_owned()).await?;
    }
    let mut run = Run::new(&plan, &input.text, program.max_prompts);
    let (mut under_way, mut waiting) = (FuturesUnordered::new(), VecDeque::new());
    let at_once = program.at_once.max(1) as usize;
    loop {
        let turn = run.go_on();
        tell(syscalls, turn.told).await?;
        match turn.now {
            Now::Waits => {}
            Now::Done(result) => return say(syscalls, MessageKind::Final, answer(result)).await,
            Now::Failed(problem) => return Err(problem),
        }
        waiting.extend(turn.starts);
        while under_way.len() < at_once
            && let Some(start) = waiting.pop_front()
        {
            under_way.push(calls::make(syscalls, program, start));
        }
        let Some((step, outcome)) = under_way.next().await else {
            let text = "a workflow waits for nothing";
            return Err(Problem::new(Code::Internal, text));
        };
        run.answered(&step, outcome);
    }
}

/// The last result as the turn's answer.
fn answer(result: Option<Value>) -> String {
    match result {
        Some(Value::String(text)) => text,
        Some(other) => other.to_string(),
        None => "Nothing was done: every step was skipped.".to_owned(),
    }
}

async fn tell(syscalls: &impl Syscalls, told: Vec<StepTold>) -> Result<(), Problem> {
    for part in told.chunks(MAX_TOLD) {
        let Some(last) = part.last() else { continue };
        let doing = part.iter().rev().find(|it| it.state == StepState::Running);
        let text = match doing {
            Some(it) => format!("step {}", it.step),
            None => format!("step {} is {}", last.step, last.state.as_str()),
        };
        let request = MessageRequest {
            text,
            kind: MessageKind::Progress,
            problem: None,
            steps: part.to_vec(),
        };
        let _: MessageResponse = patience::call(syscalls, Syscall::AgentMessage, &request).await?;
    }
    Ok(())
}

async fn say(syscalls: &impl Syscalls, kind: MessageKind, text: String) -> Result<(), Problem> {
    let request = MessageRequest {
        text,
        kind,
        problem: None,
        steps: Vec::new(),
    };
    let _: MessageResponse = patience::call(syscalls, Syscall::AgentMessage, &request).await?;
    Ok(())
}
