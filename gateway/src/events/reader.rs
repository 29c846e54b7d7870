//! A place in the ring of the hub: what somebody has read of it.

use std::sync::Arc;

use aion_abi::event::{Because, Cursor, Item, Missed, Told};
use aion_serve::Bounds;
use tokio::sync::watch;

use super::hub::{Line, Upstream};

/// Lines that are read at a time.
const PART: Bounds = Bounds {
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
    news: watch::Receiver<u64>,
}

impl Reader {
    /// From now on.
    pub(super) async fn begin(upstream: Arc<Upstream>) -> Self {
        let first = upstream.ready().await.ok();
        let news = upstream.ring.news();
        let at = upstream.ring.end();
        let newest = upstream.ring.read(at.saturating_sub(1), PART).items;
        let cursor = newest.last().map(|line| line.told.cursor).or(first);
        Self {
            upstream,
            at,
            cursor,
            news,
        }
    }

    pub(super) fn cursor(&self) -> Option<Cursor> {
        self.cursor
    }

    pub(super) fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// Returns when there may be more. Safe to drop and call again.
    pub(super) async fn changed(&mut self) {
        if self.at >= *self.news.borrow() && self.news.changed().await.is_err() {
            // It has a sender for as long as this has the ring.
            std::future::pending::<()>().await;
        }
    }

    /// The next lines. What was let go of before they were read is a line, too.
    pub(super) fn read(&mut self) -> Vec<Arc<Line>> {
        self.news.borrow_and_update();
        let read = self.upstream.ring.read(self.at, PART);
        self.at += read.missed + read.items.len() as u64;
        let mut lines = read.items;
        if read.missed > 0
            && let Some(next) = lines.first()
        {
            let told = missed(self.cursor, read.missed, &next.told);
            lines.insert(0, Arc::new(Line::of(told)));
        }
        if let Some(last) = lines.last() {
            self.cursor = Some(last.told.cursor);
        }
        lines
    }
}

/// What is said of so many lines behind `last` and before `next`.
fn missed(last: Option<Cursor>, lines: u64, next: &Told) -> Told {
    let mut cursor = next.cursor;
    if matches!(next.what, Item::Event(_)) {
        cursor.seq -= 1;
    }
    let events = match last {
        Some(last) if last.epoch == cursor.epoch => Some(cursor.seq.saturating_sub(last.seq)),
        Some(_) => None,
        None => Some(lines),
    };
    let missed = Missed {
        events,
        because: Because::Late,
    };
    Told {
        cursor,
        what: Item::Missed(missed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_missed_is_counted_in_events_and_says_where_it_goes_on() {
        let at = |epoch, seq| Cursor { epoch, seq };
        let event = |cursor| Told {
            cursor,
            what: Item::Event(super::super::subscriptions::tests::event("a/b")),
        };
        let said = |last, next: &Told| {
            let told = missed(last, 9, next);
            let Item::Missed(missed) = told.what else {
                return (told.cursor, None);
            };
            (told.cursor, missed.events)
        };
        assert_eq!(said(Some(at(1, 5)), &event(at(1, 8))), (at(1, 7), Some(2)));
        assert_eq!(said(Some(at(1, 5)), &event(at(2, 3))), (at(2, 2), None));
        assert_eq!(said(None, &event(at(1, 8))), (at(1, 7), Some(9)));
    }
}
