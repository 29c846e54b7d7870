//! A template the other way round: what was filled in for its names, read from what came out.
//!
//! A payload that is JSON is compared as JSON, so that spaces and the order of keys make no difference, and what stands beside
//! what the template has is no hindrance. What may not enter: types of properties, IO.

use serde_json::Value as Json;

use crate::{
    payload::Found,
    template::{Filler, Template},
};

/// Stand round the number of a name where the template is filled with marks; no payload of a device has them.
const OPEN: char = '\u{f0000}';
const CLOSE: char = '\u{f0001}';

/// What was filled in for each name, in the order of the names in the template.
pub(crate) type Filled = Vec<(String, Found<'static>)>;

/// What stands for the names of a template in a text. `own` fills in the names that are not sought. `None` where the text is not
/// made by the template.
pub(crate) fn unfill<'v>(
    template: &Template,
    text: &str,
    own: impl Fn(&str) -> Option<Filler<'v>>,
) -> Option<Filled> {
    let mut names = Vec::new();
    let marked = template.fill(|name| {
        Some(own(name).unwrap_or_else(|| {
            names.push(name.to_owned());
            Filler::Text(format!("{OPEN}{}{CLOSE}", names.len() - 1).into())
        }))
    });
    let marked = marked.ok()?;
    let mut found = vec![None; names.len()];
    let fits = match template.is_json() {
        true => {
            let (marked, text) = (
                serde_json::from_str(&marked).ok()?,
                serde_json::from_str(text).ok()?,
            );
            json(&marked, &text, &mut found)
        }
        false => words(&marked, text, &mut found),
    };
    let pairs = names.into_iter().zip(found);
    fits.then(|| pairs.map(|(name, it)| Some((name, it?))).collect())?
}

fn json(marked: &Json, given: &Json, found: &mut [Option<Found<'static>>]) -> bool {
    match (marked, given) {
        (Json::String(marked), given) if whole(marked).is_some() => {
            let at = whole(marked).and_then(|at| found.get_mut(at));
            at.map(|it| *it = Some(scalar(given))).is_some()
        }
        (Json::String(marked), Json::String(given)) => words(marked, given, found),
        (Json::Object(marked), Json::Object(given)) => marked
            .iter()
            .all(|(key, it)| given.get(key).is_some_and(|given| json(it, given, found))),
        (Json::Array(marked), Json::Array(given)) => {
            let pairs = marked.iter().zip(given);
            marked.len() == given.len()
                && pairs.fold(true, |fits, (a, b)| fits && json(a, b, found))
        }
        (Json::Number(marked), Json::Number(given)) => marked.as_f64() == given.as_f64(),
        (marked, given) => marked == given,
    }
}

/// The number of the one mark that a text is.
fn whole(marked: &str) -> Option<usize> {
    let inner = marked.strip_prefix(OPEN)?.strip_suffix(CLOSE)?;
    inner.parse().ok()
}

fn scalar(given: &Json) -> Found<'static> {
    match given {
        Json::Null => Found::Null,
        Json::Bool(it) => Found::Boolean(*it),
        Json::Number(it) => match (it.as_i64(), it.as_f64()) {
            (Some(it), _) => Found::Integer(it),
            (None, it) => Found::Number(it.unwrap_or_default()),
        },
        Json::String(it) => Found::Text(it.clone().into()),
        Json::Array(_) => Found::Compound("an array"),
        Json::Object(_) => Found::Compound("an object"),
    }
}

/// A text between marks: each mark reaches as far as the first place where what follows it stands, the last one to the end.
fn words(marked: &str, text: &str, found: &mut [Option<Found<'static>>]) -> bool {
    let mut pieces = marked.split(OPEN);
    let Some(mut rest) = text.strip_prefix(pieces.next().unwrap_or_default()) else {
        return false;
    };
    let mut pieces = pieces.peekable();
    while let Some(piece) = pieces.next() {
        let Some((number, after)) = piece.split_once(CLOSE) else {
            return false;
        };
        let end = match (after.is_empty(), pieces.peek().is_some()) {
            (true, _) => Some(rest.len()),
            (false, false) => rest.strip_suffix(after).map(str::len),
            (false, true) => rest.find(after),
        };
        let (Some(end), Some(at)) = (end, number.parse::<usize>().ok()) else {
            return false;
        };
        let Some(place) = found.get_mut(at) else {
            return false;
        };
        *place = Some(Found::Text(rest[..end].to_owned().into()));
        rest = &rest[end + after.len()..];
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn read(template: &str, text: &str) -> Option<Vec<(String, String)>> {
        let template = Template::payload(template).unwrap();
        let own = |name: &str| (name == "id").then(|| Filler::written("7"));
        let all = unfill(&template, text, own)?.into_iter();
        Some(all.map(|(name, it)| (name, format!("{it:?}"))).collect())
    }

    #[test]
    fn what_was_filled_in_is_found_again_and_what_is_made_otherwise_is_not() {
        let one = |it: &str| Some(vec![("value".to_owned(), it.to_owned())]);
        for (template, text, found) in [
            ("{{value}}", "21.5", one("Text(\"21.5\")")),
            ("set {{value}}!", "set 3!", one("Text(\"3\")")),
            ("set {{value}}!", "get 3!", None),
            (r#"{"t": {{value}}}"#, r#"{"t":21}"#, one("Integer(21)")),
            (
                r#"{"t": {{value}}, "id": {{id}}}"#,
                r#"{"id": 7.0, "more": [1], "t": true}"#,
                one("Boolean(true)"),
            ),
            (
                r#"{"t": {{value}}, "id": {{id}}}"#,
                r#"{"t": 1, "id": 8}"#,
                None,
            ),
            (
                r#"{"t": "is {{value}}"}"#,
                r#"{"t": "is on"}"#,
                one("Text(\"on\")"),
            ),
            (r#"{"t": {{value}}}"#, r#"{"u": 1}"#, None),
            (r#"{"t": {{value}}}"#, "OPEN", None),
            ("OPEN", "OPEN", Some(Vec::new())),
            ("OPEN", "OPENED", None),
            ("", "", Some(Vec::new())),
        ] {
            assert_eq!(read(template, text), found, "{template} of {text}");
        }
        let two = read("{{a}};{{b}}", "1;2;3").unwrap();
        assert_eq!(two[1], ("b".to_owned(), "Text(\"2;3\")".to_owned()));
    }

    proptest! {
        #[test]
        fn no_text_that_is_filled_in_is_found_otherwise(text in "\\PC*") {
            for template in [r#"{"a": [{{value}}]}"#, r#"{"a": "<{{value}}>"}"#, "<{{value}}>"] {
                let template = Template::payload(template).unwrap();
                let filled = template.fill(|_| Some(Filler::Text(text.clone().into()))).unwrap();
                let found = unfill(&template, &filled, |_| None).unwrap();
                prop_assert_eq!(&found[0].1, &Found::Text(text.clone().into()));
            }
        }
    }
}
