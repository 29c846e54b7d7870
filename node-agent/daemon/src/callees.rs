//! Turns that agents begin of other agents: which instance takes one, what it may do, and its question on the disk before
//! the kernel is asked. Whether the caller may, the kernel decides.

use std::sync::Arc;

use aion_abi::{
    admin::TurnRequest,
    caller::TurnCaller,
    code::Code,
    problem::Problem,
    syscall::{Syscall, agent::AskRequest},
};
use aion_api::{AgentInstanceSpec, GrantEffect};
use aion_kernel::{Delegated, GrantRule, Peer, Spawn};
use aion_policy::{Capability, delegated};

use crate::{
    call::{Begin, Caller},
    instance::{Instance, Instances},
    shell::Handle,
    turns::{Turns, turn_rights},
};

/// See the module. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Callees {
    pub(crate) shell: Handle,
    pub(crate) instances: Instances,
    pub(crate) turns: Turns,
}

impl Callees {
    /// The agent's instance with the fewest turns.
    pub(crate) async fn idlest(&self, namespace: &str, agent: &str) -> Option<Arc<Instance>> {
        let instances = self.instances.of_agent(namespace, agent);
        let uids: Vec<_> = instances.iter().map(|it| it.uid).collect();
        let counted = self.shell.look(move |kernel| {
            let turns = kernel.state().turns();
            let turns: Vec<_> = turns.map(|(_, row)| row.instance).collect();
            let count = |uid| turns.iter().filter(|it| **it == uid).count();
            uids.into_iter().map(count).collect::<Vec<_>>()
        });
        let counted = counted.await.unwrap_or_default();
        let counted = instances.into_iter().zip(counted);
        let fewest = counted.min_by_key(|(_, count)| *count);
        fewest.map(|(instance, _)| instance)
    }

    /// Makes ready what `begin` is to begin. What cannot be is left, and said by its driver: whether the caller may ask
    /// goes before whether there is anybody.
    ///
    /// # Errors
    /// A delegation that is none, a question that is too long, a disk that is full.
    pub(crate) async fn prepare(
        &self,
        caller: &Caller,
        begin: &mut Begin,
    ) -> Result<Option<Peer>, Problem> {
        let AskRequest {
            agent,
            input,
            delegate,
            deadline_ms,
        } = begin.request.clone();
        let delegated = narrowed(caller.instance.spec(), &agent, delegate.as_deref())?;
        if !may_ask(caller.instance.spec(), &agent) {
            return Ok(None);
        }
        let namespace = caller.instance.namespace();
        let Some(instance) = self.idlest(namespace, &agent).await else {
            begin.missing = Some(nobody(&agent));
            return Ok(None);
        };
        let request = TurnRequest {
            input,
            deadline_ms,
            ..TurnRequest::default()
        };
        let by = TurnCaller {
            turn: caller.turn.0,
            agent: caller.instance.agent(),
        };
        let prepared = self.turns.prepare(&instance, request, by).await?;
        let spawn = Spawn {
            instance: instance.uid,
            input: prepared.input,
            deadline_ms,
            delegated,
        };
        begin.prepared = Some(Arc::new(prepared));
        Ok(Some(Peer::New(spawn)))
    }
}

/// There is no instance of it that takes a turn here.
pub(crate) fn nobody(agent: &str) -> Problem {
    let what =
        format!("agent {agent} is not ready: no instance of it can take a turn on this node");
    Problem::new(Code::Unreachable, what).remedy(format!(
        "aionctl why {agent} says what is missing; in a cluster, place it on the node of the agent that asks it (nodeSelector)"
    ))
}

/// Whether any grant is about asking this agent. What it says the kernel knows.
pub(crate) fn may_ask(spec: &AgentInstanceSpec, agent: &str) -> bool {
    let wanted = Capability::new(Syscall::AgentAsk, Some(agent));
    spec.grants.iter().any(|grant| {
        let right = Capability::parse(&grant.capability);
        grant.effect != GrantEffect::Deny && right.is_some_and(|it| it.covers(&wanted))
    })
}

/// What the turn may do: what the Agent delegates and what its program does, both of them.
fn narrowed(
    spec: &AgentInstanceSpec,
    agent: &str,
    asked: Option<&[String]>,
) -> Result<Option<Vec<Delegated>>, Problem> {
    let declared = spec.agents.iter().find(|it| it.name == agent);
    let declared = declared.and_then(|it| it.delegate.as_deref());
    let Some((first, second)) = declared
        .map(|it| (it, asked))
        .or(asked.map(|it| (it, None)))
    else {
        return Ok(None);
    };
    let right = |text: &String| {
        Capability::parse(text).ok_or_else(|| {
            Problem::new(Code::BadRequest, format!("delegate: {text} is not a right"))
                .remedy("write rights as under permissions, such as calendar.read or fs.read:notes")
        })
    };
    let rights = |list: &[String]| list.iter().map(right).collect::<Result<Vec<_>, _>>();
    let mut both = rights(first)?;
    if let Some(second) = second {
        let second = rights(second)?;
        both = both.iter().flat_map(|it| common(it, &second)).collect();
    }
    let rules = both.iter().filter_map(|it| delegated(&it.to_string()));
    Ok(Some(
        rules.chain(turn_rights().iter().map(of_turn)).collect(),
    ))
}

/// What of `right` is among `others`: the narrower of each two of which one takes in the other.
fn common(right: &Capability, others: &[Capability]) -> Vec<Capability> {
    let narrower = |other: &Capability| match (right.covers(other), other.covers(right)) {
        (true, _) => Some(other.clone()),
        (false, true) => Some(right.clone()),
        (false, false) => None,
    };
    others.iter().filter_map(narrower).collect()
}

fn of_turn(rule: &GrantRule) -> Delegated {
    Delegated {
        kind: rule.kind,
        target: rule.target.clone(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use aion_api::{Grant, ResolvedAgent};
    use aion_kernel::{Kind, TargetPattern};

    use super::*;

    fn spec(delegate: Option<&[&str]>) -> AgentInstanceSpec {
        let owned = |it: &[&str]| it.iter().map(|it| (*it).to_owned()).collect();
        AgentInstanceSpec {
            agents: vec![ResolvedAgent {
                name: "clerk".into(),
                delegate: delegate.map(owned),
                ..ResolvedAgent::default()
            }],
            grants: vec![Grant {
                capability: "agent.ask:clerk".into(),
                effect: GrantEffect::Ask,
            }],
            ..AgentInstanceSpec::default()
        }
    }

    fn tools(declared: Option<&[&str]>, asked: Option<&[&str]>) -> Option<Vec<TargetPattern>> {
        let asked: Option<Vec<String>> =
            asked.map(|it| it.iter().map(|it| (*it).to_owned()).collect());
        let narrowed = narrowed(&spec(declared), "clerk", asked.as_deref()).unwrap()?;
        let tools = narrowed.into_iter().filter(|it| it.kind == Kind::ToolCall);
        Some(tools.map(|it| it.target).collect())
    }

    #[test]
    fn a_program_narrows_what_its_agent_delegates_and_never_widens_it() {
        let exact = |it: &str| TargetPattern::Exact(it.into());
        assert_eq!(tools(None, None), None);
        assert_eq!(tools(Some(&[]), None), Some(vec![]));
        assert_eq!(
            tools(None, Some(&["mail.read"])),
            Some(vec![exact("mail.read")])
        );
        assert_eq!(
            tools(Some(&["mail.*"]), Some(&["mail.read", "clock.now"])),
            Some(vec![exact("mail.read")])
        );
        assert_eq!(
            tools(Some(&["mail.read"]), Some(&["mail.*"])),
            Some(vec![exact("mail.read")])
        );
        assert_eq!(tools(Some(&["mail.read"]), Some(&[])), Some(vec![]));
        let wrong = narrowed(&spec(None), "clerk", Some(&["everything".into()]));
        assert_eq!(wrong.unwrap_err().code, Code::BadRequest);
    }

    #[test]
    fn the_folders_of_its_own_turn_are_always_the_callees() {
        let narrowed = narrowed(&spec(Some(&[])), "clerk", None).unwrap().unwrap();
        let writes = |it: &Delegated| {
            it.kind == Kind::FsWrite && it.target == TargetPattern::Exact("output".into())
        };
        assert!(narrowed.iter().any(writes));
    }

    #[test]
    fn nothing_is_made_ready_for_whom_no_grant_names() {
        assert!(may_ask(&spec(None), "clerk"));
        assert!(!may_ask(&spec(None), "other"));
        let mut denied = spec(None);
        denied.grants[0].effect = GrantEffect::Deny;
        assert!(!may_ask(&denied, "clerk"));
    }
}
