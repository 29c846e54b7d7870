//! Streams: the events of a `model.chat` as they go over the wire.
//!
//! Chunks come from the driver through a bounded channel; the last event is the kernel's reply, so that it
//! is sent only once the outcome is in the journal.

use std::task::{Context, Poll, ready};

use aion_abi::{problem::Problem, syscall::model::ChatEvent};
use bytes::Bytes;
use futures::FutureExt;
use tokio::sync::{mpsc, oneshot};

use super::connection::Ticketed;
use crate::{
    call::{frame, frame_of},
    shell::Reply,
};

/// Media type of a stream.
pub(super) const MEDIA_TYPE: &str = "text/event-stream";

/// The events of one call.
pub(super) struct Events {
    /// Read already, to see whether there is a stream at all.
    pub(super) first: Option<ChatEvent>,
    pub(super) chunks: mpsc::Receiver<ChatEvent>,
    pub(super) reply: Option<oneshot::Receiver<Reply>>,
    /// Gives the call up when the connection goes away.
    pub(super) ticket: Ticketed,
}

impl Events {
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(frame(&first)));
        }
        if let Some(chunk) = ready!(self.chunks.poll_recv(cx)) {
            return Poll::Ready(Some(frame(&chunk)));
        }
        let Some(reply) = &mut self.reply else {
            return Poll::Ready(None);
        };
        let reply = ready!(reply.poll_unpin(cx));
        self.reply = None;
        self.ticket.answered();
        Poll::Ready(Some(match reply {
            Ok(Reply::Done { body, whole, .. }) if whole => body,
            Ok(Reply::Done { body, .. }) => frame_of(&body),
            Ok(Reply::Problem(problem)) => frame(&ChatEvent::Error(*problem)),
            Err(_) => frame(&ChatEvent::Error(gone())),
        }))
    }
}

fn gone() -> Problem {
    Problem::new(
        aion_abi::code::Code::OutcomeUnknown,
        "the daemon is stopping; the call may or may not have been done",
    )
}
