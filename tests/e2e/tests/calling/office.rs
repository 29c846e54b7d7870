//! A node with agents that ask each other, and what its journal says of it.

use std::{
    fs,
    net::TcpListener,
    process::Command,
    thread::{self, JoinHandle},
};

use aion_e2e::{program, standalone::Standalone};
use aion_testkit::{FakeModel, McpServer, ModelRequest, Reply};
use serde_json::{Value, json};

/// What the last tool gave, as the model is told.
pub(crate) fn result(request: &ModelRequest) -> Option<String> {
    let messages = request.body["messages"].as_array()?;
    let tool = messages.iter().rev().find(|it| it["role"] == "tool")?;
    Some(tool["content"].to_string())
}

pub(crate) fn instructions(request: &ModelRequest) -> String {
    request.body["messages"][0]["content"].to_string()
}

/// The name under which the model is offered what is called so.
pub(crate) fn offered(request: &ModelRequest, part: &str) -> Option<String> {
    let tools = request.body["tools"].as_array()?;
    let names = tools.iter();
    let mut names = names.filter_map(|it| it["function"]["name"].as_str());
    names.find(|it| it.contains(part)).map(str::to_owned)
}

/// What an agent does by its instructions: `use WHAT` calls that tool, and the result is its answer.
pub(crate) fn act(request: &ModelRequest) -> Reply {
    if let Some(result) = result(request) {
        return Reply::text(format!("got {result}"));
    }
    let said = instructions(request);
    let wanted = ["ask_clerk", "ask_chief", "ask_librarian", "echo"];
    let wanted = wanted
        .into_iter()
        .find(|it| said.contains(&format!("use {it}")));
    match wanted.map(|it| (it, offered(request, it))) {
        Some(("echo", Some(name))) => Reply::call(name, json!({"text": "the letter"})),
        Some((_, Some(name))) => Reply::call(name, json!({"input": "Please."})),
        Some((wanted, None)) => Reply::text(format!("{wanted} is not offered")),
        None => Reply::text("nothing to do"),
    }
}

/// An object in the form of a manifest.
pub(crate) fn object(kind: &str, name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "aion.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec})
}

pub(crate) struct Office {
    pub(crate) node: Standalone,
    pub(crate) server: McpServer,
    _models: Vec<FakeModel>,
}

impl Office {
    /// A node with these agents: name, instructions, and what else their specs say.
    pub(crate) fn open(model: FakeModel, agents: &[(&str, &str, Value)]) -> anyhow::Result<Self> {
        Self::with(vec![("said", model)], agents)
    }

    /// A node with several models, each under its name; an agent that names none has the one that is `said`.
    pub(crate) fn with(
        models: Vec<(&str, FakeModel)>,
        agents: &[(&str, &str, Value)],
    ) -> anyhow::Result<Self> {
        let server = McpServer::start()?;
        let nobody = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let nobody = nobody.to_string();
        let environment = [
            ("AION_OLLAMA_PORT", &*nobody),
            ("AION_LLAMA_CPP_PORT", &*nobody),
        ];
        let node = Standalone::start_with("calling", &environment)?.with_policies()?;
        let mut objects = vec![
            object("TrustPolicy", "tests", &json!({"inline": "allow"})),
            object(
                "Tool",
                "probe",
                &json!({"mcp": {"http": {"url": server.url()}}}),
            ),
            object("MemoryPool", "books", &json!({})),
        ];
        for (name, model) in &models {
            let spec = json!({"baseUrl": model.base_url(), "models": [{"name": "m"}]});
            objects.push(object("ModelEndpoint", name, &spec));
        }
        for (name, instructions, more) in agents {
            let mut spec = json!({"description": format!("The {name} of the office."), "instructions": instructions,
                "model": {"use": "said"}, "permissions": {"allow": ["probe.echo"]}});
            for (field, value) in more.as_object().into_iter().flatten() {
                spec[field] = value.clone();
            }
            objects.push(object("Agent", name, &spec));
        }
        let office = Self {
            node,
            server,
            _models: models.into_iter().map(|(_, model)| model).collect(),
        };
        let objects: Vec<String> = objects.iter().map(Value::to_string).collect();
        office.apply(&objects.join("\n---\n"))?;
        Ok(office)
    }

    /// Applies what manifests say, and waits until it is ready.
    pub(crate) fn apply(&self, manifests: &str) -> anyhow::Result<()> {
        let path = self.node.path("objects.yaml");
        fs::write(&path, manifests)?;
        let path = path.to_string_lossy();
        self.node
            .aionctl(&["apply", "--wait", "120", "-f", &path])?;
        Ok(())
    }

    /// Asks an agent at another terminal.
    pub(crate) fn asking(&self, agent: &str) -> JoinHandle<anyhow::Result<String>> {
        thread::spawn(self.node.asking(&["ask", agent, "Go."]))
    }

    /// The facts of the node's journal.
    pub(crate) fn facts(&self) -> anyhow::Result<Vec<Value>> {
        let dump = Command::new(program("aion-node")?)
            .args(["journal", "dump", "--output", "json", "--home"])
            .arg(self.node.home())
            .output()?;
        let text = String::from_utf8(dump.stdout)?;
        let facts = text.lines().map(serde_json::from_str::<Value>);
        let facts: Result<Vec<_>, _> = facts.collect();
        Ok(facts?.into_iter().map(|mut it| it["fact"].take()).collect())
    }

    /// Turns that agents began.
    pub(crate) fn called(&self) -> anyhow::Result<Vec<Value>> {
        let queued = self.facts()?.into_iter();
        let called = queued.filter(|it| it["fact"] == "turn-queued" && it["caller"].is_object());
        Ok(called.collect())
    }
}
