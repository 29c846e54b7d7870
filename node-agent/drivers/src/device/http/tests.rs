//! The fake, and a real server of this machine, held to the suite; and what is shown to a device.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{collections::HashMap, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, body::Bytes, extract::State, http, response::IntoResponse};
use parking_lot::Mutex;
use tokio::{net::TcpListener, task::JoinHandle};

use super::{
    conformance::{Bench, Seen, conforms, order, scene},
    *,
};
use crate::{
    outbound::{AUTHORITY, NodeAddresses, Outbound, Place, Rule, tls_server},
    secrets::{HeldSecrets, SecretRef},
};

/// The driver, with secrets of tenant `home`.
pub(super) fn devices(secrets: &[(&str, &str)]) -> HttpDevices {
    let outbound = Outbound::new(Rule {
        offline: false,
        place: Place::Standalone,
        nodes: NodeAddresses::none(),
    });
    let held = secrets.iter();
    let held = held.map(|(key, value)| (format!("home/{key}"), (*value).to_owned()));
    HttpDevices::new(
        Arc::new(outbound),
        Arc::new(HeldSecrets(held.collect::<HashMap<_, _>>())),
    )
}

/// A device at a port of this machine.
pub(super) fn at(port: u16) -> HttpDevice {
    HttpDevice {
        endpoint: Endpoint {
            name: "plug".to_owned(),
            tenant: "home".into(),
            url: format!("http://127.0.0.1:{port}"),
            secret: None,
        },
        authority: None,
        headers: Vec::new(),
        basic: None,
        bearer: None,
        timeout: Duration::from_secs(20),
    }
}

struct Fake(FakeHttp);

impl Bench for Fake {
    fn driver(&self) -> &dyn HttpDriver {
        &self.0
    }

    fn device(&self) -> HttpDevice {
        at(80)
    }

    fn down(&mut self, down: bool) {
        self.0.down(down);
    }
}

#[tokio::test]
async fn the_fake_conforms() {
    let seen = Arc::new(Seen::default());
    conforms(&mut Fake(FakeHttp::new(scene(&seen))), &seen).await;
}

struct Real {
    driver: HttpDevices,
    at: SocketAddr,
    scene: Scene,
    serves: Option<JoinHandle<()>>,
}

impl Real {
    fn serve(&mut self, listener: TcpListener) {
        let app = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&self.scene));
        self.serves = Some(tokio::spawn(async move {
            let _ = axum::serve(listener, app).await;
        }));
    }
}

async fn answer(
    State(scene): State<Scene>,
    method: http::Method,
    uri: http::Uri,
    headers: http::HeaderMap,
    body: Bytes,
) -> impl IntoResponse {
    let text = |name: &str| {
        let value = headers.get(name)?.to_str().ok()?;
        Some(value.to_owned())
    };
    let reply = scene(Asked {
        method: method.to_string(),
        path: uri.to_string(),
        etag: text("if-none-match"),
        content_type: text("content-type"),
        body,
    });
    let mut headers = http::HeaderMap::new();
    for (name, value) in [("etag", reply.etag), ("retry-after", reply.retry_after)] {
        if let Some(value) = value {
            headers.insert(name, http::HeaderValue::from_static(value));
        }
    }
    let status = http::StatusCode::from_u16(reply.status).unwrap();
    (status, headers, reply.body)
}

impl Bench for Real {
    fn driver(&self) -> &dyn HttpDriver {
        &self.driver
    }

    fn device(&self) -> HttpDevice {
        at(self.at.port())
    }

    fn down(&mut self, down: bool) {
        match down {
            true => self.serves.take().into_iter().for_each(|it| it.abort()),
            false => {
                let again = std::net::TcpListener::bind(self.at).unwrap();
                again.set_nonblocking(true).unwrap();
                self.serve(TcpListener::from_std(again).unwrap());
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_over_the_network_conform() {
    let seen = Arc::new(Seen::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut real = Real {
        driver: devices(&[]),
        at: listener.local_addr().unwrap(),
        scene: scene(&seen),
        serves: None,
    };
    real.serve(listener);
    conforms(&mut real, &seen).await;
}

#[tokio::test]
async fn what_is_shown_to_a_device_is_its_own_and_never_told() {
    let shown = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&shown);
    let app = Router::new().fallback(move |headers: http::HeaderMap, uri: http::Uri| {
        keep.lock().push((headers, uri.to_string()));
        async { http::StatusCode::UNAUTHORIZED }
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { axum::serve(listener, app).await });
    let driver = devices(&[("plug/password", "hunter2"), ("hue/key", "k3y")]);
    let reference = |secret: &str, key: &str| SecretRef {
        secret: secret.to_owned(),
        key: key.to_owned(),
    };
    let mut device = HttpDevice {
        headers: vec![
            (
                "hue-application-key".to_owned(),
                Shown::Secret(reference("hue", "key")),
            ),
            ("x-site".to_owned(), Shown::Text("barn".to_owned())),
        ],
        basic: Some(("admin".to_owned(), reference("plug", "password"))),
        ..at(port)
    };
    device.endpoint.url += "/api/";
    let none = Validators::default();
    let why = driver
        .open(device.clone())
        .get("/s", &none)
        .await
        .unwrap_err();
    assert!(
        why.mend && !format!("{why:?}").contains("hunter2"),
        "{why:?}"
    );
    let (headers, path) = shown.lock().pop().unwrap();
    let header = |name: &str| headers[name].to_str().unwrap().to_owned();
    assert_eq!(path, "/api/s");
    assert_eq!(header("authorization"), "Basic YWRtaW46aHVudGVyMg==");
    assert_eq!(header("hue-application-key"), "k3y");
    assert_eq!(
        (header("x-site"), header("host")),
        ("barn".to_owned(), format!("127.0.0.1:{port}"))
    );
    assert_eq!(
        (
            header("connection").as_str(),
            header("accept-encoding").as_str()
        ),
        ("close", "identity")
    );

    device.basic = None;
    device.bearer = Some(reference("hue", "key"));
    let _ = driver.open(device.clone()).get("/s", &none).await;
    assert_eq!(shown.lock().pop().unwrap().0["authorization"], "Bearer k3y");

    // A secret that is not there: nobody is asked without it.
    device.bearer = Some(reference("nowhere", "key"));
    let why = driver
        .open(device.clone())
        .get("/s", &none)
        .await
        .unwrap_err();
    assert!(
        why.mend && why.why.detail.contains("nowhere/key"),
        "{why:?}"
    );
    let asks = driver.open(device);
    let refused = asks.tell(order("POST", "/s"), Duration::from_secs(9), &|| true);
    assert!(refused.await.is_err());
    assert!(shown.lock().is_empty());
}

#[tokio::test]
async fn addresses_are_judged_as_those_of_brokers_are() {
    let outbound = |offline, place| {
        let nodes = NodeAddresses::none();
        Arc::new(Outbound::new(Rule {
            offline,
            place,
            nodes,
        }))
    };
    let none = Validators::default();
    let secrets = || Arc::new(HeldSecrets::default());
    let cluster = HttpDevices::new(outbound(false, Place::Cluster), secrets());
    for host in [
        "127.0.0.1:1",
        "localhost:1",
        "[::1]:1",
        "169.254.169.254",
        "0x7f.1:1",
    ] {
        let mut device = at(1);
        device.endpoint.url = format!("http://{host}");
        let why = cluster
            .open(device.clone())
            .get("/", &none)
            .await
            .unwrap_err();
        assert_eq!(
            (why.why.code, why.mend),
            (aion_abi::code::Code::Denied, true),
            "{host}"
        );
        let told = cluster
            .open(device)
            .tell(order("POST", "/"), Duration::from_secs(9), &|| true)
            .await;
        assert_eq!(
            told.unwrap_err().code,
            aion_abi::code::Code::Denied,
            "{host}"
        );
    }
    let offline = HttpDevices::new(outbound(true, Place::Standalone), secrets());
    let mut device = at(1);
    device.endpoint.url = "http://192.0.2.1".to_owned();
    let why = offline.open(device).get("/", &none).await.unwrap_err();
    assert_eq!(why.why.code, aion_abi::code::Code::Offline);
}

#[tokio::test]
async fn a_certificate_that_does_not_count_is_not_said_to_pass_by_itself() {
    let port = tls_server().await;
    let driver = devices(&[("ca/pem", AUTHORITY)]);
    let asks = |host: &str| {
        let mut device = at(port);
        device.endpoint.url = format!("https://{host}:{port}");
        device.authority = Some(SecretRef {
            secret: "ca".to_owned(),
            key: "pem".to_owned(),
        });
        driver.open(device)
    };
    let none = Validators::default();
    let why = asks("other.localhost").get("/", &none).await.unwrap_err();
    assert!(why.mend && why.why.detail.contains("TLS"), "{why:?}");
    assert!(why.why.remedy.contains("authority"), "{why:?}");
    // What was asked is no answer of HTTP: another may come.
    let why = asks("store.localhost").get("/", &none).await.unwrap_err();
    assert!(!why.mend, "{why:?}");
}
