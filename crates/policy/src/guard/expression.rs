//! `forbidWhen`: of CEL the comparisons of what a device is, and what joins them. Anything else is refused by name.
//!
//! It is parsed by the parser of all of CEL here, so that it means what it means in CEL, and compiled once for each type of
//! point that it is about: the kernel evaluates no CEL.

use aion_cel::{MAX_DEPTH, Unread};
use aion_kernel::{Clause, Comparison, Condition, Measure, Term};
use kube_cel::cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, operators};

use super::Place;
use super::fault::{Wrong, listed};
use super::operand::{Operand, named};
use super::points::{Point, Type};

/// The longest expression, in characters; the schema's bound.
const MAX_LENGTH: usize = 1_024;
pub(super) const EXAMPLE: &str =
    "write comparisons such as value > 18.0 && devices.window.contact == \"open\"";

/// An expression that was parsed.
pub(super) struct Expression(pub(super) IdedExpr);

impl Expression {
    pub(super) fn parse(source: &str) -> Result<Self, Wrong> {
        let length = source.chars().count();
        let long = || {
            Wrong::new(
                format!(
                    "it has {length} characters, and {MAX_LENGTH} are the most, or more than {MAX_DEPTH} brackets in one another"
                ),
                "split it into several guardrails: each of them must let pass",
            )
        };
        if length > MAX_LENGTH {
            return Err(long());
        }
        let root = aion_cel::parse(source).map_err(|unread| match unread {
            Unread::Deep => long(),
            Unread::NotCel(why) => Wrong::new(format!("it is not CEL: {why}"), EXAMPLE),
        })?;
        Ok(Self(root))
    }

    /// The condition that it is for this point.
    pub(super) fn compile(
        &self,
        point: &Point<'_>,
        place: &Place<'_>,
    ) -> Result<Condition, Vec<Wrong>> {
        let mut reading = Reading {
            point,
            place,
            wrong: Vec::new(),
            of_point: false,
        };
        let clause = reading.clause(&self.0);
        match (clause, reading.wrong.is_empty()) {
            (Some(clause), true) => Condition::new(clause)
                .map_err(|error| vec![Wrong::new(error.to_string(), "make it shorter")]),
            _ => Err(reading.wrong),
        }
    }
}

pub(super) struct Reading<'a> {
    pub(super) point: &'a Point<'a>,
    pub(super) place: &'a Place<'a>,
    wrong: Vec<Wrong>,
    /// What is read compares the point.
    pub(super) of_point: bool,
}

impl<'a> Reading<'a> {
    /// `None`: what is wrong was noted.
    fn clause(&mut self, at: &'a IdedExpr) -> Option<Clause> {
        match &at.expr {
            Expr::Literal(LiteralValue::Boolean(it)) => Some(match *it.inner() {
                true => Clause::All(Vec::new()),
                false => Clause::Any(Vec::new()),
            }),
            Expr::Call(call) if call.func_name != operators::INDEX => self.call(call),
            _ => match self.operand(at)? {
                Operand::Place {
                    term,
                    of: Type::Boolean,
                    ..
                } => Some(compare(term, Comparison::Equal, 1)),
                Operand::Place { of, said, term } => {
                    self.of_point = is_of_point(&term);
                    let refused = self.refuse(
                        format!(
                            "{said} is {}, and stands where true or false is",
                            of.as_str()
                        ),
                        "compare it with something",
                    );
                    self.of_point = false;
                    refused
                }
                Operand::Boolean(_) | Operand::Number(_) | Operand::Text(_) => {
                    self.refuse("a fixed value stands where true or false is", EXAMPLE)
                }
            },
        }
    }

    fn call(&mut self, call: &'a CallExpr) -> Option<Clause> {
        let how = match (call.func_name.as_str(), call.args.as_slice()) {
            (operators::LOGICAL_AND, [left, right]) => {
                let sides = [self.clause(left), self.clause(right)];
                return joined(sides, |it| match it {
                    Clause::All(inner) if !inner.is_empty() => Ok(inner),
                    other => Err(other),
                })
                .map(Clause::All);
            }
            (operators::LOGICAL_OR, [left, right]) => {
                let sides = [self.clause(left), self.clause(right)];
                return joined(sides, |it| match it {
                    Clause::Any(inner) if !inner.is_empty() => Ok(inner),
                    other => Err(other),
                })
                .map(Clause::Any);
            }
            (operators::LOGICAL_NOT, [inner]) => {
                return Some(match self.clause(inner)? {
                    // The parser keeps what cancels out.
                    Clause::Not(inner) => *inner,
                    inner => Clause::Not(Box::new(inner)),
                });
            }
            (operators::IN, [left, right]) => return self.among(left, right),
            (operators::EQUALS, _) => Comparison::Equal,
            (operators::NOT_EQUALS, _) => Comparison::Unequal,
            (operators::LESS, _) => Comparison::Less,
            (operators::LESS_EQUALS, _) => Comparison::LessOrEqual,
            (operators::GREATER, _) => Comparison::Greater,
            (operators::GREATER_EQUALS, _) => Comparison::GreaterOrEqual,
            (name, _) => {
                let what = named(name);
                return self.refuse(format!("{what} cannot be used here"), EXAMPLE);
            }
        };
        let [left, right] = call.args.as_slice() else {
            return self.refuse("a comparison has two sides", EXAMPLE);
        };
        let (left, right) = (self.operand(left), self.operand(right));
        self.compared(left?, how, right?)
    }

    fn among(&mut self, left: &'a IdedExpr, right: &'a IdedExpr) -> Option<Clause> {
        let Expr::List(list) = &right.expr else {
            self.operand(left);
            return self.refuse(
                "in is for a list of fixed values",
                "write such as value in [\"low\", \"high\"]",
            );
        };
        self.operand(left)?;
        let clauses: Vec<Option<Clause>> = list
            .elements
            .iter()
            .map(|it| {
                let fixed = self.operand(it)?;
                if matches!(fixed, Operand::Place { .. }) {
                    return self.refuse("in is for a list of fixed values", "compare with ==");
                }
                let of = self.operand(left)?;
                self.compared(of, Comparison::Equal, fixed)
            })
            .collect();
        let clauses: Option<Vec<Clause>> = clauses.into_iter().collect();
        clauses.map(Clause::Any)
    }

    fn compared(
        &mut self,
        left: Operand<'a>,
        how: Comparison,
        right: Operand<'a>,
    ) -> Option<Clause> {
        let is_point = |it: &Operand<'_>| match it {
            Operand::Place { term, .. } => is_of_point(term),
            _ => false,
        };
        self.of_point = is_point(&left) || is_point(&right);
        let clause = self.comparison(left, how, right);
        self.of_point = false;
        clause
    }

    fn comparison(
        &mut self,
        left: Operand<'a>,
        how: Comparison,
        right: Operand<'a>,
    ) -> Option<Clause> {
        let (term, of, said, how, other) = match (left, right) {
            (Operand::Place { term, of, said }, other) => (term, of, said, how, other),
            (other, Operand::Place { term, of, said }) => (term, of, said, turned(how), other),
            _ => return self.refuse("two fixed values are compared", EXAMPLE),
        };
        let is_equality = matches!(how, Comparison::Equal | Comparison::Unequal);
        let ordered = |it: &mut Self| {
            it.refuse(
                format!("{said} is {}, which is only equal or not", of.as_str()),
                "compare with == or !=",
            )
        };
        match (of, other) {
            (Type::Text, _) | (_, Operand::Place { of: Type::Text, .. }) => self.refuse(
                format!("{said} is compared, and a text cannot be"),
                "give the property the type choice in its model, and list what it may be",
            ),
            (Type::Number, Operand::Number(it)) => Some(compare(term, how, it)),
            (
                Type::Number,
                Operand::Place {
                    term: right,
                    of: Type::Number,
                    ..
                },
            ) => Some(Clause::Compare(term, how, right)),
            (Type::Boolean, Operand::Boolean(_)) if !is_equality => ordered(self),
            (Type::Boolean, Operand::Boolean(it)) => Some(compare(term, how, i64::from(it))),
            (Type::Choice(_), Operand::Text(_)) if !is_equality => ordered(self),
            (Type::Choice(choices), Operand::Text(it)) => {
                let at = choices.iter().position(|choice| choice == it);
                match at.and_then(|at| i64::try_from(at).ok()) {
                    Some(at) => Some(compare(term, how, at)),
                    None => {
                        self.refuse(format!("{said} is never {it:?}"), listed("choice", choices))
                    }
                }
            }
            (
                of,
                Operand::Place {
                    term: right,
                    of: other,
                    ..
                },
            ) if of == other => match is_equality {
                true => Some(Clause::Compare(term, how, right)),
                false => ordered(self),
            },
            (
                Type::Choice(_),
                Operand::Place {
                    of: Type::Choice(_),
                    ..
                },
            ) => self.refuse(
                format!("{said} is compared with a choice that has other choices"),
                "compare each of them with its own",
            ),
            (of, other) => {
                let with = match other {
                    Operand::Place { of, .. } => of.as_str(),
                    Operand::Boolean(_) => "true or false",
                    Operand::Number(_) => "a number",
                    Operand::Text(_) => "a text",
                };
                let remedy = match of {
                    Type::Boolean => "compare it with true or false".to_owned(),
                    Type::Choice(choices) => listed("choice", choices),
                    Type::Number | Type::Text => "compare it with a number".to_owned(),
                };
                let is = of.as_str();
                self.refuse(
                    format!("{said} is {is}, and is compared with {with}"),
                    remedy,
                )
            }
        }
    }

    pub(super) fn refuse<T>(
        &mut self,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Option<T> {
        let wrong = Wrong::new(problem, remedy);
        self.wrong.push(Wrong {
            of_point: self.of_point,
            ..wrong
        });
        None
    }
}

fn is_of_point(term: &Term) -> bool {
    matches!(term, Term::Wanted | Term::Current)
}

/// Both sides, those that are of the same kind taken apart.
fn joined(
    sides: [Option<Clause>; 2],
    same: impl Fn(Clause) -> Result<Vec<Clause>, Clause>,
) -> Option<Vec<Clause>> {
    let mut all = Vec::new();
    for side in sides {
        match same(side?) {
            Ok(inner) => all.extend(inner),
            Err(other) => all.push(other),
        }
    }
    Some(all)
}

fn compare(term: Term, how: Comparison, with: i64) -> Clause {
    Clause::Compare(term, how, Term::Constant(Measure(with)))
}

/// The same, seen from the other side.
fn turned(how: Comparison) -> Comparison {
    match how {
        Comparison::Less => Comparison::Greater,
        Comparison::LessOrEqual => Comparison::GreaterOrEqual,
        Comparison::Greater => Comparison::Less,
        Comparison::GreaterOrEqual => Comparison::LessOrEqual,
        Comparison::Equal | Comparison::Unequal => how,
    }
}
