//! What the compiler writes to its standard output: a head of 16 bytes, then an artifact or a refusal.
//! Written by a process that worked on untrusted bytes: the reader takes no more than the bounds, and the
//! artifact runs nowhere but in a confined worker.

/// The bytes of a head.
pub const HEAD: usize = 16;
/// The largest artifact, in bytes.
pub const MAX_ARTIFACT: u64 = 512 * 1024 * 1024;
/// The longest refusal, in bytes.
pub const MAX_REFUSAL: u64 = 1024;

const MARK: [u8; 7] = *b"aion-c1";

/// What follows the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Head {
    /// So many bytes of an artifact.
    Artifact(u64),
    /// So many bytes of text: why there is none. The module's own fault.
    Refused(u64),
}

impl Head {
    /// The bytes.
    pub fn to_bytes(self) -> [u8; HEAD] {
        let (kind, length) = match self {
            Self::Artifact(length) => (b'a', length),
            Self::Refused(length) => (b'r', length),
        };
        let mut bytes = [0; HEAD];
        bytes[..7].copy_from_slice(&MARK);
        bytes[7] = kind;
        bytes[8..].copy_from_slice(&length.to_le_bytes());
        bytes
    }

    /// The head, where it is one and within the bounds.
    pub fn from_bytes(bytes: &[u8; HEAD]) -> Option<Self> {
        let (mark, rest) = bytes.split_at(MARK.len());
        let (kind, length) = rest.split_first()?;
        let length = u64::from_le_bytes(length.try_into().ok()?);
        match kind {
            _ if mark != MARK => None,
            b'a' if (1..=MAX_ARTIFACT).contains(&length) => Some(Self::Artifact(length)),
            b'r' if length <= MAX_REFUSAL => Some(Self::Refused(length)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_comes_back_as_it_was() {
        for head in [
            Head::Artifact(1),
            Head::Artifact(MAX_ARTIFACT),
            Head::Refused(0),
            Head::Refused(MAX_REFUSAL),
        ] {
            assert_eq!(Head::from_bytes(&head.to_bytes()), Some(head));
        }
    }

    #[test]
    fn a_head_out_of_bounds_or_of_another_kind_is_none() {
        for head in [
            Head::Artifact(0),
            Head::Artifact(MAX_ARTIFACT + 1),
            Head::Artifact(u64::MAX),
            Head::Refused(MAX_REFUSAL + 1),
        ] {
            assert_eq!(Head::from_bytes(&head.to_bytes()), None);
        }
        for at in 0..8 {
            let mut bytes = Head::Artifact(7).to_bytes();
            bytes[at] ^= 0x40;
            assert_eq!(Head::from_bytes(&bytes), None, "byte {at}");
        }
    }
}
