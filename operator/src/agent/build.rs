//! Step 3: what is to be written. Pure.

use aion_resolve::{Dereferenced, Placement, Resolved, prepare};

use crate::failure::step_errors;

use super::validate::Validated;

step_errors! {
    /// Why nothing was built.
    Error {
        /// What was resolved cannot be hashed.
        HashRevision,
    }
}

/// Everything that is to be written about an agent, and nothing written yet.
pub(super) struct Prepared {
    pub(super) input: Dereferenced,
    pub(super) resolved: Resolved,
    /// What becomes of the agent's finalizer.
    pub(super) finalizer: Finalizer,
    /// The pool that is bound with this agent's first instance.
    pub(super) binding: Option<Binding>,
}

/// What becomes of the finalizer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finalizer {
    /// It is put on, before anything else is written.
    Add,
    /// It stays as it is.
    Keep,
    /// It is taken away: nothing is left.
    Remove,
}

/// A pool that no node holds yet, and the node that will.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Binding {
    pub(super) pool: String,
    /// The pool as it was seen: another agent that binds it first makes this one look again.
    pub(super) resource_version: Option<String>,
    pub(super) node: String,
}

/// Places, builds and plans.
///
/// # Errors
/// What was resolved cannot be hashed.
pub(super) fn build(validated: Validated) -> Result<Prepared, Error> {
    let Validated { input, judged } = validated;
    let resolved = prepare(&input, judged).map_err(|error| Error::HashRevision(error.into()))?;
    let metadata = &input.agent.metadata;
    let has = metadata
        .finalizers
        .iter()
        .flatten()
        .any(|f| f == aion_api::metadata::FINALIZER_INSTANCES);
    let finalizer = match (metadata.deletion_timestamp.is_some(), has) {
        (true, true) if input.instances.is_empty() => Finalizer::Remove,
        (false, false) => Finalizer::Add,
        _ => Finalizer::Keep,
    };
    let binding = binding(&input, &resolved);
    Ok(Prepared {
        resolved,
        finalizer,
        binding,
        input,
    })
}

fn binding(input: &Dereferenced, resolved: &Resolved) -> Option<Binding> {
    let pool = input.pool.as_ref()?;
    let bound = pool
        .status
        .as_ref()
        .is_some_and(|status| status.node_name.is_some());
    if bound {
        return None;
    }
    Some(Binding {
        pool: pool.metadata.name.clone()?,
        resource_version: pool.metadata.resource_version.clone(),
        node: resolved
            .placement
            .as_ref()
            .and_then(Placement::first_node)?
            .to_owned(),
    })
}
