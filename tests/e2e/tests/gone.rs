//! What was trusted and is not any more, and what was deleted: neither goes on, and nothing of the latter is left.

#![allow(clippy::unwrap_used)]

use std::{fs, path::Path, thread};

use aion_e2e::{
    cluster::BOUND,
    guest::{ENDLESS, SPEAKER, bundle},
    standalone::Standalone,
};
use aion_testkit::until;
use anyhow::Context;

/// Remembers one thing, and answers.
const KEEPER: &str = r#"(module
    (import "aion" "syscall" (func $syscall (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "memory.remember")
    (data (i32.const 32) "{\22items\22:[{\22text\22:\22an egret in April\22}]}")
    (data (i32.const 128) "agent.message")
    (data (i32.const 160) "{\22text\22:\22here I am\22,\22kind\22:\22final\22}")
    (func (export "_start")
        (if (i32.ne (call $syscall (i32.const 0) (i32.const 15) (i32.const 32) (i32.const 40)) (i32.const 200))
            (then unreachable))
        (if (i32.ne (call $syscall (i32.const 128) (i32.const 13) (i32.const 160) (i32.const 35)) (i32.const 200))
            (then unreachable))))"#;
const POOL: &str =
    "apiVersion: aion.dev/v1alpha1\nkind: MemoryPool\nmetadata: {name: notes}\nspec: {}\n";
const NOBODY: &str = "apiVersion: aion.dev/v1alpha1\nkind: TrustPolicy\nmetadata: {name: tests}\n\
                      spec: {inline: allow}\n";

/// A node that lets in what is signed with one key, as long as it is trusted.
struct Machine {
    node: Standalone,
    trust: String,
}

impl Machine {
    fn start(name: &str) -> anyhow::Result<Self> {
        let node = Standalone::start(name)?.with_policies()?;
        let trust = String::new();
        Ok(Self { node, trust })
    }

    fn apply(&self, manifest: &str, wait: &str) -> anyhow::Result<String> {
        let path = self.node.path("manifest.yaml");
        fs::write(&path, manifest)?;
        let path = path.to_string_lossy();
        self.node.aionctl(&["apply", "--wait", wait, "-f", &path])
    }

    /// Builds and signs an agent of `module`, trusts the key, and applies it with `rest` in its spec. Gives its
    /// manifest.
    fn agent(&mut self, name: &str, module: &str, rest: &str) -> anyhow::Result<String> {
        let folder = bundle(&self.node, name, &wat::parse_str(module)?)?;
        let (digest, key) = self.node.sign(&folder)?;
        self.trust = trusting(&key);
        self.apply(&self.trust, "0")?;
        let manifest = format!(
            "apiVersion: aion.dev/v1alpha1\nkind: Agent\nmetadata: {{name: {name}}}\nspec:\n  runtime: wasm\n  \
             bundle: {{name: {name}, digest: \"{digest}\"}}\n  limits: {{turnSeconds: 300, memoryMiB: 64}}\n{rest}"
        );
        self.apply(&manifest, "120")?;
        Ok(manifest)
    }

    fn is_ready(&self, name: &str) -> Result<bool, String> {
        let agents = self
            .node
            .list("agents")
            .map_err(|error| error.to_string())?;
        let agent = agents.iter().find(|it| it["metadata"]["name"] == name);
        let conditions = agent.map(|it| it["status"]["conditions"].clone());
        let conditions = conditions.ok_or("there is no such agent")?;
        let ready = conditions.as_array().into_iter().flatten();
        Ok(ready
            .into_iter()
            .any(|it| it["type"] == "Ready" && it["status"] == "True"))
    }

    fn until_ready(&self, name: &str, wanted: bool) -> anyhow::Result<()> {
        until("the agent to be judged anew", BOUND, || {
            match self.is_ready(name)? == wanted {
                true => Ok(()),
                false => Err(self.node.aionctl(&["why", name]).unwrap_or_default()),
            }
        })?;
        Ok(())
    }
}

fn trusting(key: &str) -> String {
    let key: String = key.lines().map(|it| format!("        {it}\n")).collect();
    format!(
        "apiVersion: aion.dev/v1alpha1\nkind: TrustPolicy\nmetadata: {{name: tests}}\nspec:\n  inline: allow\n  \
         keys:\n    - name: tests\n      publicKey: |\n{key}"
    )
}

/// Files beneath `folder` with `text` in them.
fn holding(folder: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(holding(&path, text));
        } else if fs::read(&path)
            .is_ok_and(|bytes| bytes.windows(text.len()).any(|it| it == text.as_bytes()))
        {
            found.push(path.display().to_string());
        }
    }
    found
}

#[test]
fn a_signer_that_is_trusted_no_more_stops_what_it_signed_though_nobody_else_can_be_asked()
-> anyhow::Result<()> {
    let mut machine = Machine::start("trust")?;
    machine.agent("speaker", SPEAKER, "")?;
    machine.agent("endless", ENDLESS, "")?;
    let node = &machine.node;
    assert!(
        node.aionctl(&["ask", "speaker", "x"])?
            .contains("here I am")
    );
    // From here on there is only what the node keeps.
    fs::rename(node.home().join("bundles"), node.path("away")).context("the layout")?;
    thread::scope(|scope| {
        let asked = scope.spawn(|| node.aionctl(&["ask", "endless", "x"]));
        until("the turn to run", BOUND, || {
            match holding(&node.home().join("state/turns"), "\"incarnation\"")[..] {
                [] => Err("it does not".to_owned()),
                _ => Ok(()),
            }
        })?;
        let other = node.path("other");
        node.aionctl(&[
            "bundle",
            "keygen",
            "--no-password",
            &other.to_string_lossy(),
        ])?;
        let other = fs::read_to_string(other.with_extension("pub"))?;
        machine.apply(&trusting(&other), "0")?;
        machine.until_ready("speaker", false)?;
        let ended = asked.join().unwrap().unwrap_err().to_string();
        assert!(ended.contains("let in no longer"), "{ended}");
        anyhow::Ok(())
    })?;
    assert!(node.aionctl(&["ask", "speaker", "x"]).is_err());
    let why = node.aionctl(&["why", "speaker"])?;
    assert!(why.contains("not verified"), "{why}");
    // What was kept counts again, and so does the instance of the same uid; also after nobody at all was trusted,
    // when it was let go of.
    for _ in 0..2 {
        machine.apply(&machine.trust, "0")?;
        machine.until_ready("speaker", true)?;
        let answer = node.aionctl(&["ask", "speaker", "x"])?;
        assert!(answer.contains("here I am"), "{answer}");
        machine.apply(NOBODY, "0")?;
        machine.until_ready("speaker", false)?;
    }
    Ok(())
}

#[test]
fn nothing_of_a_deleted_agent_is_left_and_one_of_its_name_begins_anew() -> anyhow::Result<()> {
    let mut machine = Machine::start("deleted")?;
    machine.apply(POOL, "0")?;
    let manifest = machine.agent("keeper", KEEPER, "  memory: {pool: notes}\n")?;
    let (node, home) = (&machine.node, machine.node.home());
    let answer = node.aionctl(&["ask", "keeper", "a heron on Thursday?"])?;
    assert!(answer.contains("here I am"), "{answer}");
    let (question, memory) = ("heron on Thursday", "egret in April");
    assert!(!holding(&home.join("state"), question).is_empty());
    assert!(!holding(&home.join("state/memory"), memory).is_empty());
    let log = home.join("logs/default/keeper.log");
    assert!(log.is_file());

    for (kind, name, reason) in [
        ("memorypools", "notes", "Bound"),
        ("nodes", "deleted", "Ok"),
    ] {
        let all = node.list(kind)?;
        let one = all.iter().find(|it| it["metadata"]["name"] == name);
        let conditions = one.map(|it| it["status"]["conditions"].clone());
        let conditions = conditions.context("it is not listed")?;
        let mut conditions = conditions.as_array().into_iter().flatten();
        let ready = conditions.find(|it| it["type"] == "Ready");
        let ready = ready.map(|it| (it["status"].clone(), it["reason"].clone()));
        assert_eq!(ready, Some(("True".into(), reason.into())), "{kind}");
    }

    // Replaced, it is the same agent.
    let replaced = manifest.replace("turnSeconds: 300", "turnSeconds: 200");
    machine.apply(&replaced, "120")?;
    until("the older revision to be gone", BOUND, || {
        let instances = node.list("agentinstances").map_err(|it| it.to_string())?;
        match instances.len() {
            1 => Ok(()),
            more => Err(format!("there are {more}")),
        }
    })?;
    assert!(!holding(&home.join("state/turns"), question).is_empty());
    assert!(log.is_file());

    node.aionctl(&["delete", "agent", "keeper"])?;
    assert_eq!(holding(home, question), Vec::<String>::new());
    // The agent's module has what it remembers written in it.
    let remembered = holding(&home.join("state"), memory);
    assert_eq!(remembered, Vec::<String>::new());
    assert!(!log.exists());
    machine.apply(&manifest, "120")?;
    let why = node.aionctl(&["why", "keeper"])?;
    assert!(!why.contains("heron"), "{why}");
    assert!(
        node.aionctl(&["ask", "keeper", "again"])?
            .contains("here I am")
    );
    Ok(())
}
