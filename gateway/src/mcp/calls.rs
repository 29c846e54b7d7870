//! Calls that run, by who asks and the name of their client's session, for a word that cancels one. The name is the client's word, so
//! two of whoever asks may say the same. Each is here for as long as its request is:
//! there are no more than connections.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use rmcp::model::RequestId;
use tokio_util::sync::CancellationToken;

/// By which key it is asked, in which session, and which call of that.
pub(super) type Key = (Option<Arc<str>>, String, RequestId);

/// A client's session: by which key it is asked, and what the client calls it.
pub(super) type Session<'a> = (Option<&'a Arc<str>>, &'a str);

/// See the module.
#[derive(Clone, Default)]
pub(super) struct Calls(Arc<Mutex<HashMap<Key, CancellationToken>>>);

/// A call, until it is dropped.
pub(super) struct Running {
    calls: Calls,
    key: Key,
    cancelled: CancellationToken,
}

impl Calls {
    pub(super) fn begin(&self, session: Session<'_>, id: &RequestId) -> Running {
        let key = key(session, id);
        let cancelled = CancellationToken::new();
        self.0.lock().insert(key.clone(), cancelled.clone());
        Running {
            calls: self.clone(),
            key,
            cancelled,
        }
    }

    pub(super) fn cancel(&self, session: Session<'_>, id: &RequestId) {
        let key = key(session, id);
        if let Some(call) = self.0.lock().get(&key) {
            call.cancel();
        }
    }
}

pub(super) fn key((by, session): Session<'_>, id: &RequestId) -> Key {
    (by.cloned(), session.to_owned(), id.clone())
}

impl Running {
    pub(super) async fn cancelled(&self) {
        self.cancelled.cancelled().await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.calls.0.lock().remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn a_call_is_cancelled_by_its_own_session_alone_and_is_not_kept() {
        let calls = Calls::default();
        let (key, another) = (Arc::from("key"), Arc::from("another"));
        let session = (Some(&key), "a");
        let running = calls.begin(session, &RequestId::Number(1));
        let theirs = calls.begin((Some(&another), "a"), &RequestId::Number(1));
        let is_cancelled = || running.cancelled().now_or_never().is_some();
        calls.cancel((Some(&key), "b"), &RequestId::Number(1));
        calls.cancel(session, &RequestId::String("1".into()));
        calls.cancel((Some(&another), "a"), &RequestId::Number(1));
        calls.cancel((None, "a"), &RequestId::Number(1));
        drop(theirs);
        assert!(!is_cancelled());
        calls.cancel(session, &RequestId::Number(1));
        assert!(is_cancelled());
        drop(running);
        assert!(calls.0.lock().is_empty());
    }
}
