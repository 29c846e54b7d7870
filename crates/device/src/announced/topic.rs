//! Topics of announcements: PREFIX/COMPONENT/[NODE/]OBJECT/config.

/// Whose announcement it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Topic<'a> {
    /// What it announces: `switch`, `light`, …, or `device` for several at once.
    pub(super) component: &'a str,
    /// Who announces, where it says so.
    pub(super) node: Option<&'a str>,
    /// Which.
    pub(super) object: &'a str,
}

/// What is subscribed to for a prefix. Announcements of whole devices (PREFIX/device/ID/config) are among the first.
#[must_use]
pub fn filters(prefix: &str) -> [String; 2] {
    [
        format!("{prefix}/+/+/config"),
        format!("{prefix}/+/+/+/config"),
    ]
}

impl<'a> Topic<'a> {
    /// A topic behind a prefix; `None` for any other topic.
    pub(super) fn of(prefix: &str, topic: &'a str) -> Option<Self> {
        let behind = topic.strip_prefix(prefix)?.strip_prefix('/')?;
        let levels = behind.strip_suffix("/config")?;
        let mut levels = levels.split('/');
        let (component, first, second) = (levels.next()?, levels.next()?, levels.next());
        let (node, object) = match second {
            Some(object) => (Some(first), object),
            None => (None, first),
        };
        let rest = levels.next().is_none();
        let named = [Some(component), node, Some(object)];
        let sound = named.into_iter().flatten().all(is_name);
        (rest && sound).then_some(Self {
            component,
            node,
            object,
        })
    }

    /// Who announces it, as far as a topic says so: what is bounded together.
    pub(super) fn source(&self) -> &'a str {
        self.node.unwrap_or(self.object)
    }
}

/// A level as Home Assistant takes it.
fn is_name(level: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    !level.is_empty() && level.len() <= 128 && level.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn announcements_have_a_component_and_an_object_and_sometimes_a_node() {
        let of = |topic| Topic::of("homeassistant", topic);
        let lamp = of("homeassistant/light/0x0017/light/config");
        let expected = Topic {
            component: "light",
            node: Some("0x0017"),
            object: "light",
        };
        assert_eq!(lamp, Some(expected));
        let relay = of("homeassistant/switch/49A3BC_RL_1/config");
        assert_eq!(relay.map(|it| it.source()), Some("49A3BC_RL_1"));
        for other in [
            "homeassistant/status",
            "homeassistant/light/config",
            "homeassistant/light/a/b/c/config",
            "homeassistant/light//config",
            "homeassistant/light/a b/config",
            "homeassistant/light/a\u{7}/config",
            "homeassistant/light/x/state",
            "elsewhere/light/x/config",
            "homeassistantx/light/x/config",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
