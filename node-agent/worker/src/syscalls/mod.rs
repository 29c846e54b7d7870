//! How a program reaches the kernel: the one door for everything with an effect.
//!
//! Programs are written against [`Syscalls`]; [`client::Client`] is the real one, over the run's own
//! socket. What may not enter: what a syscall is *for*. The key never leaves the client.

pub(crate) mod client;
mod connection;
pub(crate) mod patience;
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

    /// The same, for a program that names what it does by `place`, once in its turn: it is found again by that when the turn
    /// runs again, whatever it does at the same time. What is made for tests and finds nothing again need not have it.
    async fn call_at<Q: Serialize, A: DeserializeOwned>(
        &self,
        place: &str,
        syscall: Syscall,
        request: &Q,
    ) -> Result<A, Problem> {
        let _ = place;
        self.call(syscall, request).await
    }

    /// A chat completion; `Err` where it was refused before its first event.
    async fn chat(&self, request: &ChatRequest) -> Result<Self::Chat, Problem>;

    /// The same, named as with [`Syscalls::call_at`].
    async fn chat_at(&self, place: &str, request: &ChatRequest) -> Result<Self::Chat, Problem> {
        let _ = place;
        self.chat(request).await
    }
}

/// The events of a chat completion.
pub(crate) trait Chat {
    /// The next event; the last one is `End` or `Error`, and after it `None`.
    async fn next(&mut self) -> Option<ChatEvent>;
}
