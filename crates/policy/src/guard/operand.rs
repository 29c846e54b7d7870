//! What `forbidWhen` compares: what is to be written, what is, what devices say, and fixed values.

use aion_kernel::Term;
use kube_cel::cel::common::ast::{Expr, IdedExpr, LiteralValue, SelectExpr, operators};

use super::expression::{EXAMPLE, Reading};
use super::fault::listed;
use super::number::decimal;
use super::points::Type;

const DEVICES: &str = "devices";

/// What is compared.
pub(super) enum Operand<'a> {
    Place {
        term: Term,
        of: Type<'a>,
        /// As it was written.
        said: String,
    },
    Boolean(bool),
    Number(i64),
    Text(&'a str),
}

impl<'a> Reading<'a> {
    pub(super) fn operand(&mut self, at: &'a IdedExpr) -> Option<Operand<'a>> {
        match &at.expr {
            Expr::Literal(literal) => self.literal(literal, false),
            Expr::Call(call) if call.func_name == operators::NEGATE => match call.args.as_slice() {
                [
                    IdedExpr {
                        expr: Expr::Literal(literal),
                        ..
                    },
                ] => self.literal(literal, true),
                _ => self.refuse("- stands before what is not a number", EXAMPLE),
            },
            Expr::Ident(name) if name == "value" => self.wanted(),
            Expr::Ident(name) if name == "current" => self.current(),
            Expr::Ident(name) if name == DEVICES => self.refuse(
                "devices stands alone",
                "write devices.NAME.PROPERTY, or devices[\"NAME\"].PROPERTY",
            ),
            Expr::Ident(name) => self.refuse(
                format!("there is nothing called {name}"),
                "use value, current or devices.NAME.PROPERTY; a choice stands in quotes",
            ),
            Expr::Select(_) => self.sensed(at),
            Expr::Call(call) if call.func_name == operators::INDEX => self.sensed(at),
            Expr::Call(call) => {
                let what = named(&call.func_name);
                let problem = format!("{what} cannot be compared here");
                self.refuse(problem, EXAMPLE)
            }
            Expr::Comprehension(_) => {
                self.refuse("a macro such as exists cannot be used here", EXAMPLE)
            }
            Expr::List(_) => self.refuse("a list stands alone", "write it behind in"),
            Expr::Map(_) => self.refuse("a map cannot be used here", EXAMPLE),
            Expr::Struct(_) => self.refuse("an object cannot be used here", EXAMPLE),
            Expr::Unspecified => self.refuse("it is empty", EXAMPLE),
        }
    }

    fn literal(&mut self, literal: &'a LiteralValue, negated: bool) -> Option<Operand<'a>> {
        let text = match literal {
            LiteralValue::Int(it) => it.inner().to_string(),
            // The shortest text that is this number: what was written, or the same.
            LiteralValue::Double(it) => it.inner().to_string(),
            LiteralValue::Boolean(it) if !negated => return Some(Operand::Boolean(*it.inner())),
            LiteralValue::String(it) if !negated => return Some(Operand::Text(it.inner())),
            LiteralValue::UInt(it) => {
                let it = it.inner();
                return self.refuse(format!("{it}u cannot be used here"), format!("write {it}"));
            }
            LiteralValue::Null => return self.refuse("null cannot be used here", EXAMPLE),
            LiteralValue::Bytes(_) => return self.refuse("bytes cannot be used here", EXAMPLE),
            LiteralValue::Boolean(_) | LiteralValue::String(_) => {
                return self.refuse("- stands before what is not a number", EXAMPLE);
            }
        };
        let number = decimal(&text).and_then(|it| match negated {
            true => it.checked_neg(),
            false => Some(it),
        });
        match number {
            Some(it) => Some(Operand::Number(it)),
            None => self.refuse(
                format!("{text} has more than six digits behind its point, or is too large"),
                "write a number of at most six digits behind its point",
            ),
        }
    }

    fn wanted(&mut self) -> Option<Operand<'a>> {
        match self.point.of {
            Some(of) => Some(Operand::Place {
                term: Term::Wanted,
                of,
                said: format!("value (of {})", self.point.name),
            }),
            None => self.of_no_command("value"),
        }
    }

    fn current(&mut self) -> Option<Operand<'a>> {
        match (self.point.of, self.point.heard) {
            (Some(of), true) => Some(Operand::Place {
                term: Term::Current,
                of,
                said: format!("current (of {})", self.point.name),
            }),
            (Some(_), false) => self.refuse_of_point(
                format!(
                    "current is not known: {} can only be written",
                    self.point.name
                ),
                "leave it out, or let the property be read",
            ),
            (None, _) => self.of_no_command("current"),
        }
    }

    fn of_no_command<T>(&mut self, what: &str) -> Option<T> {
        self.refuse_of_point(
            format!("{} is a command, which has no {what}", self.point.name),
            "name the properties that it is about in points",
        )
    }

    fn refuse_of_point<T>(&mut self, problem: String, remedy: &str) -> Option<T> {
        self.of_point = true;
        let refused = self.refuse(problem, remedy);
        self.of_point = false;
        refused
    }

    /// `devices.NAME.PROPERTY`, with either name in brackets and quotes.
    fn sensed(&mut self, at: &'a IdedExpr) -> Option<Operand<'a>> {
        let path = step(at).and_then(|(inner, property)| {
            let (root, device) = step(inner)?;
            let is_devices = matches!(&root.expr, Expr::Ident(name) if name == DEVICES);
            is_devices.then_some((device, property))
        });
        let Some((device, property)) = path else {
            return self.refuse(
                "a field of something else than a device is named",
                "write devices.NAME.PROPERTY, or devices[\"NAME\"].PROPERTY",
            );
        };
        let Some(model) = self.place.model(device) else {
            let names = self.place.others.names();
            return self.refuse(
                format!("there is no device {device} with a model in this namespace"),
                listed("device", &names),
            );
        };
        let heard = model.properties.iter().filter(|it| it.access.reads());
        let found = heard.clone().find(|it| it.name == property);
        let Some(found) = found else {
            let names: Vec<&str> = heard.map(|it| it.name.as_str()).collect();
            let there = model.properties.iter().any(|it| it.name == property);
            let problem = match there {
                true => {
                    format!("{property} of device {device} can only be written, and is not known")
                }
                false => format!("device {device} has no property {property}"),
            };
            return self.refuse(problem, listed("property that is heard", &names));
        };
        Some(Operand::Place {
            term: Term::Sensed {
                device: self.place.called(device),
                point: property.into(),
            },
            of: Type::of(found),
            said: format!("{property} of device {device}"),
        })
    }
}

/// `x.name` or `x["name"]`.
fn step(at: &IdedExpr) -> Option<(&IdedExpr, &str)> {
    match &at.expr {
        Expr::Select(SelectExpr {
            operand,
            field,
            test: false,
        }) => Some((operand, field)),
        Expr::Call(call) if call.func_name == operators::INDEX => match call.args.as_slice() {
            [
                operand,
                IdedExpr {
                    expr: Expr::Literal(LiteralValue::String(name)),
                    ..
                },
            ] => Some((operand, name.inner())),
            _ => None,
        },
        _ => None,
    }
}

/// An operator or function, as somebody wrote it.
pub(super) fn named(function: &str) -> String {
    match function {
        operators::CONDITIONAL => "? :".to_owned(),
        operators::NEGATE => "-".to_owned(),
        operators::INDEX => "[ ]".to_owned(),
        operators::IN => "in".to_owned(),
        operators::LOGICAL_NOT => "!".to_owned(),
        other => match other.strip_prefix('_').and_then(|it| it.strip_suffix('_')) {
            Some(operator) => operator.to_owned(),
            None => format!("the function {other}"),
        },
    }
}
