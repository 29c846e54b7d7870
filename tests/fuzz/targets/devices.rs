//! What devices send and are sent: any bytes come to what stands in them, or to a reason that prints; no value breaks out of
//! the JSON that it is filled into.
#![no_main]
#![allow(dead_code, unused_imports)]

#[path = "../../../crates/device/src/payload/mod.rs"]
mod payload;
#[path = "../../../crates/device/src/template.rs"]
mod template;

use libfuzzer_sys::fuzz_target;
use payload::{Found, Unread, Wanted};
use serde_json::Value as Json;
use template::{Filler, Template};

/// A byte that no UTF-8 has stands between what a resource says and what a device does.
const BETWEEN: u8 = 0xff;

fuzz_target!(|data: &[u8]| {
    let mut parts = data.splitn(2, |byte| *byte == BETWEEN);
    let (ours, theirs) = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    let Ok(ours) = std::str::from_utf8(ours) else {
        return;
    };
    read(ours, theirs);
    if let Ok(theirs) = std::str::from_utf8(theirs) {
        fill(ours, theirs);
    }
});

/// What is found at pointers is what a whole reader of JSON has there.
fn read(pointers: &str, payload: &[u8]) {
    let text = match payload::text(payload) {
        Ok(text) => text,
        Err(why) => return prints(&why),
    };
    scalar(&Found::Text(text.into()));
    let mut wanted = Wanted::default();
    let added: Vec<(usize, &str)> = pointers
        .lines()
        .filter_map(|it| Some((wanted.add(it).ok()?, it)))
        .collect();
    let found = match payload::scalars(text, &wanted) {
        Ok(found) => found,
        Err(why) => return prints(&why),
    };
    found.iter().flatten().for_each(scalar);
    let Ok(whole) = serde_json::from_str::<Json>(text) else {
        return;
    };
    for (number, pointer) in added {
        let same = match (whole.pointer(pointer), &found[number]) {
            (None, None) | (Some(Json::Null), Some(Found::Null)) => true,
            (Some(Json::Bool(is)), Some(Found::Boolean(it))) => is == it,
            (Some(Json::Number(is)), Some(Found::Integer(it))) => is.as_i64() == Some(*it),
            (Some(Json::Number(is)), Some(Found::Number(it))) => {
                is.as_i64().is_none() && is.as_f64() == Some(*it)
            }
            (Some(Json::String(is)), Some(Found::Text(it))) => is == it,
            (Some(Json::Array(_) | Json::Object(_)), Some(Found::Compound(_))) => true,
            _ => false,
        };
        assert!(
            same,
            "{pointer}: {:?} {:?}",
            whole.pointer(pointer),
            found[number]
        );
    }
}

fn scalar(found: &Found<'_>) {
    if let Err(why) = found.boolean() {
        prints(&why);
    }
    match found.number() {
        Ok(number) => assert!(number.is_finite()),
        Err(why) => prints(&why),
    }
    match found.integer() {
        #[allow(clippy::cast_precision_loss)]
        Ok(integer) => assert_eq!(found.number(), Ok(integer as f64)),
        Err(why) => prints(&why),
    }
    if let Err(why) = found.text() {
        prints(&why);
    }
}

fn prints(why: &Unread) {
    assert!(
        why.as_str().len() < 600 && !why.as_str().contains(char::is_control),
        "{why:?}"
    );
}

/// What is JSON with a harmless value is JSON with any.
fn fill(template: &str, value: &str) {
    let Ok(template) = Template::payload(template) else {
        return;
    };
    let filled =
        |filler: Filler<'static>| template.fill(|_| Some(filler.clone())).unwrap_or_default();
    let text = filled(Filler::Text(value.to_owned().into()));
    if !template.is_json() {
        return;
    }
    let harmless = filled(Filler::Text("x".into()));
    if serde_json::from_str::<Json>(&harmless).is_ok() {
        assert!(serde_json::from_str::<Json>(&text).is_ok(), "{text}");
        let number = filled(Filler::Literal("-1.5".into()));
        assert!(serde_json::from_str::<Json>(&number).is_ok(), "{number}");
    }
}
