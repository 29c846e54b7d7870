//! Rows that are measured at once.

/// How many rows: their numbers stay near the processor.
pub(super) const BLOCK_ROWS: usize = 1024;

/// Rows by column: NaN where one has no value. A place is days since 1970, or the row's number from 1.
#[derive(Debug, Default)]
pub(super) struct Block {
    pub(super) lines: Vec<u64>,
    pub(super) places: Vec<f64>,
    pub(super) values: Vec<Vec<f64>>,
}

impl Block {
    pub(super) fn new(columns: usize) -> Self {
        let empty = || Vec::with_capacity(BLOCK_ROWS);
        Self {
            lines: Vec::with_capacity(BLOCK_ROWS),
            places: empty(),
            values: (0..columns).map(|_| empty()).collect(),
        }
    }

    pub(super) fn clear(&mut self) {
        self.lines.clear();
        self.places.clear();
        for values in &mut self.values {
            values.clear();
        }
    }
}
