//! What devices announce of themselves, and descriptions of things: whatever is said comes to a device that makes sense, or to reasons
//! that print.
#![no_main]

use aion_device::{
    announced::{Announcements, MAX_BYTES, Taken, Unmapped, drafts, named},
    compile,
    thing::{self, Names},
};
use libfuzzer_sys::fuzz_target;

/// A byte that no UTF-8 has stands between announcements.
const BETWEEN: u8 = 0xff;
/// What is announced, by the first byte of each.
const COMPONENTS: [&str; 14] = [
    "device",
    "light",
    "switch",
    "climate",
    "cover",
    "fan",
    "lock",
    "sensor",
    "binary_sensor",
    "number",
    "select",
    "button",
    "text",
    "siren",
];

fuzz_target!(|data: &[u8]| {
    let mut kept = Announcements::new("homeassistant");
    for (at, part) in data.split(|byte| *byte == BETWEEN).take(8).enumerate() {
        let Some((first, payload)) = part.split_first() else {
            continue;
        };
        let component = COMPONENTS[usize::from(*first) % COMPONENTS.len()];
        kept.take(
            &format!("homeassistant/{component}/n/o{at}/config"),
            payload,
        );
        if let Ok(text) = std::str::from_utf8(payload) {
            described(text);
            // Also as a topic.
            kept.take(text, payload);
        }
    }
    assert!(kept.bytes() <= MAX_BYTES);
    let drafts = drafts("hub", &kept);
    let proposals = named(
        "home",
        &[("hub".to_owned(), drafts.as_slice())],
        &Taken::default(),
    );
    for it in &proposals {
        let name = it.name.as_bytes();
        assert!(
            !name.is_empty() && name.len() <= 63 && name[0] != b'-',
            "{}",
            it.name
        );
        it.unmapped.iter().for_each(prints);
        if let Some(both) = &it.resources {
            let (model, device) = &**both;
            assert!(compile(device, model).is_ok(), "{both:?}");
        }
    }
});

fn prints(it: &Unmapped) {
    let sound = it.why.len() <= 300 && !it.why.contains(char::is_control);
    assert!(sound && it.field.len() <= 64, "{it:?}");
}

/// A Thing Description is a device that makes sense, or is refused.
fn described(text: &str) {
    let Ok(thing) = thing::read(text, &Names::default()) else {
        return;
    };
    if let Some((device, _)) = &thing.device {
        assert!(compile(device, &thing.model).is_ok(), "{device:?}");
    }
}
