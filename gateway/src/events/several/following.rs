//! A reader of a feed of several nodes: what of it is wanted, in order, and where it is.

use std::{sync::Arc, time::Duration};

use aion_abi::{
    event::{Because, Filter, Item, Missed},
    problem::Problem,
};
use aion_serve::Bounds;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout},
};
use tokio_util::task::AbortOnDropHandle;

use super::{
    NODES,
    marks::Marks,
    merge::{Merge, members},
    nodes::{OfNamespace, Source, keep},
    room::Taken,
    too_many,
};
use crate::{
    cluster::{Caller, FeedOf},
    events::wire::Frame,
};

/// Lines that are read at a time.
const PART: Bounds = Bounds {
    count: 64,
    bytes: 128 << 10,
};
/// How long who begins waits for nodes to tell where they are.
const STANDS: Duration = Duration::from_secs(2);
/// What comes so close together is read together.
const TOGETHER: Duration = Duration::from_millis(10);

/// See the module.
pub(super) struct Following {
    merge: Arc<Merge>,
    filter: Filter,
    /// The number of the last line that was read.
    at: u64,
    /// Where it was last told that it is.
    told: Option<Arc<str>>,
    news: watch::Receiver<u64>,
    /// It was woken, has not read yet, and does so then, however often its future is made anew meanwhile.
    reads_at: Option<Instant>,
    /// There is no node that tells anything, which is told first.
    is_nowhere: bool,
    _nodes: AbortOnDropHandle<()>,
    _place: Taken,
}

/// Something to tell: where the feed is behind it, and the members of its object.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::events) struct Told {
    pub(super) cursor: Option<Arc<str>>,
    pub(super) members: String,
}

impl Following {
    /// What happens to agents of the filter's namespace, from now on or behind a cursor.
    ///
    /// # Errors
    /// The caller may not hear it, or there are too many nodes.
    pub(super) async fn begin(
        caller: Caller,
        namespace: &str,
        filter: Filter,
        after: Option<Marks>,
        place: Taken,
    ) -> Result<Self, Problem> {
        caller.hears(namespace).await?;
        let nodes = caller.known_feeds(namespace)?;
        if nodes.len() > NODES {
            return Err(too_many(namespace));
        }
        let source = OfNamespace {
            caller,
            namespace: namespace.to_owned(),
        };
        let following = Self::of(source, filter, after, place);
        following.stands(&nodes).await;
        Ok(following)
    }

    /// Returns once each of these has told where it is or is away: what happens from then on is told, or that it is missed. One that takes
    /// longer than others are held up for is unheard until it tells.
    pub(super) async fn stands(&self, nodes: &[FeedOf]) {
        let mut news = self.merge.news();
        let all_told = async {
            // It has a sender for as long as the merge is there.
            while !self.merge.has_all(nodes) && news.changed().await.is_ok() {}
        };
        if timeout(STANDS, all_told).await.is_err() {
            self.merge.unheard(nodes);
        }
    }

    pub(super) fn of(
        source: impl Source,
        filter: Filter,
        after: Option<Marks>,
        place: Taken,
    ) -> Self {
        let (is_resumed, is_nowhere) = (after.is_some(), source.nodes().is_empty());
        let merge = Arc::new(Merge::behind(after.unwrap_or_default()));
        let nodes = tokio::spawn(keep(Arc::clone(&merge), Arc::new(source), is_resumed));
        Self {
            filter,
            at: 0,
            told: None,
            news: merge.news(),
            reads_at: None,
            is_nowhere,
            merge,
            _nodes: AbortOnDropHandle::new(nodes),
            _place: place,
        }
    }

    /// What comes next; maybe nothing that is wanted. Safe to drop and call again.
    ///
    /// # Errors
    /// It has ended, and why.
    pub(super) async fn next(&mut self) -> Result<Vec<Told>, Problem> {
        if std::mem::take(&mut self.is_nowhere) {
            let frame = Frame::of_node(None, None, Item::Away {});
            let members = members(&frame);
            return Ok(vec![Told {
                cursor: None,
                members,
            }]);
        }
        if self.reads_at.is_none() && self.at >= *self.news.borrow() {
            tokio::select! {
                biased;
                why = self.merge.ended() => return Err(why),
                _ = self.news.changed() => {}
            }
            self.reads_at = Some(Instant::now() + TOGETHER);
        }
        if let Some(at) = self.reads_at {
            sleep_until(at).await;
            self.reads_at = None;
        }
        Ok(self.read())
    }

    fn read(&mut self) -> Vec<Told> {
        self.news.borrow_and_update();
        let read = self.merge.read(self.at, PART);
        let mut all = Vec::new();
        if read.missed > 0
            && let Some(next) = read.items.first()
        {
            let missed = Item::Missed(Missed {
                events: Some(read.missed),
                because: Because::Late,
            });
            let frame = Frame::of_node(next.before.as_deref(), None, missed);
            all.push(Told {
                cursor: next.before.clone(),
                members: members(&frame),
            });
        }
        self.at = (read.first + read.items.len() as u64).saturating_sub(1);
        for line in read.items {
            let event = line.event.as_ref();
            if event.is_none_or(|it| self.filter.wants(it)) {
                all.push(Told {
                    cursor: line.cursor.clone(),
                    members: line.members.clone(),
                });
            }
        }
        if let Some(last) = all.last() {
            self.told.clone_from(&last.cursor);
        }
        all
    }

    /// Where it is, if that has not been told: for who wants little of it.
    pub(super) fn standing(&mut self) -> Option<Told> {
        let cursor = self.merge.standing(self.at)?;
        if self.told.as_ref() == Some(&cursor) {
            return None;
        }
        self.told = Some(Arc::clone(&cursor));
        let frame = Frame::of_node(Some(&cursor), None, Item::Listening {});
        Some(Told {
            cursor: Some(cursor),
            members: members(&frame),
        })
    }
}

#[cfg(test)]
#[path = "following_tests.rs"]
pub(super) mod tests;
