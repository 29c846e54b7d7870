//! Whom a node trusts and where it fetches, with somebody's key that is none and somebody's registry that says
//! nothing: neither takes anything from anybody else.

#![allow(clippy::unwrap_used)]

use std::{fs, net::TcpListener, os::unix::fs::PermissionsExt};

use aion_e2e::{
    cluster::BOUND,
    guest::{ENDLESS, SPEAKER, bundle},
    standalone::Standalone,
};
use aion_testkit::{PrivateSigstore, Registry, RegistryKind, Signing, or_skip, until};
use serde_json::{Value, json};

/// Applies them and, where it is said, waits so many seconds until they are ready.
fn apply(node: &Standalone, objects: &[Value], wait: Option<&str>) -> anyhow::Result<String> {
    let path = node.path("objects.yaml");
    let texts: Vec<String> = objects.iter().map(Value::to_string).collect();
    fs::write(&path, texts.join("\n---\n"))?;
    let path = path.to_string_lossy();
    match wait {
        Some(seconds) => node.aionctl(&["apply", "--wait", seconds, "-f", &path]),
        None => node.aionctl(&["apply", "-f", &path]),
    }
}

fn trusting(policy: &str, key: &str) -> Value {
    json!({
        "apiVersion": "aion.dev/v1alpha1", "kind": "TrustPolicy", "metadata": {"name": policy},
        "spec": {"inline": "allow", "keys": [{"name": policy, "publicKey": key}]},
    })
}

fn agent(namespace: &str, name: &str, spec: Value) -> Value {
    let metadata = json!({"name": name, "namespace": namespace});
    json!({"apiVersion": "aion.dev/v1alpha1", "kind": "Agent", "metadata": metadata, "spec": spec})
}

#[test]
fn a_key_that_cannot_be_used_stops_nothing_that_others_vouch_for() -> anyhow::Result<()> {
    let node = Standalone::start("keys")?.with_policies()?;
    let folder = bundle(&node, "speaker", &wat::parse_str(SPEAKER)?)?;
    let (digest, key) = node.sign(&folder)?;
    let program = json!({"runtime": "wasm", "bundle": {"name": "speaker", "digest": digest}});
    let speaker = agent("default", "speaker", program);
    apply(&node, &[trusting("mine", &key), speaker], Some("120"))?;

    // Neither one of a kind that is not verified nor one that is broken comes in by `apply`.
    let other = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA06XUMm5g9G02aWKJ4neibsiiPObXa6imkBCEo0s1jnk=\n-----END PUBLIC KEY-----\n";
    let broken = key.replace(key.lines().nth(2).unwrap(), "AAAA");
    for key in [other, &broken] {
        let refused = apply(&node, &[trusting("another-team", key)], None);
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("nothing was changed"), "{refused}");
    }
    // By hand it does.
    let by_hand = node.home().join("manifests/another-team.yaml");
    fs::write(by_hand, trusting("another-team", &broken).to_string())?;
    until_verified(&node, "the node to pass over the key", |verified| {
        let told = verified["message"].as_str().unwrap_or_default();
        verified["status"] == "True" && told.contains("`another-team`")
    })?;
    assert!(
        node.aionctl(&["ask", "speaker", "x"])?
            .contains("here I am")
    );
    Ok(())
}

/// What `Verified` says of the only agent.
fn verified(node: &Standalone) -> Result<Value, String> {
    let agents = node.list("agents").map_err(|error| error.to_string())?;
    let conditions = agents[0]["status"]["conditions"].as_array().cloned();
    let found = conditions
        .into_iter()
        .flatten()
        .find(|it| it["type"] == "Verified");
    found.ok_or_else(|| "no condition Verified".to_owned())
}

/// Waits until `Verified` is as it `is` to be.
fn until_verified(
    node: &Standalone,
    what: &str,
    is: impl Fn(&Value) -> bool,
) -> anyhow::Result<()> {
    until(what, BOUND, || {
        let verified = verified(node)?;
        match is(&verified) {
            true => Ok(()),
            false => Err(verified.to_string()),
        }
    })?;
    Ok(())
}

#[test]
fn a_key_that_is_revoked_lets_nothing_start_and_what_runs_ends_as_policy_says() -> anyhow::Result<()>
{
    let node = Standalone::start("revoked")?.with_policies()?;
    let folder = bundle(&node, "endless", &wat::parse_str(ENDLESS)?)?;
    let (digest, key) = node.sign(&folder)?;
    let program = json!({"runtime": "wasm", "bundle": {"name": "endless", "digest": digest}});
    let endless = agent("default", "endless", program);
    apply(&node, &[trusting("mine", &key), endless], Some("120"))?;
    let public = node.path("machine.pub");
    let told = node.aionctl(&[
        "bundle",
        "verify",
        &digest,
        "--key",
        &public.to_string_lossy(),
    ])?;
    let (_, fingerprint) = told.rsplit_once('(').unwrap();
    let fingerprint = fingerprint.trim().trim_end_matches(')').to_owned();
    let asked = std::thread::spawn(node.asking(&["ask", "endless", "x"]));
    until("the turn to run", BOUND, || {
        match node.workers().is_empty() {
            true => Err("no worker".to_owned()),
            false => Ok(()),
        }
    })?;

    let revoke = |on_revoked: &str| {
        let mut policy = trusting("mine", &key);
        policy["spec"]["revoked"] = json!({"keys": [fingerprint]});
        policy["spec"]["onRevoked"] = on_revoked.into();
        apply(&node, &[policy], None)
    };
    revoke("drain")?;
    until_verified(&node, "the key to be revoked", |verified| {
        verified["reason"] == "Revoked"
    })?;
    let refused = node.aionctl(&["ask", "endless", "y"]).unwrap_err();
    assert!(refused.to_string().contains("not ready"), "{refused}");
    assert!(!node.workers().is_empty(), "the turn that runs was ended");
    assert!(!asked.is_finished(), "the turn that runs was ended");

    revoke("kill")?;
    let ended = asked.join().unwrap().unwrap_err().to_string();
    assert!(ended.contains("let in no longer"), "{ended}");
    Ok(())
}

#[test]
fn a_registry_that_says_nothing_holds_up_nobody_elses_agents() -> anyhow::Result<()> {
    let mut node = Standalone::start("silence")?.with_policies()?;
    // It takes connections, and never answers.
    let silent = TcpListener::bind("127.0.0.1:0")?;
    let sources = format!("sources: [{{registry: '{}/x'}}]\n", silent.local_addr()?);
    fs::write(node.home().join("config/node.yaml"), sources)?;
    node.restart_daemon()?;
    let folder = bundle(&node, "speaker", &wat::parse_str(SPEAKER)?)?;
    let (_, key) = node.sign(&folder)?;
    let mut objects = vec![trusting("mine", &key)];
    objects.extend((0..40).map(|n| {
        let digest = format!("sha256:{n:064x}");
        let program = json!({"runtime": "wasm", "bundle": {"name": "far", "digest": digest}});
        agent("other", &format!("far-{n}"), program)
    }));
    apply(&node, &objects, None)?;
    silent.accept()?;
    let inline = json!({"instructions": "Be brief.", "withoutModel": "refuse"});
    let told = apply(&node, &[agent("default", "near", inline)], Some("60"))?;
    assert!(told.contains("near"), "{told}");
    Ok(())
}

#[test]
fn what_is_not_attested_is_not_let_in_and_both_tools_say_why() -> anyhow::Result<()> {
    let node = Standalone::start("attested")?.with_policies()?;
    let folder = bundle(&node, "speaker", &wat::parse_str(SPEAKER)?)?;
    let (digest, key) = node.sign(&folder)?;
    let plain = trusting("mine", &key);
    let mut wanting = plain.clone();
    wanting["spec"]["attestations"] = json!([
        {"name": "parts", "sbom": {"formats": ["spdx"]}},
        {"name": "elsewhere", "bundles": ["other/*"], "provenance": {"builders": ["https://ci.example/*"]}},
        {"name": "scanned", "vulnerabilities": {"maxAgeHours": 24, "maxSeverity": "low"}},
    ]);
    let written = |name: &str, policy: &Value| -> anyhow::Result<String> {
        let path = node.path(name);
        fs::write(&path, policy.to_string())?;
        Ok(path.to_string_lossy().into_owned())
    };
    let (alone, more) = (
        written("plain.yaml", &plain)?,
        written("more.yaml", &wanting)?,
    );
    let asked =
        |verb: &str, policy: &str| node.aionctl(&["bundle", verb, &digest, "--policy", policy]);
    let told = asked("inspect", &alone)?;
    assert!(told.contains("accepted: signed by key mine"), "{told}");
    asked("verify", &alone)?;
    for verb in ["inspect", "verify"] {
        let refused = asked(verb, &more).unwrap_err().to_string();
        let parts =
            "`parts` requires SBOM (SPDX), and none refers to it; attest it with `cosign attest";
        assert!(refused.contains(parts), "{refused}");
        assert!(refused.contains("`scanned` requires scan"), "{refused}");
        assert!(!refused.contains("elsewhere"), "{refused}");
    }

    let program = json!({"runtime": "wasm", "bundle": {"name": "speaker", "digest": digest}});
    apply(
        &node,
        &[wanting, agent("default", "speaker", program)],
        None,
    )?;
    until_verified(&node, "the agent to be refused", |verified| {
        verified["reason"] == "AttestationMissing"
    })?;
    apply(&node, &[plain], None)?;
    until_verified(&node, "the agent to be let in", |verified| {
        verified["status"] == "True"
    })?;
    Ok(())
}

/// The signer of a private Sigstore, and a policy that trusts who is called `subject` there.
fn trusting_whom(subject: &str, sigstore: &PrivateSigstore) -> anyhow::Result<Value> {
    let root = sigstore.trusted_root()?.to_string();
    Ok(json!({
        "apiVersion": "aion.dev/v1alpha1", "kind": "TrustPolicy", "metadata": {"name": "acme"},
        "spec": {
            "identities": [{"name": "ci", "issuer": "https://token.example", "subject": subject}],
            "trustRoot": {"inline": root},
            "attestations": [{"name": "parts", "sbom": {"formats": ["spdx"]}}],
        },
    }))
}

#[test]
fn who_signed_without_a_key_and_what_it_is_made_of_is_shown_as_a_node_judges_it()
-> anyhow::Result<()> {
    let Some(registry) = or_skip(Registry::start(RegistryKind::Referrers)) else {
        return Ok(());
    };
    let node = Standalone::start("keyless")?.with_policies()?;
    let folder = bundle(&node, "speaker", &wat::parse_str(SPEAKER)?)?;
    let digest = node.aionctl(&["bundle", "build", &folder.to_string_lossy(), "--quiet"])?;
    let digest = digest.trim();
    let sigstore = PrivateSigstore::new()?;
    let signing = Signing::by("https://token.example", "https://git.example/acme/release");
    let parts = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"digest": {"sha256": digest.trim_start_matches("sha256:")}}],
        "predicateType": "https://spdx.dev/Document",
        "predicate": {
            "spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT", "name": "speaker",
            "packages": [{"SPDXID": "SPDXRef-tz", "name": "tzdata", "versionInfo": "2026b"}],
        },
    });
    let written = |name: &str, content: &Value| -> anyhow::Result<String> {
        let path = node.path(name);
        fs::write(&path, content.to_string())?;
        Ok(path.to_string_lossy().into_owned())
    };
    let vouched = [
        sigstore.sign_artifact(digest, &signing)?,
        sigstore.sign(parts.to_string().as_bytes(), &signing)?,
    ];
    let kind = "application/vnd.dev.sigstore.bundle.v0.3+json";
    for signature in &vouched {
        let file = written("signature.json", signature)?;
        node.aionctl(&["bundle", "attach", digest, "--file", &file, "--type", kind])?;
    }
    let there = format!("{}/acme/speaker:0.1.0", registry.address());
    node.aionctl(&["bundle", "push", digest, &there, "--quiet"])?;

    let ours = trusting_whom("https://git.example/acme/*", &sigstore)?;
    let policy = written("ours.yaml", &ours)?;
    let told = node.aionctl(&["bundle", "inspect", &there, "--policy", &policy])?;
    for part in [
        "accepted: signed by identity ci",
        "https://git.example/acme/release",
        "tzdata",
        "2026b",
    ] {
        assert!(told.contains(part), "no {part} in {told}");
    }
    let others = trusting_whom("https://git.example/other/*", &sigstore)?;
    let policy = written("others.yaml", &others)?;
    let refused = node.aionctl(&["bundle", "inspect", &there, "--policy", &policy]);
    let refused = refused.unwrap_err().to_string();
    assert!(
        refused.contains("https://git.example/acme/release"),
        "{refused}"
    );

    let program = json!({"runtime": "wasm", "bundle": {"name": "speaker", "digest": digest}});
    apply(&node, &[others, agent("default", "speaker", program)], None)?;
    until_verified(&node, "the agent to be refused", |verified| {
        verified["reason"] == "UntrustedIdentity"
    })?;
    apply(&node, &[ours], None)?;
    until_verified(&node, "the agent to be let in", |verified| {
        let told = verified["message"].as_str().unwrap_or_default();
        verified["status"] == "True" && told.contains("https://git.example/acme/release")
    })?;
    Ok(())
}

/// A mirror that lists signatures itself and one that does not, before a registry that wants a password and alone has them.
#[test]
fn what_a_mirror_lacks_comes_from_the_next_place_once_the_pull_secret_for_it_is_there()
-> anyhow::Result<()> {
    for kind in [RegistryKind::Anonymous, RegistryKind::Referrers] {
        let Some(mirror) = or_skip(Registry::start(kind)) else {
            return Ok(());
        };
        let Some(origin) = or_skip(Registry::start(RegistryKind::Password)) else {
            return Ok(());
        };
        mirrored(&mirror, &origin)?;
    }
    Ok(())
}

fn mirrored(mirror: &Registry, origin: &Registry) -> anyhow::Result<()> {
    let mut node = Standalone::start("mirrored")?.with_policies()?;
    let folder = bundle(&node, "speaker", &wat::parse_str(SPEAKER)?)?;
    let account = origin.credentials().unwrap();
    let entry = json!({"username": account.user, "password": account.password});
    let config = json!({"auths": {origin.address(): entry}}).to_string();
    let login = node.path("login.json");
    fs::write(&login, &config)?;
    let push = |digest: &str, to: &Registry| {
        let to = format!("{}/agents/speaker:0.1.0", to.address());
        let login = login.to_string_lossy();
        node.aionctl(&["bundle", "push", digest, &to, "--docker-config", &login])
    };
    // The mirror took the bundle before it was signed.
    let unsigned = node.aionctl(&["bundle", "build", &folder.to_string_lossy(), "--quiet"])?;
    push(unsigned.trim(), mirror)?;
    let (digest, key) = node.sign(&folder)?;
    assert_eq!(unsigned.trim(), digest);
    push(&digest, origin)?;
    let places = [mirror, origin].map(|it| format!("{{registry: '{}/agents'}}", it.address()));
    let sources = format!("sources: [{}]\n", places.join(", "));
    fs::write(node.home().join("config/node.yaml"), sources)?;
    node.restart_daemon()?;

    let program = json!({
        "runtime": "wasm", "bundle": {"name": "speaker", "digest": digest}, "pullSecrets": ["origin.login"],
    });
    let objects = [trusting("mine", &key), agent("default", "speaker", program)];
    apply(&node, &objects, None)?;
    until_verified(&node, "the pull secret to be missed", |verified| {
        let told = verified["message"].as_str().unwrap_or_default();
        let both = ["pull secret origin.login", "refuses access"].map(|it| told.contains(it));
        verified["reason"] == "PullSecretUnusable" && both == [true, true]
    })?;
    let secret = node.home().join("config/secrets/origin.login");
    fs::create_dir_all(&secret)?;
    let secret = secret.join(".dockerconfigjson");
    let beside = node.path("written.json");
    fs::write(&beside, &config)?;
    fs::set_permissions(&beside, fs::Permissions::from_mode(0o600))?;
    fs::rename(&beside, &secret)?;
    until_verified(&node, "the agent to be let in", |verified| {
        verified["reason"] == "Signed"
    })?;
    until("the agent to answer", BOUND, || {
        let answer = node.aionctl(&["ask", "speaker", "x"]);
        let answer = answer.map_err(|error| error.to_string())?;
        match answer.contains("here I am") {
            true => Ok(()),
            false => Err(answer),
        }
    })?;
    Ok(())
}
