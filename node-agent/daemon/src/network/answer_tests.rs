//! Questions for names, as resolvers write them and as they do not.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::network::granted::to;

fn query(name: &str, kind: TYPE) -> Vec<u8> {
    let mut query = Packet::new_query(7);
    query.set_flags(PacketFlag::RECURSION_DESIRED);
    let name = Name::new_unchecked(name);
    let question = Question::new(name, QTYPE::TYPE(kind), QCLASS::CLASS(CLASS::IN), false);
    query.questions.push(question);
    query.build_bytes_vec().unwrap()
}

fn names() -> Names {
    Names::of(to(&["api.example.org:443", "*.example.net:443"]))
}

/// The code of the answer, its addresses, and what is to be recorded.
fn said(asked: &[u8], names: &mut Names) -> Option<(RCODE, Vec<Ipv4Addr>, Option<String>)> {
    let answer = answer(asked, names)?;
    let packet = Packet::parse(&answer.bytes).unwrap();
    assert!(packet.has_flags(PacketFlag::RESPONSE));
    assert_eq!(packet.id(), u16::from_be_bytes([asked[0], asked[1]]));
    let addresses = packet.answers.iter().map(|it| match &it.rdata {
        RData::A(four) => Ipv4Addr::from_bits(four.address),
        other => unreachable!("{other:?}"),
    });
    Some((packet.rcode(), addresses.collect(), answer.refused))
}

#[test]
fn a_granted_name_has_an_address_however_it_is_spelled_and_no_other_record() {
    let mut names = names();
    let first = said(&query("api.example.org", TYPE::A), &mut names).unwrap();
    let (code, addresses, refused) = first;
    assert_eq!((code, addresses.len(), refused), (RCODE::NoError, 1, None));
    let again = said(&query("API.Example.ORG", TYPE::A), &mut names).unwrap();
    assert_eq!(again.1, addresses);
    for kind in [TYPE::AAAA, TYPE::TXT, TYPE::MX, TYPE::NS] {
        let none = said(&query("api.example.org", kind), &mut names).unwrap();
        assert_eq!(none, (RCODE::NoError, Vec::new(), None), "{kind:?}");
    }
}

#[test]
fn a_name_that_is_not_granted_does_not_exist_and_is_recorded_once() {
    let mut names = names();
    let asked = query("secret.evil.org", TYPE::A);
    let refused = (
        RCODE::NameError,
        Vec::new(),
        Some("secret.evil.org".to_owned()),
    );
    assert_eq!(said(&asked, &mut names), Some(refused));
    assert_eq!(
        said(&asked, &mut names),
        Some((RCODE::NameError, Vec::new(), None))
    );
    // Two labels under a wildcard, and a label that no host has.
    let two = said(&query("k9.secret.example.net", TYPE::TXT), &mut names).unwrap();
    assert_eq!(two.0, RCODE::NameError);
    let odd = said(&query("a b.example.net", TYPE::A), &mut names).unwrap();
    assert_eq!(odd, (RCODE::NameError, Vec::new(), None));
}

#[test]
fn what_is_no_question_is_refused_and_breaks_nothing() {
    let mut names = names();
    let good = query("api.example.org", TYPE::A);
    for length in 0..good.len() {
        let said = said(&good[..length], &mut names);
        assert!(
            said.is_none_or(|said| said.0 == RCODE::FormatError),
            "{length}"
        );
    }
    for at in 0..good.len() {
        for byte in [0, 1, 0x3f, 0x80, 0xc0, 0xff] {
            let mut altered = good.clone();
            altered[at] = byte;
            let _ = answer(&altered, &mut names);
        }
    }
    // As many records as a head can promise, and none of them there.
    for at in (4..12).step_by(2) {
        let mut many = good.clone();
        many[at..at + 2].fill(0xff);
        assert_eq!(said(&many, &mut names).unwrap().0, RCODE::FormatError);
    }
    let mut status = good.clone();
    status[2] |= 2 << 3;
    assert_eq!(said(&status, &mut names).unwrap().0, RCODE::NotImplemented);
    let mut answered = good;
    answered[2] |= 0x80;
    assert!(answer(&answered, &mut names).is_none());
}
