//! Step 2: whether the device makes sense, and which node is to have it. Pure but for the index of where devices are.

use std::collections::BTreeMap;

use aion_resolve::Key;
use aion_resolve::device::{JudgedDevice, judge_device};
use aion_resolve::device_binding::{Bound, Candidate, bind, guarded_apart};

use super::dereference::Dereferenced;

/// A device that was judged.
pub(super) struct Validated {
    pub(super) input: Dereferenced,
    pub(super) judged: JudgedDevice,
    pub(super) bound: Bound,
}

/// Judges what was dereferenced.
pub(super) fn validate(input: Dereferenced) -> Validated {
    let mut judged = judge_device(&input.device, &input.things, &input.policies.imposed());
    let (key, bindings) = (&input.key, &input.caches.bindings);
    let looked = judged.looks_at.iter().map(|name| {
        let other = Key::new(&key.namespace, name);
        (name.clone(), bindings.node_of(&other))
    });
    let looked: BTreeMap<String, Option<String>> = looked.collect();
    let mut near = bindings.nodes_of_lookers(key);
    near.extend(looked.values().flatten().cloned());
    let candidates = input.nodes.iter().map(|node| Candidate {
        node,
        devices: bindings.on_node(&node.name, key),
        near: near.contains(&node.name),
    });
    let bound = bind(&input.device, &candidates.collect::<Vec<_>>());
    let status = input.device.status.as_ref();
    if let Some(holder) = status.and_then(|it| it.node_name.as_ref()) {
        let apart = looked.into_iter();
        let apart = apart.filter(|(_, node)| node.as_ref() != Some(holder));
        judged.guarded = guarded_apart(&judged.guarded, &apart.collect());
    }
    Validated {
        input,
        judged,
        bound,
    }
}
