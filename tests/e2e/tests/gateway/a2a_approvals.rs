//! A task that waits for a person's word: who may answer is asked, in blocking calls and in streams of both bindings, and answers by its number;
//! nobody else is shown what is asked.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::TcpStream,
    process::Command,
};

use aion_testkit::{FakeModel, ModelRequest, Reply, or_skip, python_package, until};
use serde_json::{Value, json};

use crate::{
    a2a::call,
    door::{BOUND, Door, body},
    mcp_approvals::{Office, operation},
};

const CLERK: &str = "/v1/a2a/default/clerk";
const VERSION: &str = "\r\na2a-version: 1.0";

/// What the tool gave so far, as the model is told.
fn results(request: &ModelRequest) -> Vec<String> {
    let messages = request.body["messages"].as_array();
    let results = messages.into_iter().flatten();
    let results = results.filter(|it| it["role"] == "tool");
    results.map(|it| it["content"].to_string()).collect()
}

/// Sends as many letters as it is told, one after the other.
fn office() -> anyhow::Result<Office> {
    let model = FakeModel::answering(|request| {
        let results = results(request);
        let wanted = match request.body["messages"].to_string().contains("two letters") {
            true => 2,
            false => 1,
        };
        match results.len() < wanted {
            true => Reply::call(
                operation(request),
                json!({"text": format!("letter {}", results.len() + 1)}),
            ),
            false => Reply::text(format!("The tool said: {}", results.join(" "))),
        }
    })?;
    Office::of(model)
}

/// Who may say a person's word, beside the gateway's token.
fn boss(door: &Door) -> anyhow::Result<String> {
    let token = fs::read_to_string(door.node.home().join("config/approver.token"))?;
    Ok(format!("{VERSION}\r\naion-approver: {}", token.trim()))
}

fn asks(text: &str) -> Value {
    json!({"message": {"messageId": text, "role": "ROLE_USER", "parts": [{"text": text}]}})
}

/// A message to a task.
fn says(task: &Value, part: &Value) -> Value {
    let id = format!("{part} to {task}").replace('"', "");
    json!({"message": {"messageId": id, "taskId": task, "role": "ROLE_USER", "parts": [part]}})
}

fn text(text: &str) -> Value {
    json!({"text": text})
}

/// The answer by JSON-RPC: a result, or an error.
fn rpc(door: &Door, who: &str, method: &str, params: &Value) -> anyhow::Result<Value> {
    let (status, answer) = door.post(CLERK, who, &call(method, params))?;
    assert_eq!(status, 200, "{answer}");
    Ok(body(&answer))
}

fn task(answer: &Value) -> Value {
    let task = answer.pointer("/result/task");
    assert!(task.is_some(), "no task: {answer}");
    task.unwrap().clone()
}

fn state(task: &Value) -> &str {
    task["status"]["state"].as_str().unwrap_or_default()
}

/// The number of the approval that a task or an update of it asks about.
fn number(it: &Value) -> u64 {
    assert_eq!(state(it), "TASK_STATE_INPUT_REQUIRED", "{it}");
    let parts = &it["status"]["message"]["parts"];
    let said = parts[0]["text"].as_str().unwrap();
    let data = &parts[1]["data"];
    let number = data["approval"].as_u64().unwrap();
    let to_send = format!("`approve {number}` or `deny {number}`");
    for part in ["asks before it does `tool.call:probe.echo`", &to_send] {
        assert!(said.contains(part), "{part} is not in: {said}");
    }
    assert_eq!(data["capability"], "tool.call:probe.echo", "{it}");
    assert!(data["shown"].as_str().unwrap().contains("letter"), "{it}");
    number
}

/// The events of a stream that came to its end, by JSON-RPC or as they are.
fn events(answer: &str) -> Vec<Value> {
    let lines = answer.lines().filter_map(|it| it.strip_prefix("data: "));
    lines.map(event).collect()
}

fn event(data: &str) -> Value {
    let event: Value = serde_json::from_str(data).unwrap();
    let event = event.get("result").unwrap_or(&event);
    let it = ["task", "statusUpdate", "artifactUpdate"];
    let it = it.into_iter().find_map(|it| event.get(it));
    assert!(it.is_some(), "{event}");
    it.unwrap().clone()
}

#[test]
fn a_task_waits_for_who_may_answer_and_is_working_for_anybody_else() -> anyhow::Result<()> {
    let mut office = office()?;
    let boss = boss(&office.door)?;
    let asked = rpc(&office.door, &boss, "SendMessage", &asks("Send a letter."))?;
    let asked = task(&asked);
    let (id, waits) = (asked["id"].clone(), number(&asked));

    let refused = |who: &str, part: &Value, code: i64, words: &str| -> anyhow::Result<()> {
        let answer = rpc(&office.door, who, "SendMessage", &says(&id, part))?;
        assert_eq!(answer["error"]["code"], code, "{part}: {answer}");
        assert!(answer["error"]["message"].to_string().contains(words));
        Ok(())
    };
    let to_send = format!("`approve {waits}` or `deny {waits}`");
    for part in [
        text(&format!("approve {}", waits + 100)),
        text("approve"),
        text("Deny"),
        text("yes, please"),
        json!({"data": {"verdict": "approve"}}),
        json!({"data": {"approval": waits, "verdict": "approve", "scope": "turn"}}),
    ] {
        refused(&boss, &part, -32602, &to_send)?;
    }
    let yes = text(&format!("approve {waits}"));
    // The gateway's token is no right to answer, nor is a token that is made up.
    refused(VERSION, &yes, -32000, "does not include answering")?;
    let made_up = format!("{VERSION}\r\naion-approver: {}", office.door.token);
    refused(&made_up, &yes, -32000, "does not include answering")?;
    refused(VERSION, &text("yes, please"), -32004, "no more messages")?;

    // By the other binding, and in a list.
    let listed = |who: &str, state: &str| -> anyhow::Result<Value> {
        let path = format!("GET {CLERK}/tasks?status={state}");
        let (status, answer) = office.door.exchange(&office.door.head(&path, who), "")?;
        assert_eq!(status, 200, "{answer}");
        Ok(body(&answer))
    };
    for (who, waiting) in [(boss.as_str(), true), (VERSION, false), (&made_up, false)] {
        let path = format!("GET {CLERK}/tasks/{}", id.as_str().unwrap());
        let (_, got) = office.door.exchange(&office.door.head(&path, who), "")?;
        let got = body(&got);
        let (asks, works) = (
            listed(who, "TASK_STATE_INPUT_REQUIRED")?,
            listed(who, "TASK_STATE_WORKING")?,
        );
        let sizes = (asks["totalSize"].as_u64(), works["totalSize"].as_u64());
        if waiting {
            assert_eq!(got["status"], asked["status"], "{got}");
            assert_eq!(asks["tasks"][0]["status"], asked["status"], "{asks}");
            assert_eq!(sizes, (Some(1), Some(0)));
        } else {
            assert_eq!(state(&got), "TASK_STATE_WORKING", "{got}");
            assert_eq!(sizes, (Some(0), Some(1)));
            let told = format!("{got}{asks}{works}");
            assert!(!told.contains("letter 1"), "{told}");
        }
    }
    assert_eq!(office.server.calls(), [], "nothing is done by any of that");

    // The node is killed, and another gateway is asked: none of them keeps anything but the node its journal.
    office.door.node.restart_daemon()?;
    let _another = office.door.another()?;
    let again = until("the node to say what waits", BOUND, || {
        let got = rpc(&office.door, &boss, "GetTask", &json!({"id": id}));
        let got = got.map_err(|why| why.to_string())?;
        match state(&got["result"]) {
            "TASK_STATE_INPUT_REQUIRED" => Ok(got["result"].clone()),
            _ => Err(got.to_string()),
        }
    })?;
    assert_eq!(number(&again), waits);
    let said = says(&id, &text(&format!(" Approve\n {waits}")));
    let path = format!("{CLERK}/message:send");
    let (status, done) = office.door.post(&path, &boss, &said)?;
    assert_eq!(status, 200, "{done}");
    let done = body(&done)["task"].clone();
    assert_eq!(done["id"], id);
    assert_eq!(state(&done), "TASK_STATE_COMPLETED", "{done}");
    let answer = done["artifacts"][0]["parts"][0]["text"].to_string();
    assert!(answer.contains("letter 1"), "{done}");
    assert_eq!(office.server.calls().len(), 1, "it is done once");
    let late = rpc(&office.door, &boss, "SendMessage", &said)?;
    assert_eq!(late["error"]["code"], -32004, "it has ended: {late}");
    Ok(())
}

#[test]
fn a_stream_ends_at_a_question_and_goes_on_after_the_word() -> anyhow::Result<()> {
    let mut office = office()?;
    office.by_key("boss", &["--may", "approve"])?;
    let door = &office.door;
    let stream = |asked: &Value, is_rpc: bool| -> anyhow::Result<Vec<Value>> {
        let (status, answer) = match is_rpc {
            true => door.post(CLERK, VERSION, &call("SendStreamingMessage", asked))?,
            false => door.post(&format!("{CLERK}/message:stream"), VERSION, asked)?,
        };
        assert_eq!(status, 200, "{answer}");
        Ok(events(&answer))
    };
    for (is_rpc, verdict, told) in [(true, "approve", "letter 1"), (false, "deny", "said no")] {
        let asked = stream(&asks(&format!("Send a letter. {verdict}")), is_rpc)?;
        let id = asked[0]["id"].clone();
        let waits = number(asked.last().unwrap());
        let word = json!({"data": {"approval": waits, "verdict": verdict}});
        let rest = stream(&says(&id, &word), is_rpc)?;
        assert_eq!(rest[0]["id"], id, "{rest:?}");
        assert_eq!(state(&rest[0]), "TASK_STATE_WORKING", "{rest:?}");
        let end = rest.last().unwrap();
        assert_eq!(state(end), "TASK_STATE_COMPLETED", "{rest:?}");
        let all = Value::from(rest).to_string();
        assert!(all.contains(told), "{all}");
        assert!(all.contains("by the key boss"), "{all}");
        assert!(!all.contains("INPUT_REQUIRED"), "{all}");
    }
    assert_eq!(office.server.calls().len(), 1, "a no is a no");
    Ok(())
}

/// A stream that is read event by event.
struct Followed(BufReader<TcpStream>);

impl Followed {
    fn open(door: &Door, who: &str, id: &Value) -> anyhow::Result<Self> {
        let asked = call("SubscribeToTask", &json!({"id": id})).to_string();
        let length = asked.len();
        let more = format!("\r\ncontent-type: application/json\r\ncontent-length: {length}{who}");
        let head = door.head(&format!("POST {CLERK}"), &more);
        Ok(Self(BufReader::new(door.send(&head, &asked)?)))
    }

    /// What comes until this is told, or the end.
    fn until(&mut self, words: &str) -> anyhow::Result<Vec<Value>> {
        let mut told = Vec::new();
        let mut line = String::new();
        while self.0.read_line(&mut line)? > 0 {
            if let Some(data) = line.trim_end().strip_prefix("data: ") {
                told.push(event(data));
                if data.contains(words) {
                    return Ok(told);
                }
            }
            line.clear();
        }
        Ok(told)
    }
}

#[test]
fn each_question_is_answered_once_and_who_follows_hears_of_it() -> anyhow::Result<()> {
    let office = office()?;
    let door = &office.door;
    let boss = &boss(door)?;
    let asked = task(&rpc(door, boss, "SendMessage", &asks("Send two letters."))?);
    let (id, first) = (asked["id"].clone(), number(&asked));
    let approve = |number: u64| says(&id, &text(&format!("approve {number}")));

    // Who may not answer is told that it waits, and follows to the end.
    let mut bystander = Followed::open(door, VERSION, &id)?;
    let told = bystander.until("It waits for a person's approval")?;
    assert_eq!(state(told.last().unwrap()), "TASK_STATE_WORKING");

    let second = task(&rpc(door, boss, "SendMessage", &approve(first))?);
    let number = number(&second);
    assert!(number > first, "the next question: {second}");
    let again = rpc(door, boss, "SendMessage", &approve(first))?;
    let error = &again["error"];
    assert_eq!(error["data"][0]["metadata"]["code"], "already-answered");
    let whose = format!("approval {first} is approved by the holder of config/approver.token");
    assert!(error["message"].to_string().contains(&whose), "{error}");

    // Who may is asked first, and then follows what becomes of it, whoever answers.
    let mut follower = Followed::open(door, boss, &id)?;
    let told = follower.until("INPUT_REQUIRED")?;
    assert_eq!(told[0]["status"], second["status"], "{told:?}");
    let mut at_once = approve(number);
    at_once["configuration"] = json!({"returnImmediately": true});
    let now = task(&rpc(door, boss, "SendMessage", &at_once)?);
    assert_ne!(state(&now), "TASK_STATE_INPUT_REQUIRED", "{now}");
    let mut followed = follower.until("is approved")?;
    let at_work = |it: &&Value| it.to_string().contains("TASK_STATE_WORKING");
    let count = followed.iter().filter(at_work).count();
    assert_eq!(count, 1, "only the answer says so: {followed:?}");
    let end = "nothing ends it but its end";
    followed.extend(follower.until(end)?);
    for rest in [followed, bystander.until(end)?] {
        assert_eq!(state(rest.last().unwrap()), "TASK_STATE_COMPLETED");
        let all = Value::from(rest).to_string();
        assert!(
            all.contains(&format!("approval {number} is approved")),
            "{all}"
        );
        assert!(!all.contains("INPUT_REQUIRED"), "{all}");
    }
    assert_eq!(office.server.calls().len(), 2);
    Ok(())
}

/// The SDK for Python as it comes: what it is asked it answers by what the question says.
const CLIENT: &str = r#"
import asyncio, sys, uuid
import httpx
from a2a.client import ClientConfig, ClientFactory
from a2a.types import Message, Part, Role, SendMessageRequest, TaskState
from google.protobuf import struct_pb2

URL, TOKEN = sys.argv[1:]

def said(part, **more):
    message = Message(message_id=str(uuid.uuid4()), role=Role.ROLE_USER, parts=[part], **more)
    return SendMessageRequest(message=message)

async def last(client, request):
    task, status = None, None
    async for event in client.send_message(request):
        if event.HasField("task"):
            task, status = event.task.id, event.task.status
        elif event.HasField("status_update"):
            status = event.status_update.status
    return task, status

async def main():
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {TOKEN}"}, timeout=None) as http:
        for binding in ["JSONRPC", "HTTP+JSON"]:
            for streaming in [True, False]:
                config = ClientConfig(httpx_client=http, supported_protocol_bindings=[binding], streaming=streaming)
                client = await ClientFactory(config).create_from_url(URL)
                task, status = await last(client, said(Part(text="Send a letter.")))
                assert status.state == TaskState.TASK_STATE_INPUT_REQUIRED, status
                asked = status.message.parts[1].data.struct_value["approval"]
                word = struct_pb2.Value()
                word.struct_value.update({"approval": asked, "verdict": "approve"})
                same, status = await last(client, said(Part(data=word), task_id=task))
                assert same == task and status.state == TaskState.TASK_STATE_COMPLETED, status
    print("all of it")

asyncio.run(main())
"#;

#[test]
fn the_sdk_for_python_answers_by_both_bindings() -> anyhow::Result<()> {
    let Some(site) = or_skip(python_package("a2a")) else {
        return Ok(());
    };
    let mut office = office()?;
    office.by_key("boss", &["--may", "approve"])?;
    let mut client = Command::new("python3");
    client.args(["-c", CLIENT]).env("PYTHONPATH", &site);
    let url = format!("http://127.0.0.1:{}{CLERK}", office.door.port);
    let output = client.args([&url, &office.door.token]).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert_eq!(office.server.calls().len(), 4, "each is done once");
    Ok(())
}
