//! Questions of turns that calls may begin, while connections come and go.
#![allow(clippy::unwrap_used)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use aion_abi::{canonical::body_digest, syscall::agent::AskRequest};
use aion_api::AgentInstanceSpec;
use aion_journal::Options;
use aion_kernel::{
    Body, BodyDigest, Call, Event, GrantRule, IdempotencyKey, InstanceSpec, InstanceUid, Invoke,
    Kernel, Kind, Lane, Limits, Peer, Phase, Profile, Quota, Resource, Scope, Spawn, TargetPattern,
    Ticket, TurnId, Verdict,
};
use bytes::Bytes;
use futures::future::{BoxFuture, pending};
use tokio::{sync::oneshot, time::timeout};

use super::{CallInput, Driven, Driving, Handle, Job, Reply, ShellParts, WorkerOrder, open};
use crate::{
    call::{Begin, Caller, Prepared, Request, Verified},
    clock::Clock,
    feed::Feed,
    instance::Instance,
};

/// So that a shell that never answers fails the test instead of holding it up.
const BOUND: Duration = Duration::from_secs(60);

struct Nobody;

impl Driving for Nobody {
    fn drive(self: Arc<Self>, _: Job) -> BoxFuture<'static, Driven> {
        Box::pin(pending())
    }

    fn make_safe(
        self: Arc<Self>,
        _: aion_kernel::Name,
        _: aion_kernel::Generation,
        _: aion_kernel::Parts,
    ) -> BoxFuture<'static, (aion_kernel::Parts, aion_kernel::Parts)> {
        Box::pin(pending())
    }
}

/// An agent that a person is asked about before it asks another.
fn instance(uid: u128, agent: &str) -> Event {
    let asks = GrantRule {
        verdict: Verdict::Ask,
        kind: Kind::AgentAsk,
        target: TargetPattern::Any,
        origin: "test".into(),
    };
    Event::Apply(InstanceSpec {
        uid: InstanceUid(uid),
        profile: Profile {
            tenant: "home".into(),
            agent: agent.into(),
            revision: "1".into(),
            lane: Lane::Interactive,
            required_layers: Vec::new(),
            grants: vec![asks].into(),
            quota: Quota::default(),
            max_turn_seconds: 60,
        },
    })
}

fn invoke(uid: u128) -> Invoke {
    Invoke {
        ticket: None,
        instance: InstanceUid(uid),
        cause: "ask".into(),
        input: Body {
            digest: BodyDigest([9; 32]),
            size: 1,
        },
        deadline_ms: None,
        payer: None,
    }
}

fn input(n: u8) -> Body {
    Body {
        digest: BodyDigest([n; 32]),
        size: 1,
    }
}

/// `agent.ask` of the clerk, with a question of its own on the disk, under the same key each time.
fn ask(
    handle: &Handle,
    turn: TurnId,
    question: u8,
    gone: &Arc<AtomicBool>,
) -> (Ticket, oneshot::Receiver<Reply>) {
    let told = Arc::clone(gone);
    let prepared = Prepared::new(input(question), move || {
        told.store(true, Ordering::Relaxed);
    });
    let spawn = Spawn {
        instance: InstanceUid(2),
        input: prepared.input,
        deadline_ms: None,
        delegated: None,
    };
    let body = Bytes::from_static(b"{}");
    let call = Call {
        ticket: handle.ticket(),
        turn,
        kind: Kind::AgentAsk,
        target: Some("clerk".into()),
        resource: Resource::Turns(turn),
        body: Body {
            digest: BodyDigest(body_digest(&body)),
            size: body.len() as u64,
        },
        key: IdempotencyKey::new("once"),
        deadline_ms: None,
        reserve_tokens: 0,
        repeatable: false,
        peer: Some(Peer::New(spawn)),
        aim: None,
    };
    let begin = Begin {
        request: AskRequest::default(),
        prepared: Some(Arc::new(prepared)),
    };
    let instance = Arc::new(Instance::of("chief-0", AgentInstanceSpec::default()));
    let verified = Verified {
        caller: Caller { turn, instance },
        kind: Kind::AgentAsk,
        request: Request::Begin(begin),
        key: call.key.clone(),
        chunks: None,
    };
    let (ticket, (reply, replied)) = (call.ticket, oneshot::channel());
    let asked = handle.call(CallInput {
        call,
        verified,
        body,
        reply,
    });
    asked.unwrap();
    (ticket, replied)
}

/// Waits until something of the kernel is so.
async fn until(handle: &Handle, is_so: impl Fn(&Kernel) -> bool + Copy + Send + 'static) {
    let so = async { while !handle.look(is_so).await.unwrap() {} };
    timeout(BOUND, so).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_stays_for_as_long_as_a_call_waits_with_it_whoever_brought_it() {
    for (word, taken) in [(Some(Scope::Once), true), (None, false)] {
        let dir = tempfile::tempdir().unwrap();
        let options = Options {
            dir: dir.path().join("journal"),
            segment_bytes: 1024 * 1024,
            keep_bytes: 1024 * 1024,
        };
        let opened = open(&options, Limits::default()).unwrap();
        let clock = Clock::behind(None);
        let (handle, parts, mut orders) =
            ShellParts::open(opened.kernel, opened.journal, clock, Feed::new());
        let drivers = tokio::runtime::Handle::current();
        let shell = parts.with(Arc::new(Nobody), drivers).run(Vec::new());
        let shell = tokio::spawn(shell);
        handle.tell(instance(1, "chief"));
        handle.tell(instance(2, "clerk"));
        until(&handle, |kernel| kernel.state().instances().count() == 2).await;
        let turn = handle.invoke(invoke(1)).await.unwrap();
        let incarnation = loop {
            if let WorkerOrder::Start { incarnation, .. } = orders.recv().await.unwrap() {
                break incarnation;
            }
        };
        handle.tell(Event::WorkerReady {
            turn,
            incarnation,
            pid: 1,
            start_time: 1,
            layers: Vec::new(),
        });
        until(&handle, move |kernel| {
            let row = kernel.state().turn(turn);
            row.is_some_and(|row| matches!(row.phase, Phase::Running { .. }))
        })
        .await;

        let [first, second] = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
        let (lost, _) = ask(&handle, turn, 1, &first);
        let (_, replied) = ask(&handle, turn, 2, &second);
        // Behind both of them.
        handle.invoke(invoke(1)).await.unwrap();
        handle.tell(Event::Disconnected { ticket: lost });
        let approval = handle.look(|kernel| kernel.state().approvals().next().map(|it| it.0));
        let ticket = handle.ticket();
        let event = Event::Answer {
            ticket,
            approval: approval.await.unwrap().unwrap(),
            yes: word,
            by: "ann".into(),
        };
        handle.word(ticket, event).await.unwrap().unwrap();
        if taken {
            until(&handle, |kernel| {
                let mut turns = kernel.state().turns();
                turns.any(|(_, row)| row.input == input(1))
            })
            .await;
        } else {
            let reply = timeout(BOUND, replied).await.unwrap().unwrap();
            assert!(matches!(reply, Reply::Problem(_)));
        }
        assert_eq!(first.load(Ordering::Relaxed), !taken, "{word:?}");
        timeout(BOUND, handle.stop()).await.unwrap();
        shell.await.unwrap().unwrap();
        // A driver has it for as long as it works.
        assert!(taken || second.load(Ordering::Relaxed));
    }
}
