//! Cosign signs and verifies offline, against every kind of registry.

use aion_testkit::{Cosign, Registry, RegistryKind, or_skip};

use crate::artifact::Pusher;

#[test]
fn cosign_is_of_the_version_that_the_tests_are_written_for() {
    let Some(cosign) = or_skip(Cosign::find()) else {
        return;
    };
    assert_eq!(
        cosign.version().unwrap(),
        aion_testkit::Component::Cosign.version()
    );
}

#[test]
fn a_signature_verifies_with_its_key_and_with_no_other() {
    let Some(cosign) = or_skip(Cosign::find()) else {
        return;
    };
    let ours = cosign.generate_key_pair("ours").unwrap();
    let theirs = cosign.generate_key_pair("theirs").unwrap();
    assert!(
        ours.public_pem()
            .unwrap()
            .starts_with("-----BEGIN PUBLIC KEY-----")
    );
    for kind in [
        RegistryKind::Anonymous,
        RegistryKind::Password,
        RegistryKind::Referrers,
    ] {
        let Some(registry) = or_skip(Registry::start(kind)) else {
            return;
        };
        let digest = Pusher::to(&registry).push("agent", "hello");
        let reference = format!("{}/agent@{digest}", registry.address());
        let login = registry.credentials();
        cosign
            .verify(&ours.public, &reference, login)
            .expect_err("it is not signed yet");
        cosign.sign(&ours.private, &reference, login).unwrap();
        cosign.verify(&ours.public, &reference, login).unwrap();
        cosign
            .verify(&theirs.public, &reference, login)
            .expect_err("it is another's key");
    }
}
