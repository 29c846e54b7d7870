//! What is made for a call before the kernel has decided on it, and goes again where that decides otherwise.

use std::{
    fmt,
    sync::atomic::{AtomicBool, Ordering},
};

use aion_kernel::Body;

/// The question of a turn that a call begins, on the disk. Unless it is kept, it is removed when nobody holds it.
pub struct Prepared {
    /// What the kernel is told of it.
    pub input: Body,
    kept: AtomicBool,
    remove: Box<dyn Fn() + Send + Sync>,
}

impl Prepared {
    pub(crate) fn new(input: Body, remove: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            input,
            kept: AtomicBool::new(false),
            remove: Box::new(remove),
        }
    }

    /// The kernel has the turn.
    pub(crate) fn keep(&self) {
        self.kept.store(true, Ordering::Relaxed);
    }

    /// Whether the turn is the kernel's.
    pub(crate) fn is_kept(&self) -> bool {
        self.kept.load(Ordering::Relaxed)
    }
}

impl Drop for Prepared {
    fn drop(&mut self) {
        if !self.is_kept() {
            (self.remove)();
        }
    }
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared")
            .field("input", &self.input.digest)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use aion_kernel::BodyDigest;

    use super::*;

    #[test]
    fn what_the_kernel_did_not_take_is_removed() {
        for kept in [false, true] {
            let gone = Arc::new(AtomicBool::new(false));
            let told = Arc::clone(&gone);
            let input = Body {
                digest: BodyDigest([1; 32]),
                size: 1,
            };
            let prepared = Prepared::new(input, move || told.store(true, Ordering::Relaxed));
            if kept {
                prepared.keep();
            }
            drop(prepared);
            assert_eq!(gone.load(Ordering::Relaxed), !kept);
        }
    }
}
