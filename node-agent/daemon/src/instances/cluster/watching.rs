//! The watches of a node, in one task: whom to trust first, then what is to run.

use std::{
    collections::BTreeMap,
    pin::pin,
    sync::{Arc, PoisonError, RwLock},
};

use aion_api::{AgentInstance, TrustPolicy};
use aion_policy::Trust;
use futures::TryStreamExt;
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Client, ResourceExt,
    core::PartialObjectMeta,
    runtime::{
        WatchStreamExt,
        watcher::{self, Event, watcher},
    },
};
use tokio::sync::mpsc;

use super::held::Held;
use crate::instances::Change;

type Labels = BTreeMap<String, String>;
type Out = mpsc::UnboundedSender<Change>;

/// The label that every namespace has, for selectors by name.
const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";

/// Trust policies and the labels of namespaces, as they were last told.
#[derive(Debug, Default)]
pub(super) struct Trusted(RwLock<Told>);

#[derive(Debug, Default)]
struct Told {
    policies: Held<TrustPolicy>,
    namespaces: Held<Labels>,
}

impl Trusted {
    /// Whom to trust in `namespace`.
    pub(super) fn of(&self, namespace: &str) -> Trust {
        let told = self.0.read().unwrap_or_else(PoisonError::into_inner);
        told.trust(namespace)
    }

    fn is_filled(&self) -> bool {
        let told = self.0.read().unwrap_or_else(PoisonError::into_inner);
        told.policies.is_filled() && told.namespaces.is_filled()
    }

    /// Whether anything is trusted otherwise now.
    fn policy(&self, event: Event<TrustPolicy>) -> bool {
        let mut told = self.0.write().unwrap_or_else(PoisonError::into_inner);
        // Name and spec are all that counts: with the rest, a status or a label would be a change.
        let bare = |policy: TrustPolicy| TrustPolicy::new(&policy.name_any(), policy.spec);
        !told.policies.take(event, bare).is_empty()
    }

    /// The namespaces in which something else is trusted now.
    fn namespace(&self, event: Event<PartialObjectMeta<Namespace>>) -> Vec<String> {
        let mut told = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let one = match &event {
            Event::Apply(object) | Event::Delete(object) => Some(object.name_any()),
            _ => None,
        };
        let before = one.as_deref().map(|name| told.trust(name));
        let labels = |mut object: PartialObjectMeta<Namespace>| {
            object.metadata.labels.take().unwrap_or_default()
        };
        let changed = told.namespaces.take(event, labels);
        let same = |name: &str| before.as_ref() == Some(&told.trust(name));
        changed.into_iter().filter(|name| !same(name)).collect()
    }
}

impl Told {
    fn trust(&self, namespace: &str) -> Trust {
        let mut labels = self.namespaces.get(namespace).cloned().unwrap_or_default();
        labels.insert(NAMESPACE_NAME.to_owned(), namespace.to_owned());
        aion_policy::trust(self.policies.values(), &labels)
    }
}

/// Watches until nobody listens any more. A watch that breaks is taken up again, with growing pauses.
pub(super) async fn watch(client: Client, node: String, trusted: Arc<Trusted>, out: Out) {
    let all = watcher::Config::default;
    let here = all().fields(&format!("spec.nodeName={node}"));
    let policies = watcher(Api::<TrustPolicy>::all(client.clone()), all()).default_backoff();
    let labels = Api::<PartialObjectMeta<Namespace>>::all(client.clone());
    let namespaces = watcher(labels, all()).default_backoff();
    let instances = watcher(Api::<AgentInstance>::all(client), here).default_backoff();
    let (mut policies, mut namespaces) = (pin!(policies), pin!(namespaces));
    let mut instances = pin!(instances);
    let mut said = [Said::default(), Said::default(), Said::default()];
    let mut told = Vec::new();
    while !out.is_closed() {
        // Nothing is judged before it is known by whom.
        let judges = trusted.is_filled();
        let changes = tokio::select! {
            event = policies.try_next() => match said[0].heard("TrustPolicies", event) {
                Ok(event) => match trusted.policy(event) && judges {
                    true => vec![Change::Trust(None)],
                    false => Vec::new(),
                },
                Err(change) => change.into_iter().collect(),
            },
            event = namespaces.try_next() => match said[1].heard("Namespaces", event) {
                Ok(event) => {
                    let changed = trusted.namespace(event).into_iter().filter(|_| judges);
                    changed.map(|name| Change::Trust(Some(name))).collect()
                }
                Err(change) => change.into_iter().collect(),
            },
            event = instances.try_next(), if judges => match said[2].heard("AgentInstances", event) {
                Ok(event) => instance(event, &mut told).into_iter().collect(),
                Err(change) => change.into_iter().collect(),
            },
        };
        for change in changes {
            let _ = out.send(change);
        }
    }
}

fn instance(event: Event<AgentInstance>, told: &mut Vec<String>) -> Option<Change> {
    match event {
        Event::Init => {
            told.clear();
            None
        }
        Event::InitApply(instance) => {
            told.extend(instance.metadata.uid.clone());
            Some(Change::Applied(Arc::new(instance)))
        }
        Event::InitDone => Some(Change::Synced(std::mem::take(told))),
        Event::Apply(instance) => Some(Change::Applied(Arc::new(instance))),
        Event::Delete(instance) => Some(Change::Deleted(Arc::new(instance))),
    }
}

/// Whether a watch is broken, so that it is said once an interruption.
#[derive(Debug, Default)]
struct Said {
    broken: bool,
}

impl Said {
    fn heard<K>(
        &mut self,
        kind: &str,
        event: Result<Option<Event<K>>, watcher::Error>,
    ) -> Result<Event<K>, Option<Change>> {
        let why = match event {
            Ok(Some(event)) => {
                if std::mem::take(&mut self.broken) {
                    tracing::info!(kind, "the Kubernetes API answers again");
                }
                return Ok(event);
            }
            Ok(None) => "the watch has ended".to_owned(),
            Err(error) => error.to_string(),
        };
        tracing::debug!(kind, %why, "a watch broke");
        let first = !std::mem::replace(&mut self.broken, true);
        Err(first.then(|| Change::Unavailable(format!("watching {kind}: {why}"))))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use aion_api::{InlineAgents, TrustPolicySpec, selector::Selector};

    use super::*;

    fn namespace(name: &str, labels: &[(&str, &str)]) -> Event<PartialObjectMeta<Namespace>> {
        let labels = labels.iter().map(|(k, v)| ((*k).into(), (*v).into()));
        let mut object = PartialObjectMeta::<Namespace>::default();
        object.metadata.name = Some(name.to_owned());
        object.metadata.labels = Some(labels.collect());
        Event::Apply(object)
    }

    #[test]
    fn only_what_changes_whom_to_trust_is_told() {
        let trusted = Trusted::default();
        assert!(trusted.namespace(namespace("home", &[])).is_empty());
        let spec = TrustPolicySpec {
            namespace_selector: Some(Selector {
                match_labels: [("inline".to_owned(), "yes".to_owned())].into(),
                ..Selector::default()
            }),
            inline: InlineAgents::Allow,
            ..TrustPolicySpec::default()
        };
        let mut policy = TrustPolicy::new("house", spec);
        assert!(trusted.policy(Event::Apply(policy.clone())));
        policy.metadata.resource_version = Some("7".into());
        assert!(!trusted.policy(Event::Apply(policy)), "nothing changed");
        assert!(!trusted.of("home").inline);
        let labelled = namespace("home", &[("team", "x")]);
        assert!(
            trusted.namespace(labelled).is_empty(),
            "no policy asks for it"
        );
        let labelled = namespace("home", &[("inline", "yes")]);
        assert_eq!(trusted.namespace(labelled), ["home"]);
        assert!(trusted.of("home").inline);
        // A namespace that comes later than its instance changes what is trusted there, too.
        let new = namespace("new", &[("inline", "yes")]);
        assert_eq!(trusted.namespace(new), ["new"]);
    }

    #[test]
    fn an_interruption_is_told_once() {
        let mut said = Said::default();
        let broken = || Err(watcher::Error::NoResourceVersion);
        assert!(matches!(
            said.heard::<Namespace>("x", broken()),
            Err(Some(Change::Unavailable(_)))
        ));
        assert!(matches!(said.heard::<Namespace>("x", broken()), Err(None)));
        assert!(said.heard::<Namespace>("x", Ok(Some(Event::Init))).is_ok());
        assert!(
            said.heard::<Namespace>("x", broken())
                .unwrap_err()
                .is_some()
        );
    }
}
