//! What a watch has told so far, by name, and what a new word of it changes. Pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
};

use kube::{ResourceExt, runtime::watcher::Event};

/// One value for each object.
#[derive(Debug)]
pub(super) struct Held<V> {
    now: BTreeMap<String, V>,
    /// What was told since the last list began; it takes the place of `now` when the list is complete.
    listing: BTreeMap<String, V>,
    filled: bool,
}

impl<V> Default for Held<V> {
    fn default() -> Self {
        Self {
            now: BTreeMap::new(),
            listing: BTreeMap::new(),
            filled: false,
        }
    }
}

impl<V: PartialEq> Held<V> {
    /// Takes an event in; gives the names whose value changed.
    pub(super) fn take<K: ResourceExt>(
        &mut self,
        event: Event<K>,
        value: impl FnOnce(K) -> V,
    ) -> Vec<String> {
        match event {
            Event::Init => self.listing.clear(),
            Event::InitApply(object) => {
                self.listing.insert(object.name_any(), value(object));
            }
            Event::InitDone => {
                let before = mem::replace(&mut self.now, mem::take(&mut self.listing));
                self.filled = true;
                let names: BTreeSet<&String> = before.keys().chain(self.now.keys()).collect();
                let differs = |name: &&String| before.get(*name) != self.now.get(*name);
                return names.into_iter().filter(differs).cloned().collect();
            }
            Event::Apply(object) => {
                let (name, value) = (object.name_any(), value(object));
                if self.now.get(&name) != Some(&value) {
                    self.now.insert(name.clone(), value);
                    return vec![name];
                }
            }
            Event::Delete(object) => {
                let name = object.name_any();
                if self.now.remove(&name).is_some() {
                    return vec![name];
                }
            }
        }
        Vec::new()
    }

    /// Whether everything there is was told once.
    pub(super) fn is_filled(&self) -> bool {
        self.filled
    }

    pub(super) fn get(&self, name: &str) -> Option<&V> {
        self.now.get(name)
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &V> {
        self.now.values()
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Namespace;

    use super::*;

    fn object(name: &str, generation: i64) -> Namespace {
        let mut object = Namespace::default();
        object.metadata.name = Some(name.to_owned());
        object.metadata.generation = Some(generation);
        object
    }

    #[test]
    fn a_new_list_changes_only_what_differs_from_what_was_known() {
        let mut held = Held::<Option<i64>>::default();
        let mut take = |event| {
            let changed = held.take(event, |object: Namespace| object.metadata.generation);
            (changed, held.is_filled())
        };
        let none = (Vec::new(), false);
        assert_eq!(take(Event::Init), none);
        assert_eq!(take(Event::InitApply(object("a", 1))), none);
        assert_eq!(take(Event::InitApply(object("b", 1))), none);
        let changed = |names: &[&str]| (names.iter().map(|it| (*it).to_owned()).collect(), true);
        assert_eq!(take(Event::InitDone), changed(&["a", "b"]));
        assert_eq!(take(Event::Apply(object("a", 1))), changed(&[]));
        assert_eq!(take(Event::Apply(object("a", 2))), changed(&["a"]));
        // The watch broke: `b` went away and `c` came meanwhile, `a` is as it was.
        take(Event::Init);
        take(Event::InitApply(object("a", 2)));
        take(Event::InitApply(object("c", 1)));
        assert_eq!(take(Event::InitDone), changed(&["b", "c"]));
        assert_eq!(take(Event::Delete(object("c", 1))), changed(&["c"]));
    }
}
