//! One run of a workflow, as a state machine: what is called next and, with the answers that came, what came of it.
//!
//! A call is named by its step's place, so another run of the same workflow with the same input names the same calls alike.
//! What may not enter: who makes a call, and what becomes of one that was interrupted.

mod blocks;
mod book;
mod calls;
mod doing;
mod scope;

use aion_abi::code::Code;
use aion_abi::problem::Problem;
use aion_abi::steps::{DeviceCall, StepState, StepTold};
use serde_json::{Map, Value as Json};

use crate::MAX_FINAL;
use crate::plan::Plan;
use book::Book;
use doing::InOrder;
use scope::Scope;

/// What a step has done for it.
#[derive(Debug, Clone, PartialEq)]
pub enum Call {
    /// An operation of a tool.
    Tool {
        /// `TOOL.OPERATION`.
        operation: String,
        /// What it is given.
        arguments: Map<String, Json>,
    },
    /// A call of devices.
    Device {
        /// Which.
        call: DeviceCall,
        /// What it is given.
        arguments: Map<String, Json>,
        /// What the device did not do is a result too, and not a failure of the step.
        told: bool,
    },
    /// Another agent.
    Agent {
        /// Its name.
        agent: String,
        /// What it is asked.
        input: String,
    },
    /// The agent's model.
    Prompt {
        /// What it is asked.
        prompt: String,
        /// Results of earlier steps were filled into it.
        has_material: bool,
    },
}

/// A call that is to be made now.
#[derive(Debug, Clone, PartialEq)]
pub struct Start {
    /// The place of its step, such as `books[3].summary`: once in a run, and the same in every run.
    pub step: String,
    /// What is to be done.
    pub call: Call,
}

/// What a call gave.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answer {
    /// Its text.
    pub text: String,
    /// A tool's structured answer.
    pub structured: Option<Json>,
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// What it gave, or why it failed.
    pub answer: Result<Answer, Problem>,
    /// The turn of the agent that was asked.
    pub turn: Option<u64>,
    /// Bytes of it that the kernel keeps for a run that begins anew.
    pub kept: usize,
}

impl From<Result<Answer, Problem>> for Outcome {
    fn from(answer: Result<Answer, Problem>) -> Self {
        Self {
            answer,
            turn: None,
            kept: 0,
        }
    }
}

/// How far a run is.
#[derive(Debug, Clone, PartialEq)]
pub enum Now {
    /// Calls are under way.
    Waits,
    /// It is done: the result of its last step that was not skipped; none where all were.
    Done(Option<Json>),
    /// A step failed, and with it the run. What is still under way is not waited for.
    Failed(Problem),
}

/// What follows from what is known.
#[derive(Debug, Clone, PartialEq)]
pub struct Turn {
    /// Calls to be made.
    pub starts: Vec<Start>,
    /// What is told of steps, in order.
    pub told: Vec<StepTold>,
    /// How far the run is.
    pub now: Now,
}

/// See the module.
#[derive(Debug)]
pub struct Run<'p> {
    input: Json,
    root: InOrder<'p>,
    book: Book,
}

impl<'p> Run<'p> {
    /// A run of `plan` over what was asked. `max_prompts` is how often the model is asked at most.
    #[must_use]
    pub fn new(plan: &'p Plan, input: &str, max_prompts: u32) -> Self {
        Self {
            input: Json::from(input),
            root: InOrder::new(&plan.0, String::new()),
            book: Book::new(max_prompts),
        }
    }

    /// Takes what came of the call of `step`.
    pub fn answered(&mut self, step: &str, outcome: impl Into<Outcome>) {
        self.book.answers.insert(step.to_owned(), outcome.into());
    }

    /// Goes on as far as it can without further answers.
    pub fn go_on(&mut self) -> Turn {
        let scope = Scope {
            outer: None,
            results: None,
            variables: &[("input", &self.input)],
        };
        let now = match self.root.go_on(&scope, &mut self.book) {
            Ok(false) => Now::Waits,
            Ok(true) => match self.root.take() {
                None => Now::Done(None),
                Some((step, value)) => match fits(step, &value) {
                    Ok(()) => Now::Done(Some(value)),
                    Err(failed) => Now::Failed(failed.problem()),
                },
            },
            Err(failed) => {
                self.tell_of_the_rest(&failed);
                Now::Failed(failed.problem())
            }
        };
        let starts = match now {
            // What was to begin as another failed does not.
            Now::Failed(_) => Vec::new(),
            _ => std::mem::take(&mut self.book.starts),
        };
        let told = std::mem::take(&mut self.book.told);
        Turn { starts, told, now }
    }

    /// The steps that had begun: those round the one that failed fail with it, the others are given up.
    fn tell_of_the_rest(&mut self, failed: &Failed) {
        let mut open = Vec::new();
        self.root.open(&mut open);
        for step in open {
            let inside = failed.step.strip_prefix(&*step);
            let turn = inside.filter(|it| it.is_empty()).and(failed.turn);
            let state = match inside {
                Some(rest) if rest.is_empty() || rest.starts_with(['.', '[']) => StepState::Failed,
                _ => StepState::Cancelled,
            };
            self.book.tell(&step, state, turn);
        }
    }
}

/// Whether the last result can be said as the turn's answer.
fn fits(step: &str, value: &Json) -> Result<(), Failed> {
    let size = match value {
        Json::String(_) => value.to_string().len(),
        other => Json::from(other.to_string()).to_string().len(),
    };
    match size > MAX_FINAL {
        true => Err(Failed::new(
            step,
            Code::TooLarge,
            format!("the workflow's answer has {size} bytes as JSON, and {MAX_FINAL} are the most"),
            "end with a step whose result is a part of it, or have what is long written to a file",
        )),
        false => Ok(()),
    }
}

/// A step that failed, and why.
#[derive(Debug)]
struct Failed {
    step: String,
    /// The turn that it asked for.
    turn: Option<u64>,
    why: Box<Problem>,
}

impl Failed {
    /// A failure of the workflow itself.
    fn new(step: &str, code: Code, detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            step: step.to_owned(),
            turn: None,
            why: Box::new(Problem::new(code, detail).remedy(remedy)),
        }
    }

    /// With the step's name before what happened.
    fn problem(self) -> Problem {
        let detail = format!("step {}: {}", self.step, self.why.detail);
        Problem {
            detail,
            ..*self.why
        }
    }
}

#[cfg(test)]
mod tests;
