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
use aion_api::AgentInstanceSpec;
use aion_kernel::{
    Call, Called, Delegated, GrantRule, InstanceUid, InstanceView, Name, Peer, Spawn, TurnId,
};
use aion_policy::{Capability, delegated};

use crate::{
    call::{Begin, Caller},
    instance::{Instance, Instances, PREPARING, is_granted},
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
        let all = self.instances.of_agent(namespace, agent);
        self.fewest(all).await.map(|(instance, _)| instance)
    }

    /// What a turn bears of those that called it.
    pub(crate) async fn called(&self, turn: TurnId) -> Option<Box<Called>> {
        let look = self.shell.look(move |kernel| {
            let row = kernel.state().turn(turn)?;
            row.called.clone()
        });
        look.await.flatten()
    }

    /// Of these the one with the fewest turns, and whether it takes one more.
    async fn fewest(&self, all: Vec<Arc<Instance>>) -> Option<(Arc<Instance>, bool)> {
        let uids: Vec<_> = all.iter().map(|it| it.uid).collect();
        let weighed = self.shell.look(move |kernel| {
            let turns = kernel.state().turns();
            let turns: Vec<_> = turns.map(|(_, row)| row.instance).collect();
            let weigh = |uid: InstanceUid| {
                let turns = turns.iter().filter(|it| **it == uid).count();
                (!kernel.takes_a_turn(uid), turns)
            };
            uids.into_iter().map(weigh).collect::<Vec<_>>()
        });
        let weighed = all.into_iter().zip(weighed.await?);
        let (instance, (full, _)) = weighed.min_by_key(|(_, weight)| *weight)?;
        Some((instance, !full))
    }

    /// One that is there, or comes: after a start the kernel knows instances that are only being prepared.
    async fn found(&self, caller: &Caller, agent: &str) -> Option<(Arc<Instance>, bool)> {
        let all = self.instances.of_agent(caller.instance.namespace(), agent);
        if !all.is_empty() {
            return self.fewest(all).await;
        }
        let (own, agent) = (caller.instance.uid, Name::from(agent));
        let declared = self.shell.look(move |kernel| {
            let state = kernel.state();
            let tenant = &state.instance(own)?.profile.tenant;
            let of_agent =
                |it: &InstanceView<'_>| it.profile.agent == agent && it.profile.tenant == *tenant;
            state.instances().find(of_agent).map(|it| it.uid)
        });
        let uid = declared.await.flatten()?;
        let instance = self.instances.wait(uid, PREPARING).await?;
        self.fewest(vec![instance]).await
    }

    /// Something where a call was made before, and is answered by that.
    pub(crate) async fn made_again(&self, call: &Call) -> Option<()> {
        let asked = call.clone();
        let again = self.shell.look(move |kernel| kernel.is_made_again(&asked));
        again.await?.then_some(())
    }

    /// Makes ready what a call is to begin, where it would begin something: what the kernel refuses, and what it finds
    /// by the call's key, needs nothing on the disk.
    ///
    /// # Errors
    /// A delegation that is none, a question that is too long, a disk that is full.
    pub(crate) async fn prepare(
        &self,
        caller: &Caller,
        call: &mut Call,
        begin: &mut Begin,
    ) -> Result<(), Problem> {
        let AskRequest {
            agent,
            input,
            delegate,
            deadline_ms,
        } = begin.request.clone();
        let delegated = narrowed(caller.instance.spec(), &agent, delegate.as_deref())?;
        let asked = call.clone();
        let would = self.shell.look(move |kernel| kernel.would_begin(&asked));
        if !would.await.unwrap_or_default() {
            return Ok(());
        }
        let instance = match self.found(caller, &agent).await {
            Some((instance, true)) => instance,
            // As the kernel sees it by then: too many turns wait.
            Some((_, false)) => return Ok(()),
            None => {
                call.peer = Some(Peer::Nobody);
                return Ok(());
            }
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
        call.peer = Some(Peer::New(Spawn {
            instance: instance.uid,
            input: prepared.input,
            deadline_ms,
            delegated,
        }));
        begin.prepared = Some(Arc::new(prepared));
        Ok(())
    }
}

/// Whether any grant is about asking this agent. What it says the kernel knows.
pub(crate) fn may_ask(spec: &AgentInstanceSpec, agent: &str) -> bool {
    is_granted(spec, &Capability::new(Syscall::AgentAsk, Some(agent)))
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
        // One that is of no syscall would be left out without a word, and the callee denied what it was given.
        let right = Capability::parse(text).filter(|it| delegated(&it.to_string()).is_some());
        right.ok_or_else(|| {
            let shown: String = text.chars().take(100).collect();
            let what = format!("delegate: {shown} is not a right that can be passed on");
            Problem::new(Code::BadRequest, what)
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

    use aion_api::GrantEffect;

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
        for wrong in ["everything", "memory.*", "mail"] {
            let refused = narrowed(&spec(None), "clerk", Some(&[wrong.into()]));
            assert_eq!(refused.unwrap_err().code, Code::BadRequest, "{wrong}");
        }
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
