//! Births as they are proposed.
#![allow(clippy::unwrap_used)]

use aion_api::{Access, DeviceModel, Rebirth, ValueType};

use super::*;
use crate::{
    announced::{Proposal, Taken, named},
    compile,
    sparkplug::{Metric, Type, testing::*},
    testing::at,
};

fn births(rebirth: Rebirth) -> Births {
    Births::new(&SparkplugDiscovery {
        groups: vec!["plant".to_owned()],
        rebirth,
    })
}

fn take(births: &mut Births, topic: &str, payload: &[u8], now: Moment) -> Option<RebirthRequest> {
    births.take(topic, payload, false, now)
}

fn proposals(births: &Births) -> Vec<Proposal> {
    let drafts = Births::drafts("hub", births.kept());
    let all = named(
        "home",
        &[("hub".to_owned(), drafts.as_slice())],
        &Taken::default(),
    );
    for it in all.iter().filter_map(|it| it.resources.as_ref()) {
        let (model, device) = &**it;
        assert!(compile(device, model).is_ok(), "{it:?}");
    }
    all
}

fn model(of: &Proposal) -> DeviceModel {
    of.resources.as_ref().unwrap().0.clone()
}

#[test]
fn a_birth_is_a_model_with_types_units_ranges_and_what_may_be_written() {
    let mut it = births(Rebirth::Ask);
    let speed = with(
        metric("Outputs/Speed", Type::Float, "21.5"),
        &[
            ("engUnit", words("°C")),
            ("engLow", decimal(-10.0)),
            ("engHigh", decimal(80.5)),
            ("readOnly", boolean(false)),
            ("documentation", words("How warm it is")),
        ],
    );
    let odd = with(
        metric("Odd", Type::Int32, "1"),
        &[
            ("engUnit", words("furlong")),
            ("engLow", decimal(5.0)),
            ("engHigh", decimal(5.0)),
        ],
    );
    let birth = message(
        Some(1),
        &[
            bd_seq(0),
            metric("Node Control/Rebirth", Type::Boolean, "false"),
            speed,
            odd,
            metric("Run", Type::Boolean, "true"),
            metric("Serial", Type::Uuid, "x"),
            metric("Since", Type::DateTime, "1"),
            Metric {
                datatype: Some(16),
                ..metric("Table", Type::String, "x")
            },
        ],
    );
    assert!(take(&mut it, "spBv1.0/plant/DBIRTH/line/Press 1", &birth, at(0)).is_some());
    let all = proposals(&it);
    assert_eq!((all.len(), all[0].name.as_str()), (1, "press-1"));
    let (model, device) = &**all[0].resources.as_ref().unwrap();
    let of = |name: &str| {
        model
            .spec
            .properties
            .iter()
            .find(|it| it.name == name)
            .unwrap()
    };
    let speed = of("outputsSpeed");
    assert_eq!(
        (speed.of, speed.access),
        (ValueType::Number, Access::ReadWrite)
    );
    assert_eq!(
        (
            speed.unit.as_deref(),
            speed.minimum.as_deref(),
            speed.maximum.as_deref()
        ),
        (Some("Cel"), Some("-10"), Some("80.5"))
    );
    assert_eq!(speed.description.as_deref(), Some("How warm it is"));
    assert_eq!(
        (
            of("odd").of,
            of("odd").unit.clone(),
            of("odd").minimum.clone(),
            of("odd").access
        ),
        (ValueType::Integer, None, None, Access::Read)
    );
    assert_eq!(
        (of("run").of, of("serial").of, of("since").unit.as_deref()),
        (ValueType::Boolean, ValueType::Text, Some("ms"))
    );
    assert_eq!(model.spec.properties.len(), 5);
    let spec = device.spec.sparkplug.as_ref().unwrap();
    assert_eq!(
        (
            spec.group.as_str(),
            spec.edge_node.as_str(),
            spec.device.as_deref()
        ),
        ("plant", "line", Some("Press 1"))
    );
    let fields: Vec<_> = all[0].unmapped.iter().map(|it| it.field.as_str()).collect();
    assert_eq!(fields, ["Odd engLow", "Odd engUnit", "Table"]);
}

#[test]
fn metrics_of_one_name_are_told_apart_and_more_than_a_model_has_are_counted() {
    let mut it = births(Rebirth::Never);
    let mut metrics = vec![
        metric("a/b", Type::Int32, "1"),
        metric("a b", Type::Int32, "2"),
    ];
    metrics.extend((0..200).map(|it| metric(&format!("m{it}"), Type::Int32, "1")));
    take(
        &mut it,
        "spBv1.0/plant/NBIRTH/line",
        &message(Some(0), &metrics),
        at(0),
    );
    let all = proposals(&it);
    let names: Vec<_> = model(&all[0])
        .spec
        .properties
        .iter()
        .map(|it| it.name.clone())
        .collect();
    assert_eq!(names.len(), 64);
    assert_eq!(names.iter().filter(|it| it.starts_with("aB-")).count(), 2);
    assert_eq!(all[0].unmapped.len(), MAX_SAID);
    assert!(all[0].unmapped.last().unwrap().why.starts_with("74 more"));
}

const MAX_SAID: usize = 65;

#[test]
fn who_claims_a_name_takes_nobodys_place_and_other_groups_are_not_listened_to() {
    let mut it = births(Rebirth::Never);
    let birth = message(Some(0), &[metric("x", Type::Int32, "1")]);
    take(&mut it, "spBv1.0/plant/DBIRTH/line/press", &birth, at(0));
    take(&mut it, "spBv1.0/plant/DBIRTH/evil/press", &birth, at(0));
    take(&mut it, "spBv1.0/other/DBIRTH/line/press", &birth, at(0));
    let all = proposals(&it);
    let names: Vec<_> = all.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names.len(), 2);
    assert!(
        names
            .iter()
            .all(|it| it.starts_with("press-") && it.len() == 22),
        "{names:?}"
    );
    // What cannot be read is named, and admitted by nobody.
    take(&mut it, "spBv1.0/plant/NBIRTH/broken", b"\xff", at(0));
    let broken = proposals(&it)
        .into_iter()
        .find(|it| it.name == "broken")
        .unwrap();
    assert!(broken.resources.is_none() && broken.unmapped[0].why.contains("not Sparkplug"));
}

#[test]
fn an_edge_node_without_a_birth_is_asked_once_a_connection_where_that_is_wanted() {
    let mut it = births(Rebirth::Ask);
    assert_eq!(it.filters().len(), 4);
    let data = message(Some(5), &[]);
    let asked = take(&mut it, "spBv1.0/plant/DDATA/line/press", &data, at(0)).unwrap();
    assert_eq!(asked.topic, "spBv1.0/plant/NCMD/line");
    assert_eq!(
        take(&mut it, "spBv1.0/plant/NDATA/line", &data, at(1000)),
        None
    );
    it.anew();
    assert!(take(&mut it, "spBv1.0/plant/NDATA/line", &data, at(2000)).is_some());
    // Many are asked one after the other.
    let asked = (0..5000).filter_map(|node| {
        take(
            &mut it,
            &format!("spBv1.0/plant/NDATA/n{node}"),
            &data,
            at(3000),
        )
    });
    assert_eq!(asked.count(), 1);
    it.anew();
    take(
        &mut it,
        "spBv1.0/plant/NBIRTH/line",
        &message(Some(0), &[metric("x", Type::Int32, "1")]),
        at(4000),
    );
    assert_eq!(
        take(&mut it, "spBv1.0/plant/NDATA/line", &data, at(9000)),
        None
    );
    let mut never = births(Rebirth::Never);
    assert_eq!(never.filters().len(), 2);
    assert_eq!(
        take(&mut never, "spBv1.0/plant/NDATA/line", &data, at(0)),
        None
    );
    // Who is not asked now may be later.
    it.anew();
    let put_off = take(&mut it, "spBv1.0/plant/NDATA/other", &data, at(20_000)).unwrap();
    it.put_off(&put_off);
    assert_eq!(
        take(&mut it, "spBv1.0/plant/NDATA/other", &data, at(21_000)),
        Some(put_off).map(|old| RebirthRequest {
            payload: sparkplug::rebirth(at(21_000).wall),
            ..old
        })
    );
    // What is proposed is not asked either.
    take(
        &mut never,
        "spBv1.0/plant/NBIRTH/line",
        &message(Some(0), &[metric("x", Type::Int32, "1")]),
        at(0),
    );
    let proposed = proposals(&never).remove(0).resources.unwrap();
    assert_eq!(proposed.1.spec.sparkplug.unwrap().rebirth, Rebirth::Never);
}

#[test]
fn names_that_no_device_of_the_api_can_have_are_kept_nowhere_and_nobody_is_asked() {
    let mut it = births(Rebirth::Ask);
    let long = "x".repeat(129);
    let birth = message(Some(0), &[metric("Speed", Type::Float, "1")]);
    for topic in [
        format!("spBv1.0/plant/NDATA/{long}"),
        format!("spBv1.0/plant/DBIRTH/line/{long}"),
    ] {
        assert!(take(&mut it, &topic, &birth, at(0)).is_none());
    }
    assert!(it.kept().is_empty() && it.asked.is_empty());
}

#[test]
fn a_birth_that_nothing_was_heard_of_since_makes_room_and_what_is_retained_is_none() {
    let mut it = births(Rebirth::Ask);
    let birth = message(Some(0), &[metric("Speed", Type::Float, "1")]);
    let data = message(Some(1), &[]);
    let of = |said: &str, node: usize| format!("spBv1.0/plant/{said}/n{node}");
    for node in 0..MAX_ANNOUNCEMENTS {
        take(&mut it, &of("NBIRTH", node), &birth, at(0));
    }
    take(&mut it, &of("NDATA", 0), &data, at(0));
    take(&mut it, &of("NBIRTH", 5000), &birth, at(0));
    let has = |it: &Births, node| it.kept().has(&of("NBIRTH", node));
    assert!(has(&it, 0) && !has(&it, 1) && has(&it, 2) && has(&it, 5000));
    assert_eq!(
        (it.kept().len(), it.left_out().count),
        (MAX_ANNOUNCEMENTS, 1)
    );
    let old = "spBv1.0/plant/NBIRTH/old";
    assert!(it.take(old, &birth, true, at(0)).is_none());
    assert!(!it.kept().has(old));
}
