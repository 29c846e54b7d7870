//! Programs that run elsewhere: registered through the gateway, given turns, making signed syscalls.

use std::{fs, thread};

use aion_abi::{
    canonical::{CanonicalRequest, body_digest},
    date::UnixMillis,
    signing::Key,
};
use aion_testkit::{FakeModel, Reply, until};
use serde_json::{Value, json};

use crate::door::{BOUND, Door, apply, body, trust};

/// An agent with memory whose program is elsewhere.
fn agent(door: &Door) -> anyhow::Result<()> {
    described(door, "Helps from elsewhere")
}

fn described(door: &Door, description: &str) -> anyhow::Result<()> {
    let objects = [
        json!({
            "apiVersion": "aion.dev/v1alpha1", "kind": "Agent", "metadata": {"name": "helper"},
            "spec": {"description": description, "runtime": "external", "memory": {"pool": "helper"},
                "limits": {"turnSeconds": 120}},
        }),
        json!({
            "apiVersion": "aion.dev/v1alpha1", "kind": "MemoryPool", "metadata": {"name": "helper"}, "spec": {},
        }),
    ];
    let text: Vec<String> = objects.iter().map(ToString::to_string).collect();
    let path = door.node.path("helper.yaml");
    fs::write(&path, text.join("\n---\n"))?;
    door.node
        .aionctl(&["apply", "-f", &path.to_string_lossy()])?;
    Ok(())
}

pub(crate) fn open() -> anyhow::Result<Door> {
    let model = FakeModel::answering(|_| Reply::text("Nobody asks me."))?;
    let door = Door::open(&model)?;
    trust(&door.node, &json!({"inline": "allow", "external": "allow"}))?;
    agent(&door)?;
    Ok(door)
}

/// What a condition of the agent says: status and reason.
fn condition(door: &Door, agent: &str, type_: &str) -> (String, String) {
    let agents = door.node.list("agents").unwrap();
    let agent = agents
        .iter()
        .find(|it| it["metadata"]["name"] == agent)
        .unwrap();
    let all = agent["status"]["conditions"].as_array().unwrap();
    let one = all.iter().find(|it| it["type"] == type_);
    let text = |field: &str| {
        one.and_then(|it| it[field].as_str())
            .unwrap_or_default()
            .to_owned()
    };
    (text("status"), text("reason"))
}

pub(crate) fn becomes_ready(door: &Door, agent: &str, status: &str) {
    until(
        "the agent to know its programs",
        BOUND,
        || match condition(door, agent, "Ready") {
            (now, _) if now == status => Ok(()),
            other => Err(format!("{other:?}")),
        },
    )
    .unwrap();
}

/// A program elsewhere.
pub(crate) struct Program {
    name: String,
}

/// A turn that it has.
pub(crate) struct Held {
    at: String,
    run: Value,
    key: Key,
    boot: Value,
    counter: u64,
}

impl Program {
    pub(crate) fn register(door: &Door, holds: &[Value]) -> (Self, Value) {
        let sent = json!({"name": "a test", "holds": holds});
        let registered = until("the agent to take a program", BOUND, || {
            match door.post("/v1/agents/helper/register", "", &sent) {
                Ok((200, answer)) => Ok(body(&answer)),
                other => Err(format!("{other:?}")),
            }
        })
        .unwrap();
        let name = registered["program"].as_str().unwrap().to_owned();
        (Self { name }, registered)
    }

    fn say(&self, door: &Door, what: &str, sent: &Value) -> (u16, Value) {
        let path = format!("/v1/agents/helper/programs/{}/{what}", self.name);
        let (status, answer) = door.post(&path, "", sent).unwrap();
        (status, body(&answer))
    }

    pub(crate) fn take(&self, door: &Door) -> Held {
        let (status, given) = self.say(door, "turn", &json!({"holds": []}));
        assert_eq!(status, 200, "{given}");
        let boot = given["boot"].clone();
        let run = json!({"turn": boot["turn"], "incarnation": boot["incarnation"]});
        let mut key = [0; 32];
        assert!(boot["key"].is_string(), "no turn: {given}");
        let digits = boot["key"].as_str().unwrap();
        for (at, byte) in key.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap();
        }
        Held {
            at: format!(
                "/v1/agents/helper/programs/{}/turns/{}/{}",
                self.name, boot["turn"], boot["incarnation"]
            ),
            run,
            key: Key::new(key),
            boot,
            counter: 0,
        }
    }

    pub(crate) fn end(&self, door: &Door, held: &Held, code: i32) {
        let (status, answer) = self.say(door, "end", &json!({"run": held.run, "code": code}));
        assert_eq!(status, 200, "{answer}");
    }
}

impl Held {
    pub(crate) fn call(&mut self, door: &Door, path: &str, sent: &Value) -> (u16, String) {
        self.counter += 1;
        #[expect(clippy::disallowed_methods, reason = "a call is signed with the date")]
        let now = jiff::Timestamp::now().as_millisecond();
        let timestamp_ms = UnixMillis(u64::try_from(now).unwrap());
        let key = format!("t{}.{}", self.boot["turn"], self.counter);
        let request = CanonicalRequest {
            method: "POST",
            path,
            timestamp_ms,
            counter: self.counter,
            idempotency_key: Some(&key),
            deadline_ms: None,
            body_digest: body_digest(sent.to_string().as_bytes()),
        };
        let signature = self.key.sign(&request);
        let headers = format!(
            "\r\naion-timestamp: {}\r\naion-counter: {}\r\naion-signature: {signature}\r\nidempotency-key: {key}",
            timestamp_ms.0, self.counter
        );
        door.post(&format!("{}{path}", self.at), &headers, sent)
            .unwrap()
    }

    pub(crate) fn done(&mut self, door: &Door, path: &str, sent: &Value) -> Value {
        let (status, answer) = self.call(door, path, sent);
        assert_eq!(status, 200, "{path}: {answer}");
        body(&answer)
    }
}

/// Asks, and gives the record at the turn's end.
pub(crate) fn ask(door: &Door, input: &str) -> Value {
    let (status, answer) = door
        .post("/v1/agents/helper/turns", "", &json!({"input": input}))
        .unwrap();
    assert_eq!(status, 200, "{answer}");
    body(&answer)
}

#[test]
fn a_program_elsewhere_answers_with_memory_and_is_told_apart_from_one_that_is_confined()
-> anyhow::Result<()> {
    let door = open()?;
    becomes_ready(&door, "helper", "False");
    assert_eq!(condition(&door, "helper", "Ready").1, "InstancesNotReady");
    assert_eq!(
        condition(&door, "helper", "Verified"),
        ("True".into(), "External".into())
    );
    assert_eq!(
        condition(&door, "helper", "SandboxEnforced"),
        ("False".into(), "External".into())
    );
    let why = door.node.aionctl(&["why", "helper"])?;
    assert!(why.contains("no program is registered"), "{why}");

    let (program, registered) = Program::register(&door, &[]);
    assert_eq!(registered["leaseMs"], 30_000, "{registered}");
    becomes_ready(&door, "helper", "True");
    let answered = thread::scope(|scope| {
        let asked = scope.spawn(|| ask(&door, "Where is the key?"));
        let mut held = program.take(&door);
        assert_eq!(held.boot["input"]["text"], "Where is the key?");
        assert_eq!(held.boot["agent"], "default/helper");
        let item = json!({"items": [{"text": "The key is under the mat"}]});
        held.done(&door, "/v1/memory/remember", &item);
        let found = held.done(&door, "/v1/memory/recall", &json!({"query": "key", "k": 1}));
        let said = json!({"kind": "final", "text": found["hits"][0]["text"]});
        held.done(&door, "/v1/agent/message", &said);
        let (status, denied) = held.call(
            &door,
            "/v1/fs/list",
            &json!({"mount": "docs", "path": "", "limit": 1}),
        );
        assert_eq!(status, 403, "{denied}");
        held.key = Key::new([0; 32]);
        let (status, forged) = held.call(&door, "/v1/memory/recall", &json!({"query": "", "k": 1}));
        assert_eq!(
            (status, &body(&forged)["code"]),
            (401, &json!("bad-signature"))
        );
        program.end(&door, &held, 0);
        asked.join().unwrap()
    });
    assert_eq!(answered["answer"], "The key is under the mat", "{answered}");
    assert_eq!(answered["outcome"]["ok"], true, "{answered}");
    assert_eq!(answered["outcome"]["resources"], Value::Null, "{answered}");

    // What it exits with is its own, and told.
    let failed = thread::scope(|scope| {
        let asked = scope.spawn(|| ask(&door, "Fail"));
        let held = program.take(&door);
        program.end(&door, &held, 3);
        asked.join().unwrap()
    });
    let why = failed["outcome"]["problem"]["detail"]
        .as_str()
        .unwrap_or_default();
    assert!(why.contains("exited with code 3"), "{failed}");

    let (status, answer) = door.post("/v1/agents/jarvis/register", "", &json!({}))?;
    assert_eq!(
        (status, &body(&answer)["code"]),
        (400, &json!("bad-request"))
    );
    let gone = format!("DELETE /v1/agents/helper/programs/{}", program.name);
    let (status, answer) = door.exchange(&door.head(&gone, ""), "")?;
    assert_eq!(status, 200, "{answer}");
    becomes_ready(&door, "helper", "False");
    let (status, unknown) = program.say(&door, "heartbeat", &json!({}));
    assert_eq!((status, &unknown["code"]), (404, &json!("not-found")));
    Ok(())
}

#[test]
fn a_turn_elsewhere_lives_through_kill_9_of_the_node_and_is_left_when_it_is_cancelled()
-> anyhow::Result<()> {
    let mut door = open()?;
    let (program, _) = Program::register(&door, &[]);
    let events = "\r\naccept: text/event-stream";
    let asked = json!({"input": "Wait"}).to_string();
    let more = format!(
        "\r\ncontent-type: application/json\r\ncontent-length: {}{events}",
        asked.len()
    );
    let stream = door.send(&door.head("POST /v1/agents/helper/turns", &more), &asked)?;
    let mut held = program.take(&door);
    let turn = held.boot["turn"].as_u64().unwrap();
    door.node.restart_daemon()?;
    drop(stream);
    let (status, _) = program.say(&door, "heartbeat", &json!({"holds": [held.run]}));
    assert_eq!(status, 404, "the new daemon does not know it");
    let (program, registered) = Program::register(&door, std::slice::from_ref(&held.run));
    assert_eq!(registered["stop"], Value::Null, "{registered}");
    held.at = held
        .at
        .replace(held.at.split('/').nth(5).unwrap(), &program.name);
    let said = json!({"kind": "final", "text": "Here still"});
    until(
        "the new daemon to take what is signed now",
        BOUND,
        || match held.call(&door, "/v1/agent/message", &said) {
            (200, _) => Ok(()),
            other => Err(format!("{other:?}")),
        },
    )?;
    program.end(&door, &held, 0);
    let record = until("the turn to end", BOUND, || {
        let (_, record) = door
            .get(&format!("/v1/turns/{turn}"))
            .map_err(|why| why.to_string())?;
        match body(&record) {
            record if record["outcome"].is_null() => Err(record.to_string()),
            record => Ok(record),
        }
    })?;
    assert_eq!(record["answer"], "Here still", "{record}");

    let cancelled = thread::scope(|scope| {
        let asked = scope.spawn(|| ask(&door, "Never mind"));
        let held = program.take(&door);
        let cancel = format!("DELETE /v1/turns/{}", held.boot["turn"]);
        let (status, answer) = door.exchange(&door.head(&cancel, ""), "").unwrap();
        assert_eq!(status, 200, "{answer}");
        let (_, told) = program.say(&door, "heartbeat", &json!({"holds": [held.run]}));
        assert_eq!(told["stop"], json!([held.run]));
        asked.join().unwrap()
    });
    assert_eq!(
        cancelled["outcome"]["problem"]["code"], "cancelled",
        "{cancelled}"
    );
    Ok(())
}

#[test]
fn an_agent_that_is_applied_anew_or_deleted_under_a_program_loses_no_turn_without_a_word()
-> anyhow::Result<()> {
    let door = open()?;
    let (program, _) = Program::register(&door, &[]);
    let answered = thread::scope(|scope| {
        let asked = scope.spawn(|| ask(&door, "Wait"));
        let mut held = program.take(&door);
        described(&door, "Helps from elsewhere, and is another one now").unwrap();
        let (_, told) = program.say(&door, "heartbeat", &json!({"holds": [held.run]}));
        assert_eq!(told["stop"], Value::Null, "{told}");
        let said = json!({"kind": "final", "text": "All the same"});
        held.done(&door, "/v1/agent/message", &said);
        program.end(&door, &held, 0);
        asked.join().unwrap()
    });
    assert_eq!(answered["answer"], "All the same", "{answered}");

    let (program, _) = Program::register(&door, &[]);
    becomes_ready(&door, "helper", "True");
    let ended = thread::scope(|scope| {
        let asked = scope.spawn(|| ask(&door, "Wait for ever"));
        let held = program.take(&door);
        door.node.aionctl(&["delete", "agent", "helper"]).unwrap();
        until("the program to be told", BOUND, || {
            let (status, told) = program.say(&door, "heartbeat", &json!({"holds": [held.run]}));
            match status == 404 || told["stop"] == json!([held.run]) {
                true => Ok(()),
                false => Err(told.to_string()),
            }
        })
        .unwrap();
        asked.join().unwrap()
    });
    assert_eq!(ended["outcome"]["ok"], false, "{ended}");
    assert!(ended["outcome"]["problem"]["code"].is_string(), "{ended}");
    Ok(())
}

#[test]
fn without_the_word_of_a_trust_policy_no_program_is_taken() -> anyhow::Result<()> {
    let model = FakeModel::answering(|_| Reply::text("Nobody asks me."))?;
    let door = Door::open(&model)?;
    agent(&door)?;
    until("the agent to be refused", BOUND, || {
        match condition(&door, "helper", "Verified") {
            (status, reason) if status == "False" && reason == "ExternalNotAllowed" => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })?;
    let (status, answer) = door.post("/v1/agents/helper/register", "", &json!({}))?;
    assert_eq!(
        (status, &body(&answer)["code"]),
        (409, &json!("not-running")),
        "{answer}"
    );
    let path = door.node.path("both.yaml");
    let both = json!({
        "apiVersion": "aion.dev/v1alpha1", "kind": "Agent", "metadata": {"name": "both"},
        "spec": {"runtime": "external", "instructions": "Be brief"},
    });
    fs::write(&path, both.to_string())?;
    let refused = apply(&door.node, &path).unwrap_err().to_string();
    assert!(
        refused.contains("remove instructions, steps and bundle"),
        "{refused}"
    );
    Ok(())
}
