//! The SDK for TypeScript through the gateway: asking agents as a browser does, and being one from elsewhere.

#![allow(clippy::unwrap_used)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use aion_e2e::npm::{NodeSdk, done};
use aion_testkit::{FakeModel, Process, Reply, until};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::{
    door::{BOUND, Door, body},
    external,
};

/// Of the entry for browsers alone.
const SCRIPT: &str = r#"
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { Gateway, Refused } from 'aion-sdk/gateway';

const [url, token] = process.argv.slice(2);

// What the gateway describes has a place in the types.
const described = await (await fetch(`${url}/openapi.json`, { headers: { authorization: `Bearer ${token}` } })).json();
const types = ['answer', 'approvals', 'events'].map((it) => fs.readFileSync(`node_modules/aion-sdk/dist/gateway/${it}.d.ts`, 'utf8')).join();
const named = { approval: 'number' };
for (const schema of ['TurnRecord', 'TurnOutcome', 'Agent', 'Approval', 'Answered', 'Standing', 'Missed', 'SyscallEnded', 'QueueDepths']) {
  for (const name of Object.keys(described.components.schemas[schema].properties)) {
    assert.match(types, new RegExp(`\\b${(schema === 'Approval' && named[name]) || name}\\??:`), schema);
  }
}

const gateway = new Gateway({ url, token });
assert.deepEqual((await gateway.agents()).filter((it) => it.ready).map((it) => it.name), ['jarvis']);
const answer = await gateway.ask('A name for a cat?', { agent: 'jarvis', key: 'cat-1' });
assert.deepEqual([answer.text, answer.ok], ['Felix is a good name.', true]);
assert.equal((await gateway.ask('A name for a cat?', { agent: 'jarvis', key: 'cat-1' })).turn, answer.turn);
assert.equal((await gateway.ask('A name for a cat?')).routed.name, 'jarvis');
const files = [new File(['Rex'], 'dogs.txt')];
const stream = await gateway.stream('A name for a dog?', { agent: 'jarvis', files });
const kinds = [];
for await (const { event } of stream) kinds.push(event);
assert.deepEqual([kinds[0], kinds.at(-1), stream.text], ['queued', 'ended', 'Felix is a good name.']);
const again = await gateway.follow(answer.turn);
assert.equal((await again.answer()).text, answer.text);
const cancelled = await gateway.cancel(answer.turn);
assert.equal(cancelled.ok, true, 'it had ended before');
const refused = (code) => (error) => error instanceof Refused && error.code === code && error.remedy !== undefined;
await assert.rejects(gateway.ask('?', { agent: 'nobody' }), refused('not-found'));
await assert.rejects(gateway.turn(10 ** 6), refused('not-found'));
await assert.rejects(gateway.file(answer.turn, 'nothing'), refused('not-found'));
const asked = await Promise.all([1, 2, 3].map((it) => gateway.ask(`Cat ${it}?`, { agent: 'jarvis' })));
assert.ok(asked.every((it) => it.text === 'Felix is a good name.'));
await assert.rejects(new Gateway({ url, token: 'wrong' }).agents(), refused('bad-signature'));
console.log('all of it');
"#;

fn url(door: &Door) -> String {
    format!("http://127.0.0.1:{}/v1", door.port)
}

#[test]
fn the_sdk_for_typescript_asks_agents_and_reads_what_is_refused() -> anyhow::Result<()> {
    let Some(sdk) = NodeSdk::find()? else {
        return Ok(());
    };
    let model = FakeModel::answering(|_| Reply::text("Felix is a good name."))?;
    let door = Door::open(&model)?;
    let client = sdk.installed("client")?;
    fs::write(client.join("main.js"), SCRIPT)?;
    let mut node = Command::new("node");
    node.arg("main.js").args([url(&door), door.token.clone()]);
    assert_eq!(done(node.current_dir(&client))?.trim(), "all of it");
    Ok(())
}

/// The template of `aionctl new agent --typescript`, in parts, with a turn that waits in its middle until a file is there.
const PROGRAM: &str = r"
import fs from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { agent, AgentRuntime } from 'aion-sdk';

await AgentRuntime.run(agent({
  async *turn(turn) {
    const { hits } = await turn.memory.recall(turn.text, { k: 3 });
    await turn.memory.remember(turn.text);
    yield 'Noted.';
    if (turn.text.startsWith('wait')) {
      fs.writeFileSync(process.env.BEGUN, '');
      while (!fs.existsSync(process.env.GO)) await sleep(50);
      await turn.memory.remember('waited');
      yield ' Waited.';
      return;
    }
    for (const it of hits) yield `\nYou said: ${it.text}`;
  },
}));
";

/// Asks by a stream, and tells each part that came.
const ASK: &str = r"
import { Gateway } from 'aion-sdk/gateway';

const [url, token, text] = process.argv.slice(2);
const stream = await new Gateway({ url, token }).stream(text, { agent: 'helper' });
const parts = [];
for await (const event of stream) if (event.event === 'delta') parts.push(event.text);
const { turn, outcome } = await stream.answer();
console.log(JSON.stringify({ turn, parts, text: stream.text, code: outcome.problem?.code ?? null }));
";

/// A program elsewhere, and how it is asked.
struct Helper {
    folder: PathBuf,
    begun: PathBuf,
    go: PathBuf,
}

impl Helper {
    fn new(door: &Door, folder: PathBuf) -> anyhow::Result<Self> {
        fs::write(folder.join("main.js"), PROGRAM)?;
        fs::write(folder.join("ask.js"), ASK)?;
        fs::write(folder.join("token"), &door.token)?;
        let (begun, go) = (folder.join("begun"), folder.join("go"));
        Ok(Self { folder, begun, go })
    }

    fn start(&self, door: &Door, log: &Path) -> anyhow::Result<Process> {
        let mut program = Command::new("node");
        program
            .arg(self.folder.join("main.js"))
            .env("AION_AGENT", "helper")
            .env("AION_GATEWAY_URL", url(door))
            .env("AION_GATEWAY_TOKEN_FILE", self.folder.join("token"))
            .env("BEGUN", &self.begun)
            .env("GO", &self.go);
        Ok(Process::spawn(&program, log)?)
    }

    fn ask(&self, door: &Door, text: &str) -> anyhow::Result<Child> {
        let mut node = Command::new("node");
        node.arg(self.folder.join("ask.js"))
            .args([&url(door), &door.token, text])
            .stdout(Stdio::piped());
        Ok(node.spawn()?)
    }

    /// Asks it something that it waits with.
    fn waits(&self, door: &Door, program: &Process) -> anyhow::Result<Child> {
        let asking = self.ask(door, "wait for it")?;
        until("the turn to begin", BOUND, || match self.begun.exists() {
            true => Ok(()),
            false => Err(program.tail()),
        })?;
        Ok(asking)
    }
}

fn told(asking: Child) -> anyhow::Result<Value> {
    let output = asking.wait_with_output()?;
    Ok(serde_json::from_slice(&output.stdout)?)
}

#[test]
fn an_agent_of_the_sdk_for_typescript_runs_elsewhere_and_each_part_comes_once_through_kills()
-> anyhow::Result<()> {
    let Some(sdk) = NodeSdk::find()? else {
        return Ok(());
    };
    let mut door = external::open()?;
    let helper = Helper::new(&door, sdk.installed("helper")?)?;
    let program = helper.start(&door, &door.node.path("program.log"))?;
    external::becomes_ready(&door, "helper", "True");
    let first = external::ask(&door, "The key is under the mat");
    assert_eq!(first["answer"], "Noted.", "{first}\n{}", program.tail());
    let second = external::ask(&door, "Where is the key?");
    let said = "Noted.\nYou said: The key is under the mat";
    assert_eq!(second["answer"], said, "{second}\n{}", program.tail());

    let asking = helper.waits(&door, &program)?;
    door.restart_gateway()?;
    door.node.restart_daemon()?;
    fs::write(&helper.go, "")?;
    let third = told(asking)?;
    let parts = json!(["Noted.", " Waited."]);
    assert_eq!(third["parts"], parts, "{third}\n{}", program.tail());
    assert_eq!(third["text"], "Noted. Waited.", "{third}");
    external::becomes_ready(&door, "helper", "True");
    let fourth = external::ask(&door, "Was it waited for?");
    let said = fourth["answer"].as_str().unwrap_or_default();
    assert!(
        said.contains("You said: waited"),
        "{fourth}\n{}",
        program.tail()
    );
    Ok(())
}

#[test]
fn a_turn_whose_program_is_killed_is_of_unknown_outcome_and_the_next_program_answers()
-> anyhow::Result<()> {
    let Some(sdk) = NodeSdk::find()? else {
        return Ok(());
    };
    let door = external::open()?;
    let helper = Helper::new(&door, sdk.installed("helper")?)?;
    let mut killed = helper.start(&door, &door.node.path("killed.log"))?;
    external::becomes_ready(&door, "helper", "True");
    let asking = helper.waits(&door, &killed)?;
    killed.signal(Signal::SIGKILL);
    killed.wait(BOUND)?;
    let program = helper.start(&door, &door.node.path("program.log"))?;
    let lost = told(asking)?;
    assert_eq!(
        lost["code"],
        "outcome-unknown",
        "{lost}\n{}",
        program.tail()
    );
    let (_, record) = door.get(&format!("/v1/turns/{}", lost["turn"]))?;
    assert_eq!(body(&record)["outcome"]["ok"], false, "{record}");
    external::becomes_ready(&door, "helper", "True");
    let next = external::ask(&door, "The key is under the mat");
    assert_eq!(next["outcome"]["ok"], true, "{next}\n{}", program.tail());
    Ok(())
}
