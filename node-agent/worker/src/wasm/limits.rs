//! What a guest may have of memory and tables.

use wasmtime::ResourceLimiter;

/// Elements of one table: far more than a program has functions.
const TABLE: usize = 1 << 20;
/// Tables of one module.
const TABLES: usize = 8;

/// Refuses what goes beyond.
#[derive(Debug)]
pub(super) struct Limits {
    /// Linear memory in bytes.
    most: usize,
    refused: Option<usize>,
}

impl Limits {
    pub(super) fn new(memory_mib: u32) -> Self {
        Self {
            most: (memory_mib as usize).saturating_mul(1 << 20),
            refused: None,
        }
    }

    /// The growth that was refused last, and the bound, in bytes.
    pub(super) fn refused(&self) -> Option<(u64, u64)> {
        self.refused.map(|wanted| (wanted as u64, self.most as u64))
    }
}

impl ResourceLimiter for Limits {
    fn memory_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let fits = desired <= self.most;
        if !fits {
            self.refused = Some(desired);
        }
        Ok(fits)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= TABLE)
    }

    fn instances(&self) -> usize {
        1
    }

    fn memories(&self) -> usize {
        1
    }

    fn tables(&self) -> usize {
        TABLES
    }
}
