//! A node with a workflow, an agent that it asks, a tool that counts its calls and a model that is held, and what is kept of
//! its turns.

use std::{
    fs,
    net::TcpListener,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use aion_e2e::{cluster::BOUND, program, standalone::Standalone};
use aion_testkit::{FakeModel, McpServer, ModelRequest, Reply, until};
use serde_json::{Value, json};

/// A model that thinks longer than any test.
const LONG: Duration = Duration::from_secs(3600);

pub(crate) struct Desk {
    pub(crate) node: Standalone,
    pub(crate) server: McpServer,
    model: FakeModel,
    open: Arc<AtomicBool>,
}

/// The last thing that the model is told.
fn last(request: &ModelRequest) -> String {
    let messages = request.body["messages"].as_array();
    let last = messages.and_then(|it| it.last());
    let said = last.and_then(|it| it["content"].as_str());
    said.unwrap_or_default().to_owned()
}

fn object(kind: &str, name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "aion.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec})
}

impl Desk {
    /// A node with an agent `clerk`, and none of a workflow yet. The model is held while it is told to HOLD.
    pub(crate) fn open() -> anyhow::Result<Self> {
        let open = Arc::new(AtomicBool::new(false));
        let opened = Arc::clone(&open);
        let model = FakeModel::answering(move |request| match last(request) {
            said if said.contains("HOLD") && !opened.load(Ordering::SeqCst) => {
                Reply::After(LONG, Box::new(Reply::text("never")))
            }
            said => Reply::text(format!("<{said}>")),
        })?;
        let server = McpServer::start()?;
        let nobody = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let nobody = nobody.to_string();
        let environment = [
            ("AION_OLLAMA_PORT", &*nobody),
            ("AION_LLAMA_CPP_PORT", &*nobody),
        ];
        let node = Standalone::start_with("workflows", &environment)?.with_policies()?;
        let desk = Self {
            node,
            server,
            model,
            open,
        };
        let endpoint = json!({"baseUrl": desk.model.base_url(), "models": [{"name": "m"}], "maxConcurrent": 16, "timeoutSeconds": 600});
        desk.apply(&[
            object("TrustPolicy", "tests", &json!({"inline": "allow"})),
            object("ModelEndpoint", "said", &endpoint),
            object("Tool", "probe", &json!({"mcp": {"http": {"url": desk.server.url()}}})),
            object("Agent", "clerk", &json!({"instructions": "Repeat.", "model": {"use": "said"}, "limits": {"turnSeconds": 600}})),
        ])?;
        Ok(desk)
    }

    fn apply(&self, objects: &[Value]) -> anyhow::Result<()> {
        let text: Vec<String> = objects.iter().map(Value::to_string).collect();
        self.apply_text(&text.join("\n---\n")).map(|_| ())
    }

    /// Applies manifests, and waits until what they make is ready.
    pub(crate) fn apply_text(&self, text: &str) -> anyhow::Result<String> {
        let path = self.node.path("objects.yaml");
        fs::write(&path, text)?;
        let path = path.to_string_lossy();
        self.node.aionctl(&["apply", "--wait", "120", "-f", &path])
    }

    /// Applies a workflow that may use the tool, the clerk and the model.
    pub(crate) fn workflow(&self, name: &str, steps: &Value, more: &Value) -> anyhow::Result<()> {
        let mut spec = json!({"steps": steps, "model": {"use": "said"}, "tools": [{"name": "probe"}, {"agent": "clerk"}],
            "permissions": {"allow": ["probe.*"]}, "limits": {"turnSeconds": 600}});
        for (field, value) in more.as_object().into_iter().flatten() {
            spec[field] = value.clone();
        }
        self.apply(&[object("Agent", name, &spec)])
    }

    pub(crate) fn asking(&self, agent: &str, what: &str) -> JoinHandle<anyhow::Result<String>> {
        thread::spawn(self.node.asking(&["ask", agent, what]))
    }

    /// Waits until the model was held so often.
    pub(crate) fn held(&self, times: usize) -> anyhow::Result<()> {
        let held = || {
            let all = self.model.requests();
            all.iter().filter(|it| last(it).contains("HOLD")).count()
        };
        until("the model to be held", BOUND, || match held() {
            count if count >= times => Ok(()),
            count => Err(format!("{count} of {times} times")),
        })?;
        Ok(())
    }

    /// Holds it no longer.
    pub(crate) fn go(&self) {
        self.open.store(true, Ordering::SeqCst);
    }

    /// What the tool was told by its calls of this operation, in order of the alphabet.
    pub(crate) fn called(&self, operation: &str) -> Vec<Value> {
        let calls = self.server.calls().into_iter();
        let mut told: Vec<_> = calls
            .filter(|(name, _)| name == operation)
            .map(|(_, arguments)| arguments)
            .collect();
        told.sort_by_key(Value::to_string);
        told
    }

    /// The facts of the node's journal of this name.
    pub(crate) fn facts(&self, name: &str) -> anyhow::Result<Vec<Value>> {
        let dump = Command::new(program("aion-node")?)
            .args(["journal", "dump", "--output", "json", "--home"])
            .arg(self.node.home())
            .output()?;
        let text = String::from_utf8(dump.stdout)?;
        let facts = text.lines().map(serde_json::from_str::<Value>);
        let facts: Result<Vec<_>, _> = facts.collect();
        let facts = facts?.into_iter().map(|mut it| it["fact"].take());
        Ok(facts.filter(|it| it["fact"] == name).collect())
    }

    /// The record of an agent's only turn.
    pub(crate) fn record(&self, agent: &str) -> anyhow::Result<Value> {
        let record = until("the turn's record", BOUND, || {
            let folders = fs::read_dir(self.node.home().join("state/turns"));
            let folders = folders.map_err(|why| why.to_string())?.flatten();
            let texts =
                folders.filter_map(|it| fs::read_to_string(it.path().join("record.json")).ok());
            let mut records = texts.filter_map(|it| serde_json::from_str::<Value>(&it).ok());
            let wanted = format!("default/{agent}");
            records
                .find(|it| it["agent"] == *wanted)
                .ok_or_else(|| "there is none".to_owned())
        })?;
        Ok(record)
    }
}

/// The states of a record's steps, by their places.
pub(crate) fn states(record: &Value) -> Vec<(String, String)> {
    let steps = record["steps"].as_array().into_iter().flatten();
    let text = |it: &Value| it.as_str().unwrap_or_default().to_owned();
    steps
        .map(|it| (text(&it["step"]), text(&it["state"])))
        .collect()
}
