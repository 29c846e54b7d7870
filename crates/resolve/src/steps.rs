//! The steps of an agent's workflow: whether they can be done with what the agent has, and with what it asks for.

use aion_abi::steps::Step;
use aion_abi::syscall::Syscall;
use aion_api::AgentSpec;
use aion_policy::Capability;
use aion_steps::{Given, Plan};

use crate::problem::Problem;

/// What is wrong with them, where anything is.
pub(crate) fn check(spec: &AgentSpec) -> Vec<Problem> {
    if spec.steps.is_empty() {
        return Vec::new();
    }
    let tools = spec.tools.iter();
    let given = Given {
        tools: tools
            .clone()
            .filter(|it| it.agent.is_none())
            .map(|it| it.tool().to_owned())
            .collect(),
        agents: tools.filter_map(|it| it.agent.clone()).collect(),
        has_model: spec.model.is_some(),
    };
    if let Err(faults) = Plan::make(&spec.steps, Some(&given)) {
        let faults = faults.into_iter();
        return faults
            .map(|it| Problem::new(it.field, (it.what, it.remedy)))
            .collect();
    }
    let mut problems = Vec::new();
    unasked(&spec.steps, "spec.steps", &asked(spec), &mut problems);
    problems
}

/// The rights that the agent asks for by name.
fn asked(spec: &AgentSpec) -> Vec<Capability> {
    let permissions = spec.permissions.iter();
    let texts = permissions.flat_map(|it| it.allow.iter().chain(&it.ask));
    texts.filter_map(|it| Capability::parse(it)).collect()
}

/// Operations that are called and not asked for: nobody could grant them.
fn unasked(steps: &[Step], field: &str, asked: &[Capability], problems: &mut Vec<Problem>) {
    for (at, step) in steps.iter().enumerate() {
        let field = format!("{field}[{at}]");
        if let Some(operation) = &step.tool {
            let wanted = Capability::new(Syscall::ToolCall, Some(operation));
            let is_plain = wanted.operations().is_some();
            if is_plain && !asked.iter().any(|it| it.covers(&wanted)) {
                let told = (
                    format!("the agent does not ask for the right {operation}"),
                    format!(
                        "add {operation} to spec.permissions.allow, or to ask where a person is to agree first"
                    ),
                );
                problems.push(Problem::new(format!("{field}.tool"), told));
            }
        }
        unasked(&step.steps, &format!("{field}.steps"), asked, problems);
    }
}
