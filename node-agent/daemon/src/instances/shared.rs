//! What instances of a node share, and how much of it they are given: calls at once on an endpoint or a
//! tool, and the quota of a tenant. Where instances disagree (they were resolved before and after a change)
//! the smaller bound counts.

use std::{
    collections::{BTreeMap, HashMap},
    hash::Hash,
};

use aion_api::{AgentInstance, ResolvedModel};
use aion_kernel::{InstanceUid, Limits, Name, Quota, Resource};
use aion_policy::count;

use crate::instance::of_tenant;

/// The kernel's limits, as the instances of this node come and go. Each change costs what the instance has.
pub(super) struct Shared {
    limits: Limits,
    resources: Wishes<Resource, u32>,
    tenants: Wishes<Name, Quota>,
}

/// Who wants which bound.
struct Wishes<K, V> {
    of: HashMap<K, BTreeMap<InstanceUid, V>>,
    by: HashMap<InstanceUid, Vec<K>>,
}

impl Shared {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            resources: Wishes::default(),
            tenants: Wishes::default(),
        }
    }

    /// An instance is there, or is another than before. Gives the limits where they changed.
    pub(super) fn put(&mut self, uid: InstanceUid, instance: &AgentInstance) -> Option<Limits> {
        let spec = &instance.spec;
        let models = spec.model.iter().flat_map(ResolvedModel::all);
        let models = models.map(|it| {
            (
                Resource::Model(of_tenant(&spec.tenant, &it.endpoint)),
                count(it.max_concurrent),
            )
        });
        let tools = spec.tools.iter();
        let tools = tools.map(|it| {
            (
                Resource::Tool(of_tenant(&spec.tenant, &it.name)),
                count(it.max_concurrent),
            )
        });
        let touched = self.resources.put(uid, models.chain(tools));
        let quota = aion_policy::tenant_quota(instance);
        let quota = (quota != Quota::default()).then(|| (Name::from(spec.tenant.as_str()), quota));
        let tenants = self.tenants.put(uid, quota);
        self.settle(touched, tenants)
    }

    /// An instance is gone.
    pub(super) fn remove(&mut self, uid: InstanceUid) -> Option<Limits> {
        let touched = self.resources.put(uid, []);
        let tenants = self.tenants.put(uid, []);
        self.settle(touched, tenants)
    }

    fn settle(&mut self, resources: Vec<Resource>, tenants: Vec<Name>) -> Option<Limits> {
        let mut changed = false;
        for resource in resources {
            let least = self.resources.all(&resource).min().copied();
            changed |= set(&mut self.limits.resources, resource, least);
        }
        for tenant in tenants {
            let least = self.tenants.all(&tenant).copied().reduce(smaller);
            changed |= set(&mut self.limits.tenants, tenant, least);
        }
        changed.then(|| self.limits.clone())
    }
}

fn set<K: Ord, V: PartialEq>(map: &mut BTreeMap<K, V>, key: K, value: Option<V>) -> bool {
    let same = map.get(&key) == value.as_ref();
    match value {
        Some(value) => drop(map.insert(key, value)),
        None => drop(map.remove(&key)),
    }
    !same
}

fn smaller(a: Quota, b: Quota) -> Quota {
    fn least<T: Ord>(a: Option<T>, b: Option<T>) -> Option<T> {
        match (a, b) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }
    Quota {
        calls_per_minute: least(a.calls_per_minute, b.calls_per_minute),
        concurrency: least(a.concurrency, b.concurrency),
        tokens_per_hour: least(a.tokens_per_hour, b.tokens_per_hour),
    }
}

impl<K, V> Default for Wishes<K, V> {
    fn default() -> Self {
        Self {
            of: HashMap::new(),
            by: HashMap::new(),
        }
    }
}

impl<K: Clone + Eq + Hash, V> Wishes<K, V> {
    /// Replaces what an instance wants. Gives every key that is concerned.
    fn put(&mut self, uid: InstanceUid, wishes: impl IntoIterator<Item = (K, V)>) -> Vec<K> {
        let mut touched = self.by.remove(&uid).unwrap_or_default();
        for key in &touched {
            if let Some(all) = self.of.get_mut(key) {
                all.remove(&uid);
                if all.is_empty() {
                    self.of.remove(key);
                }
            }
        }
        let mut own = Vec::new();
        for (key, value) in wishes {
            self.of.entry(key.clone()).or_default().insert(uid, value);
            own.push(key);
        }
        touched.extend(own.iter().cloned());
        if !own.is_empty() {
            self.by.insert(uid, own);
        }
        touched
    }

    fn all(&self, key: &K) -> impl Iterator<Item = &V> {
        self.of.get(key).into_iter().flat_map(BTreeMap::values)
    }
}

#[cfg(test)]
mod tests {
    use aion_api::{AgentInstanceSpec, ResolvedEndpoint};

    use super::*;

    fn instance(tenant: &str, concurrent: i32, tokens: Option<i64>) -> AgentInstance {
        let endpoint = ResolvedEndpoint {
            endpoint: "local".into(),
            max_concurrent: concurrent,
            ..ResolvedEndpoint::default()
        };
        let mut spec = AgentInstanceSpec {
            tenant: tenant.into(),
            model: Some(ResolvedModel {
                embedding: Some(ResolvedEndpoint {
                    endpoint: "near".into(),
                    max_concurrent: 1,
                    ..ResolvedEndpoint::default()
                }),
                endpoints: vec![endpoint],
            }),
            ..AgentInstanceSpec::default()
        };
        spec.quotas.tenant_tokens_per_hour = tokens;
        AgentInstance::new("x", spec)
    }

    #[test]
    fn the_smallest_bound_counts_and_goes_with_its_instance() {
        let mut shared = Shared::new(Limits::default());
        let model = |tenant: &str| Resource::Model(of_tenant(&tenant.into(), "local"));
        let (a, b, c) = (InstanceUid(1), InstanceUid(2), InstanceUid(3));
        let limits = shared.put(a, &instance("home", 4, Some(100)));
        let near = Resource::Model(of_tenant(&"home".into(), "near"));
        let bounds = |it: Limits| (it.resources[&model("home")], it.resources[&near]);
        assert_eq!(
            limits.map(bounds),
            Some((4, 1)),
            "what makes vectors is bounded, too"
        );
        let limits = shared.put(b, &instance("home", 2, None));
        assert_eq!(limits.map(|it| it.resources[&model("home")]), Some(2));
        // Another tenant's endpoint of the same name is another.
        let limits = shared
            .put(c, &instance("work", 9, None))
            .unwrap_or_default();
        assert_eq!(limits.resources[&model("work")], 9);
        assert_eq!(limits.resources[&model("home")], 2);
        assert_eq!(
            limits.tenants[&Name::from("home")].tokens_per_hour,
            Some(100)
        );
        assert_eq!(shared.put(c, &instance("work", 9, None)), None);
        let limits = shared.remove(b).unwrap_or_default();
        assert_eq!(limits.resources[&model("home")], 4);
        let limits = shared.remove(a).unwrap_or_default();
        assert!(!limits.resources.contains_key(&model("home")) && limits.tenants.is_empty());
    }
}
