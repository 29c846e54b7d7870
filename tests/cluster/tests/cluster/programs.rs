//! Agents that are programs in images, within the pods of a cluster: confined there, and carried through a rollout.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Instant;

use aion_cluster_tests::{HOME, Installed, SYSTEM, agents::condition, installed, root};
use aion_testkit::{Interpreter, or_skip};
use serde_json::{Value, json};

/// Turns that work while the node agents are replaced.
const TURNS: usize = 10;

/// Takes longer than a node agent lets a turn end by itself, 20 s, and has noted something before.
const SLOW: &str = r#"
import time
from aion import Node
node = Node()
node.call("memory.remember", items=[{"text": node.text}])
print("at work", flush=True)
time.sleep(30)
hits = node.call("memory.recall", query="", k=10)["hits"]
node.call("agent.message", kind="final", text=f"notes: {len(hits)}")
"#;

/// The notebook's folder, upon this machine's Python; `None` where there is none.
fn sample(it: &Installed, name: &str) -> Option<PathBuf> {
    let place = it.cluster.folder().join(format!("python-{name}"));
    let base = or_skip(Interpreter::Python.image(&place))?;
    let sample = it.cluster.folder().join(format!("sample-{name}"));
    let notebook = root().join("agents/notebook/python");
    let copied = Command::new("cp")
        .args([Path::new("-rT"), &notebook, &sample])
        .status();
    assert!(copied.unwrap().success());
    let recipe = sample.join("bundle.yaml");
    let text = fs::read_to_string(&recipe).unwrap();
    fs::write(&recipe, format!("{text}base: {base}\n")).unwrap();
    Some(sample)
}

fn object(kind: &str, name: &str, spec: &Value) -> String {
    let metadata = json!({"name": name, "namespace": HOME});
    json!({"apiVersion": "aion.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec})
        .to_string()
}

/// Applies a pool and agents of the image `digest`.
fn apply(it: &Installed, (digest, trust): &(String, Value), agents: &[String]) {
    let agent = json!({
        "runtime": "process", "bundle": {"name": "notebook-python", "digest": digest},
        "memory": {"pool": "notes"}, "limits": {"turnSeconds": 300, "memoryMiB": 64},
        "permissions": {"files": [{"mount": "output", "mode": "readWrite"}]},
    });
    it.cluster.apply(&trust.to_string()).unwrap();
    it.cluster
        .apply(&object("MemoryPool", "notes", &json!({})))
        .unwrap();
    for name in agents {
        it.cluster.apply(&object("Agent", name, &agent)).unwrap();
    }
    for name in agents {
        it.until_ready(name);
    }
}

fn delete(it: &Installed, trust: &Value, agents: &[String]) {
    let agents = agents.iter().map(|it| format!("agent/{it}"));
    for one in agents.chain(["memorypool/notes".to_owned()]) {
        it.kubectl(&["-n", HOME, "delete", &one, "--timeout=120s"]);
    }
    let trust = trust["metadata"]["name"].as_str().unwrap();
    it.kubectl(&["delete", "trustpolicy", trust]);
}

#[test]
fn a_program_of_an_image_is_confined_in_its_pod_and_answers() {
    let Some(it) = installed() else { return };
    let Some(sample) = sample(&it, "notebook") else {
        return;
    };
    let bundle = it.bundle("notebook", &sample);
    let agents = ["notebook".to_owned()];
    apply(&it, &bundle, &agents);
    it.until_answered(
        "notebook",
        "Buy oil for the lamp",
        "Noted: Buy oil for the lamp",
    );
    it.until("the sandbox read back", || {
        let instances = it.get(&["-n", HOME, "agentinstances"])?;
        let instance = &instances["items"][0];
        let layers = instance["status"]["layers"].as_array().cloned();
        let layers = layers.unwrap_or_default();
        let root = layers.iter().find(|it| it["layer"] == "mount-namespace");
        let root = root.map(|it| it["detail"].as_str().unwrap_or_default().to_owned());
        let enforced = condition(instance, "SandboxEnforced").starts_with("True");
        match root {
            Some(root) if enforced && root.contains("/proc has its own processes") => Ok(()),
            _ => Err(format!("{:#}", instance["status"])),
        }
    });
    delete(&it, &bundle.1, &agents);
}

#[test]
fn node_agents_are_replaced_while_ten_turns_work_and_each_is_finished_once() {
    let Some(it) = installed() else { return };
    let it: &Installed = &it;
    let Some(sample) = sample(it, "slow") else {
        return;
    };
    fs::write(sample.join("main.py"), SLOW).unwrap();
    let bundle = it.bundle("slow", &sample);
    let agents: Vec<String> = (0..TURNS).map(|n| format!("slow-{n}")).collect();
    apply(it, &bundle, &agents);
    let began = Instant::now();
    thread::scope(|scope| {
        let asked: Vec<_> = agents
            .iter()
            .map(|agent| scope.spawn(move || it.aionctl(&["ask", agent, "Polish the lamp"])))
            .collect();
        for agent in &agents {
            it.until(&format!("a turn of {agent} at work"), || {
                let log = it.aionctl(&["logs", agent])?;
                log.contains("at work").then_some(()).ok_or(log)
            });
        }
        it.kubectl(&["-n", SYSTEM, "rollout", "restart", "daemonset/aion-node"]);
        it.until_rolled_out();
        for asked in asked {
            let answer = asked.join().unwrap().unwrap();
            assert!(answer.contains("notes: 1"), "{answer}");
        }
    });
    eprintln!(
        "{TURNS} turns of 30 s through a rollout of both node agents: {} s",
        began.elapsed().as_secs()
    );
    delete(it, &bundle.1, &agents);
}
