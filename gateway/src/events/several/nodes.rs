//! The connections of one feed: to each node that there is, made again behind what came, for as long as its caller may hear it.

use std::{collections::HashMap, sync::Arc, time::Duration};

use aion_abi::{event::Cursor, problem::Problem};
use aion_backoff::Backoff;
use aion_client::Address;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::task::AbortOnDropHandle;

use super::{NODES, merge::Merge};
use crate::{
    cluster::{Caller, FeedOf},
    numbers::Tag,
    place::Place,
};

/// How often it is looked which nodes there are.
const LOOKS: Duration = Duration::from_secs(1);
/// A node that is listed no more is followed for so long, for what it tells at last, and its place is kept.
const GRACE: Duration = Duration::from_secs(5);
/// How often the caller's token and right are looked at: it is followed for longer than either may last.
const JUDGED: Duration = Duration::from_secs(30);
/// A node that tells nothing for so long is away: it says twice as often where its feed is.
const SILENT: Duration = Duration::from_secs(60);
/// Before a node is tried again.
const PAUSES: Backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));

/// What a feed is of, and who hears it.
pub(super) trait Source: Send + Sync + 'static {
    /// The nodes that are followed.
    fn nodes(&self) -> Vec<FeedOf>;
    /// The namespace.
    fn namespace(&self) -> &str;
    /// Whether who hears it may go on to.
    fn judged(&self) -> impl Future<Output = Result<(), Problem>> + Send;
}

/// Agents of a namespace, for a caller.
pub(super) struct OfNamespace {
    pub(super) caller: Caller,
    pub(super) namespace: String,
}

impl Source for OfNamespace {
    fn nodes(&self) -> Vec<FeedOf> {
        self.caller.feeds(&self.namespace)
    }

    fn namespace(&self) -> &str {
        &self.namespace
    }

    async fn judged(&self) -> Result<(), Problem> {
        self.caller.hears(&self.namespace).await
    }
}

/// A node that is followed.
struct Followed {
    tag: Tag,
    at: Address,
    /// When it was listed last.
    seen: Instant,
    _task: AbortOnDropHandle<()>,
}

impl Followed {
    fn is(&self, of: &FeedOf) -> bool {
        let is_there = |it: &Place| it.node.address.is_place_of(&self.at);
        of.tag == Some(self.tag) && of.place.as_ref().is_ok_and(is_there)
    }
}

/// When each node was listed last, by its tag.
struct Seen(HashMap<Tag, Instant>);

impl Seen {
    /// A cursor's places count as listed when the feed begins.
    fn of(tags: &[Tag]) -> Self {
        let now = Instant::now();
        Self(tags.iter().map(|tag| (*tag, now)).collect())
    }

    /// Takes these as listed, lets go of those that have not been for long, and says how long that is: where there is no room for them in a
    /// cursor, no time.
    fn look(&mut self, nodes: &[FeedOf], now: Instant) -> Duration {
        let listed = nodes.iter().filter_map(|it| it.tag);
        self.0.extend(listed.map(|tag| (tag, now)));
        let grace = match self.0.len() > NODES {
            true => Duration::ZERO,
            false => GRACE,
        };
        self.0.retain(|_, at| now - *at <= grace);
        grace
    }

    fn tags(&self) -> Vec<Tag> {
        self.0.keys().copied().collect()
    }
}

/// Follows the nodes into `merge`, until the caller may not hear them any more. `is_resumed` says that there was a cursor.
pub(super) async fn keep(merge: Arc<Merge>, source: Arc<impl Source>, is_resumed: bool) {
    let mut followed: HashMap<Arc<str>, Followed> = HashMap::new();
    let (mut judged, mut is_first) = (Instant::now(), true);
    let mut seen = Seen::of(&merge.tags());
    loop {
        let nodes = source.nodes();
        let now = Instant::now();
        let grace = seen.look(&nodes, now);
        followed.retain(|name, it| {
            let is_listed = |of: &&FeedOf| of.name == *name && of.place.is_ok();
            let stays = match nodes.iter().find(is_listed) {
                Some(of) => {
                    it.seen = now;
                    it.is(of)
                }
                None => now - it.seen <= grace,
            };
            if !stays {
                merge.away(name);
            }
            stays
        });
        // Of one that went for long and comes again it is not known what was missed.
        let names = nodes.iter().map(|it| &it.name).chain(followed.keys());
        let names: Vec<Arc<str>> = names.cloned().collect();
        merge.only(&seen.tags(), &names);
        for of in &nodes {
            if followed.contains_key(&of.name) {
                continue;
            }
            let (Ok(place), Some(tag), true) = (&of.place, of.tag, followed.len() < NODES) else {
                merge.away(&of.name);
                continue;
            };
            let after = merge.at(tag);
            let node = Node {
                name: Arc::clone(&of.name),
                tag,
                place: place.clone(),
                after,
                is_unheard: after.is_none() && (is_resumed || !is_first),
            };
            let task = tokio::spawn(node.follow(Arc::clone(&merge), Arc::clone(&source)));
            let it = Followed {
                tag,
                at: place.node.address.clone(),
                seen: now,
                _task: AbortOnDropHandle::new(task),
            };
            followed.insert(Arc::clone(&of.name), it);
        }
        is_first = false;
        sleep(LOOKS).await;
        if judged.elapsed() >= JUDGED {
            judged = Instant::now();
            if let Err(why) = source.judged().await {
                return merge.end(why);
            }
        }
    }
}

/// A node, and what is had of it.
struct Node {
    name: Arc<str>,
    tag: Tag,
    place: Place,
    after: Option<Cursor>,
    /// Something may have happened there that nobody heard.
    is_unheard: bool,
}

impl Node {
    async fn follow(mut self, merge: Arc<Merge>, source: Arc<impl Source>) {
        let mut pauses = PAUSES;
        loop {
            match self.place.feed(source.namespace(), self.after).await {
                Ok(mut feed) => {
                    while let Ok(Ok(Some(told))) = timeout(SILENT, feed.next()).await {
                        self.after = Some(told.cursor);
                        pauses.reset();
                        let is_unheard = std::mem::take(&mut self.is_unheard);
                        merge.take((&self.name, self.tag), told, is_unheard);
                    }
                }
                Err(error) => {
                    tracing::debug!(node = &*self.name, %error, "a node's feed is not told");
                }
            }
            // Where nothing came yet, what happens until it answers is not known.
            self.is_unheard |= self.after.is_none();
            merge.away(&self.name);
            sleep(pauses.pause()).await;
        }
    }
}
