//! A turn that the gateway holds, and who uses it now. Pure but for the time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use aion_abi::{
    boot::Boot,
    canonical::{CanonicalRequest, body_digest},
    date::UnixMillis,
    external::Run,
    headers,
    signing::Key,
    syscall::Syscall,
};
use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};

use super::{PAUSE, queue::Queue};

/// How long nobody uses it before it ends, where nobody waits for a turn.
const IDLE: Duration = Duration::from_secs(30);
/// And where somebody does: those who shared its beginning are here by then.
const LET_GO: Duration = PAUSE;
/// For how long it takes requests where somebody waits.
const SHARE: Duration = Duration::from_secs(5);

/// See the module.
pub(super) struct Sitting {
    pub(super) run: Run,
    key: Key,
    counter: AtomicU64,
    began: Instant,
    /// How long its turn may take.
    lasts: Duration,
    uses: Mutex<Uses>,
    /// Told when the last that uses it goes, and nobody will.
    done: Arc<Notify>,
    queue: Arc<Queue>,
}

struct Uses {
    now: usize,
    all: u64,
    /// When one ended.
    last: Instant,
    /// It takes no more.
    over: bool,
}

/// One request of it, until it is dropped.
pub(super) struct Visit(pub(super) Arc<Sitting>);

impl Sitting {
    pub(super) fn of(boot: &Boot, done: Arc<Notify>, queue: Arc<Queue>) -> Self {
        let now = Instant::now();
        Self {
            run: Run {
                turn: boot.turn,
                incarnation: boot.incarnation,
            },
            key: boot.key.clone(),
            counter: AtomicU64::new(0),
            began: now,
            lasts: Duration::from_millis(boot.turn_ms),
            uses: Mutex::new(Uses {
                now: 0,
                all: 0,
                last: now,
                over: false,
            }),
            done,
            queue,
        }
    }

    /// For one request more. In the second half of its time it takes none, nor after its share where others wait: those that it has are to
    /// come to their end.
    pub(super) fn visit(self: &Arc<Self>) -> Option<Visit> {
        let mut uses = self.uses.lock();
        if uses.over || self.is_old() || self.is_had() {
            return None;
        }
        uses.now += 1;
        uses.all += 1;
        drop(uses);
        Some(Visit(Arc::clone(self)))
    }

    /// In how long it is to end, where nobody uses it until then.
    pub(super) fn ends_in(&self) -> Option<Duration> {
        let uses = self.uses.lock();
        let old = (self.lasts / 2).saturating_sub(self.began.elapsed());
        let idle = self.idle().saturating_sub(uses.last.elapsed());
        (uses.now == 0).then(|| old.min(idle))
    }

    fn is_old(&self) -> bool {
        self.began.elapsed() * 2 >= self.lasts
    }

    /// Whether it is others' turn.
    fn is_had(&self) -> bool {
        !self.queue.is_empty() && self.began.elapsed() >= SHARE
    }

    /// How long nobody may use it.
    fn idle(&self) -> Duration {
        match self.queue.is_empty() {
            true => IDLE,
            false => LET_GO,
        }
    }

    /// Whether it is to end: nobody uses it, and nobody did for a while or will. It takes no more then.
    pub(super) fn is_done(&self) -> bool {
        let mut uses = self.uses.lock();
        let done =
            uses.now == 0 && (uses.over || self.is_old() || uses.last.elapsed() >= self.idle());
        uses.over |= done;
        done
    }

    /// Its turn has ended without the gateway, or is about to.
    pub(super) fn close(&self) {
        self.uses.lock().over = true;
    }

    pub(super) fn is_closed(&self) -> bool {
        self.uses.lock().over
    }

    /// What is said at its end.
    pub(super) fn summary(&self) -> String {
        match self.uses.lock().all {
            1 => "1 request was passed on".to_owned(),
            all => format!("{all} requests were passed on"),
        }
    }

    /// The headers of a syscall, and which of the turn's it is.
    pub(super) fn sign(
        &self,
        syscall: Syscall,
        body: &[u8],
        date: UnixMillis,
    ) -> (u64, Vec<(&'static str, String)>) {
        let counter = self.counter.fetch_add(1, Ordering::Relaxed) + 1;
        let request = CanonicalRequest::call(syscall, date, counter, body_digest(body));
        (counter, headers::sign(&self.key, &request))
    }
}

impl Visit {
    pub(super) fn turn(&self) -> u64 {
        self.0.run.turn
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let mut uses = self.0.uses.lock();
        uses.now -= 1;
        uses.last = Instant::now();
        if uses.now == 0 && (uses.over || self.0.is_old() || !self.0.queue.is_empty()) {
            self.0.done.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use aion_abi::boot::{Input, Program};
    use futures::FutureExt;
    use tokio::time::advance;

    use super::*;

    fn sitting(seconds: u64) -> Arc<Sitting> {
        sitting_of(seconds, Arc::default())
    }

    fn sitting_of(seconds: u64, queue: Arc<Queue>) -> Arc<Sitting> {
        let boot = Boot {
            instance: "i".to_owned(),
            incarnation: 1,
            turn: 7,
            agent: "default/editor".to_owned(),
            key: Key::new([7; 32]),
            program: Program::External {},
            input: Input::default(),
            checkpoint: None,
            turn_ms: seconds * 1_000,
        };
        Arc::new(Sitting::of(&boot, Arc::default(), queue))
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_ends_once_nobody_uses_it_for_a_while_and_not_before() {
        let sitting = sitting(3_600);
        let (first, second) = (sitting.visit().unwrap(), sitting.visit().unwrap());
        advance(IDLE * 2).await;
        drop(first);
        assert!(!sitting.is_done(), "one is there still");
        drop(second);
        advance(IDLE / 2).await;
        assert!(!sitting.is_done());
        drop(sitting.visit().unwrap());
        advance(IDLE / 2).await;
        assert!(!sitting.is_done(), "it was used since");
        advance(IDLE / 2).await;
        assert!(sitting.is_done());
        assert!(sitting.visit().is_none(), "what ends takes nothing more");
        assert_eq!(sitting.summary(), "3 requests were passed on");
    }

    #[tokio::test(start_paused = true)]
    async fn where_another_waits_it_ends_once_nobody_uses_it_and_soon_takes_no_more() {
        let queue = Arc::<Queue>::default();
        let (busy, idle) = (
            sitting_of(3_600, queue.clone()),
            sitting_of(3_600, queue.clone()),
        );
        let visit = busy.visit().unwrap();
        drop(idle.visit().unwrap());
        let waits = queue.wait();
        tokio::pin!(waits);
        assert!(waits.as_mut().now_or_never().is_none());
        assert!(!idle.is_done(), "nobody waits yet");
        advance(Duration::from_secs(1)).await;
        assert!(waits.as_mut().now_or_never().is_none());
        assert_eq!(idle.ends_in(), Some(Duration::ZERO));
        assert!(idle.is_done());
        assert!(!busy.is_done(), "what is asked comes to its end");
        drop(busy.visit().unwrap());
        advance(SHARE).await;
        assert!(busy.visit().is_none());
        drop(visit);
        assert!(busy.done.notified().now_or_never().is_some());
        advance(LET_GO).await;
        assert!(busy.is_done());
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_wait_any_more_is_not_waited_for() {
        let queue = Arc::<Queue>::default();
        let sitting = sitting_of(3_600, queue.clone());
        {
            let waits = queue.wait();
            tokio::pin!(waits);
            assert!(waits.as_mut().now_or_never().is_none());
            advance(SHARE).await;
            assert!(waits.as_mut().now_or_never().is_none());
            assert!(sitting.visit().is_none());
        }
        assert!(sitting.visit().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn in_the_second_half_of_its_time_it_takes_no_more_and_ends_after_its_last() {
        let sitting = sitting(60);
        let (long, told) = (sitting.visit().unwrap(), Arc::clone(&sitting.done));
        advance(Duration::from_secs(10)).await;
        drop(sitting.visit().unwrap());
        assert_eq!(sitting.ends_in(), None, "one is there still");
        advance(Duration::from_secs(20)).await;
        assert!(sitting.visit().is_none());
        assert!(!sitting.is_done());
        assert!(told.notified().now_or_never().is_none());
        drop(long);
        assert!(
            told.notified().now_or_never().is_some(),
            "it is told at once"
        );
        assert_eq!(sitting.ends_in(), Some(Duration::ZERO));
        assert!(sitting.is_done());
    }
}
