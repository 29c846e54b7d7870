//! The watches of a node, in one task: whom to trust first, then what is to run.

use std::{
    collections::{BTreeMap, HashMap},
    pin::pin,
    sync::Arc,
};

use aion_api::{AgentInstance, Readable, TrustPolicy, Unreadable};
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
use parking_lot::RwLock;
use tokio::sync::mpsc;

use super::{held::Held, status};
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
    /// One that cannot be read is its words.
    policies: Held<Result<TrustPolicy, String>>,
    namespaces: Held<Labels>,
}

impl Trusted {
    /// Whom to trust in `namespace`.
    pub(super) fn of(&self, namespace: &str) -> Trust {
        let told = self.0.read();
        told.trust(namespace)
    }

    fn is_filled(&self) -> bool {
        let told = self.0.read();
        told.policies.is_filled() && told.namespaces.is_filled()
    }

    /// Whether anything is to be judged anew. A policy that cannot be read is no reason to: what was let in stays, and
    /// nothing else is let in.
    fn policy(&self, event: Event<Readable<TrustPolicy>>) -> bool {
        let mut told = self.0.write();
        // Name and spec are all that counts: with the rest, a status or a label would be a change.
        let bare = |policy: Readable<TrustPolicy>| match policy.0 {
            Ok(policy) => Ok(TrustPolicy::new(&policy.name_any(), policy.spec)),
            Err(unreadable) => {
                let words = unreadable.words("TrustPolicy");
                tracing::error!(why = words, "held as unreadable: nothing new is let in");
                Err(words)
            }
        };
        let changed = told.policies.take(event, bare);
        let readable = |name: &&String| told.policies.get(name).is_none_or(Result::is_ok);
        changed.iter().any(|name| readable(&name))
    }

    /// The namespaces in which something else is trusted now.
    fn namespace(&self, event: Event<PartialObjectMeta<Namespace>>) -> Vec<String> {
        let mut told = self.0.write();
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
        let readable = self.policies.values().filter_map(|it| it.as_ref().ok());
        let unreadable = self.policies.values().filter_map(|it| it.as_ref().err());
        Trust {
            unreadable: unreadable.cloned().collect(),
            ..aion_policy::trust(readable, &labels)
        }
    }
}

/// Watches until nobody listens any more. A watch that breaks is taken up again, with growing pauses.
pub(super) async fn watch(client: Client, node: String, trusted: Arc<Trusted>, out: Out) {
    let all = watcher::Config::default;
    let here = all().fields(&format!("spec.nodeName={node}"));
    let policies =
        watcher(Api::<Readable<TrustPolicy>>::all(client.clone()), all()).default_backoff();
    let labels = Api::<PartialObjectMeta<Namespace>>::all(client.clone());
    let namespaces = watcher(labels, all()).default_backoff();
    let instances =
        watcher(Api::<Readable<AgentInstance>>::all(client.clone()), here).default_backoff();
    let (mut policies, mut namespaces) = (pin!(policies), pin!(namespaces));
    let mut instances = pin!(instances);
    let mut said = [Said::default(), Said::default(), Said::default()];
    let mut seen = Seen::default();
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
                Ok(event) => match seen.instance(event) {
                    Ok(change) => change.into_iter().collect(),
                    Err(unreadable) => {
                        tokio::spawn(status::unreadable(client.clone(), *unreadable));
                        Vec::new()
                    }
                },
                Err(change) => change.into_iter().collect(),
            },
        };
        for change in changes {
            let _ = out.send(change);
        }
    }
}

/// The instances of this node as they were read last, by uid.
#[derive(Debug, Default)]
struct Seen {
    last: HashMap<String, Arc<AgentInstance>>,
    /// What a running list has named so far.
    listed: Vec<String>,
}

impl Seen {
    /// What an event changes. An instance that cannot be read any more stays what it was but for its metadata, since its
    /// spec never changes.
    ///
    /// # Errors
    /// It cannot be read and never was: nothing is done about it.
    fn instance(
        &mut self,
        event: Event<Readable<AgentInstance>>,
    ) -> Result<Option<Change>, Box<Unreadable>> {
        Ok(match event {
            Event::Init => {
                self.listed.clear();
                None
            }
            Event::InitApply(instance) => {
                // One that cannot be read is there all the same.
                self.listed.extend(instance.uid());
                Some(Change::Applied(self.read(instance)?))
            }
            Event::InitDone => {
                let listed = std::mem::take(&mut self.listed);
                self.last.retain(|uid, _| listed.contains(uid));
                Some(Change::Synced(listed))
            }
            Event::Apply(instance) => Some(Change::Applied(self.read(instance)?)),
            Event::Delete(instance) => {
                let uid = instance.uid().unwrap_or_default();
                let read = self.read(instance);
                self.last.remove(&uid);
                read.ok().map(Change::Deleted)
            }
        })
    }

    fn read(
        &mut self,
        instance: Readable<AgentInstance>,
    ) -> Result<Arc<AgentInstance>, Box<Unreadable>> {
        let uid = instance.uid().unwrap_or_default();
        let read = match instance.0 {
            Ok(instance) => instance,
            Err(unreadable) => {
                let words = unreadable.words("AgentInstance");
                tracing::error!(instance = uid, why = words, "held as unreadable");
                let Some(last) = self.last.get(&uid) else {
                    return Err(Box::new(unreadable));
                };
                AgentInstance {
                    metadata: unreadable.metadata,
                    ..AgentInstance::clone(last)
                }
            }
        };
        let read = Arc::new(read);
        self.last.insert(uid, Arc::clone(&read));
        Ok(read)
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
    #![allow(clippy::unwrap_used, clippy::panic)]
    use aion_api::{TrustPolicySpec, Unsigned, selector::Selector};

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
            inline: Unsigned::Allow,
            ..TrustPolicySpec::default()
        };
        let mut policy = TrustPolicy::new("house", spec);
        let applied = |policy: &TrustPolicy| Event::Apply(Readable(Ok(policy.clone())));
        assert!(trusted.policy(applied(&policy)));
        policy.metadata.resource_version = Some("7".into());
        assert!(!trusted.policy(applied(&policy)), "nothing changed");
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

    fn unreadable<K>(name: &str, uid: &str) -> Readable<K> {
        let mut unreadable = Unreadable {
            why: "spec.inline: unknown variant `sometimes`".to_owned(),
            ..Unreadable::default()
        };
        unreadable.metadata.name = Some(name.to_owned());
        unreadable.metadata.uid = Some(uid.to_owned());
        Readable(Err(unreadable))
    }

    #[test]
    fn a_trust_policy_that_cannot_be_read_is_not_taken_for_absent() {
        let trusted = Trusted::default();
        let allow = TrustPolicySpec {
            inline: Unsigned::Allow,
            ..TrustPolicySpec::default()
        };
        let good = || Readable(Ok(TrustPolicy::new("house", allow.clone())));
        assert!(trusted.policy(Event::Apply(good())));
        // What was let in under it stays let in, and nothing else is let in.
        assert!(!trusted.policy(Event::Apply(unreadable("house", "u"))));
        let [words] = trusted.of("home").unreadable.try_into().unwrap();
        assert!(words.contains("spec.inline"), "{words}");
        assert!(trusted.policy(Event::Apply(good())));
        assert!(trusted.of("home").unreadable.is_empty() && trusted.of("home").inline);
    }

    #[test]
    fn an_instance_that_cannot_be_read_any_more_is_neither_gone_nor_another() {
        let mut seen = Seen::default();
        let mut instance = AgentInstance::default();
        instance.metadata.uid = Some("u".to_owned());
        instance.spec.tenant = "home".into();
        seen.instance(Event::Apply(Readable(Ok(instance)))).unwrap();
        for event in [Event::Init, Event::InitApply(unreadable("a-0-x", "u"))] {
            seen.instance(event).unwrap();
        }
        let never = Event::InitApply(unreadable("b-0-x", "v"));
        assert!(seen.instance(never).is_err());
        let synced = seen.instance(Event::InitDone).unwrap();
        assert!(matches!(synced, Some(Change::Synced(there)) if there == ["u", "v"]));
        let Some(Change::Applied(held)) = seen
            .instance(Event::Apply(unreadable("a-0-x", "u")))
            .unwrap()
        else {
            panic!("it was not held");
        };
        assert_eq!(held.spec.tenant, "home".into());
        assert_eq!(held.metadata.name.as_deref(), Some("a-0-x"));
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
