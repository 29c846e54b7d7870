//! The SDK for Python: its own tests, its wheel, projects that `aionctl new` makes, and its agents on a node. What a kernel
//! answers is held against the cases that the SDK's fake kernel is held against.

#![allow(clippy::unwrap_used)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use aion_e2e::{cluster::root, program, programs::Programs, standalone::Standalone};
use aion_testkit::{FakeModel, Interpreter, McpServer, Reply, or_skip, python_package, until};
use serde_json::json;

const BOUND: Duration = Duration::from_secs(60);

/// Pytest, hatchling and httpx in a folder for `PYTHONPATH`, and their wheels beside it.
struct Tools {
    site: PathBuf,
    work: tempfile::TempDir,
}

impl Tools {
    /// `None`, and the test skipped, where they are not on this machine.
    fn find() -> anyhow::Result<Option<Self>> {
        let Some(site) = or_skip(python_package("pytest")) else {
            return Ok(None);
        };
        let work = tempfile::tempdir()?;
        Ok(Some(Self { site, work }))
    }

    fn python(&self, program: &Path, path: &Path) -> Command {
        let mut python = Command::new(program);
        python
            .env("PYTHONPATH", path)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .current_dir(self.work.path());
        python
    }

    /// The folder of the SDK's wheel, built without the network.
    fn wheel(&self) -> anyhow::Result<PathBuf> {
        let folder = self.work.path().join("wheel");
        let mut pip = self.python("python3".as_ref(), &self.site);
        pip.args(["-m", "pip", "wheel", "--quiet", "--no-index", "--no-deps"]);
        pip.args(["--no-build-isolation", "--wheel-dir"])
            .arg(&folder)
            .arg(root().join("sdk/python"));
        done(&mut pip)?;
        Ok(folder)
    }

    /// Installs the SDK and what it needs from wheels of this machine: `PIP_TARGET` says into which folder, `PIP_PYTHON`
    /// into whose environment.
    fn install(&self, (place, path): (&str, &Path), what: &[&str]) -> anyhow::Result<()> {
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--no-index"])
            .arg("--find-links")
            .arg(self.site.with_file_name("wheels"))
            .arg("--find-links")
            .arg(self.wheel()?);
        done(pip.args(what).env(place, path))?;
        Ok(())
    }
}

/// What a command printed; an error with all it said where it failed.
fn done(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let error = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "{command:?}\n{said}\n{error}");
    Ok(said)
}

/// The blocks of Python in a document.
fn examples(text: &str) -> Vec<&str> {
    let blocks = text.split("```python\n").skip(1);
    blocks.filter_map(|it| it.split("```").next()).collect()
}

#[test]
fn the_sdk_for_python_passes_its_tests() -> anyhow::Result<()> {
    let Some(tools) = Tools::find()? else {
        return Ok(());
    };
    let mut pytest = tools.python("python3".as_ref(), &tools.site);
    pytest
        .args(["-m", "pytest", "-p", "no:cacheprovider"])
        .arg(root().join("sdk/python"));
    done(&mut pytest)?;
    Ok(())
}

#[test]
fn its_wheel_is_installed_where_nothing_is_and_the_first_example_runs() -> anyhow::Result<()> {
    let Some(tools) = Tools::find()? else {
        return Ok(());
    };
    let environment = tools.work.path().join("environment");
    let mut venv = tools.python("python3".as_ref(), &tools.site);
    done(venv.args(["-m", "venv", "--without-pip"]).arg(&environment))?;
    let python = environment.join("bin/python");
    tools.install(("PIP_PYTHON", &python), &["aion-sdk", "pytest"])?;
    let project = tools.work.path().join("project");
    fs::create_dir(&project)?;
    let readme = fs::read_to_string(root().join("sdk/python/README.md"))?;
    let examples = examples(&readme);
    fs::write(project.join("main.py"), examples[0])?;
    fs::write(project.join("test_main.py"), examples[1])?;
    let mut pytest = tools.python(&python, &project);
    done(pytest.args(["-m", "pytest"]).current_dir(&project))?;
    Ok(())
}

#[test]
fn a_project_works_with_its_tests_and_on_a_node_and_the_node_holds_the_cases() -> anyhow::Result<()>
{
    let Some(tools) = Tools::find()? else {
        return Ok(());
    };
    let node = Standalone::start("sdk-python")?.with_policies()?;
    let Some(mut programs) = Programs::on(node, Interpreter::Python)? else {
        return Ok(());
    };
    let project = tools.work.path().join("notekeeper");
    let mut new = Command::new(program("aionctl")?);
    new.args(["new", "agent", "--python", "notekeeper", "--dir"]);
    done(new.arg(&project))?;
    let lib = project.join("lib");
    tools.install(("PIP_TARGET", &lib), &["aion-sdk"])?;
    let path = format!("{}:{}", lib.display(), tools.site.display());
    let mut pytest = tools.python("python3".as_ref(), path.as_ref());
    done(pytest.args(["-m", "pytest"]).current_dir(&project))?;

    let digest = programs.trust(&project)?;
    let manifest = fs::read_to_string(project.join("agent.yaml"))?;
    let empty = format!("sha256:{}", "0".repeat(64));
    fs::write(
        project.join("agent.yaml"),
        manifest.replace(&empty, &digest),
    )?;
    let manifest = project.join("agent.yaml");
    let apply = ["apply", "--wait", "120", "-f", &manifest.to_string_lossy()];
    programs.node.aionctl(&apply)?;
    let told = programs
        .node
        .aionctl(&["ask", "notekeeper", "The key is under the mat"])?;
    assert!(told.contains("Noted."), "{told}");
    let found = programs
        .node
        .aionctl(&["ask", "notekeeper", "Where is the key?"])?;
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

/// Asks the agent's model, which asks for a function of the program's and for a tool of the node's.
const HELPER: &str = r#"
from aion_sdk import Agent, AsyncTurn

async def add(a: int, b: int, turn: AsyncTurn) -> int:
    """Adds two numbers."""
    await turn.notice(f"{a} and {b} were added")
    return a + b

Agent("You add.", tools=[add]).run()
"#;

/// A model's loop runs in the program: its questions go by the node, and so do the tools that it does not bring itself.
fn helper(programs: &mut Programs<Standalone>, project: &Path) -> anyhow::Result<()> {
    let model = FakeModel::answering(|request| {
        match request.body["messages"].as_array().map_or(0, Vec::len) {
            2 => Reply::call("add", json!({"a": 1, "b": 2})),
            4 => Reply::call("probe.echo", json!({"text": "three"})),
            _ => Reply::text("It is three, and so says the probe."),
        }
    })?;
    fs::write(project.join("helper.py"), HELPER)?;
    bundle(project, "helper", "helper.py, lib", "/app/helper.py")?;
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
    let told = &model.requests()[2].body["messages"];
    assert_eq!(told[3]["content"], "3", "{told}");
    assert_eq!(told[5]["content"], "three", "{told}");
    Ok(())
}

/// Keeps forty notes from four threads, which come to them in another order each time. What was under way when the daemon
/// was killed may or may not have happened: it looks.
const KEEPER: &str = r#"
import random, time
from concurrent.futures import ThreadPoolExecutor
from aion_sdk import Agent, Refused, Turn

agent = Agent()

@agent.turn
def answer(turn: Turn) -> str:
    def keep(at: int) -> None:
        time.sleep(random.uniform(0.1, 0.4))
        note = {"at": str(at)}
        try:
            turn.memory.remember(f"note {at}", attributes=note)
        except Refused as refused:
            if refused.code != "outcome-unknown":
                raise
            if not turn.memory.recall(attributes=note):
                turn.memory.remember(f"note {at}", attributes=note)
        print(f"kept {at}", flush=True)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(keep, range(40)))
    return f"There are {len(turn.memory.recall(k=100))} notes"

agent.run()
"#;

/// A turn goes on where its daemon is killed, and runs again where its launcher is, too: nothing is done twice.
fn keeper(programs: &mut Programs<Standalone>, project: &Path) -> anyhow::Result<()> {
    fs::write(project.join("keeper.py"), KEEPER)?;
    bundle(project, "keeper", "keeper.py, lib", "/app/keeper.py")?;
    let digest = programs.trust(project)?;
    programs.apply(&[
        json!({"apiVersion": "aion.dev/v1alpha1", "kind": "MemoryPool", "metadata": {"name": "kept"}, "spec": {}}),
        json!({
            "apiVersion": "aion.dev/v1alpha1", "kind": "Agent", "metadata": {"name": "keeper"},
            "spec": {
                "runtime": "process", "bundle": {"name": "keeper", "digest": digest}, "memory": {"pool": "kept"},
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
    assert!(told.contains("There are 40 notes"), "{told}");
    let log = programs.node.aionctl(&["logs", "keeper"])?;
    assert!(log.matches("kept ").count() > 40, "it ran twice: {log}");
    Ok(())
}

/// A recipe of an image with these files and this program.
fn bundle(project: &Path, name: &str, files: &str, program: &str) -> std::io::Result<()> {
    let recipe = format!(
        "name: {name}\nversion: 0.1.0\nruntime: process\nfiles: [{files}]\nenv: {{PYTHONPATH: /app/lib}}\n\
         command: [python3, {program}]\n"
    );
    fs::write(project.join("bundle.yaml"), recipe)
}

/// Holds the node against sdk/conformance, from within an agent of its own.
fn cases(programs: &mut Programs<Standalone>, project: &Path) -> anyhow::Result<()> {
    fs::copy(
        root().join("sdk/conformance/cases.json"),
        project.join("cases.json"),
    )?;
    let judge = "-m, aion_sdk.testing.conformance, /app/cases.json, memory, files, tool, embedding";
    bundle(project, "judge", "cases.json, lib", judge)?;
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
    let cases: serde_json::Value = serde_json::from_str(&fs::read_to_string(
        root().join("sdk/conformance/cases.json"),
    )?)?;
    let all = format!("all {} cases hold", cases.as_array().map_or(0, Vec::len));
    assert!(told.contains(&all), "{told}");
    Ok(())
}
