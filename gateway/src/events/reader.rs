//! A place in the ring of the hub: what somebody has read of it.

use std::sync::Arc;

use aion_abi::event::{Because, Cursor, Item, Missed, Told};
use aion_serve::Bounds;
use tokio::sync::watch;

use super::hub::{Line, Upstream};

/// Lines that are read at a time.
pub(super) const PART: Bounds = Bounds {
    count: 64,
    bytes: 128 << 10,
};

/// See the module.
pub(super) struct Reader {
    upstream: Arc<Upstream>,
    /// The number of the last line that was read.
    at: u64,
    /// Where it is in the feed, once that is known.
    cursor: Option<Cursor>,
    is_away: bool,
    news: watch::Receiver<u64>,
}

impl Reader {
    /// From now on.
    pub(super) async fn begin(upstream: Arc<Upstream>) -> Self {
        let is_away = upstream.ready().await.is_err();
        let news = upstream.ring.news();
        let mut reader = Self {
            upstream: Arc::clone(&upstream),
            at: 0,
            cursor: None,
            is_away,
            news,
        };
        if let Some((at, newest)) = upstream.ring.newest() {
            reader.at = at;
            reader.is_at(&newest);
        }
        reader
    }

    pub(super) fn cursor(&self) -> Option<Cursor> {
        self.cursor
    }

    /// The number of the line where it is.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// The node did not answer, as far as this has read.
    pub(super) fn is_away(&self) -> bool {
        self.is_away
    }

    pub(super) fn upstream(&self) -> &Arc<Upstream> {
        &self.upstream
    }

    /// Returns when there may be more. Safe to drop and call again.
    pub(super) async fn changed(&mut self) {
        if self.at >= *self.news.borrow() && self.news.changed().await.is_err() {
            // It has a sender for as long as this has the ring.
            std::future::pending::<()>().await;
        }
    }

    /// The next lines, with their numbers. What was let go of before it was read is a line, too.
    pub(super) fn read(&mut self) -> Vec<(u64, Arc<Line>)> {
        self.news.borrow_and_update();
        let read = self.upstream.ring.read(self.at, PART);
        let mut lines = Vec::with_capacity(read.items.len() + 1);
        if read.missed > 0
            && let Some(next) = read.items.first()
        {
            let told = missed(self.cursor, &next.told);
            lines.push((read.first - 1, Arc::new(Line::of(told))));
        }
        lines.extend((read.first..).zip(read.items));
        if let Some((at, last)) = lines.last() {
            self.at = *at;
            self.is_at(&Arc::clone(last));
        }
        lines
    }

    fn is_at(&mut self, line: &Line) {
        self.cursor = Some(line.told.cursor);
        self.is_away = line.told.what == Item::Away {};
    }
}

/// What is said of lines behind `last` and before `next`.
fn missed(last: Option<Cursor>, next: &Told) -> Told {
    let mut cursor = next.cursor;
    cursor.seq = match &next.what {
        Item::Event(_) => cursor.seq.saturating_sub(1),
        // It counts these by itself.
        Item::Missed(missed) => cursor.seq.saturating_sub(missed.events.unwrap_or(0)),
        Item::Listening {} | Item::Away {} => cursor.seq,
    };
    late(last, cursor)
}

/// That what is behind `last` up to `cursor` is not told.
pub(super) fn late(last: Option<Cursor>, cursor: Cursor) -> Told {
    let last = last.filter(|last| last.epoch == cursor.epoch);
    let missed = Missed {
        events: last.map(|last| cursor.seq.saturating_sub(last.seq)),
        because: Because::Late,
    };
    Told {
        cursor,
        what: Item::Missed(missed),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::events::subscriptions::tests::told;

    fn at(epoch: u64, seq: u64) -> Cursor {
        Cursor { epoch, seq }
    }

    #[test]
    fn what_was_missed_is_counted_in_events_and_says_where_it_goes_on() {
        let said = |last, next: &Told| {
            let told = missed(last, next);
            let Item::Missed(missed) = told.what else {
                return (told.cursor, None);
            };
            (told.cursor, missed.events)
        };
        assert_eq!(said(Some(at(1, 5)), &told(1, 8)), (at(1, 7), Some(2)));
        assert_eq!(said(Some(at(1, 5)), &told(2, 3)), (at(2, 2), None));
        assert_eq!(said(None, &told(1, 8)), (at(1, 7), None));
        assert_eq!(said(None, &told(1, 0)), (at(1, 0), None));
        // What the node says of itself that it missed is not counted twice.
        let theirs = late(Some(at(1, 10)), at(1, 210));
        assert_eq!(said(Some(at(1, 5)), &theirs), (at(1, 10), Some(5)));
    }

    #[tokio::test]
    async fn who_begins_is_where_the_newest_line_is_however_many_there_are() {
        let upstream = Upstream::of_lines(PART, (1..=9).map(|seq| told(1, seq)));
        let mut reader = Reader::begin(Arc::clone(&upstream)).await;
        assert_eq!((reader.cursor(), reader.at()), (Some(at(1, 9)), 9));
        upstream.push(told(1, 10));
        upstream.push(Told {
            cursor: at(1, 10),
            what: Item::Away {},
        });
        let lines = reader.read();
        assert_eq!(lines.iter().map(|it| it.0).collect::<Vec<_>>(), [10, 11]);
        assert!(reader.is_away() && Reader::begin(upstream).await.is_away());
    }

    #[tokio::test]
    async fn who_is_behind_what_is_kept_is_told_once() {
        let few = Bounds { count: 2, ..PART };
        let upstream = Upstream::of_lines(few, [told(1, 1)]);
        let mut reader = Reader::begin(Arc::clone(&upstream)).await;
        (2..=6).for_each(|seq| upstream.push(told(1, seq)));
        let lines = reader.read();
        let cursors: Vec<_> = lines.iter().map(|(_, it)| it.told.cursor.seq).collect();
        assert_eq!(cursors, [4, 5, 6]);
        assert_eq!(lines[0].1.told, late(Some(at(1, 1)), at(1, 4)));
        assert_eq!(reader.read().len(), 0);
    }
}
