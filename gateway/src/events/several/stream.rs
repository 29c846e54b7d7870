//! A feed of several nodes as server-sent events: one filter, said in the address.

use std::collections::VecDeque;

use aion_abi::problem::Problem;
use axum::{body::Bytes, http::HeaderMap, response::Response};
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
    events::{Events, awake, stream::Wanted},
};

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
    Ok(awake::told(frames, &feed.stop))
}

impl awake::Frames for Frames {
    /// None where the caller may hear no more: whoever connects again is told why.
    async fn next(&mut self, awake: Instant) -> Option<Bytes> {
        loop {
            if let Some(frame) = self.next.pop_front() {
                return Some(frame);
            }
            // One that is always ready, with nothing that is wanted, is late as well.
            let told = timeout_at(awake, self.following.next()).await;
            let is_late = Instant::now() >= awake;
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
            awake::AWAKE,
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
            frame = awake::Frames::next(&mut frames, Instant::now() + AWAKE) => {
                let frame = String::from_utf8(frame.unwrap().to_vec()).unwrap();
                assert!(frame.contains("listening"), "{frame}");
            }
        }
        assert_eq!(begun.elapsed(), AWAKE);
    }
}
