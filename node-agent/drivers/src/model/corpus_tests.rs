//! What servers in use send beside the norm, and what comes of it: the cases of `tests/corpus/models`. Each is read
//! by the driver from a server, and once more cut at every byte.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{fs, path::Path};

use aion_abi::syscall::model::{ChatEvent, ChatRequest, Finish, ToolSpec};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    answer::Answer,
    chunk::Chunk,
    conformance::{candidate, heard, impatient, openai, question},
    names::Names,
    scripted::{Reply, Server},
};
use crate::wire::{Frame, Frames};

/// A case: what a server sends, and beside it what is right.
struct Case {
    name: String,
    bytes: String,
    outcome: Outcome,
}

/// What comes of an answer: the file beside it.
#[derive(Debug, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Outcome {
    /// A problem that says this.
    Broken { broken: String },
    /// Its text and its calls (name and arguments), why it ended, and tokens in and out where the server counts them.
    Good {
        text: String,
        #[serde(default)]
        calls: Vec<(String, String)>,
        finish: Finish,
        #[serde(default)]
        usage: Option<(u64, u64)>,
    },
}

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/corpus/models");
/// The case of a server that sends nothing odd.
const NORM: &str = "as-the-norm-has-it";

mod refused;

/// The files of a folder that end so: what stands before the end, and the text.
fn files(folder: &Path, end: &str) -> Vec<(String, String)> {
    let named = |entry: std::io::Result<fs::DirEntry>| {
        let path = entry.unwrap().path();
        let name = path.file_name()?.to_str()?.strip_suffix(end)?.to_owned();
        Some((name, fs::read_to_string(&path).unwrap()))
    };
    let mut found: Vec<_> = fs::read_dir(folder).unwrap().filter_map(named).collect();
    found.sort();
    found
}

/// All cases, in the order of their names.
fn cases() -> Vec<Case> {
    let folder = Path::new(CORPUS);
    let case = |(name, bytes): (String, String)| {
        let right = fs::read_to_string(folder.join(format!("{name}.json"))).unwrap();
        let outcome = serde_json::from_str(&right).unwrap_or_else(|why| panic!("{name}: {why}"));
        Case {
            name,
            bytes,
            outcome,
        }
    };
    files(folder, ".sse").into_iter().map(case).collect()
}

fn case(name: &str) -> Case {
    cases().into_iter().find(|it| it.name == name).unwrap()
}

fn asked() -> ChatRequest {
    let tool = |name: &str| ToolSpec {
        strict: None,
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
                calls.push((call.name.clone(), call.arguments.clone()));
            }
            _ => {}
        }
    }
    match (outcome, events.last()) {
        (
            Outcome::Good {
                text: said,
                calls: called,
                finish: why,
                usage: counted,
            },
            Some(ChatEvent::End { finish, usage }),
        ) => {
            if let Some(counted) = counted {
                assert_eq!(
                    (usage.input_tokens, usage.output_tokens),
                    *counted,
                    "{what}"
                );
                assert!(!usage.estimated, "{what}");
            }
            assert_eq!((&text, &calls, finish), (said, called, why), "{what}");
        }
        (Outcome::Broken { broken }, Some(ChatEvent::Error(problem))) => {
            assert!(problem.detail.contains(broken), "{what}: {problem}");
        }
        (_, last) => panic!("{what}: {last:?}"),
    }
}

#[tokio::test]
async fn shapes_that_servers_send_come_to_what_they_mean() {
    let server = Server::start().await;
    for case in cases() {
        for (how, bytes) in [
            ("", case.bytes.clone()),
            (", with CRLF", case.bytes.replace('\n', "\r\n")),
        ] {
            // A driver of its own: what one case teaches is not known in the next.
            let driver = openai(impatient());
            server.replies("m", [Reply::Raw(bytes)]);
            let (events, _) = heard(&driver, &[candidate(&server.url, "m")], asked()).await;
            outcome_is(&events, &case.outcome, &format!("{}{how}", case.name));
        }
        println!("corpus models/{} ... ok", case.name);
    }
}

/// The events of a case's bytes in these pieces, without a server.
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
        case in prop::sample::select(cases().into_iter().map(|it| (it.name, it.bytes)).collect::<Vec<_>>()),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..60),
    ) {
        let (what, bytes) = (case.0, case.1.into_bytes());
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        at.extend([0, bytes.len()]);
        at.sort_unstable();
        let pieces: Vec<&[u8]> = at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
        prop_assert_eq!(plain(&read(&pieces)), plain(&read(&[&bytes])), "{}", what);
    }
}
