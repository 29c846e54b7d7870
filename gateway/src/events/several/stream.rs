//! A feed of several nodes as server-sent events: one filter, said in the address.

use std::{collections::VecDeque, convert::Infallible, time::Duration};

use aion_abi::problem::Problem;
use axum::{body::Bytes, http::HeaderMap, response::Response};
use futures::stream;
use tokio::{sync::OwnedSemaphorePermit, time::timeout};

use super::{
    following::{Following, Told},
    marks::Marks,
};
use crate::{
    cluster::Caller,
    events::{Events, stream::Wanted},
};

/// A stream on which nothing happens says so, so often.
const AWAKE: Duration = Duration::from_secs(15);

struct Frames {
    following: Following,
    next: VecDeque<Bytes>,
    _place: OwnedSemaphorePermit,
}

/// Follows it.
///
/// # Errors
/// What is wrong with the request, or the caller may not hear it.
pub(in crate::events) async fn follow(
    feed: &Events,
    caller: Caller,
    wanted: Wanted,
    headers: &HeaderMap,
    place: OwnedSemaphorePermit,
) -> Result<Response, Problem> {
    let (filter, after) = wanted.read::<Marks>(feed, headers)?;
    let (filter, namespace) = feed.within(filter)?;
    let taken = feed.feeds.take(caller.name())?;
    let following = Following::begin(caller, &namespace, filter, after, taken).await?;
    let frames = Frames {
        following,
        next: VecDeque::new(),
        _place: place,
    };
    let frames = stream::unfold(frames, |mut frames| async {
        let frame = frames.next().await?;
        Some((Ok::<_, Infallible>(frame), frames))
    });
    // Whoever stops waits for answers that end; this one does not.
    let stop = feed.stop.clone();
    let frames = futures::StreamExt::take_until(frames, stop.cancelled_owned());
    Ok(aion_serve::stream(frames))
}

impl Frames {
    /// None where the caller may hear no more: whoever connects again is told why.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(frame) = self.next.pop_front() {
                return Some(frame);
            }
            match timeout(AWAKE, self.following.next()).await {
                Ok(Ok(told)) => self.next.extend(told.iter().map(frame)),
                Ok(Err(_)) => return None,
                Err(_) => {
                    let standing = self.following.standing();
                    let quiet = || Bytes::from_static(b":\n\n");
                    return Some(standing.as_ref().map_or_else(quiet, frame));
                }
            }
        }
    }
}

fn frame(told: &Told) -> Bytes {
    let data = &told.members;
    match &told.cursor {
        Some(cursor) => format!("id: {cursor}\ndata: {{{data}}}\n\n").into(),
        None => format!("data: {{{data}}}\n\n").into(),
    }
}
