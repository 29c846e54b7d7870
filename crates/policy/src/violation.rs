//! What is done about programs that break a rule: the strictest of what policies say, and what of that a node can do.

use aion_abi::kernel_event::{Hook, KernelEventKind, OnViolation};
use aion_api::{ResolvedViolation, ResolvedViolations, ViolationRules, WithoutHooks};

use crate::decide::{Applied, cluster_name, namespaced_name};

/// The rules that `policies` make together; `None` where none of them speaks.
#[must_use]
pub fn violations(policies: &Applied) -> Option<ResolvedViolations> {
    let cluster = policies.cluster.iter();
    let cluster = cluster.map(|it| (cluster_name(it), it.spec.on_violation.as_ref()));
    let namespaced = policies.namespaced.iter();
    let namespaced = namespaced.map(|it| (namespaced_name(it), it.spec.on_violation.as_ref()));
    let all: Vec<(String, &ViolationRules)> = cluster
        .chain(namespaced)
        .filter_map(|(name, rules)| Some((name, rules?)))
        .collect();
    let of_exec = all.iter().filter(|(_, rules)| rules.exec.is_some());
    let programs = of_exec.map(|(_, rules)| rules.programs.clone());
    let resolved = ResolvedViolations {
        exec: strictest(&all, |it| it.exec),
        connect: strictest(&all, |it| it.connect),
        open: strictest(&all, |it| it.open),
        programs: programs
            .reduce(|mut kept, next| {
                kept.retain(|program| next.contains(program));
                kept
            })
            .unwrap_or_default(),
    };
    (resolved != ResolvedViolations::default()).then_some(resolved)
}

fn strictest(
    all: &[(String, &ViolationRules)],
    of: fn(&ViolationRules) -> Option<OnViolation>,
) -> Option<ResolvedViolation> {
    let speak = || {
        let each = all.iter();
        each.filter_map(|(name, rules)| Some((of(rules)?, name, rules)))
    };
    let action = speak().map(|(action, ..)| action).max()?;
    let mut say_so = speak().filter(|(it, ..)| *it == action);
    let policy = say_so.clone().next()?.1.clone();
    // Nothing is started unless each of them lets it be killed instead.
    let kill = say_so.all(|(.., rules)| rules.without_hooks == Some(WithoutHooks::Kill));
    let without_hooks = match kill && action == OnViolation::Deny {
        true => WithoutHooks::Kill,
        false => WithoutHooks::Refuse,
    };
    Some(ResolvedViolation {
        action,
        policy,
        without_hooks,
    })
}

/// What of its rules a node can hold an instance to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InForce {
    /// About programs that are executed.
    pub exec: Option<OnViolation>,
    /// About connections.
    pub connect: Option<OnViolation>,
    /// About files.
    pub open: Option<OnViolation>,
    /// Why nothing is started there: rules that are to act and cannot.
    pub refused: Vec<String>,
    /// Rules that are to tell and cannot, and those that do other than they say.
    pub notes: Vec<String>,
}

/// What of `rules` a node does that has these hooks.
#[must_use]
pub fn in_force(rules: &ResolvedViolations, has: impl Fn(Hook) -> bool) -> InForce {
    let mut in_force = InForce::default();
    let mut hold = |kind: KernelEventKind, rule: &Option<ResolvedViolation>| {
        let rule = rule.as_ref()?;
        let named = format!("onViolation.{} of {}", kind.as_str(), rule.policy);
        match (rule.action, has(Hook::Tracepoints), has(Hook::Lsm)) {
            (OnViolation::Alert, false, _) => {
                in_force.notes.push(format!(
                    "{named} is alert, and without tracepoints nobody is told"
                ));
                None
            }
            (action, false, _) => {
                in_force.refused.push(format!(
                    "{named} is {}, which takes tracepoints",
                    action.as_str()
                ));
                None
            }
            (OnViolation::Deny, true, false) => match rule.without_hooks {
                WithoutHooks::Kill => {
                    let evaded = match evadable(kind) {
                        true => ", and one that hides it gets by",
                        false => "",
                    };
                    in_force.notes.push(format!(
                        "{named} is deny: the kernel has no hooks of BPF LSM, so the program is killed instead{evaded}"
                    ));
                    Some(OnViolation::Kill)
                }
                WithoutHooks::Refuse => {
                    in_force.refused.push(format!(
                        "{named} is deny, which takes the hooks of BPF LSM; withoutHooks: kill would have it killed instead"
                    ));
                    None
                }
            },
            (OnViolation::Kill, true, false) if evadable(kind) => {
                in_force.notes.push(format!(
                    "{named} is kill: the kernel has no hooks of BPF LSM, so it sees what the program says of it, and \
                     one that hides it gets by"
                ));
                Some(OnViolation::Kill)
            }
            (action, ..) => Some(action),
        }
    };
    let exec = hold(KernelEventKind::Exec, &rules.exec);
    let connect = hold(KernelEventKind::Connect, &rules.connect);
    let open = hold(KernelEventKind::Open, &rules.open);
    InForce {
        exec,
        connect,
        open,
        ..in_force
    }
}

/// Whether a program can hide from tracepoints what it does: they look at the path or the address that it gives a call,
/// which may be relative, spelled oddly, or another by the time that the kernel reads it.
fn evadable(kind: KernelEventKind) -> bool {
    matches!(kind, KernelEventKind::Open | KernelEventKind::Connect)
}

/// The rule about events of a kind.
#[must_use]
pub fn about(rules: &ResolvedViolations, kind: KernelEventKind) -> Option<&ResolvedViolation> {
    match kind {
        KernelEventKind::Exec => rules.exec.as_ref(),
        KernelEventKind::Connect => rules.connect.as_ref(),
        KernelEventKind::Open => rules.open.as_ref(),
        KernelEventKind::Denied | KernelEventKind::OutOfMemory | KernelEventKind::Signal => None,
    }
}
