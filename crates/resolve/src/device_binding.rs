//! Which node has a device: a pure function of labels, of who is alive, and of how many devices each node has.
//!
//! A device is one node's at a time, since a command is given once and guardrails are judged where it is. It stays while its node
//! is ready and carries the labels that it asks for; otherwise that node is told to let go. Where the node is not heard of, another
//! has the device only once it is certain that the first has stopped, which is the caller's to find out ([`Step::Fence`]). What may
//! not enter: how that is found out.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use aion_api::condition::{
    ACCEPTED, CONNECTED, GUARDED, Judgement, READY, RECONCILING, RESOLVED_REFS, STALLED, Status,
    reason,
};
use aion_api::{Device, DeviceBinding, DeviceModel, DeviceModelSpec};
use aion_policy::{Devices, Imposed, guards};

use crate::device::{JudgedDevice, device_conditions};
use crate::universe::{NodeState, NodeView};

/// What is to become of the binding of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// It stays as it is.
    Keep,
    /// This node has it from now on, or again.
    Bind(String),
    /// The node that has it is told to let go.
    Release,
    /// Once it is certain that the node that had it has stopped, another has it, or none.
    Fence(Option<String>),
}

/// What is decided about the node of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    /// What is done.
    pub step: Step,
    /// Why no node serves it now, where none does: reason and message.
    pub unserved: Option<(&'static str, String)>,
}

/// A node, and how many devices it has.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// The node.
    pub node: &'a NodeView,
    /// Its devices.
    pub devices: usize,
    /// Whether it has a device that guardrails of this one look at, or whose guardrails look at this one.
    pub near: bool,
}

/// Decides about `device`.
#[must_use]
pub fn bind(device: &Device, candidates: &[Candidate<'_>]) -> Bound {
    let status = device.status.as_ref();
    let Some(holder) = status.and_then(|it| it.node_name.as_deref()) else {
        return match choose(device, candidates, None) {
            Ok(node) => Bound {
                unserved: Some((reason::PENDING, format!("node {node} is to listen to it"))),
                step: Step::Bind(node),
            },
            Err(why) => Bound {
                step: Step::Keep,
                unserved: Some((reason::NO_NODE_FITS, why)),
            },
        };
    };
    let released = status.and_then(|it| it.binding) != Some(DeviceBinding::Serve);
    let there = candidates.iter().find(|it| it.node.name == holder);
    let away = away(there.map(|it| &it.node.state));
    let lacks = there.and_then(|it| lacks(device, it.node));
    let (step, unserved) = match (away, lacks) {
        (None, None) if released => (
            Step::Bind(holder.to_owned()),
            Some((reason::PENDING, format!("node {holder} is to listen to it"))),
        ),
        (None, None) => (Step::Keep, None),
        (None, Some(lacks)) => {
            let message =
                format!("node {holder} {lacks}: it lets go, and then another node has it");
            let step = if released { Step::Keep } else { Step::Release };
            (step, Some((reason::MOVING, message)))
        }
        (Some(away), _) => match (choose(device, candidates, Some(holder)), released) {
            (other, true) => {
                let message = format!(
                    "{away}: another node has it once it is certain that node {holder} has stopped"
                );
                (Step::Fence(other.ok()), Some((reason::NODE_AWAY, message)))
            }
            (Ok(_), false) => {
                let message = format!(
                    "{away}: another node has it once it is certain that node {holder} has stopped"
                );
                (Step::Release, Some((reason::NODE_AWAY, message)))
            }
            (Err(why), false) => {
                let message = format!("{away}; no other node can have it: {why}");
                (Step::Keep, Some((reason::NODE_AWAY, message)))
            }
        },
    };
    Bound { step, unserved }
}

/// Why the node that has a device does not serve it, where it does not. Of one that cannot be read nothing is concluded.
fn away(state: Option<&NodeState>) -> Option<String> {
    let why = match state {
        Some(NodeState::Ready | NodeState::Unknown(_)) => return None,
        Some(NodeState::NotReady(_)) => "its node agent renews its Lease no more",
        Some(NodeState::OutOfService) => "it is out of service",
        Some(NodeState::Forgotten) => "it is being forgotten",
        Some(NodeState::Gone) | None => "it is gone",
    };
    Some(format!("the node that has it is not heard of: {why}"))
}

fn lacks(device: &Device, node: &NodeView) -> Option<String> {
    // What it carries cannot be told.
    if matches!(node.state, NodeState::Unknown(_)) {
        return None;
    }
    let mut wanted = device.spec.node_selector.iter();
    let (key, value) = wanted.find(|(key, value)| node.labels.get(*key) != Some(*value))?;
    Some(format!(
        "does not have the label {key}={value} of nodeSelector"
    ))
}

fn choose(
    device: &Device,
    candidates: &[Candidate<'_>],
    besides: Option<&str>,
) -> Result<String, String> {
    let mut reasons = Vec::new();
    let mut best: Option<&Candidate<'_>> = None;
    let others = candidates
        .iter()
        .filter(|it| Some(it.node.name.as_str()) != besides);
    for it in others {
        if let Some(why) = unfit(device, it.node) {
            reasons.push(format!("{}: {why}", it.node.name));
            continue;
        }
        let rank = |it: &Candidate<'_>| (!it.near, it.devices, it.node.name.clone());
        if best.is_none_or(|best| rank(it) < rank(best)) {
            best = Some(it);
        }
    }
    best.map(|it| it.node.name.clone())
        .ok_or_else(|| match reasons.is_empty() {
            true => "there is no other node: start a node agent".to_owned(),
            false => reasons.join("; "),
        })
}

/// Why a node cannot have one more device.
fn unfit(device: &Device, node: &NodeView) -> Option<String> {
    match &node.state {
        NodeState::Ready => {}
        NodeState::NotReady(_) => return Some("not ready".to_owned()),
        NodeState::Unknown(why) => return Some(format!("not ready: {why}")),
        NodeState::OutOfService => return Some("out of service".to_owned()),
        NodeState::Gone => return Some("gone".to_owned()),
        NodeState::Forgotten => return Some("being forgotten".to_owned()),
    }
    if node.paused {
        return Some("takes nothing new: its spec.scheduling is pause".to_owned());
    }
    if node.cordoned {
        return Some("is cordoned".to_owned());
    }
    lacks(device, node)
}

/// By what it is guarded, where some of the devices that its guardrails look at are not on its node: by name, and the node of each
/// that has one.
#[must_use]
pub fn guarded_apart(guarded: &Judgement, apart: &BTreeMap<String, Option<String>>) -> Judgement {
    if apart.is_empty() || guarded.status != Status::True {
        return guarded.clone();
    }
    let named = apart.iter().map(|(device, node)| match node {
        Some(node) => format!("{device} (on node {node})"),
        None => format!("{device} (on no node)"),
    });
    let named: Vec<_> = named.collect();
    Judgement {
        message: format!(
            "{}; devices that they look at are not on its node, so what they are is not known there, which forbids: {}: give them one nodeSelector",
            guarded.message,
            named.join(", ")
        ),
        ..guarded.clone()
    }
}

/// The devices of its namespace that guardrails of `device`, of its model and of policies name, whether they are there or not.
#[must_use]
pub fn refers_to(
    device: &Device,
    model: &DeviceModel,
    imposed: &[Imposed<'_>],
) -> BTreeSet<String> {
    struct Asked(RefCell<BTreeSet<String>>);
    impl Devices for Asked {
        fn model(&self, device: &str) -> Option<&DeviceModelSpec> {
            self.0.borrow_mut().insert(device.to_owned());
            None
        }

        fn names(&self) -> Vec<String> {
            Vec::new()
        }
    }
    let asked = Asked(RefCell::default());
    // What is wrong with them is found when they are judged.
    let _ = guards("", device, model, &asked, imposed);
    asked.0.into_inner()
}

/// How a device stands that no node serves. What is wrong with itself is said before that.
#[must_use]
pub fn unserved(judged: &JudgedDevice, why: (&'static str, &str)) -> Vec<Judgement> {
    let mut all = device_conditions(judged, None);
    let sound = [&judged.accepted, &judged.resolved_refs];
    if sound.into_iter().all(|it| it.status == Status::True) {
        let ours = [CONNECTED, READY, RECONCILING, STALLED];
        for it in all.iter_mut().filter(|it| ours.contains(&it.type_)) {
            (it.reason, it.message) = (why.0, why.1.to_owned());
        }
    }
    all
}

/// Whether a condition is said by the node that serves a device; the others are said by who binds it.
#[must_use]
pub fn is_of_its_node(type_: &str) -> bool {
    ![ACCEPTED, RESOLVED_REFS, GUARDED].contains(&type_)
}

#[cfg(test)]
mod tests {
    use aion_api::DeviceStatus;

    use super::*;

    fn node(name: &str, labels: &[(&str, &str)]) -> NodeView {
        let labels = labels.iter();
        NodeView {
            name: name.to_owned(),
            labels: labels
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
            ..NodeView::default()
        }
    }

    fn not_ready(name: &str) -> NodeView {
        NodeView {
            state: NodeState::NotReady("it is silent".to_owned()),
            ..node(name, &[])
        }
    }

    fn device(holder: Option<&str>, binding: DeviceBinding) -> Device {
        Device {
            status: holder.map(|node| DeviceStatus {
                node_name: Some(node.to_owned()),
                binding: Some(binding),
                ..DeviceStatus::default()
            }),
            ..Device::default()
        }
    }

    fn step(device: &Device, nodes: &[(NodeView, usize, bool)]) -> Step {
        let all: Vec<_> = nodes
            .iter()
            .map(|(node, devices, near)| Candidate {
                node,
                devices: *devices,
                near: *near,
            })
            .collect();
        bind(device, &all).step
    }

    fn to(node: &str) -> Step {
        Step::Bind(node.to_owned())
    }

    #[test]
    fn devices_are_spread_by_number_and_beside_those_that_guardrails_tie_them_to() {
        let new = device(None, DeviceBinding::Serve);
        let (a, b) = (|| node("a", &[]), || node("b", &[]));
        assert_eq!(step(&new, &[(a(), 3, false), (b(), 2, false)]), to("b"));
        assert_eq!(step(&new, &[(a(), 2, false), (b(), 2, false)]), to("a"));
        assert_eq!(step(&new, &[(a(), 9, true), (b(), 0, false)]), to("a"));
        assert_eq!(step(&new, &[]), Step::Keep);
        let paused = NodeView {
            paused: true,
            ..a()
        };
        assert_eq!(step(&new, &[(paused, 0, true), (b(), 9, false)]), to("b"));
    }

    #[test]
    fn a_device_stays_where_it_is_while_its_node_is_ready_and_carries_its_labels() {
        let mut here = device(Some("a"), DeviceBinding::Serve);
        let nodes = [
            (node("a", &[("room", "attic")]), 100, false),
            (node("b", &[]), 0, true),
        ];
        assert_eq!(step(&here, &nodes), Step::Keep);
        let attic = ("room".to_owned(), "attic".to_owned());
        here.spec.node_selector.extend([attic]);
        assert_eq!(step(&here, &nodes), Step::Keep);
        here.spec
            .node_selector
            .insert("room".to_owned(), "cellar".to_owned());
        // Nobody carries it: the node lets go all the same.
        assert_eq!(step(&here, &nodes), Step::Release);
    }

    #[test]
    fn what_a_silent_node_has_is_released_and_fenced_before_another_has_it() {
        let nodes = [(not_ready("a"), 1, false), (node("b", &[]), 0, false)];
        let serving = device(Some("a"), DeviceBinding::Serve);
        assert_eq!(step(&serving, &nodes), Step::Release);
        let released = device(Some("a"), DeviceBinding::Release);
        let other = Step::Fence(Some("b".to_owned()));
        assert_eq!(step(&released, &nodes), other);
        assert_eq!(step(&released, &nodes[1..]), other, "its node is gone");
        // Nobody else can have it: it waits for its node.
        assert_eq!(step(&serving, &nodes[..1]), Step::Keep);
        // It is back before it was fenced.
        let back = [(node("a", &[]), 1, false), (node("b", &[]), 0, false)];
        assert_eq!(step(&released, &back), to("a"));
    }

    #[test]
    fn of_a_node_that_lets_go_the_word_is_awaited() {
        let mut released = device(Some("a"), DeviceBinding::Release);
        let cellar = ("room".to_owned(), "cellar".to_owned());
        released.spec.node_selector.extend([cellar]);
        let nodes = [
            (node("a", &[]), 1, false),
            (node("b", &[("room", "cellar")]), 0, false),
        ];
        assert_eq!(step(&released, &nodes), Step::Keep);
    }

    #[test]
    fn every_device_that_guardrails_name_is_found() {
        let mut device = device(None, DeviceBinding::Serve);
        let guardrail = |name: &str, condition: &str| aion_api::Guardrail {
            name: name.to_owned(),
            points: vec!["target".to_owned()],
            forbid_when: Some(condition.to_owned()),
            ..aion_api::Guardrail::default()
        };
        device.metadata.name = Some("heater".to_owned());
        device.spec.guardrails = vec![
            guardrail(
                "one",
                "devices.window.contact == \"open\" && devices.door.contact == \"open\"",
            ),
            guardrail("two", "value > 3.0 || devices.lamp.on"),
        ];
        let mut model = DeviceModel::default();
        model.spec.properties = vec![aion_api::Property {
            name: "target".to_owned(),
            access: aion_api::Access::ReadWrite,
            ..aion_api::Property::default()
        }];
        let names: Vec<_> = refers_to(&device, &model, &[]).into_iter().collect();
        assert_eq!(names, ["door", "lamp", "window"]);
    }

    #[test]
    fn a_kernel_node_that_cannot_be_read_is_no_reason_to_move() {
        let unknown = NodeView {
            state: NodeState::Unknown("a field is of a later release".to_owned()),
            ..node("a", &[])
        };
        let serving = device(Some("a"), DeviceBinding::Serve);
        let nodes = [(unknown, 1, false), (node("b", &[]), 0, false)];
        assert_eq!(step(&serving, &nodes), Step::Keep);
    }
}
