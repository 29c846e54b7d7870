//! The fake and endpoints that speak as OpenAI does, held to it.
#![allow(clippy::unwrap_used)]

use std::{sync::Arc, time::Duration};

use serde_json::json;

use super::{
    super::{
        FakeModels, OpenAiModels, Patience, Script,
        scripted::{Reply, Server, event, figures, finish, text},
    },
    call, conforms,
};
use crate::{
    outbound::{NodeAddresses, Outbound, Place, Rule},
    secrets::HeldSecrets,
};

#[tokio::test]
async fn the_fake_conforms() {
    let driver = FakeModels::default()
        .with("echo", Script::Say(vec!["Hello".into(), " there".into()]))
        .with("caller", Script::Call(call()))
        .with("cut", Script::BreakOff("Hel".into()))
        .with("slow", Script::Hang("Hel".into()));
    conforms(&driver, "http://127.0.0.1:1/v1", "http://127.0.0.1:1/v1").await;
    assert_eq!(driver.asked.lock().len(), 5);
}

pub(in crate::model) fn openai(patience: Patience) -> OpenAiModels {
    let rule = Rule {
        offline: false,
        place: Place::Standalone,
        nodes: NodeAddresses::none(),
    };
    let secrets = HeldSecrets([("me/openai/key".to_owned(), "sk-hunter2".to_owned())].into());
    OpenAiModels::new(Arc::new(Outbound::new(rule)), Arc::new(secrets), patience)
}

pub(in crate::model) fn impatient() -> Patience {
    Patience {
        backoff: Duration::from_millis(1),
        ..Patience::default()
    }
}

#[tokio::test]
async fn openai_compatible_endpoints_conform() {
    let server = Server::start().await;
    let part = |delta| json!({"choices": [{"index": 0, "delta": delta, "finish_reason": null}]});
    let opened = part(json!({"role": "assistant", "content": ""}));
    server.replies(
        "echo",
        [Reply::Events(vec![
            opened.clone(),
            text("Hello"),
            text(" there"),
            finish("stop"),
            figures(7, 3),
        ])],
    );
    let called = [
        part(
            json!({"tool_calls": [{"index": 0, "id": "c1", "type": "function", "function": {"name": "calendar_read", "arguments": ""}}]}),
        ),
        part(json!({"tool_calls": [{"index": 0, "function": {"arguments": "{\"day\":"}}]})),
        part(json!({"tool_calls": [{"index": 0, "function": {"arguments": "\"today\"}"}}]})),
        finish("tool_calls"),
        figures(7, 3),
    ];
    server.replies(
        "caller",
        [Reply::Events([vec![opened], called.to_vec()].concat())],
    );
    server.replies("cut", [Reply::Cut(event(&text("Hel")))]);
    server.replies("slow", [Reply::Hang(event(&text("Hel")))]);
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    conforms(
        &openai(impatient()),
        &server.url,
        &format!("http://{nobody}/v1"),
    )
    .await;
    // The one that was dropped in the middle was ended as well.
    server.until_quiet().await;
}
