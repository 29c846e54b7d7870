//! Programs that ask through the gateway: OpenAI's own client, MCP's, and whoever speaks HTTP.

#![allow(clippy::unwrap_used)]

mod a2a;
mod a2a_approvals;
mod a2a_kit;
mod a2a_scripts;
mod budgets;
mod corpus;
mod described;
mod door;
mod embeddings;
mod events;
mod external;
mod frameworks;
mod keys;
mod load;
mod looks;
mod mcp;
mod mcp_approvals;
mod mcp_resources;
mod models;
mod openai;
mod openai_js;
mod push;
mod quirks;
mod sdk;
mod sdk_events;
mod sdk_ts;
mod typed;

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    sync::mpsc,
};

use aion_e2e::cluster::root;
use aion_testkit::{FakeModel, Reply, until};
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::door::{BOUND, Door, apply, body, trust};

#[test]
fn rest_tells_agents_and_turns_and_one_key_is_one_turn() -> anyhow::Result<()> {
    let model = FakeModel::answering(|_| Reply::text("Felix."))?;
    let door = Door::open(&model)?;
    let (_, listed) = door.get("/v1/agents")?;
    let agents = body(&listed);
    assert_eq!(agents["items"][0]["name"], "jarvis", "{agents}");
    assert_eq!(agents["items"][0]["ready"], true, "{agents}");
    let tag = listed.to_lowercase();
    let tag = tag
        .lines()
        .find_map(|it| it.strip_prefix("etag: "))
        .unwrap();
    let same = format!("\r\nif-none-match: {tag}");
    let (status, _) = door.exchange(&door.head("GET /v1/agents", &same), "")?;
    assert_eq!(status, 304, "{listed}");
    let (_, after) = door.get("/v1/agents?limit=1&after=default/jarvis")?;
    assert_eq!(body(&after), json!({"items": []}));
    let asked = json!({"input": "A name for a cat?"});
    let key = "\r\nidempotency-key: cat-1";
    let (status, first) = door.post("/v1/agents/jarvis/turns", key, &asked)?;
    assert_eq!(status, 200, "{first}");
    let first = body(&first);
    assert_eq!(first["answer"], "Felix.", "{first}");
    let (_, again) = door.post("/v1/agents/jarvis/turns", key, &asked)?;
    assert_eq!(body(&again)["turn"], first["turn"]);
    assert_eq!(model.requests().len(), 1, "it was asked once");
    let turn = first["turn"].as_u64().unwrap();
    let (_, events) = door.get(&format!("/v1/turns/{turn}/events"))?;
    assert!(events.contains("text/event-stream"), "{events}");
    assert!(events.contains(r#""event":"ended""#), "{events}");
    let events = "\r\naccept: text/event-stream";
    let (_, streamed) = door.post("/v1/agents/jarvis/turns", events, &asked)?;
    assert!(streamed.contains(r#""text":"Felix.""#), "{streamed}");
    Ok(())
}

#[test]
fn a_question_that_names_nobody_goes_to_the_agent_that_it_is_for() -> anyhow::Result<()> {
    let model = FakeModel::answering(|_| Reply::text("On page 3."))?;
    let door = Door::open(&model)?;
    let docs = door.node.path("docs");
    fs::create_dir(&docs)?;
    fs::write(docs.join("manual.md"), "# Warranty\n\nTwo years.\n")?;
    let docs = docs.to_string_lossy();
    door.node.aionctl(&["mount", "add", "docs", &docs])?;
    let analyst = root().join("agents/analyst");
    let (digest, key) = door.node.sign(&analyst)?;
    let key =
        json!({"name": "machine", "purpose": "machine", "publicKey": key, "digests": [digest]});
    trust(&door.node, &json!({"inline": "allow", "keys": [key]}))?;
    for path in [analyst.join("agent.yaml"), root().join("agents/librarian")] {
        apply(&door.node, &path)?;
    }
    for (question, name, word) in [
        (
            "Where in my documents is the warranty?",
            "librarian",
            "documents",
        ),
        ("What do you know about earlier tables?", "analyst", "know"),
    ] {
        let (status, answer) = door.post("/v1/ask", "", &json!({"input": question}))?;
        assert_eq!(status, 200, "{answer}");
        let answer = body(&answer);
        assert_eq!(answer["agent"], format!("default/{name}"), "{answer}");
        assert_eq!(answer["routed"]["name"], name, "{answer}");
        assert_eq!(answer["routed"]["because"][0]["word"], word, "{answer}");
        let said = door.node.aionctl(&["route", question])?;
        assert!(
            said.starts_with(&format!("{name}, with confidence ")),
            "{said}"
        );
        assert!(said.contains(word), "{said}");
    }
    let documents = json!({"input": "Where in my documents is the warranty?"});
    let (_, events) = door.post("/v1/ask", "\r\naccept: text/event-stream", &documents)?;
    let first = events.find(r#""event":"routed""#).unwrap();
    assert!(
        first < events.find(r#""event":"queued""#).unwrap(),
        "{events}"
    );
    let named = |answer: &Value, field: &str| {
        assert_eq!(answer["model"], "librarian", "{answer}");
        assert_eq!(answer["aion"]["routed"]["name"], "librarian", "{answer}");
        assert!(answer.to_string().contains("On page 3."), "{answer}");
        assert_eq!(answer["object"], field, "{answer}");
    };
    let chat = |question: &str| {
        let messages = json!([{"role": "user", "content": question}]);
        let asked = json!({"model": "auto", "messages": messages});
        door.post("/v1/chat/completions", "", &asked)
    };
    let question = documents["input"].as_str().unwrap();
    named(&body(&chat(question)?.1), "chat.completion");
    let asked = json!({"model": "auto", "input": question});
    named(
        &body(&door.post("/v1/responses", "", &asked)?.1),
        "response",
    );

    let turns = model.requests().len();
    let (status, back) = door.post("/v1/ask", "", &json!({"input": "A name for a cat?"}))?;
    assert_eq!(status, 422, "{back}");
    assert!(back.contains("application/problem+json"), "{back}");
    let back = body(&back);
    assert_eq!(back["code"], "undecided", "{back}");
    let names = back["candidates"].as_array().unwrap().iter();
    let names: Vec<_> = names.map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["analyst", "jarvis", "librarian"]);
    let (status, back) = chat("A name for a cat?")?;
    assert_eq!(status, 422, "{back}");
    let back = &body(&back)["error"];
    assert_eq!(back["code"], "undecided", "{back}");
    let message = back["message"].as_str().unwrap();
    assert!(message.contains("analyst, jarvis, librarian"), "{back}");
    assert!(door.node.aionctl(&["route", "A name for a cat?"]).is_err());

    let jarvis = fs::read_to_string(root().join("agents/jarvis/agent.yaml"))?;
    let auto = door.node.path("auto.yaml");
    fs::write(&auto, jarvis.replace("name: jarvis", "name: auto"))?;
    apply(&door.node, &auto)?;
    let (status, back) = chat(question)?;
    assert_eq!(status, 422, "{back}");
    assert!(back.contains("name it default/auto"), "{back}");
    assert_eq!(model.requests().len(), turns, "nobody was asked");
    let (_, models) = door.get("/v1/models")?;
    assert!(models.contains(r#""id":"default/auto""#), "{models}");
    Ok(())
}

#[test]
fn what_is_described_is_there_and_nothing_else_is() -> anyhow::Result<()> {
    let model = FakeModel::answering(|_| Reply::text("Felix."))?;
    let door = Door::open(&model)?;
    let (status, document) = door.get("/v1/openapi.json")?;
    assert_eq!(status, 200, "{document}");
    let document = body(&document);
    assert_eq!(document["openapi"], "3.1.0");
    for (path, described) in document["paths"].as_object().unwrap() {
        // No such turn, agent, model or file.
        let at = path.replace("{turn}", "4711").replace("{incarnation}", "1");
        let at = at.replace(['{', '}'], "");
        for method in ["GET", "PUT", "POST", "PATCH", "DELETE"] {
            let is_described = described.get(method.to_lowercase()).is_some();
            let (_, answer) = door.exchange(&door.head(&format!("{method} {at}"), ""), "")?;
            let is_there = !answer.contains("there is nothing at");
            assert_eq!(is_there, is_described, "{method} {at}: {answer}");
        }
    }
    Ok(())
}

#[test]
fn who_may_not_and_what_is_not_there_is_refused_in_words() -> anyhow::Result<()> {
    let model = FakeModel::answering(|_| Reply::text("Felix."))?;
    let door = Door::open(&model)?;
    let good = door.head("GET /v1/agents", "");
    for (head, status, code) in [
        (
            "GET /v1/agents HTTP/1.1\r\nhost: localhost".to_owned(),
            401,
            "bad-signature",
        ),
        (
            good.replace("host: localhost", "host: evil.example"),
            403,
            "denied",
        ),
        (
            format!("{good}\r\norigin: https://evil.example"),
            403,
            "denied",
        ),
        (door.head("GET /v1/nothing", ""), 404, "not-found"),
        (door.head("DELETE /v1/agents", ""), 404, "not-found"),
        (door.head("GET /v1/agents/%2e%2e", ""), 400, "bad-request"),
        (door.head("GET /v1/turns/4711", ""), 404, "not-found"),
        (door.head("GET /v1/turns/abc", ""), 400, "bad-request"),
        (door.head("GET /v1/agents?limit=-1", ""), 400, "bad-request"),
        (
            door.head("POST /v1/agents/jarvis/uploads", ""),
            400,
            "bad-request",
        ),
        (
            door.head(
                "POST /v1/agents/jarvis/turns",
                "\r\ncontent-type: application/json\r\ncontent-length: 104857600",
            ),
            413,
            "too-large",
        ),
    ] {
        let (said, answer) = door.exchange(&head, "")?;
        assert_eq!(said, status, "{head}\n{answer}");
        assert!(
            answer.contains("application/problem+json"),
            "{head}\n{answer}"
        );
        assert_eq!(body(&answer)["code"], code, "{head}\n{answer}");
        assert!(!answer.contains(&door.token));
    }
    let (status, answer) = door.get("/v1/models/%ff")?;
    assert_eq!(status, 400, "{answer}");
    assert_eq!(body(&answer)["error"]["code"], "bad-request", "{answer}");
    let log = fs::read_to_string(door.node.path("gateway.log"))?;
    assert!(!log.contains(&door.token), "{log}");
    Ok(())
}

#[test]
fn a_stream_comes_to_its_end_also_where_the_node_is_killed_meanwhile() -> anyhow::Result<()> {
    let mut first = true;
    let model = FakeModel::answering(move |_| {
        let reply = Reply::text("Felix.");
        match std::mem::take(&mut first) {
            true => Reply::After(BOUND, Box::new(reply)),
            false => reply,
        }
    })?;
    let mut door = Door::open(&model)?;
    let asked = json!({
        "model": "jarvis", "stream": true,
        "messages": [{"role": "user", "content": "A name for a cat?"}],
    });
    let asked = asked.to_string();
    let length = asked.len();
    let more = format!("\r\ncontent-type: application/json\r\ncontent-length: {length}");
    let head = door.head("POST /v1/chat/completions", &more);
    let mut stream = BufReader::new(door.send(&head, &asked)?);
    let mut told = String::new();
    while !told.contains("data: ") {
        assert_ne!(stream.read_line(&mut told)?, 0, "{told}");
    }
    until("the model to be asked", BOUND, || {
        match model.requests().len() {
            0 => Err("it is not".to_owned()),
            _ => Ok(()),
        }
    })?;
    door.node.restart_daemon()?;
    stream.read_to_string(&mut told)?;
    for words in [
        r#""content":"Felix.""#,
        r#""finish_reason":"stop""#,
        "data: [DONE]",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    Ok(())
}

#[test]
fn events_of_a_turn_whose_node_is_killed_end_with_a_code_and_are_followed_from_there()
-> anyhow::Result<()> {
    let mut first = true;
    let model = FakeModel::answering(move |_| {
        let reply = Reply::text("Felix.");
        match std::mem::take(&mut first) {
            true => Reply::After(BOUND, Box::new(reply)),
            false => reply,
        }
    })?;
    let mut door = Door::open(&model)?;
    let asked = json!({"input": "A name for a cat?"}).to_string();
    let more = format!(
        "\r\naccept: text/event-stream\r\ncontent-type: application/json\r\ncontent-length: {}",
        asked.len()
    );
    let head = door.head("POST /v1/agents/jarvis/turns", &more);
    let mut stream = BufReader::new(door.send(&head, &asked)?);
    let mut told = String::new();
    while !told.contains(r#""event":"started""#) {
        assert_ne!(stream.read_line(&mut told)?, 0, "{told}");
    }
    until("the model to be asked", BOUND, || {
        match model.requests().len() {
            0 => Err("it is not".to_owned()),
            _ => Ok(()),
        }
    })?;
    door.node.restart_daemon()?;
    stream.read_to_string(&mut told)?;
    let of = |start: &str| {
        told.lines()
            .filter_map(|it| it.strip_prefix(start))
            .next_back()
    };
    let last: Value = serde_json::from_str(of("data: ").unwrap())?;
    assert_eq!(last["event"], "interrupted", "{told}");
    assert_eq!(last["code"], "restarting", "{told}");
    let id = of("id: ").unwrap();
    let turn = told.split(r#""turn":"#).nth(1).unwrap();
    let turn: u64 = turn.split(['}', ',']).next().unwrap().parse()?;
    let more = format!("\r\nlast-event-id: {id}");
    let rest = until("the node to be back", BOUND, || {
        let head = door.head(&format!("GET /v1/turns/{turn}/events"), &more);
        match door.exchange(&head, "").map_err(|it| it.to_string())? {
            (200, rest) => Ok(rest),
            (_, said) => Err(said),
        }
    })?;
    assert!(rest.contains(r#""event":"ended""#), "{rest}");
    assert!(!rest.contains(&format!("id: {id}\n")), "{rest}");
    Ok(())
}

/// Asks for a stream, and goes away when its first event has come. The turn of it.
fn begun_and_left(door: &Door, asked: &Value, more: &str) -> anyhow::Result<String> {
    let asked = asked.to_string();
    let length = asked.len();
    let more = format!("\r\ncontent-type: application/json\r\ncontent-length: {length}{more}");
    let head = door.head("POST /v1/chat/completions", &more);
    let stream = BufReader::new(door.send(&head, &asked)?);
    let mut lines = stream.lines().map(Result::unwrap);
    let first = lines.find_map(|it| Some(it.strip_prefix("data: ")?.to_owned()));
    let first: Value = serde_json::from_str(&first.unwrap())?;
    let id = first["id"].as_str().unwrap();
    Ok(id.strip_prefix("chatcmpl-").unwrap().to_owned())
}

#[test]
fn a_chat_that_has_a_key_goes_on_and_is_asked_for_again() -> anyhow::Result<()> {
    let (release, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    let model = FakeModel::answering(move |_| {
        let _ = held.lock().recv_timeout(BOUND);
        Reply::text("Felix.")
    })?;
    let door = Door::open(&model)?;
    let mut asked = json!({
        "model": "jarvis", "stream": true,
        "messages": [{"role": "user", "content": "A name for a cat?"}],
    });
    let key = "\r\nidempotency-key: once";
    let turn = begun_and_left(&door, &asked, key)?;
    drop(release);
    asked["stream"] = false.into();
    let (status, answer) = door.post("/v1/chat/completions", key, &asked)?;
    assert_eq!(status, 200, "{answer}");
    let answer = body(&answer);
    assert_eq!(answer["id"], format!("chatcmpl-{turn}"), "{answer}");
    assert_eq!(answer["choices"][0]["message"]["content"], "Felix.");
    assert_eq!(model.requests().len(), 1);
    Ok(())
}

#[test]
fn a_chat_whose_client_goes_away_is_cancelled() -> anyhow::Result<()> {
    let (release, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    let model = FakeModel::answering(move |_| {
        let _ = held.lock().recv_timeout(BOUND);
        Reply::text("Felix.")
    })?;
    let door = Door::open(&model)?;
    let asked = json!({
        "model": "jarvis", "stream": true,
        "messages": [{"role": "user", "content": "A name for a cat?"}],
    });
    let turn = begun_and_left(&door, &asked, "")?;
    until("the turn to be cancelled", BOUND, || {
        let (_, record) = door
            .get(&format!("/v1/turns/{turn}"))
            .map_err(|why| why.to_string())?;
        match body(&record)["outcome"]["problem"]["code"] == "cancelled" {
            true => Ok(()),
            false => Err(record),
        }
    })?;
    drop(release);
    Ok(())
}
