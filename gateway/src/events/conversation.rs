//! What every WebSocket of the feed keeps to: messages are read one by one and answered, silence and floods end it, and what ends it is
//! said. What may not enter: what is told.

use std::{convert::Infallible, time::Duration};

use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use futures::SinkExt as _;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tokio_tungstenite::tungstenite::{self, error::CapacityError};
use tokio_util::sync::CancellationToken;

use super::{
    MAX_MESSAGE,
    commands::{self, Pace},
    subscriptions::refused,
    wire::{Command, Frame, Named, Subscribe},
};

/// How often a client is asked whether it is there.
const PING: Duration = Duration::from_secs(20);
/// After so many pings without a word it is not.
const UNANSWERED: u32 = 2;
/// How long a client has to say that it heard of the end.
const LAST: Duration = Duration::from_secs(1);

/// Why it ends.
pub(super) enum End {
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

/// Where frames go. A client that reads slowly holds up nothing but its own socket.
pub(super) struct Out<'a>(&'a mut WebSocket);

impl Out<'_> {
    pub(super) async fn send(&mut self, frame: &Frame) -> Result<(), End> {
        Ok(self.0.send(Message::Text(frame.text().into())).await?)
    }

    /// Writes it with what follows.
    pub(super) async fn feed(&mut self, frame: String) -> Result<(), End> {
        Ok(self.0.feed(Message::Text(frame.into())).await?)
    }

    pub(super) async fn flush(&mut self) -> Result<(), End> {
        Ok(self.0.flush().await?)
    }
}

/// The subscriptions of a socket, and what is told to them.
pub(super) trait Told {
    /// What subscriptions begin behind.
    type Cursor: DeserializeOwned;
    /// What came.
    type News;

    fn subscribe(
        &mut self,
        wanted: Subscribe<Self::Cursor>,
        out: &mut Out<'_>,
    ) -> impl Future<Output = Result<(), End>> + Send;

    /// Takes one out; whether it was there.
    fn unsubscribe(&mut self, id: &str) -> bool;

    /// Waits for what comes next. Safe to drop and call again.
    fn news(&mut self) -> impl Future<Output = Self::News> + Send;

    fn tell(
        &mut self,
        news: Self::News,
        out: &mut Out<'_>,
    ) -> impl Future<Output = Result<(), End>> + Send;

    /// Tells where the feed is, so that who wants little of it can go on from there.
    fn tell_standing(&mut self, out: &mut Out<'_>) -> impl Future<Output = Result<(), End>> + Send;

    /// After each of these.
    fn settle(&mut self);
}

/// What a socket goes on with.
enum Came<N> {
    Said(Option<Result<Message, axum::Error>>),
    News(N),
    Tick,
}

/// Serves one to its end.
pub(super) async fn serve(mut socket: WebSocket, mut told: impl Told, stop: CancellationToken) {
    let run = async {
        match work(&mut socket, &mut told).await {
            Ok(never) => match never {},
            Err(end) => end,
        }
    };
    let ended = stop.run_until_cancelled(run).await;
    let stopping = || End::Closed(close_code::AWAY, "the gateway is being stopped".to_owned());
    let close = match ended.unwrap_or_else(stopping) {
        End::Gone => return,
        End::Left => None,
        End::Closed(code, reason) => Some(CloseFrame {
            code,
            reason: reason.into(),
        }),
    };
    // What it held is let go of while its client is waited for.
    drop(told);
    let said = async {
        if close.is_some() {
            let _ = socket.send(Message::Close(close)).await;
        }
        // An answer to a client's close goes out with the next that is read.
        loop {
            match socket.recv().await {
                None => return,
                Some(Ok(_)) => {}
                // What cannot be read is still on its way: a connection that is dropped now is reset, and the reason lost.
                Some(Err(_)) => std::future::pending().await,
            }
        }
    };
    let _ = timeout(LAST, said).await;
}

async fn work<T: Told>(socket: &mut WebSocket, told: &mut T) -> Result<Infallible, End> {
    let (mut pings, mut pace) = (interval_at(Instant::now() + PING, PING), Pace::new());
    // While a slow client is written to nobody is asked.
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut unanswered = 0;
    loop {
        let came = tokio::select! {
            // What a client has said counts before its silence does.
            biased;
            said = socket.recv() => Came::Said(said),
            _ = pings.tick() => Came::Tick,
            news = told.news() => Came::News(news),
        };
        match came {
            Came::Said(said) => {
                unanswered = 0;
                if pace.is_flood() {
                    let why = "too many messages in one second";
                    return Err(End::Closed(close_code::POLICY, why.to_owned()));
                }
                hear(said, told, Out(&mut *socket)).await?;
            }
            Came::News(news) => told.tell(news, &mut Out(&mut *socket)).await?,
            Came::Tick if unanswered >= UNANSWERED => {
                let silent = PING * (UNANSWERED + 1);
                let why = format!("nothing was heard for {} s", silent.as_secs());
                return Err(End::Closed(close_code::POLICY, why));
            }
            Came::Tick => {
                unanswered += 1;
                told.tell_standing(&mut Out(&mut *socket)).await?;
                socket.send(Message::Ping(Vec::new().into())).await?;
            }
        }
        told.settle();
    }
}

async fn hear<T: Told>(
    said: Option<Result<Message, axum::Error>>,
    told: &mut T,
    mut out: Out<'_>,
) -> Result<(), End> {
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
            Ok(Command::Subscribe(wanted)) => told.subscribe(wanted, &mut out).await,
            Ok(Command::Unsubscribe(Named { id })) => {
                let frame = match told.unsubscribe(&id) {
                    true => Frame::unsubscribed(id),
                    false => {
                        let problem = refused(
                            "there is no such subscription",
                            "name one that was subscribed to",
                        );
                        Frame::error(Some(id), problem)
                    }
                };
                out.send(&frame).await
            }
            Err(problem) => out.send(&Frame::error(None, problem)).await,
        },
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
