//! Triggers with a kernel that takes turns and runs none.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use aion_abi::{code::Code, tenant::Tenant};
use aion_api::AgentInstanceSpec;
use aion_drivers::secrets::{HeldSecrets, Secret, SecretError, SecretRef, Secrets};
use aion_journal::Options;
use aion_kernel::{Event, InstanceSpec, InstanceUid, Lane, Limits, Profile, Quota};
use futures::future::{BoxFuture, pending};
use http::{HeaderMap, HeaderValue};
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::{
    clock::Clock,
    feed::Feed,
    instance::Instances,
    shell::{self, Driven, Driving, Handle, Job, ShellParts},
    telemetry::Telemetry,
    triggers::{Delivery, Parts},
    turns::{self, Turns},
};

const SECRET: &str = "It's a Secret to Everybody";

struct Nobody;

impl Driving for Nobody {
    fn drive(self: Arc<Self>, _: Job) -> BoxFuture<'static, Driven> {
        Box::pin(pending())
    }

    fn make_safe(
        self: Arc<Self>,
        _: aion_kernel::Name,
        _: aion_kernel::Generation,
        _: aion_kernel::Parts,
    ) -> BoxFuture<'static, (aion_kernel::Parts, aion_kernel::Parts)> {
        Box::pin(pending())
    }
}

/// Agents `a` and `b`, of which `b` has triggers.
struct World {
    dir: TempDir,
    shell: Handle,
    turns: Turns,
    instances: Instances,
}

impl World {
    async fn open(triggers: Value) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = Options {
            dir: dir.path().join("journal"),
            segment_bytes: 1 << 20,
            keep_bytes: 1 << 24,
        };
        let opened = shell::open(&options, Limits::default()).unwrap();
        let (shell, parts, mut orders) = ShellParts::open(
            opened.kernel,
            opened.journal,
            Clock::behind(None),
            Feed::new(),
        );
        let runtime = tokio::runtime::Handle::current();
        tokio::spawn(parts.with(Arc::new(Nobody), runtime).run(Vec::new()));
        tokio::spawn(async move { while orders.recv().await.is_some() {} });
        let root = dir.path().join("turns");
        fs::create_dir(&root).unwrap();
        let world = Self {
            turns: turns::open_in_tests(&root),
            instances: Instances::default(),
            shell,
            dir,
        };
        world.put("b", 1, triggers).await;
        world
    }

    async fn put(&self, agent: &str, uid: u128, triggers: Value) {
        self.shell.tell(Event::Apply(InstanceSpec {
            uid: InstanceUid(uid),
            profile: Profile {
                tenant: "home".into(),
                agent: agent.into(),
                revision: "1".into(),
                lane: Lane::Interactive,
                required_layers: Vec::new(),
                grants: Arc::default(),
                quota: Quota::default(),
                max_turn_seconds: 60,
            },
        }));
        let spec = AgentInstanceSpec {
            tenant: Tenant::from("home"),
            agent: aion_api::AgentReference {
                name: agent.to_owned(),
                uid: format!("uid-{agent}"),
            },
            triggers: serde_json::from_value(triggers).unwrap(),
            ..AgentInstanceSpec::default()
        };
        let mut instance = Instance::of(agent, spec);
        let mut resource = (*instance.resource).clone();
        resource.metadata.namespace = Some("home".to_owned());
        instance.resource = Arc::new(resource);
        instance.uid = InstanceUid(uid);
        self.instances.put(instance);
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("triggers.jsonl")
    }

    /// The triggers, as a daemon that starts has them.
    fn triggers(&self) -> Triggers {
        let secrets = HashMap::from([("home/hook/secret".to_owned(), SECRET.to_owned())]);
        self.triggers_with(Arc::new(HeldSecrets(secrets)))
    }

    fn triggers_with(&self, secrets: Arc<dyn Secrets>) -> Triggers {
        let parts = Parts {
            clock: Clock::behind(None),
            turns: self.turns.clone(),
            shell: self.shell.clone(),
            instances: self.instances.clone(),
            secrets,
            devices: crate::devices::Devices::fake().0,
            telemetry: Arc::new(Telemetry::new().unwrap()),
        };
        Triggers::open(self.file(), parts).unwrap()
    }

    async fn number_of_turns(&self) -> usize {
        let look = self.shell.look(|kernel| kernel.state().turns().count());
        look.await.unwrap()
    }

    /// The state of the one trigger, once it is as it should be.
    async fn until(
        &self,
        triggers: &Triggers,
        what: impl Fn(&aion_abi::trigger::TriggerState) -> bool,
    ) -> aion_abi::trigger::TriggerState {
        let waited = async {
            loop {
                let state = triggers.states(None).into_iter().next();
                if let Some(state) = state.filter(&what) {
                    return state;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), waited)
            .await
            .unwrap()
    }
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn write(path: &Path, lines: &[Value]) {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    fs::write(path, text).unwrap();
}

#[tokio::test]
async fn a_daemon_that_is_killed_between_question_and_turn_starts_one_turn() {
    let world = World::open(json!([{"name": "t", "cron": "0 0 1 1 *", "input": "{{time}}"}])).await;
    let triggers = world.triggers();
    let fired = triggers.fire("home/b", "t").await.unwrap();
    let turn = fired.turn.unwrap();
    let written = lines(&world.file());
    let asks = |line: &Value| !line["row"]["asking"].is_null();
    let question = written.iter().rposition(asks).unwrap();
    // What it had written when it was killed: the question, and not that the kernel has it.
    write(&world.file(), &written[..=question]);
    drop(triggers);
    let again = world.triggers();
    again.refresh();
    let state = world.until(&again, |it| it.last.is_some()).await;
    assert_eq!(state.last.unwrap().turn, turn);
    assert!(state.running);
    assert_eq!(world.number_of_turns().await, 1);
    let record = world.turns.record(TurnId(turn)).await.unwrap().unwrap();
    assert_eq!(record.trigger.as_deref(), Some("t"));
}

#[tokio::test]
async fn times_that_passed_while_the_daemon_was_away_start_one_turn_or_none() {
    for (missed, turns) in [("once", 1), ("skip", 0)] {
        let world =
            World::open(json!([{"name": "t", "cron": "0 0 1 1 *", "missed": missed}])).await;
        let triggers = world.triggers();
        triggers.refresh();
        world.until(&triggers, |it| it.next_at_ms.is_some()).await;
        // Behind what was on its way to the disk before, which would be the newest line otherwise.
        for _ in 0..2 {
            triggers.keep(&Id::new("home/b", "t")).await.unwrap();
        }
        let mut written = lines(&world.file());
        let ago = Timestamp::from_second(1_700_000_000).unwrap();
        for line in &mut written {
            line["row"]["until"] = json!(ago.as_millisecond());
        }
        write(&world.file(), &written);
        let again = world.triggers();
        again.refresh();
        again.tick();
        let state = world
            .until(&again, |it| it.last.is_some() || it.skipped.is_some())
            .await;
        assert_eq!(world.number_of_turns().await, turns, "{missed}");
        assert_eq!(state.skipped.is_some(), turns == 0);
        again.tick();
        assert!(state.next_at_ms.is_some_and(|next| next > again.now().date));
    }
}

fn delivery(trigger: &str, body: &'static [u8], secret: &str) -> Delivery {
    use hmac::{Hmac, KeyInit as _, Mac as _};
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body);
    let signature = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
    let mut headers = HeaderMap::new();
    headers.insert(
        "x-hub-signature-256",
        HeaderValue::from_str(&signature).unwrap(),
    );
    Delivery {
        agent: "home/b".to_owned(),
        trigger: trigger.to_owned(),
        headers,
        body: bytes::Bytes::from_static(body),
    }
}

#[tokio::test]
async fn a_delivery_starts_one_turn_however_often_it_comes_and_who_signs_nothing_learns_nothing() {
    let hook = json!({"signed": "github", "secrets": [{"secret": "hook", "key": "secret"}]});
    let world =
        World::open(json!([{"name": "push", "webhook": hook, "input": "see {{files}}"}])).await;
    let triggers = world.triggers();
    let body = br#"{"ref": "main"}"#;
    let wrong = triggers
        .deliver(delivery("push", body, "another"))
        .await
        .unwrap_err();
    let nothing = triggers
        .deliver(delivery("pull", body, SECRET))
        .await
        .unwrap_err();
    assert_eq!(wrong, nothing, "the same words");
    assert_eq!(wrong.code, Code::BadSignature);
    assert_eq!(world.number_of_turns().await, 0);

    let first = triggers
        .deliver(delivery("push", body, SECRET))
        .await
        .unwrap();
    assert!(!first.repeated);
    let turn = first.turn.unwrap();
    let at_once =
        futures::future::join_all((0..8).map(|_| triggers.deliver(delivery("push", body, SECRET))));
    // Also by a daemon that was started in between.
    let again = world.triggers();
    let after = again.deliver(delivery("push", body, SECRET)).await.unwrap();
    for repeated in at_once.await.into_iter().map(Result::unwrap).chain([after]) {
        assert!(repeated.repeated);
        assert_eq!(repeated.turn, Some(turn));
    }
    assert_eq!(world.number_of_turns().await, 1);
    let asked = world.turns.known(TurnId(turn)).unwrap();
    let content = fs::read(asked.mount("input").join("push-1.json")).unwrap();
    assert_eq!(content, body);
    assert_eq!(asked.asked().unwrap().input, "see push-1.json");
}

#[tokio::test]
async fn the_end_of_a_turn_is_heard_once_also_after_a_restart_and_a_chain_ends() {
    let world =
        World::open(json!([{"name": "after", "event": {"agent": "a", "turn": "answered"}}])).await;
    let triggers = world.triggers();
    triggers.refresh();
    let root = world.dir.path().join("turns");
    let (input, end) = turns::ended_in_tests(&root, 900);
    world.turns.done(input, end).await;
    let ended = Ended {
        turn: TurnId(900),
        agent: "home/a".into(),
    };
    triggers.ended(&ended);
    triggers.ended(&ended);
    let state = world.until(&triggers, |it| it.last.is_some()).await;
    let turn = state.last.unwrap().turn;
    let folder = world.turns.known(TurnId(turn)).unwrap();
    let asked = folder.asked().unwrap();
    assert_eq!(asked.trigger.unwrap().depth, 1);
    assert!(
        asked.input.contains("Turn 900 of home/a ended"),
        "{}",
        asked.input
    );
    // Whichever of the two was first has named it.
    let given: Vec<PathBuf> = fs::read_dir(folder.mount("input"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(given.len(), 1, "{given:?}");
    let told: Value = serde_json::from_slice(&fs::read(&given[0]).unwrap()).unwrap();
    assert_eq!(told["answer"], "42");
    let again = world.triggers();
    again.refresh();
    let state = world.until(&again, |it| it.last.is_some()).await;
    assert_eq!((state.last.unwrap().turn, state.waiting), (turn, 0));
    assert_eq!(world.number_of_turns().await, 1);
}

#[tokio::test]
async fn who_starts_a_trigger_by_hand_and_goes_away_stops_nothing() {
    let world = World::open(json!([{"name": "t", "cron": "0 0 1 1 *"}])).await;
    let triggers = world.triggers();
    let most = u32::try_from(crate::triggers::ASKING).unwrap();
    let places = triggers.shared.asking.acquire_many(most).await.unwrap();
    let by_hand = triggers.clone();
    let by_hand = tokio::spawn(async move { by_hand.fire("home/b", "t").await });
    let id = Id::new("home/b", "t");
    let asks = || {
        let table = triggers.shared.table.lock();
        table.get(&id).is_some_and(Entry::is_in_flight)
    };
    while !asks() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    by_hand.abort();
    assert!(by_hand.await.unwrap_err().is_cancelled());
    drop(places);
    world.until(&triggers, |it| it.last.is_some()).await;
}

#[tokio::test]
async fn an_end_of_a_turn_is_never_kept_as_heard_without_being_kept_as_waiting() {
    let world =
        World::open(json!([{"name": "after", "event": {"agent": "a", "turn": "answered"}}])).await;
    let triggers = world.triggers();
    triggers.refresh();
    let root = world.dir.path().join("turns");
    let (input, end) = turns::ended_in_tests(&root, 900);
    world.turns.done(input, end).await;
    let id = Id::new("home/b", "after");
    let heard = triggers.heard(&id, TurnId(900));
    // Something else of the trigger is kept all the while.
    let kept = async {
        loop {
            triggers.keep(&id).await.unwrap();
        }
    };
    tokio::select! {
        heard = heard => heard.unwrap(),
        () = kept => {}
    }
    let written = lines(&world.file());
    let heard = written.iter().find(|line| !line["seen"].is_null()).unwrap();
    assert_eq!(heard["row"]["waiting"][0]["key"], "900", "{heard}");
}

#[tokio::test]
async fn what_waits_for_hours_keeps_its_files_and_starts_without_one_that_is_gone() {
    let hook = json!({"signed": "github", "secrets": [{"secret": "hook", "key": "secret"}]});
    let world = World::open(
        json!([{"name": "push", "webhook": hook, "debounceSeconds": 60, "batch": 3, "input": "see {{files}}"}]),
    )
    .await;
    let triggers = world.triggers();
    for body in [&b"1"[..], b"2"] {
        let taken = triggers.deliver(delivery("push", body, SECRET)).await;
        assert_eq!(taken.unwrap().turn, None);
    }
    let uploads = world.turns.uploads();
    uploads.expire_older(Duration::ZERO);
    // Also by a daemon that was started meanwhile.
    let again = world.triggers();
    uploads.expire_older(Duration::ZERO);
    let row = |triggers: &Triggers| {
        let table = triggers.shared.table.lock();
        table.get(&Id::new("home/b", "push")).unwrap().row.clone()
    };
    let files = row(&again).uploads();
    assert_eq!(uploads.find("home/b", &files).unwrap().len(), 2);
    uploads.leave("home/b", &files[..1]);
    let last = again.deliver(delivery("push", b"3", SECRET)).await.unwrap();
    let folder = world.turns.known(TurnId(last.turn.unwrap())).unwrap();
    assert_eq!(fs::read_dir(folder.mount("input")).unwrap().count(), 2);
}

struct Away;

impl Secrets for Away {
    fn text<'a>(
        &'a self,
        _: &'a Tenant,
        reference: &'a SecretRef,
    ) -> BoxFuture<'a, Result<Secret, SecretError>> {
        let (reference, why) = (reference.clone(), "away".to_owned());
        Box::pin(async move { Err(SecretError::Unreadable { reference, why }) })
    }
}

#[tokio::test]
async fn a_delivery_whose_secret_cannot_be_read_is_sent_again() {
    let hook = json!({"signed": "github", "secrets": [{"secret": "hook", "key": "secret"}]});
    let world = World::open(json!([{"name": "push", "webhook": hook}])).await;
    let triggers = world.triggers_with(Arc::new(Away));
    for name in ["push", "pull"] {
        let refused = triggers.deliver(delivery(name, b"{}", SECRET)).await;
        let refused = refused.unwrap_err();
        assert_eq!(refused.code, Code::Overloaded, "{name}");
        assert!(refused.retry_after_ms.is_some());
    }
}

#[tokio::test]
async fn a_trigger_that_hears_another_agent_begins_anew() {
    let hears = |agent| json!([{"name": "after", "event": {"agent": agent, "turn": "answered"}}]);
    let world = World::open(hears("c")).await;
    let triggers = world.triggers();
    triggers.refresh();
    let root = world.dir.path().join("turns");
    let (input, end) = turns::ended_in_tests(&root, 900);
    world.turns.done(input, end).await;
    world.instances.remove(InstanceUid(1));
    world.put("b", 2, hears("a")).await;
    triggers.refresh();
    let id = Id::new("home/b", "after");
    triggers.heard(&id, TurnId(900)).await.unwrap();
    let table = triggers.shared.table.lock();
    let row = &table.get(&id).unwrap().row;
    assert!(row.waiting.is_empty() && row.asking.is_none() && row.last.is_none());
    assert_eq!(row.from, 900);
}

#[tokio::test]
async fn of_an_agent_that_is_gone_nothing_is_kept() {
    let world = World::open(json!([{"name": "t", "cron": "0 0 1 1 *"}])).await;
    let triggers = world.triggers();
    triggers.fire("home/b", "t").await.unwrap();
    triggers.erase("home/b").await.unwrap();
    drop(triggers);
    let again = world.triggers();
    assert_eq!(again.shared.table.lock().ids(), []);
}
