//! MCP: the official client of Rust in both eras, and the conformance suite's scenarios for servers.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::mpsc,
};

use aion_testkit::{Component, FakeModel, Reply, or_skip, until};
use parking_lot::Mutex;
use rmcp::{
    ClientHandler, RoleClient,
    model::{CallToolRequestParams, ProtocolVersion, ReadResourceRequestParams},
    service::{ClientLifecycleMode, ClientServiceExt, RunningService},
    transport::{
        StreamableHttpClientTransport, streamable_http_client::StreamableHttpClientTransportConfig,
    },
};
use serde_json::{Value, json};

use crate::door::{BOUND, Door, body};

const ACCEPTS: &str = "\r\naccept: application/json, text/event-stream";

type Client<S = ()> = RunningService<RoleClient, S>;

pub(crate) fn eras() -> [ClientLifecycleMode; 2] {
    let preferred_versions = vec![ProtocolVersion::V_2026_07_28];
    [
        ClientLifecycleMode::Initialize,
        ClientLifecycleMode::Discover { preferred_versions },
    ]
}

async fn client(door: &Door, era: ClientLifecycleMode) -> anyhow::Result<Client> {
    client_that((), door, era).await
}

/// A client that answers what it is asked as `handler` does.
pub(crate) async fn client_that<H: ClientHandler>(
    handler: H,
    door: &Door,
    era: ClientLifecycleMode,
) -> anyhow::Result<Client<H>> {
    let url = format!("http://127.0.0.1:{}/mcp", door.port);
    let config = StreamableHttpClientTransportConfig::with_uri(url).auth_header(door.token.clone());
    let transport = StreamableHttpClientTransport::from_config(config);
    Ok(handler.serve_with_lifecycle(transport, era).await?)
}

pub(crate) fn call(tool: &'static str, arguments: &Value) -> CallToolRequestParams {
    CallToolRequestParams::new(tool).with_arguments(arguments.as_object().cloned().unwrap())
}

#[test]
fn the_official_client_lists_agents_and_asks_them_in_both_eras() -> anyhow::Result<()> {
    let model = FakeModel::answering(|_| Reply::text("Felix."))?;
    let door = Door::open(&model)?;
    let runtime = tokio::runtime::Runtime::new()?;
    for era in eras() {
        runtime.block_on(asked(&door, era))?;
    }
    assert_eq!(model.requests().len(), 4, "two questions in each era");
    Ok(())
}

async fn asked(door: &Door, era: ClientLifecycleMode) -> anyhow::Result<()> {
    let client = client(door, era).await?;
    let tools = client.list_all_tools().await?;
    let names: Vec<&str> = tools.iter().map(|it| it.name.as_ref()).collect();
    assert_eq!(names, ["ask", "jarvis"]);
    let described = serde_json::to_value(&tools[1])?;
    assert_eq!(described["inputSchema"]["required"], json!(["question"]));
    assert_eq!(described["annotations"]["readOnlyHint"], false);
    let question = json!({"question": "A name for a cat?"});
    for tool in ["jarvis", "ask"] {
        let answer = client.call_tool(call(tool, &question)).await?;
        assert_eq!(answer.is_error, Some(false), "{answer:?}");
        assert_eq!(answer.content[0].as_text().unwrap().text, "Felix.");
        let structured = answer.structured_content.unwrap();
        assert_eq!(structured["answer"], "Felix.");
        assert!(structured["turn"].as_u64().is_some(), "{structured}");
        assert_eq!(structured.get("routed").is_some(), tool == "ask");
    }
    // What the caller's model can mend is a result, and what is not there a fault.
    let wrong = client.call_tool(call("jarvis", &json!({}))).await?;
    assert_eq!(wrong.is_error, Some(true));
    let said = &wrong.content[0].as_text().unwrap().text;
    assert!(
        said.contains("bad-request") && said.contains("question"),
        "{said}"
    );
    let nobody = client.call_tool(call("nobody", &question)).await;
    assert!(nobody.unwrap_err().to_string().contains("no tool nobody"));
    let templates = client.list_all_resource_templates().await?;
    assert_eq!(
        templates[0].uri_template,
        "aion://turns/{turn}/files/{+path}"
    );
    // What was asked is remembered.
    let resources = client.list_all_resources().await?;
    let of_jarvis = |it: &str| it.starts_with("aion://agents/default/jarvis/memory/");
    assert!(!resources.is_empty() && resources.iter().all(|it| of_jarvis(&it.uri)));
    let none = ReadResourceRequestParams::new("aion://turns/4711/files/a.txt");
    let none = client.read_resource(none).await.unwrap_err().to_string();
    assert!(none.contains("4711"), "{none}");
    client.cancel().await?;
    Ok(())
}

#[test]
fn who_may_not_and_what_is_no_message_is_refused() -> anyhow::Result<()> {
    let model = FakeModel::answering(|_| Reply::text("Felix."))?;
    let door = Door::open(&model)?;
    let post = "POST /mcp HTTP/1.1\r\nhost: localhost";
    let (status, answer) = door.exchange(post, "")?;
    assert_eq!(status, 401, "{answer}");
    assert!(answer.contains("www-authenticate: Bearer"), "{answer}");
    let evil = door.head("POST /mcp", "\r\norigin: https://evil.example");
    assert_eq!(door.exchange(&evil, "")?.0, 403);
    for method in ["GET", "DELETE"] {
        let (status, answer) = door.exchange(&door.head(&format!("{method} /mcp"), ACCEPTS), "")?;
        assert_eq!(status, 405, "{answer}");
    }
    let more = format!("{ACCEPTS}\r\ncontent-type: application/json\r\ncontent-length: 1");
    let (status, answer) = door.exchange(&door.head("POST /mcp", &more), "{")?;
    assert_eq!(status, 400, "{answer}");
    assert_eq!(body(&answer)["error"]["code"], -32700, "{answer}");
    let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
    let unknown = format!("{ACCEPTS}\r\nmcp-protocol-version: 1999-01-01");
    let (status, answer) = door.post("/mcp", &unknown, &list)?;
    assert_eq!(status, 400, "{answer}");
    Ok(())
}

/// The turn of the one question that runs, once it does.
fn cancelled(door: &Door) -> anyhow::Result<()> {
    until("the turn to be cancelled", BOUND, || {
        let (_, record) = door.get("/v1/turns/1").map_err(|why| why.to_string())?;
        match record.contains(r#""code":"cancelled""#) {
            true => Ok(()),
            false => Err(record),
        }
    })?;
    Ok(())
}

#[test]
fn a_call_is_cancelled_by_a_word_or_by_going_away() -> anyhow::Result<()> {
    for by_word in [true, false] {
        let (release, held) = mpsc::channel::<()>();
        let held = Mutex::new(held);
        let model = FakeModel::answering(move |_| {
            let _ = held.lock().recv_timeout(BOUND);
            Reply::text("Felix.")
        })?;
        let door = Door::open(&model)?;
        let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "0"}});
        let hello = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params});
        let (status, answer) = door.post("/mcp", ACCEPTS, &hello)?;
        assert_eq!(status, 200, "{answer}");
        let mut lines = answer.lines();
        let session = lines.find_map(|it| it.strip_prefix("mcp-session-id: "));
        let head = format!(
            "{ACCEPTS}\r\nmcp-protocol-version: 2025-11-25\r\nmcp-session-id: {}",
            session.unwrap()
        );
        let params = json!({"name": "jarvis", "arguments": {"question": "A name for a cat?"}});
        let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
        let call = call.to_string();
        let length = call.len();
        let more = format!("{head}\r\ncontent-type: application/json\r\ncontent-length: {length}");
        let stream = door.send(&door.head("POST /mcp", &more), &call)?;
        until("the turn to begin", BOUND, || {
            match door.get("/v1/turns/1") {
                Ok((200, _)) => Ok(()),
                Ok((_, answer)) => Err(answer),
                Err(why) => Err(why.to_string()),
            }
        })?;
        if by_word {
            let params = json!({"requestId": 1});
            let word =
                json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params});
            let (status, answer) = door.post("/mcp", &head, &word)?;
            assert_eq!(status, 202, "{answer}");
            cancelled(&door)?;
            drop(stream);
        } else {
            drop(stream);
            cancelled(&door)?;
        }
        drop(release);
    }
    Ok(())
}

/// The suite sends no token: this adds it.
const FORWARD: &str = r#"
const http = require("http");
const [port, token] = process.argv.slice(1);
http.createServer((asked, answer) => {
  const headers = {...asked.headers, authorization: `Bearer ${token}`};
  const on = http.request({host: "127.0.0.1", port, method: asked.method, path: asked.url, headers}, (told) => {
    answer.writeHead(told.statusCode, told.headers);
    told.pipe(answer);
  });
  on.on("error", () => answer.destroy());
  answer.on("close", () => on.destroy());
  asked.pipe(on);
}).listen(0, "127.0.0.1", function () { console.log(this.address().port); });
"#;

struct Forward(Child);

impl Drop for Forward {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Scenarios that do not pass, by the beginning of their name, and why.
const NOT_OFFERED: &[(&str, &str)] = &[
    (
        "caching",
        "wants prompts besides: what is listed and read has its hints",
    ),
    (
        "server-stateless",
        "wants a tool of a server made for the suite, test_missing_capability",
    ),
    ("completion-", "nothing is completed: no capability says so"),
    (
        "elicitation-",
        "wants a tool of a server made for the suite: a form has no fields here, and asks for a person's approval of an agent's call",
    ),
    (
        "input-required-",
        "wants a tool of a server made for the suite: what is asked is a person's approval of an agent's call",
    ),
    (
        "logging-",
        "nothing is logged to clients: no capability says so",
    ),
    ("prompts-", "there are no prompts: no capability says so"),
    (
        "resources-read-",
        "wants resources of a server made for the suite, test://",
    ),
    (
        "resources-subscribe",
        "nobody is told of changes: no capability says so",
    ),
    (
        "resources-templates-",
        "wants resources of a server made for the suite, test://",
    ),
    (
        "resources-unsubscribe",
        "nobody is told of changes: no capability says so",
    ),
    (
        "tools-call-",
        "wants a tool of a server made for the suite: an agent takes a question and answers in text",
    ),
];

#[test]
fn the_server_conforms_in_both_eras() -> anyhow::Result<()> {
    let Some(suite) = or_skip(Component::McpConformance.find()) else {
        return Ok(());
    };
    let model = FakeModel::answering(|_| Reply::text("Felix."))?;
    let door = Door::open(&model)?;
    let mut forward = Command::new("node");
    forward.args(["-e", FORWARD, &door.port.to_string(), &door.token]);
    let mut forward = Forward(forward.stdout(Stdio::piped()).spawn()?);
    let mut port = String::new();
    BufReader::new(forward.0.stdout.take().unwrap()).read_line(&mut port)?;
    let url = format!("http://127.0.0.1:{}/mcp", port.trim());
    let mut wrong = Vec::new();
    for revision in ["2025-11-25", "2026-07-28"] {
        let results = tempfile::tempdir()?;
        let mut run = Command::new(&suite);
        run.current_dir(results.path());
        run.args(["server", "--url", &url, "--requirements", revision]);
        let output = run.output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        let scenarios = scenarios(&said);
        let passed = scenarios.values().filter(|it| **it).count();
        println!(
            "MCP conformance of the server, {revision}: {passed} of {} scored scenarios pass",
            scenarios.len()
        );
        assert!(passed > 0, "{said}");
        for (name, _) in scenarios.iter().filter(|(_, good)| !**good) {
            match NOT_OFFERED
                .iter()
                .find(|(begin, _)| name.starts_with(begin))
            {
                Some((_, why)) => println!("  not passed: {name}: {why}"),
                None => wrong.push(format!("{revision} {name}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    Ok(())
}

/// Each that is scored, with whether it passed.
fn scenarios(said: &str) -> BTreeMap<String, bool> {
    let summary = said.split("=== SUMMARY ===").last().unwrap_or_default();
    let mut parts = summary.splitn(2, "Not scored");
    let line = |line: &str| {
        let (mark, rest) = line.trim().split_once(' ')?;
        let passed = match mark {
            "\u{2713}" => true,
            "\u{2717}" => false,
            _ => return None,
        };
        let name = rest.split([':', ' ']).next()?;
        Some((name.to_owned(), passed))
    };
    let scored = parts.next().unwrap_or_default().lines();
    let mut scored: BTreeMap<String, bool> = scored.filter_map(line).collect();
    let beside = parts.next().unwrap_or_default().lines();
    for (name, _) in beside.filter_map(line) {
        scored.remove(&name);
    }
    scored
}
