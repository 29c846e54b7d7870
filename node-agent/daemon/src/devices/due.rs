//! What was left out of loud devices, and is taken in when their share lets it.

use std::sync::{Arc, Weak};

use aion_kernel::Millis;
use tokio::time::sleep_until;

use super::{
    Shared,
    link::{Connected, Link},
};

/// Takes what was left out of a loud device, the last of each topic, when its share lets it. Holds nothing of the link while it
/// waits.
pub(super) async fn take(link: Weak<Link>, shared: Weak<Shared>) {
    loop {
        let Some((it, of)) = link.upgrade().zip(shared.upgrade()) else {
            return;
        };
        if matches!(*it.connection.read(), Connected::Closed) {
            return;
        }
        let now = of.now();
        let (heard, births, next) = it.registry(|registry| {
            let (heard, births) = (registry.take_due(now), registry.rebirths(now));
            (heard, births, registry.due())
        });
        it.heard(&of, heard, now);
        it.ask_for(births, &of.parts.tenure);
        let (clock, due) = (of.parts.clock, Arc::clone(&it.due));
        drop((it, of));
        let woken = async {
            match next {
                Some(at) => sleep_until(clock.instant(Millis(at)).into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = due.notified() => {}
            () = woken => {}
        }
    }
}
