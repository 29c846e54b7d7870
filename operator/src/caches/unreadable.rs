//! What the watches saw and cannot read: held apart, so that it is neither taken for absent nor in the way of the rest.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Arc;

use aion_api::{Readable, Unreadable};
use aion_resolve::Key;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::runtime::watcher::Event;
use parking_lot::RwLock;

use crate::metrics::Metrics;

/// An object that cannot be read, for whoever looks at it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Notice {
    pub(crate) object: ObjectReference,
    /// The field, and what to do.
    pub(crate) words: String,
}

/// A shared table.
#[derive(Clone)]
pub(crate) struct UnreadableObjects {
    tables: Arc<RwLock<Tables>>,
    metrics: Metrics,
}

type Tables = BTreeMap<String, BTreeMap<Key, (Notice, Unreadable)>>;

impl UnreadableObjects {
    pub(super) fn new(metrics: Metrics) -> Self {
        Self {
            tables: Arc::default(),
            metrics,
        }
    }

    /// Why the object cannot be read, where it is there and cannot.
    pub(crate) fn of<K: Resource<DynamicType = ()>>(
        &self,
        namespace: &str,
        name: &str,
    ) -> Option<String> {
        let tables = self.tables.read();
        let of_kind = tables.get(&*K::kind(&()))?;
        let (notice, _) = of_kind.get(&Key::new(namespace, name))?;
        Some(notice.words.clone())
    }

    /// Every object of a kind in `namespace`, which is empty for those that are in none, that `which` names.
    pub(crate) fn all<K: Resource<DynamicType = ()>>(
        &self,
        namespace: &str,
        which: impl Fn(&ObjectMeta) -> bool,
    ) -> Vec<(String, String)> {
        let tables = self.tables.read();
        let of_kind = tables.get(&*K::kind(&())).into_iter().flatten();
        of_kind
            .filter(|(key, (_, it))| key.namespace == namespace && which(&it.metadata))
            .map(|(key, (notice, _))| (key.name.clone(), notice.words.clone()))
            .collect()
    }

    /// Every object of a kind, in all namespaces, that may be on `node`.
    pub(crate) fn on_node<K: Resource<DynamicType = ()>>(&self, node: &str) -> Vec<Key> {
        let tables = self.tables.read();
        let of_kind = tables.get(&*K::kind(&())).into_iter().flatten();
        of_kind
            .filter(|(_, (_, it))| it.placed.may_be(node))
            .map(|(key, _)| key.clone())
            .collect()
    }

    /// All of them.
    pub(super) fn notices(&self) -> Vec<Notice> {
        let tables = self.tables.read();
        let all = tables.values().flat_map(BTreeMap::values);
        all.map(|(notice, _)| notice.clone()).collect()
    }

    /// Notes that `object` cannot be read; the notice, where that is new.
    fn note(&self, kind: &str, notice: Notice, object: &Unreadable) -> Option<Notice> {
        let key = key(&object.metadata);
        let mut tables = self.tables.write();
        let of_kind = tables.entry(kind.to_owned()).or_default();
        let before = of_kind.insert(key, (notice.clone(), object.clone()));
        self.metrics.unreadable(kind, of_kind.len());
        let same = |(said, _): &(Notice, Unreadable)| {
            said.words == notice.words && said.object.uid == notice.object.uid
        };
        (!before.as_ref().is_some_and(same)).then_some(notice)
    }

    /// Forgets what `stays` does not name.
    fn retain(&self, kind: &str, stays: impl Fn(&Key) -> bool) {
        let mut tables = self.tables.write();
        if let Some(of_kind) = tables.get_mut(kind) {
            of_kind.retain(|key, _| stays(key));
            self.metrics.unreadable(kind, of_kind.len());
        }
    }
}

/// What a watch may read and what it may not, apart.
pub(super) struct Sieve<K> {
    unreadable: UnreadableObjects,
    /// Unreadable ones that a running list has named.
    listed: BTreeSet<Key>,
    /// What stands in the caches for one that cannot be read.
    stand_in: fn(&Unreadable) -> Option<K>,
}

/// What came through.
pub(super) struct Sifted<K> {
    /// For the caches: nothing, where nothing changes for them.
    pub(super) event: Option<Event<K>>,
    /// What cannot be read since now.
    pub(super) notice: Option<Notice>,
}

impl<K: Resource<DynamicType = ()> + Clone + Debug> Sieve<K> {
    pub(super) fn new(
        unreadable: UnreadableObjects,
        stand_in: fn(&Unreadable) -> Option<K>,
    ) -> Self {
        Self {
            unreadable,
            listed: BTreeSet::new(),
            stand_in,
        }
    }

    /// Sifts an event; `last` gives the object as it was when it could be read.
    pub(super) fn sift(
        &mut self,
        event: Event<Readable<K>>,
        last: impl Fn(&ObjectMeta) -> Option<K>,
    ) -> Sifted<K> {
        let kind = K::kind(&());
        match event {
            Event::Init => {
                self.listed.clear();
                Sifted::of(Event::Init)
            }
            Event::InitDone => {
                let listed = std::mem::take(&mut self.listed);
                self.unreadable.retain(&kind, |key| listed.contains(key));
                Sifted::of(Event::InitDone)
            }
            Event::InitApply(Readable(Ok(object))) => Sifted::of(Event::InitApply(object)),
            Event::InitApply(Readable(Err(object))) => {
                self.listed.insert(key(&object.metadata));
                let notice = self.note(&object);
                let event = (self.stand_in)(&object).map(Event::InitApply);
                Sifted { event, notice }
            }
            Event::Apply(Readable(Ok(object))) => {
                self.forget(object.meta());
                Sifted::of(Event::Apply(object))
            }
            Event::Apply(Readable(Err(object))) => {
                let notice = self.note(&object);
                let event = match (self.stand_in)(&object) {
                    Some(stands) => Some(Event::Apply(stands)),
                    None => last(&object.metadata).map(Event::Delete),
                };
                Sifted { event, notice }
            }
            Event::Delete(Readable(object)) => {
                let object = match object {
                    Ok(object) => Some(object),
                    Err(object) => {
                        self.forget(&object.metadata);
                        (self.stand_in)(&object).or_else(|| last(&object.metadata))
                    }
                };
                if let Some(object) = &object {
                    self.forget(object.meta());
                }
                let event = object.map(Event::Delete);
                Sifted {
                    event,
                    notice: None,
                }
            }
        }
    }

    fn note(&self, object: &Unreadable) -> Option<Notice> {
        let kind = K::kind(&());
        let words = object.words(&kind);
        let reference = Readable::<K>(Err(object.clone())).object_ref(&());
        let notice = Notice {
            object: reference,
            words,
        };
        let notice = self.unreadable.note(&kind, notice, object)?;
        tracing::error!(%kind, namespace = object.metadata.namespace, why = notice.words, "held as unreadable");
        Some(notice)
    }

    fn forget(&self, object: &ObjectMeta) {
        let key = key(object);
        self.unreadable.retain(&K::kind(&()), |it| *it != key);
    }
}

impl<K> Sifted<K> {
    fn of(event: Event<K>) -> Self {
        Self {
            event: Some(event),
            notice: None,
        }
    }
}

fn key(object: &ObjectMeta) -> Key {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    Key::new(&text(&object.namespace), &text(&object.name))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use aion_api::{KernelNode, MemoryPool};
    use serde_json::json;

    use super::*;

    fn node(name: &str, scheduling: &str) -> Readable<KernelNode> {
        serde_json::from_value(json!({
            "metadata": {"name": name, "uid": "u"}, "spec": {"scheduling": scheduling},
        }))
        .unwrap()
    }

    fn sieve() -> (UnreadableObjects, Sieve<KernelNode>) {
        let all = UnreadableObjects::new(Metrics::new().unwrap());
        (all.clone(), Sieve::new(all, |_| None))
    }

    #[test]
    fn one_that_cannot_be_read_is_told_once_and_held_until_it_can_or_is_gone() {
        let (all, mut sieve) = sieve();
        let held = || all.of::<KernelNode>("", "a");
        let none = |_: &ObjectMeta| None;
        let sifted = sieve.sift(Event::Apply(node("a", "never")), none);
        assert!(sifted.event.is_none());
        let words = sifted.notice.unwrap().words;
        assert!(
            words.contains("spec.scheduling: unknown variant `never`"),
            "{words}"
        );
        assert_eq!(held(), Some(words));
        let again = sieve.sift(Event::Apply(node("a", "never")), none);
        assert!(again.notice.is_none(), "told twice");
        sieve.sift(Event::Apply(node("a", "pause")), none);
        assert_eq!(held(), None);
        sieve.sift(Event::Apply(node("a", "never")), none);
        sieve.sift(Event::Delete(node("a", "never")), none);
        assert_eq!(held(), None);
    }

    #[test]
    fn what_was_read_before_leaves_the_caches_when_it_cannot_be_read_any_more() {
        let (_, mut sieve) = sieve();
        let last = |_: &ObjectMeta| node("a", "allow").0.ok();
        let sifted = sieve.sift(Event::Apply(node("a", "never")), last);
        assert!(matches!(sifted.event, Some(Event::Delete(_))));
    }

    #[test]
    fn a_pool_that_cannot_be_read_is_found_by_the_node_that_holds_it() {
        let all = UnreadableObjects::new(Metrics::new().unwrap());
        let mut sieve = Sieve::<MemoryPool>::new(all.clone(), |_| None);
        for (name, node) in [
            ("here", json!("a")),
            ("elsewhere", json!("b")),
            ("nowhere", json!(null)),
            ("unclear", json!(["a"])),
        ] {
            let pool = json!({
                "metadata": {"namespace": "home", "name": name},
                "spec": {"encryption": "sealed"}, "status": {"nodeName": node},
            });
            let pool: Readable<MemoryPool> = serde_json::from_value(pool).unwrap();
            sieve.sift(Event::Apply(pool), |_| None);
        }
        let on = all.on_node::<MemoryPool>("a");
        assert_eq!(on, [Key::new("home", "here"), Key::new("home", "unclear")]);
        assert!(all.on_node::<KernelNode>("a").is_empty());
    }

    #[test]
    fn a_list_keeps_what_it_names_and_forgets_the_rest() {
        let (all, mut sieve) = sieve();
        let none = |_: &ObjectMeta| None;
        sieve.sift(Event::Apply(node("gone", "never")), none);
        for event in [
            Event::Init,
            Event::InitApply(node("a", "never")),
            Event::InitApply(node("b", "allow")),
            Event::InitDone,
        ] {
            sieve.sift(event, none);
        }
        let names: Vec<String> = all
            .all::<KernelNode>("", |_| true)
            .into_iter()
            .map(|it| it.0)
            .collect();
        assert_eq!(names, ["a"]);
        assert_eq!(all.notices().len(), 1);
    }
}
