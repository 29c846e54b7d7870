//! What turns, approvals and uploads of several nodes are called where one gateway shows them: with the node in the name, so that any
//! gateway finds them again and none keeps a table. Nodes count their turns, and their approvals, each from 1.
//!
//! What has a number keeps one, of 53 bits at most, which is what JSON's readers hold exactly: 22 of the node, and 31 of its own.

use std::fmt::{self, Write as _};

use sha2::{Digest as _, Sha256};

/// Bits of a node's own number.
const OWN: u32 = 31;
/// Bits of a tag.
const TAG: u32 = 22;

/// Stands for a node in a number. Two nodes may have one: then both are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Tag(u32);

impl Tag {
    /// Of a KernelNode's uid: one that is made anew counts from 1 again, and is another node.
    #[cfg_attr(
        not(any(test, feature = "kubernetes")),
        expect(dead_code, reason = "one node is not told apart")
    )]
    pub(crate) fn of(uid: &str) -> Self {
        let digest = Sha256::digest(uid);
        let bits = u32::from_be_bytes([0, digest[0], digest[1], digest[2]]);
        // Never none, so that no number is a node's own.
        Self((bits % ((1 << TAG) - 1)) + 1)
    }

    /// As it is written; there is one way of writing it.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let tag = Self(u32::from_str_radix(text, 16).ok()?);
        let is_tag = tag.0 > 0 && tag.0 < 1 << TAG;
        (is_tag && tag.to_string() == text).then_some(tag)
    }

    /// How a turn or an approval of the node is shown; none where its number has more bits.
    pub(crate) fn number(self, own: u64) -> Option<u64> {
        (own < 1 << OWN).then_some((u64::from(self.0) << OWN) | own)
    }

    /// How an upload at the node is shown.
    pub(crate) fn upload(self, own: &str) -> String {
        let mut shown = String::new();
        // A text takes whatever is written to it.
        let _ = write!(shown, "{self}-{own}");
        shown
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:06x}", self.0)
    }
}

/// The node of a turn or an approval, and its number there.
pub(crate) fn number(shown: u64) -> Option<(Tag, u64)> {
    let tag = u32::try_from(shown >> OWN).ok()?;
    let is_tag = tag > 0 && tag < 1 << TAG;
    is_tag.then_some((Tag(tag), shown & ((1 << OWN) - 1)))
}

/// The node of an upload, and its name there.
pub(crate) fn upload(shown: &str) -> Option<(Tag, &str)> {
    let (tag, own) = shown.split_once('-')?;
    Some((Tag::read(tag)?, own))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_turn_is_found_again_by_what_is_shown_of_it_and_fits_into_a_double() {
        for uid in ["", "7c0f", "0b1d9d3e-0000-4000-8000-000000000000"] {
            for own in [0, 1, (1 << OWN) - 1] {
                let tag = Tag::of(uid);
                let shown = tag.number(own).unwrap();
                assert!(shown < 1 << 53, "{shown}");
                assert_eq!(number(shown), Some((tag, own)));
            }
        }
        assert_eq!(Tag::of("a").number(1 << OWN), None);
        assert_ne!(Tag::of("a"), Tag::of("b"));
    }

    #[test]
    fn what_no_gateway_of_a_cluster_showed_names_no_node() {
        for shown in [0, 7, (1 << OWN) - 1, 1 << 53, u64::MAX] {
            assert_eq!(number(shown), None, "{shown}");
        }
        for shown in [
            "", "x", "00000-a", "000000-a", "ZZZZZZ-a", "0000ff", "0000FF-a", "+000ff-a",
        ] {
            assert_eq!(upload(shown), None, "{shown}");
        }
    }

    #[test]
    fn an_upload_is_found_again_by_its_name() {
        let tag = Tag::of("a");
        assert_eq!(upload(&tag.upload("9f-e")), Some((tag, "9f-e")));
    }
}
