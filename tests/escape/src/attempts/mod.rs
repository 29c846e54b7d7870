//! Every attempt, in one table: what it tries, how it is to fail in the program of an image and in a tool, and which
//! layers hold it. Each layer that is named holds it alone; with all of them off it succeeds.

mod bombs;
mod calls;
mod files;
mod leaks;
mod mounts;
mod namespaces;
mod network;
mod privileges;
mod processes;
mod shared;

use std::io;

use crate::layer::Layer;

/// For what a tool may do: it is a program of the machine, with what its owner maps for it.
pub const ALLOWED: &str = "allowed";
/// The key of a segment of shared memory that the machine has.
pub const SHARED_KEY: i32 = 0x0e5c_a9e0;
/// What an agent may have of each, in bytes and in processes: little, so that bombs are small.
pub const MAY_MEMORY: u64 = 64 << 20;
/// See [`MAY_MEMORY`].
pub const MAY_KEEP: u64 = 1 << 20;
/// See [`MAY_MEMORY`].
pub const MAY_PROCESSES: u32 = 16;

/// How it is seen that an attempt can succeed at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// By these layers, each alone: it succeeds when all are off.
    By(&'static [Layer]),
    /// By what a sandbox consists of, which cannot be taken away: it succeeds outside of one.
    ByTheSandbox,
}

/// One attempt.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    /// Its name.
    pub name: &'static str,
    /// What it tries, for the page.
    pub tries: &'static str,
    /// How it fails as the program of an image.
    pub expected: &'static str,
    /// How it fails as a tool.
    pub as_tool: &'static str,
    /// What holds it.
    pub held: Held,
    /// The attempt.
    pub act: fn() -> io::Result<()>,
}

/// An attempt that layers hold.
const fn by(
    name: &'static str,
    tries: &'static str,
    (expected, as_tool): (&'static str, &'static str),
    layers: &'static [Layer],
    act: fn() -> io::Result<()>,
) -> Attempt {
    Attempt {
        name,
        tries,
        expected,
        as_tool,
        held: Held::By(layers),
        act,
    }
}

/// An attempt that the sandbox as a whole holds.
const fn inside(
    name: &'static str,
    tries: &'static str,
    (expected, as_tool): (&'static str, &'static str),
    act: fn() -> io::Result<()>,
) -> Attempt {
    Attempt {
        name,
        tries,
        expected,
        as_tool,
        held: Held::ByTheSandbox,
        act,
    }
}

/// All of them, in the order of the page.
#[must_use]
pub fn all() -> Vec<Attempt> {
    [
        mounts::ATTEMPTS,
        namespaces::ATTEMPTS,
        processes::ATTEMPTS,
        privileges::ATTEMPTS,
        calls::ATTEMPTS,
        files::ATTEMPTS,
        shared::ATTEMPTS,
        network::ATTEMPTS,
        bombs::ATTEMPTS,
        leaks::ATTEMPTS,
    ]
    .concat()
}

/// Takes these errors for success: what refuses attempts let this one pass, and it was made so that nothing comes of it.
fn past<T>(result: io::Result<T>, errors: &[i32]) -> io::Result<()> {
    match result {
        Ok(_) => Ok(()),
        Err(error) => match error.raw_os_error() {
            Some(number) if errors.contains(&number) => Ok(()),
            _ => Err(error),
        },
    }
}

/// Whether this is a tool.
fn is_tool() -> bool {
    std::env::var_os("ESCAPE_AS").is_some_and(|it| it == "tool")
}

/// A number that the test gives in the environment.
fn number(variable: &str) -> io::Result<i32> {
    let text = std::env::var(variable);
    let number = text.ok().and_then(|text| text.parse().ok());
    number.ok_or_else(|| io::Error::other(format!("{variable} is not set")))
}
