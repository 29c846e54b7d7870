//! What hostile and careless payloads come to.
#![allow(clippy::unwrap_used)]

use std::borrow::Cow;

use super::{wanted::MAX_STEPS, *};

fn looking_for(pointers: &[&str]) -> Wanted {
    let mut wanted = Wanted::default();
    for (number, pointer) in pointers.iter().enumerate() {
        assert_eq!(wanted.add(pointer), Ok(number));
    }
    wanted
}

fn text_of(it: &str) -> Found<'static> {
    Found::Text(Cow::Owned(it.to_owned()))
}

#[test]
fn pointers_go_through_objects_and_arrays_in_one_pass() {
    let wanted = looking_for(&[
        "/a", "/b/c", "/l/1", "/l/2/x", "/l/01", "/~1~0", "/b", "/none", "/l/-",
    ]);
    let text = r#"{"a": 1, "skip": [{"a": 2}], "b": {"c": "x\n"}, "l": [0, 2.5, {"x": true}], "/~": null, "a/b": 3}"#;
    let found = scalars(text, &wanted).unwrap();
    let expected = vec![
        Some(Found::Integer(1)),
        Some(text_of("x\n")),
        Some(Found::Number(2.5)),
        Some(Found::Boolean(true)),
        None,
        Some(Found::Null),
        Some(Found::Compound("an object")),
        None,
        None,
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_pointer_that_is_none_is_refused_and_one_that_is_there_has_its_number() {
    let mut wanted = Wanted::default();
    assert_eq!(wanted.add("/a/b"), Ok(0));
    assert_eq!(wanted.add("/a"), Ok(1));
    assert_eq!(wanted.add("/a/b"), Ok(0));
    for pointer in ["", "a", "/a~", "/~2"] {
        assert!(wanted.add(pointer).is_err(), "{pointer}");
    }
}

#[test]
fn of_two_equal_keys_the_last_counts_with_all_below_it() {
    let text = r#"{"a": 1, "b": {"c": 1}, "a": "2", "b": {"d": 3}}"#;
    let found = scalars(text, &looking_for(&["/a", "/b/c", "/b/d"])).unwrap();
    assert_eq!(
        found,
        vec![Some(text_of("2")), None, Some(Found::Integer(3))]
    );
}

#[test]
fn ten_thousand_brackets_are_skipped_beside_and_refused_on_the_way() {
    let (open, close) = ("[".repeat(10_000), "]".repeat(10_000));
    let beside = format!("{{\"deep\": {open}{close}, \"a\": 1}}");
    assert_eq!(
        scalars(&beside, &looking_for(&["/a"])).unwrap(),
        vec![Some(Found::Integer(1))]
    );
    let unfinished = format!("{{\"a\": {open}");
    assert!(scalars(&unfinished, &looking_for(&["/a"])).is_err());
    let most = "/0".repeat(MAX_STEPS);
    assert!(
        scalars(
            &format!("{}1{}", &open[..MAX_STEPS], &close[..MAX_STEPS]),
            &looking_for(&[&most])
        )
        .unwrap()[0]
            .is_some()
    );
    assert!(Wanted::default().add(&"/0".repeat(MAX_STEPS + 1)).is_err());
}

#[test]
fn a_reading_that_is_nan_leaves_the_others_good() {
    let text =
        r#"{"t": nan, "h": -NaN, "l": [inf ,1], "s": "nan, \"nan", "p": 1013.2, "x":Infinity}"#;
    let found = scalars(text, &looking_for(&["/t", "/h", "/l/0", "/s", "/p", "/x"])).unwrap();
    let null = Some(Found::Null);
    assert_eq!(
        found,
        vec![
            null.clone(),
            null.clone(),
            null.clone(),
            Some(text_of("nan, \"nan")),
            Some(Found::Number(1013.2)),
            null
        ]
    );
    for text in [
        "{\"t\": nano}",
        "{nan: 1}",
        "{\"a\": nan",
        "{'a': 1}",
        "{\"a\": 1}}",
        "{\"a\": 1e999}",
        "ON",
    ] {
        assert!(
            scalars(text, &looking_for(&["/a"]))
                .unwrap_err()
                .as_str()
                .starts_with("the message is not JSON"),
            "{text}"
        );
    }
}

#[test]
fn what_programs_leave_around_a_payload_is_taken_off() {
    assert_eq!(text(b"\xef\xbb\xbf 21.5\r\n\0").unwrap(), "21.5");
    assert_eq!(text(b"\0\0").unwrap(), "");
    assert!(text(b"\xff\xfe2\x001\x00").is_err(), "UTF-16");
    assert!(text(&vec![b' '; MAX_PAYLOAD + 1]).is_err());
}

#[test]
fn a_reason_is_short_and_prints() {
    let found = text_of(&"\u{1b}[31m\n".repeat(1000));
    let reason = found.number().unwrap_err();
    assert!(
        reason.as_str().len() < 400 && !reason.as_str().contains(char::is_control),
        "{reason:?}"
    );
}

#[test]
fn whole_numbers_are_whole_and_fit() {
    assert_eq!(text_of("9223372036854775807").integer(), Ok(i64::MAX));
    assert_eq!(Found::Number(20.0).integer(), Ok(20));
    assert_eq!(text_of("1e3").integer(), Ok(1000));
    for found in [
        Found::Number(20.5),
        Found::Number(9.3e18),
        text_of("9223372036854775808"),
        text_of("20,0"),
        text_of("1e999"),
    ] {
        assert!(found.integer().is_err(), "{found:?}");
    }
}
