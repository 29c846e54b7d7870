//! The steps of an agent's workflow: whether they can be done with what the agent has, and with what it asks for.

use aion_abi::steps::{DeviceCall, Step};
use aion_abi::syscall::Syscall;
use aion_api::{AgentSpec, GrantEffect};
use aion_policy::{Capability, Decided, Verdict, Wanted};
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

/// Steps that are always done and may not be: each with its right and the policy's reasons. One under `when` or `foreach` may
/// never come to be done, and is left to its turn.
pub(crate) fn not_granted(steps: &[Step], decided: &[Decided]) -> Vec<Problem> {
    let mut problems = Vec::new();
    always(steps, "spec.steps", decided, &mut problems);
    problems
}

fn always(steps: &[Step], field: &str, decided: &[Decided], problems: &mut Vec<Problem>) {
    for (at, step) in steps.iter().enumerate() {
        if step.when.is_some() || step.foreach.is_some() {
            continue;
        }
        let field = format!("{field}[{at}]");
        let calls = [
            (Syscall::ToolCall, "tool", &step.tool),
            (Syscall::AgentAsk, "agent", &step.agent),
        ];
        for (syscall, part, target) in calls {
            let Some(target) = target else { continue };
            let wanted = Capability::new(syscall, Some(target));
            if !is_granted(&wanted, decided) {
                let what = format!("{target} is not granted, and this step is always done");
                problems.push(Problem::new(format!("{field}.{part}"), what));
            }
        }
        always(&step.steps, &format!("{field}.steps"), decided, problems);
    }
}

fn is_granted(wanted: &Capability, decided: &[Decided]) -> bool {
    decided.iter().any(|it| {
        let granted = matches!(it.verdict, Verdict::Granted(_));
        let (Wanted::Capability(right) | Wanted::Always(right)) = &it.request.wanted else {
            return false;
        };
        let mut exceptions = it.exceptions.iter();
        let excepted =
            exceptions.any(|it| it.effect == GrantEffect::Deny && it.right.covers(wanted));
        granted && right.covers(wanted) && !excepted
    })
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
        // Which device it is about may be known only as it runs.
        if let Some(call) = step.device.filter(|it| *it != DeviceCall::List) {
            let right = match call {
                DeviceCall::History => Syscall::DeviceRead.name(),
                call => call.syscall().name(),
            };
            if !asked.iter().any(|it| it.syscall == right) {
                let told = (
                    format!("the agent does not ask for the right {right}"),
                    format!(
                        "add {right}:DEVICE to spec.permissions.allow, or to ask where a person is to agree first"
                    ),
                );
                problems.push(Problem::new(format!("{field}.device"), told));
            }
        }
        unasked(&step.steps, &format!("{field}.steps"), asked, problems);
    }
}
