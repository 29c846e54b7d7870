//! What is said, and what is remembered.

use std::collections::BTreeMap;
use std::io;

use serde::{Deserialize, Serialize};

use super::{Caller, answer, make};

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// A line about what goes on now.
    Progress,
    /// A part of what was given is not in the answer. It is kept, and told whole.
    LeftOut,
    /// The whole answer.
    Final,
    /// The turn cannot be answered: why, and what to do. It takes the place of the answer.
    Failed,
}

#[derive(Serialize)]
struct Message<'a> {
    kind: Kind,
    text: &'a str,
}

/// Says something to whoever asked.
pub fn message(caller: &dyn Caller, kind: Kind, text: &str) -> io::Result<()> {
    make(
        caller,
        "agent.message",
        &Message { kind, text },
        &mut Vec::new(),
    )
}

#[derive(Serialize)]
struct Remembered<'a> {
    items: [Item<'a>; 1],
}

#[derive(Serialize)]
struct Item<'a> {
    id: &'a str,
    text: &'a str,
    collection: &'a str,
    attributes: BTreeMap<&'a str, String>,
}

/// Stores one item under a stable id.
pub fn remember(
    caller: &dyn Caller,
    id: &str,
    collection: &str,
    text: &str,
    attributes: BTreeMap<&str, String>,
) -> io::Result<()> {
    let item = Item {
        id,
        text,
        collection,
        attributes,
    };
    make(
        caller,
        "memory.remember",
        &Remembered { items: [item] },
        &mut Vec::new(),
    )
}

#[derive(Serialize)]
struct Query<'a> {
    query: &'a str,
    collection: &'a str,
    k: usize,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Hits {
    hits: Vec<Hit>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Hit {
    text: String,
}

/// Gives the texts that fit the query best; with an empty query the newest.
pub fn recall(
    caller: &dyn Caller,
    query: &str,
    collection: &str,
    most: usize,
) -> io::Result<Vec<String>> {
    const NAME: &str = "memory.recall";
    let mut response = Vec::new();
    let query = Query {
        query,
        collection,
        k: most,
    };
    make(caller, NAME, &query, &mut response)?;
    let hits: Hits = answer(NAME, &response)?;
    Ok(hits.hits.into_iter().map(|hit| hit.text).collect())
}
