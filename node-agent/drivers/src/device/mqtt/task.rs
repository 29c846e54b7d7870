//! The life of a connection that is kept: made, lost, and made again after a back-off.

use std::{sync::Arc, time::Duration};

use aion_abi::{code::Code, problem::Problem};
use aion_backoff::Backoff;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};

use super::{Shared, hello, link};
use crate::device::{LinkState, MAX_PUBLISHES};

pub(super) async fn keep(shared: Arc<Shared>) {
    let times = shared.times;
    let mut pauses = Backoff::new(times.first, times.longest);
    let mut long_pauses = Backoff::new(times.first_refused, times.longest_refused);
    loop {
        let why = match hello::dial(&shared).await {
            Ok(greeted) => {
                let since = Instant::now();
                let (line, requests) = mpsc::channel(MAX_PUBLISHES);
                shared.wanted.anew();
                *shared.line.lock() = Some(line);
                shared.hearing.link(LinkState::Up);
                let why = link::run(&shared, greeted, requests).await;
                long_pauses.reset();
                if since.elapsed() >= times.settled {
                    pauses.reset();
                }
                why
            }
            Err(why) => why,
        };
        let retry_in = match passes(&why) {
            true => pauses.pause(),
            false => long_pauses.pause(),
        };
        shared.hearing.link(LinkState::Down { why, retry_in });
        pause(&shared, retry_in).await;
    }
}

/// Whether it may be another time soon, without anybody mending it.
fn passes(why: &Problem) -> bool {
    matches!(why.code, Code::Unreachable | Code::UpstreamFailed)
}

/// Waits, and says which filters are none meanwhile.
async fn pause(shared: &Shared, long: Duration) {
    let until = Instant::now() + long;
    loop {
        shared.wanted.say_unfit(shared.name(), &*shared.hearing);
        tokio::select! {
            () = sleep_until(until) => return,
            () = shared.wanted.changed() => {}
        }
    }
}
