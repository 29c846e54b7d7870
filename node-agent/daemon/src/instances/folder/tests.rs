//! The folder as others see it: what it tells when something changes, and that it costs no more than that.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{path::Path, sync::Arc};

use aion_abi::admin::{ApplyRequest, Manifest};
use aion_api::{AgentInstance, AgentInstanceStatus, InstancePhase, NodeCapacity};
use futures::{FutureExt, StreamExt, stream::BoxStream};

use super::*;
use crate::devices::{DeviceChange, DeviceSource};
use crate::instances::{Change, InstanceSource, SourceError};

const TRUST: &str = "apiVersion: aion.dev/v1alpha1\nkind: TrustPolicy\nmetadata: {name: inline}\n\
                     spec: {inline: allow}\n";

fn open(home: &Path, room: i32) -> Folder {
    let facts = NodeFacts {
        name: "here".into(),
        capacity: NodeCapacity {
            instances: room,
            memory_mib: 4096,
            cpu_millis: 4000,
        },
        layers: Vec::new(),
        hooks: Vec::new(),
        volumes: Vec::new(),
    };
    Folder::open(home.join("manifests"), home.join("going"), facts).unwrap()
}

fn agent(name: &str) -> String {
    format!(
        "---\napiVersion: aion.dev/v1alpha1\nkind: Agent\nmetadata: {{name: {name}}}\n\
         spec: {{instructions: Waits.}}\n"
    )
}

fn apply(folder: &Folder, text: &str) -> Result<usize, FolderError> {
    let manifests = vec![Manifest {
        file: "test.yaml".into(),
        text: text.into(),
    }];
    let request = ApplyRequest {
        manifests,
        dry_run: false,
    };
    let response = folder.apply(&request)?;
    assert!(response.rejected.is_empty(), "{:?}", response.rejected);
    Ok(response.applied.len())
}

fn key(name: &str) -> ObjectKey {
    ObjectKey {
        kind: "Agent",
        namespace: "default".into(),
        name: name.into(),
    }
}

/// What was told by now: `+agent` is to be here, `-agent` is to be gone.
fn told(changes: &mut BoxStream<'static, Change>) -> (Vec<String>, Vec<Arc<AgentInstance>>) {
    let (mut words, mut instances) = (Vec::new(), Vec::new());
    while let Some(change) = changes.next().now_or_never().flatten() {
        match change {
            Change::Applied(it) => {
                words.push(format!("+{}", it.spec.agent.name));
                instances.push(it);
            }
            Change::Deleted(it) => {
                words.push(format!("-{}", it.spec.agent.name));
                instances.push(it);
            }
            Change::Synced(_) => {}
            Change::Trust(_) => words.push("trust".into()),
            Change::Unavailable(why) => words.push(why),
        }
    }
    (words, instances)
}

#[tokio::test]
async fn a_change_tells_of_what_hangs_on_it_and_of_nothing_else() {
    let home = tempfile::tempdir().unwrap();
    let folder = open(home.path(), 10);
    let mut changes = folder.watch();
    apply(&folder, &format!("{TRUST}{}{}", agent("a"), agent("a-b"))).unwrap();
    assert_eq!(told(&mut changes).0, ["trust", "+a", "+a-b"]);
    apply(&folder, &agent("c")).unwrap();
    let (words, instances) = told(&mut changes);
    assert_eq!(words, ["+c"]);
    // Another agent's status moves nobody.
    let status = Arc::default();
    folder.patch_status(&instances[0], status).await.unwrap();
    apply(&folder, &agent("c")).unwrap();
    assert!(told(&mut changes).0.is_empty());
    // `a-b` begins like `a`, and is another.
    folder.delete(&key("a")).unwrap();
    assert_eq!(told(&mut changes).0, ["-a"]);
    assert_eq!(folder.agents(), 2);
    let policy = "apiVersion: aion.dev/v1alpha1\nkind: ClusterAgentPolicy\nmetadata: {name: all}\n\
                  spec: {allow: ['memory.*']}\n";
    apply(&folder, policy).unwrap();
    let mut words = told(&mut changes).0;
    words.retain(|it| it != "-a");
    assert_eq!(words, ["+a-b", "+c"], "what any agent may hang on");
}

#[tokio::test]
async fn an_instance_is_there_once_whatever_is_said_of_it() {
    let home = tempfile::tempdir().unwrap();
    let folder = open(home.path(), 10);
    let mut changes = folder.watch();
    apply(&folder, &format!("{TRUST}{}", agent("a"))).unwrap();
    let instance = told(&mut changes).1.remove(0);
    assert_eq!(Arc::strong_count(&instance), 2);
    let status = AgentInstanceStatus {
        phase: InstancePhase::Ready,
        ..AgentInstanceStatus::default()
    };
    folder.patch_status(&instance, status.into()).await.unwrap();
    assert_eq!(Arc::strong_count(&instance), 2, "the folder has another");
    // It is shown with all that follows from it.
    let shown = folder.list("AgentInstance", None).remove(0);
    assert_eq!(shown["status"]["phase"], "Ready");
    let metadata = &shown["metadata"];
    assert_eq!(metadata["labels"]["aion.dev/agent"], "a");
    assert_eq!(metadata["ownerReferences"][0]["name"], "a");
    assert_eq!(metadata["finalizers"][0], "aion.dev/drain");
}

#[tokio::test]
async fn whoever_waits_for_room_gets_it_when_an_instance_is_gone() {
    let home = tempfile::tempdir().unwrap();
    let folder = open(home.path(), 1);
    let mut changes = folder.watch();
    apply(&folder, &format!("{TRUST}{}{}", agent("a"), agent("b"))).unwrap();
    let (words, first) = told(&mut changes);
    assert_eq!(words, ["trust", "+a"]);
    folder.delete(&key("a")).unwrap();
    assert_eq!(told(&mut changes).0, ["-a"]);
    folder.released(&first[0]).await.unwrap();
    let Some(Change::Applied(next)) = changes.next().await else {
        panic!("nobody got the room");
    };
    assert_eq!(next.spec.agent.name, "b");
}

#[tokio::test]
async fn what_was_not_erased_before_a_restart_is_told_again_until_it_is() {
    let home = tempfile::tempdir().unwrap();
    let folder = open(home.path(), 10);
    apply(&folder, &format!("{TRUST}{}{}", agent("a"), agent("b"))).unwrap();
    folder.delete(&key("a")).unwrap();
    drop(folder);

    let folder = open(home.path(), 10);
    let (words, instances) = told(&mut folder.watch());
    assert_eq!(words, ["-a", "+b"]);
    assert!(folder.agent_is_gone(&instances[0]).await.unwrap());
    folder.released(&instances[0]).await.unwrap();
    assert!(folder.is_rid_of("default", "a"));
    drop(folder);
    assert_eq!(told(&mut open(home.path(), 10).watch()).0, ["+b"]);
}

#[tokio::test]
async fn an_agent_applied_anew_begins_when_nothing_of_the_old_one_is_left() {
    let home = tempfile::tempdir().unwrap();
    let folder = open(home.path(), 10);
    apply(&folder, &format!("{TRUST}{}", agent("a"))).unwrap();
    folder.delete(&key("a")).unwrap();
    apply(&folder, &agent("a")).unwrap();
    drop(folder);
    let folder = open(home.path(), 10);
    let mut changes = folder.watch();
    let (words, old) = told(&mut changes);
    assert_eq!(words, ["-a"], "erasing goes by the name");
    assert!(folder.agent("default", "a").is_some());
    folder.released(&old[0]).await.unwrap();
    let again = folder.agent_is_gone(&old[0]).await;
    assert_eq!(again, Err(SourceError::Gone), "nothing is erased twice");
    assert!(matches!(changes.next().await, Some(Change::Applied(_))));
    drop((folder, changes));
    assert_eq!(told(&mut open(home.path(), 10).watch()).0, ["+a"]);
}

#[tokio::test]
async fn a_deletion_that_is_refused_leaves_no_note() {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("manifests")).unwrap();
    let shared = format!("{TRUST}{}{}", agent("a"), agent("b"));
    std::fs::write(home.path().join("manifests/all.yaml"), shared).unwrap();
    let folder = open(home.path(), 10);
    let refused = folder.delete(&key("a"));
    assert!(matches!(refused, Err(FolderError::Shared { .. })));
    let notes = std::fs::read_dir(home.path().join("going")).unwrap();
    assert_eq!(notes.count(), 0);
}

#[tokio::test]
async fn an_edit_is_noticed_while_statuses_come_in() {
    let home = tempfile::tempdir().unwrap();
    let folder = open(home.path(), 10);
    let mut changes = folder.watch();
    apply(&folder, &format!("{TRUST}{}", agent("a"))).unwrap();
    let (_, instances) = told(&mut changes);
    // What applying did to the folder is noticed, too, and over by then.
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    std::fs::write(home.path().join("manifests/b.yaml"), agent("b")).unwrap();
    for _ in 0..20 {
        let status = Arc::default();
        folder.patch_status(&instances[0], status).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    let noticed = tokio::time::timeout(std::time::Duration::from_secs(30), changes.next());
    let Some(Change::Applied(new)) = noticed.await.unwrap() else {
        panic!("something else");
    };
    assert_eq!(new.spec.agent.name, "b");
}

#[test]
fn a_status_in_a_manifest_is_nobodys_change() {
    let home = tempfile::tempdir().unwrap();
    let folder = open(home.path(), 10);
    let pool =
        "apiVersion: aion.dev/v1alpha1\nkind: MemoryPool\nmetadata: {name: notes}\nspec: {}\n";
    apply(&folder, pool).unwrap();
    let file = home.path().join("manifests/memorypool.default.notes.yaml");
    let inode = || std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(&file).unwrap());
    let before = inode();
    apply(&folder, &format!("{pool}status: {{nodeName: elsewhere}}\n")).unwrap();
    assert_eq!(inode(), before, "the file was not written again");
}

#[test]
fn what_cannot_be_written_whole_is_not_written_at_all() {
    let home = tempfile::tempdir().unwrap();
    let folder = open(home.path(), 10);
    // Stands for a full disk: the second file cannot be written.
    let manifests = home.path().join("manifests");
    std::fs::create_dir(manifests.join("agent.default.b.yaml.aion.tmp")).unwrap();
    assert!(apply(&folder, &format!("{}{}", agent("a"), agent("b"))).is_err());
    assert_eq!(folder.agents(), 0);
    let files = std::fs::read_dir(manifests).unwrap();
    assert_eq!(files.count(), 1, "only the hindrance");
}

#[tokio::test]
async fn nothing_is_taken_for_gone_while_a_manifest_cannot_be_read() {
    let home = tempfile::tempdir().unwrap();
    let folder = open(home.path(), 10);
    apply(&folder, &format!("{TRUST}{}{}", agent("a"), agent("b"))).unwrap();
    folder.delete(&key("a")).unwrap();
    drop(folder);
    let file = home.path().join("manifests/hand.yaml");
    std::fs::write(&file, "kind: [").unwrap();

    let folder = open(home.path(), 10);
    let mut changes = folder.watch();
    let mut so_far = Vec::new();
    while let Some(change) = changes.next().now_or_never().flatten() {
        so_far.push(change);
    }
    let known = |it: &Change| matches!(it, Change::Applied(it) if it.spec.agent.name == "b");
    assert!(so_far.iter().all(known), "{so_far:?}");

    std::fs::write(&file, agent("c")).unwrap();
    let (mut gone, mut synced) = (Vec::new(), None);
    while synced.is_none() {
        let change = tokio::time::timeout(std::time::Duration::from_secs(30), changes.next());
        match change.await.unwrap().unwrap() {
            Change::Deleted(it) => gone.push(it.spec.agent.name.clone()),
            Change::Synced(uids) => synced = Some(uids.len()),
            _ => {}
        }
    }
    assert_eq!(gone, ["a"]);
    assert_eq!(synced, Some(3), "a is told to be gone, b and c to be here");
}

#[tokio::test]
async fn which_devices_there_are_is_said_once_all_manifests_are_read() {
    let home = tempfile::tempdir().unwrap();
    drop(open(home.path(), 1));
    let device = |name: &str| {
        format!(
            "---\napiVersion: aion.dev/v1alpha1\nkind: Device\nmetadata: {{name: {name}}}\nspec: {{model: m, mqtt: {{broker: b}}}}\n"
        )
    };
    let manifests = home.path().join("manifests");
    std::fs::write(manifests.join("lamp.yaml"), device("lamp")).unwrap();
    std::fs::write(manifests.join("hand.yaml"), "kind: [").unwrap();
    let folder = open(home.path(), 1);
    let mut changes = folder.devices();
    let mut said = || {
        let mut said = Vec::new();
        while let Some(all) = changes.next().now_or_never().flatten() {
            said.extend(all.into_iter().filter_map(|it| match it {
                DeviceChange::All(all) => {
                    Some(all.into_iter().map(|it| it.name).collect::<Vec<_>>())
                }
                _ => None,
            }));
        }
        said
    };
    assert!(said().is_empty(), "what is in the other file nobody knows");
    std::fs::write(manifests.join("hand.yaml"), device("door")).unwrap();
    folder.lock().reload().unwrap();
    // Neither can be listened to, and both are there.
    assert_eq!(said(), [["door", "lamp"]]);
    folder.lock().reload().unwrap();
    assert!(said().is_empty());
}

#[tokio::test]
async fn a_device_is_listened_to_while_all_that_it_hangs_on_is_there() {
    let home = tempfile::tempdir().unwrap();
    let folder = open(home.path(), 1);
    let mut changes = folder.devices();
    let object = |kind: &str, name: &str, spec: &str| {
        format!(
            "---\napiVersion: aion.dev/v1alpha1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec: {spec}\n"
        )
    };
    let window = object("Device", "window", "{model: contact, mqtt: {broker: b}}");
    let heater = "{model: heater, mqtt: {broker: b}, guardrails: [{name: shut, points: [target], \
                  forbidWhen: \"devices.window.contact == 'open'\"}]}";
    let contact = "{properties: [{name: contact, type: choice, choices: [open, closed]}], \
                   mqtt: {properties: [{name: contact, state: {topic: '{{device}}'}}]}}";
    let model = "{properties: [{name: target, type: number, access: readWrite}], \
                 mqtt: {properties: [{name: target, state: {topic: '{{device}}'}, set: {topic: '{{device}}/set'}}]}}";
    let mut told = || {
        let mut words = Vec::new();
        while let Some(all) = changes.next().now_or_never().flatten() {
            words.extend(all.into_iter().map(|it| match it {
                DeviceChange::Put(it) => format!("+{}", it.key.name),
                DeviceChange::Gone { key, deleted } => format!("-{} {deleted}", key.name),
                DeviceChange::Discover { broker, reached } => {
                    format!("?{} {}", broker.name, reached.is_some())
                }
                DeviceChange::All(all) => {
                    let names = all.iter().map(|it| it.name.as_str());
                    format!("={}", names.collect::<Vec<_>>().join(","))
                }
            }));
        }
        words
    };
    // The heater before the window that it looks at.
    let first = object("Device", "heater", heater) + &object("DeviceModel", "heater", model);
    assert_eq!(told(), ["="], "all are known: there are none");
    apply(&folder, &first).unwrap();
    assert_eq!(told(), [""; 0]);
    let rest = object("DeviceModel", "contact", contact)
        + &object("DeviceBroker", "b", "{url: 'mqtt://h'}")
        + &window;
    apply(&folder, &rest).unwrap();
    assert_eq!(told(), ["+heater", "+window"]);
    let of = |kind, name: &str| ObjectKey {
        kind,
        namespace: "default".into(),
        name: name.into(),
    };
    assert!(folder.delete(&of("Device", "window")).unwrap());
    assert_eq!(told(), ["-heater false", "-window true"]);
    let status = folder.get(&of("Device", "heater")).unwrap();
    let accepted = &status["status"]["conditions"][0];
    assert_eq!(
        (&accepted["status"], &accepted["reason"]),
        (&"False".into(), &"Invalid".into())
    );
    apply(&folder, &window).unwrap();
    assert_eq!(told(), ["+heater", "+window"]);
    // What changes nothing is told to nobody.
    apply(&folder, &window).unwrap();
    apply(&folder, &agent("a")).unwrap();
    assert_eq!(told(), [""; 0]);
    // A broker is listened to for its announcements, before the devices that are reached by it.
    let finds = "{url: 'mqtt://h', discovery: {homeAssistant: {}}}";
    apply(&folder, &object("DeviceBroker", "b", finds)).unwrap();
    assert_eq!(told(), ["?b true", "+heater", "+window"]);
    apply(&folder, &object("DeviceBroker", "b", "{url: 'mqtt://h'}")).unwrap();
    assert_eq!(told(), ["?b false", "+heater", "+window"]);
    // A policy's guardrails are a device's that it selects.
    let policy = |devices: &str, rule: &str| {
        let spec = format!("{{guardrails: [{{devices: {devices}, rules: [{rule}]}}]}}");
        object("AgentPolicy", "p", &spec)
    };
    let rule = "{name: warm, points: [target], maximum: '22'}";
    apply(&folder, &policy("{models: [heater]}", rule)).unwrap();
    assert_eq!(told(), ["+heater"]);
    let message = |kind: usize| {
        let status = folder.get(&of("Device", "heater")).unwrap();
        let conditions = &status["status"]["conditions"];
        conditions[kind]["message"].as_str().unwrap().to_owned()
    };
    assert_eq!(message(2), "these hold: shut, warm of AgentPolicy/p");
    // It selects none that there is.
    apply(&folder, &policy("{models: [lamp]}", rule)).unwrap();
    assert_eq!(told(), ["+heater"]);
    apply(&folder, &policy("{names: [door]}", rule)).unwrap();
    assert_eq!(told(), [""; 0]);
    let absent = "{name: warm, forbidWhen: devices.gate.open}";
    apply(&folder, &policy("{names: [heater]}", absent)).unwrap();
    assert_eq!(told(), ["-heater false"]);
    let why = message(0);
    assert!(
        why.starts_with(
            "AgentPolicy/p: spec.guardrails[0].rules[0].forbidWhen: there is no device gate"
        ),
        "{why}"
    );
    assert!(folder.delete(&of("AgentPolicy", "p")).unwrap());
    assert_eq!(told(), ["+heater"]);
}
