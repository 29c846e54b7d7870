//! A2A: the SDKs for Python and JavaScript as clients, by both bindings, and what is refused.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    os::unix::fs::symlink,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver, Sender},
    time::Duration,
};

use aion_e2e::cluster::root;
use aion_testkit::{FakeModel, Interpreter, Reply, node_package, or_skip, python_package};
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::door::{BOUND, Door, apply, body};

pub(crate) const JARVIS: &str = "/v1/a2a/default/jarvis";
const SAYS: &str = "Felix is a good name.";

fn script(name: &str) -> PathBuf {
    root().join("tests/e2e/tests/gateway/a2a").join(name)
}

fn answering() -> anyhow::Result<FakeModel> {
    Ok(FakeModel::answering(|_| Reply::text(SAYS))?)
}

/// What holds a model: it says that it is asked, and answers when it is let.
pub(crate) struct Held {
    pub(crate) asked: Receiver<()>,
    pub(crate) answer: Sender<()>,
}

/// A model that answers as often as it is let.
pub(crate) fn holding() -> anyhow::Result<(FakeModel, Held)> {
    let (tell, asked) = mpsc::channel::<()>();
    let (answer, may) = mpsc::channel::<()>();
    let ends = Mutex::new((tell, may));
    let model = FakeModel::answering(move |_| {
        let (tell, may) = &*ends.lock();
        let _ = tell.send(());
        let _ = may.recv_timeout(BOUND);
        Reply::text(SAYS)
    })?;
    Ok((model, Held { asked, answer }))
}

/// Runs a client, which says what it waits for.
fn run(
    mut client: Command,
    (door, task): (&Door, &str),
    held: Option<&Held>,
) -> anyhow::Result<()> {
    let base = format!("http://127.0.0.1:{}{JARVIS}", door.port);
    client.args([&base, &door.token, task]);
    client.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut client = Running(client.stderr(Stdio::piped()).spawn()?);
    let mut tell = client.0.stdin.take().unwrap();
    let mut last = String::new();
    for line in BufReader::new(client.0.stdout.take().unwrap()).lines() {
        last = line?;
        match (held, last.as_str()) {
            (Some(held), "asked") => held.asked.recv_timeout(BOUND)?,
            (Some(held), "answer") => held.answer.send(())?,
            _ => continue,
        }
        writeln!(tell)?;
    }
    let mut said = String::new();
    let error = client.0.stderr.take().unwrap();
    BufReader::new(error).read_to_string(&mut said)?;
    assert!(client.0.wait()?.success(), "{task}: {said}");
    assert_eq!(last, "all of it", "{said}");
    Ok(())
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Does each task with a client.
fn each(client: impl Fn() -> Command) -> anyhow::Result<()> {
    for task in ["ask", "strange"] {
        let model = answering()?;
        let door = Door::open(&model)?;
        run(client(), (&door, task), None)?;
    }
    let (model, held) = holding()?;
    let door = Door::open(&model)?;
    run(client(), (&door, "held"), Some(&held))?;
    let model = FakeModel::answering(|_| Reply::Paced {
        text: ["Felix"; 40].join(" "),
        pause: Duration::from_millis(100),
    })?;
    let door = Door::open(&model)?;
    run(client(), (&door, "broken"), None)
}

#[test]
fn the_sdk_for_python_finds_asks_follows_and_cancels_by_both_bindings() -> anyhow::Result<()> {
    let Some(site) = or_skip(python_package("a2a")) else {
        return Ok(());
    };
    each(|| {
        let mut python = Command::new("python3");
        python.arg(script("client.py")).env("PYTHONPATH", &site);
        python
    })?;
    let said = example_of("python", |door, text| {
        let mut python = Command::new("python3");
        python.args(["-c", text]).env("PYTHONPATH", &site);
        python.env("OPENAI_API_KEY", &door.token);
        Ok(python)
    })?;
    assert!(said.contains("TASK_STATE_COMPLETED"), "{said}");
    Ok(())
}

#[test]
fn the_sdk_for_javascript_finds_asks_follows_and_cancels_by_both_bindings() -> anyhow::Result<()> {
    let Some(modules) = or_skip(node_package("a2a-js")) else {
        return Ok(());
    };
    if or_skip(Interpreter::Node.command()).is_none() {
        return Ok(());
    }
    // Node looks for packages beside the program.
    let work = tempfile::tempdir()?;
    let program = work.path().join("client.mjs");
    fs::copy(script("client.mjs"), &program)?;
    symlink(&modules, work.path().join("node_modules"))?;
    each(|| {
        let mut node = Command::new("node");
        node.arg(&program);
        node
    })?;
    let example = work.path().join("example.mjs");
    let said = example_of("js", |door, text| {
        fs::write(&example, text.replace("@a2a-js/sdk", "a2a-js"))?;
        let mut node = Command::new("node");
        node.arg(&example).env("OPENAI_API_KEY", &door.token);
        Ok(node)
    })?;
    assert!(
        said.contains("artifactUpdate") && said.contains(SAYS),
        "{said}"
    );
    Ok(())
}

/// What the document's example in a language says, with the agent that is here.
fn example_of(
    language: &str,
    command: impl FnOnce(&Door, &str) -> anyhow::Result<Command>,
) -> anyhow::Result<String> {
    let text = fs::read_to_string(root().join("docs/gateway.md"))?;
    let example = text.split("## A2A").nth(1).unwrap();
    let example = example.split(&format!("```{language}\n")).nth(1).unwrap();
    let example = example.split("```").next().unwrap();
    let model = answering()?;
    let door = Door::open(&model)?;
    let here = format!("http://127.0.0.1:{}{JARVIS}", door.port);
    let there = "http://127.0.0.1:8421/v1/a2a/default/librarian";
    let output = command(&door, &example.replace(there, &here))?.output()?;
    assert!(output.status.success(), "{output:?}");
    Ok(String::from_utf8(output.stdout)?)
}

/// A message, as JSON-RPC or as its body alone.
pub(crate) fn message(id: &str) -> Value {
    let parts = json!([{"text": "A name for a cat?"}]);
    json!({"message": {"messageId": id, "role": "ROLE_USER", "parts": parts}})
}

pub(crate) fn call(method: &str, params: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": "one", "method": method, "params": params})
}

#[test]
fn a_card_is_kept_by_its_tag_and_what_is_no_request_is_refused_in_the_words_of_a2a()
-> anyhow::Result<()> {
    let model = answering()?;
    let mut door = Door::open(&model)?;
    let card = format!("{JARVIS}/.well-known/agent-card.json");
    let (status, answer) = door.get(&card)?;
    assert_eq!(status, 200, "{answer}");
    assert!(
        answer.contains("cache-control: private, max-age=60"),
        "{answer}"
    );
    let tag = answer.lines().find_map(|it| it.strip_prefix("etag: "));
    let same = format!("\r\nif-none-match: {}", tag.unwrap());
    let (status, _) = door.exchange(&door.head(&format!("GET {card}"), &same), "")?;
    assert_eq!(status, 304, "the same agent has the same card");
    let (_, keys) = door.get("/v1/a2a/jwks.json")?;
    assert_eq!(body(&keys)["keys"][0]["crv"], "Ed25519", "{keys}");
    let secret = fs::read(door.node.home().join("gateway/run/card.key"))?;
    assert_eq!(secret.len(), 32);

    let version = "\r\na2a-version: 1.0";
    let (_, slash) = door.post(
        &format!("{JARVIS}/"),
        version,
        &call("GetTask", &json!({"id": "4711"})),
    )?;
    assert_eq!(body(&slash)["error"]["code"], -32001, "{slash}");
    let rest = |path: &str, more: &str, asked: &Value| {
        let (status, answer) = door.post(&format!("{JARVIS}{path}"), more, asked)?;
        let error = body(&answer)["error"].clone();
        let reason = error["details"][0]["reason"].as_str().unwrap_or_default();
        anyhow::Ok((status, reason.to_owned(), error["status"].clone()))
    };
    let (status, reason, _) = rest("/message:send", "", &message("m1"))?;
    assert_eq!((status, &*reason), (400, "VERSION_NOT_SUPPORTED"));
    let (status, reason, _) = rest("/message:send", "\r\na2a-version: 0.3", &message("m1"))?;
    assert_eq!((status, &*reason), (400, "VERSION_NOT_SUPPORTED"));
    let (status, reason, kind) = rest("/nothing", version, &json!({}))?;
    assert_eq!((status, &*reason), (404, "METHOD_NOT_FOUND"));
    assert_eq!(kind, "NOT_FOUND");
    let (status, reason, _) = rest("/message:send", version, &json!({"message": {}}))?;
    assert_eq!((status, &*reason), (400, "INVALID_PARAMS"));

    let form = |path: &str, more: &str| {
        let kind = "\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: 2";
        let head = door.head(&format!("POST {JARVIS}{path}"), &format!("{more}{kind}"));
        anyhow::Ok(body(&door.exchange(&head, "{}")?.1)["error"].clone())
    };
    assert_eq!(form("", version)?["code"], -32005);
    let error = form("/message:send", version)?;
    assert_eq!(
        error["details"][0]["reason"], "CONTENT_TYPE_NOT_SUPPORTED",
        "{error}"
    );

    let rpc = |more: &str, asked: &Value| {
        let (status, answer) = door.post(JARVIS, more, asked)?;
        assert_eq!(status, 200, "{answer}");
        let answer = body(&answer);
        assert_eq!(answer["id"], "one", "{answer}");
        anyhow::Ok(answer)
    };
    let send = call("SendMessage", &message("m1"));
    let (_, old) = door.post(JARVIS, "", &send)?;
    assert_eq!(body(&old)["error"]["code"], -32009, "{old}");
    for (method, code) in [("message/send", -32601), ("GetExtendedAgentCard", -32004)] {
        let answer = rpc(version, &call(method, &json!({})))?;
        assert_eq!(answer["error"]["code"], code, "{answer}");
        let told = &answer["error"]["data"][0]["metadata"];
        assert!(told["remedy"].is_string(), "{answer}");
    }
    let page = json!({"pageSize": 101});
    let answer = rpc(version, &call("ListTasks", &page))?;
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
    let empty = rpc(version, &call("ListTasks", &json!({})))?;
    let none = json!({"tasks": [], "nextPageToken": "", "pageSize": 0, "totalSize": 0});
    assert_eq!(empty["result"], none);
    assert!(model.requests().is_empty(), "nobody was asked");

    // The version may be said behind the address, and the same message by the other binding is the same task.
    let (_, first) = door.post(&format!("{JARVIS}?A2A-Version=1.0"), "", &send)?;
    let first = body(&first)["result"]["task"].clone();
    assert_eq!(first["artifacts"][0]["parts"][0]["text"], SAYS, "{first}");
    let (status, again) = door.post(&format!("{JARVIS}/message:send"), version, &message("m1"))?;
    assert_eq!(status, 200, "{again}");
    assert!(
        again.contains("content-type: application/a2a+json"),
        "{again}"
    );
    assert_eq!(body(&again)["task"], first);
    assert_eq!(model.requests().len(), 1, "it was asked once");
    // Another message may be called so, too: some clients count from one whenever they start.
    let mut other = message("m1");
    other["message"]["parts"][0]["text"] = "Another?".into();
    let other = rpc(version, &call("SendMessage", &other))?;
    assert_ne!(other["result"]["task"]["id"], first["id"], "{other}");

    let _another = door.another()?;
    let (_, same) = door.get("/v1/a2a/jwks.json")?;
    assert_eq!(body(&same), body(&keys), "it signs with the same key");
    let (_, again) = door.post(&format!("{JARVIS}/message:send"), version, &message("m1"))?;
    assert_eq!(body(&again)["task"], first, "it has the same task");
    assert_eq!(model.requests().len(), 2, "each was asked once");
    Ok(())
}

#[test]
fn a_task_is_there_for_its_agent_alone_and_nothing_is_told_to_who_may_not() -> anyhow::Result<()> {
    let model = answering()?;
    let door = Door::open(&model)?;
    let jarvis = fs::read_to_string(root().join("agents/jarvis/agent.yaml"))?;
    let other = door.node.path("other.yaml");
    fs::write(&other, jarvis.replace("name: jarvis", "name: other"))?;
    apply(&door.node, &other)?;
    let version = "\r\na2a-version: 1.0";
    let (_, asked) = door.post(&format!("{JARVIS}/message:send"), version, &message("m1"))?;
    let id = body(&asked)["task"]["id"].as_str().unwrap().to_owned();
    let get = |agent: &str| {
        let path = format!("GET /v1/a2a/default/{agent}/tasks/{id}");
        door.exchange(&door.head(&path, version), "")
    };
    assert_eq!(get("jarvis")?.0, 200);
    let (status, answer) = get("other")?;
    assert_eq!(status, 404, "{answer}");
    assert!(answer.contains("TASK_NOT_FOUND"), "{answer}");
    for path in [
        "",
        "/message:send",
        "/tasks/1",
        "/.well-known/agent-card.json",
    ] {
        let line = format!("GET {JARVIS}{path}");
        let (status, answer) = door.exchange(&format!("{line} HTTP/1.1\r\nhost: localhost"), "")?;
        assert_eq!(status, 401, "{answer}");
        assert!(answer.contains("www-authenticate: Bearer"), "{answer}");
        assert!(answer.contains("UNAUTHENTICATED"), "{answer}");
        for evil in [
            "host: evil.example",
            "host: localhost\r\norigin: https://evil.example",
        ] {
            let head = door.head(&line, version).replace("host: localhost", evil);
            let (status, answer) = door.exchange(&head, "")?;
            assert_eq!(status, 403, "{answer}");
        }
    }
    let log = fs::read_to_string(door.node.path("gateway.log"))?;
    assert!(!log.contains(&door.token), "{log}");
    Ok(())
}
