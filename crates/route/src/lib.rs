//! Which agent a question is for, where nobody names one: decided by the words of the question and by what agents say they
//! are for. The same question and the same agents give the same answer, and it says by which words.
//!
//! What may not enter: asking an agent, a model, what was asked before, anything that two callers could set differently.

mod agent;
mod choose;
mod index;

pub use agent::{Agent, Field};
pub use choose::{Because, CONFIDENT, Choice, Match, Undecided, among, choose};
