//! What a running program is told without asking: a stream on its socket, and a header of each answer while it holds.
//!
//! Only the newest notice counts, so whoever reads slowly misses old ones and holds nothing up. What may not enter: the
//! kernel; nothing is done for whoever listens.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use aion_abi::{
    code::Code,
    notice::{HEADER, Notice},
    problem::Problem,
};
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use http::{HeaderName, HeaderValue, Response};
use tokio::sync::{Semaphore, watch};

/// How long a notice holds that is not told again.
const HOLDS: Duration = Duration::from_secs(2);
/// The first bytes of a stream, which events ignore: whoever listens knows by them that it is heard.
const OPEN: &[u8] = b": the node tells here what you should know\n\n";
static NOTICE: HeaderName = HeaderName::from_static(HEADER);

/// The notices of one run.
#[derive(Debug)]
pub(super) struct Notices {
    newest: watch::Sender<Option<(Instant, Arc<str>)>>,
    /// One listens at a time.
    listening: Arc<Semaphore>,
}

impl Default for Notices {
    fn default() -> Self {
        Self {
            newest: watch::Sender::new(None),
            listening: Arc::new(Semaphore::new(1)),
        }
    }
}

impl Notices {
    /// Tells it.
    pub(super) fn tell(&self, notice: &Notice) {
        // Names and numbers always have a JSON form.
        if let Ok(text) = serde_json::to_string(notice) {
            self.newest
                .send_replace(Some((Instant::now(), text.into())));
        }
    }

    /// Has an answer bear what holds now.
    pub(super) fn mark<T>(&self, response: &mut Response<T>) {
        if let Some(text) = holding(&self.newest.borrow())
            && let Ok(value) = HeaderValue::from_str(&text)
        {
            response.headers_mut().insert(&NOTICE, value);
        }
    }

    /// The events of a stream: what holds now, then what comes, as long as the run goes on.
    pub(super) fn stream(&self) -> Result<BoxStream<'static, Bytes>, Problem> {
        let permit = Arc::clone(&self.listening).try_acquire_owned();
        let permit = permit.map_err(|_| {
            Problem::new(
                Code::AlreadyExists,
                "the notices of this run are listened to",
            )
            .remedy("listen once in a run and hand the notices on")
        })?;
        let mut newest = self.newest.subscribe();
        let now = holding(&newest.borrow_and_update());
        let first = stream::iter([Some(Bytes::from_static(OPEN)), now.map(|it| frame(&it))]);
        let later = stream::unfold((newest, permit), |(mut newest, permit)| async move {
            newest.changed().await.ok()?;
            let text = newest
                .borrow_and_update()
                .as_ref()
                .map(|(_, text)| frame(text));
            Some((text, (newest, permit)))
        });
        Ok(first.chain(later).filter_map(std::future::ready).boxed())
    }
}

fn holding(newest: &Option<(Instant, Arc<str>)>) -> Option<Arc<str>> {
    let (since, text) = newest.as_ref()?;
    (since.elapsed() < HOLDS).then(|| Arc::clone(text))
}

fn frame(text: &str) -> Bytes {
    format!("data: {text}\n\n").into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use aion_abi::notice::Resource;

    use super::*;

    fn pressure(held_bytes: u64) -> Notice {
        Notice::Pressure {
            resource: Resource::Memory,
            held_bytes,
            high_bytes: 85,
            most_bytes: 100,
        }
    }

    #[tokio::test]
    async fn who_listens_is_told_and_an_answer_bears_what_holds() {
        let notices = Notices::default();
        let mut response = Response::new(());
        notices.mark(&mut response);
        assert!(response.headers().is_empty());
        let mut told = notices.stream().unwrap();
        assert!(told.next().await.unwrap().starts_with(b":"));
        assert!(notices.stream().is_err(), "one listens at a time");
        notices.tell(&pressure(90));
        let text = r#"{"notice":"pressure","resource":"memory","heldBytes":90,"highBytes":85,"mostBytes":100}"#;
        assert_eq!(told.next().await.unwrap(), format!("data: {text}\n\n"));
        notices.mark(&mut response);
        assert_eq!(response.headers()[HEADER], text);
        drop(told);
        let mut again = notices.stream().unwrap();
        again.next().await;
        assert!(again.next().await.is_some(), "what holds is told at once");
    }
}
