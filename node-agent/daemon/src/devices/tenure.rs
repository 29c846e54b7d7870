//! For how long this node may serve devices: in a cluster while its Lease was renewed lately, standing alone always.
//!
//! Reckoned by a clock that goes on while the machine sleeps, from before the renewal was sent. One that lapsed begins anew only
//! when all that was served in it has ended, and by what is known since. What may not enter: how a Lease is renewed.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::watch;

use crate::clock;

/// See the module. Clones share it.
#[derive(Clone)]
pub(crate) struct Tenure(Option<Renewed>);

#[derive(Clone)]
struct Renewed {
    told: watch::Receiver<Reign>,
    /// The number of the tenure that is served in.
    begun: Arc<AtomicU64>,
}

#[derive(Clone, Copy, Default)]
struct Reign {
    /// One more after each lapse.
    number: u64,
    /// Since the machine started; zero before the first renewal.
    until: Duration,
}

/// What makes it longer.
#[cfg(feature = "kubernetes")]
pub(crate) struct Renewals {
    holds: Duration,
    reign: watch::Sender<Reign>,
}

impl Tenure {
    /// That of a machine that stands alone.
    pub(crate) const fn endless() -> Self {
        Self(None)
    }

    /// One that holds so long after each renewal, and does not before the first.
    #[cfg(feature = "kubernetes")]
    pub(crate) fn renewed(holds: Duration) -> (Renewals, Self) {
        let (reign, told) = watch::channel(Reign::default());
        let begun = Arc::default();
        (
            Renewals { holds, reign },
            Self(Some(Renewed { told, begun })),
        )
    }

    /// Whether the node may serve devices now.
    pub(crate) fn holds(&self) -> bool {
        self.0.as_ref().is_none_or(Renewed::holds)
    }

    /// Begins one as soon as the Lease is renewed. Whatever was served in the last one has ended.
    #[cfg(feature = "kubernetes")]
    pub(crate) async fn begin(&mut self) {
        let Some(Renewed { told, begun }) = &mut self.0 else {
            return;
        };
        let renewed = told.wait_for(Reign::lasts).await;
        let Ok(number) = renewed.map(|it| it.number) else {
            // Nobody renews it any more.
            return std::future::pending().await;
        };
        begun.store(number, Ordering::SeqCst);
    }

    /// Resolves when it does not hold any more.
    #[cfg(feature = "kubernetes")]
    pub(crate) async fn lapsed(&mut self) {
        let Some(renewed) = &mut self.0 else {
            return std::future::pending().await;
        };
        while renewed.holds() {
            let until = renewed.told.borrow_and_update().until;
            let left = until.saturating_sub(clock::since_boot());
            tokio::select! {
                () = tokio::time::sleep(left) => {}
                changed = renewed.told.changed() => if changed.is_err() {
                    tokio::time::sleep(left).await;
                },
            }
        }
    }
}

impl Renewed {
    fn holds(&self) -> bool {
        let reign = *self.told.borrow();
        reign.lasts() && reign.number == self.begun.load(Ordering::SeqCst)
    }
}

impl Reign {
    fn lasts(&self) -> bool {
        clock::since_boot() < self.until
    }
}

#[cfg(feature = "kubernetes")]
impl Renewals {
    /// A renewal was taken that was sent at `begun`, since the machine started.
    pub(crate) fn taken(&self, begun: Duration) {
        self.reign.send_modify(|reign| {
            if !reign.lasts() {
                // The machine may have slept through it: nobody noticed yet.
                reign.number += 1;
            }
            reign.until = begun + self.holds;
        });
    }
}

#[cfg(all(test, feature = "kubernetes"))]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_tenure_holds_from_before_the_renewal_was_sent_and_no_longer() {
        let (renewals, mut tenure) = Tenure::renewed(MINUTE);
        assert!(!tenure.holds() && Tenure::endless().holds());
        renewals.taken(clock::since_boot());
        tenure.begin().await;
        assert!(tenure.holds());
        // The answer to one that was sent a minute ago.
        renewals.taken(clock::since_boot().saturating_sub(MINUTE));
        tenure.lapsed().await;
        assert!(!tenure.holds());
    }

    #[tokio::test]
    async fn one_that_lapsed_unnoticed_holds_no_more_though_the_lease_is_renewed() {
        let (renewals, mut tenure) = Tenure::renewed(MINUTE);
        renewals.taken(clock::since_boot());
        tenure.begin().await;
        // The machine slept, and its first renewal comes before anybody looks.
        renewals.taken(Duration::ZERO);
        renewals.taken(clock::since_boot());
        assert!(!tenure.holds());
        tenure.lapsed().await;
        tenure.begin().await;
        assert!(tenure.holds());
    }
}
