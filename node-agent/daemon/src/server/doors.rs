//! The ways into runs of programs that are elsewhere. Another server has read their requests, so these come to the session without a
//! socket between. What may not enter: who may use which.

use std::{
    collections::HashMap,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use aion_kernel::{Incarnation, TurnId};
use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Frame, SizeHint};
use parking_lot::Mutex;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::{Session, body::Answer, connection};

/// See the module. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Doors(Arc<Mutex<HashMap<Run, Door>>>);

pub(super) type Run = (TurnId, Incarnation);

/// The way into one run.
#[derive(Clone)]
pub(crate) struct Door {
    session: Arc<Session>,
    stop: CancellationToken,
}

/// The run is over, or is to come.
#[derive(Debug, thiserror::Error)]
#[error("the run is not open")]
pub(crate) struct Shut;

impl fmt::Debug for Doors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Doors").field(&self.0.lock().len()).finish()
    }
}

impl Doors {
    pub(super) fn open(&self, run: Run, session: Arc<Session>, stop: CancellationToken) {
        self.0.lock().insert(run, Door { session, stop });
    }

    pub(super) fn close(&self, run: Run) {
        self.0.lock().remove(&run);
    }

    /// The way into a run, while there is one.
    pub(crate) fn of(&self, turn: TurnId, incarnation: Incarnation) -> Result<Door, Shut> {
        let doors = self.0.lock();
        doors.get(&(turn, incarnation)).cloned().ok_or(Shut)
    }
}

impl Door {
    /// Answers as a connection of the run does, and takes one's place until the answer is read or dropped.
    ///
    /// # Errors
    /// The run ended meanwhile: nothing is known of the request.
    pub(crate) async fn answer(self, request: Request<Body>) -> Result<Response<Body>, Shut> {
        let Self { session, stop } = self;
        let connections = Arc::clone(&session.admission.connections);
        let taken = stop.run_until_cancelled(connections.acquire_owned()).await;
        let place = taken.ok_or(Shut)?.map_err(|_| Shut)?;
        let answered = connection::answer(session, request);
        let answered = stop.run_until_cancelled(answered).await.ok_or(Shut)?;
        Ok(answered.map(|answer| {
            Body::new(Passing {
                answer,
                over: Box::pin(stop.cancelled_owned()),
                _place: place,
            })
        }))
    }
}

/// An answer on its way, which breaks off where the run ends.
struct Passing {
    answer: Answer,
    over: Pin<Box<WaitForCancellationFutureOwned>>,
    _place: OwnedSemaphorePermit,
}

impl http_body::Body for Passing {
    type Data = Bytes;
    type Error = Shut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Shut>>> {
        match Pin::new(&mut self.answer).poll_frame(context) {
            Poll::Pending if self.over.as_mut().poll(context).is_ready() => {
                Poll::Ready(Some(Err(Shut)))
            }
            polled => polled.map(|frame| frame.map(|frame| frame.map_err(|never| match never {}))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.answer.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.answer.size_hint()
    }
}
