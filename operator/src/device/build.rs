//! Step 3: what is to be written. Pure.

use aion_api::condition::Judgement;
use aion_resolve::device::JudgedDevice;
use aion_resolve::device_binding::{Bound, Step, unserved};

use super::dereference::Dereferenced;
use super::validate::Validated;

/// Everything that is to be written about a device, and nothing written yet.
pub(super) struct Prepared {
    pub(super) input: Dereferenced,
    pub(super) judged: JudgedDevice,
    pub(super) bound: Bound,
    /// What this controller says of it: all of it, where no node serves it.
    pub(super) judgements: Vec<Judgement>,
}

impl Prepared {
    /// The node that has it from now on.
    pub(super) fn chosen(&self) -> Option<&str> {
        match &self.bound.step {
            Step::Bind(node) => Some(node),
            Step::Keep | Step::Release | Step::Fence(_) => None,
        }
    }
}

/// Decides what is said.
pub(super) fn build(validated: Validated) -> Prepared {
    let Validated {
        input,
        judged,
        bound,
    } = validated;
    let judgements = match (&judged.resolved, &bound.unserved) {
        (Some(_), None) => vec![
            judged.accepted.clone(),
            judged.resolved_refs.clone(),
            judged.guarded.clone(),
        ],
        (_, Some((reason, message))) => unserved(&judged, (reason, message)),
        (None, None) => aion_resolve::device::device_conditions(&judged, None),
    };
    Prepared {
        input,
        judged,
        bound,
        judgements,
    }
}
