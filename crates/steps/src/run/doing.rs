//! One step while it is done, and steps one after another.

use std::collections::BTreeMap;

use aion_abi::code::Code;
use aion_abi::steps::{Form, StepState};
use serde_json::{Map, Value as Json};

use super::blocks::Inside;
use super::book::Book;
use super::scope::Scope;
use super::{Call, Failed, Outcome, calls};
use crate::MAX_RESULT;
use crate::expression::{Expression, weight};
use crate::plan::{Node, What};
use crate::text::Text;
use crate::value::kind;

/// How a step ended.
#[derive(Debug)]
pub(super) enum Ended {
    Skipped,
    With(Json),
}

/// One step.
#[derive(Debug)]
pub(super) struct Doing<'p> {
    node: &'p Node,
    path: String,
    state: State<'p>,
}

#[derive(Debug)]
enum State<'p> {
    New,
    Begun,
    Called(Form),
    Inside(Box<Inside<'p>>),
    Over,
}

impl<'p> Doing<'p> {
    pub(super) fn new(node: &'p Node, around: &str) -> Self {
        let name = &node.name;
        Self {
            node,
            path: match around {
                "" => name.clone(),
                around => format!("{around}.{name}"),
            },
            state: State::New,
        }
    }

    pub(super) fn name(&self) -> &'p str {
        &self.node.name
    }

    pub(super) fn go_on(
        &mut self,
        scope: &Scope<'_>,
        book: &mut Book,
    ) -> Result<Option<Ended>, Failed> {
        if matches!(self.state, State::New) {
            self.state = State::Begun;
            book.begin(&self.path)?;
            if !self.is_to_be_done(scope)? {
                self.state = State::Over;
                book.tell(&self.path, StepState::Skipped, None);
                return Ok(Some(Ended::Skipped));
            }
            if let Some(value) = self.begin(scope, book)? {
                book.weigh(&self.path, &value)?;
                return Ok(Some(self.over(value, None, book)));
            }
        }
        match &mut self.state {
            State::Called(form) => {
                let Some(outcome) = book.answers.remove(&self.path) else {
                    return Ok(None);
                };
                let (form, turn) = (*form, outcome.turn);
                book.keep(&self.path, outcome.kept)?;
                let value = self.answer(outcome, form)?;
                book.weigh(&self.path, &value)?;
                Ok(Some(self.over(value, turn, book)))
            }
            State::Inside(inside) => {
                let value = inside.go_on(&self.path, scope, book)?;
                Ok(value.map(|value| self.over(value, None, book)))
            }
            State::New | State::Begun | State::Over => Ok(None),
        }
    }

    fn over(&mut self, value: Json, turn: Option<u64>, book: &mut Book) -> Ended {
        self.state = State::Over;
        book.tell(&self.path, StepState::Done, turn);
        Ended::With(value)
    }

    fn is_to_be_done(&self, scope: &Scope<'_>) -> Result<bool, Failed> {
        match &self.node.when {
            None => Ok(true),
            Some(when) => truth(when, "when", &self.path, scope),
        }
    }

    /// Begins what the step does; gives its value, where that is all it does.
    fn begin(&mut self, scope: &Scope<'_>, book: &mut Book) -> Result<Option<Json>, Failed> {
        let path = &self.path;
        let fill = |text: &Text, part: &str| {
            let filled = text.fill_text(scope);
            filled.map_err(|why| unfilled(path, part, &why))
        };
        let (call, form) = match &self.node.what {
            What::Tool {
                operation,
                arguments,
                form,
            } => {
                let call = Call::Tool {
                    operation: operation.clone(),
                    arguments: self.arguments(arguments, scope)?,
                };
                (call, *form)
            }
            What::Device {
                call,
                arguments,
                form,
            } => {
                let call = Call::Device {
                    call: *call,
                    arguments: self.arguments(arguments, scope)?,
                    told: *form == Form::Json,
                };
                (call, *form)
            }
            What::Agent { agent, input, form } => {
                let call = Call::Agent {
                    agent: agent.clone(),
                    input: fill(input, "input")?,
                };
                (call, *form)
            }
            What::Prompt { prompt, form } => {
                let call = Call::Prompt {
                    prompt: fill(prompt, "prompt")?,
                    has_material: prompt.has_results(),
                };
                (call, *form)
            }
            What::Value(text, form) => {
                let value = text.fill(scope).and_then(|it| calls::formed(it, *form));
                return value.map(Some).map_err(|why| unfilled(path, "value", &why));
            }
            _ => {
                book.tell(path, StepState::Running, None);
                let inside = Inside::of(self.node, path, scope)?;
                self.state = State::Inside(Box::new(inside));
                return Ok(None);
            }
        };
        book.start(path, call)?;
        self.state = State::Called(form);
        Ok(None)
    }

    fn arguments(
        &self,
        arguments: &[(String, Text)],
        scope: &Scope<'_>,
    ) -> Result<Map<String, Json>, Failed> {
        let path = &self.path;
        let (mut filled, mut size) = (Map::new(), 0);
        for (name, text) in arguments {
            let value = text.fill(scope);
            let value = value.map_err(|why| unfilled(path, &format!("arguments.{name}"), &why))?;
            size += weight(&value);
            if size > MAX_RESULT {
                let why = format!("more than {MAX_RESULT} bytes, which are the most");
                return Err(unfilled(path, "arguments", &why));
            }
            filled.insert(name.clone(), value);
        }
        Ok(filled)
    }

    fn answer(&self, outcome: Outcome, form: Form) -> Result<Json, Failed> {
        let Outcome { answer, turn, .. } = outcome;
        let answer = answer.map_err(|why| Failed {
            step: self.path.clone(),
            turn,
            why: Box::new(why),
        })?;
        calls::result(answer, form).map_err(|why| {
            let remedy = "have it answer with JSON and nothing else, or leave out as: json";
            Failed {
                turn,
                ..Failed::new(&self.path, Code::Unanswered, why, remedy)
            }
        })
    }

    /// Adds its place, where it has begun and not ended, and those of the steps inside.
    pub(super) fn open(&self, open: &mut Vec<String>) {
        match &self.state {
            State::New | State::Over => {}
            State::Begun | State::Called(_) => open.push(self.path.clone()),
            State::Inside(inside) => {
                open.push(self.path.clone());
                inside.open(open);
            }
        }
    }
}

/// A condition, which is true or false and nothing else.
pub(super) fn truth(
    condition: &Expression,
    part: &str,
    path: &str,
    scope: &Scope<'_>,
) -> Result<bool, Failed> {
    match condition.evaluate(scope) {
        Ok(Json::Bool(is)) => Ok(is),
        Ok(other) => {
            let why = format!("${{{condition}}} is {}, not true or false", kind(&other));
            Err(unfilled(path, part, &why))
        }
        Err(why) => Err(unfilled(path, part, &why)),
    }
}

pub(super) fn unfilled(path: &str, part: &str, why: &str) -> Failed {
    let detail = format!("{part}: {why}");
    Failed::new(
        path,
        Code::ProgramFailed,
        detail,
        "correct the expression, or have the step before give what it needs",
    )
}

/// Steps one after another.
#[derive(Debug)]
pub(super) struct InOrder<'p> {
    steps: &'p [Node],
    around: String,
    at: usize,
    doing: Option<Doing<'p>>,
    results: BTreeMap<&'p str, Json>,
    last: Option<&'p str>,
}

impl<'p> InOrder<'p> {
    pub(super) fn new(steps: &'p [Node], around: String) -> Self {
        Self {
            steps,
            around,
            at: 0,
            doing: None,
            results: BTreeMap::new(),
            last: None,
        }
    }

    /// Goes on; true once all are over.
    pub(super) fn go_on(&mut self, scope: &Scope<'_>, book: &mut Book) -> Result<bool, Failed> {
        while let Some(node) = self.steps.get(self.at) {
            let around = &self.around;
            let doing = self.doing.get_or_insert_with(|| Doing::new(node, around));
            let Some(ended) = doing.go_on(&scope.after(&self.results), book)? else {
                return Ok(false);
            };
            let value = match ended {
                Ended::Skipped => Json::Null,
                Ended::With(value) => {
                    self.last = Some(&node.name);
                    value
                }
            };
            self.results.insert(&node.name, value);
            self.doing = None;
            self.at += 1;
        }
        Ok(true)
    }

    /// The last step that was not skipped, with its result, which is taken out.
    pub(super) fn take(&mut self) -> Option<(&'p str, Json)> {
        let last = self.last?;
        Some((last, self.results.remove(last)?))
    }

    /// The same result; null where every step was skipped.
    pub(super) fn take_value(&mut self) -> Json {
        self.take().map_or(Json::Null, |it| it.1)
    }

    /// The results so far, by the steps' names.
    pub(super) fn results(&self) -> &BTreeMap<&'p str, Json> {
        &self.results
    }

    pub(super) fn open(&self, open: &mut Vec<String>) {
        if let Some(doing) = &self.doing {
            doing.open(open);
        }
    }
}
