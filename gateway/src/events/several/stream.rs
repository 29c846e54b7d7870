//! A feed of several nodes as server-sent events: one filter, said in the address.

use std::{collections::VecDeque, convert::Infallible, time::Duration};

use aion_abi::problem::Problem;
use axum::{body::Bytes, http::HeaderMap, response::Response};
use futures::stream;
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, timeout_at},
};

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
    /// By when it says something.
    awake: Instant,
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
        awake: Instant::now() + AWAKE,
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
        let frame = self.comes().await;
        self.awake = Instant::now() + AWAKE;
        frame
    }

    async fn comes(&mut self) -> Option<Bytes> {
        loop {
            if let Some(frame) = self.next.pop_front() {
                return Some(frame);
            }
            // One that is always ready, with nothing that is wanted, is late as well.
            let told = timeout_at(self.awake, self.following.next()).await;
            let is_late = Instant::now() >= self.awake;
            match told {
                Ok(Err(_)) => return None,
                Ok(Ok(told)) if !told.is_empty() || !is_late => {
                    self.next.extend(told.iter().map(frame));
                }
                _ => {
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use aion_abi::event::{Filter, Kind};
    use tokio::sync::Semaphore;

    use super::*;
    use crate::{
        events::{
            several::{following::tests::following_of, merge::Merge, room::Room},
            subscriptions::tests::told,
        },
        numbers::Tag,
    };

    #[tokio::test(start_paused = true)]
    async fn what_is_not_wanted_puts_off_no_sign_of_life() {
        let merge = Arc::new(Merge::behind(Marks::default()));
        let turns = Filter {
            kinds: vec![Kind::Turn],
            ..Filter::default()
        };
        let following = following_of(&merge, turns, Room::of(1).take("ann").unwrap());
        let mut frames = Frames {
            following,
            next: VecDeque::new(),
            awake: Instant::now() + AWAKE,
            _place: Arc::new(Semaphore::new(1)).acquire_owned().await.unwrap(),
        };
        let name = "n1".into();
        let busy = async {
            for seq in 1.. {
                // A log.
                merge.take((&name, Tag::of("n1")), told(1, seq), false);
                tokio::time::sleep(AWAKE * 2 / 3).await;
            }
        };
        let begun = Instant::now();
        tokio::select! {
            () = busy => {}
            frame = frames.next() => {
                let frame = String::from_utf8(frame.unwrap().to_vec()).unwrap();
                assert!(frame.contains("listening"), "{frame}");
            }
        }
        assert_eq!(begun.elapsed(), AWAKE);
    }
}
