//! Devices that answer slowly, without end, in nonsense or elsewhere; and what is never told twice.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use aion_abi::code::Code;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    time::timeout,
};

use super::{
    conformance::order,
    tests::{at, devices},
    *,
};

/// Longer than anything takes that ends by itself.
const LONG: Duration = Duration::from_secs(20);

/// What a server does once it has a request.
#[derive(Clone)]
enum Does {
    /// Writes this and closes.
    Says(Vec<u8>),
    /// Writes this, and nothing more.
    SaysAndHolds(&'static [u8]),
    /// Writes this without end.
    SaysForEver(&'static [u8], &'static [u8]),
}

/// A server, and how many requests it had.
async fn server(does: Does) -> (u16, Arc<AtomicUsize>) {
    server_after(0, does).await
}

/// A server that closes so many connections before it does that.
async fn server_after(fails: usize, does: Does) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let requests = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&requests);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (does, counted) = (does.clone(), Arc::clone(&counted));
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.windows(4).any(|it| it == b"\r\n\r\n") {
                    let mut some = [0; 1024];
                    match stream.read(&mut some).await {
                        Ok(0) | Err(_) => return,
                        Ok(read) => head.extend_from_slice(&some[..read]),
                    }
                }
                if counted.fetch_add(1, Ordering::SeqCst) < fails {
                    return;
                }
                match does {
                    Does::Says(it) => {
                        let _ = stream.write_all(&it).await;
                        let _ = stream.shutdown().await;
                    }
                    Does::SaysAndHolds(it) => {
                        let _ = stream.write_all(it).await;
                        std::future::pending::<()>().await;
                    }
                    Does::SaysForEver(head, more) => {
                        let _ = stream.write_all(head).await;
                        while stream.write_all(more).await.is_ok() {}
                    }
                }
            });
        }
    });
    (port, requests)
}

/// A question with some patience, which has an end whatever the device does.
async fn asked(does: Does, patience: Duration) -> Result<Answer, NotAnswered> {
    let (port, _) = server(does).await;
    let device = HttpDevice {
        timeout: patience,
        ..at(port)
    };
    let asks = devices(&[]).open(device);
    let none = Validators::default();
    let answer = timeout(Duration::from_secs(30), asks.get("/state", &none));
    answer.await.expect("a question has an end")
}

#[tokio::test]
async fn whatever_a_device_answers_is_bounded_in_time_and_in_bytes() {
    let says = |text: &str| Does::Says(text.as_bytes().to_vec());
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\nx", "a: b\r\n".repeat(5_000));
    let long = format!("HTTP/1.1 200 OK\r\na: {}\r\n\r\nx", "b".repeat(100_000));
    for (what, does, code) in [
        ("nothing", says(""), Code::Unreachable),
        ("never", Does::SaysAndHolds(b""), Code::Unreachable),
        (
            "half a head",
            Does::SaysAndHolds(b"HTTP/1.1 200 OK\r\n"),
            Code::Unreachable,
        ),
        (
            "half a body",
            Does::SaysAndHolds(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc"),
            Code::Unreachable,
        ),
        (
            "a body cut off",
            says("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc"),
            Code::Unreachable,
        ),
        (
            "a body without end",
            Does::SaysForEver(b"HTTP/1.1 200 OK\r\n\r\n", &[b'x'; 4096]),
            Code::TooLarge,
        ),
        (
            "chunks without end",
            Does::SaysForEver(
                b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
                b"4\r\nabcd\r\n",
            ),
            Code::TooLarge,
        ),
        (
            "a head without end",
            Does::SaysForEver(b"HTTP/1.1 200 OK\r\n", b"a: b\r\n"),
            Code::Unreachable,
        ),
        (
            "hints without end",
            Does::SaysForEver(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
            Code::Unreachable,
        ),
        (
            "chunked nonsense",
            says("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nabc\r\n"),
            Code::Unreachable,
        ),
        (
            "a chunk of a huge size",
            says("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\na"),
            Code::Unreachable,
        ),
        ("no HTTP", says("+OK hello\r\n\r\n"), Code::Unreachable),
        (
            "many headers",
            Does::Says(many.into_bytes()),
            Code::Unreachable,
        ),
        (
            "a long header",
            Does::Says(long.into_bytes()),
            Code::Unreachable,
        ),
        (
            "a redirect elsewhere",
            says("HTTP/1.1 302 Found\r\nlocation: http://192.0.2.1/x\r\ncontent-length: 0\r\n\r\n"),
            Code::BadRequest,
        ),
        (
            "304 of nothing",
            says("HTTP/1.1 304 Not Modified\r\n\r\n"),
            Code::Unreachable,
        ),
        (
            "gzip",
            says("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 3\r\n\r\nabc"),
            Code::UpstreamFailed,
        ),
        (
            "a change of protocol",
            says("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"),
            Code::UpstreamFailed,
        ),
    ] {
        // Only who says nothing more is waited for.
        let patience = match code {
            Code::Unreachable => Duration::from_millis(300),
            _ => LONG,
        };
        let why = asked(does, patience).await.expect_err(what);
        assert_eq!(why.why.code, code, "{what}: {why:?}");
    }
    for (what, does) in [
        (
            "until the end of the connection",
            says("HTTP/1.0 200 OK\r\n\r\n7"),
        ),
        (
            "as a page",
            says("HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 1\r\n\r\n7"),
        ),
        (
            "in chunks",
            says("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\n7\r\n0\r\n\r\n"),
        ),
        (
            "with a validator that is none",
            says("HTTP/1.1 200 OK\r\netag: \x7f\r\ncontent-length: 1\r\n\r\n7"),
        ),
    ] {
        match asked(does, LONG).await {
            Ok(Answer::Said { body, .. }) => assert_eq!(&body[..], b"7", "{what}"),
            other => assert!(what.contains("none") && other.is_err(), "{what}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_date_is_asked_by_only_where_it_is_sure_to_be_that_of_the_last_change() {
    let date = |second: &str| format!("Tue, 01 Dec 2026 10:{second} GMT");
    let changed = format!("last-modified: {}\r\n", date("00:00"));
    for (answered, sure) in [
        (format!("date: {}\r\n", date("01:00")), true),
        (format!("date: {}\r\n", date("00:59")), false),
        (format!("date: {}\r\n", date("00:00")), false),
        ("date: now\r\n".to_owned(), false),
        (String::new(), false),
    ] {
        let says = format!("HTTP/1.1 200 OK\r\n{changed}{answered}content-length: 1\r\n\r\n7");
        let Answer::Said { validators, .. } = asked(Does::Says(says.into()), LONG).await.unwrap()
        else {
            unreachable!("it was asked for all of it")
        };
        assert_eq!(validators.last_modified.is_some(), sure, "{answered}");
    }
}

#[tokio::test]
async fn what_was_sent_and_not_answered_is_unknown_and_not_sent_again() {
    let says = |text: &str| Does::Says(text.as_bytes().to_vec());
    for (what, does) in [
        ("nothing", says("")),
        ("never", Does::SaysAndHolds(b"")),
        (
            "half an answer",
            Does::SaysAndHolds(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc"),
        ),
        (
            "a broken answer",
            says("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc"),
        ),
        ("no HTTP", says("what?\r\n\r\n")),
        (
            "an answer without end",
            Does::SaysForEver(b"HTTP/1.1 200 OK\r\n\r\n", &[b'x'; 4096]),
        ),
        (
            "an error",
            says("HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n"),
        ),
    ] {
        let (port, requests) = server(does).await;
        let asks = devices(&[]).open(at(port));
        for method in ["POST", "PUT", "GET"] {
            let before = requests.load(Ordering::SeqCst);
            let told = asks.tell(order(method, "/on"), Duration::from_millis(400), &|| true);
            let problem = told.await.unwrap_err();
            assert_eq!(problem.code, Code::OutcomeUnknown, "{what}: {problem}");
            assert_eq!(
                requests.load(Ordering::SeqCst),
                before + 1,
                "{what}, {method}"
            );
        }
    }
}

#[tokio::test]
async fn a_device_that_is_given_up_is_not_told() {
    let (port, requests) = server(Does::Says(
        b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec(),
    ))
    .await;
    let asks = devices(&[]).open(at(port));
    // Whoever may not at the last moment, with the connection there.
    let problem = asks
        .tell(order("POST", "/on"), Duration::from_secs(9), &|| false)
        .await;
    assert_eq!(problem.unwrap_err().code, Code::Unreachable);
    // The same driver, right after: the request is the first that the device sees.
    asks.tell(order("POST", "/on"), Duration::from_secs(9), &|| true)
        .await
        .unwrap();
    assert_eq!(requests.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn silent_devices_do_not_keep_others_from_being_asked() {
    let driver = devices(&[]);
    let (silent, _) = server(Does::SaysAndHolds(b"")).await;
    let (port, _) = server(Does::Says(
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n7".to_vec(),
    ))
    .await;
    let none = Validators::default();
    let short = |port, base: &str| {
        let mut device = at(port);
        // Each a host of its own, by its name.
        device.endpoint.url = format!("http://{base}.localhost:{port}");
        device.timeout = Duration::from_secs(2);
        driver.open(device)
    };
    let crowd: Vec<_> = (0..60).map(|it| short(silent, &format!("s{it}"))).collect();
    // Each is found to be silent twice.
    for _ in 0..2 {
        let first = crowd.iter().map(|it| it.get("/", &none));
        assert!(
            futures::future::join_all(first)
                .await
                .iter()
                .all(Result::is_err)
        );
    }
    // From then on they have a room of their own, and another is asked at once beside all of them.
    let asked = crowd
        .into_iter()
        .map(|it| tokio::spawn(async move { it.get("/", &Validators::default()).await.is_err() }));
    let asked: Vec<_> = asked.collect();
    tokio::task::yield_now().await;
    let other = short(port, "other");
    assert!(other.get("/", &none).await.is_ok());
    assert!(
        asked.iter().all(|it| !it.is_finished()),
        "it waited for none of the silent ones"
    );
    asked.iter().for_each(|it| it.abort());
}

#[tokio::test]
async fn an_order_that_is_given_up_is_reset_and_one_that_is_answered_is_not() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let asks = devices(&[]).open(at(listener.local_addr().unwrap().port()));
    // More than the device takes in without reading: the rest stands in the kernel's queue.
    let told = Order {
        payload: vec![b'x'; 32 << 20].into(),
        ..order("POST", "/on")
    };
    let told = asks.tell(told, Duration::from_millis(300), &|| true).await;
    assert_eq!(told.unwrap_err().code, Code::OutcomeUnknown);
    let (mut device, _) = listener.accept().await.unwrap();
    let end = timeout(LONG, device.read_to_end(&mut Vec::new())).await;
    let end = end.unwrap().map_err(|it| it.kind());
    assert_eq!(end, Err(std::io::ErrorKind::ConnectionReset));

    let answers = async {
        let (mut device, _) = listener.accept().await.unwrap();
        let _ = device.read(&mut [0; 4096]).await.unwrap();
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
        device.write_all(answer).await.unwrap();
        device.read_to_end(&mut Vec::new()).await.unwrap()
    };
    let tells = asks.tell(order("POST", "/on"), LONG, &|| true);
    let (told, left) = tokio::join!(tells, answers);
    assert_eq!((told.is_ok(), left), (true, 0));
}

#[tokio::test]
async fn a_device_that_failed_once_or_did_what_it_was_told_is_not_among_the_silent() {
    let driver = devices(&[]);
    let open = |port, base: &str| {
        let mut device = at(port);
        device.endpoint.url = format!("http://{base}.localhost:{port}");
        device.timeout = Duration::from_secs(60);
        driver.open(device)
    };
    let none = Validators::default();
    // All room for the silent is held.
    let most = MAX_AT_ONCE / 4;
    let (silent, _) = server_after(2 * most, Does::SaysAndHolds(b"")).await;
    let crowd: Vec<_> = (0..most)
        .map(|it| open(silent, &format!("s{it}")))
        .collect();
    for _ in 0..2 {
        for it in &crowd {
            assert!(it.get("/", &none).await.is_err());
        }
    }
    let held: Vec<_> = crowd
        .into_iter()
        .map(|it| tokio::spawn(async move { it.get("/", &Validators::default()).await }))
        .collect();
    tokio::task::yield_now().await;
    let says = Does::Says(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n7".to_vec());
    for fails in [1, 2] {
        let (port, _) = server_after(fails, says.clone()).await;
        let device = open(port, "other");
        for _ in 0..fails {
            assert!(device.get("/", &none).await.is_err());
        }
        if fails == 2 {
            let told = device.tell(order("POST", "/on"), LONG, &|| true);
            assert!(told.await.is_ok());
        }
        let answer = timeout(LONG, device.get("/", &none)).await;
        assert!(answer.unwrap().is_ok(), "after {fails}");
    }
    held.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn slow_orders_of_a_namespace_hold_neither_others_nor_safe_states() {
    let driver = devices(&[]);
    let open = |port, base: &str, namespace: &str| {
        let mut device = at(port);
        device.endpoint.url = format!("http://{base}.localhost:{port}");
        device.endpoint.tenant = namespace.into();
        driver.open(device)
    };
    let (silent, _) = server(Does::SaysAndHolds(b"")).await;
    let held: Vec<_> = (0..2 * MAX_AT_ONCE)
        .map(|it| open(silent, &format!("s{it}"), "home"))
        .map(|it| {
            let told = order("POST", "/on");
            tokio::spawn(async move { it.tell(told, 6 * LONG, &|| true).await })
        })
        .collect();
    tokio::task::yield_now().await;
    let says = Does::Says(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec());
    let (port, _) = server(says).await;
    for (namespace, safe) in [("barn", false), ("home", true)] {
        let told = Order {
            safe,
            ..order("POST", "/off")
        };
        let told = open(port, namespace, namespace)
            .tell(told, LONG, &|| true)
            .await;
        assert!(told.is_ok(), "{namespace}: {told:?}");
    }
    held.iter().for_each(tokio::task::JoinHandle::abort);
}
