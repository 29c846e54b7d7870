//! An agent's rights: names that are none, and what follows from what is not granted.

use std::collections::BTreeMap;

use aion_abi::syscall::{RESERVED_FAMILIES, Syscall};
use aion_api::{Agent, FileMode, Grant, GrantEffect, ModelPurpose, ResolvedMount, TURN_MOUNTS};
use aion_policy::{Bounds, Capability, Comes, Decided, Verdict, Wanted, asks, comes, of_mount};

use crate::dereference::Dereferenced;
use crate::problem::{Problem, Told};

use super::{Findings, models};

/// Syscalls that can be asked for by name. The others come with a model, tools or files.
fn by_name() -> impl Iterator<Item = &'static str> {
    let named = Syscall::ALL.iter();
    named
        .filter(|it| matches!(comes(**it), Comes::Always | Comes::ByName))
        .map(|it| it.name())
}

/// Finds permissions that are not rights, or stand under both `allow` and `ask`.
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
            let what = format!("{text} is under both allow and ask");
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
        let remedy = "write TOOL.OPERATION, TOOL.* for all of them, TOOL.\"OPERATION\" where its name has other \
                      characters, or a syscall such as memory.forget";
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
        ("net", _) => told(
            text.to_owned(),
            "hosts are asked for under permissions.network".to_owned(),
        ),
        (family, _) if RESERVED_FAMILIES.contains(&family) => told(
            format!("{text}: this release has no syscalls for events"),
            "remove it".to_owned(),
        ),
        ("tool", None) => told(
            format!("{text} names no operation"),
            "write TOOL.OPERATION".to_owned(),
        ),
        ("agent", None) if right.known() == Some(Syscall::AgentAsk) => told(
            format!("{text} names no agent"),
            "write agent.ask:NAME".to_owned(),
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
    let mut weighed = Weighed::default();
    for decided in decided {
        weighed.take(decided, findings);
    }
    // One model that is granted is enough; none is, where the agent says that it can do without.
    let list = match weighed.has_a_model() || models::can_do_without(input) {
        true => &mut findings.notes,
        false => &mut findings.not_granted,
    };
    list.append(&mut weighed.models_denied);
    let mut undoable = crate::steps::not_granted(&input.agent.spec.steps, decided);
    findings.not_granted.append(&mut undoable);
    let wanted = input.agent.spec.replicas;
    let wanted = wanted.unwrap_or(aion_api::defaults::REPLICAS);
    if bounds.replicas < wanted {
        let message = format!(
            "{wanted} replicas are wanted, and policy allows {}",
            bounds.replicas
        );
        findings.notes.push(Problem::new("spec.replicas", message));
    }
    let grants = weighed.grants.into_iter();
    Rights {
        grants: grants
            .map(|(capability, effect)| Grant { capability, effect })
            .collect(),
        mounts: weighed.mounts,
    }
}

/// What the decisions so far come to.
#[derive(Default)]
struct Weighed {
    grants: BTreeMap<String, GrantEffect>,
    mounts: Vec<ResolvedMount>,
    models_denied: Vec<Problem>,
}

impl Weighed {
    fn take(&mut self, decided: &Decided, findings: &mut Findings) {
        let why = decided.rules.join("; ");
        let field = &decided.request.field;
        let problem = |what: String| Problem::new(field.clone(), what);
        let not_granted = |what: &str| problem(format!("{what} is not granted: {why}"));
        match (&decided.request.wanted, &decided.verdict) {
            (Wanted::Always(right) | Wanted::Capability(right), Verdict::Granted(effect)) => {
                self.right(right, *effect, decided, findings);
            }
            // It declares the pool: without these two there is no use for it.
            (Wanted::Capability(right), _) if field != "spec.memory" => {
                findings.notes.push(not_granted(&right.to_string()));
            }
            (Wanted::Always(right) | Wanted::Capability(right), _) => {
                findings.not_granted.push(not_granted(&right.to_string()));
            }
            (Wanted::Model { model, purpose }, Verdict::Granted(_)) => {
                let right = Capability::new(asks(*purpose), model.split('/').next());
                self.grant(&right, GrantEffect::Allow);
            }
            (Wanted::Model { model, purpose }, _) => {
                let denied = not_granted(&format!("the model {model}"));
                match purpose {
                    ModelPurpose::Chat => self.models_denied.push(denied),
                    ModelPurpose::Embedding => findings.not_granted.push(denied),
                }
            }
            (Wanted::Mount { mount, mode: asked }, Verdict::Mounted { mode, volume }) => {
                self.mount(mount, *mode, volume);
                if mode < asked {
                    findings.notes.push(problem(format!(
                        "writing to the mount {mount} is not granted, only reading: {why}"
                    )));
                }
            }
            (Wanted::Mount { mount, .. }, _) => {
                let denied = not_granted(&format!("the mount {mount}"));
                findings.not_granted.push(denied);
            }
            (Wanted::Lane(_), Verdict::Granted(_)) => {}
            (Wanted::Lane(lane), _) => {
                let denied = not_granted(&format!("the lane {}", lane.as_str()));
                findings.not_granted.push(denied);
            }
            (Wanted::Host(host), Verdict::Granted(effect)) => {
                self.right(&Capability::connect(host), *effect, decided, findings);
            }
            (Wanted::Host(host), _) => findings.notes.push(not_granted(&host.to_string())),
        }
    }

    /// Grants a right without its exceptions, and tells of those.
    fn right(
        &mut self,
        right: &Capability,
        effect: GrantEffect,
        decided: &Decided,
        findings: &mut Findings,
    ) {
        let problem = |what: String| Problem::new(decided.request.field.clone(), what);
        self.grant(right, effect);
        for it in &decided.exceptions {
            self.grant(&it.right, it.effect);
            let what = format!("{} is not part of it: {}", it.right, it.rule);
            findings.notes.push(problem(what));
        }
        if effect == GrantEffect::Ask {
            findings.notes.push(problem(format!(
                "{right} needs a person's approval: aionctl approvals ({})",
                decided.rules.join("; ")
            )));
        }
    }

    fn grant(&mut self, right: &Capability, effect: GrantEffect) {
        // An exception holds whatever else was asked for.
        let strictness = |it: GrantEffect| match it {
            GrantEffect::Allow => 0,
            GrantEffect::Ask => 1,
            GrantEffect::Deny => 2,
        };
        let grant = self.grants.entry(right.to_string()).or_insert(effect);
        if strictness(effect) > strictness(*grant) {
            *grant = effect;
        }
    }

    fn mount(&mut self, mount: &str, mode: FileMode, volume: &str) {
        for syscall in of_mount(mode) {
            let right = Capability::new(syscall, Some(mount));
            self.grant(&right, GrantEffect::Allow);
        }
        if !TURN_MOUNTS.contains(&mount) {
            self.mounts.push(ResolvedMount {
                name: mount.to_owned(),
                volume: volume.to_owned(),
                mode,
            });
        }
    }

    fn has_a_model(&self) -> bool {
        let chat = Syscall::ModelChat.name();
        self.grants.keys().any(|right| right.starts_with(chat))
    }
}
