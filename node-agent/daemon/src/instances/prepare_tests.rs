//! Whom a program is let in by, and who waits for whom meanwhile.

#![allow(clippy::unwrap_used)]

use std::{fs, time::Duration};

use aion_api::{AgentInstanceSpec, InlineProgram};
use aion_bundle::{Built, Layout, Place, Room, SigningKey, SourceRule, Sources, attach, build};
use aion_drivers::secrets::HeldSecrets;
use aion_sandbox::protocol::{Measured, Start, WorkerId};
use aion_testkit::{PrivateSigstore, Signing};
use futures::{FutureExt, future::BoxFuture};
use tokio::{net::TcpListener, time::timeout};

use super::*;
use crate::{
    instances::fetch::{Errand, FOR_A_TENANT},
    launching::{LaunchError, Launched, Launcher, WorkerFds},
};

#[path = "prepare_attested_tests.rs"]
mod attested;
#[path = "prepare_lapsed_tests.rs"]
mod lapsed;
#[path = "pull_secrets_tests.rs"]
mod pull_secrets;

const ED25519: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEA06XUMm5g9G02aWKJ4neibsiiPObXa6imkBCEo0s1jnk=
-----END PUBLIC KEY-----
";

/// So that whoever is held up fails the test instead of waiting with it.
const BOUND: Duration = Duration::from_secs(60);

/// No program of these tests is compiled.
struct Nobody;

impl Launcher for Nobody {
    fn start(&self, _: Start, _: WorkerFds) -> BoxFuture<'_, Result<Launched, LaunchError>> {
        futures::future::pending().boxed()
    }

    fn open_gate<'a>(&'a self, _: &'a WorkerId) -> BoxFuture<'a, Result<(), LaunchError>> {
        futures::future::pending().boxed()
    }

    fn kill<'a>(&'a self, _: &'a WorkerId, _: Duration) -> BoxFuture<'a, Result<(), LaunchError>> {
        futures::future::pending().boxed()
    }

    fn measure<'a>(&'a self, _: &'a WorkerId) -> BoxFuture<'a, Option<Measured>> {
        Box::pin(std::future::ready(None))
    }

    fn acknowledge<'a>(&'a self, _: &'a WorkerId) -> BoxFuture<'a, ()> {
        futures::future::pending().boxed()
    }
}

/// A machine with a layout of bundles and a store, and somebody who signs.
struct Machine {
    at: tempfile::TempDir,
    layout: Layout,
    store: Arc<Store>,
    key: SigningKey,
}

impl Machine {
    fn new() -> Self {
        Self::with(Room::default())
    }

    fn with(room: Room) -> Self {
        let at = tempfile::tempdir().unwrap();
        Self {
            layout: Layout::create(at.path().join("layout")).unwrap(),
            store: Arc::new(
                Store::open_in(at.path().join("store"), room, || Duration::ZERO).unwrap(),
            ),
            key: SigningKey::generate().unwrap(),
            at,
        }
    }

    /// A declarative bundle of this name, signed.
    async fn bundle(&self, name: &str) -> Built {
        let folder = self.at.path().join("source").join(name);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("agent.yaml"), "instructions: Be brief.\n").unwrap();
        let about =
            format!("name: {name}\nversion: '1'\nruntime: declarative\nentry: agent.yaml\n");
        fs::write(folder.join("bundle.yaml"), about).unwrap();
        let built = build(&folder, &self.layout).unwrap();
        let signature = self.key.sign(&built.digest).unwrap();
        let now = k8s_openapi::jiff::Timestamp::UNIX_EPOCH;
        let attached = attach(&self.layout, &built.digest, &signature, now).await;
        attached.unwrap();
        built
    }

    /// Bundles whose names begin with `slow/` come from the registry on `port`, the others from the layout.
    fn preparer(&self, port: Option<u16>) -> Preparer {
        let rule = |bundles: &str, place| SourceRule {
            bundles: bundles.parse().unwrap(),
            place,
        };
        let slow = port.map(|port| rule("slow/*", Place::Registry(format!("127.0.0.1:{port}/x"))));
        let layout = Place::Layout(self.layout.root().to_owned());
        let layout = rule(if port.is_some() { "quick/*" } else { "*" }, layout);
        let sources = Sources {
            sources: slow.into_iter().chain([layout]).collect(),
            ..Sources::default()
        };
        self.fetching(Fetcher::new(
            sources,
            false,
            Arc::new(HeldSecrets::default()),
        ))
    }

    fn fetching(&self, fetcher: Fetcher) -> Preparer {
        let modules = Modules::new(Arc::clone(&self.store), Arc::new(Nobody));
        Preparer::new(
            Arc::clone(&self.store),
            fetcher,
            TrustRoots::new(self.at.path().join("trust_roots")),
            Arc::new(modules),
        )
    }

    fn trust(&self, more: &[(&str, &str)]) -> Trust {
        let own = self.key.public_pem();
        let keys = [("release", own.as_str())];
        let keys = more
            .iter()
            .chain(&keys)
            .map(|(name, pem)| aion_api::TrustedKey {
                name: (*name).to_owned(),
                public_key: (*pem).to_owned(),
                ..aion_api::TrustedKey::default()
            });
        Trust {
            policies: vec!["tests".to_owned()],
            inline: true,
            keys: keys.collect(),
            ..Trust::default()
        }
    }
}

fn instance(tenant: &str, name: &str, digest: &str) -> AgentInstance {
    let spec = AgentInstanceSpec {
        tenant: tenant.into(),
        runtime: Runtime::Declarative,
        bundle: Some(aion_api::program::BundleRef {
            name: name.to_owned(),
            digest: digest.to_owned(),
        }),
        ..AgentInstanceSpec::default()
    };
    AgentInstance::new("a", spec)
}

async fn prepared(
    preparer: &Preparer,
    instance: &AgentInstance,
    trust: &Trust,
) -> Result<Judgement, PrepareError> {
    let prepared = preparer.prepare(instance, trust, |_| {}).await;
    prepared.map(|(_, judgement)| judgement)
}

#[tokio::test]
async fn a_key_that_cannot_be_used_takes_nothing_from_those_that_can() {
    let machine = Machine::new();
    let built = machine.bundle("quick/a").await;
    let instance = instance("home", "quick/a", &built.digest.to_string());
    let cut = machine.key.public_pem().replace("==", "");
    let trust = machine.trust(&[("another-team", ED25519), ("cut", &cut)]);
    let preparer = machine.preparer(None);
    // Fetched, and again from what is here.
    for _ in 0..2 {
        let judgement = prepared(&preparer, &instance, &trust).await.unwrap();
        assert_eq!(judgement.reason, reason::SIGNED);
        for name in ["key release", "`another-team`", "`cut`"] {
            assert!(judgement.message.contains(name), "{}", judgement.message);
        }
    }
}

#[tokio::test]
async fn a_bundle_that_nobody_vouches_for_is_told_which_keys_were_passed_over() {
    let machine = Machine::new();
    let built = machine.bundle("quick/a").await;
    let instance = instance("home", "quick/a", &built.digest.to_string());
    let mut trust = machine.trust(&[("another-team", ED25519)]);
    trust.keys.pop();
    let refused = prepared(&machine.preparer(None), &instance, &trust).await;
    let judgement = refused.unwrap_err().judgement;
    assert_eq!(judgement.reason, reason::UNTRUSTED_KEY);
    assert!(
        judgement.message.contains("`another-team`"),
        "{}",
        judgement.message
    );
}

#[tokio::test]
async fn an_identity_lets_in_and_is_told_by_who_it_is() {
    let machine = Machine::new();
    let sigstore = PrivateSigstore::new().unwrap();
    let built = machine.bundle("quick/a").await;
    let digest = built.digest.to_string();
    let signing = Signing::by("https://token.example", "ada@acme.example");
    let signature = sigstore.sign_artifact(&digest, &signing).unwrap();
    let signature = serde_json::to_vec(&signature).unwrap();
    let now = k8s_openapi::jiff::Timestamp::UNIX_EPOCH;
    attach(&machine.layout, &built.digest, &signature, now)
        .await
        .unwrap();
    let instance = instance("home", "quick/a", &digest);
    let preparer = machine.preparer(None);
    let identity = |subject: &str| aion_api::TrustedIdentity {
        name: "acme".into(),
        issuer: signing.issuer.clone(),
        subject: subject.into(),
        ..aion_api::TrustedIdentity::default()
    };
    let trust = |root: aion_api::TrustRoot, subject: &str| Trust {
        policies: vec!["public".into()],
        keyless: vec![aion_policy::Keyless {
            policy: "public".into(),
            root,
            identities: vec![identity(subject)],
        }],
        ..Trust::default()
    };
    let text = sigstore.trusted_root().unwrap().to_string();
    let inline = |text: &str| aion_api::TrustRoot {
        inline: Some(text.to_owned()),
        named: None,
    };
    let known = trust(inline(&text), "*@acme.example");
    for _ in 0..2 {
        let judgement = prepared(&preparer, &instance, &known).await.unwrap();
        assert_eq!(judgement.reason, reason::SIGNED);
        let by =
            "identity acme: ada@acme.example of https://token.example, at 2025-06-15T15:07:40Z";
        assert!(judgement.message.contains(by), "{}", judgement.message);
    }
    // What was let in under one trust root or pattern is not let in under another.
    let other = PrivateSigstore::new().unwrap().trusted_root().unwrap();
    for (trust, expect) in [
        (
            trust(inline(&text), "bob@acme.example"),
            Reason::UntrustedIdentity,
        ),
        (
            trust(inline(&other.to_string()), "*@acme.example"),
            Reason::NotLogged,
        ),
        (
            trust(inline("{}"), "*@acme.example"),
            Reason::TrustRootUnusable,
        ),
    ] {
        let refused = prepared(&preparer, &instance, &trust).await.unwrap_err();
        let judgement = refused.judgement;
        assert_eq!(judgement.reason, expect.as_str(), "{}", judgement.message);
        assert_eq!(refused.before, Before::Ends);
    }
    prepared(&preparer, &instance, &known).await.unwrap();

    // One that is named is a file of the node, and counts once it is there.
    let named = aion_api::TrustRoot {
        inline: None,
        named: Some("acme".into()),
    };
    let named = trust(named, "*@acme.example");
    let refused = prepared(&preparer, &instance, &named).await.unwrap_err();
    assert_eq!(refused.judgement.reason, reason::TRUST_ROOT_UNUSABLE);
    assert!(refused.passing);
    let why = &refused.judgement.message;
    assert!(
        why.contains("trust_roots/acme.json is not on this node"),
        "{why}"
    );
    let folder = machine.at.path().join("trust_roots");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("acme.json"), &text).unwrap();
    prepared(&preparer, &instance, &named).await.unwrap();
    fs::write(folder.join("acme.json"), other.to_string()).unwrap();
    prepared(&preparer, &instance, &named).await.unwrap_err();
}

/// What is told of a bundle that somebody revokes, and what of what was told meanwhile.
async fn revoked(
    preparer: &Preparer,
    instance: &AgentInstance,
    trust: &Trust,
) -> (Result<Judgement, PrepareError>, Vec<(Judgement, Before)>) {
    let told = parking_lot::Mutex::new(Vec::new());
    let meanwhile = |it| match it {
        Meanwhile::Revoked(judgement, before) => told.lock().push((judgement, before)),
        Meanwhile::Compiling(_) => {}
    };
    let prepared = preparer.prepare(instance, trust, meanwhile).await;
    (prepared.map(|(_, judgement)| judgement), told.into_inner())
}

#[tokio::test]
async fn what_is_revoked_is_not_let_in_and_what_runs_of_it_ends_as_policy_says() {
    let machine = Machine::new();
    let built = machine.bundle("quick/a").await;
    let digest = built.digest.to_string();
    let instance = instance("home", "quick/a", &digest);
    let preparer = machine.preparer(None);
    prepared(&preparer, &instance, &machine.trust(&[]))
        .await
        .unwrap();
    let key = machine.key.fingerprint().to_string();
    for (on_revoked, before) in [
        (OnRevoked::Kill, Before::Ends),
        (OnRevoked::Drain, Before::Drains),
    ] {
        let trust = |digests: &[&String], keys: &[&String]| Trust {
            revoked: aion_api::Revoked {
                digests: digests.iter().map(|it| (*it).clone()).collect(),
                keys: keys.iter().map(|it| (*it).clone()).collect(),
                identities: Vec::new(),
            },
            on_revoked,
            ..machine.trust(&[])
        };
        // By digest nobody is asked for another signature.
        let (refused, meanwhile) = revoked(&preparer, &instance, &trust(&[&digest], &[])).await;
        let refused = refused.unwrap_err();
        assert_eq!(refused.judgement.reason, reason::REVOKED);
        assert!(!refused.passing && meanwhile.is_empty());
        assert_eq!(refused.before, before);
        // By key somebody is, and what runs does not wait for that.
        let trust = trust(&[], &[&key]);
        let (refused, meanwhile) = revoked(&preparer, &instance, &trust).await;
        let refused = refused.unwrap_err();
        assert_eq!(
            (refused.judgement.reason, refused.before),
            (reason::REVOKED, before)
        );
        let [(judgement, told)] = &meanwhile[..] else {
            unreachable!("nothing was told meanwhile");
        };
        assert_eq!((judgement.reason, *told), (reason::REVOKED, before));
    }
    // Something else that is revoked takes nothing.
    let other = Trust {
        revoked: aion_api::Revoked {
            digests: vec![format!("sha256:{}", "a".repeat(64))],
            keys: vec![format!("sha256:{}", "b".repeat(64))],
            identities: vec![aion_api::RevokedIdentity {
                issuer: "*".into(),
                subject: "*".into(),
            }],
        },
        ..machine.trust(&[])
    };
    prepared(&preparer, &instance, &other).await.unwrap();
}

#[tokio::test]
async fn another_signature_stands_in_for_a_key_that_is_revoked() {
    let machine = Machine::new();
    let built = machine.bundle("quick/a").await;
    let instance = instance("home", "quick/a", &built.digest.to_string());
    let preparer = machine.preparer(None);
    let other = SigningKey::generate().unwrap();
    let mut trust = machine.trust(&[("other", &other.public_pem())]);
    prepared(&preparer, &instance, &trust).await.unwrap();
    trust.revoked.keys = vec![machine.key.fingerprint().to_string()];
    prepared(&preparer, &instance, &trust).await.unwrap_err();
    let signature = other.sign(&built.digest).unwrap();
    let now = k8s_openapi::jiff::Timestamp::UNIX_EPOCH;
    attach(&machine.layout, &built.digest, &signature, now)
        .await
        .unwrap();
    let judgement = prepared(&preparer, &instance, &trust).await.unwrap();
    assert!(
        judgement.message.contains("key other"),
        "{}",
        judgement.message
    );
}

#[tokio::test]
async fn while_a_policy_cannot_be_read_nothing_is_let_in_and_nothing_stopped() {
    let machine = Machine::new();
    let built = machine.bundle("quick/a").await;
    let instance = instance("home", "quick/a", &built.digest.to_string());
    let mut trust = machine.trust(&[]);
    trust.unreadable = vec!["TrustPolicy house cannot be read: spec.inline".to_owned()];
    let held = prepared(&machine.preparer(None), &instance, &trust).await;
    let held = held.unwrap_err();
    assert_eq!(held.judgement.reason, reason::UNREADABLE);
    assert!(held.judgement.message.contains("spec.inline"));
    assert_eq!(held.before, Before::GoesOn, "what runs was stopped");
}

#[tokio::test]
async fn on_a_disk_whose_rest_is_kept_nothing_is_fetched_and_nothing_stopped() {
    let room = Room::new(|_| Err(std::io::ErrorKind::StorageFull.into()));
    let machine = Machine::with(room);
    let built = machine.bundle("quick/a").await;
    let instance = instance("home", "quick/a", &built.digest.to_string());
    let refused = prepared(&machine.preparer(None), &instance, &machine.trust(&[])).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.judgement.reason, Reason::NoSpace.as_str());
    assert!(refused.passing);
    assert_eq!(refused.before, Before::GoesOn);
}

#[tokio::test]
async fn a_registry_that_is_silent_holds_up_those_alone_who_want_something_of_it() {
    let machine = Machine::new();
    let trust = Arc::new(machine.trust(&[]));
    let kept = machine.bundle("slow/kept").await.digest.to_string();
    let kept = instance("other", "slow/kept", &kept);
    prepared(&machine.preparer(None), &kept, &trust)
        .await
        .unwrap();
    let there = machine.bundle("quick/a").await.digest.to_string();

    // It takes connections and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let preparer = machine.preparer(Some(silent.local_addr().unwrap().port()));
    let waiting: Vec<_> = (0..40)
        .map(|n| {
            let (preparer, trust) = (preparer.clone(), Arc::clone(&trust));
            let instance = instance("other", "slow/a", &format!("sha256:{n:064x}"));
            tokio::spawn(async move { prepared(&preparer, &instance, &trust).await })
        })
        .collect();
    let mut held = Vec::new();
    for _ in 0..FOR_A_TENANT {
        held.push(silent.accept().await.unwrap());
    }

    let inline = AgentInstanceSpec {
        inline: Some(InlineProgram {
            instructions: Some("help".to_owned()),
            ..InlineProgram::default()
        }),
        ..AgentInstanceSpec::default()
    };
    let inline = AgentInstance::new("a", inline);
    let soon = |instance| timeout(BOUND, prepared(&preparer, instance, &trust));
    soon(&inline).await.unwrap().unwrap();
    let there = instance("mine", "quick/a", &there);
    soon(&there).await.unwrap().unwrap();
    // Nor does what is here wait, whoever it is for and wherever it came from.
    soon(&kept).await.unwrap().unwrap();
    // Another tenant asks that registry beside the first.
    let another = instance("another", "slow/a", &format!("sha256:{:064x}", 99));
    let another = soon(&another);
    tokio::select! {
        _ = another => panic!("nobody answers"),
        asked = silent.accept() => held.push(asked.unwrap()),
    }
    assert!(waiting.iter().all(|it| !it.is_finished()));
}
