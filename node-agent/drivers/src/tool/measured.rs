//! What a tool's process uses while a call is under way. A process serves several calls at once, and what it holds cannot
//! be told apart by them: each call is told the most that was held while it was under way. What may not enter: who asks
//! the kernel for it.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;

use super::StdioGuard;

/// The calls of one process that are under way.
#[derive(Default)]
pub(super) struct Measured {
    /// Held while it is asked, so that no part of the time is asked twice.
    asking: tokio::sync::Mutex<()>,
    calls: Mutex<Calls>,
}

#[derive(Default)]
struct Calls {
    next: u64,
    peaks: HashMap<u64, u64>,
}

/// A call under way. Dropped, it is measured no more.
pub(super) struct Call {
    measured: Arc<Measured>,
    number: u64,
    killed_before: u64,
}

/// What was used during a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DuringCall {
    /// The most memory, in bytes.
    pub(super) peak_bytes: u64,
    /// The limit, where a process was ended for want of memory meanwhile.
    pub(super) out_of_memory: Option<u64>,
}

impl Measured {
    /// A call begins; `None` where nobody can say what its process uses.
    pub(super) async fn begin(self: &Arc<Self>, process: &dyn StdioGuard) -> Option<Call> {
        let _alone = self.asking.lock().await;
        let used = process.used().await?;
        let mut calls = self.calls.lock();
        calls.saw(used.peak_bytes);
        let number = calls.next;
        calls.next += 1;
        calls.peaks.insert(number, 0);
        Some(Call {
            measured: Arc::clone(self),
            number,
            killed_before: used.killed_for_memory,
        })
    }
}

impl Calls {
    /// So much was held since it was asked last: in the time of all that are under way.
    fn saw(&mut self, bytes: Option<u64>) {
        for peak in self.peaks.values_mut() {
            *peak = (*peak).max(bytes.unwrap_or(0));
        }
    }
}

impl Call {
    /// It ended.
    pub(super) async fn end(self, process: &dyn StdioGuard) -> Option<DuringCall> {
        let _alone = self.measured.asking.lock().await;
        let used = process.used().await?;
        let mut calls = self.measured.calls.lock();
        calls.saw(used.peak_bytes);
        let killed = used.killed_for_memory > self.killed_before;
        Some(DuringCall {
            peak_bytes: calls.peaks.get(&self.number).copied().unwrap_or(0),
            out_of_memory: killed.then_some(used.most_bytes).flatten(),
        })
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.measured.calls.lock().peaks.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use futures::future::{BoxFuture, ready};

    use super::super::{ProcessUse, StdioGuard};
    use super::*;

    /// A process that used this since it was asked last, one after the other.
    struct Uses(Mutex<Vec<(u64, u64)>>);

    impl StdioGuard for Uses {
        fn said(&self) -> String {
            String::new()
        }

        fn used(&self) -> BoxFuture<'_, Option<ProcessUse>> {
            let (peak, killed_for_memory) = self.0.lock().remove(0);
            Box::pin(ready(Some(ProcessUse {
                peak_bytes: Some(peak),
                killed_for_memory,
                most_bytes: Some(1000),
            })))
        }
    }

    #[tokio::test]
    async fn each_call_is_told_the_most_that_was_held_in_its_own_time() {
        // Before the first call; in it alone; while both ran; in the second alone.
        let process = Uses(Mutex::new(vec![(900, 0), (50, 0), (70, 0), (20, 1)]));
        let measured = Arc::<Measured>::default();
        let first = measured.begin(&process).await.unwrap();
        let second = measured.begin(&process).await.unwrap();
        let of_first = first.end(&process).await.unwrap();
        assert_eq!((of_first.peak_bytes, of_first.out_of_memory), (70, None));
        let of_second = second.end(&process).await.unwrap();
        assert_eq!(
            (of_second.peak_bytes, of_second.out_of_memory),
            (70, Some(1000))
        );
        assert!(measured.calls.lock().peaks.is_empty());
    }
}
