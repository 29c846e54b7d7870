//! One expression: CEL, with the strings and lists of Kubernetes' dialect, bounded and the same in every run.
//!
//! What CEL leaves open is closed as it is read: a field of what is not a map is an error and not `false`, equality does not
//! ask how a number is kept; what is gone through is a list, since a map has no order, and it is bounded, however lists stand
//! inside lists.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use aion_cel::{MAX_DEPTH, Unread};
use kube_cel::KubeCelExt as _;
use kube_cel::cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue, SelectExpr, operators,
};
use kube_cel::cel::{Context, ExecutionError, Value as Cel};
use serde_json::Value as Json;

use crate::MAX_RESULT;
use crate::fault::Wrong;
use crate::functions::{self, EQUAL, FIELD, IN, LIST, MAP};
use crate::value::{to_cel, to_json, too_much};

/// Operators and fields in a row at most: it is evaluated one inside the other.
const MAX_CHAIN: usize = 64;
/// The results of earlier steps.
const STEPS: &str = "steps";
/// The functions that may be called, beside operators and macros: none reads a clock, and none makes more than it is given.
const FUNCTIONS: [&str; 26] = [
    "contains",
    "distinct",
    "double",
    "endsWith",
    "indexOf",
    "int",
    "isSorted",
    "join",
    "lastIndexOf",
    "lowerAscii",
    "matches",
    "max",
    "min",
    "reverse",
    "size",
    "slice",
    "sort",
    "split",
    "startsWith",
    "string",
    "substring",
    "sum",
    "trim",
    "upperAscii",
    "charAt",
    "flatten",
];
const OPERATORS: [&str; 17] = [
    operators::CONDITIONAL,
    operators::LOGICAL_AND,
    operators::LOGICAL_OR,
    operators::LOGICAL_NOT,
    operators::SUBSTRACT,
    operators::ADD,
    operators::MULTIPLY,
    operators::DIVIDE,
    operators::MODULO,
    operators::EQUALS,
    operators::NOT_EQUALS,
    operators::GREATER_EQUALS,
    operators::LESS_EQUALS,
    operators::GREATER,
    operators::LESS,
    operators::NEGATE,
    operators::IN,
];

/// What an expression refers to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reference {
    /// The result of a step.
    Step(String),
    /// Anything else that has a name.
    Variable(String),
}

impl Reference {
    /// As the rewritten expression calls it.
    fn called(&self) -> String {
        match self {
            Self::Step(name) => format!("{STEPS}.{name}"),
            Self::Variable(name) => name.clone(),
        }
    }
}

/// Values by what refers to them.
pub(crate) trait Values {
    fn get(&self, reference: &Reference) -> Option<&Json>;
}

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Expression {
    source: String,
    root: IdedExpr,
    references: BTreeSet<Reference>,
}

impl Expression {
    pub(crate) fn parse(source: &str) -> Result<Self, Wrong> {
        let length = source.chars().count();
        if length > aion_abi::steps::MAX_EXPRESSION {
            let most = aion_abi::steps::MAX_EXPRESSION;
            return Err(Wrong::new(
                format!("an expression of {length} characters, and {most} are the most"),
                "split it: a step with value keeps a part of it",
            ));
        }
        let mut root = aion_cel::parse(source).map_err(|unread| {
            let why = match unread {
                Unread::NotCel(why) => why,
                Unread::Deep => {
                    return Wrong::new(
                        format!(
                            "${{{source}}}: more than {MAX_DEPTH} brackets or ? stand in one another"
                        ),
                        "split it: a step with value keeps a part of it",
                    );
                }
            };
            let remedy = match source.strip_prefix('{').and_then(|it| it.strip_suffix('}')) {
                Some(inner) if Self::parse(inner.trim()).is_ok() => {
                    format!("write one brace: ${{{}}}", inner.trim())
                }
                _ => "write an expression of CEL, such as ${steps.found.items} or ${size(input) > 10}"
                    .to_owned(),
            };
            Wrong::new(
                format!("${{{source}}}: {why}"),
                remedy,
            )
        })?;
        let mut reading = Reading::default();
        reading.expression(&mut root)?;
        Ok(Self {
            source: source.to_owned(),
            root,
            references: reading.references,
        })
    }

    pub(crate) fn references(&self) -> impl Iterator<Item = &Reference> {
        self.references.iter()
    }

    /// Its value.
    ///
    /// # Errors
    /// Why it has none, in words that hold no value.
    pub(crate) fn evaluate(&self, values: &impl Values) -> Result<Json, String> {
        let mut context = Context::default().with_all();
        functions::add_to(&mut context, Arc::default());
        for reference in &self.references {
            let value = values.get(reference).unwrap_or(&Json::Null);
            context.add_variable_from_value(reference.called(), to_cel(value));
        }
        let wrong = |why: String| format!("${{{}}}: {why}", self.source);
        let value = Cel::resolve(&self.root, &context).map_err(|it| wrong(told(&it)))?;
        let value = to_json(&value).map_err(|is| wrong(format!("it gives {is}")))?;
        match weight(&value) > MAX_RESULT {
            true => Err(wrong(format!("it gives {}", too_much()))),
            false => Ok(value),
        }
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

/// Bytes of a value as JSON.
pub(crate) fn weight(value: &Json) -> usize {
    match value {
        Json::String(text) => text.len(),
        other => other.to_string().len(),
    }
}

fn first_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    line[..line.floor_char_boundary(200)].to_owned()
}

/// What an error says without the values in it: they are of any size, and may be anybody's.
fn told(error: &ExecutionError) -> String {
    match error {
        ExecutionError::FunctionError { function, message } if function.starts_with('@') => {
            message.clone()
        }
        ExecutionError::FunctionError { function, .. } => {
            format!("{function} cannot do this with what it was given")
        }
        ExecutionError::NoSuchKey(key) => format!("there is no field {}", first_line(key)),
        ExecutionError::InvalidArgumentCount { expected, actual } => {
            format!("a function takes {expected} arguments and was given {actual}")
        }
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => {
            "a division by zero".to_owned()
        }
        ExecutionError::Overflow(..) => "a number is too large".to_owned(),
        ExecutionError::IndexOutOfBounds(_) => "the list has no item at this place".to_owned(),
        _ => "an operator or function was given a value of another type".to_owned(),
    }
}

/// Reads an expression: gathers what it refers to, refuses what it may not have, closes what is open.
#[derive(Default)]
struct Reading {
    references: BTreeSet<Reference>,
    /// Names that macros bind.
    bound: Vec<String>,
    depth: usize,
}

impl Reading {
    fn expression(&mut self, at: &mut IdedExpr) -> Result<(), Wrong> {
        self.depth += 1;
        let read = match self.depth > MAX_CHAIN {
            true => Err(Wrong::new(
                format!("more than {MAX_CHAIN} operators, fields or calls in a row"),
                "split it: a step with value keeps a part of it",
            )),
            false => self.part(at),
        };
        self.depth -= 1;
        read
    }

    fn part(&mut self, at: &mut IdedExpr) -> Result<(), Wrong> {
        match &mut at.expr {
            Expr::Unspecified => Err(refused("an empty expression")),
            Expr::Literal(LiteralValue::Bytes(_)) => Err(refused("bytes")),
            Expr::Literal(_) => Ok(()),
            Expr::Ident(name) => self.name(name),
            Expr::List(list) => list
                .elements
                .iter_mut()
                .try_for_each(|it| self.expression(it)),
            Expr::Map(map) => map
                .entries
                .iter_mut()
                .try_for_each(|it| match &mut it.expr {
                    EntryExpr::MapEntry(entry) => {
                        self.expression(&mut entry.key)?;
                        self.expression(&mut entry.value)
                    }
                    EntryExpr::StructField(_) => Err(refused("an object of a type")),
                }),
            Expr::Struct(_) => Err(refused("an object of a type")),
            Expr::Call(call) => {
                let negated = call.func_name == operators::NOT_EQUALS;
                if negated {
                    call.func_name = operators::EQUALS.to_owned();
                }
                self.call(call)?;
                if negated {
                    wrap(at, operators::LOGICAL_NOT, None);
                }
                Ok(())
            }
            Expr::Comprehension(it) => self.comprehension(it),
            Expr::Select(_) => self.select(at),
        }
    }

    fn name(&mut self, name: &str) -> Result<(), Wrong> {
        if self.bound.iter().any(|it| it == name) {
            return Ok(());
        }
        if name == STEPS {
            return Err(Wrong::new(
                "steps stands alone",
                "write steps.NAME, with the name of a step",
            ));
        }
        let reference = Reference::Variable(name.to_owned());
        self.references.insert(reference);
        Ok(())
    }

    fn call(&mut self, call: &mut CallExpr) -> Result<(), Wrong> {
        let name = call.func_name.as_str();
        let known = OPERATORS.contains(&name)
            || [operators::INDEX, operators::NOT_STRICTLY_FALSE].contains(&name)
            || FUNCTIONS.contains(&name);
        if !known {
            return Err(Wrong::new(
                format!("there is no function {name} here"),
                format!("use one of {}", FUNCTIONS.join(", ")),
            ));
        }
        if let Some(target) = &mut call.target {
            self.expression(target)?;
        }
        call.args
            .iter_mut()
            .try_for_each(|it| self.expression(it))?;
        match call.func_name.as_str() {
            operators::EQUALS => call.func_name = EQUAL.to_owned(),
            operators::IN => call.func_name = IN.to_owned(),
            _ => {}
        }
        Ok(())
    }

    fn comprehension(&mut self, it: &mut ComprehensionExpr) -> Result<(), Wrong> {
        self.expression(&mut it.iter_range)?;
        wrap(&mut it.iter_range, LIST, None);
        let names = [
            Some(&it.iter_var),
            it.iter_var2.as_ref(),
            Some(&it.accu_var),
        ];
        let names: Vec<String> = names.into_iter().flatten().cloned().collect();
        if names.iter().any(|name| name == STEPS) {
            return Err(refused("a variable that is called steps"));
        }
        let before = self.bound.len();
        self.bound.extend(names);
        let parts = [
            &mut it.accu_init,
            &mut it.loop_cond,
            &mut it.loop_step,
            &mut it.result,
        ];
        let read = parts.into_iter().try_for_each(|it| self.expression(it));
        self.bound.truncate(before);
        read
    }

    fn select(&mut self, at: &mut IdedExpr) -> Result<(), Wrong> {
        let Expr::Select(SelectExpr {
            operand,
            field,
            test,
        }) = &mut at.expr
        else {
            return Ok(());
        };
        let of_steps = matches!(&operand.expr, Expr::Ident(name) if name == STEPS);
        if of_steps {
            if *test {
                return Err(Wrong::new(
                    format!("has(steps.{field}) is always true"),
                    format!("write steps.{field} != null, which a step that was skipped is not"),
                ));
            }
            let reference = Reference::Step(std::mem::take(field));
            at.expr = Expr::Ident(reference.called());
            self.references.insert(reference);
            return Ok(());
        }
        self.expression(operand)?;
        if *test {
            wrap(operand, MAP, None);
        } else {
            let name = std::mem::take(field);
            let operand = std::mem::take(operand.as_mut());
            *at = operand;
            wrap(at, FIELD, Some(&name));
        }
        Ok(())
    }
}

/// Makes a call of what stands there.
fn wrap(at: &mut IdedExpr, function: &str, name: Option<&str>) {
    let id = at.id;
    let inner = std::mem::take(at);
    let literal = |name: &str| IdedExpr {
        id,
        expr: Expr::Literal(LiteralValue::String(name.into())),
    };
    at.id = id;
    at.expr = Expr::Call(CallExpr {
        func_name: function.to_owned(),
        target: None,
        args: std::iter::once(inner).chain(name.map(literal)).collect(),
    });
}

fn refused(what: &str) -> Wrong {
    Wrong::new(
        format!("an expression has no {what} here"),
        "write text, numbers, true, false, null, lists, maps and what is given",
    )
}

#[cfg(test)]
mod tests;
