//! What each HTTP server of AION-OS does the same way: it accepts as many connections as have room, answers whoever
//! reached it before it stops, refuses with a problem (RFC 9457), and reads who asks from the headers.
//!
//! What may not enter: addresses of a server, who may do what, and what is asked for.

mod answer;
mod bounded;
pub mod caller;
#[cfg(feature = "tls")]
pub mod certificate;
mod connection;
mod failure;
mod patience;
mod reading;
mod ring;
mod tcp;
mod token;

pub use answer::{Refused, events, numbered, refusal, stream};
pub use bounded::{Bounded, connections, raise_open_files};
pub use connection::{Accepting, accept, connection};
pub use failure::ServeError;
pub use patience::Patience;
pub use reading::{Json, Path, Query, path_is_wrong};
pub use ring::{Bounds, Read, Ring};
pub use tcp::{Tcp, TlsFiles, serve_tcp};
pub use token::{TokenError, token};
