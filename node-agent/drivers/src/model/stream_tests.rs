//! Answers that come in unusual ways, late, or not to their end.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::time::Duration;

use aion_abi::{
    code::Code,
    syscall::model::{ChatEvent, ChatRequest, Finish, Usage},
};
use serde_json::json;
use tokio::time::Instant;

use super::{
    Candidate, ModelDriver, Patience,
    conformance::{candidate, heard, impatient, openai, question, soon},
    scripted::{Reply, Server, event, figures, finish, text},
};

use super::openai_tests::{good, said, status};

#[tokio::test]
async fn servers_with_habits_of_their_own_are_understood() {
    let server = Server::start().await;
    let driver = openai(impatient());
    let whole = json!({
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1}
    });
    let hello = event(&text("Hello"));
    let stop = event(&finish("stop"));
    for (habit, reply) in [
        ("does not stream", Reply::Json(whole)),
        (
            "sends comments and empty events",
            Reply::Raw(format!(
                "\u{feff}: wait\n\ndata:\n\n{hello}: wait\n\n{stop}data: [DONE]\n\n"
            )),
        ),
        (
            "ends lines as the network does",
            Reply::Raw(format!("{hello}{stop}data: [DONE]\n\n").replace('\n', "\r\n")),
        ),
        (
            "never says that it is done",
            Reply::Raw(format!("{hello}{stop}")),
        ),
        (
            "breaks off after it is done",
            Reply::Cut(format!("{hello}{stop}")),
        ),
        (
            "names its events",
            Reply::Raw(format!("event: chunk\nid: 1\n{hello}event: chunk\n{stop}")),
        ),
    ] {
        server.replies("m", [reply]);
        let (events, usage) = heard(&driver, &[candidate(&server.url, "m")], question("Hi")).await;
        assert_eq!(said(&events), "Hello", "{habit}");
        assert!(
            matches!(
                events.last(),
                Some(ChatEvent::End {
                    finish: Finish::Stop,
                    ..
                })
            ),
            "{habit}: {events:?}"
        );
        assert!(usage.output_tokens >= 1, "{habit}");
    }
}

#[tokio::test]
async fn usage_is_estimated_where_the_server_gives_no_figures() {
    let server = Server::start().await;
    server.replies(
        "m",
        [Reply::Events(vec![text("Hello there"), finish("stop")])],
    );
    let (events, last) = heard(
        &openai(impatient()),
        &[candidate(&server.url, "m")],
        question("Good day"),
    )
    .await;
    let usage = Usage {
        input_tokens: 6,
        output_tokens: 3,
        estimated: true,
    };
    assert_eq!(
        events.last(),
        Some(&ChatEvent::End {
            finish: Finish::Stop,
            usage
        })
    );
    assert_eq!(last, usage);
}

#[tokio::test]
async fn an_answer_that_goes_wrong_after_it_began_ends_with_an_error_and_is_not_begun_again() {
    let server = Server::start().await;
    let driver = openai(Patience {
        idle: Duration::from_millis(50),
        ..impatient()
    });
    let hello = event(&text("Hello"));
    let overloaded = event(&json!({"error": {"message": "overloaded"}}));
    for (reply, code, says) in [
        (
            Reply::Hang(hello.clone()),
            Code::UpstreamFailed,
            "nothing came",
        ),
        (Reply::Cut(hello.clone()), Code::UpstreamFailed, "broke"),
        (
            Reply::Raw(hello.clone()),
            Code::UpstreamFailed,
            "in the middle",
        ),
        (
            Reply::Raw(format!("{hello}data: {{not json\n\n")),
            Code::UpstreamFailed,
            "not a chat completion",
        ),
        (
            Reply::Raw(format!("{hello}{overloaded}")),
            Code::UpstreamFailed,
            "overloaded",
        ),
    ] {
        let before = server.asked().len();
        server.replies("m", [reply]);
        server.replies("other", [good()]);
        let models = [candidate(&server.url, "m"), candidate(&server.url, "other")];
        let (events, usage) = heard(&driver, &models, question("Hi")).await;
        let Some(ChatEvent::Error(problem)) = events.last() else {
            panic!("{says}: {events:?}")
        };
        assert_eq!(problem.code, code);
        assert!(
            problem.detail.contains(says) && problem.detail.contains("local/m"),
            "{problem}"
        );
        assert_eq!(said(&events), "Hello");
        assert!(
            usage.estimated && usage.output_tokens == 2,
            "what was begun was used: {usage:?}"
        );
        assert_eq!(server.asked().len(), before + 1, "{says}");
    }
}

#[tokio::test]
async fn what_is_wanted_at_once_is_asked_for_in_one_piece_and_waited_for_to_the_end() {
    let server = Server::start().await;
    let whole = json!({
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1}
    });
    server.replies("m", [Reply::Json(whole)]);
    let streams = "This model only support stream mode";
    server.replies("streams", [status(400, streams), good()]);
    server.replies("mute", [Reply::Hang(String::new())]);
    let at_once = || ChatRequest {
        at_once: true,
        ..question("Hi")
    };
    for model in ["m", "streams"] {
        let model = candidate(&server.url, model);
        let (events, _) = heard(&openai(impatient()), &[model], at_once()).await;
        assert_eq!(said(&events), "Hello", "{events:?}");
    }
    let asked = server.asked();
    let asked = asked.iter().map(|(_, body)| {
        assert_eq!(body.get("stream_options").is_some(), body["stream"] == true);
        body["stream"].as_bool()
    });
    let asked: Vec<_> = asked.collect();
    assert_eq!(asked, [Some(false), Some(false), Some(true)]);
    // Until its last byte nothing can be heard of it.
    let driver = openai(Patience {
        first_byte: Duration::from_millis(100),
        ..impatient()
    });
    let mute = Candidate {
        timeout: Duration::from_millis(200),
        ..candidate(&server.url, "mute")
    };
    let far = Instant::now() + Duration::from_secs(60);
    let alone = driver.chat(std::slice::from_ref(&mute), at_once(), far);
    let problem = alone.await.unwrap_err();
    assert_eq!(problem.code, Code::DeadlineExceeded, "{problem:?}");
    // Where another could answer, it is known soon.
    let before = server.asked().len();
    let models = [mute, candidate(&server.url, "m")];
    let (events, _) = heard(&driver, &models, at_once()).await;
    assert_eq!(said(&events), "Hello", "{events:?}");
    let asked = server.asked();
    let streams = asked[before..]
        .iter()
        .map(|(_, body)| body["stream"] == true);
    assert_eq!(streams.collect::<Vec<_>>(), [true, false]);
}

#[tokio::test]
async fn waiting_has_an_end_before_and_after_the_first_byte() {
    let server = Server::start().await;
    server.replies("mute", [Reply::Hang(String::new())]);
    server.replies("other", [good()]);
    let driver = openai(Patience {
        first_byte: Duration::from_millis(50),
        ..impatient()
    });
    let models = [
        candidate(&server.url, "mute"),
        candidate(&server.url, "other"),
    ];
    let (events, _) = heard(&driver, &models, question("Hi")).await;
    assert_eq!(
        events[0],
        ChatEvent::Start {
            model: "local/other".into(),
            left_out: vec![],
        }
    );

    let near = Instant::now() + Duration::from_millis(50);
    let problem = openai(impatient())
        .chat(&models[..1], question("Hi"), near)
        .await
        .unwrap_err();
    assert_eq!(problem.code, Code::DeadlineExceeded);
    let short = Candidate {
        timeout: Duration::from_millis(50),
        ..models[0].clone()
    };
    let (events, _) = heard(
        &openai(impatient()),
        &[short, models[1].clone()],
        question("Hi"),
    )
    .await;
    assert_eq!(
        events[0],
        ChatEvent::Start {
            model: "local/other".into(),
            left_out: vec![],
        }
    );

    server.replies("slow", [Reply::Hang(event(&text("Hel")))]);
    let near = Instant::now() + Duration::from_millis(100);
    let mut stream = openai(impatient())
        .chat(&[candidate(&server.url, "slow")], question("Hi"), near)
        .await
        .unwrap();
    let mut last = None;
    while let Some(event) = stream.events.recv().await {
        last = Some(event);
    }
    assert!(
        matches!(last, Some(ChatEvent::Error(problem)) if problem.code == Code::DeadlineExceeded)
    );
    server.until_quiet().await;
}

#[tokio::test]
async fn a_reader_that_is_slow_holds_the_endpoint_back_and_loses_nothing() {
    let server = Server::start().await;
    let many: Vec<_> = (0..500)
        .map(|n| text(&format!("{n} ")))
        .chain([finish("stop"), figures(1, 500)])
        .collect();
    server.replies("m", [Reply::Events(many)]);
    let mut stream = openai(impatient())
        .chat(&[candidate(&server.url, "m")], question("Hi"), soon())
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(stream.events.len() <= super::EVENTS_AHEAD);
    let mut events = Vec::new();
    while let Some(event) = stream.events.recv().await {
        events.push(event);
    }
    assert_eq!(
        said(&events),
        (0..500).map(|n| format!("{n} ")).collect::<String>()
    );
}
