//! `GET /api/v1/events`: the feed.

use std::{sync::Arc, time::Duration};

use aion_abi::{
    code::Code,
    event::{Cursor, Told},
    problem::Problem,
};
use aion_serve::Query;
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
    let after: Option<Cursor> = query.after.map(|after| after.parse()).transpose().map_err(
        |error: aion_abi::event::NotACursor| {
            Problem::new(Code::BadRequest, error.to_string())
                .remedy("take it from an event, or leave it out to listen from now on")
        },
    )?;
    let listener = admin.feed.listen(after, query.follow.unwrap_or(true));
    let leaving = admin.leaving.clone();
    let listens = Listens {
        key: held::shown(&headers)?.map(str::to_owned),
        judged: Instant::now(),
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
}

impl Listens {
    /// What may be told next; `None` at the end, also where the key counts no longer.
    async fn next(&mut self) -> Option<Told> {
        loop {
            let told = self.listener.next().await?;
            if !self.still_counts().await {
                return None;
            }
            if self.admin.tells(&self.by, &told).await {
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
