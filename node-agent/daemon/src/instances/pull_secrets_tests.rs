//! With what a tenant's bundles are fetched from a registry that wants a password.

use aion_bundle::{Credentials, Reference, Registry as Remote, RegistryAccess, copy};
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

fn holding(machine: &Machine, registry: &Registry, secrets: &[(&str, String)]) -> Preparer {
    let place = Place::Registry(format!("{}/agents", registry.address()));
    let rule = SourceRule {
        bundles: "*".parse().unwrap(),
        place,
    };
    let sources = Sources {
        sources: vec![rule],
        ..Sources::default()
    };
    let held = secrets
        .iter()
        .map(|(at, text)| ((*at).to_owned(), text.clone()));
    machine.fetching(Fetcher::new(
        sources,
        false,
        Arc::new(HeldSecrets(held.collect())),
    ))
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

    let (digest, trust) = (digest.to_string(), machine.trust(&[]));
    let right = docker_config(&registry, account.password);
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
        told.contains("regcred") && told.contains("config/secrets"),
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
        ("hunter2".to_owned(), reason::PULL_SECRET_UNUSABLE),
    ] {
        let preparer = holding(&machine, &registry, &[(SECRET, held)]);
        let ours = of("team", &digest, &["regcred"]);
        let refused = prepared(&preparer, &ours, &trust).await.unwrap_err();
        assert_eq!(refused.judgement.reason, reason);
        let told = &refused.judgement.message;
        assert!(
            !told.contains("hunter2") && !told.contains("wrong"),
            "{told}"
        );
    }
}
