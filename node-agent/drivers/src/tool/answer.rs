//! From a server's answer to ours: text that is bounded, the structured part, and links to resources. Pure.
//!
//! Each part is read for itself, whatever the others are. What is left out is said in the text: the call was made,
//! and an error would hide that.

use aion_abi::syscall::tool::{CallResponse, Link};
use serde_json::{Map, Value};

use super::schema::kind;

/// The longest text that is handed on, in bytes.
pub(super) const MAX_TEXT: usize = 256 * 1024;
/// The largest structured answer that is handed on, in bytes as JSON.
pub(super) const MAX_STRUCTURED: usize = 256 * 1024;
/// The most links of an answer, and the longest address and name of one, in bytes.
pub(super) const MAX_LINKS: usize = 64;
const MAX_ADDRESS: usize = 2 * 1024;
const MAX_LABEL: usize = 256;

/// The answer to `tools/call`.
pub(super) fn of_call(result: Value) -> CallResponse {
    let mut told = Told::default();
    let mut is_error = false;
    let structured = match result {
        Value::Object(mut result) => {
            is_error = match result.remove("isError") {
                Some(Value::Bool(is)) => is,
                Some(Value::String(is)) => is.eq_ignore_ascii_case("true"),
                _ => false,
            };
            told.content(result.remove("content").unwrap_or_default());
            structured(result)
        }
        // No result by any revision, and what the tool said all the same.
        other => Some(other),
    };
    let structured = structured.filter(|value| {
        let size = value.to_string().len();
        if size > MAX_STRUCTURED {
            told.cut = true;
            told.parts.push(format!(
                "[the structured answer has {size} bytes and is left out: ask for less]"
            ));
        }
        size <= MAX_STRUCTURED
    });
    CallResponse {
        text: told.text(),
        structured,
        is_error,
        cut: told.cut,
        links: told.links,
    }
}

/// The answer to `resources/read`.
pub(super) fn of_read(mut result: Value) -> CallResponse {
    let mut told = Told::default();
    match result.get_mut("contents").map(Value::take) {
        Some(Value::Array(contents)) => contents.iter().for_each(|it| told.resource(it)),
        Some(one @ Value::Object(_)) => told.resource(&one),
        _ => told.parts.push("[the resource has no contents]".to_owned()),
    }
    CallResponse {
        text: told.text(),
        structured: None,
        is_error: false,
        cut: told.cut,
        links: Vec::new(),
    }
}

/// The structured answer: by name, by the name of the first revision, or what there is beside names that are known.
fn structured(mut result: Map<String, Value>) -> Option<Value> {
    let named = result.remove("structuredContent");
    if let Some(named) = named.or_else(|| result.remove("toolResult")) {
        return (!named.is_null()).then_some(named);
    }
    for known in ["_meta", "resultType", "ttlMs", "cacheScope"] {
        result.remove(known);
    }
    (!result.is_empty()).then_some(Value::Object(result))
}

#[derive(Default)]
struct Told {
    parts: Vec<String>,
    links: Vec<Link>,
    cut: bool,
}

impl Told {
    fn text(&mut self) -> String {
        self.parts.retain(|part| !part.is_empty());
        let mut text = self.parts.join("\n\n");
        if text.len() > MAX_TEXT {
            self.cut = true;
            let whole = text.len();
            text.truncate(text.floor_char_boundary(MAX_TEXT));
            text.push_str(&format!("\n\n[cut here: {whole} bytes in all]"));
        }
        text
    }

    fn content(&mut self, content: Value) {
        match content {
            Value::Array(blocks) => blocks.iter().for_each(|it| self.block(it)),
            Value::String(text) => self.parts.push(text),
            Value::Null => {}
            one => self.block(&one),
        }
    }

    fn block(&mut self, block: &Value) {
        let Value::Object(it) = block else {
            self.parts.push(match block {
                Value::String(text) => text.clone(),
                other => format!("[a part that is {}: not shown]", kind(other)),
            });
            return;
        };
        let mime = field(it, "mimeType").unwrap_or("of unknown type");
        match field(it, "type") {
            Some("text") | None if it.contains_key("text") => self.parts.push(match &it["text"] {
                Value::String(text) => text.clone(),
                Value::Null => String::new(),
                other => other.to_string(),
            }),
            Some(what @ ("image" | "audio")) => {
                let data = field(it, "data").or_else(|| field(it, "blob"));
                self.parts.push(left_out(what, mime, data));
            }
            Some("resource_link") => self.link(it),
            Some("resource") => match it.get("resource") {
                Some(resource @ Value::Object(_)) => self.resource(resource),
                // Some put its fields beside its type.
                _ => self.resource(block),
            },
            other => {
                let what = short(other.unwrap_or("without a type"));
                self.parts.push(match field(it, "text") {
                    Some(text) => format!("[a part of a kind that is not known: {what}]\n{text}"),
                    None => format!("[a part of a kind that is not known: {what}: not shown]"),
                });
            }
        }
    }

    /// An embedded resource, or one of those that were read.
    fn resource(&mut self, resource: &Value) {
        let Value::Object(it) = resource else {
            self.parts.push(format!(
                "[a resource that is {}: not shown]",
                kind(resource)
            ));
            return;
        };
        let uri = short(field(it, "uri").unwrap_or("without an address"));
        match (field(it, "text"), field(it, "blob")) {
            (Some(text), _) => self.parts.push(format!("[resource {uri}]\n{text}")),
            (None, Some(blob)) => {
                let mime = field(it, "mimeType").unwrap_or("of unknown type");
                let what = format!("resource {uri}");
                self.parts.push(left_out(&what, mime, Some(blob)));
            }
            (None, None) => self
                .parts
                .push(format!("[resource {uri}: without contents]")),
        }
    }

    fn link(&mut self, it: &Map<String, Value>) {
        let Some(uri) = field(it, "uri").filter(|it| (1..=MAX_ADDRESS).contains(&it.len())) else {
            self.parts
                .push("[a link without an address, or with too long a one]".to_owned());
            return;
        };
        if self.links.len() == MAX_LINKS {
            let told = format!("[more than {MAX_LINKS} links: the others are left out]");
            if !self.parts.contains(&told) {
                self.parts.push(told);
            }
            return;
        }
        let text = |name: &str| field(it, name).map(short);
        let link = Link {
            uri: uri.to_owned(),
            name: text("name").or_else(|| text("title")).unwrap_or_default(),
            mime_type: text("mimeType"),
            size: it.get("size").and_then(Value::as_u64),
        };
        let of: Vec<String> = link
            .mime_type
            .iter()
            .cloned()
            .chain(link.size.map(|size| format!("{size} bytes")))
            .collect();
        let of = match of.is_empty() {
            true => String::new(),
            false => format!(" ({})", of.join(", ")),
        };
        let about = text("description").map(|it| format!(": {it}"));
        self.parts.push(format!(
            "[link to a resource: {}{of} at {}{}]",
            link.name,
            link.uri,
            about.unwrap_or_default()
        ));
        self.links.push(link);
    }
}

fn field<'a>(it: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    it.get(name).and_then(Value::as_str)
}

fn short(text: &str) -> String {
    let mut text = text.to_owned();
    text.truncate(text.floor_char_boundary(MAX_LABEL));
    text
}

/// Base64 has four letters for three bytes.
fn left_out(what: &str, mime: &str, base64: Option<&str>) -> String {
    let mime = short(mime);
    match base64 {
        Some(data) => {
            let bytes = data.trim_end_matches('=').len() * 3 / 4;
            format!("[{what}, {mime}, {bytes} bytes: not shown]")
        }
        None => format!("[{what}, {mime}, without data]"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn text(content: Value) -> String {
        of_call(json!({ "content": content })).text
    }

    #[test]
    fn parts_are_joined_and_what_is_left_out_is_said() {
        let answer = of_call(json!({"content": [
            {"type": "text", "text": "one"},
            {"type": "image", "data": "AAAA", "mimeType": "image/png"},
            {"type": "text", "text": "two"},
        ], "structuredContent": {"n": 1}}));
        assert_eq!(
            answer.text,
            "one\n\n[image, image/png, 3 bytes: not shown]\n\ntwo"
        );
        assert_eq!(answer.structured, Some(json!({"n": 1})));
        assert!(!answer.is_error);
    }

    #[test]
    fn a_large_answer_is_cut_and_says_so() {
        let answer = of_call(
            json!({"content": [{"type": "text", "text": "é".repeat(MAX_TEXT)}],
            "structuredContent": "x".repeat(MAX_STRUCTURED), "isError": true}),
        );
        assert!(answer.is_error && answer.structured.is_none());
        assert!(answer.text.len() < MAX_TEXT + 100);
        assert!(
            answer.cut
                && answer.text.ends_with(" bytes in all]")
                && answer.text.contains("[cut here: ")
        );
    }

    #[test]
    fn one_odd_part_takes_nothing_from_the_others() {
        for (content, told) in [
            (json!("plain"), "plain"),
            (json!({"type": "text", "text": "one"}), "one"),
            (json!([{"text": "no type"}]), "no type"),
            (
                json!(["bare", 7]),
                "bare\n\n[a part that is a number: not shown]",
            ),
            (json!([{"type": "text", "text": 12}]), "12"),
            (
                json!([{"type": "video", "data": "AA"}, {"type": "text", "text": "b"}]),
                "[a part of a kind that is not known: video: not shown]\n\nb",
            ),
            (
                json!([{"type": "image", "mimeType": "image/png"}]),
                "[image, image/png, without data]",
            ),
            (
                json!([{"type": "resource", "resource": {"uri": "a:b", "text": "t"}}]),
                "[resource a:b]\nt",
            ),
            (
                json!([{"type": "resource", "resource": {"uri": "a:b", "blob": "AAA=", "mimeType": "x/y"}}]),
                "[resource a:b, x/y, 2 bytes: not shown]",
            ),
            (
                json!([{"type": "resource"}]),
                "[resource without an address: without contents]",
            ),
            (json!(null), ""),
        ] {
            assert_eq!(text(content.clone()), told, "{content}");
        }
    }

    #[test]
    fn what_is_structured_is_found_wherever_it_stands() {
        for (result, structured) in [
            (
                json!({"structuredContent": {"n": 1}}),
                Some(json!({"n": 1})),
            ),
            (json!({"toolResult": 5}), Some(json!(5))),
            (
                json!({"stock": 12, "_meta": {}}),
                Some(json!({"stock": 12})),
            ),
            (json!([1, 2]), Some(json!([1, 2]))),
            (json!({"content": [], "structuredContent": null}), None),
            (json!({}), None),
        ] {
            assert_eq!(of_call(result.clone()).structured, structured, "{result}");
        }
        assert!(of_call(json!({"content": [], "isError": "true"})).is_error);
    }

    #[test]
    fn links_are_named_and_bounded() {
        let link = |n: usize| {
            json!({"type": "resource_link", "uri": format!("file:///{n}"), "name": "log",
            "mimeType": "text/plain", "size": 5})
        };
        let one = of_call(json!({"content": [link(1)]}));
        assert_eq!(
            one.text,
            "[link to a resource: log (text/plain, 5 bytes) at file:///1]"
        );
        assert_eq!(one.links[0].uri, "file:///1");
        let many: Vec<Value> = (0..100).map(link).collect();
        let many = of_call(json!({ "content": many }));
        assert_eq!(many.links.len(), MAX_LINKS);
        assert_eq!(many.text.matches("others are left out").count(), 1);
    }
}
