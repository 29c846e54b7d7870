//! What the kernel is told of the body of a syscall.
#![allow(clippy::unwrap_used)]

use aion_api::AgentInstanceSpec;

use serde_json::json;

use super::*;

fn read(syscall: Syscall, body: &serde_json::Value) -> Result<Lowered, Problem> {
    let instance = Instance::of("a-0", AgentInstanceSpec::default());
    Lowered::read(syscall, body.to_string().as_bytes(), &instance)
}

#[test]
fn texts_are_for_the_one_model_that_makes_vectors() {
    let model = json!({
        "endpoints": [{"endpoint": "local", "model": "qwen3", "maxConcurrent": 1, "timeoutSeconds": 60}],
        "embedding": {"endpoint": "near", "model": "nomic", "maxConcurrent": 1, "timeoutSeconds": 7},
    });
    let has = Instance::of(
        "a-0",
        AgentInstanceSpec {
            model: Some(serde_json::from_value(model).unwrap()),
            ..AgentInstanceSpec::default()
        },
    );
    let read = |body: serde_json::Value| {
        Lowered::read(Syscall::ModelEmbed, body.to_string().as_bytes(), &has)
    };
    for named in [json!(null), json!("near"), json!("near/nomic")] {
        let lowered = read(json!({"texts": ["a", "b"], "model": named})).unwrap();
        assert_eq!(lowered.target.unwrap().as_str(), "near");
        assert_eq!(lowered.deadline_ms, Some(7000));
        assert!(lowered.reserve_tokens > 0);
    }
    for (body, said) in [
        (json!({"texts": []}), "texts: there are 0"),
        (
            json!({"texts": vec!["x"; MAX_TEXTS + 1]}),
            "must be 1 to 256",
        ),
        (json!({"texts": ["a", ""]}), "texts[1]: it is empty"),
        (
            json!({"texts": ["a"], "dimensions": 0}),
            "dimensions: it must be",
        ),
        (
            json!({"texts": ["a"], "dimensions": 8193}),
            "dimensions: it must be",
        ),
        (
            json!({"texts": ["a"], "model": "local/qwen3"}),
            "no model local/qwen3",
        ),
    ] {
        let problem = read(body).unwrap_err();
        assert!(problem.detail.contains(said), "{problem}");
    }
    let none = Instance::of("b-0", AgentInstanceSpec::default());
    let problem = Lowered::read(Syscall::ModelEmbed, br#"{"texts": ["a"]}"#, &none).unwrap_err();
    assert!(problem.remedy.contains("spec.model.embedding"), "{problem}");
}

#[test]
fn a_name_that_is_longer_than_a_name_can_be_is_a_bad_request() {
    let (mount, tool) = ("m".repeat(63), format!("t.{}", "o".repeat(190)));
    let all = |mount: &str, tool: &str| {
        [
            (
                Syscall::FsRead,
                json!({"mount": mount, "path": "a", "length": 1}),
            ),
            (
                Syscall::FsWrite,
                json!({"mount": mount, "path": "a", "data": "", "mode": "append"}),
            ),
            (
                Syscall::FsList,
                json!({"mount": mount, "path": "", "limit": 1}),
            ),
            (Syscall::ToolCall, json!({"name": tool, "arguments": {}})),
        ]
    };
    for (syscall, body) in all(&mount, &tool) {
        let target = read(syscall, &body).unwrap().target.unwrap();
        assert!([&mount, &tool].contains(&&target.to_string()), "{syscall}");
    }
    for (syscall, body) in all(&format!("{mount}m"), &format!("{tool}o")) {
        let refused = read(syscall, &body).map(|it| it.kind);
        assert_eq!(refused.unwrap_err().code, Code::BadRequest, "{syscall}");
    }
}

#[test]
fn a_model_that_is_named_is_one_of_the_agents_and_is_what_is_granted_and_waited_for() {
    let model = json!({"endpoints": [
        {"endpoint": "near", "model": "reed", "maxConcurrent": 1, "timeoutSeconds": 5},
        {"endpoint": "far", "model": "org/oak", "maxConcurrent": 1, "timeoutSeconds": 7},
    ]});
    let spec = AgentInstanceSpec {
        model: Some(serde_json::from_value(model).unwrap()),
        ..AgentInstanceSpec::default()
    };
    let instance = Instance::of("a-0", spec);
    let read = |model: Option<&str>| {
        let messages = json!([{"role": "user", "content": "?"}]);
        let mut body = json!({"messages": messages});
        if let Some(model) = model {
            body["model"] = model.into();
        }
        Lowered::read(Syscall::ModelChat, body.to_string().as_bytes(), &instance)
    };
    for (named, endpoint, millis) in [
        (None, "near", 12_000),
        (Some("near/reed"), "near", 5_000),
        (Some("far/org/oak"), "far", 7_000),
        (Some("far"), "far", 7_000),
    ] {
        let lowered = read(named).unwrap();
        assert_eq!(lowered.target, Some(endpoint.into()), "{named:?}");
        assert_eq!(lowered.deadline_ms, Some(millis), "{named:?}");
    }
    for named in ["far/reed", "oak", ""] {
        let refused = read(Some(named)).map(|it| it.kind).unwrap_err();
        assert_eq!(refused.code, Code::NotFound, "{named}");
        assert!(refused.remedy.contains("far/org/oak"), "{refused}");
    }
}

#[test]
fn no_less_is_reserved_for_a_prompt_than_is_charged_for_it() {
    let model = json!({"endpoints": [
        {"endpoint": "near", "model": "reed", "maxConcurrent": 1, "timeoutSeconds": 5},
    ]});
    let spec = AgentInstanceSpec {
        model: Some(serde_json::from_value(model).unwrap()),
        ..AgentInstanceSpec::default()
    };
    let instance = Instance::of("a-0", spec);
    for text in ["word ", "слово ", "λόγος ", "東京"] {
        let text = text.repeat(1_000);
        let messages = json!([{"role": "user", "content": text}]);
        let body = json!({"messages": messages, "maxTokens": 9}).to_string();
        let lowered = Lowered::read(Syscall::ModelChat, body.as_bytes(), &instance).unwrap();
        let charged = aion_drivers::model::estimate(&text);
        assert!(lowered.reserve_tokens - 9 >= charged, "{text:.6}");
    }
}

#[test]
fn what_is_reserved_for_an_answer_is_what_the_server_is_told() {
    let sent = |runtime: &str, context: Option<i32>, limit: Option<i32>, said: Option<u32>| {
        let model = json!({"endpoints": [
            {"endpoint": "near", "model": "reed", "maxConcurrent": 1, "timeoutSeconds": 5, "contextTokens": context},
            {"endpoint": "far", "model": "oak", "maxConcurrent": 1, "timeoutSeconds": 5},
        ]});
        let mut spec = AgentInstanceSpec {
            model: Some(serde_json::from_value(model).unwrap()),
            runtime: serde_json::from_value(json!(runtime)).unwrap(),
            ..AgentInstanceSpec::default()
        };
        spec.limits.max_tokens = limit;
        let instance = Instance::of("a-0", spec);
        let messages = json!([{"role": "user", "content": "?"}]);
        let body = json!({"messages": messages, "maxTokens": said}).to_string();
        let lowered = Lowered::read(Syscall::ModelChat, body.as_bytes(), &instance).unwrap();
        let Request::Chat(request) = lowered.request else {
            unreachable!("a chat")
        };
        let reserved = lowered.reserve_tokens - body.len() as u64 / 4;
        assert!(
            request
                .max_tokens
                .is_none_or(|it| u64::from(it) == reserved)
        );
        request.max_tokens
    };
    assert_eq!(sent("external", None, None, Some(9)), Some(9));
    assert_eq!(sent("external", None, Some(70), None), Some(70));
    assert_eq!(sent("external", None, None, None), Some(4_096));
    assert_eq!(sent("external", Some(4_096), None, None), Some(1_024));
    assert_eq!(sent("external", Some(100_000), None, None), Some(4_096));
    assert_eq!(sent("declarative", None, Some(70), None), Some(70));
    assert_eq!(
        sent("declarative", None, None, None),
        None,
        "the model decides"
    );
}
