//! Agents elsewhere as the driver sees them: by both bindings, whole and broken.
#![allow(clippy::unwrap_used)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use aion_abi::{
    code::Code,
    problem::Problem,
    syscall::tool::{CallRequest, CallResponse},
};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::{sync::mpsc, time::Instant};

use super::{
    super::{
        Attempt, FakeTools, NoStdioServers, ToolDriver, ToolServer, Tools, Transport, Tries, Waits,
        conformance::{conforms_as_an_agent, outbound, secrets},
    },
    A2aTools,
    scripted::{Agent, Asked, Reply, remote_tool},
};
use crate::secrets::SecretRef;

const BINDINGS: [&str; 2] = ["JSONRPC", "HTTP+JSON"];

fn driver() -> A2aTools {
    A2aTools::new(outbound(), secrets(), [7; 32])
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

fn first(key: &str) -> Attempt {
    Attempt {
        key: Some(key.to_owned()),
        tries: Tries::First,
        instance: "i".to_owned(),
    }
}

fn request(arguments: Value) -> CallRequest {
    CallRequest {
        name: "travel.ask".into(),
        arguments,
        link: None,
    }
}

async fn ask_as(
    driver: &A2aTools,
    tool: &ToolServer,
    arguments: Value,
    attempt: &Attempt,
) -> Result<CallResponse, Problem> {
    let tools = std::slice::from_ref(tool);
    driver
        .call(tools, request(arguments), attempt, soon(), &Waits::nobody())
        .await
}

async fn ask(agent: &Agent) -> Result<CallResponse, Problem> {
    let tool = remote_tool("travel", &agent.url);
    let arguments = json!({"message": "Where to?"});
    ask_as(&driver(), &tool, arguments, &Attempt::default()).await
}

fn task(state: &str, text: &str) -> Value {
    let artifacts = match text {
        "" => json!([]),
        text => json!([{"artifactId": "a", "parts": [{"text": text}]}]),
    };
    json!({"id": "t1", "contextId": "c1", "status": {"state": state}, "artifacts": artifacts})
}

fn status(state: &str, said: &str) -> Value {
    json!({"statusUpdate": {"taskId": "t1", "contextId": "c1",
        "status": {"state": state, "message": {"parts": [{"text": said}]}}}})
}

fn piece(text: &str, append: bool) -> Value {
    json!({"artifactUpdate": {"taskId": "t1", "contextId": "c1", "append": append,
        "artifact": {"artifactId": "a", "parts": [{"text": text}]}}})
}

const WORKING: &str = "TASK_STATE_WORKING";
const COMPLETED: &str = "TASK_STATE_COMPLETED";

#[tokio::test]
async fn agents_and_the_fake_conform() {
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gone = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    let gone = remote_tool("gone", &gone);
    for binding in BINDINGS {
        let script = |_: &Asked| Reply::Says(json!({"task": task(COMPLETED, "By train.")}));
        let agent = Agent::new(binding, script).await;
        let travel = remote_tool("travel", &agent.url);
        conforms_as_an_agent(&driver(), travel.clone(), gone.clone()).await;
        let all = Tools::new(outbound(), secrets(), Arc::new(NoStdioServers), [7; 32]);
        conforms_as_an_agent(&all, travel, gone.clone()).await;
    }
    let fake = FakeTools::default().with("travel", "ask", |_| CallResponse {
        text: "By train.".to_owned(),
        structured: None,
        is_error: false,
        links: Vec::new(),
        cut: false,
    });
    conforms_as_an_agent(&fake, remote_tool("travel", "http://127.0.0.1:9"), gone).await;
}

#[tokio::test]
async fn an_agent_is_asked_and_followed_by_both_bindings() {
    for binding in BINDINGS {
        let agent = Agent::new(binding, |_| {
            Reply::Tells(vec![
                json!({"task": task(WORKING, "")}),
                status(WORKING, "looking at trains"),
                piece("By ", false),
                piece("train.", true),
                status(COMPLETED, "done"),
            ])
        })
        .await;
        let tool = remote_tool("travel", &agent.url);
        let heard = Arc::new(Mutex::new(Vec::new()));
        let waits = Waits {
            told: {
                let heard = Arc::clone(&heard);
                Arc::new(move |text| heard.lock().push(text))
            },
            ..Waits::nobody()
        };
        let asked = request(json!({"message": "Where to?"}));
        let answer = driver()
            .call(&[tool], asked, &Attempt::default(), soon(), &waits)
            .await
            .unwrap();
        assert_eq!(answer.text, "By train.\n\ndone", "{binding}");
        assert_eq!(*heard.lock(), ["travel.ask: looking at trains"]);
        let sent = agent.asked.lock()[0].clone();
        assert_eq!(sent.headers["a2a-version"], "1.0");
        let message = &sent.params["message"];
        assert_eq!(message["role"], "ROLE_USER");
        assert_eq!(message["parts"][0]["text"], "Where to?");
        assert_eq!(agent.operations(), ["SendStreamingMessage"]);
    }
}

#[tokio::test]
async fn an_agent_that_does_not_stream_is_looked_at_until_it_is_done() {
    for binding in BINDINGS {
        for says_so in [true, false] {
            let looks = AtomicUsize::new(0);
            let script = move |asked: &Asked| match asked.operation.as_str() {
                "SendStreamingMessage" => Reply::Fails(-32_004, 400, "UNSUPPORTED_OPERATION"),
                "SendMessage" => Reply::Says(json!({"task": task(WORKING, "")})),
                "GetTask" if looks.fetch_add(1, Ordering::AcqRel) < 2 => {
                    Reply::Says(task(WORKING, ""))
                }
                "GetTask" => Reply::Says(task(COMPLETED, "By train.")),
                _ => Reply::Fails(-32_004, 400, "UNSUPPORTED_OPERATION"),
            };
            let mend =
                move |card: &mut Value| card["capabilities"]["streaming"] = (!says_so).into();
            let agent = Agent::with_card(binding, mend, script).await;
            let answer = ask(&agent).await.unwrap();
            assert_eq!(answer.text, "By train.", "{binding}");
        }
    }
}

#[tokio::test]
async fn an_answer_without_a_task_is_one() {
    for binding in BINDINGS {
        let message = json!({"message": {"messageId": "m", "role": "ROLE_AGENT", "parts": [{"text": "Rome."}]}});
        let agent = Agent::new(binding, move |_| Reply::Tells(vec![message.clone()])).await;
        assert_eq!(ask(&agent).await.unwrap().text, "Rome.");
    }
}

#[tokio::test]
async fn a_stream_that_breaks_is_taken_up_again_and_no_word_is_told_twice() {
    for binding in BINDINGS {
        let script = |asked: &Asked| match asked.operation.as_str() {
            "SendStreamingMessage" => Reply::Breaks(vec![
                json!({"task": task(WORKING, "")}),
                piece("By ", false),
            ]),
            "SubscribeToTask" => Reply::Tells(vec![
                json!({"task": task(WORKING, "By ")}),
                piece("train.", true),
                status(COMPLETED, ""),
            ]),
            other => unreachable!("{other}"),
        };
        let agent = Agent::new(binding, script).await;
        assert_eq!(ask(&agent).await.unwrap().text, "By train.", "{binding}");
        assert_eq!(
            agent.operations(),
            ["SendStreamingMessage", "SubscribeToTask"]
        );
    }
}

#[tokio::test]
async fn a_stream_that_breaks_before_its_task_is_told_leaves_the_outcome_unknown() {
    for reply in [
        Reply::Breaks(vec![]),
        Reply::Tells(vec![]),
        Reply::Raw(200, "text/html", "<p>Sign in".to_owned()),
        Reply::Raw(502, "text/html", "<p>Bad gateway".to_owned()),
        Reply::Says(json!({"kind": "task", "id": "t1"})),
        Reply::Says(json!({"task": {}})),
        Reply::Raw(200, "text/event-stream", "x".repeat(9 * 1024 * 1024)),
    ] {
        let shown = format!("{reply:?}");
        let agent = Agent::new("HTTP+JSON", move |_| reply.clone()).await;
        let problem = ask(&agent).await.unwrap_err();
        assert_eq!(
            problem.code,
            Code::OutcomeUnknown,
            "{problem} of {:.80}",
            shown
        );
        assert_eq!(agent.operations().len(), 1, "it is not asked twice");
    }
}

#[tokio::test]
async fn a_refusal_is_told_by_its_reason_and_what_broke_down_as_unknown() {
    for binding in BINDINGS {
        for (code, status, reason, ours) in [
            (-32_602, 400, "INVALID_PARAMS", Code::BadRequest),
            (-32_005, 400, "CONTENT_TYPE_NOT_SUPPORTED", Code::BadRequest),
            (-32_009, 400, "VERSION_NOT_SUPPORTED", Code::UpstreamFailed),
            (-32_603, 500, "INTERNAL", Code::OutcomeUnknown),
            (-32_006, 500, "INVALID_AGENT_RESPONSE", Code::OutcomeUnknown),
            (-32_603, 504, "GATEWAY", Code::OutcomeUnknown),
        ] {
            let agent = Agent::new(binding, move |_| Reply::Fails(code, status, reason)).await;
            let problem = ask(&agent).await.unwrap_err();
            assert_eq!(problem.code, ours, "{problem}");
            assert!(problem.detail.contains(reason), "{problem}");
        }
    }
    for (status, word) in [
        (401, "key"),
        (403, "key"),
        (307, "redirects"),
        (418, "teapot"),
    ] {
        let agent = Agent::new("JSONRPC", move |_| {
            Reply::Raw(
                status,
                "application/json",
                r#"{"detail": "a teapot"}"#.to_owned(),
            )
        })
        .await;
        let problem = ask(&agent).await.unwrap_err();
        assert_eq!(problem.code, Code::UpstreamFailed);
        assert!(problem.to_string().contains(word), "{problem}");
    }
}

#[tokio::test]
async fn a_task_that_asks_for_more_is_answered_by_its_own_instance_after_a_restart_too() {
    for binding in BINDINGS {
        let answered = Arc::new(AtomicUsize::new(0));
        let script = move |asked: &Asked| {
            let message = &asked.params["message"];
            match (asked.operation.as_str(), message["taskId"].as_str()) {
                ("GetTask", _) => Reply::Says(match answered.load(Ordering::Acquire) {
                    0 => task("TASK_STATE_INPUT_REQUIRED", ""),
                    _ => task(COMPLETED, "On Monday."),
                }),
                (_, None) => Reply::Tells(vec![
                    json!({"task": task(WORKING, "")}),
                    status("TASK_STATE_INPUT_REQUIRED", "Which day?"),
                ]),
                (_, Some(task_id)) => {
                    assert_eq!((task_id, &message["contextId"]), ("t1", &json!("c1")));
                    answered.fetch_add(1, Ordering::AcqRel);
                    // As it was, and then as it is.
                    Reply::Tells(vec![
                        json!({"task": task("TASK_STATE_INPUT_REQUIRED", "")}),
                        status(WORKING, ""),
                        piece("On Monday.", false),
                        status(COMPLETED, ""),
                    ])
                }
            }
        };
        let agent = Agent::new(binding, script).await;
        let tool = remote_tool("travel", &agent.url);
        let mine = first("i/k1");
        let asked = ask_as(&driver(), &tool, json!({"message": "Where to?"}), &mine)
            .await
            .unwrap();
        assert!(
            !asked.is_error && asked.text.ends_with("Which day?"),
            "{}",
            asked.text
        );
        let handle = asked.structured.unwrap()["task"].clone();
        let answer = json!({"message": "Monday.", "task": handle});
        let others = Attempt {
            instance: "j".to_owned(),
            ..first("j/k1")
        };
        let guessed = json!({"message": "Monday.", "task": "t1"});
        for (arguments, attempt) in [(&answer, &others), (&guessed, &mine)] {
            let driver = driver();
            let asked = ask_as(&driver, &tool, arguments.clone(), attempt);
            assert_eq!(asked.await.unwrap_err().code, Code::NotFound);
        }
        // Each driver is one of a node that was started again.
        let lost = first("i/k2");
        let told = ask_as(&driver(), &tool, answer.clone(), &lost).await;
        assert_eq!(told.unwrap().text, "On Monday.");
        let again = Attempt {
            tries: Tries::Again,
            ..lost
        };
        let told = ask_as(&driver(), &tool, answer.clone(), &again).await;
        assert_eq!(told.unwrap().text, "On Monday.");
        let late = ask_as(&driver(), &tool, answer, &first("i/k3"))
            .await
            .unwrap();
        assert!(
            late.text.contains("not sent") && late.text.ends_with("On Monday."),
            "{}",
            late.text
        );
        let sent = agent.operations();
        let sent = sent.iter().filter(|it| *it == "SendStreamingMessage");
        assert_eq!(sent.count(), 2, "the answer was sent once");
    }
}

#[tokio::test]
async fn a_call_that_is_made_again_finds_its_task_and_asks_once() {
    for binding in BINDINGS {
        let contexts = Arc::new(Mutex::new(Vec::<String>::new()));
        let known = Arc::clone(&contexts);
        let script = move |asked: &Asked| match asked.operation.as_str() {
            "SendStreamingMessage" => {
                let context = asked.params["message"]["contextId"].as_str().unwrap();
                known.lock().push(context.to_owned());
                Reply::Holds(vec![
                    json!({"task": {"id": "t1", "contextId": context, "status": {"state": WORKING}}}),
                ])
            }
            "ListTasks" => {
                let asked = asked.params["contextId"].as_str().unwrap().to_owned();
                let mut mine = task(WORKING, "");
                mine["contextId"] = asked.clone().into();
                let cancelled = json!({"id": "t0", "contextId": asked, "status": {"state": "TASK_STATE_CANCELED"}});
                let tasks = match known.lock().contains(&asked) {
                    true => json!([task(WORKING, "of another context"), cancelled, mine]),
                    false => json!([task(WORKING, "of another context"), cancelled]),
                };
                Reply::Says(
                    json!({"tasks": tasks, "nextPageToken": "", "pageSize": 50, "totalSize": 1}),
                )
            }
            "GetTask" => Reply::Says(task(COMPLETED, "By train.")),
            "CancelTask" => Reply::Says(task("TASK_STATE_CANCELED", "")),
            other => unreachable!("{other}"),
        };
        let agent = Agent::new(binding, script).await;
        let tool = remote_tool("travel", &agent.url);
        let arguments = || json!({"message": "Where to?"});
        let attempt = first("i/t1.2");
        let lost = {
            let tool = tool.clone();
            tokio::spawn(async move { ask_as(&driver(), &tool, arguments(), &attempt).await })
        };
        agent.was_asked("SendStreamingMessage").await;
        lost.abort();
        let again = Attempt {
            tries: Tries::Again,
            ..first("i/t1.2")
        };
        let answer = ask_as(&driver(), &tool, arguments(), &again).await.unwrap();
        assert_eq!(answer.text, "By train.");
        assert_eq!(contexts.lock().len(), 1, "it was asked once");
    }
}

#[tokio::test]
async fn a_call_that_is_given_up_or_runs_late_cancels_its_task() {
    for binding in BINDINGS {
        for late in [true, false] {
            let script = |asked: &Asked| match asked.operation.as_str() {
                "CancelTask" => Reply::Says(task("TASK_STATE_CANCELED", "")),
                _ => Reply::Holds(vec![
                    json!({"task": task(WORKING, "")}),
                    status(WORKING, "looking"),
                ]),
            };
            let agent = Agent::new(binding, script).await;
            let mut tool = remote_tool("travel", &agent.url);
            tool.timeout = match late {
                true => Duration::from_millis(300),
                false => Duration::from_secs(60),
            };
            let (hears, mut heard) = mpsc::unbounded_channel();
            let waits = Waits {
                told: Arc::new(move |text| hears.send(text).unwrap_or_default()),
                ..Waits::nobody()
            };
            let calling = tokio::spawn(async move {
                let asked = request(json!({"message": "Where to?"}));
                let once = Attempt::default();
                driver().call(&[tool], asked, &once, soon(), &waits).await
            });
            match late {
                true => {
                    let problem = calling.await.unwrap().unwrap_err();
                    assert_eq!(problem.code, Code::DeadlineExceeded, "{problem}");
                }
                false => {
                    heard.recv().await.unwrap();
                    calling.abort();
                }
            }
            let cancelled = agent.was_asked("CancelTask").await;
            assert_eq!(cancelled.params["id"], "t1");
        }
    }
}

#[tokio::test]
async fn a_key_goes_to_the_agent_in_its_form_and_is_in_no_answer() {
    let schemes = json!({"own": {"apiKeySecurityScheme": {"location": "header", "name": "X-Own"}}});
    let mend = move |card: &mut Value| {
        card["securitySchemes"] = schemes.clone();
        card["securityRequirements"] = json!([{"schemes": {"own": {"list": []}}}]);
    };
    let agent = Agent::with_card("JSONRPC", mend, |asked| {
        let key = asked.headers["x-own"].to_str().unwrap();
        let mut done = task(COMPLETED, &format!("your key is {key}"));
        done["status"]["message"] = json!({"parts": [{"text": key}]});
        Reply::Says(json!({"task": done}))
    })
    .await;
    let mut tool = remote_tool("travel", &agent.url);
    if let Transport::A2a(remote) = &mut tool.transport {
        remote.endpoint.secret = Some(SecretRef {
            secret: "calendar".into(),
            key: "token".into(),
        });
    }
    let arguments = json!({"message": "Where to?"});
    let answer = ask_as(&driver(), &tool, arguments, &Attempt::default()).await;
    let answer = answer.unwrap();
    assert_eq!(answer.text, "your key is [secret]\n\n[secret]");
    let sent = agent.asked.lock()[0].headers.clone();
    assert_eq!(sent["x-own"], "hunter2-hunter2");
    assert!(!sent.contains_key("authorization"));
}

#[path = "fault_tests.rs"]
mod faults;
