//! What goes wrong with an agent elsewhere, and what a call makes of it.
#![allow(clippy::unwrap_used)]

use super::*;

#[tokio::test]
async fn no_fault_of_a_subscription_ends_a_call() {
    for binding in BINDINGS {
        for (code, status, reason) in [
            (-32_001, 404, "TASK_NOT_FOUND"),
            (-32_602, 400, "INVALID_PARAMS"),
            (-32_004, 400, "UNSUPPORTED_OPERATION"),
            (405, 405, ""),
            (-32_603, 500, "INTERNAL"),
        ] {
            let looks = AtomicUsize::new(0);
            let script = move |asked: &Asked| match asked.operation.as_str() {
                "SendStreamingMessage" => Reply::Breaks(vec![json!({"task": task(WORKING, "")})]),
                "GetTask" if looks.fetch_add(1, Ordering::AcqRel) < 1 => {
                    Reply::Says(task(WORKING, ""))
                }
                "GetTask" => Reply::Says(task(COMPLETED, "By train.")),
                _ => Reply::Fails(code, status, reason),
            };
            let agent = Agent::new(binding, script).await;
            let answer = ask(&agent).await.unwrap();
            assert_eq!(answer.text, "By train.", "{binding} {reason}");
        }
    }
}

#[tokio::test]
async fn a_call_that_is_made_again_and_cannot_look_is_unknown() {
    let again = Attempt {
        tries: Tries::Again,
        ..first("i/k")
    };
    let tool = remote_tool("travel", "http://127.0.0.1:1");
    let asked = || json!({"message": "Where to?"});
    let away = ask_as(&driver(), &tool, asked(), &again).await.unwrap_err();
    assert_eq!(away.code, Code::OutcomeUnknown, "{away}");
    let away = ask_as(&driver(), &tool, asked(), &first("i/k")).await;
    assert_eq!(away.unwrap_err().code, Code::Unreachable);
    let agent = Agent::new("JSONRPC", |asked| match asked.operation.as_str() {
        "ListTasks" => Reply::Fails(-32_603, 500, "INTERNAL"),
        other => unreachable!("{other}"),
    })
    .await;
    let tool = remote_tool("travel", &agent.url);
    let lost = ask_as(&driver(), &tool, asked(), &again).await.unwrap_err();
    assert_eq!(lost.code, Code::OutcomeUnknown, "{lost}");
}

#[tokio::test]
async fn a_state_or_a_size_that_is_of_no_use_ends_the_call_at_once() {
    for binding in BINDINGS {
        for told in [
            json!({"id": "t1", "status": {"state": "TASK_STATE_PAUSED"}}),
            task(COMPLETED, &"x".repeat(9 * 1024 * 1024)),
        ] {
            let script = move |asked: &Asked| match asked.operation.as_str() {
                "SendStreamingMessage" => Reply::Tells(vec![json!({"task": task(WORKING, "")})]),
                "GetTask" => Reply::Says(told.clone()),
                "CancelTask" => Reply::Says(task("TASK_STATE_CANCELED", "")),
                _ => Reply::Fails(-32_004, 400, "UNSUPPORTED_OPERATION"),
            };
            let agent = Agent::new(binding, script).await;
            let problem = ask(&agent).await.unwrap_err();
            assert_eq!(problem.code, Code::OutcomeUnknown, "{problem}");
            let asked = agent.operations();
            assert_eq!(asked.iter().filter(|it| *it == "GetTask").count(), 1);
            agent.was_asked("CancelTask").await;
        }
    }
}

#[tokio::test]
async fn a_stream_with_a_gap_or_without_an_answer_is_looked_at_once_more() {
    for binding in BINDINGS {
        let script = |asked: &Asked| match asked.operation.as_str() {
            "SendStreamingMessage" => Reply::Breaks(vec![
                json!({"task": task(WORKING, "")}),
                piece("By ", false),
            ]),
            "SubscribeToTask" => Reply::Tells(vec![status(COMPLETED, "")]),
            "GetTask" => Reply::Says(task(COMPLETED, "By train.")),
            other => unreachable!("{other}"),
        };
        let agent = Agent::new(binding, script).await;
        assert_eq!(ask(&agent).await.unwrap().text, "By train.", "{binding}");
        let bare = json!({"statusUpdate": {"taskId": "t1", "status": {"state": COMPLETED}}});
        let script = move |asked: &Asked| match asked.operation.as_str() {
            "SendStreamingMessage" => Reply::Tells(vec![status(WORKING, "looking"), bare.clone()]),
            _ => Reply::Says(task(COMPLETED, "By train.")),
        };
        let agent = Agent::new(binding, script).await;
        assert_eq!(ask(&agent).await.unwrap().text, "By train.", "{binding}");
    }
}

#[tokio::test]
async fn a_key_in_the_card_is_not_told() {
    let mend = |card: &mut Value| card["description"] = "it sent hunter2-hunter2".into();
    let agent = Agent::with_card("JSONRPC", mend, |_| Reply::Says(json!({}))).await;
    let mut tool = remote_tool("travel", &agent.url);
    if let Transport::A2a(remote) = &mut tool.transport {
        remote.endpoint.secret = Some(SecretRef {
            secret: "calendar".into(),
            key: "token".into(),
        });
    }
    let listed = driver().list(&[tool], &|_: &str| true).await.unwrap();
    let said = &listed.tools[0].description;
    assert!(said.contains("it sent [secret]"), "{said}");
}

#[tokio::test]
async fn the_address_in_the_card_is_asked_as_it_is_written() {
    let mend = |card: &mut Value| {
        let url = card["supportedInterfaces"][0]["url"].as_str().unwrap();
        card["supportedInterfaces"][0]["url"] = format!("{url}/?v=1").into();
    };
    let script = |_: &Asked| Reply::Says(json!({"task": task(COMPLETED, "By train.")}));
    let agent = Agent::with_card("JSONRPC", mend, script).await;
    assert_eq!(ask(&agent).await.unwrap().text, "By train.");
    assert_eq!(agent.asked.lock()[0].at, "/a/?v=1");
}

#[tokio::test]
async fn a_message_whose_answer_is_lost_is_found_again_where_it_is_safe_to_look() {
    for tries in [Tries::First, Tries::Once] {
        let context = Arc::new(Mutex::new(Value::Null));
        let searches = AtomicUsize::new(0);
        let script = move |asked: &Asked| match asked.operation.as_str() {
            // The first search fails, too.
            "ListTasks" if searches.fetch_add(1, Ordering::AcqRel) == 0 => {
                Reply::Fails(-32_603, 500, "INTERNAL")
            }
            "GetTask" => {
                let mut mine = task(COMPLETED, "By train.");
                mine["contextId"] = context.lock().clone();
                Reply::Says(mine)
            }
            "SendStreamingMessage" => {
                *context.lock() = asked.params["message"]["contextId"].clone();
                Reply::Breaks(vec![])
            }
            "ListTasks" => {
                let mut mine = task(COMPLETED, "By train.");
                mine["contextId"] = context.lock().clone();
                Reply::Says(json!({"tasks": [mine]}))
            }
            other => unreachable!("{other}"),
        };
        let agent = Agent::new("JSONRPC", script).await;
        let tool = remote_tool("travel", &agent.url);
        let arguments = json!({"message": "Where to?"});
        let attempt = Attempt {
            tries,
            ..first("i/t1.2")
        };
        let told = ask_as(&driver(), &tool, arguments, &attempt).await;
        match tries {
            Tries::Once => assert_eq!(told.unwrap_err().code, Code::OutcomeUnknown),
            _ => assert_eq!(told.unwrap().text, "By train."),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_card_that_does_not_come_is_left_alone_after_it() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let (driver, tool) = (driver(), remote_tool("travel", &url));
    let tools = [tool];
    let started = Instant::now();
    for waits in [true, false] {
        let before = started.elapsed();
        let listed = driver.list(&tools, &|_: &str| true).await.unwrap();
        let reason = &listed.unavailable[0].reason;
        assert!(reason.contains("did not come"), "{reason}");
        // Time is paused: the second caller is told of the first's failure.
        assert_eq!(started.elapsed() > before, waits);
    }
}
