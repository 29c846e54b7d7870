//! Which encoding a text is in.

use std::fmt;

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
