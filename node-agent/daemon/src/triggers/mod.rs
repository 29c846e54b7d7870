//! Triggers: turns that nobody asks for at a terminal. A time has come, a signed delivery, the end of another agent's
//! turn.
//!
//! At rest a trigger is a row: what is durable of it ([`row`]), and at most one date and one time in the two lists that one task
//! waits for the first entries of ([`table`]). Every change is a line in a file ([`store`]) before its effect: a turn is asked under a
//! key made of trigger and occasion, so that a daemon that is killed in between asks the same question again and gets the turn
//! that there is. What may not enter: how a turn runs, who may ask, and what a driver does.

mod asking;
mod device;
mod ending;
mod firing;
mod hook;
mod row;
mod store;
mod table;
mod text;
mod told;

use std::{io, path::PathBuf, sync::Arc};

use aion_api::Trigger;
use aion_drivers::secrets::Secrets;
use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore};

use crate::{
    clock::{self, Clock},
    devices::Devices,
    instance::{Instance, Instances},
    shell::Handle,
    telemetry::Telemetry,
    turns::Turns,
};

pub(crate) use hook::Delivery;

use row::Moment;
use store::Store;
use table::{Id, Table};

/// Turns that are asked for at once.
const ASKING: usize = 16;

/// What triggers work with.
pub(crate) struct Parts {
    pub(crate) clock: Clock,
    pub(crate) turns: Turns,
    pub(crate) shell: Handle,
    pub(crate) instances: Instances,
    pub(crate) secrets: Arc<dyn Secrets>,
    pub(crate) devices: Devices,
    pub(crate) telemetry: Arc<Telemetry>,
}

/// See the module. Clones share it.
#[derive(Clone)]
pub(crate) struct Triggers {
    shared: Arc<Shared>,
}

struct Shared {
    parts: Parts,
    table: Mutex<Table>,
    store: Store,
    wake: Notify,
    asking: Semaphore,
}

impl Triggers {
    /// Those of an earlier daemon, in the file at `path`.
    ///
    /// # Errors
    /// It cannot be read or written.
    pub(crate) fn open(path: PathBuf, parts: Parts) -> io::Result<Self> {
        let (store, table) = Store::open(path)?;
        for id in table.ids() {
            let waits = table.get(&id).map(|it| it.row.uploads());
            let uploads = parts.turns.uploads();
            uploads.keep(&id.agent, &waits.unwrap_or_default());
        }
        Ok(Self {
            shared: Arc::new(Shared {
                parts,
                table: Mutex::new(table),
                store,
                wake: Notify::new(),
                asking: Semaphore::new(ASKING),
            }),
        })
    }

    /// Forgets the triggers of an agent that is gone.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) async fn erase(&self, agent: &str) -> io::Result<()> {
        let gone = self.shared.table.lock().remove_agent(agent);
        for id in gone {
            self.keep(&id).await?;
        }
        Ok(())
    }

    /// The last instance of an agent left this node, and the agent is elsewhere or rests.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) async fn left(&self, agent: &str) -> io::Result<()> {
        let date = self.now().date;
        let ids = self.shared.table.lock().of_agent(agent);
        for id in ids {
            if let Some(entry) = self.shared.table.lock().get_mut(&id) {
                entry.row.left = Some(date);
                entry.of = None;
            }
            self.keep(&id).await?;
        }
        Ok(())
    }

    /// Whoever goes away meanwhile leaves no write half done.
    async fn keep(&self, id: &Id) -> io::Result<()> {
        let (this, id) = (self.clone(), id.clone());
        let kept = async move { this.shared.store.keep(&id, &this.shared.table).await };
        tokio::spawn(kept).await.map_err(io::Error::other)?
    }

    fn now(&self) -> Moment {
        Moment {
            date: clock::date(),
            at: self.shared.parts.clock.now(),
        }
    }

    /// A trigger as its agent has it now, and the instance that it is for: the first replica's, where that is on this node and
    /// takes turns. The end of a turn is heard on the node where it ended, and so any replica there hears it.
    fn look(&self, id: &Id) -> Option<(Arc<Instance>, Trigger)> {
        let (namespace, agent) = id.agent.split_once('/')?;
        let of_agent = self.shared.parts.instances.of_agent(namespace, agent);
        let instance = of_agent.into_iter().next()?;
        let mut triggers = instance.spec().triggers.iter();
        let trigger = triggers.find(|it| it.name.as_deref() == Some(&id.name))?;
        let here = instance.spec().replica == 0 || trigger.event.is_some();
        let trigger = trigger.clone();
        here.then_some((instance, trigger))
    }
}
