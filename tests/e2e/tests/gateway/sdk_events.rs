//! What the SDKs hear, and what is answered by them, at a gateway and a daemon that are killed meanwhile.

#![allow(clippy::unwrap_used)]

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
};

use aion_e2e::{cluster::root, npm::NodeSdk};
use aion_testkit::{FakeModel, McpServer, Reply, or_skip, python_package, until};
use serde_json::{Value, json};

use crate::door::{BOUND, Door, apply, body};

/// Says each thing that it hears, and yes to what is asked.
const PYTHON: &str = r#"
import json, os, sys
from aion_sdk import Gateway, Missed, Refused

def say(**what):
    print(json.dumps(what), flush=True)

with Gateway() as gateway, gateway.events(kinds=["turn"], agents=["jarvis", "clerk"]) as events:
    say(listening=events.cursor)
    for item in events:
        if isinstance(item, Missed):
            say(missed=item.because)
            continue
        say(cursor=item.cursor, agent=item.agent, **item.content)
        if item.content["state"] == "asked":
            asked = gateway.approval(item.content["approval"])
            assert [it.number for it in gateway.approvals() if it.waits] == [asked.number]
            assert asked.arguments["arguments"] == {"text": "the letter"}, asked
            assert (asked.capability, asked.agent) == ("tool.call:kit.echo", "default/clerk"), asked
            said = gateway.approve(asked).answered
            assert (said.word, said.scope) == ("approved", "once") and said.by, said
            try:
                gateway.deny(asked)
            except Refused as refused:
                assert refused.code == "already-answered", refused
"#;

const NODE: &str = r"
import assert from 'node:assert/strict';
import { localGateway, Refused } from 'aion-sdk';

const gateway = localGateway();
const say = (what) => console.log(JSON.stringify(what));
const events = await gateway.events({ kinds: ['turn'], agents: ['jarvis', 'clerk'] });
say({ listening: events.cursor });
for await (const item of events) {
  if ('missed' in item) {
    say({ missed: item.missed.because });
    continue;
  }
  say({ cursor: item.cursor, ...item.event });
  if (item.event.state === 'asked') {
    const asked = await gateway.approval(item.event.approval);
    assert.deepEqual((await gateway.approvals()).filter((it) => it.waits).map((it) => it.number), [asked.number]);
    assert.deepEqual(asked.arguments.arguments, { text: 'the letter' });
    assert.deepEqual([asked.capability, asked.agent], ['tool.call:kit.echo', 'default/clerk']);
    const { word, scope, by } = (await gateway.approve(asked)).answered;
    assert.deepEqual([word, scope], ['approved', 'once']);
    assert.ok(by);
    await assert.rejects(gateway.deny(asked), (error) => error instanceof Refused && error.code === 'already-answered');
  }
}
";

/// A node with an agent that asks before it acts, and a gateway to it.
struct Office {
    door: Door,
    server: McpServer,
    _model: FakeModel,
}

impl Office {
    fn open() -> anyhow::Result<Self> {
        let model = FakeModel::answering(|request| {
            let tools = request.body["tools"].as_array().into_iter().flatten();
            let mut names = tools.filter_map(|it| it["function"]["name"].as_str());
            let messages = request.body["messages"].as_array().unwrap();
            let is_done = messages.iter().any(|it| it["role"] == "tool");
            match names.find(|it| it.contains("echo")) {
                Some(name) if !is_done => Reply::call(name, json!({"text": "the letter"})),
                _ => Reply::text("Felix."),
            }
        })?;
        let door = Door::open(&model)?;
        let server = McpServer::start()?;
        let object = |kind: &str, name: &str, spec: &Value| {
            json!({"apiVersion": "aion.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}).to_string()
        };
        let objects = [
            object(
                "Tool",
                "kit",
                &json!({"mcp": {"http": {"url": server.url()}}}),
            ),
            object(
                "Agent",
                "clerk",
                &json!({"instructions": "Send it.", "model": {"use": "local"}, "tools": [{"name": "kit"}],
                    "permissions": {"ask": ["kit.echo"]}}),
            ),
        ];
        let path = door.node.path("office.yaml");
        fs::write(&path, objects.join("\n---\n"))?;
        apply(&door.node, &path)?;
        Ok(Self {
            door,
            server,
            _model: model,
        })
    }

    /// A program in a process of its own, with what this user's programs find, and what of `more` it is given.
    fn spawn(&self, program: &mut Command, more: &[(&str, &str)]) -> anyhow::Result<Heard> {
        let token = self.door.node.path("token");
        fs::write(&token, &self.door.token)?;
        let mut child = program
            .env(
                "AION_GATEWAY_URL",
                format!("http://127.0.0.1:{}/v1", self.door.port),
            )
            .env("AION_GATEWAY_TOKEN_FILE", token)
            .envs(more.iter().copied())
            .stdout(Stdio::piped())
            .spawn()?;
        let said = BufReader::new(child.stdout.take().unwrap()).lines();
        let (tell, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in said.map_while(Result::ok) {
                let _ = tell.send(line);
            }
        });
        let mut heard = Heard {
            child,
            lines,
            events: Vec::new(),
        };
        let listening = heard.next()?;
        assert!(listening["listening"].is_string(), "{listening}");
        Ok(heard)
    }

    fn ask(&self, agent: &str) -> anyhow::Result<u64> {
        let path = format!("/v1/agents/{agent}/turns");
        let (status, record) = self.door.post(&path, "", &json!({"input": "Send it."}))?;
        anyhow::ensure!(status == 200, "{record}");
        let record = body(&record);
        anyhow::ensure!(record["outcome"]["ok"] == true, "{record}");
        Ok(record["turn"].as_u64().unwrap())
    }

    /// What a program hears of turns before and after kills, and a turn that waits for its word. A key is not told of the first steps of a
    /// turn where they come before the node has noted whose it is.
    fn hears(&mut self, heard: &mut Heard, by_key: bool) -> anyhow::Result<()> {
        let is_whole = |states: Vec<String>| {
            let all = ["queued", "started", "ended"];
            assert!(
                all.ends_with(&states.iter().map(String::as_str).collect::<Vec<_>>()),
                "{states:?}"
            );
            assert!(by_key || states.len() == all.len(), "{states:?}");
        };
        let first = self.ask("jarvis")?;
        is_whole(heard.states_of(first)?);
        self.door.restart_gateway()?;
        // It goes on behind what it heard, whether it is back by now or not.
        let second = self.ask("jarvis")?;
        is_whole(heard.states_of(second)?);
        let asked = self.ask("clerk")?;
        let states = heard.states_of(asked)?;
        for state in ["asked", "answered", "ended"] {
            let times = states.iter().filter(|it| *it == state).count();
            assert_eq!(times, 1, "{state} in {states:?}");
        }
        assert_eq!(self.server.calls().len(), 1, "it was done once");
        let cursors = heard.events.iter().map(|it| it["cursor"].to_string());
        let once: BTreeSet<_> = cursors.collect();
        assert_eq!(once.len(), heard.events.len(), "{:?}", heard.events);
        let missed = heard.events.iter().filter(|it| it["missed"].is_string());
        assert_eq!(missed.count(), 0, "{:?}", heard.events);

        // The feed of another start is another one, and what is told is that some was not.
        self.door.node.restart_daemon()?;
        let missed = loop {
            let next = heard.next()?;
            heard.events.push(next);
            if let Some(missed) = heard.events.iter().find(|it| it["missed"].is_string()) {
                break missed["missed"].clone();
            }
        };
        assert_eq!(missed, "restarted", "{:?}", heard.events);
        until("the agent to be back", BOUND, || {
            self.ask("jarvis").map_err(|why| why.to_string())
        })?;
        let last = self.ask("jarvis")?;
        assert_eq!(heard.states_of(last)?.last().unwrap(), "ended");
        Ok(())
    }
}

/// What a program says that it heard.
struct Heard {
    child: Child,
    lines: Receiver<String>,
    events: Vec<Value>,
}

impl Heard {
    fn next(&mut self) -> anyhow::Result<Value> {
        let line = self.lines.recv_timeout(BOUND);
        let line = line.map_err(|why| anyhow::anyhow!("{why}: {:?}", self.events))?;
        Ok(serde_json::from_str(&line)?)
    }

    /// What was heard of a turn, to its end.
    fn states_of(&mut self, turn: u64) -> anyhow::Result<Vec<String>> {
        loop {
            let of_turn = self.events.iter().filter(|it| it["turn"] == turn);
            let states = of_turn.filter_map(|it| it["state"].as_str().map(str::to_owned));
            let states: Vec<_> = states.collect();
            if states.last().is_some_and(|it| it == "ended") {
                return Ok(states);
            }
            let next = self.next()?;
            self.events.push(next);
        }
    }
}

impl Drop for Heard {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn programs_of_the_sdk_for_python_hear_each_event_once_and_answer_what_is_asked()
-> anyhow::Result<()> {
    let Some(site) = or_skip(python_package("pytest")) else {
        return Ok(());
    };
    let mut office = Office::open()?;
    let path = format!("{}:{}", root().join("sdk/python").display(), site.display());
    let mut python = Command::new("python3");
    python.args(["-c", PYTHON]).env("PYTHONPATH", path);
    python.env("PYTHONDONTWRITEBYTECODE", "1");
    // As a person's program does who has the gateway's token, and may answer besides.
    let approver = office.door.node.home().join("config/approver.token");
    let approver = approver.to_string_lossy().into_owned();
    let mut heard = office.spawn(&mut python, &[("AION_APPROVER_TOKEN_FILE", &approver)])?;
    office.hears(&mut heard, false)
}

#[test]
fn programs_of_the_sdk_for_typescript_hear_each_event_once_and_answer_what_is_asked()
-> anyhow::Result<()> {
    let Some(sdk) = NodeSdk::find()? else {
        return Ok(());
    };
    let mut office = Office::open()?;
    let client = sdk.installed("client")?;
    fs::write(client.join("main.js"), NODE)?;
    // By a key, which hears of what it began, and says yes to it.
    let key = ["--agent", "jarvis", "--agent", "clerk", "--may", "approve"];
    let key = [&["key", "create", "person"], &key[..]].concat();
    office.door.token = office.door.node.aionctl(&key)?.trim().to_owned();
    let mut node = Command::new("node");
    let mut heard = office.spawn(node.arg("main.js").current_dir(&client), &[])?;
    office.hears(&mut heard, true)
}
