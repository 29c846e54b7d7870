//! One WebSocket: commands come, and what its subscriptions want goes. It is read in one task and never holds up another.

use std::{sync::Arc, time::Duration};

use aion_abi::event::{Cursor, Item};
use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use futures::SinkExt as _;
use tokio::time::{Instant, interval_at, timeout};
use tokio_tungstenite::tungstenite::{self, error::CapacityError};

use super::{
    Events, MAX_MESSAGE,
    commands::{self, Pace},
    hub::Line,
    reader::Reader,
    sight::Sight,
    subscriptions::Subscriptions,
    wire::{Command, Frame, Named, Subscribe},
};

/// How often a client is asked whether it is there.
const PING: Duration = Duration::from_secs(20);
/// After so long without a word it is not.
const SILENT: Duration = Duration::from_secs(60);
/// How long a client has to say that it heard of the end.
const LAST: Duration = Duration::from_secs(1);

struct Socket {
    events: Arc<Events>,
    socket: WebSocket,
    subscriptions: Subscriptions,
    /// There from the first subscription on.
    reader: Option<Reader>,
}

/// Why it ends.
enum End {
    /// The client is gone, or says so.
    Gone,
    Closed(u16, String),
}

impl From<axum::Error> for End {
    fn from(_: axum::Error) -> Self {
        Self::Gone
    }
}

pub(super) async fn serve(socket: WebSocket, events: Arc<Events>, sight: Sight) {
    let stop = events.stop.clone();
    let mut socket = Socket {
        events,
        socket,
        subscriptions: Subscriptions::of(sight),
        reader: None,
    };
    let ended = stop.run_until_cancelled(socket.run()).await;
    let stopping = || End::Closed(close_code::AWAY, "the gateway is being stopped".to_owned());
    if let End::Closed(code, reason) = ended.unwrap_or_else(stopping) {
        let reason = reason.into();
        let close = Message::Close(Some(CloseFrame { code, reason }));
        let said = async {
            let _ = socket.socket.send(close).await;
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
        let mut heard = Instant::now();
        loop {
            let reader = self.reader.as_mut();
            tokio::select! {
                said = self.socket.recv() => {
                    heard = Instant::now();
                    if pace.is_flood() {
                        let why = "more messages in a second than a client has reason for";
                        return Err(End::Closed(close_code::POLICY, why.to_owned()));
                    }
                    self.hear(said).await?;
                }
                () = news(reader) => self.tell().await?,
                _ = pings.tick() => {
                    if heard.elapsed() > SILENT {
                        let why = format!("nothing was heard for {} s", SILENT.as_secs());
                        return Err(End::Closed(close_code::POLICY, why));
                    }
                    self.socket.send(Message::Ping(Vec::new().into())).await?;
                }
            }
        }
    }

    async fn hear(&mut self, said: Option<Result<Message, axum::Error>>) -> Result<(), End> {
        match said {
            None | Some(Ok(Message::Close(_))) => Err(End::Gone),
            Some(Err(error)) => Err(broken(error)),
            // They are answered below.
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(()),
            Some(Ok(Message::Binary(_))) => Err(End::Closed(
                close_code::UNSUPPORTED,
                "messages are JSON, as text".to_owned(),
            )),
            Some(Ok(Message::Text(text))) => match commands::read(&text) {
                Ok(Command::Subscribe(wanted)) => self.subscribe(wanted).await,
                Ok(Command::Unsubscribe(Named { id })) => {
                    let frame = match self.subscriptions.remove(&id) {
                        true => Frame::unsubscribed(id),
                        false => {
                            let problem = super::subscriptions::refused(
                                "there is no such subscription",
                                "name one that was subscribed to",
                            );
                            Frame::error(Some(id), problem)
                        }
                    };
                    // Nobody here holds the connection to the node then.
                    if self.subscriptions.is_empty() {
                        self.reader = None;
                    }
                    self.send(&frame).await
                }
                Err(problem) => self.send(&Frame::error(None, problem)).await,
            },
        }
    }

    async fn subscribe(&mut self, wanted: Subscribe) -> Result<(), End> {
        let (id, after) = (wanted.id.clone(), wanted.after);
        let filter = self.events.named(wanted.filter());
        if let Err(problem) = self.subscriptions.put(&id, filter) {
            return self.send(&Frame::error(Some(id), problem)).await;
        }
        if self.reader.is_none() {
            let upstream = self.events.hub.join();
            self.reader = Some(Reader::begin(upstream).await);
        }
        let at = self.reader.as_ref().and_then(Reader::cursor);
        match after {
            None => self.send(&Frame::subscribed(id, at)).await,
            Some(after) => self.catch_up(id, after).await,
        }
    }

    /// Tells a subscription what it lacks behind `after`, before what is to come.
    async fn catch_up(&mut self, id: String, after: Cursor) -> Result<(), End> {
        let ready = match &self.reader {
            // What comes over that connection begins before what is told here ends.
            Some(reader) => reader.upstream().ready().await.map(|_| ()),
            None => Ok(()),
        };
        let behind = match ready {
            Ok(()) => self.events.hub.behind(after).await,
            Err(problem) => Err(problem),
        };
        let mut behind = match behind {
            Ok(behind) => behind,
            Err(problem) => {
                self.subscriptions.remove(&id);
                return self.send(&Frame::error(Some(id), problem)).await;
            }
        };
        self.send(&Frame::subscribed(id.clone(), Some(after)))
            .await?;
        // One that breaks is gone on with by the connection that follows: it breaks with it, and says so.
        while let Ok(Some(told)) = behind.next().await {
            self.subscriptions.has(&id, told.cursor);
            if told.what == (Item::Listening {}) {
                continue;
            }
            if let Some(frame) = self.subscriptions.frame_of(&id, &Line::of(told)) {
                self.socket.feed(Message::Text(frame.into())).await?;
            }
        }
        Ok(self.socket.flush().await?)
    }

    /// Tells what is new: together what came together.
    async fn tell(&mut self) -> Result<(), End> {
        let Some(reader) = &mut self.reader else {
            return Ok(());
        };
        for line in reader.read() {
            if let Some(frame) = self.subscriptions.frame(&line) {
                self.socket.feed(Message::Text(frame.into())).await?;
            }
        }
        Ok(self.socket.flush().await?)
    }

    async fn send(&mut self, frame: &Frame) -> Result<(), End> {
        Ok(self.socket.send(Message::Text(frame.text().into())).await?)
    }
}

async fn news(reader: Option<&mut Reader>) {
    match reader {
        Some(reader) => reader.changed().await,
        None => std::future::pending().await,
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
            closed(close_code::SIZE, "there is too much of it")
        }
        Some(tungstenite::Error::Utf8(_)) => {
            closed(close_code::INVALID, "a message is text and not UTF-8")
        }
        Some(tungstenite::Error::Protocol(why)) => {
            let why: String = why.to_string().chars().take(100).collect();
            End::Closed(close_code::PROTOCOL, why)
        }
        _ => End::Gone,
    }
}
