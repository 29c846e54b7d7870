//! The bounds of memory requests, the same for every driver. Pure.

use std::collections::{BTreeMap, HashSet};

use aion_abi::syscall::memory::{
    ForgetRequest, MAX_BATCH, MAX_K, MAX_SEARCH_OFFSET, RecallRequest, RememberRequest,
};

/// The longest text of an item, in bytes.
const MAX_TEXT: usize = 64 * 1024;
/// The longest id, in characters.
const MAX_ID: usize = 256;
/// The longest collection, in characters.
const MAX_COLLECTION: usize = 64;
/// The most attributes of an item or a filter.
const MAX_ATTRIBUTES: usize = 16;
/// The longest name and value of an attribute together, in bytes.
const MAX_ATTRIBUTE: usize = 1024;
/// The longest query, in bytes.
const MAX_QUERY: usize = 8 * 1024;

/// What breaks a bound, and where in the request.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {why}")]
pub(super) struct OutOfBounds {
    place: String,
    why: String,
}

fn bad(place: impl Into<String>, why: impl Into<String>) -> OutOfBounds {
    OutOfBounds {
        place: place.into(),
        why: why.into(),
    }
}

pub(super) fn check_remember(request: &RememberRequest) -> Result<(), OutOfBounds> {
    if !(1..=MAX_BATCH).contains(&request.items.len()) {
        return Err(bad(
            "items",
            format!(
                "there are {}, and must be 1 to {MAX_BATCH}",
                request.items.len()
            ),
        ));
    }
    let mut ids = HashSet::new();
    for (at, item) in request.items.iter().enumerate() {
        if let Some(id) = &item.id {
            check_id(id).map_err(|why| bad(format!("items[{at}].id"), why))?;
            if !ids.insert(id) {
                return Err(bad(
                    format!("items[{at}].id"),
                    "another item of the batch has it too",
                ));
            }
        }
        if item.text.is_empty() || item.text.len() > MAX_TEXT {
            let why = format!(
                "it has {} bytes, and must have 1 to {MAX_TEXT}: cut the text into passages",
                item.text.len()
            );
            return Err(bad(format!("items[{at}].text"), why));
        }
        check_collection(&item.collection)
            .map_err(|why| bad(format!("items[{at}].collection"), why))?;
        check_attributes(&item.attributes)
            .map_err(|why| bad(format!("items[{at}].attributes"), why))?;
    }
    Ok(())
}

pub(super) fn check_recall(request: &RecallRequest) -> Result<(), OutOfBounds> {
    if !(1..=MAX_K).contains(&request.k) {
        return Err(bad(
            "k",
            format!("it is {}, and must be 1 to {MAX_K}", request.k),
        ));
    }
    if request.query.len() > MAX_QUERY {
        return Err(bad(
            "query",
            format!("it is longer than {MAX_QUERY} bytes: ask in fewer words"),
        ));
    }
    if !is_listing(request) && request.offset > MAX_SEARCH_OFFSET {
        return Err(bad(
            "offset",
            format!("a search is paged up to {MAX_SEARCH_OFFSET}: ask more exactly"),
        ));
    }
    if let Some(collection) = &request.collection {
        check_collection(collection).map_err(|why| bad("collection", why))?;
    }
    if request.ids.len() > MAX_K as usize {
        let why = format!("there are {}, and may be {MAX_K}", request.ids.len());
        return Err(bad("ids", why));
    }
    for (at, id) in request.ids.iter().enumerate() {
        check_id(id).map_err(|why| bad(format!("ids[{at}]"), why))?;
    }
    check_attributes(&request.attributes).map_err(|why| bad("attributes", why))
}

pub(super) fn check_forget(request: &ForgetRequest) -> Result<(), OutOfBounds> {
    match request {
        ForgetRequest::Ids { ids } => {
            if !(1..=MAX_BATCH).contains(&ids.len()) {
                return Err(bad(
                    "ids",
                    format!("there are {}, and must be 1 to {MAX_BATCH}", ids.len()),
                ));
            }
            for (at, id) in ids.iter().enumerate() {
                check_id(id).map_err(|why| bad(format!("ids[{at}]"), why))?;
            }
            Ok(())
        }
        ForgetRequest::Collection {
            collection,
            attributes,
        } => {
            check_collection(collection).map_err(|why| bad("collection", why))?;
            check_attributes(attributes).map_err(|why| bad("attributes", why))
        }
    }
}

/// Whether a recall lists instead of searching.
pub(super) fn is_listing(request: &RecallRequest) -> bool {
    request.query.trim().is_empty()
}

fn check_id(id: &str) -> Result<(), String> {
    let length = id.chars().take(MAX_ID + 1).count();
    if (1..=MAX_ID).contains(&length) {
        Ok(())
    } else {
        Err(format!("an id has 1 to {MAX_ID} characters"))
    }
}

fn check_collection(collection: &str) -> Result<(), String> {
    if collection.chars().take(MAX_COLLECTION + 1).count() <= MAX_COLLECTION {
        Ok(())
    } else {
        Err(format!(
            "a collection has at most {MAX_COLLECTION} characters"
        ))
    }
}

fn check_attributes(attributes: &BTreeMap<String, String>) -> Result<(), String> {
    if attributes.len() > MAX_ATTRIBUTES {
        return Err(format!(
            "there are {}, and may be {MAX_ATTRIBUTES}",
            attributes.len()
        ));
    }
    match attributes
        .iter()
        .find(|(name, value)| name.is_empty() || name.len() + value.len() > MAX_ATTRIBUTE)
    {
        Some((name, _)) if name.is_empty() => Err("one has an empty name".to_owned()),
        Some(_) => Err(format!("one is longer than {MAX_ATTRIBUTE} bytes")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use aion_abi::syscall::memory::Item;

    use super::*;

    fn item(id: Option<&str>, text: &str) -> Item {
        Item {
            id: id.map(str::to_owned),
            text: text.into(),
            collection: String::new(),
            attributes: BTreeMap::new(),
        }
    }

    fn place(items: Vec<Item>) -> Option<String> {
        check_remember(&RememberRequest { items })
            .err()
            .map(|error| error.place)
    }

    #[test]
    fn a_batch_outside_its_bounds_is_refused_by_field() {
        assert_eq!(place(vec![item(None, "a"), item(Some("é"), "b")]), None);
        assert_eq!(place(vec![]).as_deref(), Some("items"));
        assert_eq!(
            place(vec![item(None, "a"); MAX_BATCH + 1]).as_deref(),
            Some("items")
        );
        assert_eq!(
            place(vec![item(None, "")]).as_deref(),
            Some("items[0].text")
        );
        assert_eq!(
            place(vec![item(None, &"a".repeat(MAX_TEXT + 1))]).as_deref(),
            Some("items[0].text")
        );
        assert_eq!(
            place(vec![item(Some(""), "a")]).as_deref(),
            Some("items[0].id")
        );
        assert_eq!(
            place(vec![item(Some("a"), "a"), item(Some("a"), "b")]).as_deref(),
            Some("items[1].id")
        );
        let long = Item {
            collection: "é".repeat(MAX_COLLECTION + 1),
            ..item(None, "a")
        };
        assert_eq!(place(vec![long]).as_deref(), Some("items[0].collection"));
        let many = Item {
            attributes: (0..17).map(|n| (n.to_string(), String::new())).collect(),
            ..item(None, "a")
        };
        assert_eq!(place(vec![many]).as_deref(), Some("items[0].attributes"));
    }
}
