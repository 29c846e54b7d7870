//! Turns as they are begun, at a node that says what a test has it say.
#![allow(clippy::unwrap_used)]

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use aion_abi::{code::Code, problem::Problem};
use aion_client::{Address, Node};
use axum::{
    Json, Router,
    extract::Request,
    http::StatusCode,
    middleware::{self, Next},
    routing::{delete, get, post},
};
use futures::future::{join_all, pending};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{net::UnixListener, sync::Notify};

use super::{By, Lending, lender::Lender};

/// A lender, and the node that it is asked by.
struct Lends {
    lender: Arc<Lender>,
    node: Node,
}

impl Lends {
    async fn visit(&self) -> Result<super::Visit, Problem> {
        self.lender.visit(&self.node).await
    }
}

const WHOSE: &str = "/api/v1/namespaces/default/agents/editor/programs";

/// The lender of an agent at a node that answers as `routes` do.
fn lender(routes: Router) -> (Lends, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("node.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    tokio::spawn(async move { axum::serve(listener, routes).await });
    let node = Node {
        address: Address::unix(&socket).unwrap(),
    };
    let agent = ("default".to_owned(), "editor".to_owned());
    let lender = Arc::new(Lender::of(node.clone(), agent, Arc::default()));
    (Lends { lender, node }, folder)
}

fn below(what: &str) -> String {
    format!("{WHOSE}/{{program}}/{what}")
}

fn known() -> (StatusCode, Json<Value>) {
    let known = json!({"program": "p", "leaseMs": 30_000, "stop": []});
    (StatusCode::OK, Json(known))
}

fn refusal(code: Code, detail: &str) -> (StatusCode, Json<Value>) {
    let problem = Problem::new(code, detail);
    let status = StatusCode::from_u16(problem.status).unwrap();
    (status, Json(json!(problem)))
}

#[tokio::test]
async fn those_who_wait_for_a_turn_share_what_becomes_of_it() {
    let (begun, go) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let (count, wait) = (Arc::clone(&begun), Arc::clone(&go));
    let begin = move || {
        let wait = Arc::clone(&wait);
        let nth = count.fetch_add(1, Ordering::Relaxed);
        async move {
            wait.notified().await;
            refusal(Code::NotRunning, &format!("not let in, {nth}"))
        }
    };
    let routes = Router::new()
        .route(WHOSE, post(async || known()))
        .route(&below("begin"), post(begin));
    let (lender, _folder) = lender(routes);
    let waiting = (0..256).map(|_| lender.visit());
    let waiting = async {
        let told = join_all(waiting).await;
        told.into_iter().map(|it| it.err().unwrap())
    };
    let one_too_many = async {
        let refused = lender.visit().await.err().unwrap();
        go.notify_one();
        refused
    };
    let (told, refused) = tokio::join!(waiting, one_too_many);
    for problem in told {
        assert_eq!(problem.detail, "not let in, 0");
    }
    assert_eq!(begun.load(Ordering::Relaxed), 1);
    assert_eq!(refused.code, Code::Overloaded, "{refused}");
    assert!(refused.retry_after_ms.is_some());
    go.notify_one();
    let next = lender.visit().await.err().unwrap();
    assert_eq!(next.detail, "not let in, 1", "another is begun after it");
}

#[tokio::test]
async fn an_agent_that_is_gone_is_not_waited_for() {
    let gone = || refusal(Code::NotFound, "there is no agent editor");
    let registered = Arc::new(AtomicUsize::new(0));
    let register = move || {
        let first = registered.fetch_add(1, Ordering::Relaxed) == 0;
        async move { if first { known() } else { gone() } }
    };
    let routes = Router::new()
        .route(WHOSE, post(register))
        .route(&below("begin"), post(async || Json(json!({"turn": 7}))))
        .route(&below("turn"), post(async move || gone()));
    let (lender, _folder) = lender(routes);
    let problem = lender.visit().await.err().unwrap();
    assert_eq!(problem.code, Code::NotFound, "{problem}");
    assert!(problem.detail.contains("no agent editor"), "{problem}");
}

#[tokio::test]
async fn a_turn_that_is_over_before_it_is_given_says_why() {
    let why = Problem::new(Code::QuotaExceeded, "no turns are left");
    let record = json!({
        "turn": 7, "agent": "default/editor", "input": "", "outcome": {"ok": false, "problem": why},
    });
    let routes = Router::new()
        .route(WHOSE, post(async || known()))
        .route(&below("begin"), post(async || Json(json!({"turn": 7}))))
        .route(&below("turn"), post(pending::<Json<Value>>))
        .route("/api/v1/turns/7", get(async move || Json(record)));
    let (lender, _folder) = lender(routes);
    let problem = lender.visit().await.err().unwrap();
    assert_eq!(problem.code, Code::QuotaExceeded, "{problem}");
    assert!(problem.detail.contains("no turns are left"), "{problem}");
}

#[tokio::test]
async fn what_is_begun_is_in_the_name_of_who_asks_and_goes_on_in_the_gateways_own() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    let note = move |request: Request, next: Next| {
        let by_key = request.headers().contains_key("aion-key");
        let what = request.uri().path().rsplit('/').next().map(str::to_owned);
        seen.lock().push((what.unwrap(), by_key));
        next.run(request)
    };
    let routes = Router::new()
        .route(WHOSE, post(async || known()))
        .route(&below("begin"), post(async || Json(json!({"turn": 7}))))
        .route(
            &below("turn"),
            post(async || refusal(Code::Denied, "not now")),
        )
        .route("/api/v1/turns/7", delete(async || Json(json!({}))))
        .layer(middleware::from_fn(note));
    let (Lends { lender, node }, _folder) = lender(routes);
    let address = node.address.in_the_name_of("a key").unwrap();
    let refused = lender.visit(&Node { address }).await.err().unwrap();
    assert_eq!(refused.code, Code::Denied);
    let asked = asked.lock();
    let asked: Vec<_> = asked.iter().map(|(what, by)| (&**what, *by)).collect();
    let begun = [
        ("programs", true),
        ("begin", true),
        ("turn", false),
        ("7", false),
    ];
    let of_them = |it: &&(&str, bool)| begun.iter().any(|other| other.0 == it.0);
    let asked: Vec<_> = asked.iter().filter(of_them).copied().collect();
    assert_eq!(asked, begun);
}

#[tokio::test]
async fn tokens_of_one_are_one_and_who_waits_at_an_agent_waits_for_all() {
    let node = Node {
        address: Address::unix("/nowhere/node.sock").unwrap(),
    };
    let lending = Lending::default();
    let of_budget = |token: &str, key: Option<&str>, tokens_per_hour, agent: &str| {
        let address = node.address.in_the_name_of(token).unwrap();
        let key: Option<Arc<str>> = key.map(Arc::from);
        let by = By {
            node: &Node { address },
            own: &node,
            key: key.as_ref(),
            tokens_per_hour,
        };
        lending.lender(by, ("default", agent))
    };
    let of = |token: &str, key: Option<&str>, agent: &str| of_budget(token, key, None, agent);
    let one = of("one", Some("a"), "editor");
    assert!(Arc::ptr_eq(&one, &of("two", Some("a"), "editor")));
    for other in [of("three", Some("b"), "editor"), of("four", None, "editor")] {
        assert!(!Arc::ptr_eq(&one, &other));
        assert!(Arc::ptr_eq(one.queue(), other.queue()));
    }
    // Its budget was changed, or it came by another rule of its issuer.
    let bounded = of_budget("one", Some("a"), Some(900), "editor");
    assert!(!Arc::ptr_eq(&one, &bounded));
    assert!(Arc::ptr_eq(one.queue(), bounded.queue()));
    let elsewhere = of("one", Some("a"), "other");
    assert!(!Arc::ptr_eq(one.queue(), elsewhere.queue()));
}
