//! What servers in use send beside the norm, one row a shape, and what comes of it. The bytes are in our own
//! words. Each row is read by the driver from a server, and once more cut at every byte.
#![allow(clippy::unwrap_used, clippy::panic)]

use aion_abi::syscall::model::{ChatEvent, ChatRequest, Finish, ToolSpec};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    answer::Answer,
    chunk::Chunk,
    conformance::{candidate, heard, impatient, openai, question},
    frames::{Frame, Frames},
    names::Names,
    scripted::{Reply, Server},
};

/// What comes of an answer.
#[derive(Debug, PartialEq)]
enum Outcome {
    /// Its text and its calls (name and arguments), and why it ended.
    Good(
        &'static str,
        &'static [(&'static str, &'static str)],
        Finish,
    ),
    /// A problem that says this.
    Broken(&'static str),
}
use Outcome::{Broken, Good};

/// A chunk with this delta.
macro_rules! delta {
    ($delta:literal) => {
        concat!(
            "data: {\"choices\":[{\"index\":0,\"delta\":",
            $delta,
            ",\"finish_reason\":null}]}\n\n"
        )
    };
}
/// The last chunk.
macro_rules! ends {
    ($reason:literal) => {
        concat!(
            "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"",
            $reason,
            "\"}]}\n\n"
        )
    };
}
const DONE: &str = "data: [DONE]\n\n";
/// Name, bytes in parts, outcome.
type Row = (&'static str, &'static [&'static str], Outcome);

mod calls;
mod refused;
mod text;

use calls::CALLS;
use text::TEXT;

fn asked() -> ChatRequest {
    let tool = |name: &str| ToolSpec {
        name: name.into(),
        description: String::new(),
        parameters: json!({}),
    };
    ChatRequest {
        tools: vec![tool("weir.height"), tool("weir.gate")],
        ..question("How high is it?")
    }
}

fn outcome_is(events: &[ChatEvent], outcome: &Outcome, what: &str) {
    let mut text = String::new();
    let mut calls = Vec::new();
    for event in events {
        match event {
            ChatEvent::Delta { text: more } => text.push_str(more),
            ChatEvent::Withdrawn => text.clear(),
            ChatEvent::ToolCall(call) => {
                assert!(!call.id.is_empty(), "{what}");
                calls.push((call.name.as_str(), call.arguments.as_str()));
            }
            _ => {}
        }
    }
    match (outcome, events.last()) {
        (Good(said, called, why), Some(ChatEvent::End { finish, .. })) => {
            assert_eq!(
                (text.as_str(), calls.as_slice(), *finish),
                (*said, *called, *why),
                "{what}"
            );
        }
        (Broken(why), Some(ChatEvent::Error(problem))) => {
            assert!(problem.detail.contains(why), "{what}: {problem}");
        }
        (_, last) => panic!("{what}: {last:?}"),
    }
}

#[tokio::test]
async fn shapes_that_servers_send_come_to_what_they_mean() {
    let server = Server::start().await;
    for (what, parts, outcome) in TEXT.iter().chain(CALLS) {
        // A driver of its own: what one row teaches is not known in the next.
        let driver = openai(impatient());
        server.replies("m", [Reply::Raw(parts.concat())]);
        let (events, _) = heard(&driver, &[candidate(&server.url, "m")], asked()).await;
        outcome_is(&events, outcome, what);
        let crlf = parts.concat().replace('\n', "\r\n");
        server.replies("m", [Reply::Raw(crlf)]);
        let driver = openai(impatient());
        let (events, _) = heard(&driver, &[candidate(&server.url, "m")], asked()).await;
        outcome_is(&events, outcome, &format!("{what}, with CRLF"));
    }
}

/// The events of a row's bytes in these pieces, without a server.
fn read(pieces: &[&[u8]]) -> Vec<ChatEvent> {
    let mut frames = Frames::new();
    let mut answer = Answer::new(Names::of(&asked()), 1, false);
    let mut events = Vec::new();
    let mut ended = false;
    for piece in pieces {
        frames.push(piece);
    }
    frames.end();
    while let Some(frame) = frames.next() {
        let chunk = match frame {
            Ok(Frame::Data(value)) => Chunk::read(&value).unwrap_or_default(),
            Ok(Frame::Error(text)) => Chunk::failed(text),
            Ok(Frame::Done) => Chunk::done(),
            Err(why) => panic!("{why}"),
        };
        ended |= chunk.done;
        match answer.take(chunk) {
            Ok(more) => events.extend(more),
            Err(problem) => {
                events.push(ChatEvent::Error(problem));
                return events;
            }
        }
        if ended {
            break;
        }
    }
    if !answer.is_finished() {
        return events;
    }
    match answer.finish() {
        Ok(more) => events.extend(more),
        Err(problem) => events.push(ChatEvent::Error(problem)),
    }
    events
}

/// Without the ids that are made where a server gives none.
fn plain(events: &[ChatEvent]) -> Value {
    let mut told = serde_json::to_value(events).unwrap();
    for event in told.as_array_mut().into_iter().flatten() {
        if event["event"] == "toolCall" {
            event["id"] = Value::Null;
        }
    }
    told
}

proptest! {
    #[test]
    fn any_cut_of_a_stream_gives_the_same_answer(
        row in 0..TEXT.len() + CALLS.len(),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..60),
    ) {
        let (what, parts, _) = TEXT.iter().chain(CALLS).nth(row).unwrap();
        let bytes = parts.concat().into_bytes();
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        at.extend([0, bytes.len()]);
        at.sort_unstable();
        let pieces: Vec<&[u8]> = at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
        prop_assert_eq!(plain(&read(&pieces)), plain(&read(&[&bytes])), "{}", what);
    }
}
