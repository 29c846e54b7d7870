//! What is dialled and what is not, against servers of this machine.

#![allow(clippy::unwrap_used)]

use axum::{Router, routing::get};
use tokio::net::TcpListener;

use super::*;
use crate::outbound::{NodeAddresses, Place, refusal_of};

fn outbound(place: Place, offline: bool) -> Outbound {
    Outbound::new(Rule {
        offline,
        place,
        nodes: NodeAddresses::none(),
    })
}

fn endpoint(url: &str) -> Endpoint {
    Endpoint {
        name: "local".into(),
        tenant: "default".into(),
        url: url.into(),
        secret: None,
    }
}

async fn server() -> u16 {
    let app = Router::new().route("/ok", get(|| async { "ok" })).route(
        "/away",
        get(|| async { axum::response::Redirect::temporary("/ok") }),
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { axum::serve(listener, app).await });
    port
}

#[tokio::test]
async fn a_name_is_judged_by_what_it_resolves_to() {
    let port = server().await;
    let named = endpoint(&format!("http://localhost:{port}/ok"));
    let (client, url) = outbound(Place::Standalone, true).client(&named).unwrap();
    assert_eq!(
        client.get(url).send().await.unwrap().text().await.unwrap(),
        "ok"
    );

    let (client, url) = outbound(Place::Cluster, false).client(&named).unwrap();
    let error = client.get(url).send().await.unwrap_err();
    let problem = refusal_of("local", &error).unwrap();
    assert_eq!(problem.code, Code::Denied);
    assert!(problem.detail.contains("loopback"), "{}", problem.detail);
}

#[test]
fn a_number_is_judged_before_anything_is_dialled() {
    let cluster = outbound(Place::Cluster, false);
    for url in [
        "http://127.0.0.1:1/v1",
        "http://[::1]:1/v1",
        "http://2130706433/v1",
        "http://0x7f.1/v1",
        "http://[::ffff:127.0.0.1]/v1",
        "http://169.254.169.254/latest",
    ] {
        assert_eq!(
            cluster.client(&endpoint(url)).unwrap_err().code,
            Code::Denied,
            "{url}"
        );
    }
}

#[test]
fn offline_refuses_a_name_without_asking_a_name_server() {
    let offline = outbound(Place::Standalone, true);
    let problem = offline
        .client(&endpoint("https://api.example.org/v1"))
        .unwrap_err();
    assert_eq!(problem.code, Code::Offline);
    assert!(
        offline
            .client(&endpoint("http://models.localhost:1/v1"))
            .is_ok()
    );
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let port = server().await;
    let (client, url) = outbound(Place::Standalone, false)
        .client(&endpoint(&format!("http://127.0.0.1:{port}/away")))
        .unwrap();
    assert_eq!(client.get(url).send().await.unwrap().status(), 307);
}

#[test]
fn a_url_that_could_hide_something_is_refused_without_being_repeated() {
    let outbound = outbound(Place::Standalone, false);
    for url in [
        "ftp://a/",
        "http://user:hunter2@a/",
        "http://a/?hunter2",
        "http://a/#hunter2",
        "hunter2",
    ] {
        let problem = outbound.client(&endpoint(url)).unwrap_err();
        assert_eq!(problem.code, Code::BadRequest, "{url}");
        assert!(!problem.detail.contains("hunter2"), "{}", problem.detail);
    }
}
