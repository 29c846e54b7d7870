//! `tool.list` and `tool.call`: what of an instance's tools it may be offered, which try a call is, and what servers ask people.

use std::{collections::HashSet, sync::Arc};

use aion_abi::{
    approval::MAX_SHOWN,
    code::Code,
    problem::Problem,
    syscall::{
        Syscall,
        tool::{CallRequest, ListResponse, Unavailable},
    },
};
use aion_api::{AgentInstanceSpec, GrantEffect};
use aion_drivers::tool::{Asks, Attempt, Question, Said, ToolDriver, Tries};
use aion_kernel::{IdempotencyKey, Name, TurnId, Word};
use aion_policy::Capability;
use bytes::Bytes;
use serde_json::json;

use crate::{call::Caller, instance::Instance, shell::Progress};

/// Who asks, where otherwise a rule stands.
const SERVER: &str = "the tool's server, while the call runs";

/// What an instance is offered of its tools.
pub(crate) async fn offered(
    tools: &dyn ToolDriver,
    instance: &Instance,
) -> Result<ListResponse, Problem> {
    let (servers, unavailable) = instance.tool_servers();
    let resource = Arc::clone(&instance.resource);
    let granted = move |operation: &str| granted(&resource.spec, operation);
    let mut listed = tools.list(&servers, &granted).await?;
    listed.unavailable.extend(unavailable);
    Ok(listed)
}

/// Why a call is not made, where it is of a tool that cannot be reached.
pub(super) fn reached(call: &CallRequest, unavailable: &[Unavailable]) -> Result<(), Problem> {
    let tool = call.name.split('.').next().unwrap_or_default();
    match unavailable.iter().find(|it| it.tool == tool) {
        Some(found) => Err(Problem::new(
            Code::Unreachable,
            format!("tool {tool}: {}", found.reason),
        )),
        None => Ok(()),
    }
}

/// Asks people what a tool's server asks while its call runs.
pub(super) fn asks(call: Progress) -> Asks {
    Arc::new(move |question| Box::pin(asked(call.clone(), question)))
}

async fn asked(call: Progress, question: Question) -> Said {
    let Question {
        operation,
        message,
        form,
        sends,
    } = question;
    // A call has name and arguments: nothing that is shown here is ever the request of one.
    let shown = json!({"question": message, "of": operation, "form": form, "sends": sends});
    let shown = shown.to_string();
    if shown.len() > MAX_SHOWN {
        tracing::info!(operation, "nobody is asked what cannot be shown whole");
        return Said::Nothing;
    }
    match call.ask(Name::from(SERVER), Bytes::from(shown)).await {
        Ok(Word::Approved { .. }) => Said::Yes,
        Ok(Word::Denied) => Said::No,
        Ok(Word::Expired | Word::Withdrawn) => Said::Nothing,
        Err(why) => {
            tracing::info!(operation, %why, "nobody is asked what a tool's server asks");
            Said::Nothing
        }
    }
}

/// Which try of a call it is. A turn that is not among those that were `standing` when the node started makes each of its
/// calls for the first time.
pub(super) fn attempt(
    caller: &Caller,
    call: &CallRequest,
    key: Option<&IdempotencyKey>,
    standing: &HashSet<TurnId>,
) -> Attempt {
    // A key is its instance's own.
    let scoped = |key: &IdempotencyKey| format!("{}/{}", caller.instance.uid.0, key.as_str());
    Attempt {
        instance: caller.instance.uid.0.to_string(),
        key: key.map(scoped),
        tries: match key.is_some() && caller.instance.repeats(&call.name) {
            false => Tries::Once,
            true if standing.contains(&caller.turn) => Tries::Again,
            true => Tries::First,
        },
    }
}

/// Whether an operation is offered: what would be refused is not, what needs a person's word is.
fn granted(spec: &AgentInstanceSpec, operation: &str) -> bool {
    let mut effects = spec.grants.iter().filter_map(|grant| {
        let right = Capability::parse(&grant.capability)?;
        let holds = match right.operations() {
            Some(operations) => operations.have(operation),
            None => right.known() == Some(Syscall::ToolCall),
        };
        holds.then_some(grant.effect)
    });
    let allowed = effects.clone().next().is_some();
    allowed && effects.all(|it| it != GrantEffect::Deny)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use aion_api::Grant;

    use super::*;

    #[test]
    fn a_call_of_a_tool_that_cannot_be_reached_says_why() {
        let unavailable = [Unavailable {
            tool: "newer".to_owned(),
            reason: "update the node".to_owned(),
        }];
        let call = |name: &str| CallRequest {
            name: name.to_owned(),
            arguments: serde_json::Value::Null,
            link: None,
        };
        assert!(reached(&call("calendar.read"), &unavailable).is_ok());
        let refused = reached(&call("newer.read"), &unavailable).unwrap_err();
        assert_eq!(refused.code, Code::Unreachable);
    }

    #[test]
    fn what_is_allowed_or_asked_about_is_offered_and_nothing_else() {
        let right = |capability: &str, effect| Grant {
            capability: capability.into(),
            effect,
        };
        let mut spec = AgentInstanceSpec {
            grants: vec![
                right("tool.call:calendar.read", GrantEffect::Allow),
                right("tool.call:calendar.write", GrantEffect::Ask),
                right("tool.list", GrantEffect::Allow),
            ],
            ..AgentInstanceSpec::default()
        };
        assert!(granted(&spec, "calendar.read"));
        assert!(granted(&spec, "calendar.write"));
        assert!(!granted(&spec, "calendar.rea"));
        spec.grants
            .push(right("tool.call:depot.*", GrantEffect::Allow));
        spec.grants
            .push(right("tool.call:depot.\"delete: all\"", GrantEffect::Deny));
        assert!(granted(&spec, "depot.stock: now"));
        assert!(!granted(&spec, "depot.delete: all") && !granted(&spec, "depots.stock"));
        spec.grants.push(right("tool.call", GrantEffect::Allow));
        assert!(granted(&spec, "mail.send"));
        assert!(!granted(&spec, "depot.delete: all"));
    }
}
