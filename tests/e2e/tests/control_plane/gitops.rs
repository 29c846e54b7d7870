//! What Flux and Argo CD say of our objects, by Flux's own kstatus and by Argo CD's interpreter with our Lua: what
//! `docs/gitops.md` says that they do.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::{fs, thread};

use aion_e2e::cluster::{BOUND, root};
use aion_e2e::story::{Story, on, story};
use aion_testkit::{Component, or_skip, until};
use serde_json::{Value, json};

/// The program that judges; `None`, noted as skipped, where it is not on this machine.
struct Judge(PathBuf);

impl Judge {
    fn find() -> Option<Self> {
        or_skip(Component::Judge.find()).map(Self)
    }

    /// What both say of each object, such as `Current | Healthy`.
    fn judge(&self, objects: &[Value]) -> Vec<String> {
        let mut judge = Command::new(&self.0)
            .arg(root().join("charts/argocd/health.lua"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = judge.stdin.take().unwrap();
        let objects: String = objects.iter().map(Value::to_string).collect();
        let written = thread::spawn(move || input.write_all(objects.as_bytes()));
        let output = judge.wait_with_output().unwrap();
        written.join().unwrap().unwrap();
        assert!(output.status.success());
        let lines = String::from_utf8(output.stdout).unwrap();
        let lines = lines
            .lines()
            .map(|line| -> Value { serde_json::from_str(line).unwrap() });
        let text = |of: &Value| of["status"].as_str().unwrap().to_owned();
        lines
            .map(|line| format!("{} | {}", text(&line["flux"]), text(&line["argo"])))
            .collect()
    }

    fn one(&self, object: Value) -> String {
        self.judge(&[object]).remove(0)
    }

    /// Waits until an object is judged as `expected`.
    fn until(&self, story: &Story, kind: &str, name: &str, expected: &str) {
        until(&format!("{kind} {name} to be {expected}"), BOUND, || {
            let object = story.get(kind, name)?;
            match self.one(object.clone()) {
                told if told == expected => Ok(()),
                told => Err(format!("{told}: {object:#}")),
            }
        })
        .unwrap();
    }
}

/// What the documents say of an object that `is` something, in the form of [`Judge::judge`].
fn promised(is: &str) -> String {
    let text = fs::read_to_string(root().join("docs/gitops.md")).unwrap();
    let rows = text.lines().map(|line| line.trim_matches(['|', ' ']));
    let mut rows = rows.filter_map(|row| row.strip_prefix(is)?.trim_start().strip_prefix("| "));
    rows.next()
        .unwrap_or_else(|| panic!("no row for {is}"))
        .to_owned()
}

/// Applies what `object` says and gives the answer: the object before anybody has looked at it.
fn applied(story: &Story, object: &Value) -> Value {
    let file = tempfile::Builder::new().suffix(".json").tempfile().unwrap();
    fs::write(file.path(), object.to_string()).unwrap();
    let apply = ["apply", "--server-side", "-o", "json", "-f"];
    let path = file.path().to_string_lossy();
    let answer = story.cluster.kubectl(&[&apply[..], &[&path]].concat());
    serde_json::from_str(&answer.unwrap()).unwrap()
}

#[test]
fn live_agents_are_judged_in_each_phase_as_the_documents_say() {
    let Some(judge) = Judge::find() else { return };
    let Some(story) = story("judged") else { return };
    let node = story.node("node-judged");
    let agent = |more| story.object("Agent", "a", on("node-judged", more));
    let expect = |is| judge.until(&story, "agent", "a", &promised(is));

    let new = applied(&story, &agent(json!({})));
    assert_eq!(
        judge.one(new),
        promised("is new, and nobody has looked at it")
    );
    let [instance] = story.instances(&node, 1).try_into().unwrap();
    expect("is brought to its nodes (`Reconciling`)");
    node.ready(&instance).unwrap();
    expect("is ready");
    let changed = applied(&story, &agent(json!({"model": {"use": "nowhere"}})));
    let unseen = promised("was changed, and nobody has looked at the change");
    assert_eq!(judge.one(changed), unseen);
    expect("cannot go on without a change (`Stalled`)");
    applied(&story, &agent(json!({"replicas": 0})));
    node.drained(&story.draining(&node)).unwrap();
    expect("is scaled to zero");
    applied(&story, &agent(json!({})));
    let [instance] = story.instances(&node, 1).try_into().unwrap();
    let failed = [("Ready", "False", "BadArchive", "no program")];
    node.report(&instance, "Failed", &failed).unwrap();
    expect("cannot go on without a change (`Stalled`)");
    story.delete("agent", "a");
    let leaving = story.draining(&node);
    expect("is being drained and erased");
    node.drained(&leaving).unwrap();
    story.gone("agent", "a");
}

#[test]
fn live_pools_and_nodes_are_judged_in_each_phase_as_the_documents_say() {
    let Some(judge) = Judge::find() else { return };
    let Some(story) = story("judged-pools") else {
        return;
    };
    let node = story.node("node-pools");
    let pool = |spec| story.object("MemoryPool", "p", spec);
    let expect = |is| judge.until(&story, "memorypool", "p", &promised(is));

    let new = applied(&story, &pool(json!({"embedding": {"use": "none/e"}})));
    assert_eq!(
        judge.one(new),
        promised("is new, and nobody has looked at it")
    );
    expect("cannot go on without a change (`Stalled`)");
    applied(&story, &pool(json!({})));
    expect("is ready");
    let uses = on("node-pools", json!({"memory": {"pool": "p"}}));
    story.apply("Agent", "a", uses);
    let [instance] = story.instances(&node, 1).try_into().unwrap();
    node.ready(&instance).unwrap();
    story.apply("MemoryPool", "leaving", json!({}));
    let uses = on("node-pools", json!({"memory": {"pool": "leaving"}}));
    story.apply("Agent", "b", uses);
    story.instances(&node, 2);
    story.delete("memorypool", "leaving");
    let leaves = promised("is being drained and erased");
    judge.until(&story, "memorypool", "leaving", &leaves);

    judge.until(&story, "kernelnode", "node-pools", "Current | Healthy");
    node.heartbeat(1).unwrap();
    judge.until(
        &story,
        "kernelnode",
        "node-pools",
        "InProgress | Progressing",
    );
    story
        .cluster
        .kubectl(&["delete", "node", "node-pools"])
        .unwrap();
    expect("is on a node that is gone");
}

#[test]
fn live_objects_that_nothing_is_done_about_are_finished_at_once() {
    let Some(judge) = Judge::find() else { return };
    let Some(story) = Story::bare("judged-rest") else {
        return;
    };
    for (kind, spec) in [
        ("AgentPolicy", json!({"allow": ["memory.*"]})),
        (
            "ModelEndpoint",
            json!({"baseUrl": "http://127.0.0.1:1/v1", "models": [{"name": "m"}]}),
        ),
        (
            "Tool",
            json!({"mcp": {"http": {"url": "http://127.0.0.1:1/mcp"}}}),
        ),
    ] {
        let object = applied(&story, &story.object(kind, "it", spec));
        assert_eq!(judge.one(object), "Current | Healthy", "{kind}");
    }
}

#[test]
fn stored_objects_are_judged_by_the_conditions_that_count() {
    let Some(judge) = Judge::find() else { return };
    let of = |conditions: Value, more: Value| {
        let mut object = json!({
            "apiVersion": "aion.dev/v1alpha1", "kind": "Agent", "metadata": {"name": "a", "namespace": "n", "generation": 2},
            "status": {"observedGeneration": 2, "conditions": conditions},
        });
        for (field, value) in more.as_object().unwrap() {
            object["metadata"][field] = value.clone();
        }
        object
    };
    let is = |type_: &str, status: &str, reason: &str| json!({"type": type_, "status": status, "reason": reason, "message": "m"});
    let (settled, works) = (
        is("Reconciling", "False", "Stable"),
        is("Reconciling", "True", "RollingOut"),
    );
    let (fine, stuck) = (
        is("Stalled", "False", "Ok"),
        is("Stalled", "True", "NotFound"),
    );
    let (ready, out) = (is("Ready", "True", "Ok"), is("Ready", "False", "NodeGone"));
    let zero = is("Ready", "False", "ScaledToZero");
    let unknown = is("Ready", "Unknown", "Pending");
    let cases = [
        (json!([]), json!({}), "Current | Progressing"),
        (
            json!([ready, settled, fine]),
            json!({}),
            "Current | Healthy",
        ),
        // What an old revision does may be good while the new one is stuck, or comes.
        (
            json!([ready, settled, stuck]),
            json!({}),
            "Failed | Degraded",
        ),
        (
            json!([ready, works, fine]),
            json!({}),
            "InProgress | Progressing",
        ),
        (
            json!([out, settled, fine]),
            json!({}),
            "InProgress | Degraded",
        ),
        (
            json!([zero, settled, fine]),
            json!({}),
            "InProgress | Suspended",
        ),
        (
            json!([unknown, settled, fine]),
            json!({}),
            "InProgress | Progressing",
        ),
        (
            json!([ready, settled, fine]),
            json!({"generation": 3}),
            "InProgress | Progressing",
        ),
        (
            json!([ready, settled, fine]),
            json!({"deletionTimestamp": "2026-03-01T12:00:00Z"}),
            "Terminating | Progressing",
        ),
    ];
    let objects: Vec<Value> = cases
        .iter()
        .map(|(conditions, more, _)| of(conditions.clone(), more.clone()))
        .collect();
    for (told, case) in judge.judge(&objects).iter().zip(&cases) {
        assert_eq!(told, case.2, "{case:?}");
    }
}
