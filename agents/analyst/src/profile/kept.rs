//! Numbers between measuring and locating.

use super::block::Block;

/// How many numbers are kept: 48 MB of them.
pub(super) const MAX_KEPT: usize = 6_000_000;

/// The blocks that were measured: where there is room for all of them the file is not read again. None where something
/// was left out.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) count: usize,
    pub(super) most: usize,
    pub(super) blocks: Option<Vec<Block>>,
}

impl Default for Kept {
    fn default() -> Self {
        Self {
            count: 0,
            most: MAX_KEPT,
            blocks: Some(Vec::new()),
        }
    }
}

impl Kept {
    /// Keeps one block, or gives up all of them and gives it back.
    pub(super) fn add(&mut self, block: Block) -> Option<Block> {
        let Some(blocks) = &mut self.blocks else {
            return Some(block);
        };
        self.count += block.lines.len() * (block.values.len() + 2);
        if self.count > self.most {
            self.blocks = None;
            return Some(block);
        }
        blocks.push(block);
        None
    }
}
