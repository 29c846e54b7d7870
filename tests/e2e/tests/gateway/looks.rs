//! What agents have, remember, did and used, and what waits: as far as their rights and those of who asks reach.

use std::{fs, thread};

use aion_e2e::cluster::root;
use aion_testkit::{FakeModel, McpServer, Reply};
use serde_json::{Value, json};

use crate::{
    door::{Door, apply, body},
    external::{self, Program},
};

/// Applies objects, and waits for the agents among them.
fn objects(door: &Door, all: &[Value]) -> anyhow::Result<String> {
    let text: Vec<_> = all.iter().map(ToString::to_string).collect();
    let path = door.node.path("objects.yaml");
    fs::write(&path, text.join("\n---\n"))?;
    apply(&door.node, &path)
}

/// The shipped helper under another name, with this added to its spec.
fn alike(door: &Door, name: &str, more: &str) -> anyhow::Result<()> {
    let jarvis = fs::read_to_string(root().join("agents/jarvis/agent.yaml"))?;
    let agent = jarvis.split("---").next().unwrap_or_default();
    let agent = agent.replace("name: jarvis", &format!("name: {name}"));
    let agent = agent.replace("  limits:", &format!("{more}  limits:"));
    let path = door.node.path("alike.yaml");
    fs::write(&path, agent)?;
    apply(&door.node, &path)?;
    Ok(())
}

fn asked(door: &Door, agent: &str, input: &str) -> anyhow::Result<Value> {
    let path = format!("/v1/agents/{agent}/turns");
    let (status, record) = door.post(&path, "", &json!({"input": input}))?;
    assert_eq!(status, 200, "{record}");
    Ok(body(&record))
}

/// The answer to a `GET`, which has to be good.
fn got(door: &Door, path: &str) -> anyhow::Result<Value> {
    let (status, answer) = door.get(path)?;
    assert_eq!(status, 200, "{path}: {answer}");
    Ok(body(&answer))
}

/// What a request is refused with.
fn refused(door: &Door, line: &str) -> anyhow::Result<(u16, Value)> {
    let (status, answer) = door.exchange(&door.head(line, ""), "")?;
    assert!(
        answer.contains("application/problem+json"),
        "{line}: {answer}"
    );
    Ok((status, body(&answer)["code"].clone()))
}

fn key(door: &Door, args: &[&str]) -> anyhow::Result<String> {
    let made = door.node.aionctl(&[&["key", "create"], args].concat())?;
    Ok(made.trim().to_owned())
}

fn rows<'a>(page: &'a Value, field: &str) -> Vec<&'a str> {
    let items = page["items"].as_array().into_iter().flatten();
    items.filter_map(|it| it[field].as_str()).collect()
}

#[test]
fn memory_is_seen_and_forgotten_as_far_as_the_agent_and_who_asks_may() -> anyhow::Result<()> {
    let model = FakeModel::answering(|_| Reply::text("Felix."))?;
    let mut door = Door::open(&model)?;
    alike(&door, "keeper", "  permissions: {allow: [memory.forget]}\n")?;
    for question in ["A name for a cat?", "And one for a goldfish?"] {
        for agent in ["keeper", "jarvis"] {
            asked(&door, agent, question)?;
        }
    }
    let all = got(&door, "/v1/agents/keeper/memory")?;
    let ids = rows(&all, "id");
    assert!(ids.len() >= 2 && all["method"] == "listing", "{all}");
    assert!(all["next"].is_null(), "{all}");
    let first = got(&door, "/v1/agents/keeper/memory?limit=1")?;
    assert_eq!(first["next"], 1, "{first}");
    let second = got(&door, "/v1/agents/keeper/memory?limit=1&after=1")?;
    let pages = [rows(&first, "id"), rows(&second, "id")].concat();
    assert_eq!(pages, ids[..2]);
    let found = got(&door, "/v1/agents/keeper/memory?query=goldfish&limit=1")?;
    assert!(rows(&found, "text")[0].contains("goldfish"), "{found}");
    let item = rows(&found, "id")[0].to_owned();
    let path = format!("/v1/agents/keeper/memory/{item}");
    let (_, one) = door.get(&path)?;
    assert_eq!(body(&one)["text"], found["items"][0]["text"], "{one}");
    let tag = one.to_lowercase();
    let tag = tag
        .lines()
        .find_map(|it| it.strip_prefix("etag: "))
        .unwrap();
    let same = format!("\r\nif-none-match: {tag}");
    let (status, _) = door.exchange(&door.head(&format!("GET {path}"), &same), "")?;
    assert_eq!(status, 304);
    for (line, expected) in [
        ("GET /v1/agents/nobody/memory".to_owned(), 404),
        ("GET /v1/agents/keeper/memory/none".to_owned(), 404),
        ("GET /v1/agents/keeper/memory?limit=0".to_owned(), 400),
        ("GET /v1/agents/keeper/memory?limit=101".to_owned(), 400),
        // Another agent's part of the pool is not its own.
        (format!("GET /v1/agents/jarvis/memory/{item}"), 404),
        // It may not forget itself.
        (format!("DELETE /v1/agents/jarvis/memory/{item}"), 403),
    ] {
        assert_eq!(refused(&door, &line)?.0, expected, "{line}");
    }

    let owner = door.token.clone();
    let delete = format!("DELETE {path}");
    for (args, expected) in [
        (["plain", "--agent", "keeper"].as_slice(), 403),
        (&["other", "--agent", "jarvis", "--may", "memory"], 404),
    ] {
        door.token = key(&door, args)?;
        for line in [
            "GET /v1/agents/keeper/memory",
            &format!("GET {path}"),
            &delete,
        ] {
            assert_eq!(refused(&door, line)?.0, expected, "{args:?}: {line}");
        }
    }
    door.token = key(&door, &["own", "--agent", "keeper", "--may", "memory"])?;
    assert!(rows(&got(&door, "/v1/agents/keeper/memory")?, "id").contains(&&*item));
    for gone in [1, 0] {
        let (status, answer) = door.exchange(&door.head(&delete, ""), "")?;
        assert_eq!(
            (status, &body(&answer)["forgotten"]),
            (200, &json!(gone)),
            "{answer}"
        );
    }
    door.token = owner;
    assert_eq!(refused(&door, &format!("GET {path}"))?.0, 404);
    let left = got(&door, "/v1/agents/keeper/memory")?;
    assert_eq!(rows(&left, "id").len(), ids.len() - 1, "{left}");
    assert!(!rows(&left, "id").contains(&&*item), "{left}");
    let found = got(&door, "/v1/agents/keeper/memory?query=goldfish")?;
    assert!(!rows(&found, "id").contains(&&*item), "{found}");

    let listed = door.node.aionctl(&["memory", "list", "keeper"])?;
    assert!(
        listed.contains("COLLECTION") && listed.contains("cat"),
        "{listed}"
    );
    let found = ["memory", "query", "keeper", "a", "cat", "-o", "json"];
    let found: Value = serde_json::from_str(&door.node.aionctl(&found)?)?;
    let item = rows(&found, "id")[0];
    door.node.aionctl(&["memory", "forget", "keeper", item])?;
    assert_eq!(
        refused(&door, &format!("GET /v1/agents/keeper/memory/{item}"))?.0,
        404
    );
    Ok(())
}

#[test]
fn the_audit_has_what_was_allowed_and_denied_and_nothing_that_was_said() -> anyhow::Result<()> {
    let mut door = external::open()?;
    let (program, _) = Program::register(&door, &[]);
    external::becomes_ready(&door, "helper", "True");
    let record = thread::scope(|scope| {
        let asked = scope.spawn(|| external::ask(&door, "Where is the key?"));
        let mut held = program.take(&door);
        let item = json!({"items": [{"text": "The key is under the mat"}]});
        held.done(&door, "/v1/memory/remember", &item);
        let (status, denied) = held.call(
            &door,
            "/v1/fs/list",
            &json!({"mount": "docs", "path": "secret", "limit": 1}),
        );
        assert_eq!(status, 403, "{denied}");
        let said = json!({"kind": "final", "text": "Under the mat."});
        held.done(&door, "/v1/agent/message", &said);
        program.end(&door, &held, 0);
        asked.join().unwrap()
    });
    let turn = record["turn"].as_u64().unwrap();
    let (status, text) = door.get("/v1/agents/helper/audit")?;
    assert_eq!(status, 200, "{text}");
    for said in ["mat", "secret", "Where is"] {
        assert!(!text.contains(said), "{said}: {text}");
    }
    let all = body(&text);
    assert_eq!(
        rows(&all, "capability"),
        ["agent.message", "fs.list:docs", "memory.remember:helper"],
        "newest first"
    );
    assert_eq!(rows(&all, "state"), ["done", "refused", "done"], "{all}");
    let denied = &all["items"][1];
    assert_eq!(
        (&denied["code"], &denied["turn"]),
        (&json!("denied"), &json!(turn))
    );
    assert!(
        denied["because"].as_str().unwrap().contains("rule"),
        "{denied}"
    );
    assert!(all["next"].is_null(), "{all}");
    assert_eq!(got(&door, &format!("/v1/turns/{turn}/audit"))?, all);
    let mut paged = Vec::new();
    let mut after = String::new();
    loop {
        let page = got(&door, &format!("/v1/agents/helper/audit?limit=1{after}"))?;
        paged.extend(page["items"].as_array().cloned().unwrap_or_default());
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!(json!(paged), all["items"]);
    for (line, expected) in [
        ("GET /v1/agents/helper/audit?after=x", 400),
        ("GET /v1/agents/nobody/audit", 404),
        ("GET /v1/turns/999999/audit", 404),
    ] {
        assert_eq!(refused(&door, line)?.0, expected, "{line}");
    }
    let shown = door.node.aionctl(&["audit", "helper"])?;
    assert!(
        shown.contains("fs.list:docs") && shown.contains("denied"),
        "{shown}"
    );

    // It is told again by a node that was started again.
    door.node.restart_daemon()?;
    let again = door
        .node
        .aionctl(&["audit", "--turn", &turn.to_string(), "-o", "json"])?;
    let again: Value = serde_json::from_str(&again)?;
    assert_eq!(again["items"], all["items"], "dates too");

    // What others asked it is theirs.
    door.token = key(&door, &["own", "--agent", "helper"])?;
    assert_eq!(got(&door, "/v1/agents/helper/audit")?["items"], json!([]));
    assert_eq!(
        refused(&door, &format!("GET /v1/turns/{turn}/audit"))?.0,
        404
    );
    door.token = key(&door, &["other", "--agent", "jarvis"])?;
    assert_eq!(refused(&door, "GET /v1/agents/helper/audit")?.0, 404);
    Ok(())
}

#[test]
fn usage_counts_what_turns_used_and_queues_tell_what_waits() -> anyhow::Result<()> {
    let model = FakeModel::answering(|_| Reply::text("Felix."))?;
    let mut door = Door::open(&model)?;
    alike(&door, "other", "")?;
    let record = asked(&door, "jarvis", "A name for a cat?")?;
    let tokens = record["outcome"]["tokens"].as_u64().unwrap();
    assert!(tokens > 0, "{record}");
    let all = got(&door, "/v1/usage")?;
    assert_eq!(rows(&all, "agent"), ["jarvis", "other"]);
    let [jarvis, other] = [&all["items"][0], &all["items"][1]];
    assert_eq!(jarvis["tokens"], tokens, "{all}");
    assert_eq!(jarvis["tokensInHour"], tokens, "{all}");
    assert_eq!(jarvis["tokensPerHour"], 50_000, "{all}");
    assert_eq!(
        jarvis["cpuMs"], record["outcome"]["resources"]["cpuMs"],
        "{all}"
    );
    assert!(jarvis["calls"].as_u64() >= Some(2), "{all}");
    assert_eq!((&other["tokens"], &other["calls"]), (&json!(0), &json!(0)));
    let tenant = &all["tenants"][0];
    assert_eq!(
        (&tenant["namespace"], &tenant["tokens"]),
        (&json!("default"), &json!(tokens))
    );
    let first = got(&door, "/v1/usage?limit=1")?;
    assert_eq!(
        (rows(&first, "agent"), &first["next"]),
        (vec!["jarvis"], &json!("default/jarvis"))
    );
    let rest = got(&door, "/v1/usage?limit=1&after=default/jarvis")?;
    assert_eq!(
        (rows(&rest, "agent"), &rest["next"]),
        (vec!["other"], &Value::Null)
    );
    assert_eq!(
        got(&door, "/v1/usage?namespace=office")?["items"],
        json!([])
    );
    let shown: Value = serde_json::from_str(&door.node.aionctl(&["usage", "-o", "json"])?)?;
    assert_eq!(rows(&shown, "agent"), ["jarvis", "other"]);

    let queues = got(&door, "/v1/queues")?;
    let drivers = rows(&queues, "driver");
    let workers = drivers.iter().position(|it| *it == "workers").unwrap();
    let workers = &queues["items"][workers];
    assert_eq!(workers["waiting"], 0, "{queues}");
    assert!(workers["slots"].as_u64() > Some(0), "{queues}");
    assert_eq!(queues["depths"]["callsWaiting"], 0, "{queues}");
    let shown = door.node.aionctl(&["queues"])?;
    assert!(shown.contains("workers"), "{shown}");

    door.token = key(&door, &["own", "--agent", "other"])?;
    let own = got(&door, "/v1/usage")?;
    assert_eq!(rows(&own, "agent"), ["other"], "{own}");
    assert!(own["tenants"].is_null(), "{own}");
    assert_eq!(
        got(&door, "/v1/usage?namespace=office")?["items"],
        json!([])
    );
    assert_eq!(refused(&door, "GET /v1/queues")?.0, 403);
    Ok(())
}

#[test]
fn the_tools_of_an_agent_are_told_with_whether_a_person_is_asked() -> anyhow::Result<()> {
    let model = FakeModel::answering(|_| Reply::text("Felix."))?;
    let mut door = Door::open(&model)?;
    let server = McpServer::start()?;
    objects(
        &door,
        &[
            json!({"apiVersion": "aion.dev/v1alpha1", "kind": "Tool", "metadata": {"name": "kit"},
                "spec": {"mcp": {"http": {"url": server.url()}}}}),
            json!({"apiVersion": "aion.dev/v1alpha1", "kind": "Agent", "metadata": {"name": "clerk"},
                "spec": {"instructions": "Be brief.", "model": {"use": "local"}, "tools": [{"name": "kit"}],
                    "permissions": {"allow": ["kit.echo"], "ask": ["kit.wait"]}}}),
        ],
    )?;
    let all = got(&door, "/v1/agents/clerk/tools")?;
    assert_eq!(rows(&all, "name"), ["kit.echo", "kit.wait"], "{all}");
    assert_eq!(rows(&all, "access"), ["granted", "asked"], "{all}");
    assert_eq!(rows(&all, "source"), ["http", "http"], "{all}");
    let echo = &all["items"][0];
    assert!(
        echo["parameters"]["properties"]["text"].is_object(),
        "{echo}"
    );
    assert!(!all.to_string().contains(&server.url()), "{all}");
    let first = got(&door, "/v1/agents/clerk/tools?limit=1")?;
    assert_eq!(
        (rows(&first, "name"), &first["next"]),
        (vec!["kit.echo"], &json!("kit.echo"))
    );
    let rest = got(&door, "/v1/agents/clerk/tools?after=kit.echo")?;
    assert_eq!(rows(&rest, "name"), ["kit.wait"]);
    assert_eq!(got(&door, "/v1/agents/jarvis/tools")?["items"], json!([]));
    let shown = door.node.aionctl(&["tools", "clerk"])?;
    assert!(
        shown.contains("kit.echo") && shown.contains("a person is asked"),
        "{shown}"
    );
    door.token = key(&door, &["other", "--agent", "jarvis"])?;
    assert_eq!(refused(&door, "GET /v1/agents/clerk/tools")?.0, 404);
    assert!(server.calls().is_empty(), "nothing was called");
    Ok(())
}
