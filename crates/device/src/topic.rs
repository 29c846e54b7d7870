//! Topics of MQTT: which names a device may have (MQTT 5.0, 4.7).

/// The longest topic that is sent or subscribed to, in bytes. The protocol has 65,535; no device known to us comes near this.
pub(crate) const MAX_TOPIC: usize = 1024;

/// What is wrong with the name of a topic, if anything.
///
/// Names that begin with `$` are the broker's own: subscriptions that are shared, its statistics, and with Mosquitto the
/// control of who may do what. No device has one.
///
/// # Errors
/// What is wrong, for a person.
pub(crate) fn check_name(name: &str) -> Result<(), &'static str> {
    if name.contains(['+', '#']) {
        return Err("has a wildcard (+ or #)");
    }
    if name.starts_with('$') {
        return Err("begins with $, and such topics are the broker's own");
    }
    check_length_and_characters(name)
}

fn check_length_and_characters(topic: &str) -> Result<(), &'static str> {
    if topic.is_empty() {
        return Err("is empty");
    }
    if topic.len() > MAX_TOPIC {
        return Err("is longer than 1,024 bytes");
    }
    // Brokers close the connection over these, which would take every other device with it.
    let refused = |c: char| c.is_control() || matches!(c as u32 & 0xffff, 0xfffe | 0xffff);
    match topic.chars().any(refused) {
        true => Err("has a control character"),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_no_wildcard_no_control_character_and_is_not_the_brokers() {
        for name in ["a", "/", "a//b", "zigbee2mqtt/Küche Licht", "stat/x/POWER"] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
        let long = "a".repeat(MAX_TOPIC + 1);
        let bad = [
            "",
            "a/+",
            "#",
            "a\0b",
            "a\nb",
            "a\u{7f}",
            "a\u{85}b",
            "a\u{ffff}",
            "$SYS/x",
            "$CONTROL/dynamic-security/v1",
            &long,
        ];
        for name in bad {
            assert!(check_name(name).is_err(), "{name:?}");
        }
    }
}
