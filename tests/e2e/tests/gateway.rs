//! Programs that ask through the gateway: OpenAI's own client, and whoever speaks HTTP.

#![allow(clippy::unwrap_used)]

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::Command,
    sync::mpsc,
    time::Duration,
};

use aion_e2e::{cluster::root, program, standalone::Standalone};
use aion_testkit::{FakeModel, Process, Reply, free_port, or_skip, python_package, until};
use parking_lot::Mutex;
use serde_json::{Value, json};

const BOUND: Duration = Duration::from_secs(60);

/// A node with the shipped helper, and a gateway to it.
struct Door {
    _gateway: Process,
    node: Standalone,
    port: u16,
    token: String,
}

impl Door {
    fn open(model: &FakeModel) -> anyhow::Result<Self> {
        let url = model.base_url();
        let port = url.rsplit(':').next().and_then(|it| it.split('/').next());
        let elsewhere = free_port()?.to_string();
        let environment = [
            ("AION_OLLAMA_PORT", port.unwrap()),
            ("AION_LLAMA_CPP_PORT", &elsewhere),
        ];
        let node = Standalone::start_with("door", &environment)?.with_policies()?;
        trust(&node, &json!({"inline": "allow"}))?;
        apply(&node, &root().join("agents/jarvis"))?;
        let port = free_port()?;
        let mut gateway = Command::new(program("aion-gateway")?);
        gateway.arg("--home").arg(node.home());
        gateway.args(["--listen", &format!("127.0.0.1:{port}")]);
        let gateway = Process::spawn(&gateway, &node.path("gateway.log"))?;
        until("the gateway to listen", BOUND, || {
            TcpStream::connect(("127.0.0.1", port))
                .map_err(|why| format!("{why}\n{}", gateway.tail()))
        })?;
        let token = fs::read_to_string(node.home().join("gateway/token"))?;
        Ok(Self {
            _gateway: gateway,
            node,
            port,
            token: token.trim().to_owned(),
        })
    }

    /// Sends a request as it is, and gives the connection.
    fn send(&self, head: &str, body: &str) -> anyhow::Result<TcpStream> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(BOUND))?;
        write!(stream, "{head}\r\nconnection: close\r\n\r\n{body}")?;
        Ok(stream)
    }

    /// The status, and head and body as text.
    fn exchange(&self, head: &str, body: &str) -> anyhow::Result<(u16, String)> {
        let mut answer = Vec::new();
        self.send(head, body)?.read_to_end(&mut answer)?;
        let answer = String::from_utf8(answer)?;
        let status = answer.split(' ').nth(1).unwrap_or_default().parse()?;
        Ok((status, answer))
    }

    fn head(&self, line: &str, more: &str) -> String {
        let token = &self.token;
        format!("{line} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}{more}")
    }

    fn get(&self, path: &str) -> anyhow::Result<(u16, String)> {
        self.exchange(&self.head(&format!("GET {path}"), ""), "")
    }

    fn post(&self, path: &str, more: &str, body: &Value) -> anyhow::Result<(u16, String)> {
        let body = body.to_string();
        let length = body.len();
        let more = format!("\r\ncontent-type: application/json\r\ncontent-length: {length}{more}");
        self.exchange(&self.head(&format!("POST {path}"), &more), &body)
    }
}

fn apply(node: &Standalone, path: &Path) -> anyhow::Result<String> {
    node.aionctl(&["apply", "--wait", "600", "-f", &path.to_string_lossy()])
}

fn trust(node: &Standalone, spec: &Value) -> anyhow::Result<String> {
    let trust = json!({
        "apiVersion": "aion.dev/v1alpha1", "kind": "TrustPolicy", "metadata": {"name": "tests"}, "spec": spec,
    });
    let path = node.path("trust.yaml");
    fs::write(&path, trust.to_string())?;
    apply(node, &path)
}

/// The JSON after the head.
fn body(answer: &str) -> Value {
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let json = &body[body.find('{').unwrap()..=body.rfind('}').unwrap()];
    serde_json::from_str(json).unwrap()
}

const CHAT: &str = r#"
import sys, openai
client = openai.OpenAI(base_url=sys.argv[1], api_key=sys.argv[2], max_retries=0)
ask = [{"role": "user", "content": "A name for a cat?"}]
assert [it.id for it in client.models.list()] == ["auto", "jarvis"], client.models.list()
assert client.models.retrieve("auto").id == "auto"
assert client.models.retrieve("default/jarvis").id == "jarvis"
whole = client.chat.completions.create(model="jarvis", messages=ask)
assert whole.choices[0].message.content == "Felix is a good name.", whole
assert whole.choices[0].finish_reason == "stop", whole
assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens > 0, whole
chunks = list(client.chat.completions.create(
    model="jarvis", messages=ask, stream=True, stream_options={"include_usage": True}))
text = "".join(it.choices[0].delta.content or "" for it in chunks if it.choices)
assert text == "Felix is a good name.", chunks
assert chunks[-1].choices == [] and chunks[-1].usage.total_tokens > 0, chunks[-1]
assert [it.choices[0].finish_reason for it in chunks if it.choices][-1] == "stop", chunks
assert len({it.id for it in chunks}) == 1, chunks
def refused(kind, code, **more):
    try:
        client.chat.completions.create(**({"model": "jarvis", "messages": ask} | more))
    except kind as why:
        assert why.code == code, (why, why.code)
        return str(why)
    raise AssertionError(f"{more} was taken")
refused(openai.NotFoundError, "not-found", model="nobody")
tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
assert "tools" in refused(openai.BadRequestError, "bad-request", tools=[tool])
assert "messages[0].role" in refused(openai.BadRequestError, "bad-request", messages=[{"role": 1, "content": ""}])
client.api_key = "another"
refused(openai.AuthenticationError, "bad-signature")
print("all of it")
"#;

/// What is read is checked strictly: openai's own types fill in what is missing.
const RESPONSES: &str = r#"
import sys, openai, pydantic
from openai.types.responses import Response
client = openai.OpenAI(base_url=sys.argv[1], api_key=sys.argv[2], max_retries=0)
def checked(value):
    again = pydantic.TypeAdapter(type(value)).validate_python(value.to_dict(mode="json"))
    assert again == value, (again, value)
    return value
whole = checked(client.responses.create(model="jarvis", input="A name for a cat?", metadata={"of": "test"}))
assert isinstance(whole, Response) and whole.status == "completed" and whole.error is None, whole
assert whole.output_text == "Felix is a good name.", whole
assert whole.metadata == {"of": "test"} and whole.store is False, whole
usage = whole.usage
assert usage.total_tokens == usage.input_tokens + usage.output_tokens > 0, whole
assert usage.input_tokens_details.cached_tokens == usage.output_tokens_details.reasoning_tokens == 0, whole
events = [checked(it) for it in client.responses.create(model="jarvis", input="A name for a cat?", stream=True)]
kinds = [it.type for it in events]
deltas = kinds.count("response.output_text.delta")
assert kinds == [
    "response.created", "response.in_progress", "response.output_item.added", "response.content_part.added",
    *["response.output_text.delta"] * deltas, "response.output_text.done", "response.content_part.done",
    "response.output_item.done", "response.completed"], kinds
assert [it.sequence_number for it in events] == list(range(len(events))), events
assert "".join(it.delta for it in events if it.type == "response.output_text.delta") == "Felix is a good name."
assert events[-1].response.output_text == "Felix is a good name.", events[-1]
assert events[-1].response.usage.total_tokens > 0, events[-1]
assert len({it.response.id for it in events if hasattr(it, "response")}) == 1, events
# The conversation goes on as OpenAI's documentation has it: what came is put before what is asked next.
items = [{"role": "user", "content": "A name for a cat?"}, *whole.output, {"role": "user", "content": "Why?"}]
with client.responses.stream(model="jarvis", input=items, instructions="Be brief.") as stream:
    assert stream.get_final_response().output_text == "Felix is a good name."
def refused(kind, code, **more):
    try:
        client.responses.create(**({"model": "jarvis", "input": "?"} | more))
    except kind as why:
        assert why.code == code, (why, why.code)
        return str(why)
    raise AssertionError(f"{more} was taken")
refused(openai.NotFoundError, "not-found", model="nobody")
refused(openai.NotFoundError, "not-found", model="nobody", stream=True)
for field, value in {
    "tools": [{"type": "web_search"}], "previous_response_id": "resp_1", "background": True,
    "text": {"format": {"type": "json_object"}}, "include": ["message.output_text.logprobs"],
    "input": [{"role": "user", "content": [{"type": "input_image", "image_url": "data:,", "detail": "auto"}]}],
}.items():
    said = refused(openai.BadRequestError, "bad-request", **{field: value})
    assert said.split(" - ")[1].startswith(field), said
assert "input[0].role" in refused(openai.BadRequestError, "bad-request", input=[{"role": 1}])
try:
    client.responses.retrieve(whole.id)
except openai.NotFoundError as why:
    assert why.code == "not-found", why
else:
    raise AssertionError("a response is kept")
print("all of it")
"#;

#[test]
fn openais_client_asks_an_agent_and_reads_what_is_refused() -> anyhow::Result<()> {
    let Some(site) = or_skip(python_package("openai")) else {
        return Ok(());
    };
    let model = FakeModel::answering(|_| Reply::text("Felix is a good name."))?;
    let door = Door::open(&model)?;
    for script in [CHAT, RESPONSES] {
        let mut client = Command::new("python3");
        client.args(["-c", script]).env("PYTHONPATH", &site);
        client.args([&format!("http://127.0.0.1:{}/v1", door.port), &door.token]);
        let output = client.output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "all of it");
    }
    let asked = model.requests()[0].body.to_string();
    assert!(asked.contains("A name for a cat?"), "{asked}");
    Ok(())
}

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
        let at = path.replace("{turn}", "4711").replace(['{', '}'], "");
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
    let asked = asked.to_string();
    let more = format!(
        "\r\ncontent-type: application/json\r\ncontent-length: {}",
        asked.len()
    );
    let head = door.head("POST /v1/chat/completions", &more);
    let stream = BufReader::new(door.send(&head, &asked)?);
    let lines = stream.lines().map(Result::unwrap);
    let first = lines
        .filter_map(|it| Some(it.strip_prefix("data: ")?.to_owned()))
        .next();
    let first: Value = serde_json::from_str(&first.unwrap())?;
    let turn = first["id"]
        .as_str()
        .unwrap()
        .strip_prefix("chatcmpl-")
        .unwrap()
        .to_owned();
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
