//! The client of a node's admin interface (`aion_abi::admin`): typed calls in, typed answers out, over the Unix
//! socket of a machine standing alone or the TLS of a node in a cluster.
//!
//! [`Address`] says where and makes one request, [`Node`] has a function for each call, [`Events`] reads a stream, [`Answer`] puts
//! an answer together.
//! What may not enter: what an answer looks like to a person, what it means for an exit status, and who is asked.

mod address;
mod answer;
mod approvals;
mod devices;
mod events;
mod failure;
mod keys;
mod looks;
mod node;
mod proposals;
mod pushes;
mod triggers;

pub use address::{Address, AddressError};
pub use answer::{Answer, New};
pub use approvals::MAX_LIST;
pub use events::Events;
pub use failure::ClientError;
pub use node::{Download, Node};
pub use reqwest::{Body, Method, StatusCode};
