//! What became of one object that is watched, for the routes that name what depends on it. What may not enter: what that is.

/// An object that changed.
pub(crate) struct Change<'a, K> {
    /// As it is, or was last.
    pub(crate) object: &'a K,
    /// As it was, where it was known.
    pub(super) before: Option<&'a K>,
    pub(super) gone: bool,
}

impl<K> Change<'_, K> {
    /// Whether who reads only `read` of it reads another thing now. Of one that is new or gone everybody does.
    pub(crate) fn is_seen_by<V: PartialEq>(&self, read: impl Fn(&K) -> V) -> bool {
        let same = |before| read(before) == read(self.object);
        self.gone || !self.before.is_some_and(same)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_reads_a_part_sees_that_part_change_and_that_it_comes_and_goes() {
        let seen = |before, gone| {
            let change = Change {
                object: &(1, 2),
                before,
                gone,
            };
            change.is_seen_by(|it: &(i32, i32)| it.0)
        };
        assert!(!seen(Some(&(1, 7)), false));
        assert!(seen(Some(&(3, 2)), false));
        assert!(seen(None, false));
        assert!(seen(Some(&(1, 2)), true));
    }
}
