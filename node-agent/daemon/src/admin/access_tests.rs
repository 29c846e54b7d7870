//! What the cluster is asked before a request gets through, however its path is spelled.

#![allow(clippy::unwrap_used)]

use aion_abi::admin::TurnRecord;
use axum::{
    Router,
    body::Body,
    extract::RawPathParams,
    middleware,
    routing::{any, get},
};
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use parking_lot::Mutex;

use super::*;

/// Lets `ada` do what is listed, and everybody of the cluster read nodes.
struct Cluster {
    rights: Vec<&'static str>,
    asked: Mutex<Vec<String>>,
}

impl Reviewer for Cluster {
    fn review<'a>(
        &'a self,
        token: &'a str,
        asked: &'a Asked,
    ) -> BoxFuture<'a, Result<String, Problem>> {
        let Asked {
            verb,
            resource,
            namespace,
            name,
        } = asked;
        let asked = format!("{verb} {resource} {namespace}/{name}");
        let known = token == "ada";
        let may = asked == "get kernelnodes /here" || self.rights.contains(&asked.as_str());
        self.asked.lock().push(asked);
        Box::pin(async move {
            match (known, may) {
                (true, true) => Ok(token.to_owned()),
                (true, false) => Err(Problem::new(Code::Denied, "no")),
                _ => Err(Problem::new(Code::BadSignature, "who?")),
            }
        })
    }
}

/// The interface's routes behind its guard; turn 7 and approval 3 are of `home/jarvis`. Says what the handlers read.
struct Node {
    cluster: Arc<Cluster>,
    service: TowerToHyperService<Router>,
    keys: Keys,
    _dir: tempfile::TempDir,
}

impl Node {
    fn new(rights: &[&'static str]) -> Self {
        let cluster = Arc::new(Cluster {
            rights: rights.to_vec(),
            asked: Mutex::default(),
        });
        let reviewer = Arc::clone(&cluster) as Arc<dyn Reviewer>;
        Self::behind(Access::Cluster(reviewer), cluster)
    }

    fn behind(access: Access, cluster: Arc<Cluster>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let kept = dir.path().join("0".repeat(32));
        std::fs::create_dir(&kept).unwrap();
        let record = TurnRecord {
            trace: None,
            turn: 7,
            agent: "home/jarvis".into(),
            caller: None,
            trigger: None,
            input: "a secret".into(),
            asked_at_ms: None,
            context: None,
            answer: None,
            running: false,
            steps: Vec::new(),
            steps_beyond: 0,
            outcome: None,
        };
        let mut record = serde_json::to_value(&record).unwrap();
        record["endedAtMs"] = 1.into();
        std::fs::write(kept.join("record.json"), record.to_string()).unwrap();
        let keys = dir.path().join("keys.json");
        let clock = crate::clock::Clock::behind(None);
        let keys = Keys::open(keys, clock, crate::keys::Issuers::default()).unwrap();
        let guard = Arc::new(Guard {
            access,
            node: "here".into(),
            turns: crate::turns::open_in_tests(dir.path()),
            keys: keys.clone(),
            folder: None,
            approvals: Box::new(|approval| {
                let whose = (approval == 3).then(|| "home/jarvis".to_owned());
                Box::pin(std::future::ready(whose))
            }),
        });
        let read = |parameters: RawPathParams| async move {
            let values: Vec<_> = parameters.iter().map(|(_, it)| it.to_owned()).collect();
            values.join(" ")
        };
        let mut router = Router::new();
        for route in [
            "/api/v1/turns/{turn}",
            "/api/v1/turns/{turn}/events",
            "/api/v1/turns/{turn}/files/{*path}",
            "/api/v1/namespaces/{namespace}/agents/{agent}/turns",
            "/api/v1/namespaces/{namespace}/agents/{agent}/uploads",
            "/api/v1/namespaces/{namespace}/agents/{agent}/logs",
            "/api/v1/namespaces/{namespace}/agents/{agent}/why",
            "/api/v1/namespaces/{namespace}/agents/{agent}/approvals",
            "/api/v1/namespaces/{namespace}/agents/{agent}/approvals/{approval}",
            "/api/v1/events",
            "/api/v1/usage",
            "/api/v1/queues",
            "/api/v1/namespaces/{namespace}/agents/{agent}/tools",
            "/api/v1/namespaces/{namespace}/agents/{agent}/audit",
            "/api/v1/namespaces/{namespace}/agents/{agent}/memory",
            "/api/v1/namespaces/{namespace}/agents/{agent}/memory/{item}",
            "/api/v1/approvals",
            "/api/v1/approvals/{approval}",
            "/api/v1/namespaces/{namespace}/approvals",
            "/api/v1/namespaces/{namespace}/events",
            "/api/v1/namespaces/{namespace}/agents/{agent}/programs",
            "/api/v1/namespaces/{namespace}/agents/{agent}/programs/{program}/begin",
            "/api/v1/namespaces/{namespace}/agents/{agent}/triggers",
            "/api/v1/namespaces/{namespace}/agents/{agent}/triggers/{trigger}/fire",
            "/api/v1/namespaces/{namespace}/agents/{agent}/hooks/{trigger}",
            "/api/v1/triggers",
            "/api/v1/namespaces/{namespace}/agents/{agent}/unheard-of",
            "/api/v1/unheard-of",
            "/api/v1/apply",
            "/api/v1/mounts",
            "/api/v1/resources/{kind}",
            "/api/v1/resources/{kind}/{namespace}/{name}",
        ]
        .into_iter()
        .chain(devices::ROUTES)
        {
            router = router.route(route, any(read));
        }
        let router = router
            .route("/api/v1/status", get(|| async { "status" }))
            .route_layer(middleware::from_fn_with_state(guard, check));
        Self {
            cluster,
            service: TowerToHyperService::new(router),
            keys,
            _dir: dir,
        }
    }

    /// The answer's status, and what was asked of the cluster for it.
    async fn ask(&self, token: &str, path: &str) -> (u16, Vec<String>) {
        let request = Request::builder()
            .uri(path)
            .header("authorization", format!("Bearer {token}"))
            .body(Body::empty())
            .unwrap();
        let response = self.service.call(request).await.unwrap();
        let asked = std::mem::take(&mut *self.cluster.asked.lock());
        (response.status().as_u16(), asked)
    }
}

const INVOKE: &str = "invoke agents home/jarvis";
const GET: &str = "get agents home/jarvis";
const APPROVE: &str = "approve agents home/jarvis";
const NODE: &str = "get kernelnodes /here";
const SERVE: &str = "serve agents home/jarvis";

#[tokio::test]
async fn a_turn_needs_the_right_to_invoke_its_agent_however_its_number_is_spelled() {
    let (stranger, friend) = (Node::new(&[]), Node::new(&[INVOKE]));
    for path in [
        "/api/v1/turns/7",
        "/api/v1/turns/%37",
        "/api/v1/turns/+7",
        "/api/v1/turns/%2b%37",
        "/api/v1/turns/007",
        "/api/v1/turns/%37/events",
        "/api/v1/turns/7/files/a.md",
        "/api/v1/turns/%37/files/%2e%2e/a.md",
    ] {
        let (status, asked) = stranger.ask("ada", path).await;
        assert_eq!((status, asked), (403, vec![INVOKE.to_owned()]), "{path}");
        let (status, asked) = friend.ask("ada", path).await;
        assert_eq!((status, asked), (200, vec![INVOKE.to_owned()]), "{path}");
    }
}

#[tokio::test]
async fn a_turn_that_is_unknown_or_cannot_be_read_is_not_there() {
    let node = Node::new(&[INVOKE]);
    for path in [
        "/api/v1/turns/8",
        "/api/v1/turns/%38",
        "/api/v1/turns/%2e",
        "/api/v1/turns/%2e%2e",
        "/api/v1/turns/%ff",
        "/api/v1/turns/7%2f",
        "/api/v1/turns/7%2fevents",
        "/api/v1/turns/%207",
        "/api/v1/turns/-7",
        "/api/v1/turns/99999999999999999999999",
        "/api/v1/turns/seven/events",
    ] {
        assert_eq!(node.ask("ada", path).await.0, 404, "{path}");
        assert_eq!(node.ask("eve", path).await.0, 401, "{path}");
    }
}

#[tokio::test]
async fn empty_segments_lead_to_no_endpoint() {
    let node = Node::new(&[INVOKE, GET]);
    for path in [
        "//api/v1/turns/7",
        "/api/v1//turns/7",
        "/api/v1/turns//7",
        "/api/v1/turns/7/",
        "/api/v1/turns/%37//events",
        "/api/v1/namespaces//home/agents/jarvis/logs",
        "/api/v1/namespaces/home/agents//logs",
        "/api/v1/%74urns/7",
    ] {
        assert_eq!(node.ask("ada", path).await.0, 404, "{path}");
    }
}

#[tokio::test]
async fn an_agent_is_judged_by_the_name_that_the_endpoint_reads() {
    let (stranger, friend) = (Node::new(&[]), Node::new(&[GET, INVOKE]));
    for (path, needed) in [
        ("/api/v1/namespaces/home/agents/jarvis/logs", GET),
        ("/api/v1/namespaces/home/agents/jarvis/why", GET),
        ("/api/v1/namespaces/home/agents/jarvis/triggers", GET),
        (
            "/api/v1/namespaces/home/agents/jarvis/triggers/t/fire",
            INVOKE,
        ),
        ("/api/v1/namespaces/home/agents/jarvis/hooks/t", INVOKE),
        ("/api/v1/namespaces/home/agents/jarvis/turns", INVOKE),
        ("/api/v1/namespaces/home/agents/jarvis/uploads", INVOKE),
        ("/api/v1/namespaces/h%6fme/agents/%6aarvis/logs", GET),
        (
            "/api/v1/namespaces/%68%6f%6d%65/agents/jarv%69s/turns",
            INVOKE,
        ),
    ] {
        let (status, asked) = stranger.ask("ada", path).await;
        assert_eq!((status, asked), (403, vec![needed.to_owned()]), "{path}");
        assert_eq!(friend.ask("ada", path).await.0, 200, "{path}");
    }
    // What is decoded is not split again.
    let (status, asked) = friend
        .ask(
            "ada",
            "/api/v1/namespaces/home%2fagents%2fjarvis/agents/x/logs",
        )
        .await;
    let other = "get agents home/agents/jarvis/x".to_owned();
    assert_eq!((status, asked), (403, vec![other]));
}

#[tokio::test]
async fn who_may_ask_an_agent_may_not_answer_for_it() {
    let (caller, operator) = (Node::new(&[INVOKE, GET]), Node::new(&[APPROVE]));
    let of_agent = "/api/v1/namespaces/home/agents/jarvis/approvals";
    // Who may see what an agent asks sees it by its number, too.
    let one = "/api/v1/approvals/3".to_owned();
    for path in [of_agent.to_owned(), format!("{of_agent}/3"), one] {
        let (status, asked) = caller.ask("ada", &path).await;
        assert_eq!((status, asked), (403, vec![APPROVE.to_owned()]), "{path}");
        assert_eq!(operator.ask("ada", &path).await.0, 200, "{path}");
    }
    for (path, wanted) in [
        ("/api/v1/approvals", "approve agents /"),
        ("/api/v1/namespaces/home/approvals", "approve agents home/"),
    ] {
        let (status, asked) = operator.ask("ada", path).await;
        assert_eq!(
            (status, asked),
            (403, vec![wanted.to_owned()]),
            "one agent is not all: {path}"
        );
    }
    let of_home = Node::new(&["approve agents home/"]);
    for (namespace, status) in [("home", 200), ("office", 403)] {
        let path = format!("/api/v1/namespaces/{namespace}/approvals");
        assert_eq!(of_home.ask("ada", &path).await.0, status, "{path}");
    }
    for unknown in ["4", "%34", "three", "99999999999999999999999"] {
        let path = format!("/api/v1/approvals/{unknown}");
        assert_eq!(operator.ask("ada", &path).await.0, 404, "{path}");
        assert_eq!(operator.ask("eve", &path).await.0, 401, "{path}");
    }
}

#[tokio::test]
async fn what_happens_is_told_to_who_may_read_every_agent() {
    const ALL: &str = "get agents /";
    let (of_one, of_all) = (Node::new(&[GET, INVOKE]), Node::new(&[ALL]));
    let (status, asked) = of_one.ask("ada", "/api/v1/events").await;
    assert_eq!((status, asked), (403, vec![ALL.to_owned()]));
    assert_eq!(of_all.ask("ada", "/api/v1/events").await.0, 200);
    let of_home = "/api/v1/namespaces/home/events";
    let (status, asked) = of_one.ask("ada", of_home).await;
    assert_eq!((status, asked), (403, vec!["get agents home/".to_owned()]));
    let home = Node::new(&["get agents home/"]);
    assert_eq!(home.ask("ada", of_home).await.0, 200);
    assert_eq!(home.ask("ada", "/api/v1/events").await.0, 403);
    for path in ["/api/v1/usage", "/api/v1/queues"] {
        assert_eq!(of_one.ask("ada", path).await.0, 403, "{path}");
        assert_eq!(of_all.ask("ada", path).await.0, 200, "{path}");
    }
}

#[tokio::test]
async fn what_an_agent_has_and_did_is_told_to_who_may_read_it_and_what_it_remembers_to_nobody() {
    let (reader, caller) = (Node::new(&[GET]), Node::new(&[INVOKE]));
    let of_agent = |below: &str| format!("/api/v1/namespaces/home/agents/jarvis/{below}");
    for below in ["tools", "audit"] {
        assert_eq!(reader.ask("ada", &of_agent(below)).await.0, 200, "{below}");
        assert_eq!(caller.ask("ada", &of_agent(below)).await.0, 403, "{below}");
    }
    // In a cluster there is no right to it.
    let all = Node::new(&[GET, INVOKE, SERVE, APPROVE, NODE]);
    for below in ["memory", "memory/1"] {
        assert_eq!(all.ask("ada", &of_agent(below)).await.0, 404, "{below}");
    }
}

#[tokio::test]
async fn on_the_socket_that_asks_approvals_take_a_token_besides() {
    let nobody = Arc::new(Cluster {
        rights: Vec::new(),
        asked: Mutex::default(),
    });
    let node = Node::behind(Access::Asking("word".into()), nobody);
    let paths = [
        "/api/v1/approvals",
        "/api/v1/approvals/3",
        "/api/v1/namespaces/home/approvals",
        "/api/v1/namespaces/home/agents/jarvis/approvals/3",
    ];
    for path in paths {
        assert_eq!(node.ask("guess", path).await.0, 403, "{path}");
        assert_eq!(node.ask("word", path).await.0, 200, "{path}");
    }
    let log = "/api/v1/namespaces/home/agents/jarvis/logs";
    assert_eq!(node.ask("word", log).await.0, 403, "it is for nothing else");
}

#[tokio::test]
async fn a_gateway_that_asks_in_a_name_asks_in_one_that_is_known_or_not_at_all() {
    let nobody = Arc::new(Cluster {
        rights: Vec::new(),
        asked: Mutex::default(),
    });
    let node = Node::behind(Access::Asking("word".into()), nobody);
    let status = async |names: &[&str], path: &str| {
        let mut request = Request::builder().uri(path);
        for name in names {
            request = request.header(aion_abi::key::HEADER, *name);
        }
        let response = node.service.call(request.body(Body::empty()).unwrap());
        response.await.unwrap().status().as_u16()
    };
    let made = |name: &str, may: &[aion_abi::key::Right]| {
        node.keys.make(aion_abi::key::NewKey {
            name: name.into(),
            scope: aion_abi::key::Scope {
                namespace: "home".into(),
                agents: vec!["*".into()],
                ..Default::default()
            },
            doors: Vec::new(),
            may: may.to_vec(),
            expires_ms: crate::clock::date().plus(60_000),
            requests_per_minute: None,
            tokens_per_hour: None,
        })
    };
    let key = made("notes", &[]).unwrap().secret;
    let approves = made("person", &[aion_abi::key::Right::Approve]);
    let approves = approves.unwrap().secret;
    let unknown = aion_abi::key::key(&[7; 22]);
    let turn = "/api/v1/turns/7";
    assert_eq!(status(&[], turn).await, 200);
    let (key, unknown) = (key.as_str(), unknown.as_str());
    for names in [
        vec!["x"],
        vec![unknown],
        vec![key, key],
        vec![key, "x"],
        vec![""],
    ] {
        assert_eq!(status(&names, turn).await, 401, "{names:?}");
    }
    assert_eq!(status(&[key], turn).await, 404, "it began none");
    assert_eq!(status(&[key], "/api/v1/approvals").await, 403);
    let of_home = "/api/v1/namespaces/home/approvals";
    assert_eq!(status(&[key], of_home).await, 403);
    assert_eq!(status(&[key], "/api/v1/apply").await, 403);
    assert_eq!(status(&[&approves], "/api/v1/approvals").await, 200);
    assert_eq!(status(&[&approves], "/api/v1/approvals/3").await, 200);
    assert_eq!(status(&[&approves], turn).await, 404, "it began none");
    assert_eq!(status(&[&approves], "/api/v1/apply").await, 403);
}

#[tokio::test]
async fn who_may_ask_an_agent_may_not_be_its_program_nor_use_its_models() {
    let (friend, program) = (Node::new(&[GET, INVOKE]), Node::new(&[SERVE]));
    for path in ["programs", "programs/5f/begin"] {
        let path = format!("/api/v1/namespaces/home/agents/jarvis/{path}");
        let (status, asked) = friend.ask("ada", &path).await;
        assert_eq!((status, asked), (403, vec![SERVE.to_owned()]), "{path}");
        assert_eq!(program.ask("ada", &path).await.0, 200, "{path}");
    }
}

#[tokio::test]
async fn the_right_to_read_the_node_opens_what_is_listed_and_nothing_else() {
    let node = Node::new(&[]);
    let (status, asked) = node.ask("ada", "/api/v1/status").await;
    assert_eq!((status, asked), (200, vec![NODE.to_owned()]));
    for path in [
        "/api/v1/unheard-of",
        "/api/v1/namespaces/home/agents/jarvis/unheard-of",
    ] {
        assert_eq!(node.ask("ada", path).await.0, 404, "{path}");
    }
    assert_eq!(node.ask("eve", "/api/v1/status").await.0, 401);
}

#[path = "access_device_tests.rs"]
mod devices;
