//! What a run counts, what it wants and what it has been answered.

use std::collections::BTreeMap;

use aion_abi::code::Code;
use aion_abi::problem::Problem;
use aion_abi::steps::{StepState, StepTold};
use serde_json::Value as Json;

use super::{Call, Failed, Outcome, Start};
use crate::expression::weight;
use crate::{KEPT, MAX_ANSWERS, MAX_CALLS, MAX_DONE, MAX_KEPT, MAX_RESULT};

/// What to do about an answer that is too long.
const LESS: &str = "ask for less at a time, or have what is long written to a file";

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Book {
    /// Of calls that were started, by their steps.
    pub(super) answers: BTreeMap<String, Outcome>,
    pub(super) starts: Vec<Start>,
    pub(super) told: Vec<StepTold>,
    max_prompts: u32,
    prompts: u32,
    calls: u32,
    done: u32,
    answered: usize,
    kept: usize,
}

impl Book {
    pub(super) fn new(max_prompts: u32) -> Self {
        Self {
            max_prompts,
            ..Self::default()
        }
    }

    pub(super) fn tell(&mut self, step: &str, state: StepState, turn: Option<u64>) {
        self.told.push(StepTold {
            step: step.to_owned(),
            state,
            turn,
        });
    }

    /// One more step is done.
    pub(super) fn begin(&mut self, step: &str) -> Result<(), Failed> {
        self.done += 1;
        match self.done > MAX_DONE {
            true => Err(Failed::new(
                step,
                Code::ProgramFailed,
                format!("a workflow does {MAX_DONE} steps at most, items and rounds counted"),
                "give foreach fewer items at a time, or let an agent do a part of it",
            )),
            false => Ok(()),
        }
    }

    /// One more call is made.
    pub(super) fn start(&mut self, step: &str, call: Call) -> Result<(), Failed> {
        self.calls += 1;
        if self.calls > MAX_CALLS {
            return Err(Failed::new(
                step,
                Code::ProgramFailed,
                format!("a workflow makes {MAX_CALLS} calls of tools, agents and models at most"),
                "give foreach fewer items at a time, or let an agent do a part of it",
            ));
        }
        if self.kept > MAX_KEPT {
            let kept = self.kept;
            return Err(Failed::new(
                step,
                Code::TooLarge,
                format!(
                    "the answers so far have {kept} bytes as they are kept, and {MAX_KEPT} are the most before another call: the turn could not go on after an interruption"
                ),
                LESS,
            ));
        }
        if matches!(call, Call::Prompt { .. }) {
            self.prompts += 1;
            let most = self.max_prompts;
            if self.prompts > most {
                let detail = format!("the model was asked {most} times, as often as it may");
                let why = Problem::new(Code::QuotaExceeded, detail)
                    .remedy("ask for less at a time, or raise spec.limits.maxSteps, which bounds the questions to the model and not the steps of the YAML");
                return Err(Failed {
                    step: step.to_owned(),
                    turn: None,
                    why: Box::new(why),
                });
            }
        }
        self.tell(step, StepState::Running, None);
        self.starts.push(Start {
            step: step.to_owned(),
            call,
        });
        Ok(())
    }

    /// The kernel keeps so many bytes of an answer more.
    pub(super) fn keep(&mut self, step: &str, bytes: usize) -> Result<(), Failed> {
        self.kept += bytes;
        let kept = self.kept;
        match kept > KEPT {
            true => Err(Failed::new(
                step,
                Code::TooLarge,
                format!(
                    "the answers so far have {kept} bytes as they are kept, and {KEPT} are the most"
                ),
                LESS,
            )),
            false => Ok(()),
        }
    }

    /// There is a result more.
    pub(super) fn weigh(&mut self, step: &str, value: &Json) -> Result<(), Failed> {
        let size = weight(value);
        self.answered += size;
        let (is, most) = match size > MAX_RESULT {
            true => (format!("its result has {size} bytes"), MAX_RESULT),
            false if self.answered > MAX_ANSWERS => (
                format!(
                    "the results of all steps have {} bytes together",
                    self.answered
                ),
                MAX_ANSWERS,
            ),
            false => return Ok(()),
        };
        Err(Failed::new(
            step,
            Code::TooLarge,
            format!("{is}, and {most} are the most"),
            LESS,
        ))
    }
}
