//! Turns: what is looked at of what several places list, where not all of it is. Each place gives the next of its own list
//! in its turn and has its own share of the bytes, so nothing that one lists hides what another does. What may not enter:
//! what is looked at, and how.

use std::collections::HashSet;

use crate::artifact::{digest::Digest, manifest::Descriptor};

/// What is the same wherever it is listed. By size, too: who lies about it takes nothing from another.
type Key = (Digest, u64);

pub(crate) fn key(listed: &Descriptor) -> Key {
    (listed.digest, listed.size)
}

/// What is left of the bytes that each place may have read.
pub(crate) struct Shares(Vec<u64>);

/// What was taken of the lists of all places, once each, and what was not.
pub(crate) struct Taken<T> {
    pub(crate) taken: Vec<T>,
    left: Vec<Vec<T>>,
}

impl Shares {
    /// The same for each of so many places.
    pub(crate) fn new(bytes: u64, places: usize) -> Self {
        Self(vec![bytes / places.max(1) as u64; places])
    }

    /// What all of them have left.
    pub(crate) fn left(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Takes at most `most`, each out of the share of the place that lists it.
    pub(crate) fn take<T>(
        &mut self,
        lists: Vec<Vec<T>>,
        most: usize,
        of: impl Fn(&T) -> Key,
    ) -> Taken<T> {
        in_turn(lists, most, of, |place, size| {
            self.0.get_mut(place).is_some_and(|share| pay(share, size))
        })
    }

    /// As [`Shares::take`], and then what no share has the bytes for out of what the others leave of theirs.
    pub(crate) fn take_last<T>(
        mut self,
        lists: Vec<Vec<T>>,
        most: usize,
        of: impl Fn(&T) -> Key,
    ) -> (Vec<T>, usize) {
        let Taken { mut taken, left } = self.take(lists, most, &of);
        let mut pot = self.left();
        let more = in_turn(left, most - taken.len(), &of, |_, size| pay(&mut pot, size));
        let left_out = more.left_out(of);
        taken.extend(more.taken);
        (taken, left_out)
    }
}

impl<T> Taken<T> {
    /// How many were not taken.
    pub(crate) fn left_out(&self, of: impl Fn(&T) -> Key) -> usize {
        self.left
            .iter()
            .flatten()
            .map(of)
            .collect::<HashSet<_>>()
            .len()
    }
}

fn pay(from: &mut u64, size: u64) -> bool {
    let left = from.checked_sub(size);
    *from = left.unwrap_or(*from);
    left.is_some()
}

fn in_turn<T>(
    lists: Vec<Vec<T>>,
    most: usize,
    of: impl Fn(&T) -> Key,
    mut pays: impl FnMut(usize, u64) -> bool,
) -> Taken<T> {
    let (mut taken, mut seen) = (Vec::new(), HashSet::new());
    let mut left: Vec<Vec<T>> = lists.iter().map(|_| Vec::new()).collect();
    let mut lists: Vec<_> = lists.into_iter().map(Vec::into_iter).collect();
    let mut is_over = false;
    while !is_over {
        is_over = true;
        for (place, (list, left)) in lists.iter_mut().zip(&mut left).enumerate() {
            for one in list {
                is_over = false;
                let key = of(&one);
                if seen.contains(&key) {
                    continue;
                }
                if taken.len() < most && pays(place, key.1) {
                    seen.insert(key);
                    taken.push(one);
                    break;
                }
                left.push(one);
            }
        }
    }
    // Another place may have had the bytes for it.
    for list in &mut left {
        list.retain(|one| !seen.contains(&of(one)));
    }
    Taken { taken, left }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(from: u64, sizes: &[u64]) -> Vec<Key> {
        let named = (from..).zip(sizes);
        let named = named.map(|(n, size)| (Digest::of(&n.to_be_bytes()), *size));
        named.collect()
    }

    #[test]
    fn each_place_has_its_part_of_what_is_taken_however_much_another_lists() {
        let lists = vec![
            listed(0, &[1; 100]),
            listed(1000, &[9; 10]),
            listed(2000, &[9; 10]),
        ];
        let mut shares = Shares::new(300, 3);
        let taken = shares.take(lists.clone(), 12, |it| *it);
        for list in &lists {
            assert_eq!(list.iter().filter(|it| taken.taken.contains(it)).count(), 4);
        }
        assert_eq!(taken.left_out(|it| *it), 108);
        assert_eq!(shares.left(), 300 - 4 - 2 * 36);
    }

    #[test]
    fn no_place_has_the_bytes_of_another_before_that_has_its_own() {
        // Two of the first fit into its half of ten, and nothing is left of that of the second.
        let lists = || vec![listed(0, &[2, 2, 2, 2]), listed(1000, &[3, 2])];
        let (taken, left_out) = Shares::new(10, 2).take_last(lists(), 64, |it| *it);
        let (first, second) = (listed(0, &[2, 2]), listed(1000, &[3, 2]));
        assert_eq!(taken, [first[0], second[0], first[1], second[1]]);
        assert_eq!(left_out, 2);
        // What one leaves, the other has: of one that fits into no share, too.
        let lists = vec![listed(0, &[8, 2]), listed(1000, &[1])];
        let (taken, left_out) = Shares::new(12, 2).take_last(lists, 64, |it| *it);
        assert_eq!((taken.len(), left_out), (3, 0));
    }

    #[test]
    fn what_several_places_list_is_taken_once_and_costs_one_of_them() {
        let same = || listed(0, &[3, 3, 3, 3]);
        let mut shares = Shares::new(12, 2);
        let taken = shares.take(vec![same(), same()], 64, |it| *it);
        assert_eq!((taken.taken, shares.left()), (same(), 0));
        // Whoever has no bytes for it hides nothing of who has.
        let (much, little) = (listed(1000, &[5]), listed(0, &[3]));
        let lists = vec![[much, little.clone()].concat(), little];
        let (taken, left_out) = Shares::new(10, 2).take_last(lists, 64, |it| *it);
        assert_eq!((taken.len(), left_out), (2, 0));
    }

    #[test]
    fn one_place_has_all() {
        let mut shares = Shares::new(10, 1);
        let taken = shares.take(vec![listed(0, &[4, 7, 6])], 64, |it| *it);
        let sizes: Vec<_> = taken.taken.iter().map(|it| it.1).collect();
        assert_eq!(sizes, [4, 6]);
        assert_eq!(taken.left_out(|it| *it), 1);
    }
}
