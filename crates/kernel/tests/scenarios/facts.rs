//! The names and shapes of facts are a storage format: this file is what is on disks.
use aion_kernel::Fact;

const STORED: &str = include_str!("facts.jsonl");

#[test]
fn stored_facts_are_read_and_written_back_unchanged() {
    for line in STORED.lines() {
        let fact: Fact =
            serde_json::from_str(line).unwrap_or_else(|error| unreachable!("{error}: {line}"));
        assert_eq!(serde_json::to_string(&fact).unwrap(), line);
    }
}

#[test]
fn every_fact_is_among_the_stored_ones() {
    let facts: Vec<Fact> = STORED
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for name in Fact::NAMES {
        assert!(
            facts.iter().any(|fact| fact.name() == *name),
            "no line for {name}"
        );
    }
}

#[test]
fn a_fact_of_a_newer_build_is_told_from_damage_by_its_name() {
    let newer = r#"{"fact":"turn-preempted","turn":3}"#;
    assert!(serde_json::from_str::<Fact>(newer).is_err());
    let name = serde_json::from_str::<serde_json::Value>(newer).unwrap()["fact"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(!Fact::NAMES.contains(&name.as_str()));
}
