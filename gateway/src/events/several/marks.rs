//! Where a feed of several nodes is: behind so much of each. As a text it is a cursor that any gateway reads.

use std::{collections::BTreeMap, fmt, str::FromStr};

use aion_abi::event::Cursor;
use serde::Deserialize;

use super::NODES;
use crate::numbers::Tag;

/// The longest text of one, in bytes: of each node a tag, a start and a number, in hexadecimal.
const LONGEST: usize = NODES * (6 + 1 + 16 + 1 + 16 + 1);
/// The longest text that is quoted, in characters.
const QUOTED: usize = 64;

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Marks(BTreeMap<Tag, Cursor>);

/// A text that is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NoMarks(String);

impl fmt::Display for NoMarks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not a cursor of a gateway of a cluster", self.0)
    }
}

impl Marks {
    pub(super) fn of(&self, tag: Tag) -> Option<Cursor> {
        self.0.get(&tag).copied()
    }

    pub(super) fn put(&mut self, tag: Tag, cursor: Cursor) {
        self.0.insert(tag, cursor);
    }

    /// Leaves those of nodes that are there, of whom there are few.
    pub(super) fn keep(&mut self, tags: &[Tag]) {
        self.0.retain(|tag, _| tags.contains(tag));
    }

    pub(super) fn tags(&self) -> Vec<Tag> {
        self.0.keys().copied().collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Marks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (tag, cursor)) in self.0.iter().enumerate() {
            let between = match at {
                0 => "",
                _ => ".",
            };
            write!(f, "{between}{tag}-{:x}-{:x}", cursor.epoch, cursor.seq)?;
        }
        Ok(())
    }
}

impl FromStr for Marks {
    type Err = NoMarks;

    fn from_str(text: &str) -> Result<Self, NoMarks> {
        let mark = |text: &str| {
            let mut parts = text.splitn(3, '-');
            let tag = Tag::read(parts.next()?)?;
            let mut number = || u64::from_str_radix(parts.next()?, 16).ok();
            let (epoch, seq) = (number()?, number()?);
            Some((tag, Cursor { epoch, seq }))
        };
        let read = || {
            let within = Some(text).filter(|it| it.len() <= LONGEST)?;
            let marks = within.split('.').map(mark).collect::<Option<_>>()?;
            Some(Self(marks))
        };
        // One cursor has one text.
        read()
            .filter(|it| it.0.len() <= NODES && it.to_string() == text)
            .ok_or_else(|| NoMarks(text.chars().take(QUOTED).collect()))
    }
}

impl<'de> Deserialize<'de> for Marks {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_cursor_of_as_many_nodes_as_are_followed_comes_back_as_it_was() {
        let mut marks = Marks::default();
        for node in 0..NODES {
            let most = Cursor {
                epoch: u64::MAX,
                seq: u64::MAX - node as u64,
            };
            marks.put(Tag::of(&node.to_string()), most);
            let text = marks.to_string();
            assert!(text.len() <= LONGEST);
            assert_eq!(text.parse::<Marks>().unwrap(), marks, "{text}");
        }
        marks.put(Tag::of("one more"), Cursor { epoch: 1, seq: 1 });
        assert!(marks.to_string().parse::<Marks>().is_err());
    }

    #[test]
    fn what_is_no_cursor_is_refused_and_quoted_shortly() {
        for wrong in [
            "",
            "1-4",
            "0000ff-1",
            "0000ff-1-4.",
            "0000ff-1-4.0000ff-1-4",
            "0000ff-1-4.0000fe-1-4",
            "0000ff-01-4",
            "0000ff-+1-4",
            "0000FF-1-4",
            "000000-1-4",
            "0000ff-1-4-5",
            &"x".repeat(LONGEST + 1),
        ] {
            let refused = wrong.parse::<Marks>().unwrap_err();
            assert!(refused.to_string().len() < 128, "{wrong}");
        }
        let both = "0000fe-1-4.0000ff-1-4";
        assert_eq!(both.parse::<Marks>().unwrap().to_string(), both);
    }
}
