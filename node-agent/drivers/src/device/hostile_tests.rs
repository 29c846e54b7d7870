//! Brokers that break the protocol, say no, flood or fall silent: the connection ends by name, and another one is made.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::time::Duration;

use aion_abi::code::Code;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{
    Qos, Version,
    conformance::Heard,
    scripted::{Script, VERSIONS, packet, said},
};

#[tokio::test]
async fn what_a_broker_says_instead_of_yes_ends_the_connection_by_name() {
    for version in VERSIONS {
        let script = Script::new(version).await;
        let mut client = script.open(Duration::ZERO);
        let mut answers: Vec<(&[u8], Code, &str)> = vec![
            (&[], Code::Unreachable, "without an answer"),
            (&[0xd0, 0], Code::UpstreamFailed, "before it says"),
            (
                b"HTTP/1.1 400 Bad Request\r\n",
                Code::UpstreamFailed,
                "breaks the protocol",
            ),
            (
                &[0x20, 0xff, 0xff, 0xff, 0xff],
                Code::UpstreamFailed,
                "four bytes",
            ),
            (
                &[0x20, 0xff, 0xff, 0xff, 0x7f],
                Code::UpstreamFailed,
                "more than the 4096",
            ),
        ];
        answers.extend(match version {
            Version::V5 => vec![
                (
                    &[0x20, 3, 0, 0x86, 0][..],
                    Code::Denied,
                    "password is wrong",
                ),
                (&[0x20, 3, 0, 0x87, 0], Code::Denied, "may not connect"),
                (&[0x20, 3, 0, 0x84, 0], Code::BadRequest, "version of MQTT"),
                (&[0x20, 2, 0, 1], Code::BadRequest, "version of MQTT"),
                (
                    &[0x20, 3, 0, 0x85, 0],
                    Code::BadRequest,
                    "name of this client",
                ),
                (&[0x20, 3, 0, 0x89, 0], Code::UpstreamFailed, "busy"),
                (
                    &[0x20, 3, 0, 0xee, 0],
                    Code::UpstreamFailed,
                    "cannot be read",
                ),
                (
                    &[0x20, 3, 1, 0, 0],
                    Code::UpstreamFailed,
                    "remembers a session",
                ),
            ],
            Version::V311 => vec![
                (&[0x20, 2, 0, 4][..], Code::Denied, "password is wrong"),
                (&[0x20, 2, 0, 5], Code::Denied, "may not connect"),
                (&[0x20, 2, 0, 1], Code::BadRequest, "version of MQTT"),
                (&[0x20, 2, 0, 2], Code::BadRequest, "name of this client"),
                (&[0x20, 2, 0, 3], Code::UpstreamFailed, "not available"),
                (
                    &[0x20, 2, 1, 0],
                    Code::UpstreamFailed,
                    "remembers a session",
                ),
            ],
        });
        for (answer, code, words) in answers {
            let mut stream = script.connect().await;
            stream.write_all(answer).await.unwrap();
            stream.shutdown().await.unwrap();
            let why = client.down().await;
            assert_eq!(why.code, code, "{version:?} {answer:?}: {why}");
            assert!(why.detail.contains(words), "{version:?} {answer:?}: {why}");
        }
        // It says nothing at all.
        let _silent = script.connect().await;
        let why = client.down().await;
        assert!(why.detail.contains("did not answer in time"), "{why}");
        let _stream = script.up().await;
        client.up().await;
    }
}

#[tokio::test]
async fn what_breaks_the_protocol_ends_the_connection_and_another_is_made() {
    for version in VERSIONS {
        let script = Script::new(version).await;
        let mut client = script.open(Duration::ZERO);
        let mut faults: Vec<(&[u8], &str)> = vec![
            (&[0x30, 4, 0, 1, b'#', 0], "wildcard"),
            (&[0x30, 4, 0, 1, 0xff, 0], "UTF-8"),
            (&[0x30, 4, 0, 0, 0, 0], "no topic"),
            (&[0x36, 6, 0, 1, b'a', 0, 1, 0], "QoS"),
            (&[0x40, 2, 0, 1], "acknowledges the publish 1"),
            (&[0x40, 2, 0xff, 0xff], "acknowledges the publish 65535"),
            (&[0x50, 2, 0, 0], "acknowledges the publish 0"),
            (&[0x70, 2, 0, 7], "acknowledges the publish 7"),
            (&[0x62, 2, 0, 7], "releases 7"),
            (&[0xb0, 2, 0, 7][..], ""),
            (&[0xc0, 0], "no broker sends"),
            (&[0x82, 6, 0, 1, 0, 1, b'a', 0], "flags"),
            (&[0xf0, 0], "no broker sends"),
            (script.yes(), "twice"),
        ];
        if version == Version::V5 {
            faults.push((&[0x90, 4, 0, 7, 0, 0], "answers 7"));
            // An alias of a topic in the place of the topic.
            faults.push((&[0x30, 8, 0, 1, b'a', 3, 0x23, 0, 1, 0], "alias"));
            // Properties that are longer than the packet.
            faults.push((&[0x30, 4, 0, 1, b'a', 0x7f], "cannot be read"));
            faults.push((&[0x30, 4, 0, 1, b'a', 0xff], "cannot be read"));
        } else {
            faults.push((&[0x90, 3, 0, 7, 0], "answers 7"));
            faults.push((&[0xe0, 0], ""));
        }
        for (fault, words) in faults {
            let mut stream = script.up().await;
            client.up().await;
            stream.write_all(fault).await.unwrap();
            let why = client.down().await;
            assert_eq!(
                why.code,
                Code::UpstreamFailed,
                "{version:?} {fault:?}: {why}"
            );
            assert!(why.detail.contains(words), "{version:?} {fault:?}: {why}");
            assert!(packet(&mut stream).await.is_none(), "it is closed");
        }
        let _stream = script.up().await;
        client.up().await;
    }
}

#[tokio::test]
async fn why_a_broker_ends_the_connection_is_said() {
    let script = Script::new(Version::V5).await;
    let mut client = script.open(Duration::ZERO);
    for (farewell, words) in [
        (&[0xe0, 2, 0x8e, 0][..], "under the same name"),
        (&[0xe0, 1, 0x8b], "being stopped"),
        (&[0xe0, 0], "nothing about why"),
        (&[], "closed the connection"),
    ] {
        let mut stream = script.up().await;
        client.up().await;
        stream.write_all(farewell).await.unwrap();
        stream.shutdown().await.unwrap();
        let why = client.down().await;
        assert_eq!(why.code, Code::Unreachable);
        assert!(why.detail.contains(words), "{why}");
    }
}

#[tokio::test]
async fn a_message_of_qos_2_is_heard_once_however_often_it_is_sent() {
    for version in VERSIONS {
        let script = Script::new(version).await;
        let mut client = script.open(Duration::ZERO);
        let mut stream = script.up().await;
        client.up().await;
        let message = |text: u8| match version {
            Version::V5 => vec![0x34, 7, 0, 1, b'a', 0, 9, 0, text],
            Version::V311 => vec![0x34, 6, 0, 1, b'a', 0, 9, text],
        };
        for _ in 0..3 {
            stream.write_all(&message(b'1')).await.unwrap();
            assert_eq!(packet(&mut stream).await.unwrap(), [0x50, 0, 9]);
        }
        stream.write_all(&[0x62, 2, 0, 9]).await.unwrap();
        assert_eq!(packet(&mut stream).await.unwrap(), [0x70, 0, 9]);
        stream.write_all(&message(b'2')).await.unwrap();
        assert_eq!(client.message().await.1, b"1");
        assert_eq!(client.message().await.1, b"2");
    }
}

#[tokio::test]
async fn what_is_too_large_or_oddly_named_is_dropped_by_name_and_its_neighbours_are_heard() {
    for version in VERSIONS {
        let script = Script::new(version).await;
        let mut client = script.open(Duration::ZERO);
        let mut stream = script.up().await;
        client.up().await;
        // Of 10,000 bytes, at least once, number 5.
        let mut large = vec![0x32, 0x90, 0x4e, 0, 3, b'b', b'i', b'g', 0, 5];
        large.resize(10_003, 0);
        stream.write_all(&large).await.unwrap();
        assert_eq!(packet(&mut stream).await.unwrap(), [0x40, 0, 5]);
        stream
            .write_all(&[0x30, 6, 0, 2, b'a', b'\n', 0, 0])
            .await
            .unwrap();
        stream.write_all(&[0x30, 4, 0, 1, b'a', 0]).await.unwrap();
        let Heard::Dropped(topic, why) = client.next().await else {
            panic!("it is dropped");
        };
        assert_eq!((topic.as_str(), why.code), ("big", Code::TooLarge));
        let Heard::Dropped(topic, why) = client.next().await else {
            panic!("it is dropped");
        };
        assert_eq!((topic.as_str(), why.code), ("a\n", Code::BadRequest));
        assert_eq!(client.message().await.0, "a");
    }
}

#[tokio::test]
async fn a_broker_that_is_silent_or_does_not_answer_a_subscription_is_left() {
    for version in VERSIONS {
        let script = Script::new(version).await;
        let mut client = script.open(Duration::from_secs(1));
        let _silent = script.up().await;
        client.up().await;
        assert!(client.down().await.detail.contains("whether it is there"));
        let mut stream = script.up().await;
        client.up().await;
        client
            .connection
            .subscribe(vec![("a".into(), Qos::AtMostOnce)]);
        while let Some(packet) = packet(&mut stream).await {
            if packet[0] == 0xc0 {
                stream.write_all(&[0xd0, 0]).await.unwrap();
            }
        }
        assert!(client.down().await.detail.contains("answer a subscription"));
    }
}

#[tokio::test]
async fn a_flood_is_heard_and_what_is_said_meanwhile_gets_through() {
    for version in VERSIONS {
        let script = Script::new(version).await;
        let mut client = script.open(Duration::ZERO);
        let stream = script.up().await;
        client.up().await;
        let (mut from, mut to) = stream.into_split();
        let flood = tokio::spawn(async move {
            let messages = [0x30, 4, 0, 1, b'a', 0].repeat(1000);
            while to.write_all(&messages).await.is_ok() {}
        });
        let answer = tokio::spawn(async move {
            let mut heard = Vec::new();
            while !heard.ends_with(b"x") {
                heard.push(from.read_u8().await.unwrap());
            }
        });
        said(&client, Qos::AtMostOnce).await.unwrap();
        answer.await.unwrap();
        for _ in 0..10_000 {
            assert_eq!(client.message().await.0, "a");
        }
        drop(client);
        flood.await.unwrap();
    }
}

#[tokio::test]
async fn a_broker_that_answers_whether_it_is_there_is_stayed_with() {
    for version in VERSIONS {
        let script = Script::new(version).await;
        let mut client = script.open(Duration::from_millis(200));
        let mut stream = script.up().await;
        client.up().await;
        for _ in 0..5 {
            assert_eq!(packet(&mut stream).await.unwrap()[0], 0xc0);
            stream.write_all(&[0xd0, 0]).await.unwrap();
        }
        stream.write_all(&[0x30, 4, 0, 1, b'a', 0]).await.unwrap();
        assert!(matches!(client.next().await, Heard::Message(..)));
        drop(client);
        while packet(&mut stream).await.is_some() {}
    }
}

#[tokio::test]
async fn a_broker_whose_packets_hold_no_filter_is_not_asked_for_it() {
    let script = Script::new(Version::V5).await;
    let mut client = script.open(Duration::ZERO);
    let mut stream = script.connect().await;
    // Packets of 64 bytes.
    let limits = [0x20, 8, 0, 0, 5, 0x27, 0, 0, 0, 64];
    stream.write_all(&limits).await.unwrap();
    client.up().await;
    let long = "x".repeat(60);
    let filters = ["a".to_owned(), long.clone(), "z".to_owned()];
    client
        .connection
        .subscribe(filters.map(|it| (it, Qos::AtMostOnce)).into());
    let Heard::Refused(filter, why) = client.next().await else {
        panic!("it is refused");
    };
    assert_eq!((filter, why.code), (long, Code::BadRequest));
    let first = packet(&mut stream).await.unwrap();
    let second = packet(&mut stream).await.unwrap();
    assert_eq!([first[0], second[0]], [0x82, 0x82]);
    assert_eq!(
        (first[first.len() - 2], second[second.len() - 2]),
        (b'a', b'z')
    );
}
