//! Speaks the admin interface of a node (`aion_abi::admin`). Typed calls in, typed answers out; what they look like
//! and what they mean for the exit status is not decided here.

mod connection;
mod events;
mod node;
mod resources;
#[cfg(feature = "kubernetes")]
mod tls;

pub(crate) use connection::{Address, ClientError, file_body};
pub(crate) use events::Events;
pub(crate) use node::Node;
pub(crate) use resources::Resources;
#[cfg(feature = "kubernetes")]
pub(crate) use tls::Tls;
