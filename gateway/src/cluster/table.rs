//! Which nodes have an agent, and where they are: the little of AgentInstances and KernelNodes that this takes, as the watches
//! tell it. What may not enter: who asks, and the API server.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use aion_client::{Address, Node};
use sha2::{Digest as _, Sha256};

use crate::{
    numbers::Tag,
    place::{Candidate, Key, Place},
};

/// What is kept of an AgentInstance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Instance {
    pub(super) name: Box<str>,
    pub(super) node: Arc<str>,
    /// It can be asked, by the word of its node.
    pub(super) is_ready: bool,
    /// It was deleted, and ends what it has.
    pub(super) is_leaving: bool,
}

/// What is kept of a KernelNode.
#[derive(Debug, Clone)]
pub(super) struct Where {
    pub(super) tag: Tag,
    /// Its node agent is heard of, by the operator's word.
    pub(super) is_alive: bool,
    /// How it is asked, by nobody yet; or why it cannot be.
    pub(super) address: Result<Address, Arc<str>>,
}

/// Namespace and name.
type Named = (Box<str>, Box<str>);

/// See the module. A row says which list it was in last: what the newest one does not name is gone.
#[derive(Debug, Default)]
pub(super) struct Table {
    instances: HashMap<Named, Vec<(Instance, u32)>>,
    nodes: HashMap<Arc<str>, (Where, u32)>,
    lists: [u32; 2],
}

/// A node that has an agent, with what is known of it.
struct Has<'a> {
    name: &'a str,
    at: &'a Where,
    address: &'a Address,
    is_ready: bool,
    is_leaving: bool,
}

/// A node that has agents of a namespace, and these.
pub(super) struct Within {
    /// Its name.
    pub(super) node: Arc<str>,
    /// What it is told apart by; none where there is no KernelNode.
    pub(super) tag: Option<Tag>,
    /// Where it is; or why it cannot be asked.
    pub(super) place: Result<Place, String>,
    pub(super) agents: BTreeSet<Box<str>>,
}

/// Why no node of an agent is asked.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Nowhere {
    /// It has no instance.
    NoInstance,
    /// It has, where nobody can be asked.
    Unreachable(String),
}

const INSTANCES: usize = 0;
const NODES: usize = 1;

impl Table {
    /// A list of instances begins.
    pub(super) fn begins_instances(&mut self) {
        self.lists[INSTANCES] += 1;
    }

    pub(super) fn begins_nodes(&mut self) {
        self.lists[NODES] += 1;
    }

    /// The list is at its end.
    pub(super) fn ends_instances(&mut self) {
        let list = self.lists[INSTANCES];
        self.instances.retain(|_, all| {
            all.retain(|(_, named)| *named == list);
            !all.is_empty()
        });
    }

    pub(super) fn ends_nodes(&mut self) {
        let list = self.lists[NODES];
        self.nodes.retain(|_, (_, named)| *named == list);
    }

    /// An instance of an agent is there, or is otherwise than it was.
    pub(super) fn instance(&mut self, agent: (&str, &str), mut instance: Instance) {
        // One text for each node, not for each instance.
        if let Some((node, _)) = self.nodes.get_key_value(&instance.node) {
            instance.node = Arc::clone(node);
        }
        let row = (instance, self.lists[INSTANCES]);
        let all = self.instances.entry(named(agent)).or_default();
        match all.iter_mut().find(|it| it.0.name == row.0.name) {
            Some(it) => *it = row,
            None => all.push(row),
        }
    }

    pub(super) fn no_instance(&mut self, agent: (&str, &str), name: &str) {
        let agent = named(agent);
        if let Some(all) = self.instances.get_mut(&agent) {
            all.retain(|it| *it.0.name != *name);
            if all.is_empty() {
                self.instances.remove(&agent);
            }
        }
    }

    pub(super) fn node(&mut self, name: &str, at: Where) {
        self.nodes.insert(name.into(), (at, self.lists[NODES]));
    }

    pub(super) fn no_node(&mut self, name: &str) {
        self.nodes.remove(name);
    }

    /// Where the turns are that a tag stands for: at one node, or, where two have the tag, at either. Of one that cannot be asked, why.
    pub(super) fn tagged(&self, tag: Tag) -> Vec<Result<Place, String>> {
        let tagged = self.nodes.iter().filter(|(_, (at, _))| at.tag == tag);
        tagged
            .map(|(name, (at, _))| match &at.address {
                Ok(address) => Ok(place(at, address)),
                Err(cause) => Err(unasked(name, cause)),
            })
            .collect()
    }

    /// The nodes that have agents of a namespace, by name.
    pub(super) fn within(&self, namespace: &str) -> Vec<Within> {
        let mut nodes: BTreeMap<&Arc<str>, BTreeSet<Box<str>>> = BTreeMap::new();
        for ((of, agent), instances) in &self.instances {
            if &**of != namespace {
                continue;
            }
            for (instance, _) in instances {
                let agents = nodes.entry(&instance.node).or_default();
                agents.insert(agent.clone());
            }
        }
        let within = nodes.into_iter().map(|(name, agents)| Within {
            node: Arc::clone(name),
            tag: self.nodes.get(name).map(|(at, _)| at.tag),
            place: self.asked(name),
            agents,
        });
        within.collect()
    }

    /// How a node is asked; or why it cannot be.
    fn asked(&self, name: &str) -> Result<Place, String> {
        match self.nodes.get(name) {
            None => Err(no_kernel_node(name)),
            Some((at, _)) => match &at.address {
                Ok(address) => Ok(place(at, address)),
                Err(cause) => Err(unasked(name, cause)),
            },
        }
    }

    /// Where a question to an agent may be asked, in order.
    ///
    /// The order is by a hash of key and node (rendezvous hashing), so that every gateway has the same one. A client's key is
    /// for the first node that has a ready instance: what may have been asked there is asked nowhere else. Those that the agent is leaving
    /// are asked first whether they know the key, since they take nothing new and never will.
    pub(super) fn candidates(
        &self,
        agent: (&str, &str),
        key: Key<'_>,
    ) -> Result<Vec<Candidate>, Nowhere> {
        let mut all = self.has(agent)?;
        // Two that are alike are in the order of their names.
        let key_text = match key {
            Key::Theirs(key) | Key::Ours(key) => key,
        };
        all.sort_by_key(|it| (Reverse(weight(key_text, it.name)), it.name.to_owned()));
        let keep = |all: &mut Vec<Has<'_>>, is_better: &dyn Fn(&Has<'_>) -> bool| {
            if all.iter().any(is_better) {
                all.retain(is_better);
            }
        };
        let is_ours = matches!(key, Key::Ours(_));
        match is_ours {
            true => {
                keep(&mut all, &|it| it.is_ready);
                keep(&mut all, &|it| !it.is_leaving);
                keep(&mut all, &|it| it.at.is_alive);
            }
            false => {
                let is_ready = all.iter().any(|it| it.is_ready && !it.is_leaving);
                all.retain(|it| it.is_leaving || it.is_ready || !is_ready);
                all.sort_by_key(|it| !it.is_leaving);
            }
        }
        Ok(all
            .into_iter()
            .map(|it| Candidate {
                place: place(it.at, it.address),
                is_first_try: is_ours,
                is_left: it.is_leaving,
            })
            .collect())
    }

    /// The nodes that have an agent and can be asked.
    fn has(&self, agent: (&str, &str)) -> Result<Vec<Has<'_>>, Nowhere> {
        let instances = self.instances.get(&named(agent));
        let instances = instances.ok_or(Nowhere::NoInstance)?;
        let mut all: Vec<Has<'_>> = Vec::new();
        let mut why = None;
        for (instance, _) in instances {
            let name = &*instance.node;
            if let Some(it) = all.iter_mut().find(|it| it.name == name) {
                it.is_ready |= instance.is_ready;
                it.is_leaving &= instance.is_leaving;
                continue;
            }
            let Some((at, _)) = self.nodes.get(name) else {
                why = Some(no_kernel_node(name));
                continue;
            };
            match &at.address {
                Ok(address) => all.push(Has {
                    name,
                    at,
                    address,
                    is_ready: instance.is_ready,
                    is_leaving: instance.is_leaving,
                }),
                Err(cause) => why = Some(unasked(name, cause)),
            }
        }
        match all.is_empty() {
            true => Err(Nowhere::Unreachable(why.unwrap_or_default())),
            false => Ok(all),
        }
    }
}

fn named((namespace, name): (&str, &str)) -> Named {
    (namespace.into(), name.into())
}

fn no_kernel_node(name: &str) -> String {
    format!("there is no KernelNode {name}")
}

fn unasked(node: &str, cause: &str) -> String {
    format!("node {node} cannot be asked: {cause}")
}

fn place(at: &Where, address: &Address) -> Place {
    Place {
        node: Node {
            address: address.clone(),
        },
        tag: Some(at.tag),
    }
}

fn weight(key: &str, node: &str) -> [u8; 16] {
    // A key's length before it: no two pairs are one text.
    let length = (key.len() as u64).to_be_bytes();
    let hash = Sha256::new_with_prefix(length).chain_update(key);
    let digest = hash.chain_update(node).finalize();
    let mut weight = [0; 16];
    weight.copy_from_slice(&digest[..16]);
    weight
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
