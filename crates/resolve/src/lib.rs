//! From what people write to what runs.
//!
//! [`parse_manifests`] reads YAML as an API server would; a [`Universe`] holds everything at one moment;
//! [`dereference`](dereference::dereference) gathers what an agent refers to; [`validate`](validate::validate)
//! judges it; [`place`](place::place) chooses nodes; [`build`](build::build) makes instances that leave
//! nothing to choose; [`plan`](plan::plan) says what is made and what goes;
//! [`agent_status`](agent_status::agent_status) tells what became of it. The operator, the daemon standing
//! alone and `aionctl` use the same code.
//!
//! What may not enter: a client, IO, a clock, randomness. Equal inputs give equal results.

pub mod agent_status;
pub mod build;
pub mod dereference;
pub mod device;
pub mod device_binding;
pub mod identity;
pub mod manifest;
pub mod node_status;
pub mod objects;
pub mod place;
pub mod plan;
pub mod pool_status;
pub mod problem;
pub mod universe;
pub mod validate;

mod key;
mod resolve_all;
mod steps;

pub use agent_status::agent_status;
pub use build::label;
pub use dereference::{Dereferenced, references};
pub use manifest::{Manifest, Object, parse_manifests};
pub use place::{Placement, place};
pub use plan::{Plan, plan};
pub use problem::{Place, Problem, Told};
pub use resolve_all::{
    ResolveError, Resolved, prepare, resolve, resolve_agent, resolve_all, resolve_next,
};
pub use universe::{Key, NodeState, NodeView, Setting, Universe};
pub use validate::{Judged, Validated, validate};
