//! Retries and fallbacks, keys that stay where they are, the outbound rule.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::time::Duration;

use aion_abi::{code::Code, syscall::model::ChatEvent};
use serde_json::json;
use tokio::time::Instant;

use super::{
    ModelDriver,
    conformance::{candidate, heard, impatient, openai, question, soon},
    scripted::{Reply, Server, event, figures, finish, text},
};
use crate::{
    outbound::{NodeAddresses, Outbound, Place, Rule},
    secrets::{HeldSecrets, SecretRef},
};

pub(super) fn good() -> Reply {
    Reply::Events(vec![text("Hello"), finish("stop"), figures(1, 1)])
}

pub(super) fn status(status: u16, message: &str) -> Reply {
    Reply::Status(status, vec![], json!({"error": {"message": message}}))
}

pub(super) fn said(events: &[ChatEvent]) -> String {
    events
        .iter()
        .filter_map(|event| {
            if let ChatEvent::Delta { text } = event {
                Some(text.as_str())
            } else {
                None
            }
        })
        .collect()
}

#[tokio::test]
async fn a_busy_or_broken_server_is_asked_again_and_not_for_ever() {
    let server = Server::start().await;
    server.replies(
        "m",
        [status(503, "loading"), status(429, "slow down"), good()],
    );
    let (events, _) = heard(
        &openai(impatient()),
        &[candidate(&server.url, "m")],
        question("Hi"),
    )
    .await;
    assert_eq!(said(&events), "Hello");
    assert_eq!(server.asked().len(), 3);

    server.replies("m", [status(500, "broken")]);
    let problem = openai(impatient())
        .chat(&[candidate(&server.url, "m")], question("Hi"), soon())
        .await
        .unwrap_err();
    assert_eq!(problem.code, Code::UpstreamFailed);
    assert!(
        problem.detail.contains("local/m") && problem.detail.contains("broken"),
        "{problem}"
    );
    assert_eq!(server.asked().len(), 6);
}

#[tokio::test]
async fn a_pause_that_is_asked_for_is_kept_or_else_the_next_model_is_asked() {
    let server = Server::start().await;
    let busy = |after: &str| Reply::Status(429, vec![("retry-after", after.into())], json!({}));
    server.replies("m", [busy("0.05"), good()]);
    server.replies("other", [good()]);
    let models = [candidate(&server.url, "m"), candidate(&server.url, "other")];
    let start = Instant::now();
    let (events, _) = heard(&openai(impatient()), &models, question("Hi")).await;
    assert_eq!(
        events[0],
        ChatEvent::Start {
            model: "local/m".into(),
            left_out: vec![],
        }
    );
    assert!(
        start.elapsed() >= Duration::from_millis(50),
        "it waited at least as long as it was told"
    );

    server.replies("m", [busy("3600")]);
    let (events, _) = heard(&openai(impatient()), &models, question("Hi")).await;
    assert_eq!(
        events[0],
        ChatEvent::Start {
            model: "local/other".into(),
            left_out: vec![],
        }
    );
    let problem = openai(impatient())
        .chat(&models[..1], question("Hi"), soon())
        .await
        .unwrap_err();
    assert_eq!(problem.retry_after_ms, Some(3_600_000));
}

#[tokio::test]
async fn what_asking_again_does_not_mend_is_not_asked_again() {
    let server = Server::start().await;
    for (code, message) in [
        (400, "your prompt is too long"),
        (401, "bad key"),
        (404, "no such model"),
        (307, ""),
    ] {
        let before = server.asked().len();
        server.replies("m", [status(code, message)]);
        let problem = openai(impatient())
            .chat(&[candidate(&server.url, "m")], question("Hi"), soon())
            .await
            .unwrap_err();
        let expected = match message.contains("too long") {
            true => Code::TooLarge,
            false => Code::UpstreamFailed,
        };
        assert_eq!(problem.code, expected, "{code}");
        assert!(
            problem.detail.contains(&code.to_string()) && problem.detail.contains(message),
            "{problem}"
        );
        assert_eq!(server.asked().len(), before + 1, "{code}");
    }
}

#[tokio::test]
async fn what_each_model_said_is_told_when_none_answers() {
    let server = Server::start().await;
    server.replies("a", [status(401, "bad key")]);
    server.replies("b", [status(400, "too long")]);
    let models = [candidate(&server.url, "a"), candidate(&server.url, "b")];
    let problem = openai(impatient())
        .chat(&models, question("Hi"), soon())
        .await
        .unwrap_err();
    assert!(
        problem.detail.contains("local/a: 401") && problem.detail.contains("local/b: 400"),
        "{problem}"
    );
    assert!(problem.remedy.contains("apiKey"), "{}", problem.remedy);
    let problem = openai(impatient())
        .chat(&[], question("Hi"), soon())
        .await
        .unwrap_err();
    assert_eq!(problem.code, Code::NotFound);
}

#[tokio::test]
async fn a_parameter_that_a_server_does_not_know_is_left_out_and_that_is_remembered() {
    let server = Server::start().await;
    let driver = openai(impatient());
    server.replies(
        "m",
        [
            status(
                400,
                "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.",
            ),
            status(400, "unknown field `stream_options`"),
            good(),
        ],
    );
    let mut request = question("Hi");
    request.max_tokens = Some(9);
    heard(&driver, &[candidate(&server.url, "m")], request.clone()).await;
    heard(&driver, &[candidate(&server.url, "m")], request).await;
    let asked = server.asked();
    assert_eq!(asked.len(), 4);
    for (_, body) in &asked[2..] {
        assert_eq!(body["max_completion_tokens"], 9);
        assert!(body.get("max_tokens").is_none() && body.get("stream_options").is_none());
    }
}

#[tokio::test]
async fn a_key_is_sent_and_shown_nowhere() {
    let server = Server::start().await;
    let keyed = |key: &str| {
        let mut candidate = candidate(&server.url, "m");
        candidate.endpoint.secret = Some(SecretRef {
            secret: "openai".into(),
            key: key.into(),
        });
        candidate
    };
    server.replies(
        "m",
        [status(401, "Incorrect API key provided: sk-hunter2.")],
    );
    let problem = openai(impatient())
        .chat(&[keyed("key")], question("Hi"), soon())
        .await
        .unwrap_err();
    assert_eq!(server.asked()[0].0["authorization"], "Bearer sk-hunter2");
    assert!(!format!("{problem:?}").contains("hunter2"), "{problem:?}");
    assert!(problem.remedy.contains("openai/key"), "{}", problem.remedy);
    let error = event(&json!({"error": {"message": "key sk-hunter2 was revoked"}}));
    server.replies(
        "m",
        [Reply::Raw(format!("{}{error}", event(&text("Hello"))))],
    );
    let (events, _) = heard(&openai(impatient()), &[keyed("key")], question("Hi")).await;
    assert!(!format!("{events:?}").contains("hunter2"), "{events:?}");
    let problem = openai(impatient())
        .chat(&[keyed("none")], question("Hi"), soon())
        .await
        .unwrap_err();
    assert_eq!(problem.code, Code::NotFound);
    assert!(
        problem.remedy.contains("config/secrets/openai/none"),
        "{}",
        problem.remedy
    );
}

#[tokio::test]
async fn the_outbound_rule_holds() {
    let server = Server::start().await;
    server.replies("m", [good()]);
    let driver = |offline, place| {
        let rule = Rule {
            offline,
            place,
            nodes: NodeAddresses::none(),
        };
        let secrets = std::sync::Arc::new(HeldSecrets::default());
        super::OpenAiModels::new(
            std::sync::Arc::new(Outbound::new(rule)),
            secrets,
            impatient(),
        )
    };
    let local = candidate(&server.url, "m");
    let away = candidate("https://api.example.org/v1", "m");
    let offline = driver(true, Place::Standalone);
    assert_eq!(
        offline
            .chat(std::slice::from_ref(&away), question("Hi"), soon())
            .await
            .unwrap_err()
            .code,
        Code::Offline
    );
    let (events, _) = heard(&offline, &[away, local.clone()], question("Hi")).await;
    assert_eq!(said(&events), "Hello", "what is on this machine answers");
    let cluster = driver(false, Place::Cluster);
    assert_eq!(
        cluster
            .chat(std::slice::from_ref(&local), question("Hi"), soon())
            .await
            .unwrap_err()
            .code,
        Code::Denied
    );
}
