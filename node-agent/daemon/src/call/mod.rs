//! What a call is once its signature is verified: who asks, what is asked, and how its refusal and its
//! events read on the wire.
//!
//! Server, shell and dispatch hand it on, so it is none of theirs. What may not enter: sockets and HTTP (the
//! server's), order and outcomes (the shell's), drivers.

mod asked;
mod caller;
mod connection;
mod frame;
mod prepared;
pub(crate) mod refusal;
mod request;

pub(crate) use asked::{answered, approval, capability, shown, standing, wanted, word_of};
pub(crate) use caller::{Caller, Verified};
pub(crate) use connection::{Connection, NoPlace, Place};
pub(crate) use frame::{frame, frame_of};
pub(crate) use prepared::Prepared;
pub(crate) use refusal::restarting;
pub(crate) use request::{Begin, Listing, Lowered, Request, tokens};
