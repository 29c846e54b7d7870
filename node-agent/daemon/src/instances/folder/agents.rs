//! The agents of the folder, packed: at rest nobody looks at one, and as text it takes a tenth of what it takes
//! unpacked.

use std::collections::BTreeMap;

use aion_api::Agent;
use aion_resolve::Key;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Agents {
    all: BTreeMap<Key, Packed>,
    /// Those that ask others, and whom.
    asks: BTreeMap<Key, Vec<Key>>,
}

#[derive(Debug)]
struct Packed {
    /// Asked for more often than all the rest.
    uid: Option<Box<str>>,
    json: Box<[u8]>,
}

impl Agents {
    /// Takes one in, in the place of the one of its name. Gives it back where it cannot be written, which its type
    /// rules out.
    pub(super) fn insert(&mut self, key: Key, agent: &Agent) -> Result<(), serde_json::Error> {
        let uid = agent.metadata.uid.as_deref().map(Box::from);
        let json = serde_json::to_vec(agent)?.into_boxed_slice();
        self.all.insert(key, Packed { uid, json });
        Ok(())
    }

    /// Whom an agent asks as a tool, as it was resolved last.
    pub(super) fn asks(&mut self, key: Key, asked: Vec<Key>) {
        match asked.is_empty() {
            true => drop(self.asks.remove(&key)),
            false => drop(self.asks.insert(key, asked)),
        }
    }

    /// The agents that ask this one.
    pub(super) fn callers_of(&self, key: &Key) -> Vec<Key> {
        let asks = self.asks.iter().filter(|(_, asked)| asked.contains(key));
        asks.map(|(caller, _)| caller.clone()).collect()
    }

    pub(super) fn remove(&mut self, key: &Key) {
        self.all.remove(key);
    }

    pub(super) fn get(&self, key: &Key) -> Option<Agent> {
        self.all.get(key).and_then(|packed| packed.open(key))
    }

    /// All of them, unpacked one after another.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Key, Agent)> {
        let all = self.all.iter();
        all.filter_map(|(key, packed)| Some((key, packed.open(key)?)))
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.all.keys()
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn contains(&self, key: &Key) -> bool {
        self.all.contains_key(key)
    }

    /// The uid of the agent of this name, if there is one.
    pub(super) fn uid(&self, key: &Key) -> Option<&str> {
        self.all.get(key)?.uid.as_deref()
    }
}

impl Packed {
    fn open(&self, key: &Key) -> Option<Agent> {
        let opened = serde_json::from_slice(&self.json);
        opened
            .inspect_err(
                |error| tracing::error!(agent = %key, %error, "an agent cannot be unpacked"),
            )
            .ok()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use aion_resolve::{Object, parse_manifests};

    use super::*;

    #[test]
    fn what_is_packed_is_given_back_as_it_was() {
        let text = "apiVersion: aion.dev/v1alpha1\nkind: Agent\nmetadata:\n  name: a\n  uid: u\n  \
                    labels: {tier: gold}\n  creationTimestamp: 2026-01-02T03:04:05Z\nspec:\n  \
                    instructions: Waits.\n  tools: [{name: calendar}]\n  permissions: {allow: [calendar.read]}\n";
        let object = parse_manifests(text, "a.yaml").unwrap().remove(0).object;
        let Object::Agent(agent) = object else {
            unreachable!("an agent was written");
        };
        let (mut agents, key) = (Agents::default(), Key::new("home", "a"));
        agents.insert(key.clone(), &agent).unwrap();
        assert_eq!(agents.get(&key), Some(*agent));
        assert_eq!((agents.uid(&key), agents.len()), (Some("u"), 1));
        agents.remove(&key);
        assert!(!agents.contains(&key) && agents.iter().next().is_none());
    }
}
