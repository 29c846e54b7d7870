//! Budgets of keys: one over all agents that are asked by a key and those that they ask, through `kill -9`, and told in the shape
//! of each protocol once it is used up.

use std::{fs, net::TcpStream};

use aion_e2e::cluster::root;
use aion_testkit::{FakeModel, ModelRequest, Reply, until};
use serde_json::{Value, json};

use crate::{
    door::{BOUND, Door, apply, body},
    embeddings, models,
};

const BUDGET: u64 = 12_000;

/// The clerk's answers are long; the chief passes on what it is asked.
fn act(request: &ModelRequest) -> Reply {
    let messages = request.body["messages"].as_array().unwrap();
    let passes_on = request.body["tools"].as_array().into_iter().flatten();
    let mut tools = passes_on.filter_map(|it| it["function"]["name"].as_str());
    match tools.find(|it| it.contains("ask_clerk")) {
        Some(tool) if messages.iter().all(|it| it["role"] != "tool") => {
            Reply::call(tool, json!({"input": "Go."}))
        }
        Some(_) => Reply::text("Done."),
        None => Reply::text("a ".repeat(2_000)),
    }
}

/// A node with two clerks and a chief, without memory: what they are asked is as long each time.
fn office(model: &FakeModel) -> anyhow::Result<Door> {
    let door = Door::open(model)?;
    let agents = [
        ("clerk", json!({"limits": {"maxTokens": 2_100}})),
        ("other", json!({"limits": {"maxTokens": 2_100}})),
        (
            "chief",
            json!({"limits": {"maxTokens": 100}, "tools": [{"agent": "clerk"}]}),
        ),
    ];
    let agents = agents.map(|(name, mut spec)| {
        spec["instructions"] = json!("Be brief.");
        spec["model"] = json!({"use": "local"});
        json!({"apiVersion": "aion.dev/v1alpha1", "kind": "Agent", "metadata": {"name": name}, "spec": spec}).to_string()
    });
    let path = door.node.path("office.yaml");
    fs::write(&path, agents.join("\n---\n"))?;
    apply(&door.node, &path)?;
    Ok(door)
}

/// The key that the documentation makes, of these agents and this budget, with `more`.
fn with_budget(door: &mut Door, agents: &[&str], budget: u64, more: &[&str]) -> anyhow::Result<()> {
    let document = fs::read_to_string(root().join("docs/gateway.md"))?;
    let example = document
        .lines()
        .find_map(|it| it.strip_prefix("aionctl key create guest "));
    let example = example
        .unwrap_or_default()
        .split('#')
        .next()
        .unwrap_or_default();
    let example = example.replace("20000", &budget.to_string());
    let mut args = vec!["key", "create", "guest"];
    args.extend(example.split_whitespace());
    args.extend(agents.iter().flat_map(|it| ["--agent", *it]));
    args.extend(more);
    assert!(args.contains(&"--tokens-per-hour"), "{args:?}");
    door.token = door.node.aionctl(&args)?.trim().to_owned();
    Ok(())
}

fn asked(door: &Door, agent: &str) -> anyhow::Result<Value> {
    let path = format!("/v1/agents/{agent}/turns");
    let (status, record) = door.post(&path, "", &json!({"input": "Go."}))?;
    assert_eq!(status, 200, "{record}");
    Ok(body(&record))
}

fn tokens(record: &Value) -> u64 {
    record["outcome"]["tokens"].as_u64().unwrap()
}

/// What the key is told of its use.
fn used(door: &Door) -> anyhow::Result<u64> {
    let (status, usage) = door.get("/v1/usage")?;
    assert_eq!(status, 200, "{usage}");
    let usage = body(&usage);
    let own = &usage["keys"][0];
    assert_eq!(usage["keys"].as_array().map(Vec::len), Some(1), "{usage}");
    assert_eq!(own["name"], "guest", "{usage}");
    assert_eq!(own["namespace"], "default", "{usage}");
    Ok(own["tokensInHour"].as_u64().unwrap())
}

#[test]
fn a_budget_of_a_key_is_one_over_agents_and_restarts_and_ends_with_its_hour() -> anyhow::Result<()>
{
    let model = FakeModel::answering(act)?;
    let mut door = office(&model)?;
    let owner = door.token.clone();
    with_budget(&mut door, &["clerk", "other", "chief"], BUDGET, &[])?;
    let mut sum = 0;
    for agent in ["clerk", "other"] {
        let record = asked(&door, agent)?;
        assert_eq!(record["outcome"]["ok"], true, "{record}");
        sum += tokens(&record);
        assert_eq!(used(&door)?, sum, "after {agent}");
    }
    assert!(sum > 4_000, "{sum}");
    door.node.restart_daemon()?;
    until("the daemon to be back", BOUND, || {
        match door.get("/v1/agents") {
            Ok((200, _)) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })?;
    assert_eq!(used(&door)?, sum, "a restart renews nothing");

    // What the chief has the clerk say is of the key that the chief was asked by.
    let record = asked(&door, "chief")?;
    assert_eq!(record["outcome"]["ok"], true, "{record}");
    let all = used(&door)?;
    assert!(all > sum + tokens(&record) + 2_000, "{all}: {record}");

    let refused = loop {
        let record = asked(&door, "other")?;
        match record["outcome"]["ok"].as_bool() {
            Some(true) => assert!(used(&door)? <= BUDGET),
            _ => break record["outcome"]["problem"].clone(),
        }
    };
    assert!(used(&door)? <= BUDGET);
    assert_eq!(refused["code"], "quota-exceeded", "{refused}");
    let detail = refused["detail"].as_str().unwrap();
    assert!(detail.contains("the key's quota of 12000"), "{refused}");
    assert!(refused["retryAfterMs"].as_u64() > Some(1_000), "{refused}");
    assert!(
        refused["remedy"]
            .as_str()
            .unwrap()
            .contains("--tokens-per-hour"),
        "{refused}"
    );
    told_by_each_protocol(&door)?;

    // Others are not held up, and the owner sees whose it was.
    let key = std::mem::replace(&mut door.token, owner);
    assert_eq!(asked(&door, "other")?["outcome"]["ok"], true);
    let shown = door.node.aionctl(&["usage"])?;
    let row = shown.lines().find(|it| it.starts_with("guest")).unwrap();
    assert!(row.ends_with("of 12000"), "{shown}");
    let shown = door.node.aionctl(&["key", "show", "guest"])?;
    assert!(shown.contains("tokens/h   12000"), "{shown}");
    let shown = door.node.aionctl(&["key", "list"])?;
    assert!(shown.contains("12000"), "{shown}");
    let usage = |door: &Door| -> anyhow::Result<Value> {
        let usage = door.node.aionctl(&["usage", "-o", "json"])?;
        Ok(serde_json::from_str::<Value>(&usage)?["keys"].clone())
    };
    assert_eq!(usage(&door)?[0]["tokensPerHour"], BUDGET);
    // One of its name that comes later is another.
    door.node.aionctl(&["key", "revoke", "guest"])?;
    let gone = usage(&door)?;
    assert!(
        gone[0]["name"].is_null() && gone[0]["tokensInHour"].as_u64() > Some(0),
        "{gone}"
    );
    with_budget(&mut door, &["other"], BUDGET, &[])?;
    assert_ne!(door.token, key);
    assert_eq!(used(&door)?, 0);
    assert!(
        door.node
            .aionctl(&[
                "key",
                "create",
                "none",
                "--agent",
                "other",
                "--tokens-per-hour",
                "0"
            ])
            .is_err()
    );
    Ok(())
}

fn told_by_each_protocol(door: &Door) -> anyhow::Result<()> {
    let messages = json!([{"role": "user", "content": "Go."}]);
    let (status, answer) = door.post(
        "/v1/chat/completions",
        "",
        &json!({"model": "other", "messages": messages}),
    )?;
    assert_eq!(status, 429, "{answer}");
    assert!(
        answer.to_lowercase().contains("\r\nretry-after: "),
        "{answer}"
    );
    let error = &body(&answer)["error"];
    assert_eq!(
        (&error["type"], &error["code"]),
        (&json!("rate_limit_error"), &json!("quota-exceeded")),
        "{answer}"
    );

    let (_, answer) = door.post(
        "/v1/responses",
        "",
        &json!({"model": "other", "input": "Go."}),
    )?;
    assert!(
        body(&answer).to_string().contains("quota-exceeded"),
        "{answer}"
    );

    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {"name": "other", "arguments": {"question": "Go."}}});
    let accepts =
        "\r\naccept: application/json, text/event-stream\r\nmcp-protocol-version: 2025-11-25";
    let (status, answer) = door.post("/mcp", accepts, &call)?;
    assert_eq!(status, 200, "{answer}");
    assert!(
        answer.contains("quota-exceeded") && answer.contains("\"isError\":true"),
        "{answer}"
    );

    let message =
        json!({"message": {"messageId": "m1", "role": "ROLE_USER", "parts": [{"text": "Go."}]}});
    let (status, answer) = door.post(
        "/v1/a2a/default/other/message:send",
        "\r\na2a-version: 1.0",
        &message,
    )?;
    assert_eq!(status, 200, "{answer}");
    let task = &body(&answer)["task"];
    assert_eq!(task["status"]["state"], "TASK_STATE_FAILED", "{answer}");
    assert!(task.to_string().contains("quota-exceeded"), "{answer}");
    Ok(())
}

#[test]
fn requests_at_once_do_not_run_past_the_budget_of_a_key() -> anyhow::Result<()> {
    let mut asked = 0;
    let model = FakeModel::answering(move |_| {
        asked += 1;
        let reply = Reply::text("Felix.");
        match asked {
            2 | 3 => Reply::After(BOUND, Box::new(reply)),
            _ => reply,
        }
    })?;
    let mut door = embeddings::open(&model, "{turnSeconds: 3600}")?;
    let owner = door.token.clone();
    // Room for two answers of a hundred tokens beside each other.
    with_budget(&mut door, &["editor"], 350, &["--may", "serve"])?;
    let more = json!({"max_tokens": 100});
    assert_eq!(models::chat(&door, &more).0, 200);
    let two: [TcpStream; 2] = [models::begun(&door, &more)?, models::begun(&door, &more)?];
    models::until_asked(&model, 3);
    for _ in 0..3 {
        let (status, answer) = models::chat(&door, &more);
        assert_eq!(status, 429, "{answer}");
        assert!(
            answer.to_lowercase().contains("\r\nretry-after: "),
            "{answer}"
        );
        let error = &body(&answer)["error"];
        assert_eq!(error["code"], "quota-exceeded", "{answer}");
        assert!(
            error["message"]
                .as_str()
                .unwrap()
                .contains("the key's quota"),
            "{answer}"
        );
    }
    // Vectors are of the same budget.
    let (status, refused) = embeddings::embed(&door, &json!("word ".repeat(200)));
    assert_eq!(
        (status, &refused["error"]["code"]),
        (429, &json!("quota-exceeded")),
        "{refused}"
    );
    assert_eq!(model.requests().len(), 3, "nobody else was asked");
    let key = std::mem::replace(&mut door.token, owner);
    assert_eq!(models::chat(&door, &more).0, 200, "the agent has enough");
    door.token = key;
    // What is given up is given back, but for what was used.
    drop(two);
    until("there to be room again", BOUND, || {
        match models::chat(&door, &more) {
            (200, _) => Ok(()),
            (_, answer) => Err(answer),
        }
    })?;
    Ok(())
}

#[test]
fn who_hangs_up_before_the_answer_begins_pays_for_the_prompt() -> anyhow::Result<()> {
    let mut asked = 0;
    let model = FakeModel::answering(move |_| {
        asked += 1;
        let reply = Reply::text("Felix.");
        match asked {
            1 => reply,
            _ => Reply::After(BOUND, Box::new(reply)),
        }
    })?;
    let mut door = embeddings::open(&model, "{turnSeconds: 3600}")?;
    with_budget(&mut door, &["editor"], 1_100, &["--may", "serve"])?;
    assert_eq!(models::chat(&door, &json!({"max_tokens": 10})).0, 200);
    // A token for each letter that is not ASCII, which is more than a fourth of its bytes.
    let messages = json!([{"role": "user", "content": "слово ".repeat(60)}]);
    let more = json!({"max_tokens": 10, "messages": messages});
    for asked in 2..=4 {
        let request = models::begun(&door, &more)?;
        models::until_asked(&model, asked);
        drop(request);
    }
    until("what was given up to be charged", BOUND, || {
        let (_, usage) = door.get("/v1/usage").unwrap();
        match body(&usage)["keys"][0]["tokensInHour"].as_u64() {
            Some(900..) => Ok(()),
            _ => Err(usage),
        }
    })?;
    let (status, answer) = models::chat(&door, &more);
    assert_eq!(
        (status, &body(&answer)["error"]["code"]),
        (429, &json!("quota-exceeded")),
        "{answer}"
    );
    Ok(())
}
