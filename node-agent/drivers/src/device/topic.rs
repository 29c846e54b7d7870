//! Topics and filters: what may be one, and which filter a topic matches (MQTT 5, section 4.7).
//!
//! What may not enter: what a topic is about.

/// The longest topic or filter that is sent, in bytes.
pub const MAX_TOPIC: usize = 1024;

/// Why nothing is published to a topic, or nothing.
pub fn topic_fault(topic: &str) -> Option<&'static str> {
    match topic.contains(['+', '#']) {
        true => Some("it has a wildcard, + or #"),
        false => fault(topic),
    }
}

/// Why nothing is subscribed by a filter, or nothing.
pub fn filter_fault(filter: &str) -> Option<&'static str> {
    if let Some(why) = fault(filter) {
        return Some(why);
    }
    let inner = match filter.strip_prefix("$share/") {
        None => filter,
        Some(shared) => match shared.split_once('/') {
            Some((group, inner)) if !group.is_empty() && !inner.is_empty() => {
                if group.contains(['+', '#']) {
                    return Some("the group of a shared subscription has no wildcards");
                }
                inner
            }
            _ => return Some("a shared subscription is $share/GROUP/FILTER"),
        },
    };
    let mut levels = inner.split('/').peekable();
    while let Some(level) = levels.next() {
        match level {
            "#" if levels.peek().is_some() => return Some("# is not its last level"),
            "#" | "+" => {}
            _ if level.contains(['+', '#']) => return Some("a wildcard is a level by itself"),
            _ => {}
        }
    }
    None
}

fn fault(text: &str) -> Option<&'static str> {
    match () {
        () if text.is_empty() => Some("it is empty"),
        () if text.len() > MAX_TOPIC => Some("it has more than 1024 bytes"),
        () if text.chars().any(char::is_control) => Some("it has a control character"),
        () => None,
    }
}

/// Whether a filter, of a shared subscription too, matches a topic. Topics of the broker's own, which begin with `$`, are
/// matched by no wildcard at their beginning.
pub fn matches(filter: &str, topic: &str) -> bool {
    let filter = filter
        .strip_prefix("$share/")
        .and_then(|shared| shared.split_once('/'))
        .map_or(filter, |(_, inner)| inner);
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let mut levels = topic.split('/');
    for wanted in filter.split('/') {
        if wanted == "#" {
            return true;
        }
        match levels.next() {
            Some(_) if wanted == "+" => {}
            Some(level) if level == wanted => {}
            _ => return false,
        }
    }
    levels.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_topic_or_filter_is_said() {
        let long = "x".repeat(MAX_TOPIC + 1);
        for topic in ["", "a/+", "#", "a\0b", "a\nb", long.as_str()] {
            assert!(topic_fault(topic).is_some(), "{topic:?}");
        }
        for topic in ["a", "/", "a//b", "$SYS/x", "küche/licht"] {
            assert_eq!(topic_fault(topic), None, "{topic}");
        }
        for filter in [
            "",
            "a/#/b",
            "a#",
            "a/b+",
            "++",
            "$share/a",
            "$share//a",
            "$share/+/a",
            "\u{85}",
            long.as_str(),
        ] {
            assert!(filter_fault(filter).is_some(), "{filter:?}");
        }
        for filter in [
            "#",
            "+",
            "a/+/b/#",
            "+/+",
            "/",
            "$share/nodes/a/#",
            "$SYS/#",
        ] {
            assert_eq!(filter_fault(filter), None, "{filter}");
        }
    }

    #[test]
    fn a_filter_matches_level_by_level() {
        for (filter, topic) in [
            ("a/b", "a/b"),
            ("a/+", "a/b"),
            ("a/+", "a/"),
            ("a/#", "a"),
            ("a/#", "a/b/c"),
            ("#", "a/b"),
            ("+/+", "/a"),
            ("é/+", "é/ü"),
            ("$SYS/#", "$SYS/up"),
            ("$share/g/a/#", "a/b"),
        ] {
            assert!(matches(filter, topic), "{filter} {topic}");
        }
        for (filter, topic) in [
            ("a/b", "a"),
            ("a", "a/b"),
            ("a/+", "a"),
            ("a/+", "a/b/c"),
            ("+", "/a"),
            ("#", "$SYS/up"),
            ("+/up", "$SYS/up"),
            ("é", "e"),
        ] {
            assert!(!matches(filter, topic), "{filter} {topic}");
        }
    }
}
