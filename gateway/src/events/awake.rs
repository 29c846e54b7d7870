//! A feed as server-sent events that end with the gateway, and of which something comes at times where nothing happens. What may not
//! enter: what is told.

use std::{convert::Infallible, time::Duration};

use axum::{body::Bytes, response::Response};
use futures::{StreamExt as _, stream};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Something is to come this often.
pub(super) const AWAKE: Duration = Duration::from_secs(15);

/// See the module.
pub(super) trait Frames: Send + 'static {
    /// The next frame, which says by `awake` at the latest where the feed is; none where no more is told.
    fn next(&mut self, awake: Instant) -> impl Future<Output = Option<Bytes>> + Send;
}

/// All of them until the stop: whoever stops waits for answers that end, and these do not.
pub(super) fn told(frames: impl Frames, stop: &CancellationToken) -> Response {
    let told = stream::unfold(frames, |mut frames| async {
        let frame = frames.next(Instant::now() + AWAKE).await?;
        Some((Ok::<_, Infallible>(frame), frames))
    });
    aion_serve::stream(told.take_until(stop.clone().cancelled_owned()))
}
