//! What HTTP bodies hold, in the shapes of public reports, and wherever they are cut.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn read(pieces: &[&[u8]]) -> (Vec<Part>, String) {
    let mut body = Body::new(4096);
    for piece in pieces {
        body.push(piece);
    }
    body.end();
    let parts = std::iter::from_fn(|| body.next()).collect();
    (parts, body.odd().to_owned())
}

fn said(bytes: &[u8]) -> Vec<Value> {
    let messages = |part| match part {
        Part::Event { messages, .. } => messages,
        Part::TooLong(_) => Vec::new(),
    };
    read(&[bytes]).0.into_iter().flat_map(messages).collect()
}

#[test]
fn a_message_is_found_in_whatever_it_comes() {
    let is = json!({"jsonrpc": "2.0", "id": 1, "result": {"a": 1}});
    let text = r#"{"id":1,"result":{"a":1}}"#;
    for body in [
        text.to_owned(),
        format!("\u{feff}{text}"),
        format!("\r\n\r\n  {text}\n"),
        format!("[{text}]"),
        "{\n  \"id\": 1,\n  \"result\": {\n    \"a\": 1\n  }\n}".to_owned(),
        format!("{{\"level\":\"info\"}}\n{text}\n"),
        format!("data: {text}\n\n"),
        format!("\u{feff}data:{text}\n\n"),
        format!("event: message\rdata: {text}\r\r"),
        format!("event: error\ndata: {text}\n\n"),
        format!("id: 1\nevent: result\nid: 2\ndata: {text}"),
        format!(": wait\n\ndata:\n\nevent: ping\ndata: now\n\ndata: {text}\ndata: [DONE]\n\n"),
        "data: {\"id\":1,\ndata:  \"result\":{\"a\":1}}\n\n".to_owned(),
        format!("retry: soon\nno field\ndata: {text}\n\n"),
        format!("ready\n{text}\n"),
    ] {
        assert_eq!(said(body.as_bytes()), std::slice::from_ref(&is), "{body:?}");
    }
}

#[test]
fn an_event_without_a_message_has_an_id_to_go_on_from() {
    let event = |messages, id: &str, retry| Part::Event {
        messages,
        id: Some(id.to_owned()),
        retry,
    };
    let (parts, odd) = read(&[b"id: 7\nretry: 100\ndata:\n\nid: 8\ndata: soon\n\n"]);
    let expected = [
        event(Vec::new(), "7", Some(100)),
        event(Vec::new(), "8", None),
    ];
    assert_eq!((parts.as_slice(), odd.as_str()), (&expected[..], "soon"));
}

#[test]
fn what_is_no_message_is_told() {
    let (parts, odd) = read(&[b"<html><title>Sign in</title><p>to the mill &amp; the weir"]);
    assert_eq!(
        (parts.len(), odd.as_str()),
        (0, "Sign in to the mill & the weir")
    );
    assert_eq!(read(&[b"{\"detail\": \"no\"}"]).1, "{\"detail\": \"no\"}");
    assert_eq!(read(&[b"Not Found"]).1, "Not Found");
}

#[test]
fn what_is_too_long_is_told_and_what_follows_is_read() {
    let long = "x".repeat(9000);
    let whole = format!("{{\"id\":1,\"result\":\"{long}\"}}");
    assert_eq!(read(&[whole.as_bytes()]).0, [Part::TooLong(whole.len())]);
    let after = format!("data: {whole}\n\ndata: {{\"id\":2,\"result\":{{}}}}\n\n");
    let pieces: Vec<&[u8]> = after.as_bytes().chunks(700).collect();
    let (parts, _) = read(&pieces);
    assert!(
        matches!(parts[0], Part::TooLong(bytes) if bytes > 9000),
        "{parts:?}"
    );
    assert!(
        matches!(&parts[1], Part::Event { messages, .. } if messages[0]["id"] == 2),
        "{parts:?}"
    );
}

/// A message, and how its body is written.
fn bodies() -> impl Strategy<Value = (Vec<Value>, Vec<u8>)> {
    let text = proptest::collection::vec(any::<char>(), 0..12)
        .prop_map(|all| all.into_iter().collect::<String>());
    let event = (text, 0..7_usize);
    (
        proptest::collection::vec(event, 0..12),
        prop::sample::select(vec!["\n", "\r\n", "\r"]),
        any::<bool>(),
    )
        .prop_map(|(events, line, bom)| {
            let mut bytes = if bom { BOM.to_vec() } else { Vec::new() };
            let mut messages = Vec::new();
            for (id, (text, form)) in events.into_iter().enumerate() {
                let message = json!({"jsonrpc": "2.0", "id": id, "result": {"said": text}});
                let said = message.to_string();
                let written = match form {
                    0 => format!("data:{said}{line}{line}"),
                    1 => format!(": wait{line}{line}data: {said}{line}{line}"),
                    2 => format!("id: 7{line}event: message{line}data: {said}{line}{line}"),
                    3 => format!("data: {said}{line}"),
                    4 => {
                        let (head, tail) = said.split_at(1);
                        format!("data: {head}{line}data: {tail}{line}{line}")
                    }
                    5 => format!("data: [{said}]{line}{line}"),
                    _ => format!(
                        "retry: 10{line}{line}{line}event: error{line}data: {said}{line}{line}"
                    ),
                };
                bytes.extend_from_slice(written.as_bytes());
                messages.push(message);
            }
            (messages, bytes)
        })
}

proptest! {
    #[test]
    fn a_body_says_the_same_wherever_it_is_cut(
        (expected, bytes) in bodies(),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        at.extend([0, bytes.len()]);
        at.sort_unstable();
        let pieces: Vec<&[u8]> = at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
        prop_assert_eq!(read(&pieces), read(&[&bytes]));
        prop_assert_eq!(said(&bytes), expected);
    }

    #[test]
    fn any_bytes_are_read_without_harm(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        read(&[&bytes]);
    }
}
