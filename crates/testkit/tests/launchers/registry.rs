//! The registries: what is pushed is there, strangers stay out, and the one with a
//! referrers API has one.

use aion_testkit::{Registry, RegistryKind, or_skip};

use crate::artifact::Pusher;

#[test]
fn a_pushed_artifact_is_pulled_by_its_digest() {
    let Some(registry) = or_skip(Registry::start(RegistryKind::Anonymous)) else {
        return;
    };
    let pusher = Pusher::to(&registry);
    let digest = pusher.push("agents/librarian", "hello");
    let pulled = pusher.get(&format!("agents/librarian/manifests/{digest}"));
    assert_eq!(pulled.headers()["docker-content-digest"], digest.as_str());
    assert_eq!(pusher.get("agents/librarian/manifests/none").status(), 404);
}

#[test]
fn a_registry_with_accounts_lets_only_them_in() {
    let Some(registry) = or_skip(Registry::start(RegistryKind::Password)) else {
        return;
    };
    let pusher = Pusher::to(&registry);
    let digest = pusher.push("private", "secret");
    let path = format!("private/manifests/{digest}");
    assert_eq!(pusher.get(&path).status(), 200);
    assert_eq!(
        reqwest::blocking::get(pusher.url(&path)).unwrap().status(),
        401
    );
}

#[test]
fn only_the_referrers_registry_answers_the_referrers_api() {
    for (kind, status) in [
        (RegistryKind::Anonymous, 404),
        (RegistryKind::Referrers, 200),
    ] {
        let Some(registry) = or_skip(Registry::start(kind)) else {
            return;
        };
        let pusher = Pusher::to(&registry);
        let digest = pusher.push("agent", "hello");
        assert_eq!(
            pusher.get(&format!("agent/referrers/{digest}")).status(),
            status,
            "{kind:?}"
        );
    }
}
