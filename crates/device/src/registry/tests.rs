//! What is known of devices after what they say.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use aion_abi::{
    code::Code,
    syscall::device::{HistoryRequest, Reach, Reading, Value},
};

use super::*;
use crate::{
    compile,
    testing::{LAMP, at, device, lamp, message, model, plain},
};

fn key(name: &str) -> Key {
    Key {
        namespace: "home".to_owned(),
        name: name.to_owned(),
    }
}

fn registry(names: &[&str]) -> Registry {
    let mut registry = Registry::new(Limits::default(), at(0));
    for name in names {
        registry.insert(lamp(name));
    }
    registry.link(Link::New, at(0));
    registry
}

fn reading(registry: &Registry, name: &str, property: &str, now: Moment) -> Reading {
    registry
        .read(&key(name), &[property.to_owned()], now)
        .unwrap()
        .readings
        .remove(0)
}

/// What was heard, without the device.
fn told(heard: &[Heard]) -> Vec<String> {
    let one = |it: &Heard| match it {
        Heard::Value {
            property,
            value,
            change,
            ..
        } => format!("{property}={value} {change:?}"),
        Heard::Unread { property, .. } => {
            format!("unread {}", property.as_deref().unwrap_or("availability"))
        }
        Heard::Reach { reach, .. } => reach.as_str().to_owned(),
        Heard::Doubted { why, .. } => format!("doubted: {why}"),
        Heard::Done { command, .. } => format!("done {command}"),
    };
    heard.iter().map(one).collect()
}

#[test]
fn one_message_is_read_for_all_of_its_properties() {
    let mut registry = registry(&["desk", "hall"]);
    let heard = registry.take(
        message("home/desk", r#"{"state":"ON","label":"x","other":1}"#),
        at(10),
    );
    assert_eq!(
        told(&heard),
        ["power=true First", "label=x First", "online"]
    );
    let heard = registry.take(message("home/desk", r#"{"state":"OFF","label":7}"#), at(20));
    assert_eq!(
        told(&heard),
        [
            "power=false From(Boolean(true))",
            "label=7 From(Text(\"x\"))"
        ]
    );
    let heard = registry.take(message("home/desk", r#"{"state":"OFF"}"#), at(30));
    assert_eq!(told(&heard), ["power=false Same"]);
    assert_eq!(registry.take(message("home/elsewhere", "x"), at(40)), []);

    let read = registry.read(&key("desk"), &[], at(1030)).unwrap();
    assert_eq!(read.reach, Reach::Online);
    assert_eq!(read.readings.len(), 4);
    let power = &read.readings[0];
    assert_eq!(
        (&power.value, power.age_ms, power.at_ms, power.stale),
        (
            &Some(Value::Boolean(false)),
            Some(1000),
            Some(at(30).wall),
            false
        )
    );
    assert_eq!(read.readings[1].value, None);
    assert_eq!(registry.reach(&key("hall")), Some(Reach::Unknown));
    assert_eq!(
        registry.last_seen(&key("desk"), at(1030)),
        Some(at(30).wall)
    );
    assert_eq!(registry.counts(&key("desk")).unwrap().taken, 3);
}

#[test]
fn what_cannot_be_believed_leaves_the_last_value_and_says_why() {
    let mut registry = registry(&["desk"]);
    registry.take(message("home/desk", r#"{"brightness": 999}"#), at(0));
    registry.take(message("home/desk/mode", "auto"), at(0));
    let heard = registry.take(message("home/desk/mode", "unavailable"), at(10));
    assert_eq!(told(&heard), ["unread mode"]);
    let mode = reading(&registry, "desk", "mode", at(20));
    assert_eq!(mode.value, Some(Value::Text("auto".to_owned())));
    assert!(mode.unread.unwrap().contains("unavailable"));
    registry.take(message("home/desk/mode", "manual"), at(30));
    assert_eq!(reading(&registry, "desk", "mode", at(40)).unread, None);
    assert_eq!(
        registry.counts(&key("desk")).unwrap().unread,
        2,
        "the brightness is out of its range"
    );
}

#[test]
fn a_device_is_there_as_it_says_or_its_broker_for_it() {
    let mut registry = registry(&["desk"]);
    let will = |payload| Message {
        retained: true,
        ..message("home/desk/there", payload)
    };
    assert_eq!(told(&registry.take(will("Offline"), at(0))), ["offline"]);
    registry.take(message("home/desk/mode", "auto"), at(10));
    assert_eq!(registry.reach(&key("desk")), Some(Reach::Offline));
    assert!(reading(&registry, "desk", "mode", at(10)).stale);
    assert_eq!(
        told(&registry.take(message("home/desk/there", "online"), at(20))),
        ["online"]
    );
    assert!(!reading(&registry, "desk", "mode", at(20)).stale);
    assert_eq!(
        told(&registry.take(message("home/desk/there", "maybe"), at(30))),
        ["unread availability"]
    );
    registry.link(Link::Away, at(40));
    assert_eq!(registry.reach(&key("desk")), Some(Reach::BrokerAway));
    assert!(reading(&registry, "desk", "mode", at(40)).stale);
    registry.link(Link::Resumed, at(50));
    assert!(
        !reading(&registry, "desk", "mode", at(50)).stale,
        "nothing was missed"
    );
    registry.link(Link::New, at(60));
    assert!(
        reading(&registry, "desk", "mode", at(60)).stale,
        "what was said meanwhile is lost"
    );
    registry.take(message("home/desk/mode", "auto"), at(70));
    assert!(!reading(&registry, "desk", "mode", at(70)).stale);
}

#[test]
fn what_the_broker_kept_holds_after_a_gap_and_is_not_what_the_device_said() {
    let mut registry = registry(&["desk"]);
    let said = |registry: &Registry, ms| registry.said(&key("desk"), "mode", at(ms));
    let auto = Some(Value::Text("auto".to_owned()));
    registry.take(message("home/desk/mode", "auto"), at(10));
    assert_eq!(said(&registry, 20), auto);
    registry.link(Link::Away, at(30));
    registry.link(Link::New, at(40));
    let kept = Message {
        retained: true,
        ..message("home/desk/mode", "auto")
    };
    assert_eq!(told(&registry.take(kept, at(50))), ["mode=auto Retained"]);
    assert!(!reading(&registry, "desk", "mode", at(60)).stale);
    assert_eq!(said(&registry, 60), None);
    // What the device says from then on is newer than what is kept.
    registry.take(message("home/desk/mode", "auto"), at(70));
    assert_eq!(told(&registry.take(kept, at(80))), [""; 0]);
    assert_eq!(said(&registry, 90), auto);
    assert_eq!(registry.hearers("home/desk/mode"), [key("desk")]);
}

#[test]
fn what_the_broker_kept_is_old_starts_nothing_and_confirms_nothing() {
    let mut registry = registry(&["desk"]);
    let kept = |payload| Message {
        retained: true,
        ..message("home/desk", payload)
    };
    assert_eq!(
        told(&registry.take(kept(r#"{"state":"ON"}"#), at(0))),
        ["power=true Retained"]
    );
    let power = reading(&registry, "desk", "power", at(10));
    assert!(!power.stale && power.value == Some(Value::Boolean(true)));
    assert_eq!(
        (
            registry.reach(&key("desk")),
            registry.last_seen(&key("desk"), at(0))
        ),
        (Some(Reach::Unknown), None)
    );
    let request = HistoryRequest {
        device: "desk".to_owned(),
        property: "power".to_owned(),
        from_ms: None,
        to_ms: None,
        points: 9,
    };
    assert_eq!(
        registry
            .history(&key("desk"), &request, at(10))
            .unwrap()
            .points,
        []
    );
    let order = lamp("desk").set("power", &Value::Boolean(true)).unwrap();
    let again = registry.take(kept(r#"{"state":"ON"}"#), at(10));
    assert!(
        !again
            .iter()
            .any(|it| it.confirms(&key("desk"), &order.confirm))
    );
    let live = registry.take(message("home/desk", r#"{"state":"ON"}"#), at(20));
    assert!(
        live.iter()
            .any(|it| it.confirms(&key("desk"), &order.confirm))
    );
    assert!(
        !live
            .iter()
            .any(|it| it.confirms(&key("hall"), &order.confirm))
    );
    assert_eq!(
        registry
            .history(&key("desk"), &request, at(30))
            .unwrap()
            .points
            .len(),
        1
    );
    assert!(!reading(&registry, "desk", "power", at(30)).stale);
    // The broker says again what the device said itself: nothing new.
    assert_eq!(registry.take(kept(r#"{"state":"ON"}"#), at(40)), []);
    assert!(!reading(&registry, "desk", "power", at(40)).stale);
}

#[test]
fn a_command_is_done_when_the_device_says_so() {
    let mut registry = registry(&["desk"]);
    let arguments = BTreeMap::from([
        ("times".to_owned(), Value::Integer(1)),
        ("note".to_owned(), Value::Text(String::new())),
    ]);
    let order = lamp("desk").command("flash", &arguments).unwrap();
    let mut confirmed = |payload, retained| {
        let heard = registry.take(
            Message {
                retained,
                ..message("home/desk/result", payload)
            },
            at(1),
        );
        heard
            .iter()
            .any(|it| it.confirms(&key("desk"), &order.confirm))
    };
    assert!(!confirmed(r#"{"done":"restart"}"#, false));
    assert!(!confirmed(r#"{"done":"flash"}"#, true));
    assert!(!confirmed("flash", false));
    assert!(confirmed(r#"{"done":"flash"}"#, false));
}

#[test]
fn topics_are_subscribed_to_once_and_until_nobody_hears_them() {
    let shared =
        "properties: [{name: a, type: text}]\nmqtt: {properties: [{name: a, state: {topic: all}}]}";
    let mut registry = registry(&[]);
    assert_eq!(registry.insert(plain("a", shared).unwrap()).add, ["all"]);
    assert_eq!(
        registry.insert(plain("b", shared).unwrap()),
        Subscriptions::default()
    );
    assert_eq!(
        told(&registry.take(message("all", "x"), at(0))).len(),
        4,
        "both hear it"
    );
    assert_eq!(registry.remove(&key("a")), Subscriptions::default());
    let own = "{model: model, mqtt: {broker: hub, properties: [{name: a, state: {topic: own}}]}}";
    let changed = registry.insert(Arc::new(
        compile(&device("b", own), &model(shared)).unwrap(),
    ));
    assert_eq!(
        (changed.add, changed.remove),
        (vec!["own".to_owned()], vec!["all".to_owned()])
    );
    assert_eq!(registry.remove(&key("b")).remove, ["own"]);
    assert_eq!(registry.remove(&key("b")), Subscriptions::default());
    assert!(registry.is_empty() && registry.topics().count() == 0);
}

#[test]
fn a_device_that_changes_keeps_what_stays_as_it_was() {
    let mut registry = registry(&["desk"]);
    registry.take(message("home/desk", r#"{"state":"ON","label":"x"}"#), at(0));
    registry.take(message("home/desk/there", "offline"), at(0));
    let own = "{model: model, mqtt: {broker: hub, properties: [{name: power, state: {topic: p}, set: {topic: q}}]}}";
    let changed = registry.insert(Arc::new(
        compile(&device("desk", own), &model(LAMP)).unwrap(),
    ));
    assert_eq!(
        (changed.add, changed.remove),
        (vec!["p".to_owned()], vec![])
    );
    assert_eq!(
        reading(&registry, "desk", "power", at(1)).value,
        None,
        "it is written otherwise now"
    );
    assert_eq!(
        reading(&registry, "desk", "label", at(1)).value,
        Some(Value::Text("x".to_owned()))
    );
    assert_eq!(registry.reach(&key("desk")), Some(Reach::Offline));
    assert_eq!(
        told(&registry.take(message("p", "1"), at(2))),
        ["power=true First"]
    );
}

#[test]
fn a_device_that_is_another_thing_now_says_nothing_of_before() {
    let shared = "properties: [{name: a, type: text}]\nmqtt: {properties: [{name: a, state: {topic: '{{at}}'}}], availability: {topic: '{{at}}/there'}}";
    let of = |at: &str, room: &str| {
        let spec = format!(
            "{{model: model, mqtt: {{broker: hub, parameters: {{at: {at}, room: {room}}}}}}}"
        );
        Arc::new(compile(&device("it", &spec), &model(shared)).unwrap())
    };
    let mut registry = registry(&[]);
    registry.insert(of("one", "hall"));
    registry.take(message("one", "x"), at(0));
    registry.take(message("one/there", "offline"), at(0));
    registry.insert(of("one", "attic"));
    assert!(reading(&registry, "it", "a", at(1)).value.is_some());
    let changed = registry.insert(of("two", "attic"));
    assert_eq!(
        (changed.add, changed.remove),
        (
            vec!["two".to_owned(), "two/there".to_owned()],
            vec!["one".to_owned(), "one/there".to_owned()]
        )
    );
    assert_eq!(reading(&registry, "it", "a", at(1)).value, None);
    assert_eq!(registry.reach(&key("it")), Some(Reach::Unknown));
}

#[test]
fn a_loud_device_is_cut_to_its_share_and_its_last_word_is_taken() {
    let limits = Limits {
        messages_per_second: 10,
        ..Limits::default()
    };
    let mut registry = Registry::new(limits, at(0));
    registry.insert(lamp("desk"));
    registry.insert(lamp("hall"));
    registry.link(Link::New, at(0));
    let mut heard = 0;
    for n in 0..1000 {
        let payload = format!(r#"{{"label":"{n}"}}"#);
        heard += registry.take(message("home/desk", &payload), at(0)).len();
        registry.take(
            message("home/desk/mode", if n % 2 == 0 { "manual" } else { "auto" }),
            at(0),
        );
    }
    assert!(heard <= 12, "{heard}");
    assert_eq!(
        told(&registry.take(message("home/hall/mode", "auto"), at(0))),
        ["mode=auto First", "online"],
        "its neighbour is heard"
    );
    assert_eq!(registry.due(), Some(at(100).at));
    assert_eq!(registry.take_due(at(99)), []);
    // The other topic waits behind, and a message that comes meanwhile does not overtake it.
    assert_eq!(
        told(&registry.take_due(at(100))),
        ["label=999 From(Text(\"9\"))"]
    );
    assert_eq!(
        registry.take(message("home/desk", r#"{"label":"last"}"#), at(150)),
        []
    );
    assert_eq!(told(&registry.take_due(at(200))), ["mode=auto Same"]);
    assert_eq!(
        told(&registry.take_due(at(300))),
        ["label=last From(Text(\"999\"))"]
    );
    assert_eq!(registry.due(), None);
    let counts = registry.counts(&key("desk")).unwrap();
    assert_eq!((counts.taken, counts.left_out, counts.lost), (23, 1978, 0));
    assert_eq!(registry.kept_bytes, 0);
}

#[test]
fn what_waits_is_bounded_and_what_is_lost_is_counted() {
    let limits = Limits {
        messages_per_second: 1,
        kept_bytes: 100,
    };
    let mut registry = Registry::new(limits, at(0));
    registry.insert(lamp("desk"));
    let long = format!(r#"{{"label":"{}"}}"#, "x".repeat(200));
    for _ in 0..5 {
        registry.take(message("home/desk", &long), at(0));
    }
    registry.take(message("home/desk/mode", "auto"), at(0));
    assert_eq!(
        (
            registry.counts(&key("desk")).unwrap().lost,
            registry.kept_bytes
        ),
        (3, 4)
    );
    registry.remove(&key("desk"));
    assert_eq!((registry.kept_bytes, registry.due()), (0, None));
}

#[test]
fn what_is_not_there_is_named() {
    let registry = registry(&["desk"]);
    assert_eq!(
        registry.read(&key("attic"), &[], at(0)).unwrap_err().code,
        Code::NotFound
    );
    let problem = registry
        .read(&key("desk"), &["colour".to_owned()], at(0))
        .unwrap_err();
    assert_eq!(
        problem.remedy,
        "its properties: power, brightness, mode, label"
    );
    assert_eq!(registry.reach(&key("attic")), None);
}

#[test]
fn a_value_goes_stale_after_its_models_time() {
    let model = "properties: [{name: a, type: number, staleSeconds: 60}]\nmqtt: {properties: [{name: a, state: {topic: t}}]}";
    let mut registry = registry(&[]);
    registry.insert(plain("it", model).unwrap());
    registry.take(message("t", "1"), at(0));
    assert!(!reading(&registry, "it", "a", at(60_000)).stale);
    assert!(reading(&registry, "it", "a", at(60_001)).stale);
}

#[test]
fn a_message_that_is_too_large_is_unread_and_says_which_bound_to_raise() {
    let mut registry = registry(&["desk"]);
    let heard = registry.too_large("home/desk", 70_000, at(1));
    assert!(
        heard
            .iter()
            .all(|it| matches!(it, Heard::Unread { why, .. } if why.contains("maxMessageKiB")))
    );
    assert!(!heard.is_empty());
    assert_eq!(registry.counts(&key("desk")).map(|it| it.unread), Some(1));
    assert!(registry.too_large("home/else", 70_000, at(1)).is_empty());
}
