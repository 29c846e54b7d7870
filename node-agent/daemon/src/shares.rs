//! Shares: places that several want, of which nobody takes more than is left for the others. Nothing about what is done in a
//! place may enter.
//!
//! Who is alone gets half of them, the next one half of the rest, and so on: a few leave others some, and it takes as many
//! as halvings for nothing to be left (of 512, ten). Where all want more than there is, and places are given back, each
//! comes to hold as many as are free.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
    mem,
    sync::Arc,
};

use parking_lot::Mutex;
use tokio::sync::oneshot;

/// So many places, for whoever comes. Clones are one.
#[derive(Debug)]
pub(crate) struct Shares<K: Hash + Eq + Clone>(Arc<Mutex<Table<K>>>);

#[derive(Debug)]
struct Table<K: Hash + Eq + Clone> {
    free: usize,
    /// Of those who hold any.
    held: HashMap<K, usize>,
    /// In the order they came.
    waiting: VecDeque<Waiting<K>>,
}

#[derive(Debug)]
struct Waiting<K: Hash + Eq + Clone> {
    key: K,
    given: oneshot::Sender<Share<K>>,
}

/// A place, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Share<K: Hash + Eq + Clone> {
    of: Shares<K>,
    key: K,
}

impl<K: Hash + Eq + Clone> Clone for Shares<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K: Hash + Eq + Clone> Table<K> {
    fn held(&self, key: &K) -> usize {
        self.held.get(key).copied().unwrap_or_default()
    }

    /// Takes a place for `key`, where it holds less than is left.
    fn take(&mut self, key: &K) -> bool {
        let taken = self.held(key) < self.free;
        if taken {
            self.free -= 1;
            *self.held.entry(key.clone()).or_default() += 1;
        }
        taken
    }
}

impl<K: Hash + Eq + Clone> Shares<K> {
    /// So many in all.
    pub(crate) fn new(places: usize) -> Self {
        Self(Arc::new(Mutex::new(Table {
            free: places,
            held: HashMap::new(),
            waiting: VecDeque::new(),
        })))
    }

    /// How many `key` holds.
    pub(crate) fn held(&self, key: &K) -> usize {
        self.0.lock().held(key)
    }

    /// Waits for a place, behind those of the same key who came before. `None` never comes but where all is let go.
    pub(crate) async fn enter(&self, key: K) -> Option<Share<K>> {
        let coming = {
            let mut table = self.0.lock();
            let is_behind = table
                .waiting
                .iter()
                .any(|it| it.key == key && !it.given.is_closed());
            if !is_behind && table.take(&key) {
                drop(table);
                return Some(self.share(key));
            }
            table.waiting.retain(|it| !it.given.is_closed());
            let (given, coming) = oneshot::channel();
            table.waiting.push_back(Waiting { key, given });
            coming
        };
        coming.await.ok()
    }

    fn share(&self, key: K) -> Share<K> {
        let of = self.clone();
        Share { of, key }
    }

    /// Gives a place back, and what is free now to those who wait for it.
    fn give_back(&self, key: &K) {
        let mut next = Vec::new();
        let mut table = self.0.lock();
        table.free += 1;
        if let Some(held) = table.held.get_mut(key) {
            *held -= 1;
            if *held == 0 {
                table.held.remove(key);
            }
        }
        for waiting in mem::take(&mut table.waiting) {
            match waiting.given.is_closed() {
                true => {}
                false if table.take(&waiting.key) => next.push(waiting),
                false => table.waiting.push_back(waiting),
            }
        }
        drop(table);
        for Waiting { key, given } in next {
            // To one who is gone since: the place comes back at once.
            drop(given.send(self.share(key)));
        }
    }
}

impl<K: Hash + Eq + Clone> Drop for Share<K> {
    fn drop(&mut self) {
        self.of.give_back(&self.key);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use futures::FutureExt;

    use super::*;

    /// All that `key` gets without waiting.
    fn all(shares: &Shares<&'static str>, key: &'static str) -> Vec<Share<&'static str>> {
        let got = std::iter::from_fn(|| shares.enter(key).now_or_never());
        got.map(Option::unwrap).collect()
    }

    #[test]
    fn whoever_comes_finds_half_of_what_is_left() {
        let shares = Shares::new(16);
        let held: Vec<_> = ["a", "b", "c", "d", "e"]
            .iter()
            .map(|key| all(&shares, key))
            .collect();
        let counts: Vec<_> = held.iter().map(Vec::len).collect();
        assert_eq!(counts, [8, 4, 2, 1, 1]);
        assert!(all(&shares, "f").is_empty());
        drop(held);
        assert_eq!(all(&shares, "f").len(), 8);
    }

    #[test]
    fn a_place_that_is_given_back_goes_to_whom_it_is_due_in_the_order_they_came() {
        let shares = Shares::new(4);
        let (mut a, mut b) = (all(&shares, "a"), all(&shares, "b"));
        assert_eq!((a.len(), b.len()), (2, 1));
        let mut greedy = Box::pin(shares.enter("a"));
        let mut gone = Box::pin(shares.enter("c"));
        let mut first = Box::pin(shares.enter("b"));
        let mut second = Box::pin(shares.enter("b"));
        assert!(greedy.as_mut().now_or_never().is_none());
        let c = gone.as_mut().now_or_never().unwrap().unwrap();
        for waiting in [&mut first, &mut second] {
            assert!(waiting.as_mut().now_or_never().is_none());
        }
        // One is free, of which b, holding one, may have none, and whoever holds none may.
        drop(c);
        assert!(first.as_mut().now_or_never().is_none());
        drop(b.pop());
        let first = first.as_mut().now_or_never().unwrap().unwrap();
        assert!(second.as_mut().now_or_never().is_none());
        assert!(greedy.as_mut().now_or_never().is_none());
        a.clear();
        assert!(greedy.as_mut().now_or_never().is_some());
        assert!(second.as_mut().now_or_never().is_some());
        drop(first);
    }

    #[test]
    fn what_was_given_to_one_who_is_gone_comes_back() {
        let shares = Shares::new(2);
        let held = all(&shares, "a");
        let mut waiting = Box::pin(shares.enter("a"));
        assert!(waiting.as_mut().now_or_never().is_none());
        drop(held);
        drop(waiting);
        assert_eq!(shares.held(&"a"), 0);
        assert_eq!(all(&shares, "b").len(), 1);
        assert_eq!(shares.0.lock().free, 2);
    }
}
