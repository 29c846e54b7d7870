//! Calls that run, by the name of their client's session, for a word that cancels one. Each is here for as long as its request is:
//! there are no more than connections.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use rmcp::model::RequestId;
use tokio_util::sync::CancellationToken;

type Key = (String, RequestId);

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
    pub(super) fn begin(&self, session: &str, id: &RequestId) -> Running {
        let key = (session.to_owned(), id.clone());
        let cancelled = CancellationToken::new();
        self.0.lock().insert(key.clone(), cancelled.clone());
        Running {
            calls: self.clone(),
            key,
            cancelled,
        }
    }

    pub(super) fn cancel(&self, session: &str, id: &RequestId) {
        let key = (session.to_owned(), id.clone());
        if let Some(call) = self.0.lock().get(&key) {
            call.cancel();
        }
    }
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
        let running = calls.begin("a", &RequestId::Number(1));
        let is_cancelled = || running.cancelled().now_or_never().is_some();
        calls.cancel("b", &RequestId::Number(1));
        calls.cancel("a", &RequestId::String("1".into()));
        assert!(!is_cancelled());
        calls.cancel("a", &RequestId::Number(1));
        assert!(is_cancelled());
        drop(running);
        assert!(calls.0.lock().is_empty());
    }
}
