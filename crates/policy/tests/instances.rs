//! Rights of instances: authorised here and lowered into the kernel, with the same answer.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::collections::BTreeMap;

use aion_api::program::BundleRef;
use aion_api::{AgentInstance, OnRevoked, TrustPolicy};
use aion_policy::{Capability, Decision, LowerError, authorise, lower, trust};
use serde_json::{Value, json};

fn instance(uid: &str, grants: Value) -> AgentInstance {
    serde_json::from_value(json!({
        "apiVersion": "aion.dev/v1alpha1", "kind": "AgentInstance",
        "metadata": {"name": "a-0", "namespace": "home", "uid": uid},
        "spec": {
            "agent": {"name": "a", "uid": "u"}, "tenant": "home", "nodeName": "n", "revision": "r", "lane": "batch",
            "inline": {"instructions": "x"}, "grants": grants,
            "sandbox": {"require": ["seccomp", "cgroup-memory"]},
            "quotas": {"tokensPerHour": 10, "callsPerMinute": 20, "concurrentCalls": 3, "tenantTokensPerHour": 7},
            "limits": {"maxSteps": 1, "turnSeconds": 30, "memoryMiB": 64, "cpuMillis": 100},
        },
    }))
    .unwrap()
}

const UID: &str = "0190163d-8694-739b-aea5-966c26f8ad91";

#[test]
fn what_is_not_granted_is_denied() {
    let instance = instance(
        UID,
        json!([
            {"capability": "tool.call:calendar.read"},
            {"capability": "tool.call:mail.send", "effect": "ask"},
            {"capability": "fs.read:notes"},
            {"capability": "agent.message"},
        ]),
    );
    let check = |right: &str, expect: Decision| {
        assert_eq!(
            authorise(&instance.spec, &Capability::parse(right).unwrap()),
            expect,
            "{right}"
        );
    };
    check("calendar.read", Decision::Allow);
    check("calendar.write", Decision::Deny);
    check("mail.send", Decision::Ask);
    check("fs.read:notes", Decision::Allow);
    check("fs.read:other", Decision::Deny);
    check("fs.write:notes", Decision::Deny);
    check("agent.message", Decision::Allow);
    check("memory.recall:p", Decision::Deny);
}

#[test]
fn an_instance_is_lowered_with_all_it_was_given() {
    let lowered = lower(&instance(
        UID,
        json!([{"capability": "fs.read:notes"}, {"capability": "mail.send", "effect": "ask"}]),
    ));
    let spec = lowered.unwrap();
    assert_eq!(spec.uid.to_string(), UID);
    assert_eq!(spec.profile.tenant.as_str(), "home");
    assert_eq!(spec.profile.lane, aion_kernel::Lane::Batch);
    assert_eq!(spec.profile.max_turn_seconds, 30);
    assert_eq!(spec.profile.quota.tokens_per_hour, Some(10));
    assert_eq!(spec.profile.quota.concurrency, Some(3));
    let layers: Vec<_> = spec
        .profile
        .required_layers
        .iter()
        .map(|l| l.as_str().to_owned())
        .collect();
    assert_eq!(layers, ["seccomp", "cgroup-memory"]);
    assert_eq!(spec.profile.grants.len(), 2);
    assert_eq!(
        spec.profile.grants[0].target,
        aion_kernel::TargetPattern::Exact("notes".into())
    );
    assert_eq!(spec.profile.grants[1].kind, aion_kernel::Kind::ToolCall);
    assert_eq!(spec.profile.grants[1].verdict, aion_kernel::Verdict::Ask);
}

#[test]
fn an_instance_that_cannot_be_lowered_whole_is_refused() {
    assert!(matches!(
        lower(&instance("no-uuid", json!([]))),
        Err(LowerError::Uid { .. })
    ));
    let unknown = lower(&instance(UID, json!([{"capability": "device.open:door"}]))).unwrap_err();
    assert!(
        matches!(unknown, LowerError::UnknownSyscall { .. }),
        "{unknown}"
    );
}

#[test]
fn a_number_that_cannot_be_is_refused_and_named() {
    let check = |set: fn(&mut aion_api::AgentInstanceSpec), field: &str| {
        let mut instance = instance(UID, json!([]));
        set(&mut instance.spec);
        let error = lower(&instance).unwrap_err();
        assert!(matches!(error, LowerError::TooSmall { .. }), "{error}");
        assert!(error.to_string().contains(field), "{error}");
    };
    check(
        |spec| spec.limits.turn_seconds = 0,
        "limits.turnSeconds is 0",
    );
    check(|spec| spec.limits.output_mib = -1, "limits.outputMiB is -1");
    check(|spec| spec.limits.tmp_mib = Some(0), "limits.tmpMiB is 0");
    check(|spec| spec.limits.pids = Some(0), "limits.pids is 0");
    check(
        |spec| spec.quotas.tokens_per_hour = -1,
        "quotas.tokensPerHour",
    );
    check(
        |spec| spec.quotas.tenant_calls_per_minute = Some(-1),
        "quotas.tenantCallsPerMinute",
    );
    check(
        |spec| spec.tools = vec![aion_api::ResolvedTool::default()],
        "tools[0].maxConcurrent",
    );
}

fn trust_policy(name: &str, spec: Value) -> TrustPolicy {
    serde_json::from_value(json!({
        "apiVersion": "aion.dev/v1alpha1", "kind": "TrustPolicy", "metadata": {"name": name}, "spec": spec,
    }))
    .unwrap()
}

#[test]
fn a_key_vouches_for_what_it_is_trusted_for_only() {
    let digest = |c: &str| format!("sha256:{}", c.repeat(64));
    let bundle = |name: &str, c: &str| BundleRef {
        name: name.into(),
        digest: digest(c),
    };
    let policies = [
        trust_policy(
            "local",
            json!({"keys": [
                {"name": "machine", "publicKey": "k", "purpose": "machine", "digests": [digest("a")]},
                {"name": "careless", "publicKey": "k", "purpose": "machine"},
            ]}),
        ),
        trust_policy(
            "release",
            json!({"inline": "allow", "keys": [
                {"name": "team", "publicKey": "k", "bundles": ["team/*"]},
                {"name": "any", "publicKey": "k"},
            ]}),
        ),
        trust_policy(
            "elsewhere",
            json!({"keys": [{"name": "other", "publicKey": "k"}],
            "namespaceSelector": {"matchLabels": {"zone": "other"}}}),
        ),
    ];
    let trusted = trust(&policies, &BTreeMap::new());
    assert_eq!(trusted.policies, ["local", "release"]);
    assert!(trusted.inline);
    let check = |name: &str, c: &str, signers: Option<&[String]>, expect: &[&str]| {
        let bundle = bundle(name, c);
        let names: Vec<_> = trusted
            .keys_for(&bundle, signers)
            .into_iter()
            .map(|key| key.name.as_str())
            .collect();
        assert_eq!(names, expect, "{name} {c}");
    };
    check("librarian", "a", None, &["machine", "any"]);
    check("librarian", "b", None, &["any"]);
    check("team/x", "b", None, &["team", "any"]);
    check("team/x", "b", Some(&["team".to_owned()]), &["team"]);
    check("team/x", "b", Some(&[]), &[]);
    assert!(
        !trust(&policies[..1], &BTreeMap::new()).inline,
        "inline is refused unless a policy allows it"
    );
    assert!(trust([], &BTreeMap::new()).keys.is_empty());
}

#[test]
fn an_identity_vouches_for_what_it_is_trusted_for_only_and_by_the_trust_root_of_its_policy() {
    let bundle = |name: &str| BundleRef {
        name: name.into(),
        digest: format!("sha256:{}", "a".repeat(64)),
    };
    let identity = |name: &str, bundles: &[&str]| json!({"name": name, "issuer": "https://a", "subject": "me@a", "bundles": bundles});
    let policies = [
        trust_policy(
            "public",
            json!({"trustRoot": {"named": "public"}, "identities": [identity("team", &["team/*"]), identity("any", &[])]}),
        ),
        trust_policy(
            "own",
            json!({"trustRoot": {"inline": "{}"}, "identities": [identity("ours", &["ours"])]}),
        ),
        trust_policy("rootless", json!({"identities": [identity("nobody", &[])]})),
    ];
    let trusted = trust(&policies, &BTreeMap::new());
    let check = |name: &str, signers: Option<&[String]>, expect: &[(&str, &str)]| {
        let known = trusted.keyless_for(&bundle(name), signers);
        let names: Vec<_> = known
            .iter()
            .flat_map(|it| it.identities.iter().map(|of| (&*it.policy, &*of.name)))
            .collect();
        assert_eq!(names, expect, "{name}");
        assert_eq!(
            trusted.knows_signer(&bundle(name), signers),
            !expect.is_empty()
        );
    };
    check("ours", None, &[("own", "ours"), ("public", "any")]);
    check("team/x", None, &[("public", "team"), ("public", "any")]);
    check("team/x", Some(&["team".to_owned()]), &[("public", "team")]);
    check("team/x", Some(&["nobody".to_owned()]), &[]);
    check("else", Some(&[]), &[]);
}

#[test]
fn what_any_policy_wants_attested_has_to_be_and_of_the_bundles_that_it_names() {
    let sbom = |name: &str, bundles: &[&str]| json!({"attestations": [{"name": name, "bundles": bundles, "sbom": {}}]});
    let policies = [
        trust_policy("b", sbom("all", &[])),
        trust_policy("a", sbom("team", &["team/*"])),
    ];
    let trusted = trust(&policies, &BTreeMap::new());
    let check = |name: &str, expect: &[&str]| {
        let bundle = BundleRef {
            name: name.into(),
            digest: format!("sha256:{}", "a".repeat(64)),
        };
        let required = trusted.attestations_for(&bundle);
        let names: Vec<_> = required.iter().map(|it| &*it.name).collect();
        assert_eq!(names, expect);
    };
    check("team/x", &["team", "all"]);
    check("else", &["all"]);
}

#[test]
fn what_any_policy_revokes_is_revoked_and_the_harder_of_two_ends_counts() {
    let digest = |c: &str| format!("sha256:{}", c.repeat(64));
    let revoking = |name: &str, c: &str, on_revoked: &str| {
        let spec = json!({"revoked": {"digests": [digest(c)]}, "onRevoked": on_revoked});
        trust_policy(name, spec)
    };
    let idle = trust_policy("idle", json!({"onRevoked": "kill"}));
    let check = |policies: &[TrustPolicy], digests: &[&str], expect: OnRevoked| {
        let trusted = trust(policies, &BTreeMap::new());
        let digests: Vec<_> = digests.iter().map(|c| digest(c)).collect();
        assert_eq!(trusted.revoked.digests, digests);
        assert_eq!(trusted.on_revoked, expect);
    };
    let (drain, kill) = (revoking("a", "a", "drain"), revoking("b", "b", "kill"));
    check(&[idle.clone(), drain.clone()], &["a"], OnRevoked::Drain);
    check(&[drain, kill], &["a", "b"], OnRevoked::Kill);
    check(&[idle], &[], OnRevoked::Kill);
}
