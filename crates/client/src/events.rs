//! A stream of server-sent events whose data are JSON values.

use std::{
    marker::PhantomData,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use reqwest::Response;
use serde::de::DeserializeOwned;
use sse_stream::{Sse, SseStream};

use crate::{address::Address, failure::ClientError};

/// The largest single event, in bytes: an answer of a turn with room to spare.
const MAX_EVENT: usize = 8 << 20;

/// Values of one type, as they come.
pub struct Events<T> {
    address: Address,
    events: BoxStream<'static, Result<Sse, sse_stream::Error>>,
    /// What came since the last event, which is at least what is held.
    held: Arc<AtomicUsize>,
    of: PhantomData<fn() -> T>,
}

/// Why no more of the body is read.
#[derive(Debug, thiserror::Error)]
enum Unread {
    #[error(transparent)]
    Body(#[from] reqwest::Error),
    #[error("an event is larger than 8 MiB")]
    TooLarge,
}

impl<T: DeserializeOwned> Events<T> {
    pub(crate) fn new(address: Address, response: Response) -> Self {
        let held = Arc::new(AtomicUsize::new(0));
        let count = held.clone();
        let body = response.bytes_stream().map_err(Unread::Body);
        let bounded = body.and_then(move |part| {
            let held = count.fetch_add(part.len(), Ordering::Relaxed) + part.len();
            std::future::ready(match held > MAX_EVENT + part.len() {
                true => Err(Unread::TooLarge),
                false => Ok(part),
            })
        });
        Self {
            address,
            events: SseStream::from_bytes_stream(bounded).boxed(),
            held,
            of: PhantomData,
        }
    }

    /// The next value; `None` at the stream's end, also where that comes in the middle of an event.
    ///
    /// # Errors
    /// The connection broke, or what came is not of this version.
    pub async fn next(&mut self) -> Result<Option<T>, ClientError> {
        while let Some(event) = self.events.next().await {
            let event = event.map_err(|why| self.failed(why))?;
            self.held.store(0, Ordering::Relaxed);
            // Comments keep a connection awake; names and ids of events are not used.
            if let Some(data) = event.data {
                let value = serde_json::from_str(&data);
                return value.map(Some).map_err(|why| self.address.unexpected(why));
            }
        }
        Ok(None)
    }

    fn failed(&self, why: sse_stream::Error) -> ClientError {
        if let sse_stream::Error::Body(why) = &why
            && let Some(Unread::Body(why)) = why.downcast_ref::<Unread>()
        {
            return self.address.broken(why);
        }
        match why {
            sse_stream::Error::Body(why) => self.address.unexpected(why),
            why => self.address.unexpected(why),
        }
    }
}
