//! Packets that a broker should not send. Whatever the bytes are, nothing panics, and what is wrong is said.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

const MOST: u32 = 64;

fn decoded(version: Version, bytes: &[u8]) -> Result<Option<Incoming>, Fault> {
    Frames::new(version, MOST).decode(&mut BytesMut::from(bytes))
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), kind in 0_u8..16, v5: bool) {
        let version = if v5 { Version::V5 } else { Version::V311 };
        let _ = decoded(version, &bytes);
        // One whole packet of some kind.
        let flags = match kind {
            3 => bytes.first().unwrap_or(&0) & 0xf,
            6 => 2,
            _ => 0,
        };
        let mut whole = vec![kind << 4 | flags, 0];
        whole.extend(bytes.iter().take(60));
        whole[1] = u8::try_from(whole.len() - 2).unwrap();
        let read = decoded(version, &whole);
        prop_assert!(!matches!(read, Ok(None)), "a whole packet is waited for: {:?}", whole);
    }
}

#[test]
fn what_breaks_the_protocol_is_named() {
    for version in [Version::V5, Version::V311] {
        for (bytes, why) in [
            (&[0x30, 0xff, 0xff, 0xff, 0xff][..], "more than four bytes"),
            (&[0x20, 0xff, 0x7f], "more than the 64"),
            (&[0x30, 3, 0, 1, b'#'], ""),
            (&[0x30, 4, 0, 1, b'#', 0], "wildcard"),
            (&[0x30, 4, 0, 1, 0xff, 0], "UTF-8"),
            (&[0x30, 4, 0, 1, 0, 0], "null"),
            (&[0x30, 3, 0, 0, 0], "no topic"),
            (&[0x30, 4, 0, 9, b'a', 0], "oundary"),
            (&[0x36, 7, 0, 1, b'a', 0, 1, 0, 0], "QoS"),
            (&[0x32, 6, 0, 1, b'a', 0, 0, 0], "ero"),
            (&[0x82, 6, 0, 1, 0, 1, b'a', 0], "flags"),
            (&[0x80, 6, 0, 1, 0, 1, b'a', 0], "no broker sends"),
            (&[0xc0, 0], "no broker sends"),
            (&[0xf0, 2, 0, 0], "no broker sends"),
            (&[0x20, 0], "equired"),
        ] {
            let fault = decoded(version, bytes).unwrap_err().to_string();
            assert!(fault.contains(why), "{version:?} {bytes:?}: {fault}");
        }
    }
}

#[test]
fn a_publish_that_is_too_large_is_passed_over_and_the_next_is_read() {
    for version in [Version::V5, Version::V311] {
        let mut frames = Frames::new(version, MOST);
        let mut bytes = BytesMut::new();
        // Retained, at least once, number 7, 1000 bytes.
        bytes.extend_from_slice(&[0x33, 0xe8, 0x07, 0, 1, b'a', 0]);
        assert!(
            frames.decode(&mut bytes).unwrap().is_none(),
            "its number is awaited"
        );
        bytes.extend_from_slice(&[7]);
        let Some(Incoming::TooLarge { head, size }) = frames.decode(&mut bytes).unwrap() else {
            unreachable!()
        };
        assert_eq!(
            (head.topic.as_str(), head.pkid, head.retained, size),
            ("a", 7, true, 1003)
        );
        let mut left = 1000 - 5;
        while left > 0 {
            let part = left.min(100);
            bytes.extend(std::iter::repeat_n(0xff, part));
            left -= part;
            assert!(frames.decode(&mut bytes).unwrap().is_none());
            assert!(bytes.is_empty(), "it is not kept");
        }
        bytes.extend_from_slice(&[0xd0, 0]);
        assert!(matches!(
            frames.decode(&mut bytes),
            Ok(Some(Incoming::Pong))
        ));
    }
}

#[test]
fn a_broker_of_the_other_version_is_told_apart() {
    let read = decoded(Version::V5, &[0x20, 2, 0, 1]).unwrap();
    let Some(Incoming::Connected(Err(refusal))) = read else {
        unreachable!()
    };
    assert!(refusal.why.contains("version"));
}
