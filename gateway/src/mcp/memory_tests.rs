//! Addresses of what agents remember, and lists in pages of a node that remembers much, little, or refuses.
#![allow(clippy::unwrap_used)]
use aion_abi::{date::UnixMillis, key::Admitted, memory::Page as Found, syscall::memory::Method};
use aion_client::Address;
use axum::{
    Json, Router,
    extract::{Path, Query},
    routing::get,
};
use tokio::net::UnixListener;

use super::*;

#[test]
fn an_item_comes_back_from_its_address_whatever_it_is_called() {
    for item in ["i-1", "a b/ü?#%"] {
        let uri = uri(("home", "clerk"), item);
        assert!(uri.is_ascii() && !uri.contains([' ', '?', '#']), "{uri}");
        let named = named(&uri).unwrap().unwrap();
        assert_eq!(named.what, What::Item(item.to_owned()));
        assert_eq!(
            (named.namespace.as_str(), named.agent.as_str()),
            ("home", "clerk")
        );
    }
}

#[test]
fn a_query_is_read_and_a_wrong_one_refused_with_why() {
    let of = |query: &str| named(&format!("aion://agents/home/clerk/memory{query}"));
    let all = of("").unwrap().unwrap();
    assert_eq!(all.what, What::Search(Wanted::default()));
    let some = of("?query=a%20cat%26%C3%BC&limit=3&after=7");
    let wanted = Wanted {
        query: Some("a cat&ü".to_owned()),
        limit: Some(3),
        after: Some(7),
        ..Wanted::default()
    };
    assert_eq!(some.unwrap().unwrap().what, What::Search(wanted));
    let wrong = of("?limit=many").unwrap().unwrap_err();
    assert_eq!(wrong.code, Code::BadRequest);
    assert!(wrong.detail.contains("limit"), "{wrong}");
    for none in [
        "aion://agents/home/clerk",
        "aion://agents/home/clerk/files/a",
        "aion://agents/home/clerk/memory/",
        "aion://agents/home/clerk/memory/a/b",
        "aion://agents/home/clerk/memory/a?query=b",
        "aion://agents//clerk/memory",
        "aion://agents/home/%ff/memory",
        "aion://turns/7/files/a",
    ] {
        assert!(named(none).is_none(), "{none}");
    }
}

/// A node whose agents are `a0`, `a1`, … and each remember so many items, all but those that refuse.
async fn gateway(remembered: Vec<Result<u32, Code>>) -> Gateway {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("node.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let agent = |at: usize| json!({"metadata": {"name": format!("a{at:02}"), "namespace": "home"}, "spec": {}});
    let agents: Vec<Value> = (0..remembered.len()).map(agent).collect();
    let list = async move || Json(json!({"items": agents}));
    let memory = async move |Path(agent): Path<String>, Query(wanted): Query<Wanted>| {
        let at: usize = agent[1..].parse().unwrap();
        let all = match remembered[at] {
            Ok(all) => all,
            Err(code) => return Err(aion_serve::Refused(Problem::new(code, "it is so"))),
        };
        let after = wanted.after.unwrap();
        let to = all.min(after + wanted.limit.unwrap());
        let hit = |number: u32| Hit {
            id: format!("{agent}-{number}"),
            text: "The cat\nis called Felix".to_owned(),
            collection: "notes".to_owned(),
            attributes: Default::default(),
            score: 0.0,
            stored_at_ms: UnixMillis(number.into()),
        };
        Ok(Json(Found {
            items: (after..to).map(hit).collect(),
            method: Method::Listing,
            degraded: None,
            next: (to < all).then_some(to),
        }))
    };
    let router = Router::new()
        .route("/api/v1/resources/agents", get(list))
        .route("/api/v1/namespaces/home/agents/{agent}/memory", get(memory));
    tokio::spawn(async move {
        let _folder = folder;
        axum::serve(listener, router).await
    });
    let address = Address::unix(&socket).unwrap();
    Gateway::at(Node { address })
}

/// Every page of the list, by what a client does.
async fn pages(gateway: &Gateway) -> Vec<Page> {
    let (mut pages, mut cursor) = (Vec::new(), None);
    loop {
        let page = page(gateway, cursor.as_deref()).await.unwrap();
        cursor = page.next.clone();
        pages.push(page);
        if cursor.is_none() {
            return pages;
        }
        assert!(pages.len() < 50, "it comes to an end");
    }
}

#[tokio::test]
async fn a_list_has_each_item_once_in_bounded_pages() {
    let gateway = gateway([250, 0, 30].into_iter().map(Ok).collect()).await;
    let pages = pages(&gateway).await;
    let sizes: Vec<usize> = pages.iter().map(|it| it.resources.len()).collect();
    assert_eq!(sizes, [100, 100, 80]);
    let mut all: Vec<&str> = pages
        .iter()
        .flat_map(|it| &it.resources)
        .map(|it| it.name.as_str())
        .collect();
    assert_eq!(all[0], "a00-0");
    let first = &pages[0].resources[0];
    assert_eq!(first.uri, "aion://agents/home/a00/memory/a00-0");
    assert_eq!(first.title.as_deref(), Some("a00: The cat is called Felix"));
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 280);
    let wrong = page(&gateway, Some("home/a00")).await.err().unwrap();
    assert_eq!(wrong.code, Code::BadRequest);
}

#[tokio::test]
async fn a_page_asks_of_so_many_agents_and_an_empty_one_goes_on() {
    let gateway = gateway((0..45).map(|at| Ok(u32::from(at == 44))).collect()).await;
    let sizes: Vec<usize> = pages(&gateway)
        .await
        .iter()
        .map(|it| it.resources.len())
        .collect();
    assert_eq!(sizes, [0, 0, 1]);
}

#[tokio::test]
async fn an_agent_that_refuses_hides_no_other_and_what_is_amiss_is_told() {
    let gateway = gateway(vec![
        Err(Code::NotFound),
        Ok(1),
        Err(Code::NotRunning),
        Ok(1),
    ])
    .await;
    let page = page(&gateway, None).await.unwrap();
    assert_eq!(page.resources.len(), 2);
    let about = serde_json::to_value(page.about()).unwrap().to_string();
    assert!(
        about.contains("home/a02") && about.contains("not-running"),
        "{about}"
    );
    assert!(!about.contains("home/a00"), "{about}");
}

#[tokio::test]
async fn without_the_right_nothing_is_asked_for() {
    let gateway = gateway(vec![Ok(1)]).await;
    let node = gateway.nodes.keeper().unwrap().clone();
    let admitted: Admitted =
        serde_json::from_value(json!({"id": "k", "namespace": "home"})).unwrap();
    let asked = gateway.asked_by(node, admitted);
    let page = page(&asked, None).await.unwrap();
    assert!(page.resources.is_empty() && page.next.is_none());
}
