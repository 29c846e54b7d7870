//! `GET /api/v1/events`: the feed.

use std::sync::Arc;

use aion_abi::{code::Code, event::Cursor, problem::Problem};
use aion_serve::Query;
use axum::{extract::State, response::Response};
use futures::stream;
use serde::Deserialize;

use super::{
    Admin,
    answer::{Refused, events as stream_of},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FeedQuery {
    after: Option<String>,
    follow: Option<bool>,
}

pub(super) async fn events(
    State(admin): State<Arc<Admin>>,
    Query(query): Query<FeedQuery>,
) -> Result<Response, Refused> {
    let after: Option<Cursor> = query.after.map(|after| after.parse()).transpose().map_err(
        |error: aion_abi::event::NotACursor| {
            Problem::new(Code::BadRequest, error.to_string())
                .remedy("take it from an event, or leave it out to listen from now on")
        },
    )?;
    let listener = admin.feed.listen(after, query.follow.unwrap_or(true));
    let told = stream::unfold(listener, |mut listener| async {
        Some((listener.next().await?, listener))
    });
    Ok(stream_of(told, &admin.leaving))
}
