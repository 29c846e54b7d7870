//! Topics of MQTT, and paths of HTTP: which names a device may have (MQTT 5.0, 4.7; RFC 3986, 3.3 and 3.4).

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

/// What is wrong with a path, and a query, if anything. What is filled in was escaped.
///
/// # Errors
/// What is wrong, for a person.
pub(crate) fn check_path(path: &str) -> Result<(), &'static str> {
    if !path.starts_with('/') {
        return Err("does not begin with /");
    }
    if path.len() > MAX_TOPIC {
        return Err("is longer than 1,024 bytes");
    }
    let refused = |c: char| {
        !c.is_ascii_graphic()
            || matches!(
                c,
                '#' | '"' | '<' | '>' | '\\' | '^' | '`' | '{' | '|' | '}'
            )
    };
    match path.chars().any(refused) {
        true => Err("has a character that an address has only in its escaped form, such as %20"),
        false => Ok(()),
    }
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
    fn a_path_is_what_an_address_has() {
        for path in [
            "/",
            "/rpc/Switch.GetStatus?id=0",
            "/cm?cmnd=Power%20On",
            "/a;b=c/(d)",
        ] {
            assert_eq!(check_path(path), Ok(()), "{path}");
        }
        let long = format!("/{}", "a".repeat(MAX_TOPIC));
        for path in [
            "",
            "rpc",
            "http://x/",
            "/a b",
            "/a#b",
            "/a\r\nb",
            "/ü",
            "/{x}",
            &long,
        ] {
            assert!(check_path(path).is_err(), "{path:?}");
        }
    }

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
