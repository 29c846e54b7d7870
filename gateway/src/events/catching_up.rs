//! How one who has a part of the feed comes to where the others are: over the ring of the hub where it reaches back so far, and by what
//! the node has where it does not. What neither has is told as missed.

use std::sync::Arc;

use aion_abi::{
    event::{Cursor, Item, Told},
    problem::Problem,
};
use aion_serve::Bounds;
use futures::future::BoxFuture;

use super::{
    hub::{Hub, Line, Upstream},
    reader::{PART, late},
    subscriptions::is_within,
};

/// See the module.
pub(super) struct CatchingUp {
    hub: Arc<Hub>,
    upstream: Arc<Upstream>,
    /// It has everything up to here.
    has: Cursor,
    place: Place,
    /// Somebody has answered.
    is_begun: bool,
}

enum Place {
    /// Behind the line of this number.
    Ring(u64),
    /// The node is asked, and `joint` was the newest line when it was.
    Node {
        answer: BoxFuture<'static, Result<Vec<Told>, Problem>>,
        joint: Joint,
    },
}

const ONE: Bounds = Bounds { count: 1, bytes: 1 };

/// Where what the node is asked for and the ring meet.
#[derive(Clone, Copy)]
struct Joint {
    number: u64,
    cursor: Cursor,
}

/// What comes next.
pub(super) enum Step {
    /// More that it lacked; maybe none yet.
    Lines(Vec<Arc<Line>>),
    /// Nothing: it has all up to the line of this number.
    There(u64),
}

impl CatchingUp {
    /// # Errors
    /// The node does not answer, and has not.
    pub(super) async fn behind(
        after: Cursor,
        hub: Arc<Hub>,
        upstream: Arc<Upstream>,
    ) -> Result<Self, Problem> {
        let mut begun = Self {
            hub,
            upstream,
            has: after,
            place: Place::Ring(0),
            is_begun: false,
        };
        match begun.in_ring() {
            Some(number) => begun.place = Place::Ring(number),
            None => {
                // What comes over that connection begins before what is asked for ends.
                begun.upstream.ready().await?;
                begun.ask();
            }
        }
        Ok(begun)
    }

    /// Where it is.
    pub(super) fn has(&self) -> Cursor {
        self.has
    }

    /// The next step, for one that the others are at line `at`. Safe to drop and call again.
    ///
    /// # Errors
    /// The node does not answer the first time that it is asked: nothing was told.
    pub(super) async fn next(&mut self, at: u64) -> Result<Step, Problem> {
        let step = match &mut self.place {
            Place::Ring(number) if *number >= at => Step::There(*number),
            Place::Ring(number) => {
                let number = *number;
                self.read(number)
            }
            Place::Node { answer, joint } => {
                let (answer, joint) = (answer.await, *joint);
                if let Err(problem) = &answer
                    && !self.is_begun
                {
                    return Err(problem.clone());
                }
                self.take(answer.unwrap_or_default(), joint)
            }
        };
        self.is_begun = true;
        Ok(step)
    }

    fn read(&mut self, number: u64) -> Step {
        let read = self.upstream.ring.read(number, PART);
        if read.missed > 0 {
            self.ask();
            return Step::Lines(Vec::new());
        }
        self.place = Place::Ring(number + read.items.len() as u64);
        let had = self.has;
        if let Some(last) = read.items.last() {
            self.has = last.told.cursor;
        }
        let is_new = |line: &Arc<Line>| line.event().is_none() || !is_within(line.told.cursor, had);
        Step::Lines(read.items.into_iter().filter(is_new).collect())
    }

    /// Takes what the node answered, up to where the ring goes on.
    fn take(&mut self, part: Vec<Told>, joint: Joint) -> Step {
        let before = self.has;
        let (told, is_joined) = up_to(&mut self.has, part, joint.cursor);
        if is_joined {
            self.place = Place::Ring(joint.number);
        } else if self.has == before {
            // It has nothing more to say, and that is not all there was.
            let missed = late(Some(self.has), joint.cursor);
            self.has = joint.cursor;
            self.place = Place::Ring(joint.number);
            return Step::Lines(vec![Arc::new(Line::of(missed))]);
        } else {
            match self.in_ring() {
                Some(number) => self.place = Place::Ring(number),
                None => self.ask(),
            }
        }
        Step::Lines(told.into_iter().map(|it| Arc::new(Line::of(it))).collect())
    }

    /// The number of the line behind which it goes on, where the ring reaches back so far.
    fn in_ring(&self) -> Option<u64> {
        let has = self.has;
        let (_, newest) = self.upstream.ring.newest()?;
        let cursor = newest.told.cursor;
        // The node knows whether there is anything behind one that is ahead of this.
        let is_ahead = cursor.epoch == has.epoch && cursor.seq < has.seq;
        if is_ahead {
            return None;
        }
        let has_it = |line: &Arc<Line>| is_within(line.told.cursor, has);
        // The oldest that is kept may be the very next.
        let next = Cursor {
            seq: has.seq.saturating_add(1),
            ..has
        };
        let oldest = || {
            let oldest = self.upstream.ring.read(0, ONE);
            let line = oldest.items.first()?;
            let is_next = line.event().is_some() && line.told.cursor == next;
            is_next.then_some(oldest.first - 1)
        };
        self.upstream.ring.last_that(has_it).or_else(oldest)
    }

    fn ask(&mut self) {
        let newest = self.upstream.ring.newest();
        let joint = match newest {
            Some((number, line)) => Joint {
                number,
                cursor: line.told.cursor,
            },
            None => Joint {
                number: 0,
                cursor: self.has,
            },
        };
        let (hub, after) = (Arc::clone(&self.hub), self.has);
        let answer = Box::pin(async move { hub.behind(after).await });
        self.place = Place::Node { answer, joint };
    }
}

/// What of `part` is up to `joint`, and whether that is reached; `has` moves on.
fn up_to(has: &mut Cursor, part: Vec<Told>, joint: Cursor) -> (Vec<Told>, bool) {
    let mut told = Vec::new();
    let is_there = |has: &Cursor| has.epoch == joint.epoch && has.seq >= joint.seq;
    for item in part {
        if item.what == (Item::Listening {}) {
            continue;
        }
        if !is_within(item.cursor, joint) {
            // It goes on behind the joint, so it has passed over what was before.
            if matches!(item.what, Item::Missed(_)) {
                told.push(late(Some(*has), joint));
            }
            if !is_there(has) {
                *has = joint;
            }
            return (told, true);
        }
        *has = item.cursor;
        told.push(item);
    }
    (told, is_there(has))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use aion_client::{Address, Node};
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::UnixListener,
    };

    use super::*;
    use crate::events::subscriptions::tests::told;

    const KEPT: Bounds = Bounds {
        count: 4,
        bytes: 1 << 20,
    };

    fn at(seq: u64) -> Cursor {
        Cursor { epoch: 1, seq }
    }

    /// A node that answers each request with events of these numbers, and breaks off.
    fn hub(answers: Vec<Vec<u64>>) -> Arc<Hub> {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("node.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        tokio::spawn(async move {
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let _ = stream.read(&mut [0; 4096]).await.unwrap();
                let mut text = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
                    transfer-encoding: chunked\r\n\r\n"
                    .to_owned();
                for seq in answer {
                    let told = serde_json::to_string(&told(1, seq)).unwrap();
                    let data = format!("data: {told}\n\n");
                    text.push_str(&format!("{:x}\r\n{data}\r\n", data.len()));
                }
                stream.write_all(text.as_bytes()).await.unwrap();
            }
            drop(folder);
        });
        let address = Address::unix(&socket).unwrap();
        Arc::new(Hub::of(Node { address }))
    }

    /// What one is told that is behind `after`, and the line from which it goes on.
    async fn caught_up(
        after: Cursor,
        hub: Arc<Hub>,
        upstream: &Arc<Upstream>,
    ) -> Result<(Vec<Told>, u64), Problem> {
        let mut behind = CatchingUp::behind(after, hub, Arc::clone(upstream)).await?;
        let mut all = Vec::new();
        loop {
            match behind.next(upstream.ring.end()).await? {
                Step::Lines(lines) => all.extend(lines.iter().map(|it| it.told.clone())),
                Step::There(number) => return Ok((all, number)),
            }
        }
    }

    fn numbers(all: &[Told]) -> Vec<u64> {
        all.iter().map(|it| it.cursor.seq).collect()
    }

    #[tokio::test]
    async fn what_is_kept_here_is_asked_of_nobody() {
        let upstream = Upstream::of_lines(KEPT, (1..=6).map(|seq| told(1, seq)));
        let (all, from) = caught_up(at(4), hub(vec![]), &upstream).await.unwrap();
        assert_eq!((numbers(&all), from), (vec![5, 6], 6));
        let (all, from) = caught_up(at(6), hub(vec![]), &upstream).await.unwrap();
        assert_eq!((numbers(&all), from), (vec![], 6));
    }

    #[tokio::test]
    async fn an_answer_that_breaks_off_is_asked_for_again_and_each_event_comes_once() {
        let upstream = Upstream::of_lines(KEPT, (1..=9).map(|seq| told(1, seq)));
        // The node is ahead of what came here.
        let hub = hub(vec![vec![2, 3], vec![4, 5], vec![]]);
        let (all, from) = caught_up(at(1), hub, &upstream).await.unwrap();
        assert_eq!((numbers(&all), from), ((2..=5).chain(6..=9).collect(), 9));
        let hub = super::tests::hub(vec![(2..=12).collect()]);
        let (all, from) = caught_up(at(1), hub, &upstream).await.unwrap();
        assert_eq!((numbers(&all), from), ((2..=9).collect(), 9));
    }

    #[tokio::test]
    async fn what_nobody_tells_any_more_is_missed() {
        let upstream = Upstream::of_lines(KEPT, (1..=9).map(|seq| told(1, seq)));
        let hub = hub(vec![vec![2, 3]]);
        let (all, from) = caught_up(at(1), hub, &upstream).await.unwrap();
        assert_eq!((numbers(&all), from), (vec![2, 3, 9], 9));
        assert_eq!(all.last(), Some(&late(Some(at(3)), at(9))));
    }

    #[tokio::test]
    async fn who_was_told_nothing_is_refused_where_the_node_is_away() {
        let upstream = Upstream::of_lines(KEPT, (1..=9).map(|seq| told(1, seq)));
        let refused = caught_up(at(1), hub(vec![]), &upstream).await;
        assert!(refused.is_err());
    }
}
