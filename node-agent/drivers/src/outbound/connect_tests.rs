//! Streams against servers of this machine, with names that lead where a test wants.
#![allow(clippy::unwrap_used)]

use std::{
    collections::HashSet,
    io,
    sync::atomic::{AtomicUsize, Ordering},
};

use futures::future::{BoxFuture, ready};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, pki_types::PrivateKeyDer},
};

use super::*;
use crate::outbound::{NodeAddresses, Place, Rule, judge::Names, refusal_of};

/// A private authority, and what it signed for `store.localhost` and `127.0.0.1`, until the year 2126.
pub(crate) const AUTHORITY: &str = include_str!("test_tls/authority.pem");
const CERTIFICATE: &str = include_str!("test_tls/server.pem");
const KEY: &str = include_str!("test_tls/server.key");

/// A name whose addresses are others at each lookup.
#[derive(Default)]
struct Turning {
    answers: Vec<Vec<&'static str>>,
    asked: AtomicUsize,
}

impl Names for Turning {
    fn addresses<'a>(&'a self, _: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        let asked = self.asked.fetch_add(1, Ordering::SeqCst);
        let answer = &self.answers[asked % self.answers.len()];
        let answer = answer.iter().map(|it| it.parse().unwrap()).collect();
        Box::pin(ready(Ok(answer)))
    }
}

fn turning<const N: usize>(answers: [&[&'static str]; N]) -> Arc<Turning> {
    Arc::new(Turning {
        answers: answers.iter().map(|it| it.to_vec()).collect(),
        asked: AtomicUsize::new(0),
    })
}

fn rule(place: Place, offline: bool) -> Rule {
    Rule {
        offline,
        place,
        nodes: NodeAddresses::none(),
    }
}

fn outbound(place: Place) -> Outbound {
    Outbound::new(rule(place, false))
}

fn endpoint(url: impl Into<String>) -> Endpoint {
    Endpoint {
        name: "store".into(),
        tenant: "default".into(),
        url: url.into(),
        secret: None,
    }
}

/// Sends back what it is sent.
async fn echo(listener: TcpListener) {
    while let Ok((mut stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            let (mut from, mut to) = stream.split();
            tokio::io::copy(&mut from, &mut to).await
        });
    }
}

async fn server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(echo(listener));
    port
}

/// Its port.
pub(crate) async fn tls_server() -> u16 {
    let chain = CertificateDer::pem_slice_iter(CERTIFICATE.as_bytes());
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            chain.collect::<Result<_, _>>().unwrap(),
            PrivateKeyDer::from_pem_slice(KEY.as_bytes()).unwrap(),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let (mut from, mut to) = tokio::io::split(acceptor.accept(stream).await?);
                tokio::io::copy(&mut from, &mut to).await
            });
        }
    });
    port
}

async fn says_it_again(mut stream: Stream) -> bool {
    stream.write_all(b"PING").await.unwrap();
    stream.flush().await.unwrap();
    let mut said = [0; 4];
    stream.read_exact(&mut said).await.unwrap();
    said == *b"PING"
}

#[tokio::test]
async fn what_no_agent_may_reach_is_refused_in_every_spelling() {
    let port = server().await;
    let nodes = NodeAddresses::none();
    let of_node = HashSet::from(["10.0.0.7".parse().unwrap()]);
    nodes.set(of_node.clone(), Some(of_node));
    let cluster = Outbound::new(Rule {
        nodes,
        ..rule(Place::Cluster, false)
    });
    for host in [
        "127.0.0.1",
        "[::1]",
        "localhost",
        "store.localhost",
        "2130706433",
        "0x7f.1",
        "[::ffff:127.0.0.1]",
        "169.254.169.254",
        "10.0.0.7",
    ] {
        for scheme in ["tcp", "redis", "http"] {
            let at = endpoint(format!("{scheme}://{host}:{port}"));
            let problem = cluster.connect(&at, &Wire::Plain).await.unwrap_err();
            assert_eq!(problem.code, Code::Denied, "{scheme}://{host}: {problem}");
        }
    }
    let at = endpoint(format!("redis://127.0.0.1:{port}/0"));
    let alone = outbound(Place::Standalone);
    assert!(says_it_again(alone.connect(&at, &Wire::Plain).await.unwrap()).await);
}

#[tokio::test]
async fn the_address_that_was_judged_is_the_one_that_is_dialled() {
    let port = server().await;
    let names = turning([&["127.0.0.1"], &["169.254.169.254"]]);
    let outbound = Outbound::with_names(rule(Place::Standalone, false), names.clone());
    let at = endpoint(format!("redis://store.example:{port}"));
    let stream = outbound.connect(&at, &Wire::Plain).await.unwrap();
    assert_eq!(names.asked.load(Ordering::SeqCst), 1, "nobody asks again");
    assert!(says_it_again(stream).await);
    let problem = outbound.connect(&at, &Wire::Plain).await.unwrap_err();
    assert_eq!(problem.code, Code::Denied, "the name leads elsewhere now");
}

#[tokio::test]
async fn streams_and_http_clients_have_one_judge() {
    let port = server().await;
    let names = turning([&["169.254.169.254", "fe80::1"]]);
    let outbound = Outbound::with_names(rule(Place::Standalone, false), names);
    let at = endpoint(format!("http://store.example:{port}"));
    let by_stream = outbound.connect(&at, &Wire::Plain).await.unwrap_err();
    let (client, url) = outbound.client(&at).unwrap();
    let by_client = client.get(url).send().await.unwrap_err();
    assert_eq!(Some(by_stream), refusal_of("store", &by_client));
}

#[tokio::test]
async fn of_several_addresses_only_those_that_were_let_through_are_dialled() {
    let port = server().await;
    let names = turning([&["169.254.169.254", "127.0.0.1"]]);
    let outbound = Outbound::with_names(rule(Place::Standalone, false), names);
    let at = endpoint(format!("redis://store.example:{port}"));
    let stream = outbound.connect(&at, &Wire::Plain).await.unwrap();
    let peer = match &stream {
        Either::Left(tcp) => tcp.peer_addr().ok(),
        Either::Right(_) => None,
    };
    assert_eq!(peer.unwrap().ip().to_string(), "127.0.0.1");
}

#[tokio::test]
async fn an_address_that_never_answers_does_not_take_the_time_of_the_next() {
    let port = server().await;
    let silent = TcpSocket::new_v4().unwrap();
    let at = SocketAddr::from(([127, 0, 0, 2], port));
    silent.bind(at).unwrap();
    let _silent = silent.listen(0).unwrap();
    // Whoever waits to be accepted is as many as may: another hears nothing.
    let _waits = TcpStream::connect(at).await.unwrap();
    let names = turning([&["127.0.0.2", "127.0.0.1"]]);
    let outbound = Outbound::with_names(rule(Place::Standalone, false), names);
    let at = endpoint(format!("redis://store.example:{port}"));
    assert!(says_it_again(outbound.connect(&at, &Wire::Plain).await.unwrap()).await);
}

#[tokio::test]
async fn offline_asks_no_name_server() {
    let port = server().await;
    let names = turning([&["127.0.0.1"]]);
    let offline = Outbound::with_names(rule(Place::Standalone, true), names.clone());
    let at = endpoint(format!("redis://store.example:{port}"));
    let problem = offline.connect(&at, &Wire::Plain).await.unwrap_err();
    assert_eq!(problem.code, Code::Offline);
    assert_eq!(names.asked.load(Ordering::SeqCst), 0);
    let here = endpoint(format!("redis://localhost:{port}"));
    assert!(offline.connect(&here, &Wire::Plain).await.is_ok());
}

#[tokio::test]
async fn a_private_authority_counts_where_it_is_named_and_only_for_what_it_signed() {
    let port = tls_server().await;
    let outbound = outbound(Place::Standalone);
    let private = Wire::PrivateTls(AUTHORITY.into());
    for host in ["store.localhost", "127.0.0.1"] {
        let at = endpoint(format!("rediss://{host}:{port}"));
        assert!(says_it_again(outbound.connect(&at, &private).await.unwrap()).await);
        assert!(
            outbound.connect(&at, &Wire::Tls).await.is_err(),
            "the system does not know the authority"
        );
    }
    let other_name = endpoint(format!("rediss://other.localhost:{port}"));
    let problem = outbound.connect(&other_name, &private).await.unwrap_err();
    assert_eq!(problem.code, Code::Unreachable);
    assert!(problem.detail.contains("TLS"), "{problem}");
    let not_an_authority = Wire::PrivateTls(CERTIFICATE.into());
    let at = endpoint(format!("rediss://store.localhost:{port}"));
    assert!(outbound.connect(&at, &not_an_authority).await.is_err());
    let problem = outbound
        .connect(&at, &Wire::PrivateTls("no PEM".into()))
        .await
        .unwrap_err();
    assert_eq!(problem.code, Code::BadRequest);
}

#[tokio::test]
async fn an_address_without_a_port_or_with_a_password_is_refused() {
    let outbound = outbound(Place::Standalone);
    for (scheme, port) in [("mqtt", Some(1883)), ("mqtts", Some(8883)), ("redis", None)] {
        assert_eq!(usual_port(scheme), port);
    }
    for scheme in ["mqtt", "mqtts"] {
        // Denied by its address, and not for want of a port.
        let at = endpoint(format!("{scheme}://224.0.0.1"));
        let problem = outbound.connect(&at, &Wire::Plain).await.unwrap_err();
        assert_eq!(problem.code, Code::Denied, "{problem}");
        let at = endpoint(format!("{scheme}://me:hunter2@store"));
        let problem = outbound.connect(&at, &Wire::Plain).await.unwrap_err();
        assert_eq!(problem.code, Code::BadRequest, "{problem}");
    }
    for url in ["redis://store", "redis://me:hunter2@store:1", "store:6379"] {
        let refused = outbound.connect(&endpoint(url), &Wire::Plain).await;
        let problem = refused.unwrap_err();
        assert_eq!(problem.code, Code::BadRequest, "{url}");
        assert!(!problem.detail.contains("hunter2"), "{problem}");
    }
}
