//! One set of manifests, three ways: a running node that stands alone, a real API server with the operator,
//! and the resolver alone. What is accepted, which instances there are and what the conditions say is the
//! same, and `aionctl explain` says beforehand what the conditions say afterwards.
//!
//! Each case is a file under `manifests/parity`, or a shipped agent; the first line of a case says what is
//! expected: `# accepted`, `# accepted, in other words` where the remedy depends on where it runs,
//! `# refused: WORDS | WORDS`, or `# refused alone: WORDS` where kubectl lets it through.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use aion_api::{
    Agent, AgentInstance, AgentInstanceStatus, Device, DeviceStatus, KernelNode, condition,
};
use aion_e2e::cluster::{BOUND, root};
use aion_e2e::node_double::NodeDouble;
use aion_e2e::outcome::{Detail, Outcome};
use aion_e2e::standalone::Standalone;
use aion_e2e::story::Story;
use aion_resolve::device::{InNamespace, JudgedDevice, judge_device};
use aion_resolve::node_status::node_view;
use aion_resolve::{Key, NodeState, Object, Setting, Universe, parse_manifests, resolve_all};
use aion_testkit::until;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const NODE: &str = "node-parity";

/// What is expected of a case.
enum Expect {
    Accepted(Detail),
    Refused(String),
    RefusedAlone(String),
}

struct Case {
    name: String,
    path: PathBuf,
    text: String,
    expect: Expect,
}

fn cases() -> Vec<Case> {
    let folder = root().join("tests/e2e/manifests/parity");
    let mut cases: Vec<Case> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| case(&entry.unwrap().path(), None))
        .collect();
    for shipped in ["librarian", "analyst", "jarvis"] {
        let path = root().join("agents").join(shipped).join("agent.yaml");
        cases.push(Case {
            name: format!("shipped-{shipped}"),
            ..case(&path, Some(Expect::Accepted(Detail::Words)))
        });
    }
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(cases.len() >= 20, "only {} cases", cases.len());
    cases
}

fn case(path: &Path, expect: Option<Expect>) -> Case {
    let text = fs::read_to_string(path).unwrap();
    let first = text.lines().next().unwrap_or_default();
    let said = |prefix: &str| first.strip_prefix(prefix).map(str::to_owned);
    let read = match first {
        "# accepted" => Some(Expect::Accepted(Detail::Words)),
        "# accepted, in other words" => Some(Expect::Accepted(Detail::Reasons)),
        _ => said("# refused: ")
            .map(Expect::Refused)
            .or_else(|| said("# refused alone: ").map(Expect::RefusedAlone)),
    };
    Case {
        name: path
            .file_stem()
            .unwrap()
            .to_string_lossy()
            .replace('_', "-"),
        path: path.to_owned(),
        expect: expect
            .or(read)
            .unwrap_or_else(|| panic!("{}: what is expected?", path.display())),
        text,
    }
}

/// The three ways, side by side.
struct Stage<'a> {
    story: &'a Story,
    node: NodeDouble<'static>,
    alone: Standalone,
    /// The machine, as placement sees it.
    machine: KernelNode,
    policies: Vec<PathBuf>,
}

#[test]
fn alone_in_a_cluster_and_in_theory_the_same_manifests_come_to_the_same() {
    let Some(story) = Story::bare("parity") else {
        return;
    };
    let operator = story.operator("parity");
    let stage = Stage::set(&story).unwrap();
    let mut faults = Vec::new();
    for case in cases() {
        if let Err(fault) = stage.compare(&case) {
            faults.push(format!("== {}\n{fault}", case.name));
        }
    }
    assert!(
        faults.is_empty(),
        "{}\n{}",
        faults.join("\n\n"),
        operator.process.tail()
    );
}

impl<'a> Stage<'a> {
    fn set(story: &'a Story) -> anyhow::Result<Self> {
        let alone = Standalone::start(NODE)?;
        let docs = alone.path("docs");
        fs::create_dir_all(&docs)?;
        fs::write(docs.join("manual.md"), "# Mounts\nA mount maps a name.\n")?;
        alone.aionctl(&["mount", "add", "docs", &docs.to_string_lossy()])?;

        // The shipped bundle is signed by this machine.
        let (digest, key) = alone.sign(&root().join("agents/analyst"))?;
        let trust = json!({
            "apiVersion": "aion.dev/v1alpha1", "kind": "TrustPolicy", "metadata": {"name": "machine"},
            "spec": {"keys": [{"name": "machine", "purpose": "machine", "publicKey": key, "digests": [digest]}]},
        });
        let trusted = alone.path("trust.yaml");
        fs::write(&trusted, trust.to_string())?;
        let policies = vec![
            root().join("tests/e2e/manifests/parity_policies.yaml"),
            trusted,
        ];
        for file in &policies {
            story.apply_everywhere(&fs::read_to_string(file)?);
            alone.aionctl(&["apply", "-f", &file.to_string_lossy()])?;
        }

        // The cluster's node is the same machine.
        let node = alone.list("nodes")?.remove(0);
        let machine: KernelNode = serde_json::from_value(node.clone())?;
        let fields = ["capacity", "layers", "runtimes", "volumes"];
        let status = fields.map(|field| (field.to_owned(), node["status"][field].clone()));
        let mut status: serde_json::Map<String, Value> = status.into_iter().collect();
        status.insert("labels".to_owned(), json!({}));
        let node = story.node_with(NODE, Value::Object(status));
        Ok(Self {
            story,
            node,
            alone,
            machine,
            policies,
        })
    }

    fn compare(&self, case: &Case) -> Result<(), String> {
        let namespace = format!("parity-{}", case.name);
        self.story.more_room(&namespace);
        let path = case.path.to_string_lossy();
        let there = self.kubectl(&["-n", &namespace, "apply", "--validate=strict", "-f", &path]);
        let alone = match self.before(case) {
            Ok(()) => self.aionctl(&["apply", "-f", &path]).map(|_| ()),
            Err(fault) => return Err(fault),
        };
        match (&case.expect, there, alone) {
            (Expect::Refused(words), Err(there), Err(alone)) => {
                said("kubectl", &there, words)?;
                said("aionctl", &alone, words)
            }
            (Expect::RefusedAlone(words), Ok(_), Err(alone)) => said("aionctl", &alone, words),
            (Expect::Accepted(detail), Ok(_), Ok(())) => {
                let compared = self.accepted(case, &namespace, *detail);
                self.clear(case)?;
                compared
            }
            (_, there, alone) => Err(format!(
                "not what is expected\nkubectl: {there:?}\naionctl: {alone:?}"
            )),
        }
    }

    fn accepted(&self, case: &Case, namespace: &str, detail: Detail) -> Result<(), String> {
        let (alone, said) = self.alone()?;
        let theory = self.theory(case, &said)?;
        alone.same("the node alone", "the resolver", &theory, Detail::Words)?;
        let mut last = String::new();
        until("the cluster to come to the same", BOUND, || {
            self.play(namespace, &said)?;
            let agents: Vec<Agent> = self.list(namespace, "agents")?;
            let instances: Vec<AgentInstance> = self.list(namespace, "agentinstances")?;
            let devices: Vec<Device> = self.list(namespace, "devices")?;
            let there = Outcome::of(namespace, &agents, &instances)?;
            let there = there.with_devices(namespace, &devices);
            let same = there.same("the cluster", "the node alone", &alone, detail);
            last = same.clone().err().unwrap_or_default();
            same
        })
        .map_err(|_| last)
    }

    /// What `aionctl explain` says before anything is applied.
    fn before(&self, case: &Case) -> Result<(), String> {
        let Expect::Accepted(_) = case.expect else {
            return Ok(());
        };
        let mut universe = self.universe(case)?;
        let resolved = resolve_all(&mut universe).map_err(|e| e.to_string())?;
        let of_agents = resolved
            .iter()
            .flat_map(|(_, resolved)| resolved.judged.problems.clone());
        let of_devices = each_judged(&universe).flat_map(|(_, judged)| judged.problems);
        let problems: Vec<String> = of_agents
            .chain(of_devices)
            .map(|it| it.to_string())
            .collect();
        let explained = self.aionctl(&["explain", &case.path.to_string_lossy()]);
        let told = match &explained {
            Ok(told) if problems.is_empty() => told,
            Err(told) if !problems.is_empty() => told,
            other => return Err(format!("explain: {other:?}\nof {problems:?}")),
        };
        let dry = ["apply", "--dry-run", "-f", &case.path.to_string_lossy()];
        let dry = self.aionctl(&dry)?;
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        for told in [told, &dry] {
            let silent = |problem: &&String| !words(told).contains(&words(problem));
            if let Some(problem) = problems.iter().find(silent) {
                return Err(format!("nobody says {problem:?}:\n{told}"));
            }
        }
        Ok(())
    }

    /// What the node alone came to, and what it said of each replica.
    fn alone(&self) -> Result<(Outcome, Said), String> {
        let mut before = None;
        until("the node alone to settle", BOUND, || {
            let agents = typed::<Agent>(self.alone.list("agents").map_err(|e| e.to_string())?)?;
            let instances = self.alone.list("instances").map_err(|e| e.to_string())?;
            let instances = typed::<AgentInstance>(instances)?;
            let mut said = Said::new();
            for instance in &instances {
                let status = instance.status.clone().unwrap_or_default();
                let unknown = status.conditions.iter().any(|c| c.status == "Unknown");
                if unknown || status.conditions.is_empty() {
                    return Err(format!("{:?}", instance.status));
                }
                let of = (instance.spec.agent.name.clone(), instance.spec.replica);
                said.insert(of, status);
            }
            let devices = typed::<Device>(self.alone.list("devices").map_err(|e| e.to_string())?)?;
            let judged = |it: &Device| {
                it.status
                    .as_ref()
                    .is_some_and(|it| !it.conditions.is_empty())
            };
            if !devices.iter().all(judged) {
                return Err(format!("{devices:?}"));
            }
            let outcome = Outcome::of("default", &agents, &instances)?;
            let outcome = outcome.with_devices("default", &devices);
            let settled = before.as_ref() == Some(&outcome);
            before = Some(outcome.clone());
            match settled {
                true => Ok((outcome, said)),
                false => Err("it changed just now".to_owned()),
            }
        })
        .map_err(|error| error.to_string())
    }

    /// What follows from the manifests when the nodes say what this one said.
    fn theory(&self, case: &Case, said: &Said) -> Result<Outcome, String> {
        let mut universe = self.universe(case)?;
        #[expect(
            clippy::disallowed_methods,
            reason = "a date, as the operator writes it"
        )]
        let now = Time(jiff::Timestamp::now());
        for _ in 0..5 {
            let resolved = resolve_all(&mut universe).map_err(|e| e.to_string())?;
            let planned = resolved
                .iter()
                .flat_map(|(_, resolved)| &resolved.plan.create);
            let mut made = Vec::new();
            for instance in planned {
                let mut instance = instance.clone();
                let of = (instance.spec.agent.name.clone(), instance.spec.replica);
                instance.status = said.get(&of).cloned();
                made.push(instance);
            }
            if made.is_empty() {
                let instances: Vec<AgentInstance> = universe
                    .instances
                    .values()
                    .map(|it| AgentInstance::clone(it))
                    .collect();
                let mut agents = Vec::new();
                for (key, resolved) in &resolved {
                    let own = |i: &&AgentInstance| i.spec.agent.name == key.name;
                    let own: Vec<_> = instances.iter().filter(own).cloned().collect();
                    let mut agent = universe.agents[key].clone();
                    agent.status = Some(resolved.status(&agent, &own, &now));
                    agents.push(agent);
                }
                let outcome = Outcome::of("default", &agents, &instances)?;
                return Ok(outcome.with_devices("default", &judged(&universe, &now)));
            }
            for instance in made {
                let name = instance.metadata.name.clone().unwrap_or_default();
                universe
                    .instances
                    .insert(Key::new("default", &name), std::sync::Arc::new(instance));
            }
        }
        Err("the resolver does not settle".to_owned())
    }

    fn universe(&self, case: &Case) -> Result<Universe, String> {
        let mut universe = Universe {
            setting: Setting::Standalone,
            ..Universe::default()
        };
        let view = node_view(&self.machine, NodeState::Ready, 0);
        universe.nodes.insert(NODE.to_owned(), view);
        let mut texts = vec![case.text.clone()];
        for file in &self.policies {
            texts.push(fs::read_to_string(file).map_err(|e| e.to_string())?);
        }
        for text in texts {
            for manifest in parse_manifests(&text, &case.name).map_err(|p| format!("{p:?}"))? {
                universe.insert(manifest.object, "default");
            }
        }
        Ok(universe)
    }

    /// The cluster's node says of its instances what the node alone says of its own.
    fn play(&self, namespace: &str, said: &Said) -> Result<(), String> {
        for instance in self.node.instances(namespace).map_err(|e| e.to_string())? {
            let replica = instance["spec"]["replica"].as_i64().unwrap_or_default();
            let agent = instance["spec"]["agent"]["name"]
                .as_str()
                .unwrap_or_default();
            let replica = i32::try_from(replica).unwrap_or_default();
            let status = said.get(&(agent.to_owned(), replica));
            if let Some(status) = status.filter(|_| instance["status"].is_null()) {
                let status = serde_json::to_value(status).map_err(|e| e.to_string())?;
                self.node
                    .says(&instance, &status)
                    .map_err(|e| e.to_string())?;
            }
        }
        Ok(())
    }

    /// Takes a case away from the node alone: agents first, then what they use.
    fn clear(&self, case: &Case) -> Result<(), String> {
        let mut objects = parse_manifests(&case.text, &case.name).map_err(|p| format!("{p:?}"))?;
        objects.sort_by_key(|manifest| !matches!(manifest.object, Object::Agent(_)));
        for manifest in objects {
            let object = &manifest.object;
            let kind = object.kind().to_lowercase();
            let until_gone = || self.aionctl(&["delete", &kind, object.name()]);
            until("it to be deleted", BOUND, || until_gone().map(|_| ()))
                .map_err(|e| e.to_string())?;
        }
        until("the node alone to be empty", BOUND, || {
            match self.alone.list("instances").map_err(|e| e.to_string())? {
                left if left.is_empty() => Ok(()),
                left => Err(format!("{left:?}")),
            }
        })
        .map_err(|error| error.to_string())
    }

    fn kubectl(&self, args: &[&str]) -> Result<String, String> {
        self.story
            .cluster
            .kubectl(args)
            .map_err(|error| error.to_string())
    }

    fn aionctl(&self, args: &[&str]) -> Result<String, String> {
        self.alone.aionctl(args).map_err(|error| error.to_string())
    }

    fn list<T: DeserializeOwned>(&self, namespace: &str, kind: &str) -> Result<Vec<T>, String> {
        let text = self.kubectl(&["-n", namespace, "get", kind, "-o", "json"])?;
        let list: Value = serde_json::from_str(&text).map_err(|e| e.to_string())?;
        typed(list["items"].as_array().cloned().unwrap_or_default())
    }
}

/// The devices of a universe, each with what is to be said of it.
fn each_judged(universe: &Universe) -> impl Iterator<Item = (&Device, JudgedDevice)> {
    let things = InNamespace {
        universe,
        namespace: "default",
    };
    let devices = universe.devices.values();
    devices.map(move |it| (it, judge_device(it, &things, &things.imposed())))
}

/// The devices of a universe, with the conditions that follow from it.
fn judged(universe: &Universe, now: &Time) -> Vec<Device> {
    let with_status = |(device, judged): (&Device, JudgedDevice)| {
        let said = [judged.accepted, judged.resolved_refs, judged.guarded];
        let mut device = device.clone();
        device.status = Some(DeviceStatus {
            conditions: condition::write(&[], &said, None, now),
            ..DeviceStatus::default()
        });
        device
    };
    each_judged(universe).map(with_status).collect()
}

/// What the node alone says, by agent and replica.
type Said = BTreeMap<(String, i32), AgentInstanceStatus>;

fn typed<T: DeserializeOwned>(items: Vec<Value>) -> Result<Vec<T>, String> {
    let typed = items.into_iter().map(serde_json::from_value);
    typed.collect::<Result<_, _>>().map_err(|e| e.to_string())
}

fn said(who: &str, text: &str, words: &str) -> Result<(), String> {
    // aionctl breaks lines, and draws where it is.
    let plain = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match words.split(" | ").any(|words| plain.contains(words)) {
        true => Ok(()),
        false => Err(format!("{who} refuses it, but not with {words:?}:\n{text}")),
    }
}
