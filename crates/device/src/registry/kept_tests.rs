//! However a device sends, its last word on each topic is what is known in the end.
#![allow(clippy::unwrap_used)]

use aion_abi::syscall::device::Value;
use proptest::prelude::*;

use super::*;
use crate::testing::{at, lamp, message};

proptest! {
    #[test]
    fn the_last_word_on_each_topic_is_taken_and_every_message_is_counted(
        rate in 1..5_u32,
        sent in prop::collection::vec((0..400_u64, any::<bool>(), 0..3_u8), 1..200),
    ) {
        let mut registry = Registry::new(Limits { messages_per_second: rate, ..Limits::default() }, at(0));
        registry.insert(lamp("desk"));
        registry.link(Link::New, at(0));
        let (mut now, mut last) = (0, [None, None]);
        let mut heard = Vec::new();
        for (number, (after, of_mode, pause)) in sent.iter().enumerate() {
            now += after * u64::from(*pause);
            // Whoever runs the registry comes when something is due, or at the next message.
            heard.extend(registry.take_due(at(now)));
            let (topic, payload) = match of_mode {
                true => ("home/desk/mode", ["auto", "manual"][number % 2].to_owned()),
                false => ("home/desk", format!(r#"{{"label":"{number}"}}"#)),
            };
            let known = match of_mode {
                true => payload.clone(),
                false => number.to_string(),
            };
            last[usize::from(*of_mode)] = Some(known);
            heard.extend(registry.take(message(topic, &payload), at(now)));
        }
        while let Some(due) = registry.due() {
            now = now.max(due - at(0).at);
            heard.extend(registry.take_due(at(now)));
        }
        let key = lamp("desk").key().clone();
        for (property, last) in ["label", "mode"].iter().zip(last) {
            let read = registry.read(&key, &[(*property).to_owned()], at(now)).unwrap();
            prop_assert_eq!(&read.readings[0].value, &last.map(Value::Text));
        }
        let counts = registry.counts(&key).unwrap();
        prop_assert_eq!(counts.taken + counts.left_out, sent.len() as u64);
        prop_assert_eq!((counts.lost, registry.kept_bytes), (0, 0));
        let values = heard.iter().filter(|it| matches!(it, Heard::Value { .. })).count();
        prop_assert_eq!(values as u64, counts.taken);
        // Never more than the burst and what comes evenly.
        let most = u64::from(rate) * 2 + now * u64::from(rate) / 1000 + 1;
        prop_assert!(counts.taken <= most, "{} of {most}", counts.taken);
    }
}
