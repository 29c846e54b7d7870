//! Calls through to drivers that answer what a test wrote down.
#![allow(clippy::unwrap_used)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use aion_abi::{
    canonical::body_digest,
    problem::Problem,
    syscall::{
        embed::{EmbedRequest, EmbedResponse},
        model::{ChatEvent, ChatRequest},
        tool::{CallRequest, CallResponse, ListResponse},
    },
};
use aion_api::AgentInstanceSpec;
use aion_drivers::{
    embed::{EmbedError, Embedder, Embedding, Vectors, fake::FakeEmbedder},
    files::{FakeFiles, FolderFiles},
    memory::FakeMemory,
    model::{FakeModels, Script},
    outbound::{NodeAddresses, Place, Rule},
    tool::{Attempt, FakeTools, Granted, ToolDriver, ToolServer, Waits},
};
use aion_kernel::{BodyDigest, CallId, IdempotencyKey, Kind, TurnId};
use futures::future::{BoxFuture, pending};
use serde_json::json;
use tempfile::TempDir;
use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{
    call::{Caller, frame},
    feed::Feed,
    instance::Instance,
    logs::Logs,
    shell::Progress,
    turns::Known,
};

/// A node's drivers, all of them fakes, and a call of one agent.
struct Stage {
    dispatch: Arc<Dispatch>,
    cancel: CancellationToken,
    _home: TempDir,
}

fn spec() -> AgentInstanceSpec {
    let spec = json!({
        "agent": {"name": "jarvis", "uid": "u"},
        "tenant": "home",
        "model": {"endpoints": [
            {"endpoint": "local", "model": "said", "maxConcurrent": 1, "timeoutSeconds": 60},
        ], "embedding": {"endpoint": "near", "model": "nomic", "maxConcurrent": 1, "timeoutSeconds": 60}},
        "memory": {"pool": "notes", "poolUid": "u"},
        "tools": [{
            "name": "calendar", "mcp": {"http": {"url": "http://127.0.0.1:9/mcp"}},
            "maxConcurrent": 1, "timeoutSeconds": 60,
        }],
        "mounts": [{"name": "docs", "volume": "docs"}],
        "grants": [{"capability": "tool.call"}],
    });
    let mut whole = serde_json::to_value(AgentInstanceSpec::default()).unwrap();
    for (name, value) in spec.as_object().unwrap() {
        whole[name] = value.clone();
    }
    serde_json::from_value(whole).unwrap()
}

impl Stage {
    fn new(models: FakeModels, tools: impl ToolDriver + 'static) -> Self {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        let mapped = json!({"docs": {"path": at("docs"), "writable": false}});
        std::fs::write(at("mounts.json"), mapped.to_string()).unwrap();
        let (clock, reserve) = (Clock::behind(None), Reserve::new(home.path(), 0));
        let folders = Arc::new(FolderFiles::new([home.path().to_owned()]));
        let dispatch = Dispatch {
            files: Arc::new(FakeFiles::default().holding("docs", "guide.md", "hello")),
            mounts: Mounts::open(at("mounts.json"), folders).unwrap(),
            memory: Arc::new(FakeMemory::default()),
            models: Arc::new(models),
            embedder: Arc::new(FakeEmbedder::default()),
            tools: Arc::new(tools),
            devices: Devices::fake().0,
            outbound: Arc::new(Outbound::new(Rule {
                offline: false,
                place: Place::Standalone,
                nodes: NodeAddresses::none(),
            })),
            clock,
            turns: Turns::open(at("turns"), clock, reserve.clone(), Known::default()).unwrap(),
            checkpoints: Checkpoints::new(at("checkpoints")),
            logs: Logs::new(at("logs"), reserve.clone(), Feed::new()),
            reserve,
            telemetry: Arc::new(Telemetry::new().unwrap()),
            standing: HashSet::new(),
        };
        Self {
            dispatch: Arc::new(dispatch),
            cancel: CancellationToken::new(),
            _home: home,
        }
    }

    async fn call(
        &self,
        kind: Kind,
        request: Request,
        keyed: bool,
        chunks: Option<mpsc::Sender<ChatEvent>>,
    ) -> Driven {
        let instance = Instance::of("jarvis-0", spec());
        let job = Job {
            verified: Verified {
                caller: Caller {
                    turn: TurnId(1),
                    instance: Arc::new(instance),
                },
                kind,
                request,
                key: keyed.then(|| IdempotencyKey::new("k").unwrap()),
                chunks,
            },
            cancel: self.cancel.clone(),
            deadline: self.dispatch.clock.now().plus(60_000),
            peer: None,
            judged: None,
            progress: Progress::unheard(CallId(1)),
        };
        Arc::clone(&self.dispatch).drive(job).await
    }
}

fn chat() -> Request {
    let request = json!({"messages": [{"role": "user", "content": "Hello?"}]});
    Request::Chat(serde_json::from_value::<ChatRequest>(request).unwrap())
}

fn read() -> Request {
    let request = json!({"mount": "docs", "path": "guide.md", "length": 100});
    Request::Read(serde_json::from_value(request).unwrap())
}

fn tool_call() -> Request {
    Request::ToolCall(CallRequest {
        name: "calendar.read".into(),
        arguments: json!({}),
        link: None,
    })
}

fn calendar() -> FakeTools {
    FakeTools::default().with("calendar", "read", |_| CallResponse {
        text: "nothing today".into(),
        structured: None,
        is_error: false,
        cut: false,
        links: Vec::new(),
    })
}

/// A tool server that never lists what it has, and answers a call after telling of so many steps, or never.
struct Slow {
    steps: Option<usize>,
}

impl ToolDriver for Slow {
    fn list<'a>(
        &'a self,
        _: &'a [ToolServer],
        _: &'a Granted,
    ) -> BoxFuture<'a, Result<ListResponse, Problem>> {
        Box::pin(pending())
    }

    fn call<'a>(
        &'a self,
        _: &'a [ToolServer],
        _: CallRequest,
        _: &'a Attempt,
        _: Instant,
        waits: &'a Waits,
    ) -> BoxFuture<'a, Result<CallResponse, Problem>> {
        Box::pin(async move {
            let Some(steps) = self.steps else {
                return pending().await;
            };
            for step in 0..steps {
                (waits.told)(format!("calendar.read: {step}"));
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
            serde_json::from_value(json!({"text": "12"}))
                .map_err(|error| Problem::new(Code::Internal, error.to_string()))
        })
    }
}

#[tokio::test]
async fn what_a_tool_says_of_its_progress_is_shown_to_whoever_waits() {
    // More than is kept for whoever shows it: what is more is left out, and nobody waits.
    let working = || Slow { steps: Some(1000) };
    let stage = Stage::new(FakeModels::default(), working());
    let root = stage._home.path().join("turns");
    let input = crate::turns::asked_in_tests(&root, 1);
    stage.dispatch.turns.folder(TurnId(1), input).await.unwrap();
    let mut shown = stage
        .dispatch
        .turns
        .follow(TurnId(1))
        .await
        .unwrap()
        .unwrap();
    let driven = stage.call(Kind::ToolCall, tool_call(), false, None).await;
    assert!(driven.said.is_ok());
    // That it was asked.
    shown.next().await.unwrap();
    for step in 0..TOLD {
        let event = shown.next().await.unwrap();
        let text = format!("calendar.read: {step}");
        let steps = Vec::new();
        assert_eq!(event, aion_abi::admin::TurnEvent::Progress { text, steps });
    }
    // A turn that has ended is shown nothing, and the call is answered all the same.
    let stage = Stage::new(FakeModels::default(), working());
    assert!(
        stage
            .call(Kind::ToolCall, tool_call(), false, None)
            .await
            .said
            .is_ok()
    );
}

#[tokio::test]
async fn an_answer_is_recorded_where_its_call_has_a_key() {
    let stage = Stage::new(FakeModels::default(), calendar());
    for keyed in [true, false] {
        for (kind, request) in [(Kind::FsRead, read()), (Kind::ToolCall, tool_call())] {
            let driven = stage.call(kind, request, keyed, None).await;
            let said = driven.said.unwrap();
            let body = aion_kernel::Body {
                digest: BodyDigest(body_digest(&said)),
                size: said.len() as u64,
            };
            let body = keyed.then_some(body);
            assert_eq!(driven.finish, Finish::Ok { body }, "{kind:?}");
        }
    }
}

#[tokio::test]
async fn what_only_looks_is_stopped_and_what_changes_something_is_not() {
    let stage = Stage::new(FakeModels::default(), Slow { steps: None });
    stage.cancel.cancel();
    let listed = stage.call(Kind::ToolList, Request::ToolList, false, None);
    assert_eq!(listed.await.finish, Finish::Stopped);
    let called = stage.call(Kind::ToolCall, tool_call(), false, None);
    assert!(
        futures::FutureExt::now_or_never(called).is_none(),
        "it runs until the kernel drops it"
    );
    let stage = Stage::new(FakeModels::default(), calendar());
    stage.cancel.cancel();
    let called = stage.call(Kind::ToolCall, tool_call(), false, None).await;
    assert_eq!(called.finish, Finish::Ok { body: None });
}

#[tokio::test]
async fn events_of_a_chat_go_to_the_caller_and_the_last_one_to_the_kernel() {
    let models = FakeModels::default().with("said", Script::Say(vec!["He".into(), "llo".into()]));
    let stage = Stage::new(models, calendar());
    let (chunks, mut heard) = mpsc::channel(16);
    let driven = stage
        .call(Kind::ModelChat, chat(), true, Some(chunks))
        .await;
    let (mut kept, mut text) = (Vec::new(), String::new());
    while let Some(event) = heard.recv().await {
        match event {
            ChatEvent::Delta { text: more } => text += &more,
            ChatEvent::End { .. } => unreachable!("it is the kernel's"),
            event => kept.extend_from_slice(&frame(&event)),
        }
    }
    kept.extend_from_slice(&frame(&ChatEvent::Delta { text }));
    let last: ChatEvent = serde_json::from_slice(&driven.said.unwrap()).unwrap();
    assert!(matches!(last, ChatEvent::End { .. }));
    kept.extend_from_slice(&frame(&last));
    let whole = driven.stream.unwrap();
    assert_eq!(kept, whole, "kept as it was said, in fewer parts");
    let body = Some(ending::body(&whole));
    assert_eq!(driven.finish, Finish::Ok { body });
    assert_eq!(
        (driven.usage.input_tokens, driven.usage.output_tokens),
        (7, 3)
    );
}

#[tokio::test]
async fn a_chat_that_breaks_off_failed_and_what_was_used_counts() {
    let models = FakeModels::default().with("said", Script::BreakOff("He".into()));
    let stage = Stage::new(models, calendar());
    let driven = stage.call(Kind::ModelChat, chat(), true, None).await;
    assert_eq!(driven.finish, ending::failed(&driven.said.unwrap_err()));
    assert_eq!(driven.usage.output_tokens, 3);
    assert!(driven.stream.is_none());
}

#[tokio::test]
async fn a_chat_that_is_stopped_midway_ends_at_once_with_what_it_used() {
    let models = FakeModels::default().with("said", Script::Hang("He".into()));
    let stage = Stage::new(models, calendar());
    let (chunks, mut heard) = mpsc::channel(16);
    let call = stage.call(Kind::ModelChat, chat(), true, Some(chunks));
    let stop = async {
        while let Some(event) = heard.recv().await {
            if matches!(event, ChatEvent::Delta { .. }) {
                stage.cancel.cancel();
            }
        }
    };
    let both = async { tokio::join!(call, stop).0 };
    let driven = tokio::time::timeout(Duration::from_secs(60), both);
    let driven = driven.await.unwrap();
    assert_eq!(driven.finish, Finish::Stopped);
    assert_eq!(driven.usage.output_tokens, 3);
}

/// Apart from one whose time runs out: the clock of calls does not go on with the paused one.
#[tokio::test(start_paused = true)]
async fn a_chat_that_is_stopped_before_its_answer_begins_costs_its_prompt_and_in_one_piece_its_bound()
 {
    let prompt = prompt_of(&chat());
    let at_once = || {
        let Request::Chat(mut request) = chat() else {
            unreachable!("a chat")
        };
        (request.at_once, request.max_tokens) = (true, Some(40));
        Request::Chat(request)
    };
    for (request, output) in [(chat(), 0), (at_once(), 40)] {
        let stage = Stage::new(
            FakeModels::default().with("said", Script::Silent),
            calendar(),
        );
        stage.cancel.cancel();
        let driven = stage.call(Kind::ModelChat, request, false, None).await;
        assert_eq!(driven.finish, Finish::Stopped);
        assert_eq!(driven.usage.input_tokens, prompt);
        assert_eq!(driven.usage.output_tokens, output);
    }
}

fn prompt_of(request: &Request) -> u64 {
    let Request::Chat(request) = request else {
        unreachable!("a chat")
    };
    aion_drivers::model::prompt(request)
}

#[tokio::test(start_paused = true)]
async fn a_chat_whose_time_runs_out_before_its_answer_begins_costs_its_prompt() {
    let stage = Stage::new(
        FakeModels::default().with("said", Script::Silent),
        calendar(),
    );
    let prompt = prompt_of(&chat());
    assert!(prompt > 0);
    // Nobody stops it: its time runs out.
    let late = stage.call(Kind::ModelChat, chat(), false, None).await;
    assert_eq!(late.said.unwrap_err().code, Code::DeadlineExceeded);
    assert_eq!(late.usage.input_tokens, prompt);
    // What nobody has read costs nothing.
    let stage = Stage::new(FakeModels::default(), calendar());
    let away = stage.call(Kind::ModelChat, chat(), false, None).await;
    assert_eq!(away.said.unwrap_err().code, Code::Unreachable);
    assert_eq!(away.usage.total(), 0);
}

fn texts(count: usize, text: &str) -> Request {
    Request::Embed(EmbedRequest {
        texts: vec![text.to_owned(); count],
        ..EmbedRequest::default()
    })
}

#[tokio::test]
async fn vectors_are_given_as_singles_and_charged_as_they_were_counted() {
    let stage = Stage::new(FakeModels::default(), calendar());
    let driven = stage
        .call(Kind::ModelEmbed, texts(200, "a dog barks"), true, None)
        .await;
    let said = driven.said.unwrap();
    let answer: EmbedResponse = serde_json::from_slice(&said).unwrap();
    assert_eq!(answer.model, "near/nomic");
    assert_eq!(answer.vectors.len(), 200);
    // 64 numbers of four bytes each.
    assert_eq!(answer.vectors[0].len(), 344);
    assert_eq!(answer.usage.input_tokens, 200);
    assert_eq!(driven.usage.input_tokens, 200);
}

/// Answers that it is busy, so often.
struct Busy(AtomicU32);

impl Embedder for Busy {
    fn embed<'a>(
        &'a self,
        _: &'a Embedding,
        texts: &'a [String],
        _: Option<u32>,
    ) -> BoxFuture<'a, Result<Vectors, EmbedError>> {
        let left = self.0.fetch_sub(1, Ordering::AcqRel);
        Box::pin(async move {
            match left {
                0 => pending().await,
                1 => Ok(Vectors {
                    vectors: vec![vec![1.0]; texts.len()],
                    input_tokens: None,
                }),
                _ => {
                    let busy = Problem::new(Code::UpstreamFailed, "busy").retry_after_ms(1000);
                    Err(EmbedError::Away(busy))
                }
            }
        })
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_busy_is_asked_again_and_what_refuses_costs_nothing() {
    let staged = |busy| {
        let mut stage = Stage::new(FakeModels::default(), calendar());
        let embedder = Arc::new(Busy(AtomicU32::new(busy)));
        Arc::get_mut(&mut stage.dispatch).unwrap().embedder = embedder;
        stage
    };
    let embed = |stage: Stage| async move {
        stage
            .call(Kind::ModelEmbed, texts(2, "a dog barks"), false, None)
            .await
    };
    let driven = embed(staged(3)).await;
    let answer: EmbedResponse = serde_json::from_slice(&driven.said.unwrap()).unwrap();
    assert!(answer.usage.estimated);
    assert_eq!(driven.usage.input_tokens, answer.usage.input_tokens);
    let driven = embed(staged(9)).await;
    assert!(driven.said.unwrap_err().detail.contains("busy"));
    assert_eq!(driven.usage.input_tokens, 0);
    // What is stopped midway may have been done: it costs what it is taken for.
    let stage = staged(0);
    let cancel = stage.cancel.clone();
    let (driven, ()) = tokio::join!(embed(stage), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        cancel.cancel();
    });
    assert!(matches!(driven.finish, aion_kernel::Finish::Stopped));
    assert_eq!(driven.usage.input_tokens, answer.usage.input_tokens);
}
