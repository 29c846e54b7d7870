//! Edge nodes of Sparkplug B, and their topics: `spBv1.0/GROUP/TYPE/NODE[/DEVICE]`. And the places of metrics, by which the rest of this
//! crate has what a device says and is told: no message of a broker comes at one, since they have a control character.
//!
//! What may not enter: payloads, what a session of an edge node is at.

use crate::topic::MAX_TOPIC;

/// What all topics begin with.
const NAMESPACE: &str = "spBv1.0/";
/// What a place begins with, and what stands before the metric.
const MARK: char = '\u{1}';

/// The name of what is filled in for where a device is heard, and for where it is told something. No argument of a command has one.
pub(crate) const HEARD: &str = "-heard";
pub(crate) const TOLD: &str = "-told";

/// Whether a name is one of those two.
pub(crate) fn is_own(name: &str) -> bool {
    matches!(name, HEARD | TOLD)
}

/// Which device of which edge node.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Edge {
    pub(crate) group: Box<str>,
    pub(crate) node: Box<str>,
    /// None: the edge node itself.
    pub(crate) device: Option<Box<str>>,
    /// Whether the edge node may be asked for its birth.
    pub(crate) asks: bool,
}

impl Edge {
    /// Its edge node, which no other has the name of.
    pub(crate) fn of_node(&self) -> String {
        format!("{}/{}", self.group, self.node)
    }

    /// What is subscribed to: all that the edge node says of itself and of its devices, since it counts all of that together.
    pub(crate) fn filters(&self) -> [String; 6] {
        filters(&self.group, &self.node)
    }

    /// Where it is heard, before the metric.
    pub(crate) fn heard(&self) -> String {
        heard(&self.group, &self.node, self.device.as_deref())
    }

    /// The topic of what it is told.
    pub(crate) fn told(&self) -> String {
        match &self.device {
            Some(device) => format!("{NAMESPACE}{}/DCMD/{}/{device}", self.group, self.node),
            None => format!("{NAMESPACE}{}/NCMD/{}", self.group, self.node),
        }
    }

    /// Why these are not its topics, or nothing.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        let parts = [Some(&self.group), Some(&self.node), self.device.as_ref()];
        let bad = |c: char| c.is_control() || matches!(c, '+' | '#' | '/');
        let mut parts = parts.into_iter().flatten();
        match () {
            () if parts.any(|it| it.is_empty() || it.contains(bad)) => Some(
                "group, edgeNode and device are not empty, and have no /, +, # and no control character",
            ),
            () if self.told().len() + 2 > MAX_TOPIC => {
                Some("its topics are longer than 1,024 bytes")
            }
            () => None,
        }
    }
}

/// What is subscribed to of an edge node; of all of a group, with `+` for it.
pub(crate) fn filters(group: &str, node: &str) -> [String; 6] {
    ["NBIRTH", "NDEATH", "NDATA", "DBIRTH", "DDEATH", "DDATA"].map(|of| match of.starts_with('N') {
        true => format!("{NAMESPACE}{group}/{of}/{node}"),
        false => format!("{NAMESPACE}{group}/{of}/{node}/+"),
    })
}

/// Where a device of an edge node, or that itself, is heard, before the metric.
pub(crate) fn heard(group: &str, node: &str, device: Option<&str>) -> String {
    format!("{MARK}{group}/{node}/{}", device.unwrap_or_default())
}

/// The place of a metric.
pub(crate) fn place(before: &str, metric: &str) -> String {
    format!("{before}{MARK}{metric}")
}

/// Whether this is the place of a metric, and no topic.
pub(crate) fn is_place(topic: &str) -> bool {
    topic.starts_with(MARK)
}

/// What stands before the metric of a place, and the metric.
pub(crate) fn metric_of(place: &str) -> Option<(&str, &str)> {
    place.rsplit_once(MARK)
}

/// The topic by which an edge node is asked for its birth.
pub(crate) fn node_command(group: &str, node: &str) -> String {
    format!("{NAMESPACE}{group}/NCMD/{node}")
}

/// The edge node that is asked by a topic.
pub(crate) fn of_node_command(topic: &str) -> Option<String> {
    let (group, node) = topic.strip_prefix(NAMESPACE)?.split_once("/NCMD/")?;
    Some(format!("{group}/{node}"))
}

/// The topic of its birth.
pub(crate) fn birth(group: &str, node: &str) -> String {
    format!("{NAMESPACE}{group}/NBIRTH/{node}")
}

/// What a message of an edge node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    Birth,
    Death,
    Data,
}

/// The topic of a message of an edge node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Topic<'a> {
    pub(crate) group: &'a str,
    pub(crate) said: Said,
    pub(crate) node: &'a str,
    /// None: the edge node itself.
    pub(crate) device: Option<&'a str>,
}

/// Characters of a group, an edge node or a device, as the API has it.
pub(crate) const MAX_LEVEL: usize = 128;

fn is_long(level: &str) -> bool {
    level.chars().nth(MAX_LEVEL).is_some()
}

impl<'a> Topic<'a> {
    /// The topic of a message of an edge node; nothing of what is none, such as a command, nor of an edge node that no device can be of,
    /// since its names are too long.
    pub(crate) fn of(topic: &'a str) -> Option<Self> {
        let mut levels = topic.strip_prefix(NAMESPACE)?.split('/');
        let (group, said, node) = (levels.next()?, levels.next()?, levels.next()?);
        let device = levels.next();
        let of_node = device.is_none();
        let said = match said {
            "NBIRTH" if of_node => Said::Birth,
            "NDEATH" if of_node => Said::Death,
            "NDATA" if of_node => Said::Data,
            "DBIRTH" if !of_node => Said::Birth,
            "DDEATH" if !of_node => Said::Death,
            "DDATA" if !of_node => Said::Data,
            _ => return None,
        };
        let empty = group.is_empty() || node.is_empty() || device == Some("");
        let unfit = empty || is_long(group) || is_long(node);
        (levels.next().is_none() && !unfit).then_some(Self {
            group,
            said,
            node,
            device,
        })
    }

    /// Its edge node.
    pub(crate) fn of_node(&self) -> String {
        format!("{}/{}", self.group, self.node)
    }

    /// The topic of the birth of who says it.
    pub(crate) fn birth(&self) -> String {
        match self.device {
            Some(device) => format!("{NAMESPACE}{}/DBIRTH/{}/{device}", self.group, self.node),
            None => birth(self.group, self.node),
        }
    }

    /// Whether no device of the API can be this one: its message is counted, and kept nowhere.
    pub(crate) fn is_of_nobody(&self) -> bool {
        self.device.is_some_and(is_long)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_those_of_the_specification_and_no_others() {
        let of = Topic::of("spBv1.0/Plant 1/DDATA/Press/Drive");
        let expected = Topic {
            group: "Plant 1",
            said: Said::Data,
            node: "Press",
            device: Some("Drive"),
        };
        assert_eq!(of, Some(expected));
        assert_eq!(
            Topic::of("spBv1.0/g/NBIRTH/n").map(|it| (it.said, it.device)),
            Some((Said::Birth, None))
        );
        for other in [
            "spBv1.0/g/NDATA/n/d",
            "spBv1.0/g/DDATA/n",
            "spBv1.0/g/DDATA/n/",
            "spBv1.0/g/DDATA/n/d/e",
            "spBv1.0/g/NCMD/n",
            "spBv1.0/STATE/host",
            &format!("spBv1.0/g/NDATA/{}", "x".repeat(129)),
            &format!("spBv1.0/{}/NDATA/n", "x".repeat(129)),
            "spBv1.0//NDATA/n",
            "spAv1.0/g/NDATA/n",
            "",
        ] {
            assert_eq!(Topic::of(other), None, "{other}");
        }
    }

    #[test]
    fn a_place_is_no_topic_and_a_command_says_its_metric() {
        let edge = Edge {
            group: "g".into(),
            node: "n".into(),
            device: Some("d".into()),
            asks: true,
        };
        assert!(is_place(&place(&edge.heard(), "a/b")) && !is_place("a/b"));
        let told = place(&edge.told(), "Outputs/Speed");
        assert_eq!(
            metric_of(&told),
            Some(("spBv1.0/g/DCMD/n/d", "Outputs/Speed"))
        );
        assert_eq!(metric_of("home/lamp/set"), None);
        assert!(edge.fault().is_none());
        assert!(
            Edge {
                node: "a/b".into(),
                ..edge.clone()
            }
            .fault()
            .is_some()
        );
        assert!(
            Edge {
                node: "x".repeat(1024).into(),
                ..edge
            }
            .fault()
            .is_some()
        );
    }
}
