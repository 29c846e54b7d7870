//! A source that is asked until a deadline and no longer, however many questions there are: each answer may
//! come within its own bound and all of them together still take hours.

use std::time::Duration;

use futures::FutureExt;
use tokio::time::{Instant, timeout_at};

use crate::{
    artifact::{digest::Digest, manifest::Descriptor},
    source::{
        contract::{Answer, Referrers, Source},
        failure::SourceError,
        sink::Sink,
    },
};

/// Another source, with a deadline for all of its answers together.
pub struct Within<'s> {
    source: &'s dyn Source,
    time: Duration,
    until: Instant,
}

impl<'s> Within<'s> {
    /// `source`, which has `time` from now on.
    pub fn new(source: &'s dyn Source, time: Duration) -> Self {
        Self {
            source,
            time,
            until: Instant::now() + time,
        }
    }

    async fn in_time<T>(&self, answer: Answer<'_, T>) -> Result<T, SourceError> {
        let late = || Err(out_of_time(self.source.describe(), self.time));
        if Instant::now() >= self.until {
            return late();
        }
        let came = timeout_at(self.until, answer).await;
        came.unwrap_or_else(|_| late())
    }
}

/// All that a source was given for a bundle is used up.
pub(crate) fn out_of_time(at: String, time: Duration) -> SourceError {
    let why = format!(
        "the bundle was not here after {} s, which is all it is given",
        time.as_secs()
    );
    SourceError::Unreachable { at, why }
}

impl Source for Within<'_> {
    fn describe(&self) -> String {
        self.source.describe()
    }

    fn manifest_within<'a>(&'a self, digest: &'a Digest, most: u64) -> Answer<'a, Vec<u8>> {
        self.in_time(self.source.manifest_within(digest, most))
            .boxed()
    }

    fn blob<'a>(&'a self, sink: &'a mut Sink) -> Answer<'a, ()> {
        self.in_time(self.source.blob(sink)).boxed()
    }

    fn has_blob<'a>(&'a self, blob: &'a Descriptor) -> Answer<'a, ()> {
        self.in_time(self.source.has_blob(blob)).boxed()
    }

    fn referrers<'a>(&'a self, digest: &'a Digest) -> Answer<'a, Referrers> {
        self.in_time(self.source.referrers(digest)).boxed()
    }
}
