//! Steps inside a step: one after another, at once, for each item, in rounds.

use std::collections::BTreeMap;

use aion_abi::code::Code;
use serde_json::{Map, Value as Json};

use super::Failed;
use super::book::Book;
use super::doing::{Doing, Ended, InOrder, truth, unfilled};
use super::scope::Scope;
use crate::MAX_ITEMS;
use crate::expression::Expression;
use crate::plan::{Node, What};
use crate::value::kind;

/// See the module.
#[derive(Debug)]
pub(super) enum Inside<'p> {
    InOrder(InOrder<'p>),
    AtOnce(AtOnce<'p>),
    Each(Each<'p>),
    Until(Until<'p>),
}

impl<'p> Inside<'p> {
    /// The steps inside `node`, which is at `path`.
    pub(super) fn of(node: &'p Node, path: &str, scope: &Scope<'_>) -> Result<Self, Failed> {
        Ok(match &node.what {
            What::AtOnce { width, steps } => Self::AtOnce(AtOnce {
                width: *width,
                parts: steps.iter().map(Part::New).collect(),
            }),
            What::Each { list, width, steps } => {
                let items = items(list, path, scope)?;
                let row = |item| Row {
                    item,
                    state: Part::New(steps.as_slice()),
                };
                Self::Each(Each {
                    width: *width,
                    rows: items.into_iter().map(row).collect(),
                })
            }
            What::Until {
                condition,
                max,
                steps,
            } => Self::Until(Until {
                condition,
                max: *max,
                steps,
                round: 1,
                doing: InOrder::new(steps, format!("{path}[1]")),
                previous: Json::Null,
            }),
            What::InOrder(steps) => Self::InOrder(InOrder::new(steps, path.to_owned())),
            What::Tool { .. }
            | What::Device { .. }
            | What::Agent { .. }
            | What::Prompt { .. }
            | What::Value(..) => Self::InOrder(InOrder::new(&[], path.to_owned())),
        })
    }

    pub(super) fn go_on(
        &mut self,
        path: &str,
        scope: &Scope<'_>,
        book: &mut Book,
    ) -> Result<Option<Json>, Failed> {
        match self {
            Self::InOrder(it) => Ok(it.go_on(scope, book)?.then(|| it.take_value())),
            Self::AtOnce(it) => it.go_on(path, scope, book),
            Self::Each(it) => it.go_on(path, scope, book),
            Self::Until(it) => it.go_on(path, scope, book),
        }
    }

    /// Adds the places of the steps that have begun and not ended.
    pub(super) fn open(&self, open: &mut Vec<String>) {
        match self {
            Self::InOrder(it) => it.open(open),
            Self::Until(it) => it.doing.open(open),
            Self::AtOnce(it) => {
                for part in &it.parts {
                    if let Part::Doing(doing) = part {
                        doing.open(open);
                    }
                }
            }
            Self::Each(it) => {
                for row in &it.rows {
                    if let Part::Doing(doing) = &row.state {
                        doing.open(open);
                    }
                }
            }
        }
    }
}

fn items(list: &Expression, path: &str, scope: &Scope<'_>) -> Result<Vec<Json>, Failed> {
    let wrong = |why: &str| unfilled(path, "foreach", why);
    match list.evaluate(scope).map_err(|why| wrong(&why))? {
        Json::Array(items) if items.len() > MAX_ITEMS => Err(wrong(&format!(
            "${{{list}}} has {} items, and {MAX_ITEMS} are the most",
            items.len()
        ))),
        Json::Array(items) => Ok(items),
        other => Err(wrong(&format!(
            "${{{list}}} is {}, not a list",
            kind(&other)
        ))),
    }
}

/// Something that is not begun, under way, or over.
#[derive(Debug)]
enum Part<N, D, R> {
    New(N),
    Doing(Box<D>),
    Over(R),
}

/// Steps that do not know of each other.
#[derive(Debug)]
pub(super) struct AtOnce<'p> {
    width: usize,
    parts: Vec<Part<&'p Node, Doing<'p>, (&'p str, Json)>>,
}

impl AtOnce<'_> {
    fn go_on(
        &mut self,
        path: &str,
        scope: &Scope<'_>,
        book: &mut Book,
    ) -> Result<Option<Json>, Failed> {
        let mut under_way = 0;
        for part in &mut self.parts {
            if under_way == self.width {
                break;
            }
            if let Part::New(node) = part {
                *part = Part::Doing(Box::new(Doing::new(node, path)));
            }
            let Part::Doing(doing) = part else { continue };
            match doing.go_on(scope, book)? {
                None => under_way += 1,
                Some(ended) => {
                    let value = match ended {
                        Ended::Skipped => Json::Null,
                        Ended::With(value) => value,
                    };
                    *part = Part::Over((doing.name(), value));
                }
            }
        }
        if under_way > 0 {
            return Ok(None);
        }
        let results = self.parts.drain(..).filter_map(|part| match part {
            Part::Over((name, value)) => Some((name.to_owned(), value)),
            Part::New(_) | Part::Doing(_) => None,
        });
        let results: BTreeMap<_, _> = results.collect();
        Ok(Some(Json::Object(Map::from_iter(results))))
    }
}

/// The same steps for each item.
#[derive(Debug)]
pub(super) struct Each<'p> {
    width: usize,
    rows: Vec<Row<'p>>,
}

#[derive(Debug)]
struct Row<'p> {
    item: Json,
    state: Part<&'p [Node], InOrder<'p>, Json>,
}

impl Each<'_> {
    fn go_on(
        &mut self,
        path: &str,
        scope: &Scope<'_>,
        book: &mut Book,
    ) -> Result<Option<Json>, Failed> {
        let mut under_way = 0;
        for (at, row) in self.rows.iter_mut().enumerate() {
            if under_way == self.width {
                break;
            }
            if let Part::New(steps) = &row.state {
                let doing = InOrder::new(steps, format!("{path}[{at}]"));
                row.state = Part::Doing(Box::new(doing));
            }
            let Part::Doing(doing) = &mut row.state else {
                continue;
            };
            let index = Json::from(at);
            let variables = [("item", &row.item), ("index", &index)];
            match doing.go_on(&scope.with(&variables), book)? {
                false => under_way += 1,
                true => row.state = Part::Over(doing.take_value()),
            }
        }
        if under_way > 0 {
            return Ok(None);
        }
        let results = self.rows.drain(..).filter_map(|row| match row.state {
            Part::Over(value) => Some(value),
            Part::New(_) | Part::Doing(_) => None,
        });
        Ok(Some(Json::Array(results.collect())))
    }
}

/// The same steps until a condition holds.
#[derive(Debug)]
pub(super) struct Until<'p> {
    condition: &'p Expression,
    max: u32,
    steps: &'p [Node],
    round: u32,
    doing: InOrder<'p>,
    previous: Json,
}

impl Until<'_> {
    fn go_on(
        &mut self,
        path: &str,
        scope: &Scope<'_>,
        book: &mut Book,
    ) -> Result<Option<Json>, Failed> {
        loop {
            let round = Json::from(self.round);
            let variables = [("previous", &self.previous), ("round", &round)];
            let scope = scope.with(&variables);
            if !self.doing.go_on(&scope, book)? {
                return Ok(None);
            }
            let after = scope.after(self.doing.results());
            if truth(self.condition, "until", path, &after)? {
                return Ok(Some(self.doing.take_value()));
            }
            if self.round >= self.max {
                let (condition, rounds) = (self.condition, self.max);
                return Err(Failed::new(
                    path,
                    Code::Unanswered,
                    format!("until: ${{{condition}}} was not true after {rounds} rounds"),
                    "raise maxRounds, or make the condition one that is met",
                ));
            }
            self.round += 1;
            self.previous = self.doing.take_value();
            self.doing = InOrder::new(self.steps, format!("{path}[{}]", self.round));
        }
    }
}
