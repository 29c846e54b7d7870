//! The only way a driver reaches another machine: an address is judged by [`Rule`], and exactly the
//! judged address is dialled.
//!
//! What may not enter: a client of its own in any other module, proxies, redirects. A proxy or a redirect
//! would be dialled instead of what was judged.

mod body;
mod dial;
mod failure;
mod nodes;
mod rule;

pub(crate) use body::{error_text, read_at_most};
pub use dial::{Endpoint, Outbound};
pub(crate) use failure::{describe, refusal_of};
pub use nodes::NodeAddresses;
pub use rule::{Place, Refusal, Rule};
