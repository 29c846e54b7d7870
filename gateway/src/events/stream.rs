//! The feed as server-sent events: one filter, said in the address. `Last-Event-ID` goes on behind what a client has.

use std::{collections::VecDeque, fmt::Display, str::FromStr, sync::Arc};

use aion_abi::{
    event::{Cursor, Filter, Kind},
    problem::Problem,
};
use axum::{body::Bytes, http::HeaderMap, response::Response};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, timeout_at},
};

use super::{
    Events as Feed,
    awake::{Frames, told},
    catching_up::{CatchingUp, Step},
    hub::{Hub, Line},
    reader::Reader,
    subscriptions::{check, is_within, refused},
    wire::Frame,
};

/// The longest text that is quoted, in characters.
const QUOTED: usize = 64;
const LAST_EVENT_ID: &str = "last-event-id";

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
    after: Option<String>,
}

struct Following {
    reader: Reader,
    filter: Filter,
    /// It has everything up to the line of this number, and up to this cursor.
    from: u64,
    has: Option<Cursor>,
    /// While it lacks something behind its cursor.
    catching_up: Option<CatchingUp>,
    /// Where it was last told that it is.
    told: Option<Cursor>,
    next: VecDeque<Bytes>,
    _place: OwnedSemaphorePermit,
}

/// Follows it.
///
/// # Errors
/// What is wrong with the request; or the node does not say what is behind its cursor.
pub(super) async fn follow(
    feed: &Feed,
    hub: &Arc<Hub>,
    wanted: Wanted,
    headers: &HeaderMap,
    place: OwnedSemaphorePermit,
) -> Result<Response, Problem> {
    let (filter, after) = wanted.read::<Cursor>(feed, headers)?;
    let reader = Reader::begin(hub.join()).await;
    let mut following = Following {
        filter,
        from: reader.at(),
        has: None,
        catching_up: None,
        told: None,
        next: VecDeque::new(),
        reader,
        _place: place,
    };
    match after {
        Some(after) => {
            let upstream = Arc::clone(following.reader.upstream());
            let behind = CatchingUp::behind(after, Arc::clone(hub), upstream).await?;
            following.catch_up(behind).await?;
        }
        None => following.stand(following.reader.cursor()),
    }
    Ok(told(following, &feed.stop))
}

impl Frames for Following {
    /// None where the node will tell no more: whoever connects again is refused, and hears why.
    async fn next(&mut self, awake: Instant) -> Option<Bytes> {
        loop {
            if let Some(frame) = self.next.pop_front() {
                return Some(frame);
            }
            if let Some(behind) = self.catching_up.take() {
                // Only the first step can fail, and that was made.
                let _ = self.catch_up(behind).await;
                continue;
            }
            if self.reader.upstream().is_refused() {
                self.read();
                return self.next.pop_front();
            }
            if timeout_at(awake, self.reader.changed()).await.is_ok() {
                self.read();
            }
            // What comes and is not wanted keeps nobody awake.
            if self.next.is_empty() && Instant::now() >= awake {
                let cursor = self.reader.cursor();
                if self.reader.is_away() || cursor == self.told {
                    return Some(Bytes::from_static(b":\n\n"));
                }
                self.stand(cursor);
            }
        }
    }
}

impl Following {
    fn read(&mut self) {
        for (number, line) in self.reader.read() {
            let is_known = self.has.is_some_and(|has| is_within(line.told.cursor, has));
            if number > self.from && !(is_known && line.event().is_some()) {
                self.take(&line);
            }
        }
    }

    async fn catch_up(&mut self, mut behind: CatchingUp) -> Result<(), Problem> {
        match behind.next(self.reader.at()).await? {
            Step::Lines(lines) => {
                for line in lines {
                    self.take(&line);
                }
                self.catching_up = Some(behind);
            }
            Step::There(number) => {
                let has = behind.has();
                (self.from, self.has) = (number, Some(has));
                self.stand(Some(has));
            }
        }
        Ok(())
    }

    fn take(&mut self, line: &Line) {
        let is_wanted = |event| self.filter.wants(event);
        if line.event().is_none_or(is_wanted) {
            self.tell(Some(line.told.cursor), &line.text());
        }
    }

    /// Tells where the feed is, so that who wants little of it can go on from there.
    fn stand(&mut self, cursor: Option<Cursor>) {
        let standing = Frame::standing(Vec::new(), cursor, self.reader.is_away());
        self.tell(cursor, &standing.text());
    }

    fn tell(&mut self, cursor: Option<Cursor>, text: &str) {
        let id = cursor.map_or_else(String::new, |cursor| format!("id: {cursor}\n"));
        self.next.push_back(format!("{id}data: {text}\n\n").into());
        self.told = cursor;
    }
}

impl Wanted {
    /// What is wanted, and behind which cursor.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn read<C: FromStr<Err: Display>>(
        self,
        feed: &Feed,
        headers: &HeaderMap,
    ) -> Result<(Filter, Option<C>), Problem> {
        let kind = |named: &str| {
            let found = Kind::ALL.into_iter().find(|it| it.as_str() == named);
            found.ok_or_else(|| {
                refused(
                    &format!(
                        "kinds: {:?} is not a kind of event",
                        named.chars().take(QUOTED).collect::<String>()
                    ),
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
        let after = last.or(self.after).map(|it| it.parse::<C>());
        let after = after.transpose().map_err(|error| {
            refused(&error.to_string(), "take it from an event, or leave it out")
        })?;
        Ok((filter, after))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use aion_abi::code::Code;
    use aion_serve::Bounds;
    use tokio::sync::Semaphore;

    use super::*;
    use crate::events::{awake::AWAKE, hub::Upstream, subscriptions::tests::told};

    const KEPT: Bounds = Bounds {
        count: 9,
        bytes: 1 << 20,
    };

    async fn of(upstream: &Arc<Upstream>) -> Following {
        let reader = Reader::begin(Arc::clone(upstream)).await;
        let place = Arc::new(Semaphore::new(1)).acquire_owned().await.unwrap();
        let mut following = Following {
            filter: Filter {
                kinds: vec![Kind::Turn],
                ..Filter::default()
            },
            from: reader.at(),
            has: None,
            catching_up: None,
            told: None,
            next: VecDeque::new(),
            reader,
            _place: place,
        };
        following.stand(following.reader.cursor());
        following
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_of_whom_the_node_refuses_ends() {
        for (code, ends) in [(Code::BadSignature, true), (Code::Restarting, false)] {
            let upstream = Upstream::refused_after(KEPT, code, told(1, 1));
            let mut following = of(&upstream).await;
            assert!(
                following.next(Instant::now() + AWAKE).await.is_some(),
                "where it stands"
            );
            assert_eq!(
                following.next(Instant::now() + AWAKE).await.is_none(),
                ends,
                "{code}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_wants_little_is_told_where_the_feed_is_all_the_same() {
        let upstream = Upstream::of_lines(KEPT, [told(1, 1)]);
        let mut following = of(&upstream).await;
        let listening =
            |seq| format!("id: 1-{seq}\ndata: {{\"cursor\":\"1-{seq}\",\"listening\":{{}}}}\n\n");
        assert_eq!(
            following.next(Instant::now() + AWAKE).await.unwrap(),
            listening(1)
        );
        assert_eq!(
            following.next(Instant::now() + AWAKE).await.unwrap(),
            ":\n\n"
        );
        // A log, which it does not want.
        upstream.push(told(1, 2));
        assert_eq!(
            following.next(Instant::now() + AWAKE).await.unwrap(),
            listening(2)
        );
        assert_eq!(
            following.next(Instant::now() + AWAKE).await.unwrap(),
            ":\n\n"
        );
        // What it does not want puts that off no longer.
        let busy = async {
            for seq in 3.. {
                upstream.push(told(1, seq));
                tokio::time::sleep(AWAKE * 2 / 3).await;
            }
        };
        let begun = Instant::now();
        tokio::select! {
            () = busy => {}
            frame = following.next(Instant::now() + AWAKE) => assert_eq!(frame.unwrap(), listening(4)),
        }
        assert_eq!(begun.elapsed(), AWAKE);
    }
}
