//! Whether a request is granted, and by which rule.

use std::collections::BTreeMap;

use aion_abi::syscall::Syscall;
use aion_api::program::Lane;
use aion_api::selector::Selector;
use aion_api::{AgentPolicy, ClusterAgentPolicy, FileMode, GrantEffect, ModelPurpose};

use crate::capability::{Capability, Pattern, fits};
use crate::destination::Destination;
use crate::request::{Request, Wanted, asks};

/// The policies that select one agent.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Applied {
    /// ClusterAgentPolicies, by name.
    pub cluster: Vec<ClusterAgentPolicy>,
    /// AgentPolicies of the agent's namespace, by name.
    pub namespaced: Vec<AgentPolicy>,
}

impl Applied {
    /// Those of `cluster` and `namespaced` (all of the agent's namespace) that select an agent with
    /// `labels` in a namespace with `namespace_labels`, ordered by name.
    #[must_use]
    pub fn select<'a>(
        cluster: impl IntoIterator<Item = &'a ClusterAgentPolicy>,
        namespaced: impl IntoIterator<Item = &'a AgentPolicy>,
        labels: &BTreeMap<String, String>,
        namespace_labels: &BTreeMap<String, String>,
    ) -> Self {
        let selects = |selector: &Option<Selector>, labels| {
            selector.as_ref().is_none_or(|s| s.matches(labels))
        };
        let mut applied = Self {
            cluster: cluster
                .into_iter()
                .filter(|p| {
                    !p.spec.guards_devices_alone()
                        && selects(&p.spec.namespace_selector, namespace_labels)
                        && selects(&p.spec.selector, labels)
                })
                .cloned()
                .collect(),
            namespaced: namespaced
                .into_iter()
                .filter(|p| !p.spec.guards_devices_alone() && selects(&p.spec.selector, labels))
                .cloned()
                .collect(),
        };
        applied
            .cluster
            .sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
        applied
            .namespaced
            .sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
        applied
    }
}

/// A request and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// What was asked for.
    pub request: Request,
    /// What became of it.
    pub verdict: Verdict,
    /// The rules that decided, in words, such as `ClusterAgentPolicy/default allow memory.*`.
    pub rules: Vec<String>,
    /// What is not part of what was granted, where that is many operations of a tool.
    pub exceptions: Vec<Exception>,
}

/// Operations that a policy denies, or has a person asked about, among those that were granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception {
    /// Which.
    pub right: Capability,
    /// What becomes of them: `Ask` or `Deny`.
    pub effect: GrantEffect,
    /// The rule that says so.
    pub rule: String,
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Granted, outright or as a question.
    Granted(GrantEffect),
    /// A mount that was granted, perhaps for less than was asked.
    Mounted {
        /// What may be done with its files.
        mode: FileMode,
        /// The volume it is.
        volume: String,
    },
    /// Denied by a rule that says so.
    Denied,
    /// Denied since nothing grants it.
    NotGranted,
}

/// Decides every request by `policies`.
#[must_use]
pub fn decide(requests: &[Request], policies: &Applied) -> Vec<Decided> {
    requests
        .iter()
        .map(|request| {
            let (verdict, rules) = match &request.wanted {
                Wanted::Always(right) => always(right, policies),
                Wanted::Capability(right) => capability(right, request.effect, policies),
                Wanted::Model { model, purpose } => asked(model, *purpose, policies),
                Wanted::Mount { mount, mode } => mounted(mount, *mode, policies),
                Wanted::Host(host) => connected(host, policies),
                Wanted::Lane(lane) => waiting_in(*lane, policies),
            };
            let exceptions = match (&request.wanted, &verdict) {
                (Wanted::Capability(right), Verdict::Granted(_)) => exceptions(right, policies),
                (Wanted::Host(host), Verdict::Granted(_)) => {
                    exceptions(&Capability::connect(host), policies)
                }
                _ => Vec::new(),
            };
            Decided {
                request: request.clone(),
                verdict,
                rules,
                exceptions,
            }
        })
        .collect()
}

type Outcome = (Verdict, Vec<String>);

fn always(right: &Capability, policies: &Applied) -> Outcome {
    denied(right, policies).unwrap_or_else(|| {
        (
            Verdict::Granted(GrantEffect::Allow),
            vec![format!("every agent has {}", right.syscall)],
        )
    })
}

fn capability(right: &Capability, asked: GrantEffect, policies: &Applied) -> Outcome {
    if let Some(outcome) = denied(right, policies) {
        return outcome;
    }
    let mut effect = asked;
    let mut rules = Vec::new();
    for policy in &policies.cluster {
        let rule = |list: &str, pattern: &str| format!("{} {list} {pattern}", cluster_name(policy));
        if let Some(pattern) = first_match(&policy.spec.allow, right) {
            rules.push(rule("allow", pattern));
        }
        if let Some(pattern) = first_match(&policy.spec.ask, right) {
            effect = GrantEffect::Ask;
            rules.push(rule("ask", pattern));
        }
    }
    if rules.is_empty() {
        return nothing_grants(policies);
    }
    narrow(right, effect, rules, policies)
}

/// The namespace's part: its lists must let the right through, and may make it a question.
fn narrow(
    right: &Capability,
    mut effect: GrantEffect,
    mut rules: Vec<String>,
    policies: &Applied,
) -> Outcome {
    let mut narrowing = Vec::new();
    let mut through = false;
    for policy in &policies.namespaced {
        let name = namespaced_name(policy);
        if let Some(pattern) = first_match(&policy.spec.ask, right) {
            effect = GrantEffect::Ask;
            through = true;
            rules.push(format!("{name} ask {pattern}"));
        }
        if let Some(allow) = &policy.spec.allow {
            narrowing.push(name.clone());
            if let Some(pattern) = first_match(allow, right) {
                through = true;
                rules.push(format!("{name} allow {pattern}"));
            }
        }
    }
    if narrowing.is_empty() || through {
        (Verdict::Granted(effect), rules)
    } else {
        (
            Verdict::NotGranted,
            vec![format!("{} does not let it through", narrowing.join(", "))],
        )
    }
}

/// What policies say of a part of `right` alone.
fn exceptions(right: &Capability, policies: &Applied) -> Vec<Exception> {
    let cluster = policies.cluster.iter().map(|it| {
        let lists = [
            (GrantEffect::Deny, &it.spec.deny),
            (GrantEffect::Ask, &it.spec.ask),
        ];
        (cluster_name(it), lists)
    });
    let namespaced = policies.namespaced.iter().map(|it| {
        let lists = [
            (GrantEffect::Deny, &it.spec.deny),
            (GrantEffect::Ask, &it.spec.ask),
        ];
        (namespaced_name(it), lists)
    });
    let mut found = Vec::new();
    for (name, lists) in cluster.chain(namespaced) {
        for (effect, patterns) in lists {
            let word = if effect == GrantEffect::Deny {
                "deny"
            } else {
                "ask"
            };
            found.extend(patterns.iter().filter_map(|pattern| {
                Some(Exception {
                    right: Pattern(pattern).part_of(right)?,
                    effect,
                    rule: format!("{name} {word} {pattern}"),
                })
            }));
        }
    }
    found
}

fn denied(right: &Capability, policies: &Applied) -> Option<Outcome> {
    let cluster = policies
        .cluster
        .iter()
        .map(|p| (cluster_name(p), &p.spec.deny));
    let namespaced = policies
        .namespaced
        .iter()
        .map(|p| (namespaced_name(p), &p.spec.deny));
    let (name, pattern) = cluster
        .chain(namespaced)
        .find_map(|(name, deny)| first_match(deny, right).map(|pattern| (name, pattern)))?;
    Some((Verdict::Denied, vec![format!("{name} deny {pattern}")]))
}

/// Hosts: a ClusterAgentPolicy names them under `network`.
fn connected(host: &Destination, policies: &Applied) -> Outcome {
    let right = Capability::connect(host);
    if let Some(outcome) = denied(&right, policies) {
        return outcome;
    }
    let (mut effect, mut rules) = (GrantEffect::Allow, Vec::new());
    let mut granted = false;
    for policy in &policies.cluster {
        let named = |pattern: &&String| {
            Destination::parse(pattern).is_ok_and(|pattern| pattern.covers(host))
        };
        if let Some(pattern) = policy.spec.network.iter().find(named) {
            granted = true;
            rules.push(format!("{} network {pattern}", cluster_name(policy)));
        }
        if let Some(pattern) = first_match(&policy.spec.ask, &right) {
            effect = GrantEffect::Ask;
            rules.push(format!("{} ask {pattern}", cluster_name(policy)));
        }
    }
    match granted {
        true => narrow(&right, effect, rules, policies),
        false => nothing_grants(policies),
    }
}

/// A model.
fn asked(text: &str, purpose: ModelPurpose, policies: &Applied) -> Outcome {
    let endpoint = text.split_once('/').map_or(text, |(endpoint, _)| endpoint);
    if let Some(outcome) = denied(&Capability::new(asks(purpose), Some(endpoint)), policies) {
        return outcome;
    }
    let rules: Vec<String> = policies
        .cluster
        .iter()
        .filter_map(|policy| {
            let patterns = &policy.spec.models;
            let pattern = patterns.iter().find(|pattern| model_fits(pattern, text))?;
            Some(format!("{} models {pattern}", cluster_name(policy)))
        })
        .collect();
    if rules.is_empty() {
        return nothing_grants(policies);
    }
    let narrowing: Vec<_> = policies
        .namespaced
        .iter()
        .filter_map(|p| p.spec.models.as_ref().map(|m| (namespaced_name(p), m)))
        .collect();
    let through = narrowing
        .iter()
        .any(|(_, models)| models.iter().any(|pattern| model_fits(pattern, text)));
    if narrowing.is_empty() || through {
        (Verdict::Granted(GrantEffect::Allow), rules)
    } else {
        let names: Vec<_> = narrowing.into_iter().map(|(name, _)| name).collect();
        (
            Verdict::NotGranted,
            vec![format!("{} does not let it through", names.join(", "))],
        )
    }
}

/// `local` takes in every model of the endpoint local, `local/*` too.
fn model_fits(pattern: &str, text: &str) -> bool {
    fits(pattern, text)
        || text
            .split_once('/')
            .is_some_and(|(endpoint, _)| endpoint == pattern)
}

fn mounted(mount: &str, asked: FileMode, policies: &Applied) -> Outcome {
    let read = Capability::new(Syscall::FsRead, Some(mount));
    let write = Capability::new(Syscall::FsWrite, Some(mount));
    if let Some(outcome) = denied(&read, policies) {
        return outcome;
    }
    let best = policies
        .cluster
        .iter()
        .flat_map(|policy| policy.spec.mounts.iter().map(move |grant| (policy, grant)))
        .filter(|(_, grant)| grant.mount == mount || grant.mount == "*")
        // The most that is granted; a mount that is named goes before `*`, then the first by name.
        .min_by_key(|(_, grant)| (std::cmp::Reverse(grant.mode), grant.mount == "*"));
    let Some((policy, grant)) = best else {
        return nothing_grants(policies);
    };
    let mut rules = vec![format!("{} mounts {}", cluster_name(policy), grant.mount)];
    let through = |right: &Capability| {
        denied(right, policies).is_none()
            && matches!(
                narrow(right, GrantEffect::Allow, Vec::new(), policies).0,
                Verdict::Granted(GrantEffect::Allow)
            )
    };
    if !through(&read) {
        return narrow(&read, GrantEffect::Allow, rules, policies);
    }
    let mut mode = asked.min(grant.mode);
    if mode == FileMode::ReadWrite && !through(&write) {
        mode = FileMode::Read;
        rules.push("a policy takes writing away".to_owned());
    }
    let volume = grant.volume.clone().unwrap_or_else(|| mount.to_owned());
    (Verdict::Mounted { mode, volume }, rules)
}

/// A lane: one of the policies that select the agent must grant it, where any says which.
fn waiting_in(lane: Lane, policies: &Applied) -> Outcome {
    let by_itself = Lane::UNLESS_SAID_OTHERWISE.contains(&lane);
    let mut rules = Vec::new();
    for policy in &policies.cluster {
        match &policy.spec.lanes {
            Some(lanes) if lanes.contains(&lane) => {
                rules.push(format!("{} lanes {}", cluster_name(policy), lane.as_str()));
            }
            None if by_itself => {
                rules.push(format!("{} names no lanes", cluster_name(policy)));
            }
            _ => {}
        }
    }
    if rules.is_empty() && policies.cluster.is_empty() && by_itself {
        rules.push(format!("every agent may wait in {}", lane.as_str()));
    }
    if rules.is_empty() {
        return nothing_grants(policies);
    }
    let narrowing: Vec<_> = policies
        .namespaced
        .iter()
        .filter_map(|p| {
            p.spec
                .lanes
                .as_ref()
                .map(|lanes| (namespaced_name(p), lanes))
        })
        .collect();
    if narrowing.is_empty() || narrowing.iter().any(|(_, lanes)| lanes.contains(&lane)) {
        return (Verdict::Granted(GrantEffect::Allow), rules);
    }
    let names: Vec<_> = narrowing.into_iter().map(|(name, _)| name).collect();
    (
        Verdict::NotGranted,
        vec![format!("{} does not let it through", names.join(", "))],
    )
}

fn nothing_grants(policies: &Applied) -> Outcome {
    let rule = match policies.cluster.as_slice() {
        [] => "no ClusterAgentPolicy selects this agent".to_owned(),
        some => {
            let names: Vec<String> = some.iter().map(cluster_name).collect();
            format!("{} does not grant it", names.join(", "))
        }
    };
    (Verdict::NotGranted, vec![rule])
}

fn first_match<'a>(patterns: &'a [String], right: &Capability) -> Option<&'a str> {
    patterns
        .iter()
        .map(String::as_str)
        .find(|pattern| Pattern(pattern).matches(right))
}

pub(crate) fn cluster_name(policy: &ClusterAgentPolicy) -> String {
    format!(
        "ClusterAgentPolicy/{}",
        policy.metadata.name.as_deref().unwrap_or_default()
    )
}

pub(crate) fn namespaced_name(policy: &AgentPolicy) -> String {
    format!(
        "AgentPolicy/{}",
        policy.metadata.name.as_deref().unwrap_or_default()
    )
}
