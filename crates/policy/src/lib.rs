//! What an agent gets of what it asks for.
//!
//! A request is not a grant: grant = permissions ∩ ClusterAgentPolicy ∩ AgentPolicy. [`decide`] says for
//! each right whether it is granted and which rule gave or took it, [`explain`] says the same in plain
//! words, [`quotas`], [`violations`] and [`trust`] combine bounds, rules and keys, [`authorise`] answers for one right of an
//! instance, [`lower`] translates an instance into the kernel's tables, and [`guards`] what must hold of a device.
//!
//! The rules, in the order they are looked at:
//! 1. `agent.message`, `agent.checkpoint`, `sys.null` and (with tools) `tool.list` need no policy.
//! 2. A right that any policy denies is denied.
//! 3. A right stands where one ClusterAgentPolicy that selects the agent grants it: capabilities by
//!    `allow` or `ask`, models by `models`, mounts by `mounts`, hosts by `network`. No such policy, no
//!    right.
//! 4. AgentPolicies that select the agent narrow: where any of them lists `allow` (or `models`), the
//!    right must stand in one of those lists; a host as `net.connect:HOST:PORT`.
//! 5. A right becomes a question where the agent or any policy says `ask`.
//!
//! What may not enter: a client, IO, a clock.

pub mod authorise;
pub mod capability;
pub mod decide;
pub mod destination;
pub mod explain;
pub mod guard;
pub mod lower;
pub mod numbers;
pub mod operations;
pub mod profile;
pub mod quota;
pub mod request;
pub mod trust;
pub mod violation;

pub use authorise::{Decision, authorise};
pub use capability::{Capability, Pattern};
pub use decide::{Applied, Decided, Verdict, decide};
pub use destination::{Destination, Host};
pub use explain::explain;
pub use guard::{Devices, Imposed, guards, measure};
pub use lower::{LowerError, delegated, kind, lower, tenant_quota};
pub use numbers::{TooSmall, count};
pub use operations::{Operations, Which};
pub use quota::{Bounds, quotas};
pub use request::{Comes, NamedModel, Request, Wanted, asks, comes, of_mount, requests};
pub use trust::{Keyless, Trust, trust};
pub use violation::{InForce, about, in_force, violations};
