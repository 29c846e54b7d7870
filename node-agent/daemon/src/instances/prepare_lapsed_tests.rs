//! What becomes of what runs where its signatures count no more, and the look for others fails, in whatever way.

use super::*;
use crate::instances::fetch::InTurn;

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

/// All turns of `home` at the place of `quick/a`, for this errand.
async fn turns(preparer: &Preparer, errand: Errand) -> Vec<InTurn> {
    let (name, tenant) = ("quick/a".parse().unwrap(), "home".into());
    let mut held = Vec::new();
    for _ in 0..FOR_A_TENANT {
        held.push(preparer.fetcher.turn(&name, &tenant, errand).await);
    }
    held
}

/// A bundle that was let in by a key that is trusted no more, and that another, which is, has signed since.
async fn signed_anew(machine: &Machine) -> (AgentInstance, Trust) {
    let instance = let_in(machine).await;
    let other = SigningKey::generate().unwrap();
    let digest = instance.spec.bundle.as_ref().unwrap().digest.parse();
    let digest = digest.unwrap();
    let signature = other.sign(&digest).unwrap();
    let now = k8s_openapi::jiff::Timestamp::UNIX_EPOCH;
    let attached = attach(&machine.layout, &digest, &signature, now).await;
    attached.unwrap();
    let mut trust = machine.trust(&[]);
    trust.keys[0].public_key = other.public_pem();
    (instance, trust)
}

#[tokio::test(start_paused = true)]
async fn others_that_are_slow_take_nothing_from_the_look_for_another_signature() {
    let machine = Machine::new();
    let (instance, trust) = signed_anew(&machine).await;
    let preparer = machine.preparer(None);
    // It waits for no bundle that is fetched, and of the looks before it as long as each of them takes.
    let _fetching = turns(&preparer, Errand::Bundle).await;
    let looking = turns(&preparer, Errand::Signature).await;
    let others = async {
        tokio::time::sleep(Duration::from_secs(90)).await;
        drop(looking);
    };
    let (judged, ()) = tokio::join!(prepared(&preparer, &instance, &trust), others);
    assert_eq!(judged.unwrap().reason, reason::SIGNED);
}

#[tokio::test(start_paused = true)]
async fn who_is_trusted_no_more_waits_for_no_turn_for_long() {
    let machine = Machine::new();
    let (instance, trust) = signed_anew(&machine).await;
    let preparer = machine.preparer(None);
    let looking = turns(&preparer, Errand::Signature).await;
    let begun = tokio::time::Instant::now();
    let refused = prepared(&preparer, &instance, &trust).await.unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(180));
    let Judgement {
        reason, message, ..
    } = &refused.judgement;
    assert_eq!(*reason, reason::UNTRUSTED_KEY, "{message}");
    assert!(
        message.contains("other bundles were looked for"),
        "{message}"
    );
    assert!(refused.passing);
    assert_eq!(refused.before, Before::Ends);
    // What is revoked is told before it waits.
    let mut trust = machine.trust(&[]);
    trust.revoked.keys = vec![machine.key.fingerprint().to_string()];
    let told = parking_lot::Mutex::new(None);
    let meanwhile = |it| *told.lock() = Some(it);
    let preparing = preparer.prepare(&instance, &trust, meanwhile);
    assert!(timeout(Duration::from_secs(1), preparing).await.is_err());
    assert!(matches!(told.into_inner(), Some(Meanwhile::Revoked(..))));
    drop(looking);
}

/// A registry that takes connections and says nothing, before the places that are named.
async fn behind_a_silent_one(machine: &Machine, more: Vec<Place>) -> (Preparer, TcpListener) {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let silent_one = Place::Registry(format!("127.0.0.1:{port}/x"));
    let rules = [vec![silent_one], more].concat().into_iter();
    let rules = rules.map(|place| SourceRule {
        bundles: "*".parse().unwrap(),
        place,
    });
    let sources = Sources {
        sources: rules.collect(),
        ..Sources::default()
    };
    let secrets = HeldSecrets::default();
    let fetcher = Fetcher::new(sources, false, Arc::new(secrets));
    (machine.fetching(fetcher), silent)
}

#[tokio::test(start_paused = true)]
async fn a_place_that_is_silent_keeps_what_nobody_vouches_for_no_longer_than_the_look_has() {
    let machine = Machine::new();
    let (mut instance, trust) = signed_anew(&machine).await;
    instance.spec.pull_secrets.clear();
    let (preparer, _silent) = behind_a_silent_one(&machine, Vec::new()).await;
    let begun = tokio::time::Instant::now();
    let refused = prepared(&preparer, &instance, &trust).await.unwrap_err();
    assert!(
        begun.elapsed() <= Duration::from_secs(61),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(refused.judgement.reason, reason::UNTRUSTED_KEY);
    assert!(refused.passing);
    assert_eq!(refused.before, Before::Ends);
}

#[tokio::test(start_paused = true)]
async fn a_place_that_is_silent_leaves_the_others_their_share_of_the_look() {
    let machine = Machine::new();
    let (mut instance, trust) = signed_anew(&machine).await;
    instance.spec.pull_secrets.clear();
    let origin = Place::Layout(machine.layout.root().to_owned());
    let (preparer, _silent) = behind_a_silent_one(&machine, vec![origin]).await;
    let judged = prepared(&preparer, &instance, &trust).await;
    assert_eq!(judged.unwrap().reason, reason::SIGNED);
}
