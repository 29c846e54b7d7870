//! Step 2: whether it can be resolved. Pure.

use aion_resolve::{Dereferenced, Judged};

/// An agent that was judged.
pub(super) struct Validated {
    pub(super) input: Dereferenced,
    pub(super) judged: Judged,
}

/// Judges what was dereferenced.
pub(super) fn validate(input: Dereferenced) -> Validated {
    Validated {
        judged: aion_resolve::validate(&input),
        input,
    }
}
