//! A person's word, asked of the MCP client that began the turn: of both eras, where it may say one, and of no other.

use std::{fs, process::Command, sync::Arc, thread};

use aion_testkit::{FakeModel, McpServer, ModelRequest, Reply, or_skip, python_package, until};
use parking_lot::Mutex;
use rmcp::{
    ClientHandler, ErrorData, RoleClient,
    model::{
        ClientConfig, ElicitRequestParams, ElicitResult, ElicitationAction, ElicitationCapability,
    },
    service::{ClientLifecycleMode, RequestContext},
};
use serde_json::{Value, json};

use crate::{
    door::{BOUND, Door, apply},
    mcp::{call, client_that, eras},
};

/// What the tool gave, as the model is told last.
fn result(request: &ModelRequest) -> Option<String> {
    let messages = request.body["messages"].as_array()?;
    let last = messages.last().filter(|it| it["role"] == "tool")?;
    Some(last["content"].to_string())
}

/// The operation that the question names: `sure`, or else `echo`.
pub(crate) fn operation(request: &ModelRequest) -> String {
    let wanted = match request.body["messages"].to_string().contains("Be sure") {
        true => "sure",
        false => "echo",
    };
    let tools = request.body["tools"].as_array().unwrap();
    let mut names = tools
        .iter()
        .filter_map(|it| it["function"]["name"].as_str());
    names.find(|it| it.contains(wanted)).unwrap().to_owned()
}

/// A node whose clerk has to ask before its tool is called.
pub(crate) struct Office {
    pub(crate) door: Door,
    pub(crate) server: McpServer,
    _model: FakeModel,
}

impl Office {
    fn open() -> anyhow::Result<Self> {
        let model = FakeModel::answering(|request| match result(request) {
            None => Reply::call(operation(request), json!({"text": "the letter"})),
            Some(result) => Reply::text(format!("The tool said: {result}")),
        })?;
        Self::of(model)
    }

    pub(crate) fn of(model: FakeModel) -> anyhow::Result<Self> {
        let server = McpServer::start()?;
        let door = Door::open(&model)?;
        let object = |kind: &str, name: &str, spec: &Value| json!({"apiVersion": "aion.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec});
        let objects = [
            object(
                "ModelEndpoint",
                "said",
                &json!({"baseUrl": model.base_url(), "models": [{"name": "m"}]}),
            ),
            object(
                "Tool",
                "probe",
                &json!({"mcp": {"http": {"url": server.url()}}, "asksPeople": "yesOrNo"}),
            ),
            object(
                "Agent",
                "clerk",
                &json!({"instructions": "Send it.", "model": {"use": "said"}, "tools": [{"name": "probe"}],
                    "permissions": {"allow": ["probe.sure"], "ask": ["probe.echo"]}}),
            ),
        ];
        let text: Vec<String> = objects.iter().map(Value::to_string).collect();
        let path = door.node.path("office.yaml");
        fs::write(&path, text.join("\n---\n"))?;
        apply(&door.node, &path)?;
        Ok(Self {
            door,
            server,
            _model: model,
        })
    }

    /// From now on it is asked by a key of its own.
    pub(crate) fn by_key(&mut self, name: &str, more: &[&str]) -> anyhow::Result<()> {
        let args = [&["key", "create", name, "--agent", "clerk"], more].concat();
        self.door.token = self.door.node.aionctl(&args)?.trim().to_owned();
        Ok(())
    }

    fn approvals(&self) -> anyhow::Result<Vec<Value>> {
        let all = self
            .door
            .node
            .aionctl(&["approvals", "--all", "-o", "json"])?;
        let all: Value = serde_json::from_str(&all)?;
        Ok(all["items"].as_array().cloned().unwrap_or_default())
    }

    /// The number of the one that waits.
    fn waits(&self) -> anyhow::Result<String> {
        Ok(until("the clerk to ask", BOUND, || {
            let all = self.approvals().map_err(|why| why.to_string())?;
            let mut open = all.iter().filter(|it| it.get("answered").is_none());
            let one = open.next().map(|it| it["approval"].to_string());
            one.ok_or_else(|| format!("{all:?}"))
        })?)
    }
}

/// Answers in one way, and keeps what it was asked.
#[derive(Clone)]
struct Person {
    action: ElicitationAction,
    /// What the form is filled in with.
    content: Value,
    forms: bool,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Person {
    fn who_says(action: ElicitationAction) -> Self {
        Self {
            action,
            content: json!({"answer": "approve"}),
            forms: true,
            asked: Arc::default(),
        }
    }
}

impl ClientHandler for Person {
    fn get_info(&self) -> ClientConfig {
        let mut info = ClientConfig::default();
        info.capabilities.elicitation = self.forms.then(ElicitationCapability::default);
        info
    }

    async fn create_elicitation(
        &self,
        asked: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        if let ElicitRequestParams::FormElicitationParams { message, .. } = asked {
            self.asked.lock().push(message);
        }
        let said = ElicitResult::new(self.action.clone());
        Ok(match self.action {
            ElicitationAction::Accept => said.with_content(self.content.clone()),
            _ => said,
        })
    }
}

/// The result of a call of the clerk, as text.
async fn asks(
    office: &Office,
    person: &Person,
    era: ClientLifecycleMode,
) -> anyhow::Result<String> {
    let client = client_that(person.clone(), &office.door, era).await?;
    let question = json!({"question": "Send the letter."});
    let result = client.call_tool(call("clerk", &question)).await?;
    let text = result.content[0].as_text().unwrap().text.clone();
    client.cancel().await?;
    Ok(text)
}

#[test]
fn a_client_that_may_approve_is_asked_and_its_word_counts_once() -> anyhow::Result<()> {
    let mut office = Office::open()?;
    office.by_key("boss", &["--may", "approve"])?;
    let runtime = tokio::runtime::Runtime::new()?;
    for (number, era) in eras().into_iter().enumerate() {
        let yes = Person::who_says(ElicitationAction::Accept);
        let text = runtime.block_on(asks(&office, &yes, era.clone()))?;
        assert!(
            text.contains("The tool said:") && text.contains("the letter"),
            "{text}"
        );
        let asked = yes.asked.lock().clone();
        assert_eq!(asked.len(), 1, "it is asked once: {asked:?}");
        for part in [
            "default/clerk",
            "tool.call:probe.echo",
            "| {",
            "the letter",
            "sha256 ",
        ] {
            assert!(asked[0].contains(part), "{part} is not in: {}", asked[0]);
        }
        assert_eq!(office.server.calls().len(), number + 1, "it is done once");
        let no = Person::who_says(ElicitationAction::Decline);
        let text = runtime.block_on(asks(&office, &no, era))?;
        assert!(text.contains("said no"), "the model is told: {text}");
        assert_eq!(office.server.calls().len(), number + 1, "nothing is done");
        let all = office.approvals()?;
        assert_eq!(all.len(), 2 * (number + 1), "{all:?}");
        let mut words: Vec<(&str, &str)> = Vec::new();
        for it in &all {
            assert_eq!(it["answered"]["by"], "the key boss", "{it}");
            let scope = it["answered"]["scope"].as_str().unwrap_or_default();
            words.push((it["answered"]["word"].as_str().unwrap(), scope));
        }
        assert_eq!(
            words[..2],
            [("denied", ""), ("approved", "once")],
            "{all:?}"
        );
    }
    Ok(())
}

/// The result of a call that somebody says no to at a terminal, once `asked`.
fn denied_elsewhere(
    (office, person): (&Office, &Person),
    era: ClientLifecycleMode,
    asked: impl Fn() -> bool,
) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let told = thread::scope(|scope| {
        let asking = scope.spawn(|| runtime.block_on(asks(office, person, era)));
        until("the client to be asked", BOUND, || match asked() {
            true => Ok(()),
            false => Err("it is not".to_owned()),
        })?;
        let waits = office.waits()?;
        office.door.node.aionctl(&["approvals", "deny", &waits])?;
        asking.join().unwrap()
    })?;
    assert!(told.contains("said no"), "{told}");
    assert_eq!(office.server.calls(), []);
    Ok(())
}

#[test]
fn whoever_leaves_it_open_waits_and_another_answers() -> anyhow::Result<()> {
    let mut office = Office::open()?;
    office.by_key("boss", &["--may", "approve"])?;
    for era in eras() {
        let leaves = Person::who_says(ElicitationAction::Cancel);
        // As programs accept a form of which nobody filled in anything.
        let mut formal = Person::who_says(ElicitationAction::Accept);
        formal.content = json!({});
        for person in [leaves, formal] {
            let asked = || !person.asked.lock().is_empty();
            denied_elsewhere((&office, &person), era.clone(), asked)?;
            assert_eq!(person.asked.lock().len(), 1, "it is not asked again");
        }
    }
    Ok(())
}

#[test]
fn a_client_without_the_right_or_without_forms_is_never_asked() -> anyhow::Result<()> {
    let mut office = Office::open()?;
    let never = |office: &Office, forms: bool| -> anyhow::Result<()> {
        for era in eras() {
            let mut person = Person::who_says(ElicitationAction::Accept);
            person.forms = forms;
            denied_elsewhere((office, &person), era, || true)?;
            assert_eq!(person.asked.lock().len(), 0, "{forms}");
        }
        Ok(())
    };
    // The gateway's token is no right to answer.
    never(&office, true)?;
    office.by_key("asker", &[])?;
    never(&office, true)?;
    office.by_key("boss", &["--may", "approve"])?;
    never(&office, false)
}

/// The server of the tool asks the agent, the agent a person, and the person's client is asked.
#[test]
fn what_a_tools_server_asks_is_asked_of_a_person_and_goes_back_to_it() -> anyhow::Result<()> {
    let mut office = Office::open()?;
    office.by_key("boss", &["--may", "approve"])?;
    let runtime = tokio::runtime::Runtime::new()?;
    let said = |person: &Person, era: ClientLifecycleMode| {
        let question = json!({"question": "Be sure."});
        runtime.block_on(async {
            let client = client_that(person.clone(), &office.door, era).await?;
            let result = client.call_tool(call("clerk", &question)).await?;
            client.cancel().await?;
            anyhow::Ok(result.content[0].as_text().unwrap().text.clone())
        })
    };
    for era in eras() {
        for (action, word) in [
            (ElicitationAction::Accept, "accept"),
            (ElicitationAction::Decline, "decline"),
        ] {
            let person = Person::who_says(action);
            let told = said(&person, era.clone())?;
            assert!(told.contains(word), "{told}");
            let asked = person.asked.lock().clone();
            assert_eq!(asked.len(), 1, "{asked:?}");
            for part in [
                "tool.ask:probe.sure",
                "Are you sure?",
                "the server's words",
                "\"sends\":{\"sure\":true}",
            ] {
                assert!(asked[0].contains(part), "{part} is not in: {}", asked[0]);
            }
        }
    }
    let all = office.approvals()?;
    assert_eq!(all.len(), 4, "{all:?}");
    // At a terminal a yes is for this question and for nothing else.
    let asking = office.door.node.asking(&["ask", "clerk", "Be sure."]);
    let asking = thread::spawn(asking);
    let waits = office.waits()?;
    let wide = office
        .door
        .node
        .aionctl(&["approvals", "approve", &waits, "--turn"]);
    let wide = wide.unwrap_err().to_string();
    assert!(wide.contains("counts once"), "{wide}");
    office
        .door
        .node
        .aionctl(&["approvals", "approve", &waits])?;
    let told = asking.join().unwrap()?;
    assert!(told.contains("accept"), "{told}");
    Ok(())
}

#[test]
fn what_a_client_gives_back_is_no_right() -> anyhow::Result<()> {
    let mut office = Office::open()?;
    let owner = office.door.token.clone();
    office.by_key("boss", &["--may", "approve"])?;
    let boss = office.door.token.clone();
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {"elicitation": {}},
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "0"},
    });
    let head = "\r\naccept: application/json, text/event-stream\r\nmcp-protocol-version: 2026-07-28\r\nmcp-method: tools/call\r\nmcp-name: clerk";
    // A session of the other era, whose client is asked in the stream, is nothing in this one.
    let head = &format!("{head}\r\nmcp-session-id: asked-before");
    let call = |door: &Door, more: &Value| -> anyhow::Result<Value> {
        let mut params =
            json!({"name": "clerk", "arguments": {"question": "Send the letter."}, "_meta": meta});
        let all = params.as_object_mut().unwrap();
        all.extend(more.as_object().cloned().unwrap_or_default());
        let asked = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
        let (_, answer) = door.post("/mcp", head, &asked)?;
        Ok(crate::door::body(&answer))
    };
    let asked = call(&office.door, &json!({}))?;
    assert_eq!(asked["result"]["resultType"], "input_required", "{asked}");
    let state = asked["result"]["requestState"].clone();
    let yes = json!({"requestState": state, "inputResponses": {"approval": {"action": "accept", "content": {"answer": "approve"}}}});
    // Without an answer it is asked again.
    let again = call(&office.door, &json!({"requestState": state}))?;
    assert_eq!(again["result"]["resultType"], "input_required", "{again}");
    // It is for the same call.
    let mut another = yes.clone();
    another["arguments"] = json!({"question": "Send all letters."});
    let refused = call(&office.door, &another)?;
    assert_eq!(refused["error"]["code"], -32602, "{refused}");
    // And for the same key: not for another, which may approve too.
    office.by_key("other", &["--may", "approve"])?;
    let refused = call(&office.door, &yes)?;
    assert_eq!(refused["error"]["code"], -32602, "{refused}");
    // Nor does who asks with the gateway's token, whose turn it is and who may not answer for a person.
    office.door.token.clone_from(&owner);
    let refused = call(&office.door, &yes)?;
    assert_eq!(refused["error"]["code"], -32602, "{refused}");
    let torn = json!({"requestState": "x", "inputResponses": {}});
    let refused = call(&office.door, &torn)?;
    assert_eq!(refused["error"]["code"], -32602, "{refused}");
    assert_eq!(office.server.calls(), [], "nothing is done by any of that");
    office.door.token = boss;
    let done = call(&office.door, &yes)?;
    let text = done["result"]["content"][0]["text"].as_str();
    assert!(text.is_some_and(|it| it.contains("the letter")), "{done}");
    assert_eq!(office.server.calls().len(), 1);
    // Said again it is told again, and done no more.
    let again = call(&office.door, &yes)?;
    assert_eq!(
        again["result"]["content"], done["result"]["content"],
        "{again}"
    );
    assert_eq!(office.server.calls().len(), 1);
    Ok(())
}

/// Python's official client, as somebody writes it who is asked.
const CLIENT: &str = r#"
import asyncio, sys
from mcp import ClientSession, types
from mcp.client.streamable_http import streamablehttp_client
url, token, action = sys.argv[1:]
asked = []

async def ask(context, params):
    asked.append(params.message)
    content = {"answer": "approve"} if action == "accept" else None
    return types.ElicitResult(action=action, content=content)

async def main():
    headers = {"Authorization": f"Bearer {token}"}
    async with streamablehttp_client(url, headers=headers) as (read, write, _):
        async with ClientSession(read, write, elicitation_callback=ask) as session:
            await session.initialize()
            result = await session.call_tool("clerk", {"question": "Send the letter."})
            assert len(asked) == 1 and "tool.call:probe.echo" in asked[0], asked
            print(result.content[0].text)

asyncio.run(main())
"#;

#[test]
fn the_official_client_of_python_is_asked_too() -> anyhow::Result<()> {
    let Some(site) = or_skip(python_package("langgraph")) else {
        return Ok(());
    };
    let mut office = Office::open()?;
    office.by_key("boss", &["--may", "approve"])?;
    for (action, word) in [("accept", "the letter"), ("decline", "said no")] {
        let mut client = Command::new("python3");
        client.args(["-c", CLIENT]).env("PYTHONPATH", &site);
        let url = format!("http://127.0.0.1:{}/mcp", office.door.port);
        client.args([&url, &office.door.token, action]);
        let output = client.output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(told.contains(word), "{told}");
    }
    assert_eq!(office.server.calls().len(), 1);
    Ok(())
}
