//! What a profile becomes.

#![allow(clippy::unwrap_used)]
use super::*;
use aion_profiles::BUILT_IN_SECCOMP as DEFAULT;

const ARCH: TargetArch = TargetArch::x86_64;

fn calls(filter: &Value) -> Vec<String> {
    let rules = filter["filter"].as_array().unwrap();
    rules
        .iter()
        .map(|rule| rule["syscall"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn the_built_in_profile_becomes_programs_for_every_processor() {
    for arch in [TargetArch::x86_64, TargetArch::aarch64] {
        let filters = translate(DEFAULT, arch, &Whose::of(Role::Declarative, false)).unwrap();
        assert_eq!(filters.len(), 2);
        for filter in filters {
            assert!(compile_one(filter, arch).unwrap().len() > 10);
        }
    }
    let filters = Filters::compile(DEFAULT).unwrap();
    assert_eq!(filters.of(Role::Declarative, false, &[]).unwrap().len(), 2);
    assert_eq!(filters.of(Role::Compile, false, &[]).unwrap().len(), 2);
    // One more for what answers otherwise than the rest.
    assert_eq!(filters.of(Role::Wasm, false, &[]).unwrap().len(), 3);
}

#[test]
fn every_name_of_the_built_in_profile_is_a_call_somewhere() {
    let profile: Profile = serde_json::from_str(DEFAULT).unwrap();
    for group in profile.syscalls {
        for name in group.names {
            assert!(is_known(&name, ARCH), "{name}");
        }
    }
}

#[test]
fn an_allow_list_passes_its_calls_and_gives_the_rest_the_default() {
    let text = r#"{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38, "syscalls": [
            {"names": ["read", "write"], "action": "SCMP_ACT_ALLOW"}]}"#;
    let filters = translate(text, ARCH, &Whose::of(Role::Declarative, false)).unwrap();
    assert_eq!(filters.len(), 1);
    assert_eq!(filters[0]["mismatch_action"], json!({"errno": 38}));
    assert_eq!(filters[0]["match_action"], json!("allow"));
    assert_eq!(calls(&filters[0]), ["read", "write"]);
}

#[test]
fn a_stricter_action_is_a_program_of_its_own() {
    let text = r#"{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
            {"names": ["read"], "action": "SCMP_ACT_ALLOW"},
            {"names": ["ptrace"], "action": "SCMP_ACT_KILL_PROCESS"},
            {"names": ["write"], "action": "SCMP_ACT_LOG"}]}"#;
    let filters = translate(text, ARCH, &Whose::of(Role::Declarative, false)).unwrap();
    assert_eq!(filters.len(), 3);
    assert_eq!(filters[0]["match_action"], json!("log"));
    assert_eq!(calls(&filters[0]), ["write"]);
    assert_eq!(filters[1]["match_action"], json!("kill_process"));
    assert_eq!(filters[1]["mismatch_action"], json!("allow"));
    assert_eq!(calls(&filters[1]), ["ptrace"]);
    assert_eq!(calls(&filters[2]), ["read", "write"]);
}

#[test]
fn arguments_of_one_group_hold_together_and_groups_are_alternatives() {
    let text = r#"{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
            {"names": ["fcntl"], "action": "SCMP_ACT_ALLOW", "args": [
                {"index": 1, "value": 1, "op": "SCMP_CMP_GE"},
                {"index": 1, "value": 4, "op": "SCMP_CMP_LE"}]},
            {"names": ["fcntl"], "action": "SCMP_ACT_ALLOW", "args": [
                {"index": 1, "value": 4, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}]}]}"#;
    let filters = translate(text, ARCH, &Whose::of(Role::Declarative, false)).unwrap();
    let rules = filters[0]["filter"].as_array().unwrap();
    assert_eq!(rules.len(), 2);
    assert_eq!(rules[0]["args"].as_array().unwrap().len(), 2);
    assert_eq!(rules[1]["args"][0]["op"], json!({"masked_eq": 4}));
    assert_eq!(rules[1]["args"][0]["val"], json!(0));
}

#[test]
fn a_call_allowed_always_stays_so_beside_a_narrower_rule() {
    let narrow = r#"{"names": ["mmap"], "action": "SCMP_ACT_ALLOW",
            "args": [{"index": 2, "value": 1, "op": "SCMP_CMP_EQ"}]}"#;
    let always = r#"{"names": ["mmap"], "action": "SCMP_ACT_ALLOW"}"#;
    for (first, second) in [(narrow, always), (always, narrow)] {
        let text =
            format!(r#"{{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{first}, {second}]}}"#);
        let filters = translate(&text, ARCH, &Whose::of(Role::Declarative, false)).unwrap();
        assert_eq!(filters[0]["filter"], json!([{"syscall": "mmap"}]));
    }
}

#[test]
fn groups_for_other_processors_and_for_capabilities_are_passed_over() {
    let text = r#"{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
            {"names": ["read"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["amd64"]}},
            {"names": ["write"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["s390x"]}},
            {"names": ["mount"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]}},
            {"names": ["close"], "action": "SCMP_ACT_ALLOW", "excludes": {"arches": ["amd64"]}},
            {"names": ["s390_runtime_instr"], "action": "SCMP_ACT_ALLOW"}]}"#;
    assert_eq!(
        calls(&translate(text, ARCH, &Whose::of(Role::Declarative, false)).unwrap()[0]),
        ["read"]
    );
}

#[test]
fn what_cannot_be_kept_is_refused_and_not_left_out() {
    let with = |rule: &str| {
        let text = format!(r#"{{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{rule}]}}"#);
        translate(&text, ARCH, &Whose::of(Role::Declarative, false))
    };
    assert!(matches!(
        with(r#"{"names": ["read"], "action": "SCMP_ACT_NOTIFY"}"#),
        Err(BadProfile::Action(_))
    ));
    assert!(matches!(
        with(
            r#"{"names": ["read"], "action": "SCMP_ACT_ALLOW"},
                   {"names": ["read"], "action": "SCMP_ACT_KILL_PROCESS"}"#
        ),
        Err(BadProfile::Ambiguous(_))
    ));
    assert!(matches!(
        translate(
            r#"{"defaultAction": "SCMP_ACT_ALLOW"}"#,
            ARCH,
            &Whose::of(Role::Declarative, false)
        ),
        Err(BadProfile::Open)
    ));
    assert!(matches!(
        translate("[]", ARCH, &Whose::of(Role::Declarative, false)),
        Err(BadProfile::Format(_))
    ));
}

#[test]
fn a_group_for_one_runtime_is_passed_over_for_the_others() {
    let text = r#"{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
            {"names": ["read"], "action": "SCMP_ACT_ALLOW"},
            {"names": ["setitimer"], "action": "SCMP_ACT_ALLOW", "includes": {"runtimes": ["wasm"]}},
            {"names": ["write"], "action": "SCMP_ACT_ALLOW", "excludes": {"runtimes": ["wasm"]}}]}"#;
    let of = |whose: &Whose| calls(&translate(text, ARCH, whose).unwrap()[0]);
    assert_eq!(of(&Whose::of(Role::Wasm, false)), ["read", "setitimer"]);
    assert_eq!(of(&Whose::of(Role::Declarative, false)), ["read", "write"]);
    assert_eq!(of(&Whose::of(Role::Compile, false)), ["read", "write"]);
}

#[test]
fn an_error_of_its_own_is_not_hidden_by_the_default() {
    let text = r#"{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
            {"names": ["read"], "action": "SCMP_ACT_ALLOW"},
            {"names": ["memfd_create"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}]}"#;
    let filters = translate(text, ARCH, &Whose::of(Role::Wasm, false)).unwrap();
    assert_eq!(filters.len(), 2);
    assert_eq!(calls(&filters[0]), ["memfd_create"]);
    assert_eq!(filters[0]["match_action"], json!({"errno": 38}));
    assert_eq!(calls(&filters[1]), ["read", "memfd_create"]);
}

#[test]
fn a_tool_reaches_no_socket_that_has_a_name() {
    let of = |whose: &Whose| {
        let filters = translate(DEFAULT, ARCH, whose).unwrap();
        filters.last().unwrap().clone()
    };
    let named = ["accept", "accept4", "bind", "connect", "listen", "socket"];
    let allowed = calls(&of(&Whose::of(Role::Tool, false)));
    for name in named {
        assert!(!allowed.iter().any(|it| it == name), "{name}");
    }
    let allowed = calls(&of(&Whose::of(Role::Declarative, false)));
    for name in ["connect", "socket"] {
        assert!(allowed.iter().any(|it| it == name), "{name}");
    }
    // Of pairs only those that nothing can be sent from to anybody else.
    let tool = of(&Whose::of(Role::Tool, false));
    let rules = tool["filter"].as_array().unwrap();
    let pairs: Vec<_> = rules
        .iter()
        .filter(|rule| rule["syscall"] == "socketpair")
        .collect();
    assert_eq!(pairs.len(), 1);
    assert_eq!(pairs[0]["args"][1]["op"], json!({"masked_eq": 15}));
    assert_eq!(pairs[0]["args"][1]["val"], json!(libc::SOCK_STREAM));
}

#[test]
fn a_network_adds_tcp_and_udp_and_takes_nothing_away() {
    let of = |network| {
        let filters = translate(DEFAULT, ARCH, &Whose::of(Role::Process, network)).unwrap();
        let mut rules = filters.last().unwrap()["filter"]
            .as_array()
            .unwrap()
            .clone();
        rules.sort_by_key(Value::to_string);
        rules
    };
    let (without, with) = (of(false), of(true));
    let more: Vec<_> = with.iter().filter(|rule| !without.contains(rule)).collect();
    assert!(without.iter().all(|rule| with.contains(rule)));
    assert_eq!(more.len(), 4);
    assert!(
        more.iter()
            .all(|rule| rule["syscall"] == "socket" && rule["args"].as_array().unwrap().len() == 3)
    );
    for role in [Role::Declarative, Role::Wasm, Role::Tool, Role::Compile] {
        let filters = Filters::compile(DEFAULT).unwrap();
        assert_eq!(
            filters.of(role, true, &[]).unwrap(),
            filters.of(role, false, &[]).unwrap(),
            "{role:?}"
        );
    }
}

#[test]
fn a_stricter_variant_leaves_threads_or_not_even_these() {
    let clone = |variants: &[&str]| {
        let mut whose = Whose::of(Role::Process, false);
        whose
            .variants
            .extend(variants.iter().map(|it| (*it).to_owned()));
        let filters = translate(DEFAULT, ARCH, &whose).unwrap();
        let rules = filters.last().unwrap()["filter"]
            .as_array()
            .unwrap()
            .clone();
        let of = |name: &str| {
            rules
                .iter()
                .filter(|it| it["syscall"] == name)
                .cloned()
                .collect::<Vec<_>>()
        };
        (of("clone"), of("fork").len() + of("vfork").len())
    };
    let (rules, forks) = clone(&[]);
    assert_eq!((rules.len(), forks), (1, 2));
    assert_eq!(rules[0]["args"][0]["val"], 0);
    let (rules, forks) = clone(&["no-processes"]);
    assert_eq!((rules.len(), forks), (1, 0));
    assert_eq!(rules[0]["args"][0]["val"], libc::CLONE_THREAD);
    for both in [&["no-threads"][..], &["no-processes", "no-threads"]] {
        assert_eq!(clone(both), (Vec::new(), 0));
    }
}

#[test]
fn a_variant_that_there_is_not_is_refused_with_those_there_are() {
    let filters = Filters::compile(DEFAULT).unwrap();
    let why = filters
        .of(Role::Process, false, &["nothing".to_owned()])
        .unwrap_err();
    assert!(
        why.contains("nothing") && why.contains("no-processes, no-threads"),
        "{why}"
    );
    let strict = filters
        .of(Role::Process, false, &["no-threads".to_owned()])
        .unwrap();
    assert_ne!(strict, filters.of(Role::Process, false, &[]).unwrap());
}
