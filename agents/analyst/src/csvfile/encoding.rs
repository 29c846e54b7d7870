//! Which encoding a text is in.

use std::fmt;

use super::plausible::plausible;

/// How characters became bytes. The single-byte ones have no mark: they are guessed from what they make of the text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Encoding {
    #[default]
    Utf8,
    Utf16Le,
    Utf16Be,
    Windows1252,
    Windows1250,
    Windows1251,
    Windows1253,
    Windows1254,
    Koi8R,
    Cp850,
    MacRoman,
}

impl Encoding {
    /// The encoding's usual name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "UTF-8",
            Self::Utf16Le => "UTF-16 (little-endian)",
            Self::Utf16Be => "UTF-16 (big-endian)",
            Self::Windows1252 => "Windows-1252",
            Self::Windows1250 => "Windows-1250",
            Self::Windows1251 => "Windows-1251",
            Self::Windows1253 => "Windows-1253",
            Self::Windows1254 => "Windows-1254",
            Self::Koi8R => "KOI8-R",
            Self::Cp850 => "code page 850",
            Self::MacRoman => "Mac Roman",
        }
    }

    /// Nothing in the file says so: the encoding is the one in which its letters make words.
    pub fn guessed(self) -> bool {
        self >= Self::Windows1252
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Encoding {
    /// Those that nothing marks, the commoner first.
    const GUESSES: [Self; 8] = [
        Self::Windows1252,
        Self::Windows1250,
        Self::Windows1251,
        Self::Windows1253,
        Self::Windows1254,
        Self::Koi8R,
        Self::Cp850,
        Self::MacRoman,
    ];
}

/// The encoding, and how many bytes of byte-order mark come first.
pub(super) fn detect(head: &[u8]) -> (Encoding, usize) {
    if head.starts_with(&[0xef, 0xbb, 0xbf]) {
        return (Encoding::Utf8, 3);
    }
    if head.starts_with(&[0xff, 0xfe]) {
        return (Encoding::Utf16Le, 2);
    }
    if head.starts_with(&[0xfe, 0xff]) {
        return (Encoding::Utf16Be, 2);
    }
    if let Some(encoding) = unmarked_utf16(head) {
        return (encoding, 0);
    }
    if mostly_utf8(head) {
        return (Encoding::Utf8, 0);
    }
    let mut best = (Encoding::Windows1252, i64::MIN);
    for encoding in Encoding::GUESSES {
        let score = plausible(head, encoding);
        if score > best.1 {
            best = (encoding, score);
        }
    }
    (best.0, 0)
}

/// Looks at where the zero bytes are: a table has digits, separators and line ends, whose upper byte is zero in every
/// script.
fn unmarked_utf16(head: &[u8]) -> Option<Encoding> {
    let mut zeros = [0; 2];
    for pair in head.chunks(2) {
        for (count, &byte) in zeros.iter_mut().zip(pair) {
            *count += usize::from(byte == 0);
        }
    }
    let (few, many) = (head.len() / 200, head.len() / 8);
    let [even, odd] = zeros;
    if head.len() < 8 {
        None
    } else if odd > many && even <= few {
        Some(Encoding::Utf16Le)
    } else if even > many && odd <= few {
        Some(Encoding::Utf16Be)
    } else {
        None
    }
}

/// Allows a stray byte: where the rest of the characters beyond ASCII are UTF-8, the file is. The head may end inside
/// a character.
fn mostly_utf8(mut head: &[u8]) -> bool {
    let (mut good, mut bad) = (0, 0);
    loop {
        let (valid, error) = match std::str::from_utf8(head) {
            Ok(text) => (text, None),
            Err(error) => {
                let (valid, _) = head.split_at(error.valid_up_to());
                (std::str::from_utf8(valid).unwrap_or_default(), Some(error))
            }
        };
        good += valid.chars().filter(|c| !c.is_ascii()).count();
        match error {
            // Of a broken character each byte is looked at again.
            Some(error) if error.error_len().is_some() => {
                bad += 1;
                head = head.get(error.valid_up_to() + 1..).unwrap_or_default();
            }
            _ => return bad == 0 || good > 4 * bad,
        }
    }
}
