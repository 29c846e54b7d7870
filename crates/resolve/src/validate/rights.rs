//! An agent's rights: names that are none, and what follows from what is not granted.

use std::collections::BTreeMap;

use aion_abi::syscall::{RESERVED_FAMILIES, Syscall};
use aion_api::{Agent, Grant, GrantEffect, ResolvedMount, TURN_MOUNTS};
use aion_policy::{Bounds, Capability, Comes, Decided, Verdict, Wanted, comes, of_mount};

use crate::dereference::Dereferenced;
use crate::problem::{Problem, Told};

use super::{Findings, models};

/// Syscalls that can be asked for by name. The others come with a model, tools or files.
fn by_name() -> impl Iterator<Item = &'static str> {
    let named = Syscall::ALL.iter();
    named
        .filter(|it| comes(**it) != Comes::Declared)
        .map(|it| it.name())
}

/// Finds permissions that are no right, or stand under both `allow` and `ask`.
pub(super) fn check_names(agent: &Agent, findings: &mut Findings) {
    let Some(permissions) = &agent.spec.permissions else {
        return;
    };
    for (list, texts) in [("allow", &permissions.allow), ("ask", &permissions.ask)] {
        for (at, text) in texts.iter().enumerate() {
            if let Some(told) = fault(agent, text) {
                let field = format!("spec.permissions.{list}[{at}]");
                findings.invalid.push(Problem::new(field, told));
            }
        }
    }
    for (at, text) in permissions.ask.iter().enumerate() {
        if permissions.allow.contains(text) {
            let what = format!("{text} stands under allow and under ask");
            let field = format!("spec.permissions.ask[{at}]");
            findings
                .invalid
                .push(Problem::new(field, (what, "remove one of them")));
        }
    }
}

fn fault(agent: &Agent, text: &str) -> Option<Told> {
    let told = |what: String, remedy: String| Some(Told::from((what, remedy)));
    let Some(right) = Capability::parse(text) else {
        let remedy = "write TOOL.OPERATION, or a syscall such as memory.forget";
        return told(format!("{text} is not a right"), remedy.to_owned());
    };
    let pool = agent
        .spec
        .memory
        .as_ref()
        .map(|memory| memory.pool.as_str());
    match (right.family(), right.target.as_deref()) {
        ("fs", _) => told(
            text.to_owned(),
            "files are asked for under permissions.files".to_owned(),
        ),
        ("model", _) => told(
            text.to_owned(),
            "a model is asked for under model".to_owned(),
        ),
        (family, _) if RESERVED_FAMILIES.contains(&family) => told(
            format!("{text}: this release has no syscalls for devices and events"),
            "remove it".to_owned(),
        ),
        ("tool", None) => told(
            format!("{text} names no operation"),
            "write TOOL.OPERATION".to_owned(),
        ),
        ("memory", target)
            if pool.is_none() || target.is_some_and(|target| Some(target) != pool) =>
        {
            told(
                format!("{text} is about a memory pool the agent does not use"),
                "set memory.pool, or remove it".to_owned(),
            )
        }
        _ if !by_name().any(|it| it == right.syscall) => {
            let named: Vec<&str> = by_name().collect();
            told(
                format!("{text} is not a syscall"),
                format!("there are {}, and TOOL.OPERATION", named.join(", ")),
            )
        }
        _ => None,
    }
}

/// The rights an agent gets.
pub(super) struct Rights {
    pub(super) grants: Vec<Grant>,
    pub(super) mounts: Vec<ResolvedMount>,
}

/// What follows from `decided`: grants, mounts, what the agent cannot do without and is not given, and
/// what it is not given and can do without.
pub(super) fn weigh(
    input: &Dereferenced,
    decided: &[Decided],
    bounds: &Bounds,
    findings: &mut Findings,
) -> Rights {
    let mut grants = BTreeMap::new();
    let mut mounts = Vec::new();
    let mut grant = |right: Capability, effect| {
        grants.insert(right.to_string(), effect);
    };
    let mut models_denied = Vec::new();
    for decided in decided {
        let why = decided.rules.join("; ");
        let field = &decided.request.field;
        match (&decided.request.wanted, &decided.verdict) {
            (Wanted::Always(right) | Wanted::Capability(right), Verdict::Granted(effect)) => {
                grant(right.clone(), *effect);
                if *effect == GrantEffect::Ask {
                    let message = format!(
                        "{right} needs a person's word each time, and nobody can be asked yet: it is refused ({why})"
                    );
                    findings.notes.push(Problem::new(field.clone(), message));
                }
            }
            (Wanted::Capability(right), _) => {
                let problem = Problem::new(field.clone(), format!("{right} is not granted: {why}"));
                // It declares the pool: without these two there is no use for it.
                let needed = field == "spec.memory";
                if needed {
                    findings.not_granted.push(problem)
                } else {
                    findings.notes.push(problem)
                }
            }
            (Wanted::Always(right), _) => {
                let problem = Problem::new(field.clone(), format!("{right} is not granted: {why}"));
                findings.not_granted.push(problem);
            }
            (Wanted::Model(model), Verdict::Granted(_)) => {
                grant(
                    Capability::new(Syscall::ModelChat, model.split('/').next()),
                    GrantEffect::Allow,
                );
            }
            (Wanted::Model(model), _) => {
                models_denied.push(Problem::new(
                    field.clone(),
                    format!("the model {model} is not granted: {why}"),
                ));
            }
            (Wanted::Mount { mount, mode: asked }, Verdict::Mounted { mode, volume }) => {
                for syscall in of_mount(*mode) {
                    grant(Capability::new(syscall, Some(mount)), GrantEffect::Allow);
                }
                if !TURN_MOUNTS.contains(&mount.as_str()) {
                    mounts.push(ResolvedMount {
                        name: mount.clone(),
                        volume: volume.clone(),
                        mode: *mode,
                    });
                }
                if mode < asked {
                    let message =
                        format!("writing to the mount {mount} is not granted, only reading: {why}");
                    findings.notes.push(Problem::new(field.clone(), message));
                }
            }
            (Wanted::Mount { mount, .. }, _) => {
                let message = format!("the mount {mount} is not granted: {why}");
                findings
                    .not_granted
                    .push(Problem::new(field.clone(), message));
            }
            (Wanted::Host(_) | Wanted::Lane(_), Verdict::Granted(_)) => {}
            (Wanted::Lane(lane), _) => {
                let message = format!("the lane {} is not granted: {why}", lane.as_str());
                findings
                    .not_granted
                    .push(Problem::new(field.clone(), message));
            }
            (Wanted::Host(host), _) => {
                findings.notes.push(Problem::new(
                    field.clone(),
                    format!("{host} is not granted: {why}"),
                ));
            }
        }
    }
    // One model that is granted is enough; none is, where the agent says that it can do without.
    let chat = Syscall::ModelChat.name();
    let some_model = grants.keys().any(|right| right.starts_with(chat));
    let list = if some_model || models::can_do_without(input) {
        &mut findings.notes
    } else {
        &mut findings.not_granted
    };
    list.append(&mut models_denied);
    let wanted = input
        .agent
        .spec
        .replicas
        .unwrap_or(aion_api::defaults::REPLICAS);
    if bounds.replicas < wanted {
        let message = format!(
            "{wanted} replicas are wanted, and policy allows {}",
            bounds.replicas
        );
        findings.notes.push(Problem::new("spec.replicas", message));
    }
    Rights {
        grants: grants
            .into_iter()
            .map(|(capability, effect)| Grant { capability, effect })
            .collect(),
        mounts,
    }
}
