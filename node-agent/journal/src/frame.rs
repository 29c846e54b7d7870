//! Frames: the unit that is either wholly in the journal or not at all.
//!
//! ```text
//! "AJF1" · length u32 LE · kind u8 · three zero bytes · crc32c u32 LE · payload
//! ```
//! The checksum covers length, kind and payload. The four magic bytes let recovery look for an intact
//! frame behind a damaged one, whose length cannot be believed.

const MAGIC: [u8; 4] = *b"AJF1";

/// Bytes before the payload.
pub(super) const HEADER: usize = 16;

/// The longest payload; a longer length is damage.
pub(super) const MAX_PAYLOAD: usize = 1 << 30;

/// What a payload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The head of a segment: JSON, see `segment::Head`.
    Head = 1,
    /// Facts, one JSON object a line.
    Facts = 2,
    /// A body: its 32-byte digest, then its bytes.
    Blob = 3,
    /// A snapshot file's only frame: JSON.
    Snapshot = 4,
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Self> {
        [Self::Head, Self::Facts, Self::Blob, Self::Snapshot]
            .into_iter()
            .find(|kind| *kind as u8 == byte)
    }
}

/// What stands at a place.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parsed<'a> {
    /// An intact frame.
    Frame {
        kind: Kind,
        payload: &'a [u8],
        /// Header and payload.
        size: usize,
    },
    /// Nothing more.
    End,
    /// Anything else.
    Damaged(&'static str),
}

/// Begins a frame in `buffer`; the payload is pushed behind it, then [`finish`] is called with the
/// returned place.
pub(super) fn begin(buffer: &mut Vec<u8>) -> usize {
    let start = buffer.len();
    buffer.extend_from_slice(&[0; HEADER]);
    start
}

/// Ends the frame that [`begin`] began at `start`.
pub(super) fn finish(buffer: &mut [u8], start: usize, kind: Kind) {
    let (header, payload) = buffer[start..].split_at_mut(HEADER);
    // A payload is bounded far below 4 GiB by whoever builds a batch.
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    header[..4].copy_from_slice(&MAGIC);
    header[4..8].copy_from_slice(&length.to_le_bytes());
    header[8..12].copy_from_slice(&[kind as u8, 0, 0, 0]);
    let crc = crc32c::crc32c_append(crc32c::crc32c(&header[4..12]), payload);
    header[12..].copy_from_slice(&crc.to_le_bytes());
}

/// Appends a whole frame whose payload is `parts` one after the other.
pub(super) fn push(buffer: &mut Vec<u8>, kind: Kind, parts: &[&[u8]]) {
    let start = begin(buffer);
    for part in parts {
        buffer.extend_from_slice(part);
    }
    finish(buffer, start, kind);
}

/// What a header says that nobody has checked yet: the kind of its frame, and bytes of the payload.
pub(super) fn announced(header: &[u8]) -> Option<(Kind, usize)> {
    if header.len() < HEADER || header[..4] != MAGIC {
        return None;
    }
    let length = word(&header[4..8]) as usize;
    let kind = Kind::from_byte(header[8])?;
    (length <= MAX_PAYLOAD).then_some((kind, length))
}

/// Reads what stands at the beginning of `bytes`.
pub(super) fn parse(bytes: &[u8]) -> Parsed<'_> {
    if bytes.is_empty() {
        return Parsed::End;
    }
    let Some((header, rest)) = bytes.split_at_checked(HEADER) else {
        return Parsed::Damaged("the header is cut off");
    };
    if header[..4] != MAGIC {
        return Parsed::Damaged("no frame begins here");
    }
    let length = word(&header[4..8]) as usize;
    if length > MAX_PAYLOAD {
        return Parsed::Damaged("the length is impossible");
    }
    let Some(payload) = rest.get(..length) else {
        return Parsed::Damaged("the payload is cut off");
    };
    if crc32c::crc32c_append(crc32c::crc32c(&header[4..12]), payload) != word(&header[12..]) {
        return Parsed::Damaged("the checksum does not match");
    }
    match Kind::from_byte(header[8]) {
        Some(kind) => Parsed::Frame {
            kind,
            payload,
            size: HEADER + length,
        },
        None => Parsed::Damaged("the frame is of an unknown kind"),
    }
}

/// Whether any intact frame begins in `bytes`.
pub(super) fn any_intact(bytes: &[u8]) -> bool {
    bytes
        .windows(MAGIC.len())
        .enumerate()
        .filter(|(_, window)| *window == MAGIC)
        .any(|(at, _)| matches!(parse(&bytes[at..]), Parsed::Frame { .. }))
}

fn word(bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .rev()
        .fold(0, |value, byte| (value << 8) | u32::from(*byte))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)]

    use super::*;

    fn frame(payload: &[u8]) -> Vec<u8> {
        let mut buffer = Vec::new();
        push(&mut buffer, Kind::Facts, &[payload]);
        buffer
    }

    #[test]
    fn a_frame_reads_back_what_it_holds() {
        let mut buffer = frame(b"one");
        push(&mut buffer, Kind::Blob, &[b"t", b"wo"]);
        let Parsed::Frame {
            kind: Kind::Facts,
            payload: b"one",
            size,
        } = parse(&buffer)
        else {
            panic!("{:?}", parse(&buffer));
        };
        assert_eq!(
            parse(&buffer[size..]),
            Parsed::Frame {
                kind: Kind::Blob,
                payload: b"two",
                size: HEADER + 3
            }
        );
        assert_eq!(parse(&[]), Parsed::End);
    }

    #[test]
    fn any_changed_bit_is_damage() {
        let good = frame(b"a payload");
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(matches!(parse(&bad), Parsed::Damaged(_)), "bit {bit}");
        }
    }

    #[test]
    fn any_cut_is_damage() {
        let good = frame(b"a payload");
        for length in 1..good.len() {
            assert!(
                matches!(parse(&good[..length]), Parsed::Damaged(_)),
                "{length} bytes"
            );
        }
    }

    #[test]
    fn an_intact_frame_is_found_behind_rubbish() {
        let mut bytes = b"rubbish AJF1 rubbish".to_vec();
        assert!(!any_intact(&bytes));
        bytes.extend(frame(b"x"));
        assert!(any_intact(&bytes));
    }
}
