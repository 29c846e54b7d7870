//! How devices stand, told to whoever keeps their status: of each as rarely as that asks for, however it flaps.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use aion_api::DeviceBrokerSpec;
use aion_device::Moment;
use aion_resolve::{
    Key,
    device::{LiveDevice, ResolvedDevice},
};
use futures::{StreamExt, stream::BoxStream};
use internment::ArcIntern;
use parking_lot::Mutex;
use tokio::{
    sync::Notify,
    time::{Instant, sleep},
};

use super::{Devices, Entry};

/// What changes at once is told together.
const TOGETHER: Duration = Duration::from_millis(200);

/// What is to become of a device here.
pub(crate) enum DeviceChange {
    /// It is to be listened to.
    Put(Arc<ResolvedDevice>),
    /// It is not.
    Gone {
        /// Which.
        key: Key,
        /// It is there no more; otherwise nobody knows what guards it.
        deleted: bool,
    },
    /// These are all there are, also those that are not to be listened to. Said as soon as all of them are known: what the kernel
    /// remembers of others is of devices that left while the node was down.
    All(BTreeSet<Key>),
    /// What devices announce at a broker is to be listened to, or no longer.
    Discover {
        /// Its namespace and name.
        broker: Key,
        /// How it is reached, as long as it is to be listened to.
        reached: Option<ArcIntern<DeviceBrokerSpec>>,
    },
}

/// Where devices come from, and who keeps their status.
pub(crate) trait DeviceSource: Send + Sync {
    /// All there are, and then what changes, together what changes together.
    fn devices(&self) -> BoxStream<'static, Vec<DeviceChange>>;

    /// What lies between two words on one device at least.
    fn pause(&self) -> Duration;

    /// How a device stands.
    fn stands(&self, device: &Key, live: LiveDevice);

    /// A device was taken away, and nothing leaves for it any more.
    fn stopped(&self, _device: &Key) {}
}

/// See the module.
#[derive(Default)]
pub(super) struct Standing {
    changed: Mutex<Told>,
    woken: Notify,
}

#[derive(Default)]
struct Told {
    open: BTreeSet<Key>,
    /// When each was told last, while it may not be told again.
    last: BTreeMap<Key, Instant>,
}

impl Standing {
    pub(super) fn changed(&self, device: &Key) {
        self.changed.lock().open.insert(device.clone());
        self.woken.notify_one();
    }

    /// Those that may be told now, and when the next may.
    fn due(&self, now: Instant, pause: Duration) -> (Vec<Key>, Option<Instant>) {
        let mut told = self.changed.lock();
        let Told { open, last } = &mut *told;
        last.retain(|_, at| *at + pause > now);
        let (due, later): (BTreeSet<_>, BTreeSet<_>) = std::mem::take(open)
            .into_iter()
            .partition(|it| !last.contains_key(it));
        last.extend(due.iter().map(|it| (it.clone(), now)));
        let next = later.iter().filter_map(|it| last.get(it)).min();
        let next = next.map(|at| *at + pause);
        *open = later;
        (due.into_iter().collect(), next)
    }
}

impl Devices {
    /// Listens to what a source has, and tells it how that stands.
    pub(crate) async fn follow(self, source: Arc<dyn DeviceSource>) {
        let mut changes = source.devices();
        let mut next: Option<Instant> = None;
        loop {
            let until = async {
                match next {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                change = changes.next() => match change {
                    Some(changed) => {
                        for stopping in self.change(changed) {
                            let source = Arc::clone(&source);
                            tokio::spawn(async move { source.stopped(&stopping.stopped().await) });
                        }
                    }
                    None => return,
                },
                () = self.0.standing.woken.notified() => {
                    sleep(TOGETHER).await;
                    next = self.tell(&*source);
                }
                () = until => next = self.tell(&*source),
            }
        }
    }

    fn tell(&self, source: &dyn DeviceSource) -> Option<Instant> {
        let (due, next) = self.0.standing.due(Instant::now(), source.pause());
        for key in due {
            let entry = self.0.table.read().devices.get(&key).cloned();
            if let Some(entry) = entry {
                source.stands(&key, live(&entry, self.0.now()));
            }
        }
        next
    }
}

fn live(entry: &Entry, now: Moment) -> LiveDevice {
    let key = entry.device.compiled.key();
    let (reach, last_seen) = entry
        .link
        .registry(|it| (it.reach(key), it.last_seen(key, now)));
    LiveDevice {
        reach: reach.unwrap_or_default(),
        away: entry.link.away(),
        refused: entry.link.refused(&entry.device),
        silent: entry.link.asked().and_then(|it| it.silent()),
        last_seen,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn a_device_that_flaps_is_told_once_a_minute_and_its_last_state_is_not_lost() {
        let standing = Standing::default();
        let (lamp, lock) = (Key::new("home", "lamp"), Key::new("home", "lock"));
        let mut told = Vec::new();
        for second in 0..150 {
            standing.changed(&lamp);
            if second == 70 {
                standing.changed(&lock);
            }
            let (due, _) = standing.due(Instant::now(), MINUTE);
            told.extend(due.into_iter().map(|it| (second, it.name)));
            sleep(Duration::from_secs(1)).await;
        }
        let lamp = |second| (second, "lamp".to_owned());
        let expected = [lamp(0), lamp(60), (70, "lock".to_owned()), lamp(120)];
        assert_eq!(told, expected);
        let (due, next) = standing.due(Instant::now(), MINUTE);
        assert!(due.is_empty());
        assert_eq!(next, Some(Instant::now() + Duration::from_secs(30)));
        sleep(Duration::from_secs(30)).await;
        assert_eq!(
            standing.due(Instant::now(), MINUTE).0,
            [lamp(0).1].map(|it| Key::new("home", &it))
        );
    }
}
