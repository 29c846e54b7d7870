//! Model servers with habits of their own, asked through the gateway: what a client hears is right, or refused in words.

#![allow(clippy::unwrap_used)]

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
};

use aion_testkit::{FakeModel, Reply, until};
use serde_json::{Value, json};

use crate::{
    door::{BOUND, Door, body},
    models::lend,
};

/// What a server sends of an answer: a status, and its body.
fn answer(request: &Value) -> (u16, String) {
    let question = request["messages"][0]["content"].as_str().unwrap();
    let stream = |chunks: &[&str]| {
        let frames = chunks.iter().map(|it| format!("data: {it}\n\n"));
        (200, frames.collect::<String>())
    };
    match question {
        "null" => stream(&[
            r#"{"choices": null}"#,
            "null",
            r#"{"choices": [{"delta": {"content": "Fe"}, "finish_reason": ""}]}"#,
            r#"{"choices": [{"delta": {"content": "lix"}, "finish_reason": ""}]}"#,
            r#"{"choices": [{"delta": {}, "finish_reason": "stop"}]}"#,
            r#"{"choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": 4}}"#,
            "[DONE]",
        ]),
        "calls" => stream(&[
            r#"{"choices": [{"delta": {"tool_calls": [{"function": {"name": "level", "arguments": "{\"of\":"}}]}}]}"#,
            r#"{"choices": [{"delta": {"tool_calls": [{"function": {"arguments": "\"weir\"}"}}]}}]}"#,
            r#"{"choices": [{"delta": {}, "finish_reason": "tool_calls"}]}"#,
            "[DONE]",
        ]),
        "think" => stream(&[
            r#"{"choices": [{"delta": {"content": "<think>A cat"}}]}"#,
            r#"{"choices": [{"delta": {"content": "?</think>Felix"}, "finish_reason": "stop"}]}"#,
            "[DONE]",
        ]),
        "tools" if request.get("tools").is_some() => {
            let why = json!({"error": {"message": "oak does not support tools"}});
            (400, why.to_string())
        }
        "tools" => stream(&[
            r#"{"choices": [{"delta": {"content": "Felix"}, "finish_reason": "stop"}]}"#,
            "[DONE]",
        ]),
        "long" => {
            let why = json!({"error": {"message": "maximum context length is 4096 tokens"}});
            (400, why.to_string())
        }
        "format" => {
            let why = json!({"error": {"message": "response_format is not supported here"}});
            (400, why.to_string())
        }
        _ => stream(&["[DONE]"]),
    }
}

/// What a server answers to a request: a status and a body.
type Answers = fn(&Value) -> (u16, String);

/// Listens as a model server that answers so, for as long as the test runs.
pub(crate) fn listen(answers: Answers) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // Who asks something else is not answered.
            thread::spawn(move || serve(stream, answers));
        }
    });
    Ok(address)
}

fn serve(mut stream: TcpStream, answers: Answers) -> anyhow::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut length, mut line) = (0, String::new());
    while reader.read_line(&mut line)? > 2 {
        let head = line.to_lowercase();
        if let Some(it) = head.strip_prefix("content-length: ") {
            length = it.trim().parse()?;
        }
        line.clear();
    }
    let mut sent = vec![0; length];
    reader.read_exact(&mut sent)?;
    let (status, body) = answers(&serde_json::from_slice(&sent)?);
    let kind = if status == 200 {
        "text/event-stream"
    } else {
        "application/json"
    };
    write!(
        stream,
        "HTTP/1.1 {status} it\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )?;
    Ok(())
}

/// Makes the endpoint `odd` of the server at `address`, with these models.
pub(crate) fn endpoint(door: &Door, address: SocketAddr, models: &[&str]) -> anyhow::Result<()> {
    let models: Vec<Value> = models.iter().map(|it| json!({"name": it})).collect();
    let odd = json!({
        "apiVersion": "aion.dev/v1alpha1", "kind": "ModelEndpoint", "metadata": {"name": "odd"},
        "spec": {"baseUrl": format!("http://{address}/v1"), "models": models},
    });
    let path = door.node.path("odd.yaml");
    fs::write(&path, odd.to_string())?;
    door.node
        .aionctl(&["apply", "-f", &path.to_string_lossy()])?;
    Ok(())
}

/// Asks until an instance takes a turn.
pub(crate) fn asked(door: &Door, asked: &Value) -> (u16, String) {
    let ask = || door.post("/v1/chat/completions", "", asked).unwrap();
    until("an instance to take a turn", BOUND, || match ask() {
        (409, answer) => Err(answer),
        answered => Ok(answered),
    })
    .unwrap()
}

#[test]
fn servers_with_habits_of_their_own_are_understood_through_the_gateway() -> anyhow::Result<()> {
    let address = listen(answer)?;
    let model = FakeModel::answering(|_| Reply::text("Nobody asks me."))?;
    let door = Door::open(&model)?;
    endpoint(&door, address, &["oak"])?;
    lend(&door, |text| text.replace("{use: local}", "{use: odd/oak}"))?;
    let ask = |question: &str, more: &Value| {
        let messages = json!([{"role": "user", "content": question}]);
        let mut request = json!({"model": "editor:odd/oak", "messages": messages});
        for (name, value) in more.as_object().into_iter().flatten() {
            request[name] = value.clone();
        }
        asked(&door, &request)
    };
    let tool = json!({"type": "function", "function": {"name": "level", "parameters": {"type": "object"}}});
    let tools = json!({"tools": [tool]});

    let (status, said) = ask("null", &json!({}));
    assert_eq!(status, 200, "{said}");
    let said = body(&said);
    assert_eq!(said["choices"][0]["message"]["content"], "Felix", "{said}");
    assert_eq!(said["choices"][0]["finish_reason"], "stop", "{said}");
    assert_eq!(said["usage"]["total_tokens"], 15, "{said}");
    assert_eq!(said["model"], "odd/oak", "{said}");

    let (_, said) = ask("calls", &tools);
    let said = body(&said);
    let choice = &said["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls", "{said}");
    let call = &choice["message"]["tool_calls"][0];
    assert_eq!(call["function"]["arguments"], r#"{"of":"weir"}"#, "{said}");
    assert_ne!(call["id"].as_str().unwrap(), "", "a result can name it");
    assert_eq!(said["aion"]["estimated"], true, "{said}");

    let (_, said) = ask("think", &json!({}));
    let said = body(&said);
    assert_eq!(said["choices"][0]["message"]["content"], "Felix", "{said}");

    let chosen = json!({"tools": [tool], "tool_choice": "auto"});
    let (_, said) = ask("tools", &chosen);
    let said = body(&said);
    assert_eq!(said["choices"][0]["message"]["content"], "Felix", "{said}");
    assert_eq!(
        said["aion"]["leftOut"],
        json!(["tools", "tool_choice"]),
        "{said}"
    );
    let chosen = json!({"tools": [tool], "tool_choice": "required"});
    let (status, said) = ask("tools", &chosen);
    assert_eq!(status, 502, "a text is no call: {said}");
    let said = said.to_lowercase();
    assert!(said.contains("\r\nx-should-retry: false\r\n"), "{said}");
    assert!(said.contains("takes no tools"), "{said}");
    let (status, said) = ask("long", &json!({}));
    let error = &body(&said)["error"];
    assert_eq!(
        (status, &error["param"]),
        (400, &json!("messages")),
        "{said}"
    );
    assert_eq!(error["code"], "context_length_exceeded", "{said}");

    // What a client builds upon is not left out, and no answer is none.
    let format = json!({"response_format": {"type": "json_object"}});
    for (question, words) in [("format", "response_format"), ("nothing", "odd/oak")] {
        let (status, said) = ask(question, &format);
        assert_eq!(status, 502, "{said}");
        let error = &body(&said)["error"];
        assert_eq!(error["code"], "upstream-failed", "{said}");
        assert!(error["message"].as_str().unwrap().contains(words), "{said}");
    }
    Ok(())
}
