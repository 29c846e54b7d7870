//! What an edge node says beyond its share, or again, or of nothing: it costs its device and nobody else.

use super::*;

#[test]
fn a_message_that_is_too_large_is_named_and_a_gap() {
    let mut plant = Plant::new();
    plant.asks();
    plant.born(3);
    plant.now += 60_000;
    let now = at(plant.now);
    let topic = "spBv1.0/plant/DDATA/line/press";
    let heard = plant.registry.too_large(topic, 70_000, now);
    assert!(matches!(&heard[..], [Heard::Doubted { .. }]), "{heard:?}");
    assert_eq!((plant.speed().1, plant.counts().unread), (true, 1));
    let last = plant.counts().last.unwrap();
    assert!(last.contains("70000 bytes") && last.contains("maxMessageKiB"));
    assert_eq!(plant.asks(), 1);
    plant.born(4);
    assert_eq!(plant.speed(), number(21.3));
}

#[test]
fn a_name_longer_than_the_api_lets_devices_have_counts_and_is_kept_nowhere() {
    let mut plant = Plant::new();
    plant.born(3);
    let long = format!("DBIRTH/line/{}", "x".repeat(129));
    // Its aliases would be those of two metrics.
    plant.hears(&long, &message(Some(2), &birth()));
    plant.data(3, &[by_alias(1, metric("", Type::Float, "30"))]);
    assert_eq!((plant.speed(), plant.counts().gaps), (number(30.0), 0));
    let last = plant.counts().last.unwrap();
    assert!(last.contains("128 characters"), "{last}");
}

#[test]
fn a_metric_that_is_not_known_is_said_once_and_the_last_of_a_message_counts() {
    let mut plant = Plant::new();
    plant.born(3);
    let mut said = 0;
    for seq in 2..200 {
        said += plant.data(seq, &[null("Outputs/Speed")]).len();
    }
    assert_eq!((said, plant.speed().1), (1, true));
    plant.now += 10_000;
    let mut many = vec![null("Outputs/Speed"); 100];
    many.extend((0..100).map(|it| metric("Outputs/Speed", Type::Float, &it.to_string())));
    let heard = plant.data(200, &many);
    assert_eq!((heard.len(), plant.speed()), (1, number(99.0)), "{heard:?}");
}

#[test]
fn metrics_that_are_not_known_are_of_the_share_of_their_device() {
    let mut plant = Plant::new();
    plant.born(3);
    // One that is known and one that is not, by turns, and why not is another each time.
    let mut said = 0;
    for seq in 2..250 {
        let quality = u32::try_from(seq).unwrap();
        let bad = of_quality(metric("Outputs/Speed", Type::Float, "5"), quality % 100);
        said += plant.data(seq, &[bad]).len();
    }
    assert!((100..150).contains(&said), "{said}");
}

fn null(name: &str) -> Metric {
    Metric {
        is_null: Some(true),
        ..metric(name, Type::Float, "1")
    }
}

#[test]
fn a_text_that_is_empty_is_a_value() {
    let mut plant = Plant::new();
    plant.born(3);
    plant.data(2, &[metric("Note", Type::String, "")]);
    let empty = (Some(Value::Text(String::new())), false);
    assert_eq!(plant.value("note"), empty);
}

#[test]
fn what_comes_again_is_of_no_share() {
    let mut plant = Plant::new();
    plant.born(3);
    let one = message(Some(2), &[by_alias(1, metric("", Type::Float, "30"))]);
    for _ in 0..3000 {
        let twice = Message {
            topic: "spBv1.0/plant/DDATA/line/press",
            payload: &one,
            retained: false,
        };
        plant.registry.take(twice, at(plant.now));
    }
    let counts = plant.counts();
    assert_eq!((counts.left_out, counts.duplicates), (0, 2999));
    assert_eq!(plant.speed(), number(30.0));
}

#[test]
fn a_birth_that_comes_twice_leaves_its_devices_born() {
    let mut plant = Plant::new();
    let birth_of_node = message(Some(0), &[bd_seq(3)]);
    plant.hears("NBIRTH/line", &birth_of_node);
    plant.hears("NBIRTH/line", &birth_of_node);
    assert_eq!((plant.counts().births, plant.counts().duplicates), (1, 1));
}
