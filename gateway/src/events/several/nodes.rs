//! The connections of one feed: to each node that there is, made again behind what came, for as long as its caller may hear it.

use std::{collections::HashMap, sync::Arc, time::Duration};

use aion_abi::{event::Cursor, problem::Problem};
use aion_backoff::Backoff;
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
    at: String,
    _task: AbortOnDropHandle<()>,
}

impl Followed {
    fn is(&self, of: &FeedOf) -> bool {
        let at = of.place.as_ref().map(|it| it.node.address.to_string());
        of.tag == Some(self.tag) && at.as_ref() == Ok(&self.at)
    }
}

/// Follows the nodes into `merge`, until the caller may not hear them any more. `is_resumed` says that there was a cursor.
pub(super) async fn keep(merge: Arc<Merge>, source: Arc<impl Source>, is_resumed: bool) {
    let mut followed: HashMap<Arc<str>, Followed> = HashMap::new();
    let (mut judged, mut is_first) = (Instant::now(), true);
    loop {
        let nodes = source.nodes();
        followed.retain(|name, it| {
            let stays = nodes.iter().any(|of| of.name == *name && it.is(of));
            if !stays {
                merge.away(name);
            }
            stays
        });
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
                at: place.node.address.to_string(),
                _task: AbortOnDropHandle::new(task),
            };
            followed.insert(Arc::clone(&of.name), it);
        }
        // Of one that went and comes again it is not known what was missed.
        let tags: Vec<Tag> = nodes.iter().filter_map(|it| it.tag).collect();
        let names: Vec<Arc<str>> = nodes.into_iter().map(|it| it.name).collect();
        merge.only(&tags, &names);
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
