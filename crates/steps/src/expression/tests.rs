//! Expressions: what they give, what is refused, and that no text brings the reader down.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;

use super::*;

struct Given(BTreeMap<Reference, Json>);

impl Values for Given {
    fn get(&self, reference: &Reference) -> Option<&Json> {
        self.0.get(reference)
    }
}

fn given() -> Given {
    let step = |name: &str| Reference::Step(name.to_owned());
    let variable = |name: &str| Reference::Variable(name.to_owned());
    Given(BTreeMap::from([
        (variable("input"), json!("a question")),
        (step("text"), json!("plain")),
        (step("skipped"), Json::Null),
        (
            step("found"),
            json!({"items": [{"n": 1}, {"n": 2.5}, {"n": 3}], "more": false, "deep": {"a": "b"}, "score": 10.0, "word": "äöü"}),
        ),
        (step("many"), json!(vec![1; 5000])),
        (step("some"), json!(vec![1; 200])),
    ]))
}

fn value(source: &str) -> Result<Json, String> {
    Expression::parse(source).unwrap().evaluate(&given())
}

#[test]
fn an_expression_is_cel_over_results_and_input() {
    for (source, expected) in [
        ("steps.found.items[1].n", json!(2.5)),
        (
            "size(steps.found.items) > 2 && !steps.found.more",
            json!(true),
        ),
        (
            "steps.found.items.map(it, string(it.n)).join(', ')",
            json!("1, 2.5, 3"),
        ),
        (
            "steps.found.items.filter(it, it.n > 1.0).size() + 1",
            json!(3),
        ),
        (
            "input.startsWith('a ') ? steps.found.deep.a : ''",
            json!("b"),
        ),
        (
            "has(steps.found.deep) && !has(steps.found.other)",
            json!(true),
        ),
        ("steps.skipped == null", json!(true)),
        (
            "steps.skipped != null && steps.skipped.a == 1",
            json!(false),
        ),
        (
            "{'b': [steps.text], 'a': 1}",
            json!({"a": 1, "b": ["plain"]}),
        ),
        ("'n' in steps.found.items[0]", json!(true)),
        ("steps.found.items.exists(it, it.n == 3) ? 1 : 2", json!(1)),
        ("[3, 1, 2].sort()", json!([1, 2, 3])),
        ("' a '.trim().upperAscii()", json!("A")),
        (
            "steps.found.score == 10 && 10 in [steps.found.score]",
            json!(true),
        ),
        ("steps.found.score * 2 == 20.0 && !(3 != 3.0)", json!(true)),
        (
            "[1, {'a': 2.0}] == [1.0, {'a': 2}] && 1 != 1.5 && '1' != 1",
            json!(true),
        ),
        (
            "2.0 in [1, 2] && [1.0].contains(1) && 'a' in {'a': 1}",
            json!(true),
        ),
        ("9007199254740993 == 9007199254740992.0", json!(false)),
        ("string(2.0) + string(steps.found.score)", json!("210")),
        (
            "size('äöü') == 3 && 'äöü'.size() == 'äöü'.indexOf('ü') + 1",
            json!(true),
        ),
        ("'äöü'.substring(0, size('äöü') - 1)", json!("äö")),
        (
            "input.contains('quest') && !has(steps.found.items[0].x)",
            json!(true),
        ),
        ("'a1'.matches('^[a-z][0-9]$')", json!(true)),
    ] {
        assert_eq!(value(source), Ok(expected), "{source}");
    }
}

#[test]
fn what_cannot_be_is_said_without_the_values() {
    for (source, part) in [
        ("steps.text.title", "text has no field title"),
        ("steps.skipped.title", "null has no field title"),
        ("steps.found.other", "no field other"),
        ("steps.found.items[7]", "no item at this place"),
        (
            "steps.found.map(it, it)",
            "go through a list, and this is a map",
        ),
        ("steps.text + 1", "another type"),
        ("1 / 0", "division by zero"),
        ("9223372036854775807 + 1", "too large"),
        ("steps.many.map(it, it)", "1000 are the most"),
        ("steps.some.map(a, steps.some.map(b, b))", "10000 items"),
        ("{1: 2}", "keys are not text"),
        ("1.0 / 0.0", "the number inf"),
        ("input.split(1)", "split cannot do this"),
        (
            "has(steps.text.title)",
            "has asks for a field of a map, and this is text",
        ),
        ("has(steps.skipped.title)", "and this is null"),
        ("steps.skipped.contains('yes')", "whether text is in null"),
        ("steps.text.contains(1)", "whether a number is in text"),
        ("'a' in steps.skipped", "whether text is in null"),
        ("size(steps.skipped)", "null has no size"),
    ] {
        let why = value(source).unwrap_err();
        assert!(why.contains(part), "{source}: {why}");
        assert!(
            !why.contains("a question") && !why.contains("plain"),
            "{why}"
        );
    }
    let copies = format!("[{}]", ["steps.many"; 60].join(", "));
    assert!(
        value(&copies)
            .unwrap_err()
            .contains("more than 262144 bytes")
    );
    let long = Given(BTreeMap::from([(
        Reference::Variable("input".to_owned()),
        json!("x".repeat(MAX_RESULT)),
    )]));
    let twice = Expression::parse("input + input").unwrap();
    assert!(twice.evaluate(&long).unwrap_err().contains("the most"));
}

#[test]
fn what_is_not_offered_is_refused_when_it_is_read() {
    for (source, part) in [
        ("steps", "stands alone"),
        ("steps['text']", "stands alone"),
        ("size(steps)", "stands alone"),
        ("has(steps.text)", "always true"),
        ("timestamp('2024-01-01T00:00:00Z')", "no function timestamp"),
        ("uint(1)", "no function uint"),
        ("input.replace('a', 'b')", "no function replace"),
        ("Thing{a: 1}", "object of a type"),
        ("b'ab'", "bytes"),
        ("[1].map(steps, steps)", "variable that is called steps"),
        ("1 +", "${1 +}"),
        ("", "${}"),
        ("a ? b", "${a ? b}"),
    ] {
        let wrong = Expression::parse(source).unwrap_err();
        assert!(wrong.what.contains(part), "{source}: {wrong:?}");
        assert!(!wrong.remedy.is_empty());
    }
}

#[test]
fn what_it_refers_to_is_known() {
    let read = Expression::parse("steps.a.b + input + [1].map(x, x + steps.c)[0] + y").unwrap();
    let names: Vec<_> = read.references().map(Reference::called).collect();
    assert_eq!(names, ["steps.a", "steps.c", "input", "y"]);
}

/// The largest that may be written, nested in each way there is: on the stack that a thread of the node has.
#[test]
fn nesting_ends_in_an_error_and_not_on_the_stack() {
    let most = aion_abi::steps::MAX_EXPRESSION;
    let nested = |count: usize, [open, middle, close]: [&str; 3]| {
        [&open.repeat(count), middle, &close.repeat(count)].concat()
    };
    let forms = [
        ["(", "1", ")"],
        ["[", "1", "]"],
        ["{1:", "1", "}"],
        ["!", "true", ""],
        ["-", "1", ""],
        ["1+", "1", ""],
        ["1?1:", "1", ""],
        ["", "a", ".b"],
        ["", "a", "[0]"],
        ["", "a", ".f()"],
        ["size(", "1", ")"],
        ["a&&", "a", ""],
        ["[1].map(x,", "1", ")"],
        ["a<", "1", ""],
    ];
    let longest = forms.map(|form| {
        let [open, middle, close] = form.map(str::len);
        nested((most - middle) / (open + close), form)
    });
    let deepest = forms.map(|form| nested(usize::from(MAX_DEPTH), form));
    let all = longest.into_iter().chain(deepest);
    let thread = std::thread::Builder::new().stack_size(2 * 1024 * 1024);
    let read = thread.spawn(move || {
        for source in all {
            if let Ok(read) = Expression::parse(&source) {
                let _ = read.evaluate(&Given(BTreeMap::new()));
            }
        }
    });
    read.unwrap().join().unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_text_makes_it_panic(source in r#"[a-z0-9 .()\[\]{}'"?:!&|+*/%<>=,\\$_-]{0,60}"#) {
        if let Ok(read) = Expression::parse(&source) {
            let _ = read.evaluate(&given());
        }
    }

    #[test]
    fn words_of_the_language_do_not_either(words in proptest::collection::vec(
        proptest::sample::select(vec![
            "steps.found", "steps.found.items", "steps.text", "input", ".map(it, ", ".filter(it, ", "it", ")", "(", "[", "]",
            " + ", " - ", " == ", " ? ", " : ", "1", "-1", "2.5", "'a'", "null", "true", ".size()", ".join('')", "{", "}", ",",
            " in ", "has(", ".n", "[0]", "string(", "int(", "!", " && ", " || ", " % ", " / ", ".substring(1)", ".slice(0, 9)",
            ".sum()", ".sort()", ".indexOf('a')", ".charAt(0)", ".split('')", ".flatten()", ".reverse()", "double(", ".min()",
        ]), 0..12)) {
        let source = words.concat();
        if let Ok(read) = Expression::parse(&source) {
            let _ = read.evaluate(&given());
        }
    }
}
