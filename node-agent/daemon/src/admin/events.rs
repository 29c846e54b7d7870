//! `GET /api/v1/events`: the feed; `GET /api/v1/namespaces/{namespace}/events`: what of it is of agents of a namespace.

use std::{sync::Arc, time::Duration};

use aion_abi::{
    code::Code,
    event::{Cursor, Item, Told},
    problem::Problem,
};
use aion_serve::{Path, Query};
use axum::{Extension, extract::State, http::HeaderMap, response::Response};
use futures::stream;
use serde::Deserialize;
use tokio::time::Instant;

use super::{
    Admin,
    answer::{Refused, events as stream_of},
    held::{self, ByKey},
};
use crate::feed::Listener;

/// How long a key that was judged is believed.
const JUDGED: Duration = Duration::from_secs(1);
/// Whoever wants a namespace is told so often where the feed is, while it goes on without them.
const STANDS: Duration = Duration::from_secs(15);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FeedQuery {
    after: Option<String>,
    follow: Option<bool>,
}

pub(super) async fn events(
    State(admin): State<Arc<Admin>>,
    by: ByKey,
    headers: HeaderMap,
    Query(query): Query<FeedQuery>,
) -> Result<Response, Refused> {
    told(admin, by, &headers, query, None)
}

pub(super) async fn of_namespace(
    State(admin): State<Arc<Admin>>,
    Path(namespace): Path<String>,
    by: ByKey,
    headers: HeaderMap,
    Query(query): Query<FeedQuery>,
) -> Result<Response, Refused> {
    told(admin, by, &headers, query, Some(namespace))
}

fn told(
    admin: Arc<Admin>,
    by: ByKey,
    headers: &HeaderMap,
    query: FeedQuery,
    namespace: Option<String>,
) -> Result<Response, Refused> {
    let after: Option<Cursor> = query.after.map(|after| after.parse()).transpose().map_err(
        |error: aion_abi::event::NotACursor| {
            Problem::new(Code::BadRequest, error.to_string())
                .remedy("take it from an event, or leave it out to listen from now on")
        },
    )?;
    let listener = admin.feed.listen(after, query.follow.unwrap_or(true));
    let leaving = admin.leaving.clone();
    let listens = Listens {
        key: held::shown(headers)?.map(str::to_owned),
        judged: Instant::now(),
        namespace,
        stood: Instant::now(),
        admin,
        by,
        listener,
    };
    let told = stream::unfold(listens, |mut listens| async {
        Some((listens.next().await?, listens))
    });
    Ok(stream_of(told, &leaving))
}

/// Who listens, and to what.
struct Listens {
    admin: Arc<Admin>,
    listener: Listener,
    by: ByKey,
    /// What was shown, and when it was judged last.
    key: Option<String>,
    judged: Instant,
    /// Of whose agents alone it is told.
    namespace: Option<String>,
    /// When it was last told where the feed is.
    stood: Instant,
}

impl Listens {
    /// What may be told next; `None` at the end, also where the key counts no longer.
    async fn next(&mut self) -> Option<Told> {
        loop {
            let told = self.listener.next().await?;
            if !self.still_counts().await {
                return None;
            }
            if !is_of(self.namespace.as_deref(), &told) {
                if self.stood.elapsed() >= STANDS {
                    self.stood = Instant::now();
                    let what = Item::Listening {};
                    return Some(Told { what, ..told });
                }
                continue;
            }
            if self.admin.tells(&self.by, &told).await {
                self.stood = Instant::now();
                return Some(told);
            }
        }
    }

    /// A stream may be followed for longer than a key counts.
    async fn still_counts(&mut self) -> bool {
        let Some(key) = self
            .key
            .as_ref()
            .filter(|_| self.judged.elapsed() >= JUDGED)
        else {
            return true;
        };
        self.judged = Instant::now();
        match self.admin.keys.holder(key).await {
            Ok(holder) => {
                self.by = Some(Extension(holder));
                true
            }
            Err(_) => false,
        }
    }
}

/// Whether it is of an agent of the namespace, or of the feed itself.
fn is_of(namespace: Option<&str>, told: &Told) -> bool {
    let (Some(namespace), Item::Event(event)) = (namespace, &told.what) else {
        return true;
    };
    let agent = event.agent.as_deref().and_then(|it| it.split_once('/'));
    agent.is_some_and(|(of, _)| of == namespace)
}

#[cfg(test)]
mod tests {
    use aion_abi::{
        date::UnixMillis,
        event::{Event, Happened, Queue},
    };

    use super::*;

    #[test]
    fn what_is_of_another_namespace_or_of_the_node_is_not_of_this_one() {
        let told = |agent: Option<&str>| Told {
            cursor: Cursor { epoch: 1, seq: 1 },
            what: Item::Event(Event {
                at_ms: UnixMillis(1),
                agent: agent.map(str::to_owned),
                what: Happened::Queue(Queue::default()),
            }),
        };
        for (agent, is) in [
            (Some("home/jarvis"), true),
            (Some("homes/jarvis"), false),
            (Some("office/home"), false),
            (None, false),
        ] {
            assert_eq!(is_of(Some("home"), &told(agent)), is, "{agent:?}");
            assert!(is_of(None, &told(agent)));
        }
        let listening = Told {
            what: Item::Listening {},
            ..told(None)
        };
        assert!(is_of(Some("home"), &listening));
    }
}
