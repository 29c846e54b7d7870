//! The feed as server-sent events: one filter, said in the address. `Last-Event-ID` goes on behind what a client has.

use std::{collections::VecDeque, convert::Infallible, sync::Arc, time::Duration};

use aion_abi::{
    event::{Cursor, Filter, Item, Kind, Told},
    problem::Problem,
};
use aion_client::Events;
use axum::{body::Bytes, http::HeaderMap, response::Response};
use futures::stream;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::time::timeout;

use super::{
    Events as Feed,
    hub::Line,
    reader::Reader,
    sight::Sight,
    subscriptions::{check, is_within, refused},
};

const LAST_EVENT_ID: &str = "last-event-id";
/// A stream on which nothing happens says so, so often.
const AWAKE: Duration = Duration::from_secs(15);

/// Which events are wanted.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// Of these kinds: agent, turn, syscall, queue and log, with commas between; of all where none is named.
    kinds: Option<String>,
    /// Of these agents, as NAME or NAMESPACE/NAME, with commas between.
    agents: Option<String>,
    /// Of this namespace.
    #[schemars(length(min = 1))]
    namespace: Option<String>,
    /// Behind this cursor; the header Last-Event-ID says the same and counts more.
    #[schemars(with = "Option<Cursor>")]
    after: Option<String>,
}

struct Following {
    reader: Reader,
    filter: Filter,
    sight: Sight,
    /// What there was behind the cursor.
    behind: Option<Events<Told>>,
    /// It was told everything up to here.
    has: Option<Cursor>,
    next: VecDeque<Bytes>,
}

/// Follows it.
///
/// # Errors
/// What is wrong with the request; or the node does not say what is behind its cursor.
pub(super) async fn follow(
    feed: &Feed,
    wanted: Wanted,
    headers: &HeaderMap,
    sight: Sight,
) -> Result<Response, Problem> {
    let (filter, after) = wanted.read(feed, headers)?;
    let reader = Reader::begin(feed.hub.join()).await;
    let behind = match after {
        Some(after) => {
            reader.upstream().ready().await?;
            Some(feed.hub.behind(after).await?)
        }
        None => None,
    };
    let following = Following {
        reader,
        filter,
        sight,
        behind,
        has: after,
        next: VecDeque::new(),
    };
    let frames = stream::unfold(following, |mut following| async {
        let frame = following.next().await;
        Some((Ok::<_, Infallible>(frame), following))
    });
    // Whoever stops waits for answers that end; this one does not.
    let stop = feed.stop.clone();
    let frames = futures::StreamExt::take_until(frames, stop.cancelled_owned());
    Ok(aion_serve::stream(frames))
}

impl Following {
    async fn next(&mut self) -> Bytes {
        loop {
            if let Some(frame) = self.next.pop_front() {
                return frame;
            }
            if let Some(behind) = &mut self.behind {
                match behind.next().await {
                    Ok(Some(told)) => {
                        self.has = Some(told.cursor);
                        let line = Arc::new(Line::of(told));
                        self.take(&line, true);
                    }
                    // It breaks with the connection that follows, which says so.
                    Ok(None) | Err(_) => self.behind = None,
                }
                continue;
            }
            if timeout(AWAKE, self.reader.changed()).await.is_err() {
                return Bytes::from_static(b":\n\n");
            }
            for line in self.reader.read() {
                self.take(&line, false);
            }
        }
    }

    fn take(&mut self, line: &Arc<Line>, is_behind: bool) {
        let cursor = line.told.cursor;
        let is_known = !is_behind && self.has.is_some_and(|has| is_within(cursor, has));
        let is_wanted = match &line.told.what {
            Item::Event(event) => !is_known && self.sight.sees(event) && self.filter.wants(event),
            Item::Listening {} => !is_behind,
            Item::Missed(_) | Item::Away {} => true,
        };
        if is_wanted {
            let frame = format!("id: {cursor}\ndata: {}\n\n", line.text());
            self.next.push_back(frame.into());
        }
    }
}

impl Wanted {
    fn read(self, feed: &Feed, headers: &HeaderMap) -> Result<(Filter, Option<Cursor>), Problem> {
        let kind = |named: &str| {
            let found = Kind::ALL.into_iter().find(|it| it.as_str() == named);
            found.ok_or_else(|| {
                refused(
                    &format!("kinds: there are no events {named:?}"),
                    "name some of agent, turn, syscall, queue and log",
                )
            })
        };
        let kinds = self.kinds.iter().flat_map(|it| it.split(','));
        let agents = self.agents.iter().flat_map(|it| it.split(','));
        let filter = Filter {
            kinds: kinds.map(kind).collect::<Result<_, _>>()?,
            agents: agents.map(str::to_owned).collect(),
            namespace: self.namespace,
        };
        let filter = feed.named(filter);
        check(&filter)?;
        let last = headers.get(LAST_EVENT_ID);
        let last = last.map(|it| it.to_str().unwrap_or_default().to_owned());
        let after = last.or(self.after).map(|it| it.parse::<Cursor>());
        let after = after.transpose().map_err(|error| {
            refused(&error.to_string(), "take it from an event, or leave it out")
        })?;
        Ok((filter, after))
    }
}
