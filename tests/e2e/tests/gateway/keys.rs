//! Keys of programs: each is for agents of one namespace, and what is not for it is not there, by whatever protocol it asks.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::Command,
};

use aion_e2e::cluster::root;
use aion_testkit::{FakeModel, Reply, or_skip, python_package, until};
use serde_json::{Value, json};

use crate::door::{BOUND, Door, apply, body};

/// A node with a gateway, and its helper three times: as jarvis, as other beside it, and as jarvis of another namespace.
fn open(model: &FakeModel) -> anyhow::Result<Door> {
    let door = Door::open(model)?;
    let jarvis = fs::read_to_string(root().join("agents/jarvis/agent.yaml"))?;
    let other = jarvis.split("---").next().unwrap_or_default();
    let other = other.replace("name: jarvis", "name: other");
    let office = jarvis.replace("metadata:\n", "metadata:\n  namespace: office\n");
    for (name, text) in [("other.yaml", other), ("office.yaml", office)] {
        let path = door.node.path(name);
        fs::write(&path, text)?;
        apply(&door.node, &path)?;
    }
    Ok(door)
}

/// The door as whoever has such a key finds it.
fn with_key(door: &mut Door, args: &[&str]) -> anyhow::Result<String> {
    let args = [&["key", "create"], args].concat();
    let key = door.node.aionctl(&args)?.trim().to_owned();
    assert!(key.starts_with("aion_") && key.len() == 41, "{key}");
    door.token.clone_from(&key);
    Ok(key)
}

fn chat(door: &Door, model: &str) -> anyhow::Result<(u16, String)> {
    let messages = json!([{"role": "user", "content": "A name for a cat?"}]);
    let asked = json!({"model": model, "messages": messages});
    door.post("/v1/chat/completions", "", &asked)
}

fn names(list: &Value, field: &str) -> Vec<String> {
    let all = list.as_array().into_iter().flatten();
    all.filter_map(|it| it[field].as_str().map(str::to_owned))
        .collect()
}

#[test]
fn a_key_is_for_its_agents_by_every_protocol_and_nothing_else_is_there() -> anyhow::Result<()> {
    let model = FakeModel::answering(|_| Reply::text("Felix."))?;
    let mut door = open(&model)?;
    let asked = json!({"input": "A name for a cat?"});
    let (_, of_owner) = door.post("/v1/agents/jarvis/turns", "", &asked)?;
    let of_owner = body(&of_owner)["turn"].clone();
    with_key(&mut door, &["editor", "--agent", "jarvis"])?;
    let (status, agents) = door.get("/v1/agents")?;
    assert_eq!(
        (status, names(&body(&agents)["items"], "name")),
        (200, vec!["jarvis".to_owned()])
    );
    let (status, own) = door.post("/v1/agents/jarvis/turns", "", &asked)?;
    assert_eq!(
        (status, &body(&own)["answer"]),
        (200, &json!("Felix.")),
        "{own}"
    );
    let own = body(&own)["turn"].clone();
    // Of the agent's turns only those are listed that the key began, by either protocol.
    let (status, listed) = door.get("/v1/agents/jarvis/turns")?;
    assert_eq!(status, 200, "{listed}");
    let listed = body(&listed);
    assert_eq!(
        listed["items"].as_array().map(Vec::len),
        Some(1),
        "{listed}"
    );
    assert_eq!(listed["items"][0]["turn"], own);
    assert!(listed["items"][0].get("answer").is_none(), "{listed}");
    let tasks = door.head("GET /v1/a2a/default/jarvis/tasks", "\r\na2a-version: 1.0");
    let (_, tasks) = door.exchange(&tasks, "")?;
    let tasks = body(&tasks);
    assert_eq!(tasks["totalSize"], 1, "{tasks}");
    assert_eq!(tasks["tasks"][0]["id"], own.to_string());
    for (line, status) in [
        (format!("GET /v1/turns/{own}"), 200),
        (format!("GET /v1/turns/{own}/events"), 200),
        // Another's of the same agent.
        (format!("GET /v1/turns/{of_owner}"), 404),
        (format!("GET /v1/turns/{of_owner}/events"), 404),
        (format!("GET /v1/turns/{of_owner}/files/a.md"), 404),
        (format!("DELETE /v1/turns/{of_owner}"), 404),
        ("GET /v1/agents/jarvis".to_owned(), 200),
        ("GET /v1/agents/other".to_owned(), 404),
        ("GET /v1/agents/jarvis?namespace=office".to_owned(), 404),
        ("POST /v1/agents/other/uploads?name=a.md".to_owned(), 404),
        ("GET /v1/approvals".to_owned(), 403),
        ("GET /v1/approvals/1".to_owned(), 403),
        ("GET /v1/models/other".to_owned(), 404),
        (
            "GET /v1/a2a/default/jarvis/.well-known/agent-card.json".to_owned(),
            200,
        ),
        (
            "GET /v1/a2a/default/other/.well-known/agent-card.json".to_owned(),
            404,
        ),
        (
            "GET /v1/a2a/office/jarvis/.well-known/agent-card.json".to_owned(),
            404,
        ),
    ] {
        let (said, answer) = door.exchange(&door.head(&line, "\r\na2a-version: 1.0"), "")?;
        assert_eq!(said, status, "{line}: {answer}");
        assert!(!answer.contains("there are: "), "{line}: {answer}");
    }
    for (path, asked, status) in [
        ("/v1/agents/other/turns", asked.clone(), 404),
        (
            "/v1/agents/jarvis/turns?namespace=office",
            asked.clone(),
            404,
        ),
        ("/v1/agents/jarvis/register", json!({"name": "x"}), 403),
        ("/v1/agents/other/register", json!({"name": "x"}), 404),
        // There is one that it may ask.
        ("/v1/ask", asked.clone(), 200),
        ("/v1/ask?namespace=office", asked, 422),
    ] {
        let (said, answer) = door.post(path, "", &asked)?;
        assert_eq!(said, status, "{path}: {answer}");
        assert!(!answer.contains("other\""), "{path}: {answer}");
    }
    let (_, models) = door.get("/v1/models")?;
    assert_eq!(names(&body(&models)["data"], "id"), ["auto", "jarvis"]);
    assert_eq!(chat(&door, "jarvis")?.0, 200);
    assert_eq!(chat(&door, "auto")?.0, 200);
    let (status, refused) = chat(&door, "other")?;
    assert_eq!(status, 404, "{refused}");
    assert_eq!(body(&refused)["error"]["code"], "not-found", "{refused}");
    let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
    let accepts =
        "\r\naccept: application/json, text/event-stream\r\nmcp-protocol-version: 2025-11-25";
    let (status, tools) = door.post("/mcp", accepts, &list)?;
    assert_eq!(status, 200, "{tools}");
    assert_eq!(
        names(&body(&tools)["result"]["tools"], "name"),
        ["ask", "jarvis"]
    );
    Ok(())
}

#[test]
fn a_key_hears_of_the_turns_that_it_began_and_of_nothing_once_it_is_revoked() -> anyhow::Result<()>
{
    let model = FakeModel::answering(|_| Reply::text("Felix."))?;
    let mut door = open(&model)?;
    let owner = door.token.clone();
    let key = with_key(&mut door, &["editor", "--agent", "jarvis"])?;
    let head = door.head("GET /v1/events", "\r\naccept: text/event-stream");
    let mut lines = BufReader::new(door.send(&head, "")?).lines();
    let mut heard_until = |word: &str| -> anyhow::Result<Vec<String>> {
        let mut heard = Vec::new();
        loop {
            let line = lines
                .next()
                .ok_or_else(|| anyhow::anyhow!("it ended: {heard:?}"))??;
            let is_last = line.contains(word);
            heard.push(line);
            if is_last {
                return Ok(heard);
            }
        }
    };
    let ask = |door: &mut Door, token: &String| -> anyhow::Result<String> {
        door.token.clone_from(token);
        let asked = json!({"input": "A name for a cat?"});
        let (status, record) = door.post("/v1/agents/jarvis/turns", "", &asked)?;
        assert_eq!(status, 200, "{record}");
        Ok(format!("\"turn\":{},", body(&record)["turn"]))
    };
    heard_until("listening")?;
    let of_owner = ask(&mut door, &owner)?;
    let own = ask(&mut door, &key)?;
    let heard = heard_until("\"state\":\"ended\"")?.concat();
    assert!(
        heard.contains(&own) && heard.contains("model.chat"),
        "{heard}"
    );
    for others in [&*of_owner, "\"kind\":\"log\"", "\"kind\":\"queue\""] {
        assert!(!heard.contains(others), "{others}: {heard}");
    }
    door.node.aionctl(&["key", "revoke", "editor"])?;
    // What was judged is believed for a second.
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    ask(&mut door, &owner)?;
    let heard = heard_until("away")?.concat();
    assert!(!heard.contains("\"turn\""), "{heard}");
    Ok(())
}

#[test]
fn a_key_ends_when_it_is_revoked_or_over_and_is_in_no_file() -> anyhow::Result<()> {
    let model = FakeModel::answering(|_| Reply::text("Felix."))?;
    let mut door = open(&model)?;
    let owner = door.token.clone();
    let key = with_key(&mut door, &["editor", "--agent", "*"])?;
    let bearer = door.head("GET /v1/agents", "");
    let (status, agents) = door.exchange(&bearer, "")?;
    assert_eq!(
        names(&body(&agents)["items"], "name"),
        ["jarvis", "other"],
        "{status}"
    );
    let as_api_key = bearer.replace("authorization: Bearer ", "x-api-key: ");
    assert_eq!(door.exchange(&as_api_key, "")?.0, 200);
    // Whose key it is a client does not say beside its own.
    let both = format!("{bearer}\r\naion-key: aion_x");
    assert_eq!(door.exchange(&both, "")?.0, 200);
    let shown = body(
        &door
            .node
            .aionctl(&["key", "show", "editor", "-o", "json"])?
            .replacen('{', "\r\n\r\n{", 1),
    );
    assert!(
        shown["usedMs"].as_u64().is_some_and(|it| it % 60_000 == 0),
        "{shown}"
    );
    let refused = |door: &Door, head: &str, word: &str| -> anyhow::Result<()> {
        let (status, answer) = door.exchange(head, "")?;
        assert_eq!(status, 401, "{answer}");
        assert!(answer.contains("www-authenticate: Bearer"), "{answer}");
        assert!(
            answer.contains(word) && !answer.contains(&key[5..]),
            "{answer}"
        );
        Ok(())
    };
    let mistyped = bearer.replace(&key, &key.to_lowercase());
    refused(&door, &mistyped, "mistyped")?;
    assert!(
        door.node
            .aionctl(&["key", "create", "editor", "--agent", "*"])
            .is_err()
    );
    // It is known to who comes after the daemon, and after the gateway.
    door.node.restart_daemon()?;
    door.restart_gateway()?;
    until("the daemon to be back", BOUND, || {
        match door.exchange(&bearer, "") {
            Ok((200, _)) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })?;
    door.node.aionctl(&["key", "revoke", "editor"])?;
    refused(&door, &bearer, "revoked")?;
    let brief = with_key(&mut door, &["brief", "--agent", "*", "--expires", "1s"])?;
    until("the key to be over", BOUND, || {
        match door.get("/v1/agents") {
            Ok((401, answer)) if answer.contains("expired") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })?;
    let slow = with_key(
        &mut door,
        &[
            "slow",
            "--agent",
            "*",
            "--door",
            "rest",
            "--requests-per-minute",
            "2",
        ],
    )?;
    let (status, answer) = chat(&door, "jarvis")?;
    assert_eq!(
        (status, &body(&answer)["error"]["code"]),
        (403, &json!("denied")),
        "{answer}"
    );
    assert_eq!(door.get("/v1/agents")?.0, 200);
    assert_eq!(door.get("/v1/agents")?.0, 200);
    let (status, answer) = door.get("/v1/agents")?;
    assert_eq!(status, 429, "{answer}");
    assert!(answer.contains("retry-after: "), "{answer}");
    door.token = owner;
    assert_eq!(
        door.get("/v1/agents")?.0,
        200,
        "another's bound is another's"
    );
    for key in [&key, &brief, &slow] {
        nowhere(&key[5..], door.node.home())?;
        nowhere(
            &key[5..],
            door.node.path("x").parent().unwrap_or(door.node.home()),
        )?;
    }
    Ok(())
}

/// No file below the folder has the text.
fn nowhere(text: &str, folder: &Path) -> anyhow::Result<()> {
    let found = Command::new("grep")
        .args(["-rlaF", "--devices=skip", text])
        .arg(folder)
        .output()?;
    let found = String::from_utf8_lossy(&found.stdout).into_owned();
    assert_eq!(found, "");
    Ok(())
}

const CLIENT: &str = r#"
import sys, openai
client = openai.OpenAI(base_url=sys.argv[1], api_key=sys.argv[2], max_retries=0)
ask = [{"role": "user", "content": "A name for a cat?"}]
assert [it.id for it in client.models.list()] == ["auto", "jarvis"], client.models.list()
for model in ["jarvis", "office/jarvis", "auto"]:
    whole = client.chat.completions.create(model=model, messages=ask)
    assert whole.choices[0].message.content == "Felix.", whole
for model in ["other", "default/jarvis"]:
    try:
        client.chat.completions.create(model=model, messages=ask)
    except openai.NotFoundError as why:
        assert why.code == "not-found", why
    else:
        raise AssertionError(f"{model} was asked")
print("all of it")
"#;

#[test]
fn openais_client_asks_by_the_key_of_a_namespace_and_finds_no_other() -> anyhow::Result<()> {
    let Some(site) = or_skip(python_package("openai")) else {
        return Ok(());
    };
    let model = FakeModel::answering(|_| Reply::text("Felix."))?;
    let mut door = open(&model)?;
    let key = with_key(
        &mut door,
        &[
            "office",
            "--label",
            "app.kubernetes.io/part-of=aion",
            "--namespace",
            "office",
        ],
    )?;
    let mut client = Command::new("python3");
    client.args(["-c", CLIENT]).env("PYTHONPATH", &site);
    client.args([&format!("http://127.0.0.1:{}/v1", door.port), &key]);
    let output = client.output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "all of it");
    Ok(())
}
