//! `why`: the causal chain of one agent, from its signature to its last refusals.

use std::sync::Arc;

use aion_abi::{
    admin::{Denial, Link, LinkState, Noted, TurnRecord, Why},
    code::Code,
    date::UnixMillis,
    resources::Resources,
    steps::StepState,
};
use aion_api::{
    AgentInstanceStatus, AgentStatus,
    condition::{self, Condition, reason},
    program::Runtime,
};
use aion_kernel::{Denied, Phase, TurnId, TurnRow};
use aion_serve::{Json, Path};
use axum::extract::State;

use super::{Admin, agents, answer::Refused};
use crate::{
    call::{capability, refusal, wanted},
    instances::Standing,
};

/// Turns of the agent that are looked at.
const TURNS: usize = 3;
/// Turns of the agent among which the newest with notices is looked for.
const NOTED: usize = 10;
/// Events in the kernel of the machine that are named.
const KERNEL_EVENTS: usize = 10;

pub(super) async fn why(
    State(admin): State<Arc<Admin>>,
    Path((namespace, agent)): Path<(String, String)>,
) -> Result<Json<Why>, Refused> {
    agents::known(&admin, &namespace, &agent)?;
    let standings = admin.standings.of_agent(&namespace, &agent);
    let mut links = Vec::new();
    let folder = admin.folder.as_ref();
    let status = folder.and_then(|folder| folder.agent(&namespace, &agent));
    if let Some(status) = &status {
        for (stage, type_) in [
            ("accepted", condition::ACCEPTED),
            ("references", condition::RESOLVED_REFS),
        ] {
            links.push(link(stage, condition::find(&status.conditions, type_)));
        }
    }
    links.push(match &status {
        // Without a signature that counts there is no instance to ask.
        Some(status) if standings.is_empty() => link(
            "signature",
            condition::find(&status.conditions, condition::VERIFIED),
        ),
        _ => of_instances("signature", condition::VERIFIED, &standings),
    });
    links.push(policy(&standings));
    links.push(placement(&admin, &standings, status.as_ref()));
    links.push(of_instances(
        "sandbox",
        condition::SANDBOX_ENFORCED,
        &standings,
    ));
    let ready = standings
        .iter()
        .any(|it| condition::is_true(&it.status.conditions, condition::READY));
    let name = format!("{namespace}/{agent}");
    let kept = admin.turns.of_agent(&name, NOTED).await;
    let newest = &kept[..TURNS.min(kept.len())];
    let runtime = standings.first().map(|it| it.instance.spec.runtime);
    links.push(match runtime {
        // What it uses is not the node's, and nothing of it is known here.
        Some(Runtime::External) => of_instances("program", condition::READY, &standings),
        _ => limits(newest),
    });
    links.push(match asking(&admin, &name).await {
        Some(asking) => Link {
            message: asking.message + &standing_at(&kept),
            ..asking
        },
        None => at_a_step(&kept).unwrap_or_else(|| turns(newest, ready)),
    });
    let denials = denials(&admin, &standings, &kept).await;
    let noted = noted(kept);
    let mut kernel_events = admin.kernel_traces.last(&name);
    kernel_events.reverse();
    kernel_events.truncate(KERNEL_EVENTS);
    Ok(Json(Why {
        agent: name,
        ready,
        links,
        denials,
        noted,
        kernel_events,
    }))
}

fn link(stage: &str, found: Option<&Condition>) -> Link {
    let Some(condition) = found else {
        return pending(stage, "not judged yet");
    };
    let degraded = [reason::ENFORCED_IN_PART, reason::PARTLY_GRANTED];
    Link {
        stage: stage.to_owned(),
        state: match &*condition.status {
            "True" if degraded.contains(&&*condition.reason) => LinkState::Degraded,
            "True" => LinkState::Ok,
            // Nothing was to be confined here.
            "False" if &*condition.reason == reason::EXTERNAL => LinkState::Degraded,
            "False" => LinkState::Failed,
            _ => LinkState::Pending,
        },
        reason: condition.reason.to_string(),
        message: condition.message.to_string(),
    }
}

fn pending(stage: &str, message: &str) -> Link {
    Link {
        stage: stage.to_owned(),
        state: LinkState::Pending,
        reason: reason::PENDING.to_owned(),
        message: message.to_owned(),
    }
}

/// The worst word of the agent's instances on a condition.
fn of_instances(stage: &str, type_: &str, standings: &[Standing]) -> Link {
    fn found<'a>(status: &'a AgentInstanceStatus, type_: &str) -> Option<&'a Condition> {
        condition::find(&status.conditions, type_)
    }
    let worst = standings
        .iter()
        .map(|it| link(stage, found(&it.status, type_)))
        .min_by_key(|it| match it.state {
            LinkState::Failed => 0,
            LinkState::Pending => 1,
            LinkState::Degraded => 2,
            LinkState::Ok => 3,
        });
    worst.unwrap_or_else(|| pending(stage, "there is no instance yet"))
}

fn policy(standings: &[Standing]) -> Link {
    let Some(standing) = standings.first() else {
        return pending("policy", "there is no instance yet");
    };
    let granted: Vec<&str> = standing
        .instance
        .spec
        .grants
        .iter()
        .map(|it| it.capability.as_str())
        .collect();
    Link {
        stage: "policy".to_owned(),
        state: LinkState::Ok,
        reason: reason::ACCEPTED.to_owned(),
        message: format!("granted: {}", granted.join(", ")),
    }
}

fn placement(admin: &Admin, standings: &[Standing], status: Option<&AgentStatus>) -> Link {
    let ready = status.and_then(|it| condition::find(&it.conditions, condition::READY));
    match (standings.len(), ready) {
        // Why there is none.
        (0, Some(ready)) if ready.reason == reason::NO_NODE_FITS => link("placement", Some(ready)),
        (0, _) => pending("placement", "no instance was placed on this node"),
        (n, _) => Link {
            stage: "placement".to_owned(),
            state: LinkState::Ok,
            reason: reason::OK.to_owned(),
            message: format!("{n} on node {}", admin.node),
        },
    }
}

/// The oldest turn of an agent that waits for a person's word, if one does.
async fn asking(admin: &Admin, agent: &str) -> Option<Link> {
    let agent = agent.to_owned();
    let in_a_cluster = admin.folder.is_none().then(|| admin.node.clone());
    let waits = admin.shell.look(move |kernel| {
        let mut rows = kernel
            .state()
            .approvals()
            .filter(|(_, row)| row.is_pending());
        rows.find(|(_, row)| format!("{}/{}", row.tenant, row.agent) == agent)
            .map(|(id, row)| {
                let what = wanted(row.kind, row.target.as_ref(), row.within);
                let how = match in_a_cluster {
                    // Each node counts its approvals itself.
                    Some(node) => format!(
                        "aionctl --cluster approvals approve {node}/{id} --agent {}, or deny",
                        row.agent
                    ),
                    None => format!("aionctl approvals approve {id}, or deny {id}"),
                };
                format!("turn {} waits for approval of {what}: {how}", row.turn)
            })
            .or_else(|| waits_behind(kernel.state(), &agent))
    });
    Some(Link {
        stage: "turns".to_owned(),
        state: LinkState::Pending,
        reason: "WaitsForApproval".to_owned(),
        message: waits.await??,
    })
}

/// The oldest turn of an agent that is set aside with one that it called. Whose that is, and what is asked, is not for
/// everybody who may hear of the caller.
fn waits_behind(state: &aion_kernel::State, agent: &str) -> Option<String> {
    let of_agent = |row: &TurnRow| {
        let profile = state.instance(row.instance).map(|it| it.profile);
        profile.is_some_and(|it| format!("{}/{}", it.tenant, it.agent) == agent)
    };
    let aside = |turn: &&TurnId| {
        let row = state.turn(**turn);
        row.is_some_and(|row| row.phase == Phase::Parked)
    };
    let mut turns = state.turns().filter(|(_, row)| of_agent(row));
    let found = turns.find_map(|(turn, row)| Some((turn, row.behind.iter().find(aside)?)));
    let (turn, called) = found?;
    Some(format!(
        "turn {turn} waits for turn {called}, which it called and which waits for approval: aionctl approvals"
    ))
}

/// The oldest turn that is at a step of a workflow, and at which.
fn at_a_step(newest: &[TurnRecord]) -> Option<Link> {
    let under_way = |turn: &&TurnRecord| turn.outcome.is_none() && !steps_of(turn).is_empty();
    let turn = newest.iter().rev().find(under_way)?;
    Some(Link {
        stage: "turns".to_owned(),
        state: LinkState::Ok,
        reason: "AtAStep".to_owned(),
        message: format!("turn {}{} is at {}", turn.turn, cause(turn), steps_of(turn)),
    })
}

/// The same of a turn that waits, to be added to what it waits for.
fn standing_at(newest: &[TurnRecord]) -> String {
    let waits = newest.iter().rev().find(|turn| turn.outcome.is_none());
    let steps = waits.map(steps_of).unwrap_or_default();
    match steps.is_empty() {
        true => steps,
        false => format!("; it is at {steps}"),
    }
}

/// The innermost steps that are being done.
fn steps_of(turn: &TurnRecord) -> String {
    let running = turn
        .steps
        .iter()
        .filter(|it| it.state == StepState::Running);
    let running: Vec<&str> = running.map(|it| it.step.as_str()).collect();
    let is_around = |outer: &str, inner: &str| {
        let rest = inner.strip_prefix(outer);
        rest.is_some_and(|it| it.starts_with(['.', '[']))
    };
    let innermost: Vec<&str> = running
        .iter()
        .filter(|it| !running.iter().any(|inner| is_around(it, inner)))
        .copied()
        .collect();
    match innermost.as_slice() {
        [] => String::new(),
        [one] => format!("step {one}"),
        several => format!("steps {}", several.join(", ")),
    }
}

/// What came of the newest turn that has ended.
fn turns(newest: &[TurnRecord], ready: bool) -> Link {
    let ended = newest
        .iter()
        .find_map(|turn| turn.outcome.as_ref().map(|outcome| (turn, outcome)));
    let (state, reason, message) = match ended {
        None if !ready => (
            LinkState::Pending,
            "NoTurns",
            "it cannot be asked yet: see above".to_owned(),
        ),
        None => (
            LinkState::Ok,
            "NoTurns",
            "nobody has asked it yet".to_owned(),
        ),
        Some((turn, outcome)) => match &outcome.problem {
            None => (
                LinkState::Ok,
                reason::OK,
                format!(
                    "turn {}{} was answered in {} ms",
                    turn.turn,
                    cause(turn),
                    outcome.elapsed_ms
                ),
            ),
            Some(problem) => (
                LinkState::Failed,
                "TurnFailed",
                format!(
                    "turn {}{}: {}{}; {}",
                    turn.turn,
                    cause(turn),
                    // The one end that is neither yes nor no is called by its name.
                    match problem.code {
                        Code::OutcomeUnknown => "outcome-unknown: ",
                        _ => "",
                    },
                    problem.detail,
                    problem.remedy
                ),
            ),
        },
    };
    Link {
        stage: "turns".to_owned(),
        state,
        reason: reason.to_owned(),
        message,
    }
}

/// What asked, where nobody did.
fn cause(turn: &TurnRecord) -> String {
    match (&turn.caller, &turn.trigger) {
        (Some(it), _) => format!(" (called by {} in turn {})", it.agent, it.turn),
        (None, Some(trigger)) => format!(" of trigger {trigger}"),
        (None, None) => String::new(),
    }
}

/// Whether the newest turns that were heard of stayed within their limits.
fn limits(newest: &[TurnRecord]) -> Link {
    let used = |turn: &TurnRecord| {
        let resources = turn.outcome.as_ref()?.resources.clone()?;
        Some((turn.turn, resources))
    };
    let told: Vec<(u64, Resources)> = newest.iter().filter_map(used).collect();
    let met = told.iter().find(|(_, used)| !used.met.is_empty());
    let (state, reason, message) = match (met, told.first()) {
        (Some((turn, used)), _) => {
            let words = used
                .met
                .iter()
                .map(|met| format!("it {met} ({})", met.remedy()));
            let words: Vec<String> = words.collect();
            let message = format!("turn {turn}: {}; it used {used}", words.join(", and "));
            (LinkState::Degraded, "LimitsMet", message)
        }
        (None, Some((turn, used))) => (
            LinkState::Ok,
            reason::OK,
            format!("turn {turn} used {used}"),
        ),
        (None, None) => (
            LinkState::Ok,
            "NoTurns",
            "nothing was measured yet".to_owned(),
        ),
    };
    Link {
        stage: "limits".to_owned(),
        state,
        reason: reason.to_owned(),
        message,
    }
}

/// The notices of the newest turn that had any.
fn noted(newest: Vec<TurnRecord>) -> Option<Noted> {
    newest.into_iter().find_map(|record| {
        let outcome = record.outcome?;
        (!outcome.notices.is_empty()).then_some(Noted {
            turn: record.turn,
            notices: outcome.notices,
            notices_beyond: outcome.notices_beyond,
        })
    })
}

/// `kept`: turns of the agent, for the traces of those that were refused something.
async fn denials(admin: &Admin, standings: &[Standing], kept: &[TurnRecord]) -> Vec<Denial> {
    let trace = |turn| kept.iter().find(|it| it.turn == turn)?.trace.clone();
    let uids: Vec<_> = standings
        .iter()
        .filter_map(|it| it.instance.metadata.uid.as_deref()?.parse().ok())
        .collect();
    let denials = admin.shell.look(move |kernel| {
        // Instances of one agent share its account.
        let first = uids.first().copied();
        let denials = first
            .into_iter()
            .flat_map(|uid| kernel.state().denials(uid));
        denials.cloned().collect::<Vec<_>>()
    });
    let mut denials: Vec<_> = denials
        .await
        .unwrap_or_default()
        .iter()
        .map(|it| {
            let problem = match &it.refusal {
                Denied::Kernel(refusal) => refusal::problem(refusal),
                Denied::Driver(failure) => refusal::failed(failure),
            };
            Denial {
                at_ms: UnixMillis(it.at.0),
                turn: it.turn.0,
                trace: trace(it.turn.0),
                capability: capability(it.kind, it.target.as_ref()),
                code: problem.code,
                rule: problem.detail,
            }
        })
        .collect();
    denials.reverse();
    denials
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use aion_abi::resources::Met;

    use super::*;

    #[test]
    fn a_limit_that_was_met_is_told_also_where_a_later_turn_stayed_within() {
        let turn = |turn: u64, met: &[Met]| -> TurnRecord {
            let resources = Resources {
                cpu_ms: 7,
                met: met.to_vec(),
                ..Resources::default()
            };
            let outcome = serde_json::json!({"ok": true, "resources": resources});
            let record =
                serde_json::json!({"turn": turn, "agent": "a/b", "input": "", "outcome": outcome});
            serde_json::from_value(record).unwrap()
        };
        let link = limits(&[turn(2, &[]), turn(1, &[Met::Throttled])]);
        assert_eq!(link.state, LinkState::Degraded);
        assert!(
            link.message.starts_with("turn 1: it waited for CPU"),
            "{}",
            link.message
        );
        assert!(
            link.message.contains("limits.cpuMillis"),
            "{}",
            link.message
        );
        assert_eq!(limits(&[turn(2, &[])]).state, LinkState::Ok);
        assert_eq!(limits(&[]).reason, "NoTurns");
    }

    #[test]
    fn an_agent_that_cannot_run_and_was_never_asked_is_not_told_as_well() {
        let link = turns(&[], false);
        assert_eq!((link.state, &*link.reason), (LinkState::Pending, "NoTurns"));
        assert!(link.message.contains("cannot be asked"), "{}", link.message);
        assert_eq!(turns(&[], true).state, LinkState::Ok);
    }
}
