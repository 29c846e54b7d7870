//! The one connection to the node's feed, there while anybody listens here. It is made again by its cursor.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use aion_abi::{
    code::Code,
    event::{Cursor, Event, Happened, Item, Told},
    problem::Problem,
};
use aion_backoff::Backoff;
use aion_client::{ClientError, Events, Node};
use aion_serve::{Bounds, Ring};
use parking_lot::Mutex;
use tokio::{
    sync::{Semaphore, watch},
    task::AbortHandle,
    time::{Instant, sleep, sleep_until, timeout},
};

use crate::unanswered;

/// What is kept for readers that are behind.
const KEPT: Bounds = Bounds {
    count: 16_384,
    bytes: 8 << 20,
};
/// What a line takes beside its text, in bytes.
const LINE: usize = 512;
/// Readers are woken so often at most: what comes closer together is read and written together.
const TOGETHER: Duration = Duration::from_millis(10);
/// Those who are behind what is kept here ask the node, so many at a time.
const ASKING: usize = 8;
/// What one of them takes at a time.
const PART: Bounds = Bounds {
    count: 512,
    bytes: 512 << 10,
};
/// How long the node is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// Before the node is tried again.
const PAUSES: Backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(2));

/// See the module.
pub(super) struct Hub {
    node: Node,
    upstream: Mutex<Weak<Upstream>>,
    /// Who asks the node for what it has behind a cursor.
    asking: Semaphore,
}

/// The connection, for as long as somebody has it.
pub(super) struct Upstream {
    pub(super) ring: Arc<Ring<Arc<Line>>>,
    state: watch::Receiver<State>,
    task: AbortHandle,
}

/// Something that was told, with the part of its text that is the same for everybody.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) told: Told,
    /// The members of its object.
    pub(super) members: String,
}

/// Whether the node answers.
#[derive(Debug, Clone)]
enum State {
    /// Nobody knows yet.
    Begins,
    /// It does, and where the feed is then is in the ring.
    Here,
    Away(Problem),
}

impl Hub {
    pub(super) fn of(node: Node) -> Self {
        Self {
            node,
            upstream: Mutex::default(),
            asking: Semaphore::new(ASKING),
        }
    }

    /// The connection, made where there is none.
    pub(super) fn join(&self) -> Arc<Upstream> {
        let mut upstream = self.upstream.lock();
        if let Some(there) = upstream.upgrade() {
            return there;
        }
        let ring = Arc::new(Ring::new(KEPT));
        let (state_in, state) = watch::channel(State::Begins);
        let follow = follow(self.node.clone(), Arc::clone(&ring), state_in);
        let made = Arc::new(Upstream {
            ring,
            state,
            task: tokio::spawn(follow).abort_handle(),
        });
        *upstream = Arc::downgrade(&made);
        made
    }

    /// Some of what the node has behind `after`: what one who catches up takes at a time. Not all are answered at once.
    ///
    /// # Errors
    /// It does not answer.
    pub(super) async fn behind(&self, after: Cursor) -> Result<Vec<Told>, Problem> {
        let _turn = self.asking.acquire().await.map_err(|_| ended())?;
        let mut part = Vec::new();
        let read = async {
            let mut behind = self.node.events(Some(after), false).await?;
            let mut bytes = 0;
            while part.len() < PART.count
                && bytes < PART.bytes
                && let Some(told) = behind.next().await?
            {
                bytes += LINE + text_of(&told);
                part.push(told);
            }
            Ok(())
        };
        let read = timeout(PATIENCE, read).await;
        match read {
            // What came before it broke is had all the same.
            _ if !part.is_empty() => Ok(part),
            Ok(Ok(())) => Ok(part),
            Ok(Err(error)) => Err(away(error)),
            Err(_) => Err(silent()),
        }
    }
}

impl Upstream {
    /// Returns once the node has answered: the ring is not empty then.
    ///
    /// # Errors
    /// It does not.
    pub(super) async fn ready(&self) -> Result<(), Problem> {
        let mut state = self.state.clone();
        let known = state.wait_for(|state| !matches!(state, State::Begins));
        let Ok(known) = timeout(PATIENCE, known).await else {
            return Err(silent());
        };
        match known.as_deref() {
            Ok(State::Here) => Ok(()),
            Ok(State::Away(problem)) => Err(problem.clone()),
            Ok(State::Begins) | Err(_) => Err(ended()),
        }
    }
}

impl Upstream {
    /// Whether the node refuses whom it is asked for, and will not answer them again: a key that was revoked, or has ended.
    pub(super) fn is_refused(&self) -> bool {
        let for_good = |it: &Problem| matches!(it.code, Code::BadSignature | Code::Denied);
        matches!(&*self.state.borrow(), State::Away(problem) if for_good(problem))
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn silent() -> Problem {
    let what = format!("the node said nothing for {} s", PATIENCE.as_secs());
    Problem::new(Code::Unreachable, what)
        .remedy("connect again with the last cursor")
        .retry_after_ms(1_000)
}

fn ended() -> Problem {
    Problem::new(Code::Restarting, "the gateway is being stopped")
}

fn away(error: ClientError) -> Problem {
    unanswered::away(error, "connect again with the last cursor")
}

/// Follows the feed into the ring, from connection to connection.
async fn follow(node: Node, ring: Arc<Ring<Arc<Line>>>, state: watch::Sender<State>) {
    let mut pauses = PAUSES;
    let mut last = None;
    loop {
        let why = match node.events(last, true).await {
            Ok(events) => {
                let before = last;
                let why = read(events, &ring, &state, &mut last).await;
                if last != before {
                    pauses.reset();
                }
                why
            }
            Err(error) => away(error),
        };
        let was_here = matches!(&*state.borrow(), State::Here);
        if was_here && let Some(cursor) = last {
            push(
                &ring,
                Told {
                    cursor,
                    what: Item::Away {},
                },
            );
            ring.wake();
        }
        state.send_replace(State::Away(why));
        sleep(pauses.pause()).await;
    }
}

/// Reads one connection to its end; gives why it ended.
async fn read(
    mut events: Events<Told>,
    ring: &Ring<Arc<Line>>,
    state: &watch::Sender<State>,
    last: &mut Option<Cursor>,
) -> Problem {
    let mut woken = Instant::now() - TOGETHER;
    let mut is_unread = false;
    loop {
        let told = tokio::select! {
            told = events.next() => told,
            () = sleep_until(woken + TOGETHER), if is_unread => {
                (woken, is_unread) = (Instant::now(), false);
                ring.wake();
                continue;
            }
        };
        let told = match told {
            Ok(Some(told)) => told,
            Ok(None) => {
                ring.wake();
                return ended_there();
            }
            Err(error) => {
                ring.wake();
                return away(error);
            }
        };
        *last = Some(told.cursor);
        push(ring, told);
        is_unread = true;
        if !matches!(&*state.borrow(), State::Here) {
            state.send_replace(State::Here);
        }
        if woken.elapsed() >= TOGETHER {
            (woken, is_unread) = (Instant::now(), false);
            ring.wake();
        }
    }
}

fn push(ring: &Ring<Arc<Line>>, told: Told) {
    let line = Line::of(told);
    let bytes = LINE + 2 * line.members.len();
    ring.push(Arc::new(line), bytes);
}

/// About how many bytes of text are in it: a line of a log is all that can be long.
fn text_of(told: &Told) -> usize {
    match &told.what {
        Item::Event(Event {
            what: Happened::Log { text, .. },
            ..
        }) => text.len(),
        _ => 0,
    }
}

#[cfg(test)]
impl Upstream {
    /// One that nobody fills but a test.
    pub(super) fn of_lines(kept: Bounds, told: impl IntoIterator<Item = Told>) -> Arc<Self> {
        Self::of_state(kept, State::Here, told)
    }

    /// One whose node refuses, after what it told.
    pub(super) fn refused_after(kept: Bounds, code: Code, told: Told) -> Arc<Self> {
        let why = Problem::new(code, "it said so");
        Self::of_state(kept, State::Away(why), [told])
    }

    fn of_state(kept: Bounds, state: State, told: impl IntoIterator<Item = Told>) -> Arc<Self> {
        let made = Self {
            ring: Arc::new(Ring::new(kept)),
            state: watch::channel(state).1,
            task: tokio::spawn(std::future::pending::<()>()).abort_handle(),
        };
        for told in told {
            made.push(told);
        }
        Arc::new(made)
    }

    pub(super) fn push(&self, told: Told) {
        push(&self.ring, told);
        self.ring.wake();
    }
}

fn ended_there() -> Problem {
    Problem::new(Code::Restarting, "the node agent is being stopped")
        .remedy("connect again with the last cursor")
        .retry_after_ms(1_000)
}
