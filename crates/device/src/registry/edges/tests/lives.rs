//! One life of an edge node and the next: what of the one holds in the other, and that no death is missed.

use super::*;

/// Bytes of a message of an edge node at the moment that it is.
fn at_once(plant: &mut Plant, topic: &str, payload: &[u8]) -> Vec<Heard> {
    let topic = format!("spBv1.0/plant/{topic}");
    let message = Message {
        topic: &topic,
        payload,
        retained: false,
    };
    plant.registry.take(message, at(plant.now))
}

#[test]
fn a_birth_says_what_is_and_not_that_a_command_was_done() {
    let mut plant = Plant::new();
    plant.born(3);
    let start = press("press", "device: press")
        .command("start", &[("shift".to_owned(), Value::Integer(1))].into())
        .unwrap();
    let confirms = |heard: &[Heard]| {
        let mut all = heard.iter();
        all.any(|it| it.confirms(&key("press"), &start.confirm))
    };
    let started = metric("Started", Type::Boolean, "true");
    let heard = plant.hears(
        "DBIRTH/line/press",
        &message(Some(2), std::slice::from_ref(&started)),
    );
    assert!(!confirms(&heard), "{heard:?}");
    let heard = plant.data(3, &[started]);
    assert!(confirms(&heard), "{heard:?}");
}

#[test]
fn what_a_birth_does_not_say_holds_no_longer() {
    let mut plant = Plant::new();
    plant.born(3);
    assert!(!plant.value("count").1);
    let speed = [aliased(1, metric("Outputs/Speed", Type::Float, "50"))];
    plant.hears("DBIRTH/line/press", &message(Some(2), &speed));
    assert_eq!(plant.speed(), number(50.0));
    assert_eq!(plant.value("count"), (Some(Value::Integer(7)), true));
}

#[test]
fn what_the_edge_node_itself_said_holds_until_it_dies_or_is_born_anew() {
    let mut plant = Plant::new();
    plant.registry.remove(&key("press"));
    plant.registry.insert(press("press", "rebirth: never"));
    let count = || metric("Count #1", Type::UInt64, "7");
    let note = || metric("Note", Type::String, "fine");
    let all = message(Some(0), &[bd_seq(1), count(), note()]);
    plant.hears("NBIRTH/line", &all);
    assert!(!plant.value("count").1);
    plant.hears("NBIRTH/line", &message(Some(0), &[bd_seq(1), note()]));
    assert_eq!(
        (plant.value("count").1, plant.value("note").1),
        (true, false)
    );
    plant.hears("NBIRTH/line", &all);
    plant.hears("NDEATH/line", &message(None, &[bd_seq(1)]));
    plant.hears("NBIRTH/line", &message(Some(0), &[bd_seq(2), note()]));
    assert_eq!(
        (plant.value("count").1, plant.value("note").1),
        (true, false)
    );
}

#[test]
fn what_was_kept_for_later_dies_with_the_device() {
    for (topic, of_node) in [("DDEATH/line/press", false), ("NDEATH/line", true)] {
        let mut plant = Plant::new();
        plant.born(3);
        let mut seq = 2;
        while plant.registry.due().is_none() {
            let one = [by_alias(1, metric("", Type::Float, "30"))];
            at_once(&mut plant, "DDATA/line/press", &message(Some(seq), &one));
            seq += 1;
        }
        let death = match of_node {
            true => message(None, &[bd_seq(3)]),
            false => message(Some(seq), &[]),
        };
        plant.hears(topic, &death);
        assert_eq!(plant.reach(), Reach::Offline);
        let later = plant.registry.take_due(at(plant.now + 60_000));
        assert!(later.is_empty(), "{later:?}");
        assert!(plant.speed().1);
    }
}

/// As much data as is left out.
fn flood(plant: &mut Plant) {
    for seq in 2..3000_u64 {
        let one = [by_alias(1, metric("", Type::Float, "30"))];
        at_once(plant, "DDATA/line/press", &message(Some(seq % 256), &one));
    }
    assert!(plant.counts().left_out > 0);
}

#[test]
fn a_death_is_heard_however_loud_its_edge_node_was() {
    let mut plant = Plant::new();
    plant.born(3);
    flood(&mut plant);
    at_once(&mut plant, "NDEATH/line", &message(None, &[bd_seq(3)]));
    assert_eq!(plant.reach(), Reach::Offline);
}

#[test]
fn after_a_death_that_cannot_be_read_nobody_says_that_it_is_there() {
    for (topic, death) in [
        ("DDEATH/line/press", b"\xff\xff".to_vec()),
        ("NDEATH/line", b"\xff\xff".to_vec()),
        // A death after one that was missed.
        ("DDEATH/line/press", message(Some(9), &[])),
    ] {
        let mut plant = Plant::new();
        plant.born(3);
        assert_eq!(plant.reach(), Reach::Online);
        plant.hears(topic, &death);
        assert_eq!(plant.reach(), Reach::Unknown, "{topic}");
    }
}

#[test]
fn a_restart_that_counts_from_nothing_again_is_no_second_edge_node() {
    let mut plant = Plant::new();
    let dies = |plant: &mut Plant, bd| {
        plant.hears("NDEATH/line", &message(None, &[bd_seq(bd)]));
    };
    plant.born(0);
    dies(&mut plant, 0);
    plant.born(1);
    dies(&mut plant, 1);
    plant.born(0);
    assert_eq!(
        (plant.reach(), plant.counts().contested),
        (Reach::Online, 0)
    );
    // Who takes turns with another is one of two, however well each dies.
    dies(&mut plant, 0);
    plant.born(1);
    assert!(plant.counts().contested > 0);
}
