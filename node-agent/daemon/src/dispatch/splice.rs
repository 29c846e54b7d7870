//! Two streams as one: what comes in at one end goes out at the other, counted, until both have ended or it is stopped.

use std::{
    io,
    pin::pin,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split},
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};
use tokio_util::sync::CancellationToken;

/// What is read at a time, in each direction.
const CHUNK: usize = 16 * 1024;
/// How often it is looked at what was moved.
const LOOK: Duration = Duration::from_secs(1);
/// After a stop, how long what the program sent before it ended may take to go out.
const LAST: Duration = Duration::from_secs(1);

/// Bytes that were passed on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Moved {
    /// From inside.
    pub(super) sent: u64,
    /// From outside.
    pub(super) received: u64,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Both ends are closed, or one of them is broken.
    Closed,
    /// It was stopped.
    Stopped,
    /// Nothing was said for too long.
    Silent,
}

/// Passes on until the end; `told` hears of what was moved so far, each second that anything was.
pub(super) async fn splice(
    inside: impl AsyncRead + AsyncWrite,
    outside: impl AsyncRead + AsyncWrite,
    cancel: &CancellationToken,
    silent: Duration,
    told: impl Fn(Moved),
) -> (Moved, End) {
    let (sent, received) = (AtomicU64::new(0), AtomicU64::new(0));
    let moved = || Moved {
        sent: sent.load(Ordering::Relaxed),
        received: received.load(Ordering::Relaxed),
    };
    let (inside_out, inside_in) = split(inside);
    let (outside_out, outside_in) = split(outside);
    let mut out = pin!(pass(inside_out, outside_in, &sent));
    let mut back = pin!(pass(outside_out, inside_in, &received));
    let (mut out_ended, mut back_ended, mut stopping) = (false, false, false);
    let mut last = pin!(sleep_until(Instant::now()));
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut seen, mut since) = (Moved::default(), Instant::now());
    let end = loop {
        tokio::select! {
            ended = &mut out, if !out_ended => match ended {
                Ok(()) => out_ended = true,
                Err(_) => break End::Closed,
            },
            ended = &mut back, if !back_ended => match ended {
                Ok(()) => back_ended = true,
                Err(_) => break End::Closed,
            },
            () = cancel.cancelled(), if !stopping => {
                stopping = true;
                last.as_mut().reset(Instant::now() + LAST);
            }
            () = &mut last, if stopping => break End::Stopped,
            _ = look.tick() => {
                let now = moved();
                if now != seen {
                    (seen, since) = (now, Instant::now());
                    told(now);
                } else if since.elapsed() >= silent {
                    break End::Silent;
                }
            }
        }
        match (out_ended, back_ended || stopping) {
            (true, true) if stopping => break End::Stopped,
            (true, true) => break End::Closed,
            _ => {}
        }
    };
    (moved(), end)
}

async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    moved: &AtomicU64,
) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    loop {
        let got = from.read(&mut chunk).await?;
        if got == 0 {
            // The other direction may go on.
            return to.shutdown().await;
        }
        to.write_all(&chunk[..got]).await?;
        moved.fetch_add(got as u64, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use parking_lot::Mutex;
    use tokio::io::{DuplexStream, duplex};

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    struct Ends {
        program: DuplexStream,
        host: DuplexStream,
        cancel: CancellationToken,
        work: tokio::task::JoinHandle<(Moved, End)>,
    }

    fn begin() -> Ends {
        let (program, inside) = duplex(64);
        let (host, outside) = duplex(64);
        let cancel = CancellationToken::new();
        let stop = cancel.clone();
        let work =
            tokio::spawn(async move { splice(inside, outside, &stop, MINUTE, |_| ()).await });
        Ends {
            program,
            host,
            cancel,
            work,
        }
    }

    fn moved(sent: u64, received: u64) -> Moved {
        Moved { sent, received }
    }

    #[tokio::test(start_paused = true)]
    async fn one_direction_ends_and_the_other_goes_on() {
        let mut ends = begin();
        ends.program.write_all(b"question").await.unwrap();
        ends.program.shutdown().await.unwrap();
        let mut asked = String::new();
        ends.host.read_to_string(&mut asked).await.unwrap();
        assert_eq!(asked, "question");
        ends.host.write_all(b"a long answer").await.unwrap();
        drop(ends.host);
        let mut answered = String::new();
        ends.program.read_to_string(&mut answered).await.unwrap();
        assert_eq!(answered, "a long answer");
        assert_eq!(ends.work.await.unwrap(), (moved(8, 13), End::Closed));
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_read_holds_up_the_writer_and_no_memory() {
        let mut ends = begin();
        let written = tokio::time::timeout(MINUTE / 2, async {
            let mut written = 0;
            loop {
                written += ends.program.write(&[7; 4096]).await.unwrap();
                assert!(written < 2 * CHUNK, "{written} bytes, and nobody reads");
            }
        });
        assert!(written.await.is_err());
        ends.cancel.cancel();
        assert_eq!(ends.work.await.unwrap().1, End::Stopped);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_sent_before_a_stop_goes_out_and_nothing_waits_for_an_answer() {
        let mut ends = begin();
        ends.program.write_all(b"last words").await.unwrap();
        drop(ends.program);
        ends.cancel.cancel();
        let mut heard = String::new();
        ends.host.read_to_string(&mut heard).await.unwrap();
        assert_eq!(heard, "last words");
        assert_eq!(ends.work.await.unwrap(), (moved(10, 0), End::Stopped));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_ends_it_whatever_its_ends_do() {
        let ends = begin();
        ends.cancel.cancel();
        assert_eq!(ends.work.await.unwrap().1, End::Stopped);
        drop((ends.program, ends.host));
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_says_nothing_is_ended_and_one_that_does_is_not() {
        let told = Mutex::new(Vec::new());
        let (mut program, inside) = duplex(64);
        let (_host, outside) = duplex(64);
        let cancel = CancellationToken::new();
        let began = Instant::now();
        let work = splice(inside, outside, &cancel, MINUTE, |moved| {
            told.lock().push(moved);
        });
        let talk = async {
            tokio::time::sleep(MINUTE - Duration::from_secs(5)).await;
            program.write_all(b"still here").await.unwrap();
            std::future::pending::<()>().await;
        };
        let (moved, end) = tokio::select! {
            ended = work => ended,
            () = talk => unreachable!(),
        };
        assert_eq!((moved.sent, end), (10, End::Silent));
        assert!(began.elapsed() >= 2 * MINUTE - Duration::from_secs(5));
        assert_eq!(told.into_inner().last(), Some(&moved));
    }
}
