//! Who may see and move devices, and that none of it is done where agents are asked.

use super::*;

pub(super) const ROUTES: [&str; 6] = [
    "/api/v1/namespaces/{namespace}/devices",
    "/api/v1/namespaces/{namespace}/devices/{device}",
    "/api/v1/namespaces/{namespace}/devices/{device}/history/{property}",
    "/api/v1/namespaces/{namespace}/devices/{device}/write",
    "/api/v1/namespaces/{namespace}/devices/{device}/command",
    "/api/v1/namespaces/{namespace}/device-changes",
];

#[tokio::test]
async fn who_may_see_a_device_may_not_move_it() {
    const SEE: &str = "get devices home/lamp";
    const MOVE: &str = "operate devices home/lamp";
    const ALL: &str = "get devices home/";
    let of = |below: &str| format!("/api/v1/namespaces/home/devices/lamp{below}");
    for (path, right) in [
        (of(""), SEE),
        (of("/history/write"), SEE),
        (of("/write"), MOVE),
        (of("/%77rite"), MOVE),
        (of("/command"), MOVE),
        ("/api/v1/namespaces/home/devices".to_owned(), ALL),
        ("/api/v1/namespaces/home/device-changes".to_owned(), ALL),
    ] {
        for held in [SEE, MOVE, ALL] {
            let (status, asked) = Node::new(&[held]).ask("ada", &path).await;
            // A segment that is spelled otherwise may lead nowhere, and never past the question.
            if status == 404 {
                assert_eq!(path, of("/%77rite"));
                continue;
            }
            let expected = if held == right { 200 } else { 403 };
            assert_eq!(
                (status, asked),
                (expected, vec![right.to_owned()]),
                "{path}"
            );
        }
    }
}

#[tokio::test]
async fn where_agents_are_asked_nothing_else_is_done() {
    let nobody = Arc::new(Cluster {
        rights: Vec::new(),
        asked: Mutex::default(),
    });
    let node = Node::behind(Access::Asking("word".into()), nobody);
    let status = async |method: Method, path: &str| {
        let request = Request::builder().method(method).uri(path);
        let response = node.service.call(request.body(Body::empty()).unwrap());
        response.await.unwrap().status().as_u16()
    };
    for (method, path) in [
        (Method::GET, "/api/v1/resources/agents"),
        (Method::GET, "/api/v1/resources/agents/home/jarvis"),
        (
            Method::POST,
            "/api/v1/namespaces/home/agents/jarvis/uploads",
        ),
        (Method::POST, "/api/v1/namespaces/home/agents/jarvis/turns"),
        (
            Method::POST,
            "/api/v1/namespaces/home/agents/jarvis/hooks/push",
        ),
        (Method::DELETE, "/api/v1/turns/7"),
        (Method::GET, "/api/v1/turns/7/files/a.md"),
        (Method::GET, "/api/v1/events"),
        (Method::GET, "/api/v1/usage"),
        (Method::GET, "/api/v1/queues"),
        (Method::GET, "/api/v1/namespaces/home/agents/jarvis/tools"),
        (Method::GET, "/api/v1/namespaces/home/agents/jarvis/audit"),
        (Method::GET, "/api/v1/namespaces/home/agents/jarvis/memory"),
        (
            Method::DELETE,
            "/api/v1/namespaces/home/agents/jarvis/memory/1",
        ),
    ] {
        assert_eq!(status(method, path).await, 200, "{path}");
    }
    for (method, path) in [
        (Method::DELETE, "/api/v1/resources/agents/home/jarvis"),
        (Method::GET, "/api/v1/resources/trustpolicies"),
        (Method::POST, "/api/v1/apply"),
        (Method::GET, "/api/v1/mounts"),
        (Method::GET, "/api/v1/status"),
        (Method::GET, "/api/v1/namespaces/home/agents/jarvis/logs"),
        (Method::GET, "/api/v1/triggers"),
        (
            Method::GET,
            "/api/v1/namespaces/home/agents/jarvis/triggers",
        ),
        (
            Method::POST,
            "/api/v1/namespaces/home/agents/jarvis/triggers/t/fire",
        ),
        (Method::GET, "/api/v1/unheard-of"),
        (Method::GET, "/api/v1/namespaces/home/devices/lamp"),
        (Method::POST, "/api/v1/namespaces/home/devices/lamp/write"),
        (Method::POST, "/api/v1/namespaces/home/devices/lamp/command"),
        (Method::GET, "/api/v1/namespaces/home/device-changes"),
    ] {
        assert_eq!(status(method, path).await, 403, "{path}");
    }
}
