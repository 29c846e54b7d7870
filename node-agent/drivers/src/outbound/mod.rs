//! The only way a driver reaches another machine, by an HTTP client or by a TCP or TLS stream: an address is
//! judged by [`Rule`], and exactly the judged address is dialled.
//!
//! What may not enter: a client of its own in any other module, proxies, redirects. A proxy or a redirect
//! would be dialled instead of what was judged.

mod body;
mod call_back;
mod connect;
mod dial;
mod failure;
mod judge;
mod nodes;
mod own;
mod pause;
mod race;
mod reach;
mod rule;
mod too_long;

pub(crate) use body::{REFUSAL, error_text, read_at_most, said};
pub use call_back::{NotTold, call_headers, called_host};
pub(crate) use connect::NotConnected;
#[cfg(test)]
pub(crate) use connect::tests::{AUTHORITY, tls_server};
pub use connect::{Stream, Wire};
pub use dial::{Endpoint, Outbound};
pub(crate) use failure::{describe, refusal_of};
pub use nodes::{NodeAddresses, Sight};
pub use own::Own;
pub(crate) use pause::{millis, named_pause, not_before};
pub use reach::Host;
pub use rule::{Place, Refusal, Rule};
pub(crate) use too_long::is_too_long;
