//! The fake model speaks the protocol of the real ones, and fails like them.

use std::{io::Read, time::Duration};

use aion_testkit::{FakeModel, Reply};
use reqwest::blocking::{Client, Response};
use serde_json::{Value, json};

fn chat(model: &FakeModel, stream: bool) -> reqwest::Result<Response> {
    Client::new()
        .post(format!("{}/chat/completions", model.base_url()))
        .bearer_auth("key")
        .json(&json!({
            "model": "local/fake",
            "messages": [{"role": "user", "content": "what is on today"}],
            "stream": stream,
            "stream_options": {"include_usage": true},
        }))
        .send()
}

/// The `data:` of each event; what came before a cut, if there was one.
fn events(mut response: Response) -> (Vec<String>, bool) {
    let mut bytes = Vec::new();
    let whole = response.read_to_end(&mut bytes).is_ok();
    let text = String::from_utf8(bytes).unwrap();
    (
        text.lines()
            .filter_map(|line| line.strip_prefix("data: "))
            .map(str::to_owned)
            .collect(),
        whole,
    )
}

#[test]
fn a_text_is_the_same_whole_and_streamed() {
    let text = "Nothing at all,  really.\nEnjoy it.";
    let model = FakeModel::scripted([Reply::text(text), Reply::text(text)]).unwrap();
    let whole: Value = chat(&model, false).unwrap().json().unwrap();
    assert_eq!(whole["choices"][0]["message"]["content"], text);
    assert_eq!(whole["choices"][0]["finish_reason"], "stop");

    let (mut events, _) = events(chat(&model, true).unwrap());
    assert_eq!(events.pop().as_deref(), Some("[DONE]"));
    let chunks: Vec<Value> = events
        .iter()
        .map(|e| serde_json::from_str(e).unwrap())
        .collect();
    let streamed: String = chunks
        .iter()
        .filter_map(|c| c["choices"][0]["delta"]["content"].as_str())
        .collect();
    assert_eq!(streamed, text);
    let usage = &chunks.last().unwrap()["usage"];
    assert_eq!(usage, &whole["usage"]);
    assert_eq!(usage["prompt_tokens"], 4);

    let requests = model.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0].authorization.as_deref(), Some("Bearer key"));
    assert_eq!(requests[0].body["model"], "local/fake");
}

#[test]
fn a_streamed_tool_call_arrives_in_fragments_that_are_the_whole_call() {
    let call = || Reply::call("calendar.read", json!({"day": "today", "näh": [1, 2]}));
    let model = FakeModel::scripted([call(), call()]).unwrap();
    let whole: Value = chat(&model, false).unwrap().json().unwrap();
    let expected = &whole["choices"][0]["message"]["tool_calls"][0]["function"];
    assert_eq!(expected["name"], "calendar.read");

    let (events, _) = events(chat(&model, true).unwrap());
    let mut arguments = String::new();
    for event in events.iter().filter(|event| *event != "[DONE]") {
        let chunk: Value = serde_json::from_str(event).unwrap();
        let function = &chunk["choices"][0]["delta"]["tool_calls"][0]["function"];
        arguments.push_str(function["arguments"].as_str().unwrap_or_default());
    }
    assert_eq!(arguments, expected["arguments"].as_str().unwrap());
}

#[test]
fn an_error_and_the_end_of_the_script_are_answered_with_their_status() {
    let limited = Reply::Error {
        status: 429,
        message: "slow down".to_owned(),
    };
    let model = FakeModel::scripted([limited]).unwrap();
    let answer = chat(&model, true).unwrap();
    assert_eq!(answer.status(), 429);
    assert!(answer.text().unwrap().contains("slow down"));
    assert_eq!(chat(&model, false).unwrap().status(), 500);
}

#[test]
fn a_cut_stream_ends_without_its_end() {
    let cut = || Reply::Cut {
        text: "one two three".to_owned(),
        words: 2,
    };
    let model = FakeModel::answering(move |_| cut()).unwrap();
    let (events, whole) = events(chat(&model, true).unwrap());
    assert!(!whole, "{events:?}");
    assert!(events.last().unwrap().contains("two "), "{events:?}");
    chat(&model, false)
        .unwrap()
        .json::<Value>()
        .expect_err("half a body");
}

#[test]
fn a_slow_model_answers_in_the_end() {
    let slow = Reply::After(
        Duration::from_millis(20),
        Box::new(Reply::Paced {
            text: "a b".to_owned(),
            pause: Duration::from_millis(5),
        }),
    );
    let model = FakeModel::scripted([slow]).unwrap();
    let (events, whole) = events(chat(&model, true).unwrap());
    assert!(
        whole && events.iter().any(|event| event.contains("\"b\"")),
        "{events:?}"
    );
}

#[test]
fn embeddings_come_one_a_text() {
    let model = FakeModel::scripted([]).unwrap();
    let ask = |input: Value| -> Value {
        let url = format!("{}/embeddings", model.base_url());
        let body = json!({"model": "fake", "input": input});
        Client::new()
            .post(url)
            .json(&body)
            .send()
            .unwrap()
            .json()
            .unwrap()
    };
    let answer = ask(json!(["a house", "a mouse"]));
    let data = answer["data"].as_array().unwrap();
    assert_eq!(data.len(), 2);
    assert_ne!(data[0]["embedding"], data[1]["embedding"]);
    assert_eq!(
        ask(json!("a house"))["data"][0]["embedding"],
        data[0]["embedding"]
    );
}
