//! What the API server is asked, and what is made of its word, with one that is a table of answers.
#![allow(clippy::unwrap_used)]

use axum::{
    Json, Router,
    body::to_bytes,
    extract::{Request, State},
    http::StatusCode,
};
use kube::Config;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::*;
use crate::{
    cluster::table::{Instance, Where},
    numbers::Tag,
    place::Key,
};

/// An API server that knows nobody but one user.
#[derive(Default)]
struct Api {
    /// `VERB NAME` of agents that they may, a name being empty for all.
    may: Vec<&'static str>,
    /// It never answers.
    is_silent: bool,
    /// What it was asked of agents and reviews.
    asked: Mutex<Vec<String>>,
}

impl Api {
    fn asked(&self, part: &str) -> usize {
        let asked = self.asked.lock();
        asked.iter().filter(|it| it.contains(part)).count()
    }
}

const AGENTS: &str = "/apis/aion.dev/v1alpha1/namespaces/home/agents";

async fn answer(
    State(api): State<Arc<Api>>,
    request: Request,
) -> Result<Json<Value>, (StatusCode, Json<Value>)> {
    let path = request.uri().to_string();
    let body = to_bytes(request.into_body(), 1 << 20).await.unwrap();
    let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
    if !path.contains("watch") && !path.contains("limit=200") {
        api.asked.lock().push(path.clone());
    }
    if api.is_silent {
        std::future::pending::<()>().await;
    }
    if path.contains("/tokenreviews") {
        let is_ours = asked["spec"]["audiences"][0] == "aion.dev/node-agent";
        return Ok(Json(json!({
            "metadata": {}, "spec": {},
            "status": {
                "authenticated": is_ours, "audiences": asked["spec"]["audiences"],
                "user": {"username": "system:serviceaccount:home:asker"},
            },
        })));
    }
    if path.contains("/subjectaccessreviews") {
        let wanted = &asked["spec"]["resourceAttributes"];
        let text = |field: &str| wanted[field].as_str().unwrap_or_default().to_owned();
        let allowed = [text("name"), String::new()].into_iter().any(|name| {
            let wanted = format!("{} {name}", text("verb"));
            api.may.iter().any(|it| **it == wanted)
        });
        return Ok(Json(
            json!({"metadata": {}, "spec": {}, "status": {"allowed": allowed}}),
        ));
    }
    // As many as anybody reads.
    if path.starts_with(&format!("{AGENTS}?")) && !path.contains("watch") {
        let named = |it: usize| json!({"apiVersion": "aion.dev/v1alpha1", "kind": "Agent", "metadata": {"name": format!("a{it}")}});
        let items: Vec<Value> = (0..100).map(named).collect();
        return Ok(Json(
            json!({"apiVersion": "aion.dev/v1alpha1", "kind": "AgentList", "metadata": {"continue": "more"}, "items": items}),
        ));
    }
    let none = json!({"kind": "Status", "status": "Failure", "reason": "NotFound", "message": "none", "code": 404});
    Err((StatusCode::NOT_FOUND, Json(none)))
}

async fn cluster(api: Api) -> (Arc<Api>, Arc<Cluster>) {
    let api = Arc::new(api);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(answer).with_state(Arc::clone(&api));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let client = Client::try_from(Config::new(at.parse().unwrap())).unwrap();
    (api, Cluster::of(client, false))
}

async fn asker(may: &[&'static str]) -> (Arc<Api>, Caller) {
    let may = may.to_vec();
    let (api, cluster) = cluster(Api {
        may,
        ..Api::default()
    })
    .await;
    places(&mut cluster.table.write());
    let caller = cluster.caller("eyJ.a.b").await.unwrap();
    (api, caller)
}

/// Of one agent there is an instance, on a node that cannot be asked.
fn places(table: &mut Table) {
    let placed = Instance {
        name: "keeper-0".into(),
        node: "n1".into(),
        is_ready: true,
        is_leaving: false,
    };
    table.instance(("home", "keeper"), placed);
    let closed = Where {
        tag: Tag::of("n1"),
        is_alive: true,
        address: Err("it is at 10.0.0.7".into()),
    };
    table.node("n1", closed);
}

fn refusal<T>(answer: Result<T, aion_client::ClientError>) -> Problem {
    match answer.err().unwrap() {
        aion_client::ClientError::Refused(problem) => *problem,
        other => unreachable!("{other}"),
    }
}

#[tokio::test]
async fn who_may_not_is_told_the_same_of_an_agent_that_is_there_and_of_one_that_is_not() {
    let (_, stranger) = asker(&[]).await;
    let told = async |name: &'static str| {
        let (agent, key) = (("home", name), Key::Ours("k"));
        let asked = refusal(stranger.places(agent, key, &[]).await);
        let uploads = refusal(stranger.places(agent, key, &["0000ff-a".to_owned()]).await);
        let seen = refusal(stranger.agent("home", name).await);
        assert_eq!(asked.code, Code::Denied);
        [asked, uploads, seen].map(|it| serde_json::to_string(&it).unwrap().replace(name, "X"))
    };
    let keeper = told("keeper").await;
    assert_eq!(keeper, told("ghosts").await);
    assert!(keeper.iter().all(|it| *it == keeper[0]), "{keeper:?}");
    // Who may is told where it is.
    let (_, asker) = asker(&["invoke ", "get "]).await;
    let told = refusal(asker.places(("home", "ghosts"), Key::Ours("k"), &[]).await);
    assert_eq!(told.code, Code::NotFound);
}

#[tokio::test]
async fn what_is_no_name_makes_no_path_at_the_api_server() {
    let (api, asker) = asker(&["invoke ", "get "]).await;
    for (namespace, name) in [
        ("home", "../../other/agents/secret"),
        ("home", "a b"),
        ("home", ""),
        ("x/agentinstances?", "keeper"),
        ("", "keeper"),
    ] {
        let seen = refusal(asker.agent(namespace, name).await);
        assert_eq!(seen.code, Code::NotFound, "{namespace}/{name}");
        let asked = refusal(asker.places((namespace, name), Key::Ours("k"), &[]).await);
        assert_eq!(asked.code, Code::NotFound, "{namespace}/{name}");
    }
    for namespace in ["", "x/agentinstances?", "x/agentinstances?watch=true&a="] {
        assert_eq!(
            refusal(asker.agents(namespace).await).code,
            Code::BadRequest
        );
    }
    assert_eq!((api.asked("/subject"), api.asked("aion.dev")), (0, 0));
}

#[tokio::test]
async fn until_it_is_known_where_agents_are_no_feed_is_of_fewer_nodes() {
    let (_, asker) = asker(&["get "]).await;
    let told = asker.known_feeds("home").err().unwrap();
    assert_eq!(told.code, Code::Unreachable);
    assert!(told.retry_after_ms.is_some(), "{told}");
}

#[tokio::test]
async fn a_list_is_bounded_and_so_are_its_reviews() {
    let (api, all) = asker(&["invoke ", "get "]).await;
    let told = refusal(all.agents("home").await);
    assert_eq!((told.code, api.asked(AGENTS)), (Code::TooLarge, 51));
    let (_, some) = asker(&["invoke a7", "get a7"]).await;
    assert_eq!(refusal(some.agents("home").await).code, Code::TooLarge);
    // Who sees none is not told how many there are.
    let (api, stranger) = asker(&[]).await;
    assert!(stranger.agents("home").await.unwrap().is_empty());
    assert_eq!((api.asked("/subject"), api.asked(AGENTS)), (1 + 256, 3));
}

#[tokio::test]
async fn an_api_server_that_is_silent_holds_no_request_for_ever() {
    let (_, cluster) = cluster(Api {
        is_silent: true,
        ..Api::default()
    })
    .await;
    tokio::time::pause();
    let told = cluster.caller("eyJ.a.b").await.err().unwrap();
    assert_eq!(told.code, Code::Unreachable, "{told}");
    assert!(told.detail.contains("in 10 s"), "{told}");
}
