//! How often something was met, and where first.

/// Counts something and knows the first line where it was met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// How often.
    pub count: u64,
    /// The first line, counted from 1; 0 where there is none.
    pub line: u64,
}

impl Place {
    /// Counts one on a line.
    #[inline]
    pub fn add(&mut self, line: u64) {
        if self.count == 0 {
            self.line = line;
        }
        self.count += 1;
    }
}
