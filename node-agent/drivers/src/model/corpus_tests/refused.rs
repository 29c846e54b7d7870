//! What servers refuse, and what is learned from it.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::Path;

use aion_abi::{
    code::Code,
    syscall::model::{ChatEvent, ChatRequest, Message, Role, ToolChoice, ToolUse},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{CORPUS, NORM, asked, case, files, outcome_is};
use crate::model::{
    conformance::{candidate, heard, impatient, openai, question},
    scripted::{Reply, Server},
};

/// A refusal, and what is asked without from then on.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Refusal {
    status: u16,
    body: Value,
    without: Vec<String>,
}

#[tokio::test]
async fn what_an_endpoint_refuses_is_left_out_from_then_on_and_said() {
    let server = Server::start().await;
    let norm = case(NORM);
    let good = || Reply::Raw(norm.bytes.clone());
    for (name, text) in files(&Path::new(CORPUS).join("refusals"), ".json") {
        let refusal: Refusal = serde_json::from_str(&text).unwrap();
        let driver = openai(impatient());
        let refused = Reply::Status(refusal.status, vec![], refusal.body);
        server.replies("m", [refused, good()]);
        let without = |part: &str| refusal.without.iter().any(|it| it == part);
        let request = ChatRequest {
            max_tokens: Some(9),
            temperature_milli: Some(700),
            ..asked()
        };
        let before = server.asked().len();
        let models = [candidate(&server.url, "m")];
        let (events, _) = heard(&driver, &models, request.clone()).await;
        outcome_is(&events, &norm.outcome, &name);
        let (again, _) = heard(&driver, &models, request.clone()).await;
        let asked = &server.asked()[before..];
        assert_eq!(asked.len(), 3, "{name}: learned once");
        for (_, sent) in &asked[1..] {
            for part in ["tools", "stream_options", "max_tokens", "temperature"] {
                let left_out = sent.get(part).is_none();
                assert_eq!(left_out, without(part), "{name}: {part}");
            }
        }
        for events in [&events, &again] {
            let ChatEvent::Start { left_out, .. } = &events[0] else {
                panic!("{events:?}")
            };
            let tools = left_out.iter().any(|part| part == "tools");
            assert_eq!(tools, without("tools"), "{name}");
        }
        println!("corpus models/refusals/{name} ... ok");
    }
}

#[tokio::test]
async fn a_server_that_wants_a_text_in_each_message_is_given_an_empty_one_from_then_on() {
    let server = Server::start().await;
    let driver = openai(impatient());
    let why = json!({"error": {"message": "invalid message content type: <nil>"}});
    let good = || Reply::Raw(case(NORM).bytes);
    server.replies("m", [Reply::Status(400, vec![], why), good(), good()]);
    let call = ToolUse {
        id: "1".into(),
        name: "weir.height".into(),
        arguments: "{}".into(),
    };
    let message = |role, content: &str| Message {
        role,
        content: content.into(),
        tool_calls: vec![],
        tool_call_id: None,
    };
    let mut request = asked();
    request.messages.extend([
        Message {
            tool_calls: vec![call],
            ..message(Role::Assistant, "")
        },
        Message {
            tool_call_id: Some("1".into()),
            ..message(Role::Tool, "two feet")
        },
    ]);
    let models = [candidate(&server.url, "m")];
    for _ in 0..2 {
        let (events, _) = heard(&driver, &models, request.clone()).await;
        outcome_is(&events, &case(NORM).outcome, "asked with a text");
        let ChatEvent::Start { left_out, .. } = &events[0] else {
            panic!("{events:?}")
        };
        assert!(left_out.is_empty(), "nothing is left out: {left_out:?}");
    }
    let said = server.asked();
    let said = said.iter().map(|(_, it)| &it["messages"][1]["content"]);
    let said: Vec<_> = said.collect();
    assert_eq!(said, [&Value::Null, &json!(""), &json!("")], "learned once");
}

#[tokio::test]
async fn a_refusal_that_leaving_out_does_not_mend_teaches_nothing() {
    let server = Server::start().await;
    let driver = openai(impatient());
    let refusal = |text: &str| Reply::Status(400, vec![], json!({"error": {"message": text}}));
    let no_tools = "tools are not supported today";
    server.replies("m", [refusal(no_tools), refusal("the mill stands still")]);
    let models = [candidate(&server.url, "m")];
    let problem = crate::model::ModelDriver::chat(
        &driver,
        &models,
        asked(),
        crate::model::conformance::soon(),
    )
    .await
    .unwrap_err();
    assert!(problem.detail.contains("stands still"), "{problem}");
    let norm = case(NORM);
    server.replies("m", [Reply::Raw(norm.bytes)]);
    let (events, _) = heard(&driver, &models, asked()).await;
    outcome_is(&events, &norm.outcome, "asked anew");
    assert!(server.asked()[2].1.get("tools").is_some());
}

#[tokio::test]
async fn refusals_say_what_to_do() {
    let server = Server::start().await;
    let page = "<html><head><title>502 Bad Gateway</title><style>p {}</style></head><body><h1>502 Bad Gateway</h1></body></html>";
    let too_long = "This model's maximum context length is 4096 tokens, and 5000 were asked for: lower max_completion_tokens";
    let json =
        |status, text: &str| Reply::Status(status, vec![], json!({"error": {"message": text}}));
    for (reply, detail, remedy, asked_often) in [
        (Reply::Page(502, page), "502 Bad Gateway 502 Bad Gateway", "", 3),
        (Reply::Page(200, page), "it is a web page, \"502 Bad Gateway 502 Bad Gateway\"", "/v1", 1),
        (json(400, too_long), "longer than the model's context", "contextTokens", 1),
        (json(500, "the request exceeds the available context size"), "longer than the model's context", "contextTokens", 1),
        (Reply::Raw("event: error\ndata: {\"error\":{\"message\":\"The number of tokens to keep is greater than the context length\"}}\n\n".into()), "longer than the model's context", "contextTokens", 1),
        (Reply::Raw("upstream: gone fishing\n".into()), "upstream: gone fishing", "", 3),
        (json(429, "slow down"), "429 Too Many Requests: slow down", "", 3),
    ] {
        let before = server.asked().len();
        server.replies("m", [reply]);
        let models = [candidate(&server.url, "m")];
        let driver = openai(impatient());
        let soon = crate::model::conformance::soon();
        let problem = crate::model::ModelDriver::chat(&driver, &models, question("Hi"), soon)
            .await
            .unwrap_err();
        assert!(problem.detail.contains(detail), "{problem}");
        let too_long = detail.starts_with("longer");
        assert_eq!(problem.code == Code::TooLarge, too_long, "{problem}");
        assert!(!problem.detail.contains('<'), "{problem}");
        assert!(problem.remedy.contains(remedy), "{}", problem.remedy);
        assert_eq!(server.asked().len() - before, asked_often, "{detail}");
    }
}

#[tokio::test]
async fn a_model_that_was_heard_to_think_is_not_given_out_before_it_answers() {
    let server = Server::start().await;
    let driver = openai(impatient());
    let thinks = case("thoughts-whose-beginning-is-in-the-prompt");
    server.replies("m", [Reply::Raw(thinks.bytes.clone())]);
    server.replies("reed-r1", [Reply::Raw(thinks.bytes.clone())]);
    let withdrawn = |events: &[ChatEvent]| events.contains(&ChatEvent::Withdrawn);
    let models = [candidate(&server.url, "m")];
    let (first, _) = heard(&driver, &models, asked()).await;
    let (second, used) = heard(&driver, &models, asked()).await;
    let (named, _) = heard(&driver, &[candidate(&server.url, "reed-r1")], asked()).await;
    for events in [&first, &second, &named] {
        outcome_is(events, &thinks.outcome, "thoughts");
    }
    assert!(withdrawn(&first) && !withdrawn(&second) && !withdrawn(&named));
    assert!(used.output_tokens > 5, "thoughts are counted: {used:?}");
}

#[tokio::test]
async fn figures_count_where_they_are_of_the_whole_answer() {
    let server = Server::start().await;
    let figures = |input: u64, output: u64| {
        format!(
            "data: {{\"choices\":[],\"usage\":{{\"prompt_tokens\":{input},\"completion_tokens\":{output}}}}}\n\n"
        )
    };
    let said = "data: {\"choices\":[{\"delta\":{\"content\":\"Two feet and a half.\"}}]}\n\n";
    let end = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    for (bytes, wanted) in [
        (format!("{said}{end}{}", figures(9, 4)), (9, 4, false)),
        (
            format!("{}{said}{}{end}", figures(9, 1), figures(9, 4)),
            (9, 4, false),
        ),
        (format!("{}{said}{end}", figures(9, 1)), (9, 5, true)),
        (format!("{said}{end}{}", figures(0, 0)), (6, 5, true)),
        (format!("{said}{end}"), (6, 5, true)),
    ] {
        server.replies("m", [Reply::Raw(bytes.clone())]);
        let driver = openai(impatient());
        let models = [candidate(&server.url, "m")];
        let (_, usage) = heard(&driver, &models, question("Good day")).await;
        let told = (usage.input_tokens, usage.output_tokens, usage.estimated);
        assert_eq!(told, wanted, "{bytes}");
    }
}

#[tokio::test]
async fn a_tool_that_must_be_called_is_not_answered_with_text_by_a_server_that_takes_none() {
    let server = Server::start().await;
    let driver = openai(impatient());
    let refusal = Reply::Status(
        400,
        vec![],
        json!({"error": {"message": "oak does not support tools"}}),
    );
    let answers = || Reply::Raw(case(NORM).bytes);
    let models = [candidate(&server.url, "m")];
    let must = || ChatRequest {
        tool_choice: Some(ToolChoice::Required),
        ..asked()
    };
    let soon = crate::model::conformance::soon;
    let refused = async || {
        let chat = crate::model::ModelDriver::chat(&driver, &models, must(), soon());
        let problem = chat.await.unwrap_err();
        assert_eq!(problem.code, Code::UpstreamFailed, "{problem}");
        assert!(problem.detail.contains("takes no tools"), "{problem}");
    };
    // The server says so now, or was found to before.
    server.replies("m", [refusal.clone(), answers()]);
    refused().await;
    server.replies("m", [refusal, answers()]);
    heard(&driver, &models, asked()).await;
    refused().await;
}

#[tokio::test]
async fn what_does_not_fit_is_named_or_refused_where_all_of_it_is_wanted() {
    let server = Server::start().await;
    let driver = openai(impatient());
    server.replies("m", [Reply::Raw(case(NORM).bytes)]);
    let mut models = [candidate(&server.url, "m")];
    models[0].context_tokens = Some(400);
    let mut request = question("And now?");
    let mut long = question(&"word ".repeat(400)).messages;
    long.append(&mut request.messages);
    request.messages = long;
    let (events, _) = heard(&driver, &models, request.clone()).await;
    let ChatEvent::Start { left_out, .. } = &events[0] else {
        panic!("{events:?}");
    };
    assert_eq!(left_out, &["messages"]);
    request.whole = true;
    let soon = crate::model::conformance::soon();
    let chat = crate::model::ModelDriver::chat(&driver, &models, request, soon);
    let problem = chat.await.unwrap_err();
    assert_eq!(problem.code, Code::TooLarge, "{problem}");
    assert_eq!(server.asked().len(), 1, "nobody was asked");
}
