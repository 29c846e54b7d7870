//! With what a tenant's bundles are fetched from a registry that wants a password, and what tenants leave each other there.

use aion_abi::tenant::Tenant;
use aion_bundle::{Credentials, Reference, Registry as Remote, RegistryAccess, copy};
use aion_drivers::secrets::{Secret, SecretError, SecretRef, Secrets};
use aion_testkit::{Registry, RegistryKind, or_skip};

use super::*;

const SECRET: &str = "team/regcred/.dockerconfigjson";

/// As `kubectl create secret docker-registry` writes it, over several lines.
fn docker_config(registry: &Registry, password: &str) -> String {
    let user = registry.credentials().unwrap().user;
    let entry = serde_json::json!({"username": user, "password": password});
    serde_json::to_string_pretty(&serde_json::json!({"auths": {registry.address(): entry}}))
        .unwrap()
}

/// Everything comes from `places`.
fn from(places: Vec<Place>) -> Sources {
    let all = places.into_iter().map(|place| SourceRule {
        bundles: "*".parse().unwrap(),
        place,
    });
    Sources {
        sources: all.collect(),
        ..Sources::default()
    }
}

fn agents(registry: &Registry) -> Place {
    Place::Registry(format!("{}/agents", registry.address()))
}

fn held(secrets: &[(&str, String)]) -> Arc<HeldSecrets> {
    let held = secrets
        .iter()
        .map(|(at, text)| ((*at).to_owned(), text.clone()));
    Arc::new(HeldSecrets(held.collect()))
}

fn holding(machine: &Machine, registry: &Registry, secrets: &[(&str, String)]) -> Preparer {
    let sources = from(vec![agents(registry)]);
    machine.fetching(Fetcher::new(sources, false, held(secrets)))
}

/// Makes a bundle, and has `registry` keep it.
async fn pushed(machine: &Machine, registry: &Registry) -> String {
    let digest = machine.bundle("reader").await.digest;
    let account = registry.credentials().unwrap();
    let to: Reference = format!("{}/agents/reader", registry.address())
        .parse()
        .unwrap();
    let access = RegistryAccess {
        credentials: Some(Credentials::new(account.user, account.password)),
        ..RegistryAccess::default()
    };
    let remote = Remote::new(&to, &access).unwrap();
    copy(&machine.layout, &remote, &digest, None, &|_| ())
        .await
        .unwrap();
    digest.to_string()
}

fn of(tenant: &str, digest: &str, pull_secrets: &[&str]) -> AgentInstance {
    let mut instance = instance(tenant, "reader", digest);
    instance.spec.pull_secrets = pull_secrets.iter().map(|it| (*it).to_owned()).collect();
    instance
}

#[tokio::test]
async fn a_bundle_comes_with_the_pull_secrets_of_its_tenant_and_of_no_other() {
    let Some(registry) = or_skip(Registry::start(RegistryKind::Password)) else {
        return;
    };
    let machine = Machine::new();
    let (digest, trust) = (pushed(&machine, &registry).await, machine.trust(&[]));
    let right = docker_config(&registry, registry.credentials().unwrap().password);
    let preparer = holding(&machine, &registry, &[(SECRET, right)]);
    let other = of("other", &digest, &[]);
    let refused = prepared(&preparer, &other, &trust).await.unwrap_err();
    assert_eq!(refused.judgement.reason, reason::ACCESS_DENIED);
    let absent = of("other", &digest, &["regcred"]);
    let refused = prepared(&preparer, &absent, &trust).await.unwrap_err();
    assert_eq!(refused.judgement.reason, reason::PULL_SECRET_UNUSABLE);
    assert!(refused.passing, "a secret that is applied later");
    let told = &refused.judgement.message;
    assert!(
        told.contains("regcred")
            && told.contains("config/secrets")
            && told.contains("refuses access"),
        "{told}"
    );

    let ours = of("team", &digest, &["regcred"]);
    let judged = prepared(&preparer, &ours, &trust).await.unwrap();
    assert_eq!(judged.reason, reason::SIGNED);
    // What another tenant brought is had by nobody who may not fetch it.
    let refused = prepared(&preparer, &other, &trust).await.unwrap_err();
    assert_eq!(refused.judgement.reason, reason::ACCESS_DENIED);
}

#[tokio::test]
async fn a_pull_secret_that_is_wrong_is_named_without_what_it_holds() {
    let Some(registry) = or_skip(Registry::start(RegistryKind::Password)) else {
        return;
    };
    let machine = Machine::new();
    let digest = machine.bundle("reader").await.digest.to_string();
    let trust = machine.trust(&[]);
    for (held, reason) in [
        (docker_config(&registry, "wrong"), reason::ACCESS_DENIED),
        (
            r#"{"auths":{"x":{"auth":"hunter2"#.to_owned(),
            reason::PULL_SECRET_UNUSABLE,
        ),
        (
            format!(
                r#"{{"auths":{{"{}":{{"auth":"hunter2"}}}}}}"#,
                registry.address()
            ),
            reason::PULL_SECRET_UNUSABLE,
        ),
        ("hunter2".to_owned(), reason::PULL_SECRET_UNUSABLE),
    ] {
        let preparer = holding(&machine, &registry, &[(SECRET, held)]);
        let ours = of("team", &digest, &["regcred"]);
        let refused = prepared(&preparer, &ours, &trust).await.unwrap_err();
        assert_eq!(refused.judgement.reason, reason);
        assert!(refused.passing, "a secret that is corrected later");
        let told = &refused.judgement.message;
        assert!(
            !told.contains("hunter2") && !told.contains("wrong"),
            "{told}"
        );
    }
}

#[tokio::test]
async fn a_pull_secret_that_is_missing_takes_nothing_from_what_needs_none() {
    let machine = Machine::new();
    let digest = machine.bundle("reader").await.digest.to_string();
    let trust = machine.trust(&[]);
    let ours = of("team", &digest, &["regcred"]);
    let preparer = machine.preparer(None);
    // A folder is asked by nobody's name, so no secret is read for it.
    let judged = prepared(&preparer, &ours, &trust).await.unwrap();
    assert!(!judged.message.contains("regcred"), "{}", judged.message);
    // Beside a registry that nobody reaches the folder has the bundle, too.
    let layout = Place::Layout(machine.layout.root().to_owned());
    let nowhere = Place::Registry("127.0.0.1:1/x".to_owned());
    let sources = from(vec![nowhere, layout]);
    let preparer = machine.fetching(Fetcher::new(sources, false, held(&[])));
    let other = of("another", &digest, &["regcred"]);
    let judged = prepared(&preparer, &other, &trust).await.unwrap();
    assert_eq!(judged.reason, reason::SIGNED);
    let told =
        "not used: pull secret regcred of another: secret regcred/.dockerconfigjson does not exist";
    assert!(judged.message.contains(told), "{}", judged.message);
}

#[tokio::test]
async fn a_pull_secret_that_is_missing_takes_nothing_from_the_others_nor_from_what_the_node_has() {
    let Some(registry) = or_skip(Registry::start(RegistryKind::Password)) else {
        return;
    };
    let machine = Machine::new();
    let (digest, trust) = (pushed(&machine, &registry).await, machine.trust(&[]));
    let right = docker_config(&registry, registry.credentials().unwrap().password);
    let preparer = holding(&machine, &registry, &[(SECRET, right.clone())]);
    let ours = of("team", &digest, &["gone", "regcred"]);
    let judged = prepared(&preparer, &ours, &trust).await.unwrap();
    let told = "not used: pull secret gone of team";
    assert!(judged.message.contains(told), "{}", judged.message);

    let file = machine.at.path().join("docker.json");
    fs::write(&file, right).unwrap();
    let sources = Sources {
        docker_config: Some(file),
        ..from(vec![agents(&registry)])
    };
    let preparer = machine.fetching(Fetcher::new(sources, false, held(&[])));
    let other = of("another", &digest, &["gone"]);
    let judged = prepared(&preparer, &other, &trust).await.unwrap();
    let told = "not used: pull secret gone of another";
    assert!(judged.message.contains(told), "{}", judged.message);
}

#[tokio::test]
async fn tenants_that_fetch_all_they_may_leave_another_a_turn() {
    let machine = Machine::new();
    let preparer = machine.preparer(Some(1));
    let name = "slow/a".parse().unwrap();
    let mut held = Vec::new();
    for tenant in ["one", "two", "three", "four"].map(Tenant::from) {
        for _ in 0..FOR_A_TENANT {
            held.extend(
                preparer
                    .fetcher
                    .turn(&name, &tenant, Errand::Bundle)
                    .now_or_never(),
            );
        }
    }
    let another = "another".into();
    let turn = preparer.fetcher.turn(&name, &another, Errand::Bundle);
    assert!(turn.now_or_never().is_some());
}

/// Secrets of which one is renewed while somebody waits.
#[derive(Default)]
struct Renewed(parking_lot::Mutex<HeldSecrets>);

impl Secrets for Renewed {
    fn text<'a>(
        &'a self,
        tenant: &'a Tenant,
        reference: &'a SecretRef,
    ) -> BoxFuture<'a, Result<Secret, SecretError>> {
        let now = HeldSecrets(self.0.lock().0.clone());
        Box::pin(async move { now.text(tenant, reference).await })
    }
}

#[tokio::test]
async fn a_pull_secret_counts_as_it_is_when_it_is_ones_turn() {
    let Some(registry) = or_skip(Registry::start(RegistryKind::Password)) else {
        return;
    };
    let machine = Machine::new();
    let (digest, trust) = (pushed(&machine, &registry).await, machine.trust(&[]));
    let secrets = Arc::new(Renewed::default());
    let fetcher = Fetcher::new(from(vec![agents(&registry)]), false, secrets.clone());
    let preparer = machine.fetching(fetcher);
    let ours = of("team", &digest, &["regcred"]);
    let (name, tenant) = ("reader".parse().unwrap(), "team".into());
    let mut before = Vec::new();
    for _ in 0..FOR_A_TENANT {
        before.push(preparer.fetcher.turn(&name, &tenant, Errand::Bundle).await);
    }
    let mut fetching = Box::pin(prepared(&preparer, &ours, &trust));
    // Time passes once there is nothing left to do but to wait for them.
    tokio::time::pause();
    assert!(timeout(BOUND, &mut fetching).await.is_err());
    tokio::time::resume();
    let right = docker_config(&registry, registry.credentials().unwrap().password);
    secrets.0.lock().0.insert(SECRET.to_owned(), right);
    drop(before);
    assert_eq!(fetching.await.unwrap().reason, reason::SIGNED);
}
