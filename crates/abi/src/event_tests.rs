//! Cursors and filters, as they are written.
#![allow(clippy::unwrap_used, clippy::panic)]
use serde_json::json;

use super::*;

fn log(agent: Option<&str>) -> Event {
    let what = match agent {
        None => Happened::Queue(Queue::default()),
        Some(_) => Happened::Log {
            incarnation: 1,
            source: "stdout".to_owned(),
            text: "a".to_owned(),
        },
    };
    Event {
        at_ms: UnixMillis(1),
        agent: agent.map(str::to_owned),
        what,
    }
}

#[test]
fn a_cursor_has_one_text() {
    let cursor = Cursor {
        epoch: 0x1a,
        seq: 7,
    };
    assert_eq!(cursor.to_string(), "1a-7");
    assert_eq!("1a-7".parse(), Ok(cursor));
    for wrong in ["", "1a", "-", "1a-", "1A-7", "+1-7", "1a-07", "1a-7-7"] {
        assert!(wrong.parse::<Cursor>().is_err(), "{wrong}");
    }
}

#[test]
fn what_is_told_reads_back_and_is_flat() {
    let told = Told {
        cursor: Cursor { epoch: 1, seq: 2 },
        what: Item::Event(Event {
            what: Happened::Turn(Turn {
                turn: 3,
                state: TurnState::Started { incarnation: 4 },
            }),
            ..log(Some("default/a"))
        }),
    };
    let json = json!({"cursor": "1-2", "event": {
        "atMs": 1, "agent": "default/a", "kind": "turn", "turn": 3, "state": "started", "incarnation": 4,
    }});
    assert_eq!(serde_json::to_value(&told).unwrap(), json);
    assert_eq!(serde_json::from_value::<Told>(json).unwrap(), told);
    let begins = json!({"cursor": "1-2", "listening": {}});
    let read: Told = serde_json::from_value(begins).unwrap();
    assert_eq!(read.what, Item::Listening {});
}

#[test]
fn what_is_not_known_here_is_missed_and_has_its_cursor() {
    for content in [
        json!({"cursor": "1-2", "event": {"atMs": 1, "kind": "device", "device": "a"}}),
        json!({"cursor": "1-2", "event": {"atMs": 1, "kind": "turn", "turn": 3, "state": "thought"}}),
        json!({"cursor": "1-2", "heartbeat": {}}),
    ] {
        let told: Told = serde_json::from_value(content).unwrap();
        assert_eq!(told.cursor, Cursor { epoch: 1, seq: 2 });
        let Item::Missed(missed) = told.what else {
            panic!("{told:?}");
        };
        assert_eq!(missed.because, Because::Unknown);
    }
    assert!(serde_json::from_value::<Told>(json!({"event": {}})).is_err());
}

#[test]
fn a_kind_has_one_name() {
    for kind in Kind::ALL {
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
    }
}

#[test]
fn a_filter_wants_what_it_names_and_everything_where_it_names_nothing() {
    let of = |json| serde_json::from_value::<Filter>(json).unwrap();
    let wants = |filter: &Filter| {
        let events = [log(Some("a/b")), log(Some("ab/b")), log(None)];
        events.map(|event| filter.wants(&event))
    };
    assert_eq!(wants(&of(json!({}))), [true, true, true]);
    assert_eq!(
        wants(&of(json!({"kinds": ["queue"]}))),
        [false, false, true]
    );
    assert_eq!(wants(&of(json!({"namespace": "a"}))), [true, false, false]);
    assert_eq!(
        wants(&of(json!({"agents": ["ab/b"]}))),
        [false, true, false]
    );
    let both = of(json!({"kinds": ["queue", "log"], "agents": ["a/b"]}));
    assert_eq!(wants(&both), [true, false, true]);
    assert!(serde_json::from_value::<Filter>(json!({"agent": "a"})).is_err());
}
