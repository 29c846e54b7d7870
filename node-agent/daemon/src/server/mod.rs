//! The syscall server: one Unix socket for each running worker, HTTP/1.1 by hyper alone.
//!
//! A connection's task verifies signature, age and counter before the kernel hears of a call, takes a
//! permit before it reads the body, and gives the call up when its connection closes. Connections run on threads of
//! their own ([`Reactors`]). Programs that are elsewhere have no socket here ([`Doors`]). What may not enter: decisions about rights, quotas and order, which are the kernel's.

mod body;
mod chat;
mod connection;
mod doors;
mod listener;
mod notices;
mod reactors;
mod session;

pub(crate) use doors::Doors;
pub(crate) use listener::Listener;
pub(crate) use reactors::Reactors;
pub(crate) use session::{Admission, Session};
