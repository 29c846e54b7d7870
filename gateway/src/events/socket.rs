//! One WebSocket: commands come, and what its subscriptions want goes. It is read in one task and never holds up another.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use aion_abi::{event::Cursor, problem::Problem};
use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use futures::SinkExt as _;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tokio_tungstenite::tungstenite::{self, error::CapacityError};

use super::{
    Events, MAX_MESSAGE,
    catching_up::{CatchingUp, Step},
    commands::{self, Pace},
    reader::Reader,
    subscriptions::{Subscription, Subscriptions, refused},
    wire::{Command, Frame, Named, Subscribe},
};

/// How often a client is asked whether it is there.
const PING: Duration = Duration::from_secs(20);
/// After so many pings without a word it is not.
const UNANSWERED: u32 = 2;
/// How long a client has to say that it heard of the end.
const LAST: Duration = Duration::from_secs(1);

struct Socket {
    events: Arc<Events>,
    socket: WebSocket,
    subscriptions: Subscriptions,
    /// Subscriptions that are to come, one after another.
    behind: VecDeque<Behind>,
    /// There while there is a subscription.
    reader: Option<Reader>,
    /// The line up to which all have been told where the feed is.
    told_at: u64,
}

/// A subscription that lacks something.
struct Behind {
    id: String,
    subscription: Subscription,
    catching_up: CatchingUp,
    after: Cursor,
    /// It has taken the place of the one of its name.
    is_begun: bool,
}

/// What a socket goes on with.
enum Came {
    Said(Option<Result<Message, axum::Error>>),
    /// Something that all lack.
    News,
    /// Something that the first of those behind lacks.
    Step(Result<Step, Problem>),
    Tick,
}

/// Why it ends.
enum End {
    /// The client is gone.
    Gone,
    /// The client says so, and waits to hear it back.
    Left,
    Closed(u16, String),
}

impl From<axum::Error> for End {
    fn from(_: axum::Error) -> Self {
        Self::Gone
    }
}

pub(super) async fn serve(socket: WebSocket, events: Arc<Events>) {
    let stop = events.stop.clone();
    let mut socket = Socket {
        events,
        socket,
        subscriptions: Subscriptions::default(),
        behind: VecDeque::new(),
        reader: None,
        told_at: 0,
    };
    let ended = stop.run_until_cancelled(socket.run()).await;
    let stopping = || End::Closed(close_code::AWAY, "the gateway is being stopped".to_owned());
    let close = match ended.unwrap_or_else(stopping) {
        End::Gone => return,
        End::Left => None,
        End::Closed(code, reason) => Some(CloseFrame {
            code,
            reason: reason.into(),
        }),
    };
    let said = async {
        if close.is_some() {
            let _ = socket.socket.send(Message::Close(close)).await;
        }
        // An answer to a client's close goes out with the next that is read.
        loop {
            match socket.socket.recv().await {
                None => return,
                Some(Ok(_)) => {}
                // What cannot be read is still on its way: a connection that is dropped now is reset, and the reason lost.
                Some(Err(_)) => std::future::pending().await,
            }
        }
    };
    let _ = timeout(LAST, said).await;
}

impl Socket {
    async fn run(&mut self) -> End {
        match self.work().await {
            Ok(never) => match never {},
            Err(end) => end,
        }
    }

    async fn work(&mut self) -> Result<std::convert::Infallible, End> {
        let (mut pings, mut pace) = (interval_at(Instant::now() + PING, PING), Pace::new());
        // While a slow client is written to nobody is asked.
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut unanswered = 0;
        loop {
            let (reader, behind) = (self.reader.as_mut(), self.behind.front_mut());
            let came = tokio::select! {
                // What a client has said counts before its silence does.
                biased;
                said = self.socket.recv() => Came::Said(said),
                _ = pings.tick() => Came::Tick,
                came = news(reader, behind) => came,
            };
            match came {
                Came::Said(said) => {
                    unanswered = 0;
                    if pace.is_flood() {
                        let why = "too many messages in one second";
                        return Err(End::Closed(close_code::POLICY, why.to_owned()));
                    }
                    self.hear(said).await?;
                }
                Came::News => self.tell().await?,
                Came::Step(step) => self.step(step).await?,
                Came::Tick if unanswered >= UNANSWERED => {
                    let silent = PING * (UNANSWERED + 1);
                    let why = format!("nothing was heard for {} s", silent.as_secs());
                    return Err(End::Closed(close_code::POLICY, why));
                }
                Came::Tick => {
                    unanswered += 1;
                    self.tell_standing().await?;
                    self.socket.send(Message::Ping(Vec::new().into())).await?;
                }
            }
            // Nobody here holds the connection to the node then.
            if self.subscriptions.is_empty() && self.behind.is_empty() {
                self.reader = None;
            }
        }
    }

    async fn hear(&mut self, said: Option<Result<Message, axum::Error>>) -> Result<(), End> {
        match said {
            None => Err(End::Gone),
            Some(Ok(Message::Close(_))) => Err(End::Left),
            Some(Err(error)) => Err(broken(error)),
            // They are answered below.
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(()),
            Some(Ok(Message::Binary(_))) => Err(End::Closed(
                close_code::UNSUPPORTED,
                "messages are JSON, as text".to_owned(),
            )),
            Some(Ok(Message::Text(text))) => match commands::read(&text) {
                Ok(Command::Subscribe(wanted)) => self.subscribe(wanted).await,
                Ok(Command::Unsubscribe(Named { id })) => self.unsubscribe(id).await,
                Err(problem) => self.send(&Frame::error(None, problem)).await,
            },
        }
    }

    async fn subscribe(&mut self, wanted: Subscribe) -> Result<(), End> {
        let (id, after) = (wanted.id.clone(), wanted.after);
        let filter = self.events.named(wanted.filter());
        let allowed = self.subscriptions.check(&id, &filter, self.behind.len());
        if let Err(problem) = allowed {
            return self.send(&Frame::error(Some(id), problem)).await;
        }
        let reader = match self.reader.take() {
            Some(reader) => reader,
            None => Reader::begin(self.events.hub.join()).await,
        };
        let reader = self.reader.insert(reader);
        let (at, cursor, is_away) = (reader.at(), reader.cursor(), reader.is_away());
        let subscription = Subscription::of(&id, filter, at);
        let Some(after) = after else {
            self.behind.retain(|it| it.id != id);
            self.subscriptions.put(id.clone(), subscription);
            self.send(&Frame::subscribed(id.clone(), cursor)).await?;
            if is_away {
                self.send(&Frame::standing(vec![id], cursor, true)).await?;
            }
            return Ok(());
        };
        let (hub, upstream) = (Arc::clone(&self.events.hub), Arc::clone(reader.upstream()));
        match CatchingUp::behind(after, hub, upstream).await {
            Ok(catching_up) => {
                self.behind.push_back(Behind {
                    id,
                    subscription,
                    catching_up,
                    after,
                    is_begun: false,
                });
                Ok(())
            }
            Err(problem) => self.send(&Frame::error(Some(id), problem)).await,
        }
    }

    async fn unsubscribe(&mut self, id: String) -> Result<(), End> {
        let before = self.behind.len();
        self.behind.retain(|it| it.id != id);
        let was_there = self.subscriptions.remove(&id) || self.behind.len() < before;
        let frame = match was_there {
            true => Frame::unsubscribed(id),
            false => {
                let problem = refused(
                    "there is no such subscription",
                    "name one that was subscribed to",
                );
                Frame::error(Some(id), problem)
            }
        };
        self.send(&frame).await
    }

    /// Tells the first of those behind what it lacked, before what is to come.
    async fn step(&mut self, step: Result<Step, Problem>) -> Result<(), End> {
        let Some(mut behind) = self.behind.pop_front() else {
            return Ok(());
        };
        let id = behind.id.clone();
        let step = match step {
            Ok(step) => step,
            // One of its name that was there is there.
            Err(problem) => return self.send(&Frame::error(Some(id), problem)).await,
        };
        if !behind.is_begun {
            behind.is_begun = true;
            self.subscriptions.remove(&id);
            self.send(&Frame::subscribed(id.clone(), Some(behind.after)))
                .await?;
        }
        match step {
            Step::Lines(lines) => {
                for line in lines {
                    let frame = self.subscriptions.frame_of(&behind.subscription, &line);
                    if let Some(frame) = frame {
                        self.socket.feed(Message::Text(frame.into())).await?;
                    }
                }
                self.behind.push_front(behind);
                Ok(self.socket.flush().await?)
            }
            Step::There(number) => {
                let has = behind.catching_up.has();
                let subscription = behind.subscription.at(number, has);
                self.subscriptions.put(id.clone(), subscription);
                let is_away = self.reader.as_ref().is_some_and(Reader::is_away);
                self.send(&Frame::standing(vec![id], Some(has), is_away))
                    .await
            }
        }
    }

    /// Tells what is new: together what came together.
    async fn tell(&mut self) -> Result<(), End> {
        let Some(reader) = &mut self.reader else {
            return Ok(());
        };
        for (number, line) in reader.read() {
            if let Some(frame) = self.subscriptions.frame(number, &line) {
                self.socket.feed(Message::Text(frame.into())).await?;
            }
        }
        Ok(self.socket.flush().await?)
    }

    /// Tells where the feed is, so that who wants little of it can go on from there.
    async fn tell_standing(&mut self) -> Result<(), End> {
        let Some(reader) = &self.reader else {
            return Ok(());
        };
        let names = self.subscriptions.names_at(reader.at());
        if names.is_empty() || reader.is_away() || reader.at() == self.told_at {
            return Ok(());
        }
        self.told_at = reader.at();
        let standing = Frame::standing(names, reader.cursor(), false);
        self.send(&standing).await
    }

    async fn send(&mut self, frame: &Frame) -> Result<(), End> {
        Ok(self.socket.send(Message::Text(frame.text().into())).await?)
    }
}

/// What comes first: what all lack, or what one lacks that is behind. Safe to drop and call again.
async fn news(reader: Option<&mut Reader>, behind: Option<&mut Behind>) -> Came {
    let Some(reader) = reader else {
        return std::future::pending().await;
    };
    let at = reader.at();
    let lacked = async {
        match behind {
            Some(behind) => behind.catching_up.next(at).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = reader.changed() => Came::News,
        step = lacked => Came::Step(step),
    }
}

/// What a connection is closed with on which no message can be read any more.
fn broken(error: axum::Error) -> End {
    let error = error.into_inner();
    let closed = |code, reason: &str| End::Closed(code, reason.to_owned());
    match error.downcast_ref::<tungstenite::Error>() {
        Some(tungstenite::Error::Capacity(CapacityError::MessageTooLong { .. })) => {
            let why = format!("a message is larger than {} KiB", MAX_MESSAGE >> 10);
            End::Closed(close_code::SIZE, why)
        }
        Some(tungstenite::Error::Capacity(_)) => {
            closed(close_code::SIZE, "the message is too large")
        }
        Some(tungstenite::Error::Utf8(_)) => {
            closed(close_code::INVALID, "a text message is not UTF-8")
        }
        Some(tungstenite::Error::Protocol(why)) => {
            let why: String = why.to_string().chars().take(100).collect();
            End::Closed(close_code::PROTOCOL, why)
        }
        _ => End::Gone,
    }
}
