//! The messages that a line, an event or a body holds, as the protocol writes them. Pure.
//!
//! Servers put a banner before a message on its line, answer with `"error": null` beside the result, leave `jsonrpc`
//! out, make text of errors, and send several messages as an array (which revision 2025-03-26 allowed). One odd part
//! costs that part. What may not enter: what an answer says (`answer`, `listing`).

use rmcp::model::{DiscoverResult, InitializeResult};
use serde_json::{Map, Value, json};

use crate::wire::{self, BOM};

/// The most messages of one array.
const MAX_BATCH: usize = 1024;
/// What a server says of itself.
const GREETING: [&str; 3] = ["capabilities", "serverInfo", "instructions"];
/// The code of an error of which only the text is known, as JSON-RPC has it.
const INTERNAL: i64 = -32_603;
/// The code of the error that stands for an answer that cannot be used.
pub(super) const NOT_USABLE: i32 = -32_099;
/// Where an error keeps the pause that the header of its answer names, in milliseconds. What a server puts there itself is
/// taken out.
pub(super) const AFTER: &str = "aion.dev/retryAfterMs";
/// The code of the error that stands for an answer that never came: nobody knows what was done.
pub(super) const NO_ANSWER: i32 = -32_098;

/// The messages of a line, an event or a body; none where it is chatter.
pub(super) fn messages(line: &[u8]) -> Vec<Value> {
    let line = line.strip_prefix(BOM).unwrap_or(line).trim_ascii();
    match wire::json(line) {
        Ok(value) => of_json(value),
        Err(error) => {
            // Text that is not UTF-8 is in the wrong encoding: it is better read with marks than not at all.
            let text = String::from_utf8_lossy(line);
            // A banner that did not end its line.
            let begun = ["{\"jsonrpc\"", "{ \"jsonrpc\""];
            let at = begun.iter().find_map(|it| text.find(it));
            let behind = at.filter(|at| *at > 0).map(|at| &text[at..]);
            if let Some(value) = behind.and_then(|it| wire::json(it.as_bytes()).ok()) {
                return of_json(value);
            }
            // Whoever waits for it is told.
            let id = at.and_then(|at| {
                id_at_the_beginning(text[at..].as_bytes())
                    .or_else(|| id_at_the_end(text[at..].as_bytes()))
            });
            let told = |id| not_usable(id, &format!("its answer is no JSON: {error}"));
            id.map(told).into_iter().collect()
        }
    }
}

fn of_json(value: Value) -> Vec<Value> {
    match value {
        Value::Object(message) => normal(message).into_iter().collect(),
        Value::Array(batch) => {
            let objects = batch.into_iter().take(MAX_BATCH);
            objects
                .filter_map(|it| match it {
                    Value::Object(message) => normal(message),
                    _ => None,
                })
                .collect()
        }
        _ => Vec::new(),
    }
}

/// An error in the place of an answer.
pub(super) fn not_usable(id: Value, why: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "error": {"code": NOT_USABLE, "message": why}})
}

/// Whether an answer is the server's own, and does not stand for one that cannot be used.
pub(super) fn is_usable(message: &Value) -> bool {
    let code = message.pointer("/error/code").and_then(Value::as_i64);
    code != Some(NOT_USABLE.into())
}

/// An error in the place of an answer that never came.
pub(super) fn no_answer(id: Value) -> Value {
    let why = "it took the request and gave no answer";
    json!({"jsonrpc": "2.0", "id": id, "error": {"code": NO_ANSWER, "message": why}})
}

/// An error in the place of an answer that is too long.
pub(super) fn too_long(id: Value, bytes: usize, longest: usize) -> Value {
    let why =
        format!("its answer has {bytes} bytes, and a message at most {longest}: ask for less");
    not_usable(id, &why)
}

/// Whether a message answers a request.
pub(super) fn is_answer(message: &Value) -> bool {
    message.get("method").is_none()
}

/// Whether an id that became text, or a number, is the other.
pub(super) fn same_id(id: &Value, other: &Value) -> bool {
    let text = |it: &Value| it.as_str().map_or_else(|| it.to_string(), str::to_owned);
    text(id) == text(other)
}

/// A message as the protocol writes it; `None` for an object that is none, such as a line of a log.
fn normal(mut message: Map<String, Value>) -> Option<Value> {
    let is =
        |key: &str, message: &Map<String, Value>| message.get(key).is_some_and(|it| !it.is_null());
    let method = message.get("method").is_some_and(Value::is_string);
    // A number that became one with a point.
    if let Some(id) = message.get_mut("id")
        && let Some(whole) = id.as_f64().filter(|it| it.fract() == 0.0 && id.is_f64())
    {
        *id = json!(whole as i64);
    }
    if message.get("error").is_some_and(Value::is_null) {
        message.remove("error");
    }
    let answers = message.contains_key("result") || message.contains_key("error");
    if method {
        message.remove("result");
        message.remove("error");
        if !is("id", &message) {
            message.remove("id");
        }
        // Nothing, and a list with nothing in it, are no parameters.
        if message.get("params").is_some_and(|it| !it.is_object()) {
            message.remove("params");
        }
    } else if !answers {
        return None;
    } else {
        message.remove("method");
        if let Some(error) = message.get_mut("error") {
            *error = error_of(error.take());
            message.remove("result");
        }
        if let Some(Value::Object(result)) = message.get_mut("result") {
            mend(result);
        }
    }
    message.insert("jsonrpc".to_owned(), json!("2.0"));
    Some(Value::Object(message))
}

/// An error with a code and a text, whatever of them it has.
fn error_of(error: Value) -> Value {
    let Value::Object(mut error) = error else {
        let text = match error {
            Value::String(text) => text,
            other => other.to_string(),
        };
        return json!({"code": INTERNAL, "message": text});
    };
    let code = error.get("code").and_then(|code| match code {
        Value::String(code) => code.parse().ok(),
        code => code.as_i64().or_else(|| code.as_f64().map(|it| it as i64)),
    });
    let ours = |code: i64| [NOT_USABLE, NO_ANSWER].map(i64::from).contains(&code);
    let code = code.filter(|code| i32::try_from(*code).is_ok() && !ours(*code));
    if !error.get("message").is_some_and(Value::is_string) {
        let told = Value::Object(error.clone()).to_string();
        error.insert("message".to_owned(), json!(told));
    }
    if let Some(Value::Object(data)) = error.get_mut("data") {
        data.remove(AFTER);
    }
    error.insert("code".to_owned(), json!(code.unwrap_or(INTERNAL)));
    Value::Object(error)
}

/// What the library would take for something else.
fn mend(result: &mut Map<String, Value>) {
    if result.contains_key("supportedVersions") {
        greeting::<DiscoverResult>(result, "supportedVersions");
    } else if result.get("protocolVersion").is_some_and(Value::is_string) {
        greeting::<InitializeResult>(result, "protocolVersion");
    } else if result.get("resultType").and_then(Value::as_str) == Some("complete") {
        // It is what an absent type means, and with it a result of unknown form is taken for an empty one.
        result.remove("resultType");
    }
}

/// What a server says of itself, with what cannot be read of it left out: an operation can be called all the same.
fn greeting<T: serde::de::DeserializeOwned>(result: &mut Map<String, Value>, needed: &str) {
    let fits = |it: &Map<String, Value>| T::deserialize(&Value::Object(it.clone())).is_ok();
    if fits(result) {
        return;
    }
    // An empty list is what some languages make of an empty object.
    let capability = |value: &Value| match value {
        Value::Object(it) => {
            let flags = it
                .iter()
                .filter(|(_, it)| it.is_boolean() || it.is_object());
            Some(Value::Object(
                flags.map(|(k, v)| (k.clone(), v.clone())).collect(),
            ))
        }
        Value::Null | Value::Bool(false) => None,
        _ => Some(json!({})),
    };
    let mut said = Map::new();
    if let Some(Value::Object(it)) = result.get("capabilities") {
        let named = it
            .iter()
            .filter_map(|(k, v)| Some((k.clone(), capability(v)?)));
        said = named.collect();
    }
    let info = result.get("serverInfo");
    let text = |key: &str, or: &str| {
        let text = info.and_then(|it| it.get(key)).and_then(Value::as_str);
        text.unwrap_or(or).to_owned()
    };
    let mut whole = result.clone();
    whole.retain(|key, _| !GREETING.contains(&key.as_str()));
    whole.insert("capabilities".to_owned(), Value::Object(said));
    let (name, version) = (text("name", "unnamed"), text("version", "unknown"));
    whole.insert(
        "serverInfo".to_owned(),
        json!({"name": name, "version": version}),
    );
    let discovered = [
        ("resultType", json!("complete")),
        ("ttlMs", json!(0)),
        ("cacheScope", json!("private")),
    ];
    for (key, value) in &discovered {
        whole.entry(*key).or_insert_with(|| value.clone());
    }
    if fits(&whole) {
        *result = whole;
        return;
    }
    // Nothing of it but which protocol it speaks; that it has operations is why it is asked.
    whole.retain(|key, _| key == needed || key == "serverInfo");
    whole.insert("capabilities".to_owned(), json!({"tools": {}}));
    whole.extend(discovered.map(|(key, value)| (key.to_owned(), value)));
    if fits(&whole) {
        *result = whole;
    }
}

/// `{"jsonrpc":"2.0","id":7,"result":…`, however long what follows is.
pub(super) fn id_at_the_beginning(line: &[u8]) -> Option<Value> {
    let text = String::from_utf8_lossy(line);
    let before = &text[..text.find("\"result\"").or_else(|| text.find("\"error\""))?];
    let (_, after) = before.split_once("\"id\"")?;
    id(after.trim_start().strip_prefix(':')?)
}

/// `…},"id":7,"jsonrpc":"2.0"}`.
pub(super) fn id_at_the_end(tail: &[u8]) -> Option<Value> {
    let text = String::from_utf8_lossy(tail);
    let (_, after) = text.rsplit_once("\"id\"")?;
    // Not an id inside the result: nothing is nested behind it.
    let after = after.trim_start().strip_prefix(':')?;
    (after.matches('}').count() == 1).then(|| id(after))?
}

fn id(text: &str) -> Option<Value> {
    let end = text.find([',', '}'])?;
    let id: Value = serde_json::from_str(text[..end].trim()).ok()?;
    (id.is_string() || id.is_number()).then_some(id)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[test]
    fn a_server_names_no_pause_in_our_words() {
        let error = json!({"code": 1, "message": "busy", "data": {AFTER: u64::MAX, "depot": 7}});
        assert_eq!(error_of(error)["data"], json!({"depot": 7}));
    }

    #[test]
    fn an_error_of_any_form_is_one() {
        for (error, code, message) in [
            (json!("no stock"), INTERNAL, "no stock"),
            (json!({"message": "no stock"}), INTERNAL, "no stock"),
            (json!({"code": "-32602", "message": "bad"}), -32_602, "bad"),
            (
                json!({"code": 9_000_000_000_i64, "message": "bad"}),
                INTERNAL,
                "bad",
            ),
            (
                json!({"code": NOT_USABLE, "message": "its own"}),
                INTERNAL,
                "its own",
            ),
            (
                json!({"code": 4, "detail": 1}),
                4,
                r#"{"code":4,"detail":1}"#,
            ),
            (json!([1]), INTERNAL, "[1]"),
        ] {
            let line = json!({"id": 1, "result": null, "error": error}).to_string();
            let read = messages(line.as_bytes());
            let told = json!({"code": code, "message": message});
            let is = &read[0]["error"];
            assert_eq!(
                (&is["code"], &is["message"]),
                (&told["code"], &told["message"]),
                "{line}"
            );
            let read = rmcp::model::ServerJsonRpcMessage::deserialize(&read[0]);
            let is_error = matches!(&read, Ok(rmcp::model::JsonRpcMessage::Error(_)));
            assert!(is_error, "{line}: {read:?}");
        }
    }

    #[test]
    fn a_greeting_with_odd_parts_is_one() {
        for odd in [
            json!({"capabilities": [], "serverInfo": {"name": "a", "version": "1"}}),
            json!({"capabilities": {"tools": []}, "serverInfo": {"name": "a"}}),
            json!({"capabilities": {"tools": true, "prompts": null}, "serverInfo": "a"}),
            json!({"capabilities": {"tools": {"listChanged": "yes"}}, "instructions": 7}),
            json!({}),
        ] {
            let mut result = odd.clone();
            result["protocolVersion"] = json!("2025-06-18");
            let line = json!({"id": 1, "result": result}).to_string();
            let read = messages(line.as_bytes()).remove(0);
            assert!(
                InitializeResult::deserialize(&read["result"]).is_ok(),
                "{read}"
            );
            let mut result = odd;
            result["supportedVersions"] = json!(["2026-07-28"]);
            let line = json!({"id": 1, "result": result}).to_string();
            let read = messages(line.as_bytes()).remove(0);
            assert!(
                DiscoverResult::deserialize(&read["result"]).is_ok(),
                "{read}"
            );
        }
    }

    /// Found by fuzzing.
    #[test]
    fn a_method_that_is_no_text_is_none() {
        assert!(messages(br#"{"id":1,"method":{"a":1}}"#).is_empty());
        let read = messages(br#"{"id":1,"method":7,"result":{}}"#);
        assert_eq!(read, [json!({"jsonrpc": "2.0", "id": 1, "result": {}})]);
    }

    #[test]
    fn an_answer_that_is_no_json_is_told_to_whoever_waits() {
        let read = messages(br#"{"jsonrpc":"2.0","id":7,"result":{"a":'b'}}"#);
        assert_eq!(read[0]["id"], 7);
        assert_eq!(read[0]["error"]["code"], NOT_USABLE);
        let read = messages(br#"{"jsonrpc":"2.0","id":7.0,"result":{"a":NaN}}"#);
        assert_eq!(
            read[0],
            json!({"jsonrpc": "2.0", "id": 7, "result": {"a": null}})
        );
    }
}
