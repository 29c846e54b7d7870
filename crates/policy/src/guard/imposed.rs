//! Which guardrails policies put upon a device.
//!
//! Policies are put in as those of a namespace: who has them all reads the cluster's for its labels and its own.

use std::collections::BTreeMap;

use aion_api::{AgentPolicy, ClusterAgentPolicy, Device, DeviceGuardrails, Guardrail};
use aion_kernel::Rule;

use super::rule::Fit;
use crate::decide::{cluster_name, namespaced_name};

/// Guardrails of a policy, for the devices of a namespace that it selects.
#[derive(Debug, Clone)]
pub struct Imposed<'a> {
    /// `AgentPolicy/night`, for people.
    policy: String,
    /// The place among those of the policy.
    at: usize,
    guardrails: &'a DeviceGuardrails,
}

impl<'a> Imposed<'a> {
    /// Those for a namespace with `labels`, of the cluster's policies and of its own, by the names of these.
    #[must_use]
    pub fn of(
        cluster: impl IntoIterator<Item = &'a ClusterAgentPolicy>,
        namespaced: impl IntoIterator<Item = &'a AgentPolicy>,
        labels: &BTreeMap<String, String>,
    ) -> Vec<Self> {
        let cluster = cluster.into_iter().filter(|it| {
            let namespaces = it.spec.namespace_selector.as_ref();
            namespaces.is_none_or(|it| it.matches(labels))
        });
        let cluster = cluster.map(|it| (cluster_name(it), &it.spec.guardrails));
        let namespaced = namespaced.into_iter();
        let namespaced = namespaced.map(|it| (namespaced_name(it), &it.spec.guardrails));
        let mut all: Vec<_> = cluster.chain(namespaced).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        let all = all.into_iter().flat_map(|(policy, all)| {
            all.iter().enumerate().map(move |(at, guardrails)| Self {
                policy: policy.clone(),
                at,
                guardrails,
            })
        });
        all.collect()
    }

    /// Whether a device is one of those.
    #[must_use]
    pub fn selects(&self, device: &Device) -> bool {
        let Some(devices) = &self.guardrails.devices else {
            return true;
        };
        let name = device.metadata.name.as_deref().unwrap_or_default();
        let none = BTreeMap::new();
        let labels = device.metadata.labels.as_ref().unwrap_or(&none);
        devices.selects(name, &device.spec.model, labels)
    }

    /// How its guardrails are called where those of devices are, too.
    pub fn names_of(&self) -> impl Iterator<Item = String> {
        let rules = self.guardrails.rules.iter();
        rules.map(|it| format!("{} of {}", it.name, self.policy))
    }

    /// What it asks for, where that decides whether a device is another than before.
    #[must_use]
    pub fn what(&self) -> (&str, &'a DeviceGuardrails) {
        (&self.policy, self.guardrails)
    }

    pub(super) fn rules(&self) -> impl Iterator<Item = (String, &'a Guardrail)> {
        let rules = self.guardrails.rules.iter().enumerate();
        rules.map(|(rule, it)| {
            let Self { policy, at, .. } = self;
            (format!("{policy}: spec.guardrails[{at}].rules[{rule}]"), it)
        })
    }

    pub(super) fn fit(&self) -> Fit {
        let devices = self.guardrails.devices.as_ref();
        match devices.is_some_and(aion_api::DeviceSelector::knows_them) {
            true => Fit::Owned,
            false => Fit::Perhaps,
        }
    }

    pub(super) fn names(&self, rule: Rule) -> Rule {
        let name = format!("{} of {}", rule.name, self.policy).into();
        Rule { name, ..rule }
    }
}
