//! One life of an edge node and the next: what of the one holds in the other, and that no death is missed.

use super::*;

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
