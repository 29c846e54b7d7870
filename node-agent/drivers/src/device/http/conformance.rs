//! What every driver of devices that are asked must do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use aion_abi::code::Code;
use bytes::Bytes;
use parking_lot::Mutex;

use super::{Answer, Asked, Asks, HttpDevice, HttpDriver, Order, Reply, Scene, Validators};

const WITHIN: Duration = Duration::from_secs(20);

/// A device under test, which does what a scene says.
pub trait Bench {
    /// The driver.
    fn driver(&self) -> &dyn HttpDriver;
    /// The device.
    fn device(&self) -> HttpDevice;
    /// Nobody is at its address, or somebody again.
    fn down(&mut self, down: bool);
}

/// What the device of the suite was asked and told.
#[derive(Default)]
pub struct Seen {
    all: Mutex<Vec<Asked>>,
    count: AtomicUsize,
}

/// The device of the suite.
#[must_use]
pub fn scene(seen: &Arc<Seen>) -> Scene {
    let seen = Arc::clone(seen);
    Arc::new(move |asked: Asked| {
        seen.all.lock().push(asked.clone());
        seen.count.fetch_add(1, Ordering::SeqCst);
        let path = asked.path.split('?').next().unwrap_or_default();
        match (asked.method.as_str(), path) {
            ("GET", "/state") => Reply::ok(r#"{"power": "on"}"#),
            ("GET", "/tagged") if asked.etag.as_deref() == Some("\"v1\"") => Reply::of(304),
            ("GET", "/tagged") => Reply {
                etag: Some("\"v1\""),
                ..Reply::ok("7")
            },
            ("GET", "/same") => Reply::of(304),
            ("GET", "/busy") => Reply {
                retry_after: Some("120"),
                ..Reply::of(429)
            },
            ("GET", path) if path.starts_with("/status/") => {
                Reply::of(path["/status/".len()..].parse().unwrap_or(500))
            }
            ("GET", "/large") => Reply::ok(vec![b'x'; super::MAX_ANSWER + 1]),
            ("GET", "/most") => Reply::ok(vec![b'x'; super::MAX_ANSWER]),
            (_, "/set") => Reply::ok(asked.body),
            (_, path) if path.starts_with("/refuse/") => {
                Reply::of(path["/refuse/".len()..].parse().unwrap_or(500))
            }
            _ => Reply::of(404),
        }
    })
}

/// # Panics
/// Where the driver does something else.
pub async fn conforms(bench: &mut dyn Bench, seen: &Seen) {
    let asks = bench.driver().open(bench.device());
    reads(&*asks).await;
    says_what_is_wrong(&*asks).await;
    tells_once(&*asks, seen).await;
    bench.down(true);
    let why = asks
        .get("/state", &Validators::default())
        .await
        .unwrap_err();
    assert_eq!((why.why.code, why.mend), (Code::Unreachable, false));
    let before = seen.count.load(Ordering::SeqCst);
    let refused = asks.tell(order("POST", "/set"), WITHIN, &|| true).await;
    assert_eq!(refused.unwrap_err().code, Code::Unreachable);
    bench.down(false);
    assert_eq!(
        seen.count.load(Ordering::SeqCst),
        before,
        "nothing is sent later"
    );
    asks.get("/state", &Validators::default()).await.unwrap();
}

async fn reads(asks: &dyn Asks) {
    let none = Validators::default();
    let said = asks.get("/state?a=b", &none).await.unwrap();
    let body = Bytes::from_static(br#"{"power": "on"}"#);
    assert_eq!(
        said,
        Answer::Said {
            body,
            validators: none.clone()
        }
    );
    let Answer::Said { body, validators } = asks.get("/tagged", &none).await.unwrap() else {
        panic!("it was not told since when");
    };
    assert_eq!(
        (&*body, validators.etag.as_deref()),
        (&b"7"[..], Some("\"v1\""))
    );
    assert_eq!(
        asks.get("/tagged", &validators).await.unwrap(),
        Answer::Same
    );
    let why = asks.get("/same", &none).await.unwrap_err();
    assert_eq!(
        why.why.code,
        Code::Unreachable,
        "it was not told since when: {why:?}"
    );
    let Answer::Said { body, .. } = asks.get("/most", &none).await.unwrap() else {
        panic!("that is what is read at most");
    };
    assert_eq!(body.len(), super::MAX_ANSWER);
}

async fn says_what_is_wrong(asks: &dyn Asks) {
    let none = Validators::default();
    for (path, code, mend) in [
        ("/status/401", Code::Denied, true),
        ("/status/403", Code::Denied, true),
        ("/status/404", Code::NotFound, true),
        ("/status/418", Code::UpstreamFailed, true),
        ("/status/302", Code::BadRequest, true),
        ("/status/500", Code::UpstreamFailed, false),
        ("/status/503", Code::Overloaded, false),
        ("/large", Code::TooLarge, true),
    ] {
        let why = asks.get(path, &none).await.unwrap_err();
        assert_eq!((why.why.code, why.mend), (code, mend), "{path}: {why:?}");
        assert!(why.why.detail.contains(path), "{why:?}");
    }
    let why = asks.get("/busy", &none).await.unwrap_err();
    assert_eq!(why.after, Some(Duration::from_secs(120)));
}

async fn tells_once(asks: &dyn Asks, seen: &Seen) {
    for method in ["POST", "PUT", "PATCH", "GET"] {
        let mut told = order(method, "/set?x=1");
        if method != "GET" {
            told.payload = Bytes::from_static(b"{\"on\": true}");
            told.content_type = Some("application/json".to_owned());
        }
        let answer = asks.tell(told.clone(), WITHIN, &|| true).await.unwrap();
        let last = seen.all.lock().last().cloned().unwrap();
        assert_eq!(
            (last.method.as_str(), last.path.as_str()),
            (method, "/set?x=1")
        );
        assert_eq!(
            (&last.body, last.content_type),
            (&told.payload, told.content_type)
        );
        assert_eq!(answer, told.payload);
    }
    for (status, code) in [
        (400, Code::UpstreamFailed),
        (401, Code::UpstreamFailed),
        (429, Code::Overloaded),
        (302, Code::OutcomeUnknown),
        (303, Code::OutcomeUnknown),
        (408, Code::OutcomeUnknown),
        (500, Code::OutcomeUnknown),
        (503, Code::OutcomeUnknown),
    ] {
        let before = seen.count.load(Ordering::SeqCst);
        let told = order("POST", &format!("/refuse/{status}"));
        let refused = asks.tell(told, WITHIN, &|| true).await.unwrap_err();
        assert_eq!(refused.code, code, "{status}: {refused}");
        assert_eq!(
            seen.count.load(Ordering::SeqCst),
            before + 1,
            "{status} is not told again"
        );
    }
    let before = seen.count.load(Ordering::SeqCst);
    let refused = asks.tell(order("POST", "/set"), WITHIN, &|| false).await;
    assert_eq!(refused.unwrap_err().code, Code::Unreachable);
    assert_eq!(
        seen.count.load(Ordering::SeqCst),
        before,
        "who may not sends nothing"
    );
}

/// Something to be told without a payload.
#[must_use]
pub fn order(method: &'static str, path: &str) -> Order {
    Order {
        method,
        path: path.to_owned(),
        content_type: None,
        payload: Bytes::new(),
        safe: false,
    }
}
