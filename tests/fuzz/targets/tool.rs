//! As in `node-agent/drivers/src/tool`: what is pure of it.

#[path = "../../../node-agent/drivers/src/tool/body.rs"]
mod body;
#[path = "../../../node-agent/drivers/src/tool/message.rs"]
mod message;
#[path = "../../../node-agent/drivers/src/tool/reader.rs"]
mod reader;

use rmcp::model::ServerJsonRpcMessage;
use serde::Deserialize;
use serde_json::Value;

use body::{Body, Part};
use reader::Reader;

const LONGEST: usize = 64 * 1024;

fn of_pipe<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Vec<Value> {
    let mut reader = Reader::new(LONGEST);
    pieces.for_each(|piece| reader.push(piece));
    reader.end();
    std::iter::from_fn(|| reader.next()).collect()
}

fn of_body<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Part>, String) {
    let mut body = Body::new(LONGEST);
    pieces.for_each(|piece| body.push(piece));
    body.end();
    let parts = std::iter::from_fn(|| body.next()).collect();
    (parts, body.odd().to_owned())
}

/// An answer or a request is one that somebody can be told of; a notification of no known form is passed over.
fn is_known(message: &Value) {
    if message
        .get("id")
        .is_some_and(|id| id.is_string() || id.is_i64())
    {
        let read = ServerJsonRpcMessage::deserialize(message);
        assert!(read.is_ok(), "{message}: {read:?}");
    }
}

pub(super) fn fuzz(data: &[u8]) {
    let Some((at, bytes)) = data.split_first() else {
        return;
    };
    let size = usize::from(*at).max(1);
    let whole = of_pipe(std::iter::once(bytes));
    assert_eq!(of_pipe(bytes.chunks(size)), whole, "in pieces of {size}");
    whole.iter().for_each(is_known);
    let whole = of_body(std::iter::once(bytes));
    assert_eq!(of_body(bytes.chunks(size)), whole, "in pieces of {size}");
    for part in &whole.0 {
        if let Part::Event { messages, .. } = part {
            messages.iter().for_each(is_known);
        }
    }
}
