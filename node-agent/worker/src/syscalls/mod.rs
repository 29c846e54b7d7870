//! How a program reaches the kernel: the one door for everything with an effect.
//!
//! Programs are written against [`Syscalls`]; [`client::Client`] is the real one, over the run's own
//! socket. What may not enter: what a syscall is *for*. The key never leaves the client.

pub(crate) mod client;
mod connection;
mod sse;

pub(crate) use connection::{Lost, Whole};

use aion_abi::problem::Problem;
use aion_abi::syscall::Syscall;
use aion_abi::syscall::model::{ChatEvent, ChatRequest};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Makes syscalls. A refusal is a [`Problem`], whatever went wrong.
pub(crate) trait Syscalls {
    /// The answer of a `model.chat`, as it arrives.
    type Chat: Chat;

    /// Any syscall but `model.chat`.
    async fn call<Q: Serialize, A: DeserializeOwned>(
        &self,
        syscall: Syscall,
        request: &Q,
    ) -> Result<A, Problem>;

    /// A chat completion; `Err` where it was refused before its first event.
    async fn chat(&self, request: &ChatRequest) -> Result<Self::Chat, Problem>;
}

/// The events of a chat completion.
pub(crate) trait Chat {
    /// The next event; the last one is `End` or `Error`, and after it `None`.
    async fn next(&mut self) -> Option<ChatEvent>;
}
