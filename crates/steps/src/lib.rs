//! A workflow's steps, as far as they can be decided without doing one: whether they can be done ([`Plan`]), what is to be
//! done next and what came of it ([`Run`]).
//!
//! An expression is CEL, as the rules of the definitions are. What may not enter: IO, a clock, randomness, rights, and how a
//! tool, an agent or a model is reached. The same steps with the same answers go the same way, in whatever order these
//! come: so a run that begins anew asks for the same things under the same names.

mod expression;
mod fault;
mod functions;
mod plan;
mod run;
mod text;
mod value;
mod visible;

pub use fault::Fault;
pub use plan::{Given, Plan};
pub use run::{Answer, Call, Now, Outcome, Run, Start, Turn};

/// Calls of tools, agents and models in one run at most. The kernel keeps the outcomes of more than so many for an instance,
/// which a run that begins anew needs all of.
pub const MAX_CALLS: u32 = 200;
/// Steps that one run does at most, items and rounds counted.
pub const MAX_DONE: u32 = 1000;
/// Items of a list that `foreach` or an expression goes through at most.
pub const MAX_ITEMS: usize = 1000;
/// Items that one expression goes through at most, lists inside lists counted.
pub const MAX_GONE_THROUGH: usize = 10_000;
/// The largest result of a step and the largest text that is filled in, in bytes of its JSON.
pub const MAX_RESULT: usize = 256 * 1024;
/// What the results of one run weigh together at most, in bytes.
pub const MAX_ANSWERS: usize = 4 * 1024 * 1024;
/// Bytes of outcomes that the kernel keeps for an instance; of a run that had more, the oldest would be gone.
pub const KEPT: usize = 8 * 1024 * 1024;
/// Bytes of them after which no further call is made. The rest is for the calls that are under way then: each of 8 has room
/// for the longest text and the longest structured answer.
pub const MAX_KEPT: usize = KEPT - 8 * 2 * MAX_RESULT;
/// The longest answer of a workflow, in bytes of JSON: what `agent.message` takes, but for what stands around it.
pub const MAX_FINAL: usize = aion_abi::syscall::MAX_BODY - 1024;
