//! The guest's side of the syscalls: what they are called, what they take and give. It decides nothing.

mod at;
#[cfg(target_family = "wasm")]
// Alone in here it is unsafe: the worker's imports take addresses.
mod binding;
mod file;
mod message;
mod part;
#[cfg(test)]
mod tests;

use std::io;
use std::rc::Rc;

use serde::{Deserialize, Serialize};

pub use at::At;
#[cfg(target_family = "wasm")]
pub use binding::Worker;
pub use file::{File, write};
pub use message::{Kind, message, recall, remember};
pub use part::Source;

/// How much of a file one syscall carries; base64 of it stays well below a body's 1 MiB.
const CHUNK: usize = 384 << 10;

/// Makes syscalls.
pub trait Caller {
    /// Makes one: its name and its JSON body. The body of what comes back takes the place of what is in `response`; gives
    /// its status.
    fn call(&self, name: &str, body: &[u8], response: &mut Vec<u8>) -> io::Result<i32>;
}

/// What is told of what was read of a file: how far, and how large it is.
pub type Heard = Rc<dyn Fn(u64, u64)>;

/// A file beneath a mount.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct FileRef {
    /// The mount's name.
    pub mount: String,
    /// Where the file is beneath it.
    pub path: String,
}

/// What the worker gives on standard input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Input {
    /// What was asked.
    pub input: Request,
}

/// What was asked.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Request {
    /// The question.
    pub text: String,
    /// The files that came with it.
    pub files: Vec<FileRef>,
}

/// A refusal, as RFC 9457 has it.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Problem {
    detail: String,
    remedy: String,
}

/// Makes a syscall and gives its answer; a refusal is an error that says why and what to do.
fn make(
    caller: &dyn Caller,
    name: &str,
    request: &impl Serialize,
    response: &mut Vec<u8>,
) -> io::Result<()> {
    let named = |error: &dyn std::fmt::Display| io::Error::other(format!("{name}: {error}"));
    let body = serde_json::to_vec(request).map_err(|error| named(&error))?;
    let status = caller
        .call(name, &body, response)
        .map_err(|error| named(&error))?;
    if status == 200 {
        return Ok(());
    }
    let problem: Problem = serde_json::from_slice(response).unwrap_or_default();
    if problem.detail.is_empty() {
        return Err(named(&format!("status {status}")));
    }
    match problem.remedy.is_empty() {
        true => Err(named(&problem.detail)),
        false => Err(named(&format!("{} ({})", problem.detail, problem.remedy))),
    }
}

/// Reads an answer of a syscall.
fn answer<'a, T: Deserialize<'a>>(name: &str, response: &'a [u8]) -> io::Result<T> {
    serde_json::from_slice(response).map_err(|error| {
        io::Error::other(format!(
            "{name}: its answer is not what was expected: {error}"
        ))
    })
}
