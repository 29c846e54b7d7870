//! An agent that has to ask before it acts: its turn waits without a process, through a daemon that is killed, and a
//! person's word at another terminal decides.
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    process::Command,
    thread,
};

use aion_e2e::{cluster::BOUND, program, standalone::Standalone};
use aion_testkit::{FakeModel, McpServer, ModelRequest, Process, Reply, free_port, until};
use serde_json::{Value, json};

/// What the tool gave, as the model is told.
fn result(request: &ModelRequest) -> Option<String> {
    let messages = request.body["messages"].as_array()?;
    let tool = messages.iter().find(|it| it["role"] == "tool")?;
    Some(tool["content"].to_string())
}

/// The name under which the model is offered the operation.
fn echo(request: &ModelRequest) -> String {
    let tools = request.body["tools"].as_array().unwrap();
    let names = tools
        .iter()
        .filter_map(|it| it["function"]["name"].as_str());
    names
        .filter(|it| it.contains("echo"))
        .map(str::to_owned)
        .next()
        .unwrap()
}

/// A node with an agent that has to ask before its tool is called, and what it works with.
struct Office {
    node: Standalone,
    _model: FakeModel,
    server: McpServer,
}

impl Office {
    fn open(environment: &[(&str, &str)]) -> anyhow::Result<Self> {
        let model = FakeModel::answering(|request| match result(request) {
            None => Reply::call(echo(request), json!({"text": "the letter"})),
            Some(result) => Reply::text(format!("The tool said: {result}")),
        })?;
        let server = McpServer::start()?;
        let nobody = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let nobody = nobody.to_string();
        let mut all = vec![
            ("AION_OLLAMA_PORT", &*nobody),
            ("AION_LLAMA_CPP_PORT", &*nobody),
        ];
        all.extend(environment);
        let node = Standalone::start_with("approvals", &all)?.with_policies()?;
        let object = |kind: &str, name: &str, spec: &Value| json!({"apiVersion": "aion.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec});
        let objects = [
            object("TrustPolicy", "tests", &json!({"inline": "allow"})),
            object(
                "ModelEndpoint",
                "said",
                &json!({"baseUrl": model.base_url(), "models": [{"name": "m"}]}),
            ),
            object(
                "Tool",
                "probe",
                &json!({"mcp": {"http": {"url": server.url()}}}),
            ),
            object(
                "Agent",
                "clerk",
                &json!({"instructions": "Send it.", "model": {"use": "said"}, "tools": [{"name": "probe"}],
                    "permissions": {"ask": ["probe.echo"]}}),
            ),
        ];
        let text: Vec<String> = objects.iter().map(Value::to_string).collect();
        let path = node.path("objects.yaml");
        fs::write(&path, text.join("\n---\n"))?;
        node.aionctl(&["apply", "--wait", "120", "-f", &path.to_string_lossy()])?;
        Ok(Self {
            node,
            _model: model,
            server,
        })
    }

    fn ask(&self) -> thread::JoinHandle<anyhow::Result<String>> {
        thread::spawn(self.node.asking(&["ask", "clerk", "Send the letter."]))
    }

    fn approvals(&self, all: &[&str]) -> anyhow::Result<Value> {
        let args = [&["approvals", "-o", "json"], all].concat();
        Ok(serde_json::from_str(&self.node.aionctl(&args)?)?)
    }

    /// The number of the approval that waits, once its turn has no process any more.
    fn waits(&self) -> anyhow::Result<String> {
        let asked = until("the agent to ask, and its worker to end", BOUND, || {
            let all = self.approvals(&[]).map_err(|why| why.to_string())?;
            let facts = journal(&self.node).map_err(|why| why.to_string())?;
            let parked = facts.iter().any(|it| it["fact"] == "turn-parked");
            match all["items"].as_array() {
                Some(items) if items.len() == 1 && parked => Ok(items[0].clone()),
                _ => Err(all.to_string()),
            }
        })?;
        assert_eq!(asked["agent"], "default/clerk");
        assert_eq!(asked["capability"], "tool.call:probe.echo");
        let shown = asked["shown"]["text"].as_str().unwrap();
        let shown: Value = serde_json::from_str(shown)?;
        assert_eq!(shown["arguments"], json!({"text": "the letter"}));
        assert_eq!(self.server.calls(), [], "nothing is done before the word");
        Ok(asked["approval"].to_string())
    }

    /// A yes over REST to what the approval shows now.
    fn yes_to(&self, id: &str) -> anyhow::Result<String> {
        let all = self.approvals(&["--all"])?;
        let items = all["items"].as_array().unwrap();
        let asked = items
            .iter()
            .find(|it| it["approval"].as_u64() == id.parse().ok());
        let asked = asked.unwrap();
        let yes = json!({"verdict": "approve", "turn": asked["turn"], "digest": asked["digest"]});
        Ok(yes.to_string())
    }
}

/// The facts of the node's journal.
fn journal(node: &Standalone) -> anyhow::Result<Vec<Value>> {
    let dump = Command::new(program("aion-node")?)
        .args(["journal", "dump", "--output", "json", "--home"])
        .arg(node.home())
        .output()?;
    let text = String::from_utf8(dump.stdout)?;
    let facts = text.lines().map(serde_json::from_str::<Value>);
    let facts: Result<Vec<_>, _> = facts.collect();
    Ok(facts?.into_iter().map(|mut it| it["fact"].take()).collect())
}

#[test]
fn a_turn_waits_for_a_word_through_a_daemon_that_is_killed_and_acts_once() -> anyhow::Result<()> {
    let mut office = Office::open(&[])?;
    let asked = office.ask();
    let id = office.waits()?;
    let why = office.node.aionctl(&["why", "clerk"])?;
    assert!(
        why.contains("waits for approval of tool.call:probe.echo"),
        "{why}"
    );
    let table = office.node.aionctl(&["approvals"])?;
    for part in [
        "default/clerk",
        "tool.call:probe.echo",
        "the letter",
        "waits",
    ] {
        assert!(table.contains(part), "{part} is not in: {table}");
    }

    office.node.restart_daemon()?;
    assert_eq!(office.waits()?, id, "it waits still");
    let told = office.node.aionctl(&["approvals", "approve", &id])?;
    assert!(told.contains("approved"), "{told}");
    assert!(told.contains("the letter"), "what was agreed to: {told}");
    let answer = asked.join().unwrap()?;
    assert!(answer.contains("The tool said:"), "{answer}");
    assert!(answer.contains("the letter"), "{answer}");
    assert_eq!(
        office.server.calls(),
        [("echo".to_owned(), json!({"text": "the letter"}))]
    );

    let second = office.node.aionctl(&["approvals", "deny", &id]);
    let second = second.unwrap_err().to_string();
    assert!(second.contains("is approved by user"), "{second}");
    let all = office.approvals(&["--all"])?;
    let shown = all["items"][0]["shown"]["text"].as_str().unwrap();
    assert!(
        shown.contains("the letter"),
        "what was shown is kept: {all}"
    );
    let show = office.node.aionctl(&["approvals", "show", &id])?;
    for part in ["| ", "the letter", "approved by user"] {
        assert!(show.contains(part), "{part} is not in: {show}");
    }
    let other = office.node.aionctl(&["approvals", "show", "node-b/1"]);
    assert!(
        other.is_err(),
        "another node's is not this one's: {other:?}"
    );
    let answered = &all["items"][0]["answered"];
    assert_eq!(
        (&answered["word"], &answered["scope"]),
        (&json!("approved"), &json!("once"))
    );
    assert!(
        answered["by"].as_str().unwrap().starts_with("user "),
        "{all}"
    );

    let asked = office.ask();
    until("the agent to ask again", BOUND, || {
        let all = office.approvals(&[]).map_err(|why| why.to_string())?;
        match all["items"].as_array().map(Vec::len) {
            Some(1) => Ok(()),
            _ => Err(all.to_string()),
        }
    })?;
    let id = office.approvals(&[])?["items"][0]["approval"].to_string();
    office
        .node
        .aionctl(&["approvals", "approve", &id, "--always", "8h"])?;
    asked.join().unwrap()?;
    let free = office.node.aionctl(&["ask", "clerk", "And again."])?;
    assert!(free.contains("The tool said:"), "the word stands: {free}");
    assert_eq!(office.server.calls().len(), 3);
    office.node.aionctl(&["approvals", "revoke", &id])?;
    assert_eq!(office.approvals(&[])?["standing"], json!([]));
    Ok(())
}

#[test]
fn after_a_no_nothing_is_done_and_the_model_is_told() -> anyhow::Result<()> {
    let office = Office::open(&[])?;
    let asked = office.ask();
    let id = office.waits()?;
    office.node.aionctl(&["approvals", "deny", &id])?;
    let answer = asked.join().unwrap()?;
    assert!(answer.contains("said no"), "the model is told: {answer}");
    assert_eq!(office.server.calls(), []);
    Ok(())
}

#[test]
fn where_nobody_answers_the_turn_goes_on_without() -> anyhow::Result<()> {
    let office = Office::open(&[("AION_APPROVAL_SECONDS", "1")])?;
    let answer = office.ask().join().unwrap()?;
    assert!(answer.contains("nobody answered in time"), "{answer}");
    assert_eq!(office.server.calls(), []);
    let all = office.approvals(&["--all"])?;
    assert_eq!(all["items"][0]["answered"]["word"], "expired");
    let late = office.node.aionctl(&["approvals", "approve", "1"]);
    let late = late.unwrap_err().to_string();
    assert!(late.contains("is expired"), "{late}");
    Ok(())
}

/// A gateway beside the node, and the answer's status and body for a request to it.
struct Rest {
    _gateway: Process,
    port: u16,
    token: String,
}

impl Rest {
    fn open(node: &Standalone) -> anyhow::Result<Self> {
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
            port,
            token: token.trim().to_owned(),
        })
    }

    fn ask(&self, line: &str, approver: &str, body: &str) -> anyhow::Result<(u16, String)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(BOUND))?;
        let (token, length) = (&self.token, body.len());
        write!(
            stream,
            "{line} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\naion-approver: {approver}\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let status = answer.split(' ').nth(1).unwrap_or_default().parse()?;
        Ok((status, answer))
    }
}

#[test]
fn over_rest_whoever_has_the_approvers_token_answers_and_nobody_else() -> anyhow::Result<()> {
    let office = Office::open(&[])?;
    let rest = Rest::open(&office.node)?;
    let asked = office.ask();
    let id = office.waits()?;
    let answer = format!("POST /v1/approvals/{id}");
    let yes = &*office.yes_to(&id)?;
    let (status, told) = rest.ask(&answer, &rest.token, yes)?;
    assert_eq!(status, 403, "who may ask may not answer: {told}");
    let (status, told) = rest.ask("GET /v1/approvals", "", "")?;
    assert_eq!(status, 403, "{told}");

    let approver = fs::read_to_string(office.node.home().join("config/approver.token"))?;
    let approver = approver.trim();
    let (status, told) = rest.ask("GET /v1/approvals", approver, "")?;
    assert_eq!(status, 200, "{told}");
    assert!(told.contains("the letter"), "{told}");
    let one = format!("GET /v1/approvals/{id}");
    let (status, told) = rest.ask(&one, &rest.token, "")?;
    assert_eq!(status, 403, "{told}");
    let (status, told) = rest.ask(&one, approver, "")?;
    assert_eq!(status, 200, "{told}");
    assert!(told.contains("the letter"), "{told}");
    for unread in [
        r#"{"verdict":"approve"}"#,
        &yes.replace("approve", "perhaps"),
    ] {
        let (status, told) = rest.ask(&answer, approver, unread)?;
        assert_eq!(status, 400, "{unread}: {told}");
    }
    let unseen = json!({"verdict": "approve", "turn": 1, "digest": "0".repeat(64)});
    let (status, told) = rest.ask(&answer, approver, &unseen.to_string())?;
    assert_eq!(status, 412, "a word is for what was shown: {told}");
    assert!(told.contains(r#""changed""#), "{told}");
    let (status, told) = rest.ask(&answer, approver, yes)?;
    assert_eq!(status, 200, "{told}");
    let said = asked.join().unwrap()?;
    assert!(said.contains("the letter"), "{said}");
    let (status, told) = rest.ask(&answer, approver, yes)?;
    assert_eq!(status, 409, "{told}");
    assert!(told.contains("already-answered"), "{told}");
    let (status, told) = rest.ask("POST /v1/approvals/999", approver, yes)?;
    assert_eq!(status, 404, "{told}");
    Ok(())
}
