//! Words that are values: none, yes and no, units.

/// Whether a trimmed cell stands for "no value". What a spreadsheet writes where a formula failed is no value either.
#[inline]
pub fn missing(text: &str) -> bool {
    let _ = text;
    todo!()
}

/// Reads a truth value: whether it is yes, and of which pair of words.
pub fn truth(text: &str) -> Option<(bool, u8)> {
    let _ = text;
    todo!()
}
