//! What model servers send beside the norm, through the gateway: each case of `tests/corpus/models`, whole and as a stream, comes
//! to what the driver's own test says it means.

#![allow(clippy::unwrap_used)]

use std::{collections::BTreeMap, fs, path::Path, sync::LazyLock};

use aion_e2e::cluster::root;
use aion_testkit::{FakeModel, Reply};
use serde_json::{Value, json};

use crate::{
    door::{Door, body},
    models::lend,
    quirks::{asked, endpoint, listen},
};

const NORM: &str = "as-the-norm-has-it";
/// Sends words that turn out to be thoughts, which a stream cannot take back.
const WITHDRAWN: &str = "thoughts-whose-beginning-is-in-the-prompt";
/// Models that one Agent may name.
const NAMED: usize = 5;

/// What servers send, and what is right.
static CASES: LazyLock<BTreeMap<String, (String, Value)>> = LazyLock::new(|| {
    let folder = root().join("tests/corpus/models");
    let right = |(name, text): (String, String)| {
        let sent = fs::read_to_string(folder.join(format!("{name}.sse"))).unwrap();
        (name, (sent, serde_json::from_str(&text).unwrap()))
    };
    files(&folder).map(right).collect()
});
/// What servers refuse.
static REFUSALS: LazyLock<BTreeMap<String, Value>> = LazyLock::new(|| {
    let read = |(name, text): (String, String)| (name, serde_json::from_str(&text).unwrap());
    files(&root().join("tests/corpus/models/refusals"))
        .map(read)
        .collect()
});

/// The files of JSON of a folder: their names without the end, and their texts.
fn files(folder: &Path) -> impl Iterator<Item = (String, String)> {
    let named = |entry: std::io::Result<fs::DirEntry>| {
        let path = entry.unwrap().path();
        let name = path
            .file_name()?
            .to_str()?
            .strip_suffix(".json")?
            .to_owned();
        Some((name, fs::read_to_string(&path).unwrap()))
    };
    fs::read_dir(folder).unwrap().filter_map(named)
}

/// Answers as the case does that is asked for.
fn case(request: &Value) -> (u16, String) {
    let name = request["messages"][0]["content"].as_str().unwrap();
    (200, CASES[name].0.clone())
}

/// Refuses as the model that is asked does, for as long as it is sent what it does not take.
fn refusal(request: &Value) -> (u16, String) {
    let refusal = &REFUSALS[request["model"].as_str().unwrap()];
    let without = refusal["without"].as_array().unwrap();
    let sent = |part: &Value| request.get(part.as_str().unwrap()).is_some();
    match without.iter().any(sent) {
        true => {
            let status = refusal["status"].as_u64().unwrap();
            (u16::try_from(status).unwrap(), refusal["body"].to_string())
        }
        false => (200, CASES[NORM].0.clone()),
    }
}

/// A question with the tools that the cases speak of.
fn question(model: &str, content: &str, streams: bool) -> Value {
    let tool = |name: &str| json!({"type": "function", "function": {"name": name, "parameters": {"type": "object"}}});
    json!({
        "model": model, "messages": [{"role": "user", "content": content}],
        "tools": [tool("weir_height"), tool("weir_gate")], "temperature": 0.7, "max_tokens": 99,
        "stream": streams, "stream_options": {"include_usage": true},
    })
}

/// What a client makes of an answer: the shape of a case.
struct Heard {
    status: u16,
    text: String,
    /// Names and arguments.
    calls: Vec<Value>,
    finish: Value,
    error: Value,
    usage: Value,
    left_out: Value,
}

/// Reads an answer as clients do, chunk by chunk where it is a stream.
fn heard((status, answer): (u16, String)) -> Heard {
    let mut heard = Heard {
        status,
        text: String::new(),
        calls: Vec::new(),
        finish: Value::Null,
        error: Value::Null,
        usage: Value::Null,
        left_out: Value::Null,
    };
    let is_stream = answer
        .to_lowercase()
        .contains("\r\ncontent-type: text/event-stream");
    let events: Vec<Value> = match is_stream {
        true => {
            let lines = answer.lines().filter_map(|it| it.strip_prefix("data: "));
            let lines: Vec<&str> = lines.collect();
            assert_eq!(lines.last(), Some(&"[DONE]"), "{answer}");
            let lines = lines.iter().filter(|it| **it != "[DONE]");
            lines.map(|it| serde_json::from_str(it).unwrap()).collect()
        }
        false => vec![body(&answer)],
    };
    for event in events {
        let choice = &event["choices"][0];
        let said = match is_stream {
            true => &choice["delta"],
            false => &choice["message"],
        };
        heard.text += said["content"].as_str().unwrap_or_default();
        for call in said["tool_calls"].as_array().into_iter().flatten() {
            assert!(!call["id"].as_str().unwrap().is_empty(), "{event}");
            assert_eq!(call["type"], "function", "{event}");
            let at = call["index"].as_u64().unwrap_or(heard.calls.len() as u64);
            assert_eq!(at, heard.calls.len() as u64, "calls come whole: {event}");
            let function = &call["function"];
            heard
                .calls
                .push(json!([function["name"], function["arguments"]]));
        }
        for (kept, given) in [
            (&mut heard.finish, &choice["finish_reason"]),
            (&mut heard.error, &event["error"]),
            (&mut heard.usage, &event["usage"]),
            (&mut heard.left_out, &event["aion"]["leftOut"]),
        ] {
            if !given.is_null() {
                *kept = given.clone();
            }
        }
    }
    heard
}

/// Whether a client heard what a case means.
fn is_right(heard: &Heard, right: &Value, what: &str) {
    if let Some(words) = right["broken"].as_str() {
        let said = heard.error["message"].as_str().unwrap_or_default();
        assert!(said.contains(words), "{what}: {:?}", heard.error);
        assert_eq!(heard.error["code"], "upstream-failed", "{what}");
        return;
    }
    assert_eq!((heard.status, &heard.error), (200, &Value::Null), "{what}");
    let text = right["text"].as_str().unwrap();
    match what.starts_with(WITHDRAWN) {
        true => assert!(heard.text.ends_with(text), "{what}: {}", heard.text),
        false => assert_eq!(heard.text, text, "{what}"),
    }
    let calls = right["calls"].as_array().cloned().unwrap_or_default();
    let calls = serde_json::to_string(&calls)
        .unwrap()
        .replace("weir.", "weir_");
    assert_eq!(
        serde_json::to_string(&heard.calls).unwrap(),
        calls,
        "{what}"
    );
    let finish = match right["finish"].as_str().unwrap() {
        "tool-calls" => "tool_calls",
        "length" => "length",
        _ => "stop",
    };
    assert_eq!(heard.finish, finish, "{what}");
    let used = |of: &str| heard.usage[of].as_u64().unwrap_or_default();
    if let Some(counted) = right.get("usage") {
        let told = json!([used("prompt_tokens"), used("completion_tokens")]);
        assert_eq!(*counted, told, "{what}");
    }
    let total = used("prompt_tokens") + used("completion_tokens");
    assert!(
        total > 0 && used("total_tokens") == total,
        "{what}: {}",
        heard.usage
    );
}

#[test]
fn what_servers_send_comes_to_what_it_means_whole_and_as_a_stream() -> anyhow::Result<()> {
    let model = FakeModel::answering(|_| Reply::text("Nobody asks me."))?;
    let door = Door::open(&model)?;
    endpoint(&door, listen(case)?, &["oak"])?;
    lend(&door, |text| {
        let text = text.replace("tokensPerHour: 500000", "tokensPerHour: 5000000");
        text.replace("{use: local}", "{use: odd/oak}")
    })?;
    assert!(CASES.len() > 50, "{}", CASES.len());
    for (name, (_, right)) in &*CASES {
        for streams in [false, true] {
            let answer = asked(&door, &question("editor:odd/oak", name, streams));
            is_right(&heard(answer), right, &format!("{name}, stream: {streams}"));
        }
        println!("corpus models/{name} ... ok");
    }
    Ok(())
}

#[test]
fn what_servers_do_not_take_is_left_out_and_said_whole_and_as_a_stream() -> anyhow::Result<()> {
    let model = FakeModel::answering(|_| Reply::text("Nobody asks me."))?;
    let door = Door::open(&model)?;
    let names: Vec<&str> = REFUSALS.keys().map(String::as_str).collect();
    endpoint(&door, listen(refusal)?, &names)?;
    for some in names.chunks(NAMED) {
        let mut models = some.iter().map(|it| format!("odd/{it}"));
        let first = models.next().unwrap();
        let others: Vec<String> = models.collect();
        let named = format!("{{use: {first}, fallback: [{}]}}", others.join(", "));
        lend(&door, |text| text.replace("{use: local}", &named))?;
        for name in some {
            // It is learned by the first, and known by the second.
            for streams in [true, false] {
                let asked = asked(
                    &door,
                    &question(&format!("editor:odd/{name}"), "How high?", streams),
                );
                let heard = heard(asked);
                is_right(&heard, &CASES[NORM].1, name);
                let without = REFUSALS[*name]["without"].as_array().unwrap();
                // How figures are asked for is the node's own business.
                let told = without.iter().filter(|it| **it != "stream_options");
                let told: Vec<&Value> = told.collect();
                let left_out = heard.left_out.as_array().into_iter().flatten();
                assert_eq!(left_out.collect::<Vec<_>>(), told, "{name}");
            }
            println!("corpus models/refusals/{name} ... ok");
        }
    }
    Ok(())
}
