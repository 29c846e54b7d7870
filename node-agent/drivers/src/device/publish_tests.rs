//! What a publish ends with, whatever the broker does with it.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::time::Duration;

use aion_abi::code::Code;
use tokio::io::AsyncWriteExt;

use super::{
    MAX_PUBLISHES, Publish, Qos, Version,
    conformance::{
        Client, Heard,
        ours::{broker, brokers},
        publish,
    },
    scripted::{Script, VERSIONS, number, packet, said},
};

#[tokio::test]
async fn a_publish_that_is_written_and_not_acknowledged_has_an_unknown_outcome_and_is_not_sent_again()
 {
    for version in VERSIONS {
        for qos in [Qos::AtLeastOnce, Qos::ExactlyOnce] {
            let script = Script::new(version).await;
            let mut client = script.open(Duration::ZERO);
            let mut stream = script.up().await;
            client.up().await;
            let end = said(&client, qos);
            let lost = async {
                assert_eq!(packet(&mut stream).await.unwrap()[0] & 0xf8, 0x30);
                drop(stream);
            };
            let (end, ()) = tokio::join!(end, lost);
            assert_eq!(end.unwrap_err().code, Code::OutcomeUnknown);
            client.down().await;
            let down = said(&client, qos).await.unwrap_err();
            assert_eq!(down.code, Code::Unreachable);
            // The first that comes on the next connection is the next that is said.
            let mut stream = script.up().await;
            client.up().await;
            let end = client.say(publish("a", "next", Qos::AtMostOnce));
            let (end, next) = tokio::join!(end, packet(&mut stream));
            end.unwrap();
            assert!(next.unwrap().ends_with(b"next"));
        }
    }
}

#[tokio::test]
async fn a_publish_that_is_not_written_whole_was_not_done() {
    let script = Script::new(Version::V5).await;
    let port = script.listener.local_addr().unwrap().port();
    let mut broker = broker(port, Version::V5, "node");
    broker.max_packet = 64 * 1024;
    let mut client = Client::open(&brokers(""), broker);
    let stream = script.up().await;
    client.up().await;
    // Nobody reads, and they are more than the system keeps for one connection.
    let large = |_| Publish {
        payload: vec![0; 60_000].into(),
        ..publish("a", "", Qos::AtLeastOnce)
    };
    let ends = (0..MAX_PUBLISHES).map(|it| client.connection.publish(large(it)));
    let lost = async {
        stream.readable().await.unwrap();
        drop(stream);
    };
    let (ends, ()) = tokio::join!(futures::future::join_all(ends), lost);
    let ends: Vec<Code> = ends.into_iter().map(|end| end.unwrap_err().code).collect();
    let unknown = ends
        .iter()
        .take_while(|it| **it == Code::OutcomeUnknown)
        .count();
    assert!(unknown < ends.len());
    assert!(
        ends[unknown..].iter().all(|it| *it == Code::Unreachable),
        "{ends:?}"
    );
}

#[tokio::test]
async fn what_nobody_waits_for_any_more_leaves_a_slot_that_its_acknowledgement_frees() {
    for version in VERSIONS {
        let script = Script::new(version).await;
        let mut client = script.open(Duration::ZERO);
        let mut stream = script.up().await;
        client.up().await;
        let mut numbers = Vec::new();
        for _ in 0..MAX_PUBLISHES {
            let end = client
                .connection
                .publish(publish("a", "x", Qos::AtLeastOnce));
            tokio::select! {
                biased;
                packet = packet(&mut stream) => numbers.push(number(&packet.unwrap())),
                _ = end => panic!("nothing is acknowledged"),
            }
        }
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), MAX_PUBLISHES);
        let full = said(&client, Qos::AtMostOnce).await.unwrap_err();
        assert_eq!(full.code, Code::Overloaded);
        assert!(full.retry_after_ms.is_some());
        let [high, low] = numbers[100];
        stream.write_all(&[0x40, 2, high, low]).await.unwrap();
        // It is free once that was read.
        let written = async {
            loop {
                match said(&client, Qos::AtMostOnce).await {
                    Err(full) if full.code == Code::Overloaded => tokio::task::yield_now().await,
                    end => return end,
                }
            }
        };
        written.await.unwrap();
    }
}

#[tokio::test]
async fn a_broker_that_acknowledges_nothing_is_left_once_it_holds_up_all_others() {
    let script = Script::new(Version::V5).await;
    let mut client = script.open(Duration::from_secs(1));
    let mut stream = script.connect().await;
    // It takes one at a time.
    stream
        .write_all(&[0x20, 6, 0, 0, 3, 0x21, 0, 1])
        .await
        .unwrap();
    client.up().await;
    let (first, second) = (
        said(&client, Qos::AtLeastOnce),
        said(&client, Qos::AtLeastOnce),
    );
    let answer = async {
        let mut publishes = 0;
        while let Some(packet) = packet(&mut stream).await {
            match packet[0] {
                0xc0 => stream.write_all(&[0xd0, 0]).await.unwrap(),
                _ => publishes += 1,
            }
        }
        publishes
    };
    let (first, second, publishes) = tokio::join!(first, second, answer);
    assert_eq!(publishes, 1, "the second one is not sent");
    assert_eq!(first.unwrap_err().code, Code::OutcomeUnknown);
    assert_eq!(second.unwrap_err().code, Code::Unreachable);
    assert!(client.down().await.detail.contains("acknowledges nothing"));
}

#[tokio::test]
async fn a_refusal_of_a_publish_or_a_subscription_reaches_who_asked() {
    let script = Script::new(Version::V5).await;
    let mut client = script.open(Duration::ZERO);
    let mut stream = script.up().await;
    client.up().await;
    for (qos, kind) in [(Qos::AtLeastOnce, 0x40), (Qos::ExactlyOnce, 0x50)] {
        for (reason, code) in [
            (0x87, Code::Denied),
            (0x90, Code::BadRequest),
            (0x97, Code::UpstreamFailed),
        ] {
            let refuse = async {
                let [high, low] = number(&packet(&mut stream).await.unwrap());
                stream
                    .write_all(&[kind, 3, high, low, reason])
                    .await
                    .unwrap();
            };
            let (end, ()) = tokio::join!(said(&client, qos), refuse);
            assert_eq!(end.unwrap_err().code, code);
        }
    }
    client.connection.subscribe(vec![
        ("b/#".into(), Qos::AtMostOnce),
        ("c".into(), Qos::AtMostOnce),
    ]);
    let asked = packet(&mut stream).await.unwrap();
    stream
        .write_all(&[0x90, 5, asked[1], asked[2], 0, 0x87, 0])
        .await
        .unwrap();
    let Heard::Refused(filter, why) = client.next().await else {
        panic!("it is refused");
    };
    assert_eq!((filter.as_str(), why.code), ("b/#", Code::Denied));
}

#[tokio::test]
async fn what_a_broker_does_not_offer_is_refused_before_it_is_sent() {
    let script = Script::new(Version::V5).await;
    let mut client = script.open(Duration::ZERO);
    let mut stream = script.connect().await;
    // At most once, nothing retained, packets of 64 bytes.
    let limits = [0x20, 12, 0, 0, 9, 0x24, 0, 0x25, 0, 0x27, 0, 0, 0, 64];
    stream.write_all(&limits).await.unwrap();
    client.up().await;
    let retained = Publish {
        retain: true,
        ..publish("a", "", Qos::AtMostOnce)
    };
    for (publish, code) in [
        (retained, Code::BadRequest),
        (publish("a", "", Qos::AtLeastOnce), Code::BadRequest),
        (
            publish("a", &"x".repeat(64), Qos::AtMostOnce),
            Code::TooLarge,
        ),
    ] {
        assert_eq!(client.say(publish).await.unwrap_err().code, code);
    }
    said(&client, Qos::AtMostOnce).await.unwrap();
    assert!(packet(&mut stream).await.unwrap().ends_with(b"x"));
}

#[tokio::test]
async fn what_is_given_up_before_it_is_written_is_never_sent() {
    let script = Script::new(Version::V5).await;
    let mut client = script.open(Duration::ZERO);
    let mut stream = script.connect().await;
    // It takes one at a time.
    let one = [0x20, 6, 0, 0, 3, 0x21, 0, 1];
    stream.write_all(&one).await.unwrap();
    client.up().await;
    let first = client.say(publish("a", "first", Qos::AtLeastOnce));
    let rest = async {
        let written = packet(&mut stream).await.unwrap();
        let mut given_up = client
            .connection
            .publish(publish("a", "given up", Qos::AtLeastOnce));
        assert!(futures::poll!(&mut given_up).is_pending());
        drop(given_up);
        let [high, low] = number(&written);
        stream.write_all(&[0x40, 2, high, low]).await.unwrap();
    };
    let (first, ()) = tokio::join!(first, rest);
    first.unwrap();
    let next = client.say(publish("a", "next", Qos::AtMostOnce));
    let (next, written) = tokio::join!(next, packet(&mut stream));
    next.unwrap();
    assert!(written.unwrap().ends_with(b"next"));
}
