//! Models of an agent for programs that know only models: by OpenAI's client, under the agent's budget and in its record.

#![allow(clippy::unwrap_used)]

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    net::TcpStream,
    process::Command,
    time::Duration,
};

use aion_e2e::cluster::root;
use aion_testkit::{FakeModel, Reply, or_skip, python_package, until};
use serde_json::{Value, json};

use crate::door::{BOUND, Door, body, trust};

/// A gateway to a node with the shipped agent that lends its models, with `limits` in the place of its own.
fn open(model: &FakeModel, limits: &str) -> anyhow::Result<Door> {
    let door = Door::open(model)?;
    lend(&door, |text| with_limits(text, limits))?;
    Ok(door)
}

fn with_limits(text: &str, limits: &str) -> String {
    let own = text.lines().find(|it| it.starts_with("  limits: "));
    text.replace(own.unwrap(), &format!("  limits: {limits}"))
}

/// Applies the shipped agent, as `changed` has it.
pub(crate) fn lend(door: &Door, changed: impl Fn(&str) -> String) -> anyhow::Result<()> {
    trust(&door.node, &json!({"inline": "allow", "external": "allow"}))?;
    let text = fs::read_to_string(root().join("agents/editor/agent.yaml"))?;
    let path = door.node.path("editor.yaml");
    fs::write(&path, changed(&text))?;
    // It is never ready by itself: nobody answers who asks it.
    let path = path.to_string_lossy();
    door.node.aionctl(&["apply", "-f", &path])?;
    Ok(())
}

pub(crate) const LIMITS: &str = "{tokensPerHour: 500000, turnSeconds: 3600}";

fn asked(more: &Value) -> Value {
    let mut asked = json!({"model": "editor:auto", "messages": [{"role": "user", "content": "A name for a cat?"}]});
    for (name, value) in more.as_object().into_iter().flatten() {
        asked[name] = value.clone();
    }
    asked
}

pub(crate) fn chat(door: &Door, more: &Value) -> (u16, String) {
    // An instance that is only being prepared takes no turn yet.
    until("an instance to take a turn", BOUND, || {
        match door.post("/v1/chat/completions", "", &asked(more)) {
            Ok((409, answer)) => Err(answer),
            other => Ok(other.unwrap()),
        }
    })
    .unwrap()
}

const CHAT: &str = r#"
import sys, json, openai
client = openai.OpenAI(base_url=sys.argv[1], api_key=sys.argv[2], max_retries=0)
ids = [it.id for it in client.models.list()]
assert ids == ["auto", "editor", "editor:auto", "editor:local", "jarvis"], ids
assert client.models.retrieve("editor:local").owned_by == "default/editor"
ask = [{"role": "user", "content": "A name for a cat?"}]
whole = client.chat.completions.create(model="editor:auto", messages=ask, temperature=0.2, max_tokens=50)
assert whole.choices[0].message.content == "Felix is a good name.", whole
assert whole.choices[0].finish_reason == "stop" and whole.model == "local/fake", whole
assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens > 0, whole
assert whole.aion["turn"] > 0, whole
chunks = list(client.chat.completions.create(
    model="editor:local", messages=ask, stream=True, stream_options={"include_usage": True}))
text = "".join(it.choices[0].delta.content or "" for it in chunks if it.choices)
assert text == "Felix is a good name.", chunks
assert len([it for it in chunks if it.choices and it.choices[0].delta.content]) > 1, "word by word"
assert chunks[-1].choices == [] and chunks[-1].usage.total_tokens > 0, chunks[-1]
assert [it.choices[0].finish_reason for it in chunks if it.choices][-1] == "stop", chunks
assert len({it.id for it in chunks}) == 1 and chunks[0].id != whole.id, chunks
assert chunks[0].aion["turn"] == whole.aion["turn"], "one turn for both"

# The client's own tools, there and back.
tool = {"type": "function", "function": {"name": "level", "description": "How high it is",
    "parameters": {"type": "object", "properties": {"of": {"type": "string"}}}, "strict": True}}
tools = [{"role": "user", "content": "Use a tool: how high is the weir?"}]
called = client.chat.completions.create(model="editor:auto", messages=tools, tools=[tool], tool_choice="required")
message = called.choices[0].message
assert called.choices[0].finish_reason == "tool_calls" and message.content is None, called
assert message.tool_calls[0].function.name == "level", called
assert json.loads(message.tool_calls[0].function.arguments) == {"of": "weir"}, called
tools += [message, {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "two feet"}]
told = client.chat.completions.create(model="editor:auto", messages=tools, tools=[tool])
assert told.choices[0].message.content == "It is two feet high.", told
with client.chat.completions.stream(model="editor:auto", messages=tools[:1], tools=[tool]) as stream:
    final = stream.get_final_completion()
assert final.choices[0].message.tool_calls[0].function.name == "level", final

class Name:
    schema = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"], "additionalProperties": False}
shaped = client.chat.completions.create(model="editor:auto", messages=ask, stop=["."], top_p=0.9, response_format={
    "type": "json_schema", "json_schema": {"name": "name", "schema": Name.schema, "strict": True}})
assert json.loads(shaped.choices[0].message.content) == {"name": "Felix"}, shaped

def refused(kind, code, **more):
    try:
        client.chat.completions.create(**({"model": "editor:auto", "messages": ask} | more))
    except kind as why:
        assert why.code == code, (why, why.code)
        assert kind is not openai.BadRequestError or why.param or "runtime" in str(why), why.body
        return str(why)
    raise AssertionError(f"{more} was taken")
assert "top_p" in refused(openai.BadRequestError, "bad-request", top_p=1.5)
assert "max_tokens" in refused(openai.BadRequestError, "bad-request", max_tokens=0)
assert "Idempotency-Key".lower() in refused(openai.BadRequestError, "bad-request", extra_headers={"Idempotency-Key": "k"})
assert "seed" in refused(openai.BadRequestError, "bad-request", seed=7)
assert "n " in refused(openai.BadRequestError, "bad-request", n=2)
image = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}]
assert "messages[0].content[0]" in refused(openai.BadRequestError, "bad-request", messages=image)
assert "local/any" in refused(openai.NotFoundError, "not-found", model="editor:far/oak")
refused(openai.NotFoundError, "not-found", model="nobody:auto")
assert "runtime" in refused(openai.BadRequestError, "bad-request", model="jarvis:auto")
try:
    client.responses.create(model="editor:auto", input="?")
except openai.BadRequestError as why:
    assert "/v1/chat/completions" in str(why), why
else:
    raise AssertionError("a response")
print("all of it")
"#;

/// Answers as [`CHAT`] wants it.
pub(crate) fn model() -> anyhow::Result<FakeModel> {
    Ok(FakeModel::answering(|request| {
        let body = request.body.to_string();
        match () {
            () if body.contains("two feet") => Reply::text("It is two feet high."),
            () if body.contains("Use a tool") => Reply::call("level", json!({"of": "weir"})),
            () if body.contains("response_format") => Reply::text(r#"{"name": "Felix"}"#),
            () => Reply::text("Felix is a good name."),
        }
    })?)
}

#[test]
fn openais_client_asks_models_of_an_agent_with_tools_of_its_own() -> anyhow::Result<()> {
    let Some(site) = or_skip(python_package("openai")) else {
        return Ok(());
    };
    let model = model()?;
    let door = open(&model, LIMITS)?;
    assert_eq!(chat(&door, &json!({})).0, 200);
    let mut client = Command::new("python3");
    client.args(["-c", CHAT]).env("PYTHONPATH", &site);
    client.args([&format!("http://127.0.0.1:{}/v1", door.port), &door.token]);
    let output = client.output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let requests = model.requests();
    let shaped = requests.iter().find(|it| it.body.get("stop").is_some());
    let shaped = &shaped.unwrap().body;
    // What was reserved where nobody said how much.
    assert_eq!(shaped["max_tokens"], 4_096, "{shaped}");
    assert_eq!(shaped["top_p"], 0.9, "{shaped}");
    assert_eq!(shaped["response_format"]["json_schema"]["strict"], true);
    let called = requests
        .iter()
        .find(|it| it.body["tool_choice"] == "required");
    let called = &called.unwrap().body;
    assert_eq!(called["tools"][0]["function"]["strict"], true, "{called}");
    Ok(())
}

#[test]
fn requests_are_syscalls_of_one_turn_and_stand_in_its_record() -> anyhow::Result<()> {
    let model = model()?;
    let door = open(&model, LIMITS)?;
    let (status, first) = chat(&door, &json!({}));
    assert_eq!(status, 200, "{first}");
    let first = body(&first);
    let turn = first["aion"]["turn"].clone();
    let (_, second) = chat(&door, &json!({"model": "editor:local"}));
    assert_eq!(body(&second)["aion"]["turn"], turn);
    // Nobody answers who asks the agent itself, and nobody took its turn.
    let (status, answer) = door.get("/v1/agents/editor")?;
    assert_eq!((status, &body(&answer)["ready"]), (200, &json!(false)));
    // Some time after its last request it ends by itself, and well.
    let record = until("the turn to end", BOUND, || {
        let (_, record) = door.get(&format!("/v1/turns/{turn}")).unwrap();
        let record = body(&record);
        match record["outcome"].is_object() {
            true => Ok(record),
            false => Err(record.to_string()),
        }
    })?;
    assert_eq!(record["outcome"]["ok"], true, "{record}");
    assert_eq!(record["answer"], "2 requests were passed on", "{record}");
    let used = |answer: &Value| answer["usage"]["total_tokens"].as_u64().unwrap();
    let both = used(&first) + used(&body(&second));
    assert_eq!(record["outcome"]["tokens"], both, "{record}");
    // Both, and the message at the end.
    assert_eq!(record["outcome"]["syscalls"], 3, "{record}");
    let (_, third) = chat(&door, &json!({}));
    assert_ne!(body(&third)["aion"]["turn"], turn, "the next is another");
    Ok(())
}

/// Sends a request and waits for no answer.
pub(crate) fn begun(door: &Door, more: &Value) -> anyhow::Result<TcpStream> {
    let sent = asked(more).to_string();
    let length = sent.len();
    let more = format!("\r\ncontent-type: application/json\r\ncontent-length: {length}");
    door.send(&door.head("POST /v1/chat/completions", &more), &sent)
}

pub(crate) fn until_asked(model: &FakeModel, often: usize) {
    until("the model to be asked", BOUND, || {
        match model.requests().len() {
            asked if asked == often => Ok(()),
            asked => Err(format!("{asked} times")),
        }
    })
    .unwrap();
}

#[test]
fn requests_at_once_do_not_run_past_a_budget_and_are_told_when_to_try_again() -> anyhow::Result<()>
{
    let mut asked = 0;
    let model = FakeModel::answering(move |_| {
        asked += 1;
        let reply = Reply::text("Felix.");
        match asked {
            2 | 3 => Reply::After(BOUND, Box::new(reply)),
            _ => reply,
        }
    })?;
    // Room for two answers of a hundred tokens beside each other.
    let door = open(&model, "{tokensPerHour: 350, turnSeconds: 3600}")?;
    let more = json!({"max_tokens": 100});
    assert_eq!(chat(&door, &more).0, 200);
    let two = [begun(&door, &more)?, begun(&door, &more)?];
    until_asked(&model, 3);
    for _ in 0..3 {
        let (status, answer) = chat(&door, &more);
        assert_eq!(status, 429, "{answer}");
        let head = answer.to_lowercase();
        assert!(head.contains("\r\nretry-after: "), "{answer}");
        let error = &body(&answer)["error"];
        assert_eq!(error["type"], "rate_limit_error", "{answer}");
        assert_eq!(error["code"], "quota-exceeded", "{answer}");
    }
    assert_eq!(model.requests().len(), 3, "nobody else was asked");
    // What is given up is given back, but for what was used.
    drop(two);
    until("there to be room again", BOUND, || {
        match chat(&door, &more) {
            (200, _) => Ok(()),
            (_, answer) => Err(answer),
        }
    })?;
    Ok(())
}

#[test]
fn a_client_that_goes_away_ends_its_request_up_to_the_model_and_the_turn_goes_on()
-> anyhow::Result<()> {
    let model =
        FakeModel::answering(
            |request| match request.body["messages"][0]["content"].as_str() {
                Some("long") => Reply::Paced {
                    text: "word ".repeat(5_000),
                    pause: Duration::from_millis(50),
                },
                _ => Reply::text("Felix."),
            },
        )?;
    let limits = "{tokensPerHour: 500000, concurrentCalls: 1, turnSeconds: 3600}";
    let door = open(&model, limits)?;
    let (_, answer) = chat(&door, &json!({}));
    let turn = body(&answer)["aion"]["turn"].clone();
    let long = json!([{"role": "user", "content": "long"}]);
    let stream = begun(&door, &json!({"stream": true, "messages": long}))?;
    let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
    assert!(lines.any(|it| it.contains(r#""content":"word"#)));
    let (status, answer) = chat(&door, &json!({}));
    assert_eq!(status, 429, "{answer}");
    drop(lines);
    let answer = until("the request to be given up", BOUND, || {
        match chat(&door, &json!({})) {
            (200, answer) => Ok(answer),
            (_, answer) => Err(answer),
        }
    })?;
    assert_eq!(body(&answer)["aion"]["turn"], turn);
    Ok(())
}

#[test]
fn a_node_that_is_killed_meanwhile_is_told_with_a_code_and_the_next_request_is_answered()
-> anyhow::Result<()> {
    let mut first = true;
    let model = FakeModel::answering(move |_| match std::mem::take(&mut first) {
        true => Reply::Paced {
            text: "word ".repeat(2_000),
            pause: Duration::from_millis(50),
        },
        false => Reply::text("Felix."),
    })?;
    let mut door = open(&model, LIMITS)?;
    let mut stream = until("an answer to begin", BOUND, || {
        let stream = begun(&door, &json!({"stream": true}));
        let mut stream = BufReader::new(stream.map_err(|it| it.to_string())?);
        let mut line = String::new();
        while stream.read_line(&mut line).map_err(|it| it.to_string())? > 0 {
            if line.contains(r#""content":"word"#) {
                return Ok(stream);
            }
        }
        Err(line)
    })?;
    door.node.restart_daemon()?;
    let mut told = String::new();
    stream.read_to_string(&mut told)?;
    assert!(told.contains(r#""code":"outcome-unknown""#), "{told}");
    assert!(told.contains("data: [DONE]"), "{told}");
    let (status, answer) = chat(&door, &json!({}));
    assert_eq!(status, 200, "{answer}");
    Ok(())
}

#[test]
fn offline_a_model_elsewhere_is_refused_in_words() -> anyhow::Result<()> {
    let model = FakeModel::answering(|_| Reply::text("Felix."))?;
    let door = Door::open_with(&model, &[("OFFLINE_MODE", "true")])?;
    lend(&door, |text| with_limits(text, LIMITS))?;
    let far = json!({
        "apiVersion": "aion.dev/v1alpha1", "kind": "ModelEndpoint", "metadata": {"name": "far"},
        "spec": {"baseUrl": "https://models.example.com/v1", "models": [{"name": "oak"}]},
    });
    let path = door.node.path("far.yaml");
    fs::write(&path, far.to_string())?;
    door.node
        .aionctl(&["apply", "-f", &path.to_string_lossy()])?;
    let editor = fs::read_to_string(door.node.path("editor.yaml"))?;
    let editor = editor.replace(
        "model: {use: local}",
        "model: {use: local, fallback: [far/oak]}",
    );
    fs::write(&path, editor)?;
    door.node
        .aionctl(&["apply", "-f", &path.to_string_lossy()])?;
    let refused = until("the agent to have both", BOUND, || {
        let (status, answer) = chat(&door, &json!({"model": "editor:far/oak"}));
        match status {
            404 => Err(answer),
            _ => Ok((status, answer)),
        }
    })?;
    assert_eq!(refused.0, 403, "{}", refused.1);
    let error = &body(&refused.1)["error"];
    assert_eq!(error["code"], "offline", "{error}");
    assert!(
        error["message"].as_str().unwrap().contains("OFFLINE_MODE"),
        "{error}"
    );
    let (status, answer) = chat(&door, &json!({}));
    assert_eq!(status, 200, "{answer}");
    Ok(())
}
