//! What becomes of what runs where its signatures count no more, and the look for others fails, in whatever way.

use super::*;

/// Ways of failing, and what each is told by.
fn failing(machine: &Machine) -> Vec<(Preparer, &'static str)> {
    let from = |bundles: &str, place| {
        let rule = SourceRule {
            bundles: bundles.parse().unwrap(),
            place,
        };
        let sources = Sources {
            sources: vec![rule],
            ..Sources::default()
        };
        machine.fetching(Fetcher::new(
            sources,
            false,
            Arc::new(HeldSecrets::default()),
        ))
    };
    // The same bundle, from which its signature was taken.
    let unsigned = Layout::create(machine.at.path().join("unsigned")).unwrap();
    build(&machine.at.path().join("source/quick/a"), &unsigned).unwrap();
    let unsigned = Place::Layout(unsigned.root().to_owned());
    let nobody = || Place::Registry("127.0.0.1:1/x".to_owned());
    vec![
        (from("other/*", nobody()), "no source is configured"),
        (from("*", nobody()), "pull secret regcred of home"),
        (from("*", unsigned), "no signature refers to it"),
    ]
}

/// A bundle that was let in, by an agent that names a pull secret which is not there.
async fn let_in(machine: &Machine) -> AgentInstance {
    let digest = machine.bundle("quick/a").await.digest.to_string();
    let mut instance = instance("home", "quick/a", &digest);
    instance.spec.pull_secrets = vec!["regcred".to_owned()];
    let preparer = machine.preparer(None);
    prepared(&preparer, &instance, &machine.trust(&[]))
        .await
        .unwrap();
    instance
}

#[tokio::test]
async fn what_is_revoked_ends_as_policy_says_whatever_fails_in_the_look_for_another_signature() {
    let machine = Machine::new();
    let instance = let_in(&machine).await;
    for (preparer, told) in failing(&machine) {
        for (on_revoked, before) in [
            (OnRevoked::Kill, Before::Ends),
            (OnRevoked::Drain, Before::Drains),
        ] {
            let trust = Trust {
                revoked: aion_api::Revoked {
                    keys: vec![machine.key.fingerprint().to_string()],
                    ..aion_api::Revoked::default()
                },
                on_revoked,
                ..machine.trust(&[])
            };
            let refused = prepared(&preparer, &instance, &trust).await.unwrap_err();
            let message = &refused.judgement.message;
            assert_eq!(refused.judgement.reason, reason::REVOKED, "{message}");
            assert_eq!(refused.before, before, "{message}");
            assert!(message.contains(told), "{told}: {message}");
        }
    }
}

#[tokio::test]
async fn what_nobody_vouches_for_any_more_ends_whatever_fails_in_the_look_for_another_signature() {
    let machine = Machine::new();
    let instance = let_in(&machine).await;
    let mut trust = machine.trust(&[]);
    trust.keys[0].public_key = SigningKey::generate().unwrap().public_pem();
    trust.on_revoked = OnRevoked::Drain;
    for (preparer, told) in failing(&machine) {
        let refused = prepared(&preparer, &instance, &trust).await.unwrap_err();
        let Judgement {
            reason, message, ..
        } = &refused.judgement;
        // What was looked at anew is judged by what it is now.
        let expect = match told {
            "no signature refers to it" => reason::UNSIGNED,
            _ => reason::UNTRUSTED_KEY,
        };
        assert_eq!(*reason, expect, "{message}");
        assert_eq!(refused.before, Before::Ends, "{message}");
        assert!(message.contains(told), "{told}: {message}");
    }
}
