//! What agents ask people, of one node or of several, as pages in one order: what waits, oldest first; then what was answered, the
//! last first; then words that stand, oldest first. An approval that is answered between two pages is on a later one, so none is
//! passed over.
//!
//! What is kept while nodes tell theirs is no more than one page. What may not enter: nodes, and who asks.

use std::collections::BTreeMap;

use aion_abi::{
    approval::{Approval, Approvals, Standing},
    code::Code,
    problem::Problem,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The most on a page that says how many.
const LIMIT: usize = 500;
/// The most on one that does not.
const MOST: usize = 5_000;
/// The most of a page, in bytes of JSON; one row is on it in any case.
const BYTES: usize = 8 << 20;
/// The longest reason of a node, in characters.
const QUOTED: usize = 256;

/// Which part of them.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct Wanted {
    /// So many at most, of all three together.
    #[schemars(range(min = 1, max = 500))]
    limit: Option<usize>,
    /// What follows this: `next` of the page before.
    after: Option<String>,
}

/// A page of them.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[schemars(rename = "ApprovalList")]
#[serde(rename_all = "camelCase")]
pub(crate) struct List {
    /// Those that wait, oldest first, then those that were answered, the last first.
    pub(crate) items: Vec<Approval>,
    /// Words that count until a date.
    pub(crate) standing: Vec<Standing>,
    /// Where there are more: the `after` of the next page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
    /// Nodes of a cluster that did not tell theirs, which are missing here.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) silent: Vec<Silent>,
}

/// A node that did not tell its approvals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "SilentNode")]
#[serde(rename_all = "camelCase")]
pub(crate) struct Silent {
    /// Its name.
    pub(crate) node: String,
    /// Why, for a program.
    pub(crate) code: Code,
    /// Why.
    pub(crate) detail: String,
}

impl Silent {
    /// With the reason, cut where it is long.
    #[cfg_attr(
        not(any(test, feature = "kubernetes")),
        expect(dead_code, reason = "there is one node")
    )]
    pub(crate) fn of(node: &str, problem: &Problem) -> Self {
        Self {
            node: node.to_owned(),
            code: problem.code,
            detail: problem.detail.chars().take(QUOTED).collect(),
        }
    }
}

/// Where a row is in the order: its section, what it is ordered by there, and its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place(u8, u64, u64);

const WAITING: u8 = 0;
const ANSWERED: u8 = 1;
const STANDING: u8 = 2;

impl Place {
    fn of(row: &Row) -> Self {
        match row {
            Row::Asked(it) => match &it.answered {
                None => Self(WAITING, it.asked_at_ms.0, it.approval),
                Some(said) => Self(ANSWERED, u64::MAX - said.at_ms.0, u64::MAX - it.approval),
            },
            Row::Standing(it) => Self(STANDING, it.given_at_ms.0, it.approval),
        }
    }

    fn text(self) -> String {
        format!("{}-{:x}-{:x}", self.0, self.1, self.2)
    }

    /// One place has one text.
    fn read(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '-');
        let section = parts.next()?.parse().ok().filter(|it| *it <= STANDING)?;
        let mut number = || u64::from_str_radix(parts.next()?, 16).ok();
        let place = Self(section, number()?, number()?);
        (place.text() == text).then_some(place)
    }
}

#[derive(Debug)]
enum Row {
    Asked(Box<Approval>),
    Standing(Standing),
}

impl Row {
    /// In JSON; what was JSON is.
    fn bytes(&self) -> usize {
        let text = match self {
            Self::Asked(it) => serde_json::to_string(it),
            Self::Standing(it) => serde_json::to_string(it),
        };
        text.map_or(0, |it| it.len())
    }
}

/// The rows of a page, while they come from nodes in whichever order.
#[derive(Debug)]
pub(crate) struct Rows {
    after: Option<Place>,
    most: usize,
    kept: BTreeMap<Place, (Row, usize)>,
    bytes: usize,
    /// The first that is on no page before the next.
    beyond: Option<Place>,
}

impl Rows {
    /// # Errors
    /// What is wanted is no page.
    pub(crate) fn new(wanted: &Wanted) -> Result<Self, Problem> {
        let wrong = |what: &str, remedy: &str| Problem::new(Code::BadRequest, what).remedy(remedy);
        let after = wanted.after.as_deref().map(|text| {
            Place::read(text).ok_or_else(|| {
                let remedy = "take it from next of the page before, or leave it out";
                wrong("after is not of a page of approvals", remedy)
            })
        });
        if wanted.limit.is_some_and(|it| !(1..=LIMIT).contains(&it)) {
            let remedy = format!("say 1 to {LIMIT}, or leave it out for all");
            return Err(wrong("limit is out of bounds", &remedy));
        }
        Ok(Self {
            after: after.transpose()?,
            most: wanted.limit.unwrap_or(MOST),
            kept: BTreeMap::new(),
            bytes: 0,
            beyond: None,
        })
    }

    /// Takes what a node told.
    pub(crate) fn add(&mut self, all: Approvals) {
        let items = all.items.into_iter();
        let items = items.map(|it| Row::Asked(Box::new(it)));
        let rows = items.chain(all.standing.into_iter().map(Row::Standing));
        for row in rows {
            let place = Place::of(&row);
            let is_before = self.after.is_some_and(|after| place <= after);
            if is_before || self.beyond.is_some_and(|beyond| place >= beyond) {
                continue;
            }
            let bytes = row.bytes();
            if let Some((_, before)) = self.kept.insert(place, (row, bytes)) {
                self.bytes -= before;
            }
            self.bytes += bytes;
            self.cut();
        }
    }

    /// Lets go of what is on a later page, from its end. What lies behind that is not taken up again.
    fn cut(&mut self) {
        while self.kept.len() > self.most || (self.bytes > BYTES && self.kept.len() > 1) {
            let Some((place, (_, bytes))) = self.kept.pop_last() else {
                return;
            };
            self.bytes -= bytes;
            self.beyond = Some(place);
        }
    }

    /// The page, once every node told its own or is `silent`.
    pub(crate) fn page(self, mut silent: Vec<Silent>) -> List {
        silent.sort_by(|a, b| a.node.cmp(&b.node));
        let last = self.kept.last_key_value().map(|(place, _)| place.text());
        let mut list = List {
            next: last.filter(|_| self.beyond.is_some()),
            silent,
            ..List::default()
        };
        for (row, _) in self.kept.into_values() {
            match row {
                Row::Asked(it) => list.items.push(*it),
                Row::Standing(it) => list.standing.push(it),
            }
        }
        list
    }
}

#[cfg(test)]
mod tests;
