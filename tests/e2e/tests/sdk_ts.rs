//! The SDK for TypeScript: its own tests, its package where nothing else is, projects that `aionctl new` makes, and its
//! agents on a node. What a kernel answers is held against the cases that the SDK's fake kernel is held against.

#![allow(clippy::unwrap_used)]

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use aion_e2e::{
    cluster::root,
    npm::{NodeSdk, done, npm},
    program,
    programs::Programs,
    standalone::Standalone,
};
use aion_testkit::{FakeModel, Interpreter, McpServer, Reply, until};
use serde_json::json;

const BOUND: Duration = Duration::from_secs(60);

/// Starts a program of its own with a turn, by a fake kernel; the SDK is the installed one.
const ASK: &str = r"
import { FakeKernel } from 'aion-sdk/testing';
const kernel = await FakeKernel.start();
const first = await kernel.run([process.execPath, 'main.js'], 'The key is under the mat');
const second = await kernel.run([process.execPath, 'main.js'], 'Where is the key?');
console.log(JSON.stringify([first.text, second.text]));
await kernel.stop();
";

#[test]
fn the_sdk_for_typescript_passes_its_tests_and_its_package_runs_where_nothing_is()
-> anyhow::Result<()> {
    let Some(sdk) = NodeSdk::find()? else {
        return Ok(());
    };
    let tested = npm(&sdk.package(), &["test"])?;
    assert!(
        tested.contains("# fail 0") || tested.contains("ℹ fail 0"),
        "{tested}"
    );
    let empty = sdk.installed("empty")?;
    let readme = fs::read_to_string(sdk.package().join("README.md"))?;
    let example = readme.split("```js\n").nth(1).unwrap();
    let example = example.split("```").next().unwrap();
    fs::write(empty.join("main.js"), example)?;
    fs::write(empty.join("ask.js"), ASK)?;
    let said = done(Command::new("node").arg("ask.js").current_dir(&empty))?;
    assert_eq!(
        said.trim(),
        r#"["Noted.","Noted.\nYou said: The key is under the mat"]"#
    );
    Ok(())
}

#[test]
fn a_project_works_with_its_tests_and_on_a_node_and_the_node_holds_the_cases() -> anyhow::Result<()>
{
    let Some(sdk) = NodeSdk::find()? else {
        return Ok(());
    };
    let node = Standalone::start("sdk-ts")?.with_policies()?;
    let Some(mut programs) = Programs::on(node, Interpreter::Node)? else {
        return Ok(());
    };
    let project = sdk.path("notekeeper");
    let mut new = Command::new(program("aionctl")?);
    new.args(["new", "agent", "--typescript", "notekeeper", "--dir"]);
    done(new.arg(&project))?;
    sdk.install(&project)?;
    npm(&project, &["test"])?;
    for (name, source) in [("helper", HELPER), ("keeper", KEEPER), ("judge", JUDGE)] {
        fs::write(project.join(name).with_extension("ts"), source)?;
    }
    npm(&project, &["run", "build"])?;
    npm(&project, &["prune", "--omit=dev", "--offline"])?;
    assert!(!project.join("node_modules/typescript").exists());

    let digest = programs.trust(&project)?;
    let manifest = project.join("agent.yaml");
    let empty = format!("sha256:{}", "0".repeat(64));
    let filled = fs::read_to_string(&manifest)?.replace(&empty, &digest);
    fs::write(&manifest, filled)?;
    let apply = ["apply", "--wait", "120", "-f", &manifest.to_string_lossy()];
    programs.node.aionctl(&apply)?;
    let ask = |programs: &Programs<Standalone>, text: &str| {
        programs.node.aionctl(&["ask", "notekeeper", text])
    };
    let told = ask(&programs, "The key is under the mat")?;
    assert!(told.contains("Noted."), "{told}");
    programs.node.replace()?;
    let found = ask(&programs, "Where is the key?")?;
    assert!(
        found.contains("You said: The key is under the mat"),
        "{found}"
    );

    let server = McpServer::start()?;
    programs.apply(&[json!({
        "apiVersion": "aion.dev/v1alpha1", "kind": "Tool", "metadata": {"name": "probe"},
        "spec": {"mcp": {"http": {"url": server.url()}}},
    })])?;
    helper(&mut programs, &project)?;
    keeper(&mut programs, &project)?;
    cases(&mut programs, &project)
}

/// Asks the agent's model, which asks for a method of the program's, badly at first, and for a tool of the node's.
const HELPER: &str = r"
import { Agent, AgentRuntime, Tool, type Turn } from 'aion-sdk';

const number = { type: 'number' };

@Agent({ instructions: 'You add.' })
class Helper {
  @Tool({ description: 'Adds', parameters: { type: 'object', properties: { a: number, b: number }, required: ['a', 'b'] } })
  async add({ a, b }: { a: number; b: number }, turn: Turn): Promise<number> {
    await turn.notice(`${a} and ${b} were added`);
    return a + b;
  }
}

await AgentRuntime.run(Helper);
";

/// A model's loop runs in the program: its questions go by the node, and so do the tools that it does not bring itself.
fn helper(programs: &mut Programs<Standalone>, project: &Path) -> anyhow::Result<()> {
    let model = FakeModel::answering(|request| {
        match request.body["messages"].as_array().map_or(0, Vec::len) {
            2 => Reply::call("add", json!({"a": 1, "b": "two"})),
            4 => Reply::call("add", json!({"a": 1, "b": 2})),
            6 => Reply::call("probe.echo", json!({"text": "three"})),
            _ => Reply::text("It is three, and so says the probe."),
        }
    })?;
    bundle(project, "helper", "")?;
    let digest = programs.trust(project)?;
    programs.apply(&[
        json!({"apiVersion": "aion.dev/v1alpha1", "kind": "ModelEndpoint", "metadata": {"name": "near"},
            "spec": {"baseUrl": model.base_url(), "models": [{"name": "m"}]}}),
        json!({
            "apiVersion": "aion.dev/v1alpha1", "kind": "Agent", "metadata": {"name": "helper"},
            "spec": {
                "runtime": "process", "bundle": {"name": "helper", "digest": digest}, "model": {"use": "near"},
                "tools": [{"name": "probe"}], "permissions": {"allow": ["probe.echo"]}, "limits": {"turnSeconds": 60},
            },
        }),
    ])?;
    let told = programs.node.aionctl(&["ask", "helper", "1 and 2?"])?;
    assert!(
        told.contains("It is three, and so says the probe."),
        "{told}"
    );
    let told = &model.requests()[3].body["messages"];
    let wrong = "error: arguments.b must be of type number";
    assert_eq!(told[3]["content"], wrong, "{told}");
    assert_eq!(told[5]["content"], "3", "{told}");
    assert_eq!(told[7]["content"], "three", "{told}");
    Ok(())
}

/// Keeps forty notes, four at a time, in another order each time. What was under way when the daemon was killed may or may
/// not have happened: it looks. Then it reads a file of several parts that it has just written.
const KEEPER: &str = r"
import { setTimeout as sleep } from 'node:timers/promises';
import { agent, AgentRuntime, Refused, type Turn } from 'aion-sdk';

async function keep(turn: Turn, at: number): Promise<void> {
  await sleep(100 + 300 * Math.random());
  const attributes = { at: String(at) };
  const note = { text: `note ${at}`, attributes };
  try {
    await turn.memory.remember(note);
  } catch (error) {
    if (!(error instanceof Refused) || error.code !== 'outcome-unknown') throw error;
    const { hits } = await turn.memory.recall('', { attributes });
    if (hits.length === 0) await turn.memory.remember(note);
  }
  console.log(`kept ${at}`);
}

await AgentRuntime.run(agent({
  async turn(turn) {
    const notes = Array.from({ length: 40 }, (_, at) => at);
    const lane = async (): Promise<void> => {
      for (let at = notes.shift(); at !== undefined; at = notes.shift()) await keep(turn, at);
    };
    await Promise.all(Array.from({ length: 4 }, lane));
    const large = Buffer.alloc(1_200_000, 'abc');
    await turn.files.write('output', 'large', large);
    const read = await turn.files.read('output', 'large');
    const { hits } = await turn.memory.recall('', { k: 100 });
    return `There are ${hits.length} notes, and ${large.equals(read) ? 'the file is whole' : 'it is not'}`;
  },
}));
";

/// A turn goes on where its daemon is killed, and runs again where its launcher is, too: nothing is done twice.
fn keeper(programs: &mut Programs<Standalone>, project: &Path) -> anyhow::Result<()> {
    bundle(project, "keeper", "")?;
    let digest = programs.trust(project)?;
    programs.apply(&[
        json!({"apiVersion": "aion.dev/v1alpha1", "kind": "MemoryPool", "metadata": {"name": "kept"}, "spec": {}}),
        json!({
            "apiVersion": "aion.dev/v1alpha1", "kind": "Agent", "metadata": {"name": "keeper"},
            "spec": {
                "runtime": "process", "bundle": {"name": "keeper", "digest": digest}, "memory": {"pool": "kept"},
                "permissions": {"files": [{"mount": "output", "mode": "readWrite"}]},
                "limits": {"turnSeconds": 120, "callsPerMinute": 600},
            },
        }),
    ])?;
    let mut asking = programs.node.command(&["ask", "keeper", "Keep"]);
    let asking = asking.stdout(Stdio::piped()).spawn()?;
    let kept = |programs: &Programs<Standalone>, many: usize| {
        until("notes to be kept", BOUND, || {
            let log = programs.node.aionctl(&["logs", "keeper"]);
            let log = log.map_err(|why| why.to_string())?;
            match log.matches("kept ").count() >= many {
                true => Ok(()),
                false => Err(log),
            }
        })
    };
    kept(programs, 5)?;
    programs.node.restart_daemon()?;
    kept(programs, 10)?;
    programs.node.replace()?;
    let asked = asking.wait_with_output()?;
    let told = String::from_utf8_lossy(&asked.stdout);
    assert!(
        told.contains("There are 40 notes, and the file is whole"),
        "{told}"
    );
    let log = programs.node.aionctl(&["logs", "keeper"])?;
    assert!(log.matches("kept ").count() > 40, "it ran twice: {log}");
    Ok(())
}

/// A recipe of an image with the program of that name, and with these files besides.
fn bundle(project: &Path, name: &str, files: &str) -> std::io::Result<()> {
    let recipe = format!(
        "name: {name}\nversion: 0.1.0\nruntime: process\nfiles: [dist, package.json, node_modules{files}]\n\
         command: [node, /app/dist/{name}.js]\n"
    );
    fs::write(project.join("bundle.yaml"), recipe)
}

const JUDGE: &str = r"
import fs from 'node:fs';
import { Boot } from 'aion-sdk';
import { type Case, Judge } from 'aion-sdk/testing';

const cases: Case[] = JSON.parse(fs.readFileSync('cases.json', 'utf8'));
const judge = new Judge(Boot.inherited(), '/run/aion.sock');
const { count, wrong } = await judge.held(cases, ['memory', 'files', 'tool', 'embedding']);
if (wrong.length > 0) await judge.say('failed', `${wrong.length} of ${count} cases do not hold:\n${wrong.join('\n')}`);
else await judge.say('final', `all ${count} cases hold`);
process.exit(wrong.length > 0 ? 1 : 0);
";

/// Holds the node against sdk/conformance, from within an agent of its own.
fn cases(programs: &mut Programs<Standalone>, project: &Path) -> anyhow::Result<()> {
    let cases = root().join("sdk/conformance/cases.json");
    fs::copy(&cases, project.join("cases.json"))?;
    bundle(project, "judge", ", cases.json")?;
    let digest = programs.trust(project)?;
    let model = FakeModel::scripted([])?;
    programs.apply(&[
        json!({"apiVersion": "aion.dev/v1alpha1", "kind": "MemoryPool", "metadata": {"name": "judge"}, "spec": {}}),
        json!({
            "apiVersion": "aion.dev/v1alpha1", "kind": "ModelEndpoint", "metadata": {"name": "judge"},
            "spec": {
                "baseUrl": model.base_url(),
                "models": [{"name": "fake"}, {"name": "e", "purpose": "embedding"}],
            },
        }),
        json!({
            "apiVersion": "aion.dev/v1alpha1", "kind": "Agent", "metadata": {"name": "judge"},
            "spec": {
                "runtime": "process", "bundle": {"name": "judge", "digest": digest},
                "model": {"use": "judge", "embedding": "judge"},
                "memory": {"pool": "judge"}, "tools": [{"name": "probe"}],
                "permissions": {
                    "allow": ["probe.*", "memory.forget"],
                    "files": [{"mount": "input", "mode": "read"}, {"mount": "output", "mode": "readWrite"}],
                },
                "limits": {"turnSeconds": 120, "callsPerMinute": 600},
            },
        }),
    ])?;
    let file = programs.node.path("orders.csv");
    fs::write(&file, "a,b\n1,2\n3,4")?;
    let output = programs.node.path("output");
    let run = ["run", "judge", "Judge", "--file", &file.to_string_lossy()];
    let told = programs
        .node
        .aionctl(&[&run[..], &["--output-dir", &output.to_string_lossy()]].concat())?;
    let cases: serde_json::Value = serde_json::from_str(&fs::read_to_string(cases)?)?;
    let all = format!("all {} cases hold", cases.as_array().map_or(0, Vec::len));
    assert!(told.contains(&all), "{told}");
    Ok(())
}
