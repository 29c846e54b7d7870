//! A ring: the newest of what is told one after another, for readers of whom each goes at its own pace. Who tells waits for
//! nobody, and what is kept has a bound however many read: who reads too slowly finds that something was let go of, and how much.

use std::collections::VecDeque;

use parking_lot::Mutex;
use tokio::sync::watch;

/// See the module. What is told is numbered from 1.
#[derive(Debug)]
pub struct Ring<T> {
    bounds: Bounds,
    kept: Mutex<Kept<T>>,
    /// The number of the newest that readers were woken for.
    news: watch::Sender<u64>,
}

/// How much a ring keeps.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// So many at most.
    pub count: usize,
    /// Of so many bytes at most, but one.
    pub bytes: usize,
}

#[derive(Debug)]
struct Kept<T> {
    /// The number of the oldest that is kept, or of the next.
    first: u64,
    items: VecDeque<(T, usize)>,
    bytes: usize,
}

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read<T> {
    /// So many behind the place were let go of.
    pub missed: u64,
    /// The number of the first of `items`.
    pub first: u64,
    /// In order; none where nothing is new.
    pub items: Vec<T>,
}

impl<T> Kept<T> {
    fn end(&self) -> u64 {
        self.first + self.items.len() as u64 - 1
    }

    fn let_go(&mut self, bounds: Bounds) {
        let over = |it: &Self| it.items.len() > bounds.count || it.bytes > bounds.bytes;
        while self.items.len() > 1 && over(self) {
            if let Some((_, bytes)) = self.items.pop_front() {
                self.bytes -= bytes;
                self.first += 1;
            }
        }
    }
}

impl<T: Clone> Ring<T> {
    /// With nothing in it.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        let kept = Kept {
            first: 1,
            items: VecDeque::new(),
            bytes: 0,
        };
        Self {
            bounds,
            kept: Mutex::new(kept),
            news: watch::Sender::new(0),
        }
    }

    /// Adds what takes so many bytes; gives its number. Readers are told by [`Ring::wake`].
    pub fn push(&self, item: T, bytes: usize) -> u64 {
        let mut kept = self.kept.lock();
        kept.items.push_back((item, bytes));
        kept.bytes += bytes;
        kept.let_go(self.bounds);
        kept.end()
    }

    /// Wakes whoever waits for what was added since.
    pub fn wake(&self) {
        let end = self.end();
        self.news
            .send_if_modified(|news| std::mem::replace(news, end) != end);
    }

    /// The number of the newest; 0 where there was none.
    pub fn end(&self) -> u64 {
        self.kept.lock().end()
    }

    /// The newest, with its number.
    pub fn newest(&self) -> Option<(u64, T)> {
        let kept = self.kept.lock();
        let (item, _) = kept.items.back()?;
        Some((kept.end(), item.clone()))
    }

    /// The number of the newest that is so; none where none that is kept is.
    pub fn last_that(&self, is_so: impl Fn(&T) -> bool) -> Option<u64> {
        let kept = self.kept.lock();
        let at = kept.items.iter().rposition(|(item, _)| is_so(item))?;
        Some(kept.first + at as u64)
    }

    /// Changes whenever readers are woken.
    pub fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    /// Reads at most so much behind the number `after`, and at least one where there is one.
    pub fn read(&self, after: u64, most: Bounds) -> Read<T> {
        let kept = self.kept.lock();
        let first = kept.first.max(after.saturating_add(1));
        let skipped = usize::try_from(first - kept.first).unwrap_or(usize::MAX);
        let mut room = most.bytes;
        let items = kept.items.iter().skip(skipped).take(most.count);
        let items = items.enumerate().take_while(|(at, (_, bytes))| {
            let fits = *at == 0 || *bytes <= room;
            room = room.saturating_sub(*bytes);
            fits
        });
        Read {
            missed: kept.first.saturating_sub(after.saturating_add(1)),
            first,
            items: items.map(|(_, (item, _))| item.clone()).collect(),
        }
    }

    /// Lets go of everything, and skips a number: whoever was at the end has missed something. Gives that number.
    pub fn clear(&self) -> u64 {
        let mut kept = self.kept.lock();
        kept.first = kept.end() + 2;
        kept.items = VecDeque::new();
        kept.bytes = 0;
        kept.first - 1
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const MOST: Bounds = Bounds {
        count: 100,
        bytes: 1000,
    };

    fn ring(count: usize, bytes: usize) -> Ring<u64> {
        Ring::new(Bounds { count, bytes })
    }

    fn read(ring: &Ring<u64>, after: u64) -> (u64, Vec<u64>) {
        let read = ring.read(after, MOST);
        let numbers = read.first..read.first + read.items.len() as u64;
        assert!(numbers.eq(read.items.iter().copied()), "{read:?}");
        (read.missed, read.items)
    }

    #[test]
    fn what_is_let_go_of_is_counted_for_who_did_not_read_it() {
        let ring = ring(3, 1000);
        assert_eq!(read(&ring, 0), (0, vec![]));
        for number in 1..=5 {
            assert_eq!(ring.push(number, 1), number);
        }
        assert_eq!(read(&ring, 0), (2, vec![3, 4, 5]));
        assert_eq!(read(&ring, 2), (0, vec![3, 4, 5]));
        assert_eq!(read(&ring, 4), (0, vec![5]));
        assert_eq!(read(&ring, 5), (0, vec![]));
        let two = Bounds { count: 2, ..MOST };
        assert_eq!(ring.read(0, two).items, [3, 4]);
        // Ahead of everything.
        assert_eq!(ring.read(9, two).items, [0; 0]);
    }

    #[test]
    fn bytes_are_bounded_too_and_the_newest_is_kept_whatever_it_takes() {
        let ring = ring(100, 10);
        for number in 1..=4 {
            ring.push(number, 4);
        }
        assert_eq!(read(&ring, 0), (2, vec![3, 4]));
        ring.push(5, 50);
        assert_eq!(read(&ring, 4), (0, vec![5]));
        ring.push(6, 1);
        assert_eq!(read(&ring, 5), (0, vec![6]));
        for number in 7..=9 {
            ring.push(number, 3);
        }
        let few = |bytes| ring.read(6, Bounds { bytes, ..MOST }).items;
        assert_eq!((few(1), few(5), few(6)), (vec![7], vec![7], vec![7, 8]));
    }

    #[test]
    fn what_was_not_kept_is_missed() {
        let ring = ring(10, 100);
        ring.push(1, 1);
        assert_eq!(ring.clear(), 2);
        ring.push(3, 1);
        assert_eq!(read(&ring, 1), (1, vec![3]));
        assert_eq!(read(&ring, 2), (0, vec![3]));
    }

    #[test]
    fn the_newest_has_its_number_and_one_is_found_among_those_that_are_kept() {
        let ring = ring(3, 100);
        assert_eq!(ring.newest(), None);
        for number in 1..=5 {
            ring.push(number, 1);
        }
        assert_eq!(ring.newest(), Some((5, 5)));
        assert_eq!(ring.last_that(|it| *it < 5), Some(4));
        assert_eq!(ring.last_that(|it| *it < 3), None);
    }

    #[tokio::test]
    async fn readers_are_woken_once_for_many() {
        let ring = ring(10, 100);
        let mut news = ring.news();
        ring.push(1, 1);
        ring.push(2, 1);
        assert!(!news.has_changed().unwrap());
        ring.wake();
        news.changed().await.unwrap();
        assert_eq!(*news.borrow_and_update(), 2);
        ring.wake();
        assert!(!news.has_changed().unwrap());
    }
}
