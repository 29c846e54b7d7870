//! A bounded line in which namespaces take turns: each is served as often as any other that has something in the line, and one
//! that has much gives way to one that has less. Pure. What may not enter: what waits, and who serves it.

use std::collections::VecDeque;

/// What waits, by namespace.
#[derive(Debug)]
pub(super) struct Waiting<T> {
    at_most: usize,
    held: usize,
    /// The next one to be served first; none is empty. They are no more than what waits, so each is looked at.
    shares: VecDeque<Share<T>>,
}

#[derive(Debug)]
struct Share<T> {
    namespace: String,
    items: VecDeque<T>,
}

impl<T> Waiting<T> {
    pub(super) const fn new(at_most: usize) -> Self {
        Self {
            at_most,
            held: 0,
            shares: VecDeque::new(),
        }
    }

    /// Lets `item` wait, and returns what is left out for it: where the line is full, the last item of the namespace that holds
    /// most, if that one holds more than this one even after the exchange; else `item` itself.
    pub(super) fn push(&mut self, namespace: &str, item: T) -> Option<T> {
        let mut left_out = None;
        if self.held >= self.at_most {
            let holds = self.share(namespace).map_or(0, |it| it.items.len());
            let fullest = self.shares.iter_mut().max_by_key(|it| it.items.len());
            match fullest.filter(|it| it.items.len() > holds + 1) {
                Some(fullest) => left_out = fullest.items.pop_back(),
                None => return Some(item),
            }
        } else {
            self.held += 1;
        }
        match self.share(namespace) {
            Some(share) => share.items.push_back(item),
            None => self.shares.push_back(Share {
                namespace: namespace.to_owned(),
                items: VecDeque::from([item]),
            }),
        }
        left_out
    }

    /// The first item of the namespace whose turn it is, among those that may be served now.
    pub(super) fn take(&mut self, may: impl Fn(&str) -> bool) -> Option<T> {
        let turn = self.shares.iter().position(|it| may(&it.namespace))?;
        let mut share = self.shares.remove(turn)?;
        let item = share.items.pop_front();
        self.held -= usize::from(item.is_some());
        if !share.items.is_empty() {
            self.shares.push_back(share);
        }
        item
    }

    /// Lets nothing wait any more; returns how much did.
    pub(super) fn close(&mut self) -> usize {
        self.at_most = 0;
        self.shares.clear();
        std::mem::take(&mut self.held)
    }

    fn share(&mut self, namespace: &str) -> Option<&mut Share<T>> {
        self.shares.iter_mut().find(|it| it.namespace == namespace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(at_most: usize, namespaces: &[&'static str]) -> Waiting<String> {
        let mut waiting = Waiting::new(at_most);
        for (namespace, number) in namespaces.iter().zip(0..) {
            assert_eq!(
                waiting.push(namespace, format!("{namespace}{number}")),
                None
            );
        }
        waiting
    }

    fn rest(waiting: &mut Waiting<String>) -> Vec<String> {
        std::iter::from_fn(|| waiting.take(|_| true)).collect()
    }

    #[test]
    fn namespaces_take_turns_and_each_is_served_in_its_order() {
        let mut waiting = filled(9, &["a", "a", "a", "b", "c", "c"]);
        assert_eq!(rest(&mut waiting), ["a0", "b3", "c4", "a1", "c5", "a2"]);
        assert!(waiting.shares.is_empty());
        assert_eq!(waiting.held, 0);
    }

    #[test]
    fn a_namespace_that_may_not_be_served_holds_up_no_other_and_keeps_its_turn() {
        let mut waiting = filled(9, &["a", "b", "a"]);
        assert_eq!(waiting.take(|it| it != "a"), Some("b1".to_owned()));
        assert_eq!(waiting.take(|it| it != "a"), None);
        assert_eq!(rest(&mut waiting), ["a0", "a2"]);
    }

    #[test]
    fn a_full_line_takes_from_the_namespace_that_holds_most_until_the_shares_are_even() {
        let mut waiting = filled(4, &["a", "a", "a", "a"]);
        let mut push = |namespace, item: &str| waiting.push(namespace, item.to_owned());
        assert_eq!(push("a", "more"), Some("more".to_owned()));
        assert_eq!(push("b", "b0"), Some("a3".to_owned()));
        assert_eq!(push("b", "b1"), Some("a2".to_owned()));
        assert_eq!(push("b", "b2"), Some("b2".to_owned()), "they have as much");
        assert_eq!(push("c", "c0"), Some("b1".to_owned()));
        assert_eq!(push("c", "c1"), Some("c1".to_owned()), "it would be a swap");
        assert_eq!(rest(&mut waiting), ["a0", "b0", "c0", "a1"]);
    }

    #[test]
    fn a_line_that_is_closed_lets_nothing_wait() {
        let mut waiting = filled(4, &["a", "b"]);
        assert_eq!(waiting.close(), 2);
        assert_eq!(
            waiting.push("a", "late".to_owned()),
            Some("late".to_owned())
        );
        assert_eq!(waiting.take(|_| true), None);
    }
}
