//! Schemas as servers write them: what is refused, what is rewritten, what a check tells.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use super::Schema;

fn read(schema: &Value) -> Result<Schema, String> {
    Schema::read(Some(schema))
}

#[test]
fn what_is_no_schema_of_arguments_is_refused_with_the_place() {
    for (schema, why) in [
        (json!(null), "is null"),
        (json!([]), "is a list"),
        (json!({"type": "string"}), "type \"string\""),
        (
            json!({"type": ["string", "null"]}),
            "arguments are an object",
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "string"}, "required": ["a"]}}),
            "/properties/required",
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "text"}}}),
            "/properties/a/type",
        ),
        (
            json!({"type": "object", "properties": {"a": {"$ref": "#/$defs/gone"}}}),
            "which it does not have",
        ),
        (
            json!({"type": "object", "properties": {"a": {"$ref": "https://example.org/a.json"}}}),
            "nothing is fetched",
        ),
        (
            json!({"type": "object", "properties": {"a": {"$ref": "file:///etc/passwd"}}}),
            "nothing is fetched",
        ),
        (
            json!({"type": "object", "description": "x".repeat(70_000)}),
            "and may have 65536",
        ),
    ] {
        let refused = read(&schema).err().unwrap_or_else(|| schema.to_string());
        assert!(refused.contains(why), "{schema}: {refused}");
    }
    assert!(Schema::read(None).is_err());
}

#[test]
fn what_means_the_same_is_offered_as_an_object() {
    for (schema, offered) in [
        (json!({}), json!({"type": "object"})),
        (
            json!({"type": ["object", "null"]}),
            json!({"type": "object"}),
        ),
        (
            json!({"$schema": "http://json-schema.org/draft-04/schema#", "id": "x", "type": "object",
                "properties": {"n": {"type": "integer", "minimum": 0, "exclusiveMinimum": true}}}),
            json!({"type": "object", "properties": {"n": {"type": "integer", "exclusiveMinimum": 0}}}),
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "any", "required": true, "title": null}}}),
            json!({"type": "object", "properties": {"a": {}}, "required": ["a"]}),
        ),
        (
            json!({"$ref": "#/definitions/In", "definitions": {
                "In": {"type": "object", "properties": {"a": {"$ref": "#/definitions/A", "description": "first"}}},
                "A": {"type": "array"}}}),
            json!({"type": "object", "properties": {"a": {"type": "array", "items": {}, "description": "first"}}}),
        ),
        (
            json!({"anyOf": [{"type": "object"}]}),
            json!({"type": "object", "anyOf": [{"type": "object"}]}),
        ),
        (
            json!({"type": "object", "properties": {"p": {"type": "array", "items": [{"type": "number"}]}}}),
            json!({"type": "object", "properties": {"p": {"type": "array", "prefixItems": [{"type": "number"}]}}}),
        ),
    ] {
        assert_eq!(read(&schema).map(|it| it.offered), Ok(offered), "{schema}");
    }
}

#[test]
fn arguments_that_do_not_fit_are_told_with_their_place() {
    let node = json!({"type": "object", "properties": {
        "part": {"type": "string"}, "count": {"type": "integer", "minimum": 1},
        "below": {"type": "array", "items": {"$ref": "#/$defs/node"}}}, "required": ["part"]});
    let schema = json!({"$ref": "#/$defs/node", "$defs": {"node": node}, "type": "object"});
    let schema = read(&schema).unwrap();
    assert_eq!(schema.offered["type"], "object");
    assert_eq!(schema.faults(&json!({"part": "valve", "count": 2})), None);
    assert_eq!(
        schema.faults(&json!({"part": "a", "below": [{"part": "b"}]})),
        None
    );
    for (arguments, told) in [
        (json!({}), "part"),
        (json!({"part": 7}), "/part: want string, but got number"),
        (json!({"part": "a", "count": 0}), "/count"),
        (
            json!({"part": "a", "below": [{"part": "b", "count": "x"}]}),
            "/below/0/count",
        ),
    ] {
        let faults = schema.faults(&arguments).unwrap_or_default();
        assert!(faults.contains(told), "{arguments}: {faults}");
    }
}

#[test]
fn a_schema_that_takes_long_to_ask_is_left_to_the_server() {
    let mut defs = serde_json::Map::new();
    for n in 0..60 {
        let next = json!({"$ref": format!("#/$defs/d{}", n + 1)});
        defs.insert(format!("d{n}"), json!({"anyOf": [next, next]}));
    }
    defs.insert("d60".to_owned(), json!({"type": "string"}));
    let schema =
        json!({"type": "object", "properties": {"a": {"$ref": "#/$defs/d0"}}, "$defs": defs});
    let schema = read(&schema).unwrap();
    assert_eq!(
        schema.faults(&json!({"a": 1})),
        None,
        "2^60 ways are not tried"
    );
}
