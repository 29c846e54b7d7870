//! What a server may take of the node: few requests of its own at a time, and no write that never ends.
//!
//! The library answers each request of a server in a task of its own. A server that asks and does not read
//! would have these pile up without end, so it is disconnected here, and the reason is kept for whoever
//! waits for an answer.

use std::{
    collections::HashSet,
    error::Error,
    future::pending,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use rmcp::{
    RoleClient,
    model::{JsonRpcMessage, RequestId, ServerNotification},
    service::{RxJsonRpcMessage, TxJsonRpcMessage},
    transport::Transport,
};
use tokio_util::sync::CancellationToken;

/// Requests of a server that wait for our answers, written answers included.
const MAX_UNANSWERED: usize = 16;
/// The longest id of a request, in bytes: it is kept, and sent back.
const MAX_ID: usize = 256;
/// Notifications of a server between two of its answers: each is read, whether anybody wants it or not.
const MAX_NOTIFIED: usize = 10_000;
/// Notifications of progress between two of its answers: a long call may have many.
const MAX_PROGRESS: usize = 100_000;

/// Why a connection was cut off here, if it was. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Cut {
    why: Arc<OnceLock<String>>,
    now: CancellationToken,
}

impl Cut {
    fn off(&self, why: String) {
        if self.why.set(why).is_ok() {
            self.now.cancel();
        }
    }

    /// Whether both are of one connection.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.why, &other.why)
    }

    pub(super) fn why(&self) -> Option<&str> {
        self.why.get().map(String::as_str)
    }
}

/// A transport with bounds.
pub(super) struct Bounded<T> {
    inner: T,
    /// How long one message may take to be written; `None` where a write ends with its answer.
    write: Option<Duration>,
    cut: Cut,
    /// Requests that the library has not answered yet.
    asked: Arc<Mutex<HashSet<RequestId>>>,
    /// Answers that are being written.
    answering: Arc<AtomicUsize>,
    /// Notifications since the server's last answer, and those of progress.
    notified: AtomicUsize,
    progress: AtomicUsize,
}

/// A message that was not sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotSent<E: Error + 'static> {
    /// The connection was cut off before.
    #[error("{0}")]
    Cut(String),
    /// What the wire says.
    #[error("{0}")]
    Wire(#[source] E),
}

impl<T> Bounded<T> {
    pub(super) fn new(inner: T, write: Option<Duration>, cut: Cut) -> Self {
        Self {
            inner,
            write,
            cut,
            asked: Arc::default(),
            answering: Arc::default(),
            notified: AtomicUsize::new(0),
            progress: AtomicUsize::new(0),
        }
    }

    /// Counts what the server sent; `None` where it is more than it may.
    fn admit(&self, message: RxJsonRpcMessage<RoleClient>) -> Option<RxJsonRpcMessage<RoleClient>> {
        match &message {
            JsonRpcMessage::Request(request) => {
                if let RequestId::String(id) = &request.id
                    && id.len() > MAX_ID
                {
                    let why = format!("it sent a request with an id longer than {MAX_ID} bytes");
                    self.cut.off(why);
                    return None;
                }
                let mut asked = self.asked.lock();
                asked.insert(request.id.clone());
                if asked.len() + self.answering.load(Ordering::Acquire) > MAX_UNANSWERED {
                    let why = format!(
                        "it sent more than {MAX_UNANSWERED} requests without reading the answers"
                    );
                    self.cut.off(why);
                    return None;
                }
            }
            // What it takes back is not answered, unless the answer is on its way already.
            JsonRpcMessage::Notification(notification) => {
                let (counted, most) = match &notification.notification {
                    ServerNotification::ProgressNotification(_) => (&self.progress, MAX_PROGRESS),
                    _ => (&self.notified, MAX_NOTIFIED),
                };
                if counted.fetch_add(1, Ordering::AcqRel) >= most {
                    let why = format!(
                        "it sent more than {most} notifications without answering anything"
                    );
                    self.cut.off(why);
                    return None;
                }
                if let ServerNotification::CancelledNotification(cancelled) =
                    &notification.notification
                    && let Some(id) = &cancelled.params.request_id
                {
                    self.asked.lock().remove(id);
                }
            }
            JsonRpcMessage::Response(_) | JsonRpcMessage::Error(_) => {
                self.notified.store(0, Ordering::Release);
                self.progress.store(0, Ordering::Release);
            }
        }
        Some(message)
    }
}

impl<T> Transport<RoleClient> for Bounded<T>
where
    T: Transport<RoleClient>,
{
    type Error = NotSent<T::Error>;

    fn send(
        &mut self,
        item: TxJsonRpcMessage<RoleClient>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        let answer = match &item {
            JsonRpcMessage::Response(response) => Some(&response.id),
            JsonRpcMessage::Error(error) => error.id.as_ref(),
            JsonRpcMessage::Request(_) | JsonRpcMessage::Notification(_) => None,
        };
        let answering = answer.map(|id| {
            let answering = Answering::new(&self.answering);
            self.asked.lock().remove(id);
            answering
        });
        let (cut, bound) = (self.cut.clone(), self.write);
        let sending = self.inner.send(item);
        async move {
            let _answering = answering;
            let late = async {
                match bound {
                    Some(bound) => tokio::time::sleep(bound).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                biased;
                () = cut.now.cancelled() => {}
                sent = sending => return sent.map_err(NotSent::Wire),
                () = late => {
                    let seconds = bound.unwrap_or_default().as_secs_f32();
                    cut.off(format!("it did not read what it was sent within {seconds} s"));
                }
            }
            Err(NotSent::Cut(cut.why().unwrap_or_default().to_owned()))
        }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleClient>> {
        let received = tokio::select! {
            biased;
            () = self.cut.now.cancelled() => None,
            received = self.inner.receive() => received,
        };
        self.admit(received?)
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        self.inner.close().await.map_err(NotSent::Wire)
    }
}

/// Counted as long as it lives.
struct Answering(Arc<AtomicUsize>);

impl Answering {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Self(count.clone())
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
