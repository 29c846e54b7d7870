//! How every instance stands, and the writing of it upwards: one writer an instance, so that an older word
//! never arrives after a newer one.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use aion_api::{AgentInstance, AgentInstanceStatus};
use aion_backoff::Backoff;
use parking_lot::Mutex;

use super::{InstanceSource, SourceError};
use crate::instance::ByAgent;

/// Before something is tried again.
pub(super) const PAUSES: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));

/// How an instance stands, for whoever asks.
#[derive(Debug, Clone)]
pub struct Standing {
    /// As the source gave it.
    pub instance: Arc<AgentInstance>,
    /// As it was last judged.
    pub status: Arc<AgentInstanceStatus>,
}

/// All standings, by uid. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Standings(Arc<Mutex<Table>>);

#[derive(Debug, Default)]
struct Table {
    all: HashMap<Arc<str>, Standing>,
    by_agent: ByAgent<Arc<str>>,
    /// The source has told of all instances since the start.
    complete: bool,
    /// Those whose status is being written.
    written: HashSet<String>,
}

impl Standings {
    /// All of them, in no order.
    pub fn all(&self) -> Vec<Standing> {
        self.0.lock().all.values().cloned().collect()
    }

    /// All of them, once the source has told of all since the start; before, nobody knows what is missing.
    pub fn complete(&self) -> Option<Vec<Standing>> {
        let table = self.0.lock();
        table
            .complete
            .then(|| table.all.values().cloned().collect())
    }

    pub(crate) fn be_complete(&self) {
        self.0.lock().complete = true;
    }

    /// Those of an agent, by replica. Costs what there are of it.
    pub fn of_agent(&self, namespace: &str, agent: &str) -> Vec<Standing> {
        let belongs = |it: &&Standing| {
            it.instance.metadata.namespace.as_deref() == Some(namespace)
                && it.instance.spec.agent.name == agent
        };
        let table = self.0.lock();
        let of_agent = table.by_agent.of(namespace, agent);
        let standings = of_agent.filter_map(|uid| table.all.get(uid));
        let mut found: Vec<_> = standings.filter(belongs).cloned().collect();
        found.sort_by_key(|it| it.instance.spec.replica);
        found
    }

    pub(super) fn put(&self, uid: &str, standing: Standing) {
        let mut table = self.0.lock();
        let uid = table.remove(uid).unwrap_or_else(|| uid.into());
        let (namespace, agent) = named(&standing.instance);
        table.by_agent.insert(namespace, agent, Arc::clone(&uid));
        table.all.insert(uid, standing);
    }

    pub(super) fn remove(&self, uid: &str) {
        self.0.lock().remove(uid);
    }

    /// Has the newest status of `uid` written, and every newer one after it.
    pub(super) fn write_up(&self, uid: &str, source: &Arc<dyn InstanceSource>) {
        if self.0.lock().written.insert(uid.to_owned()) {
            let (standings, source, uid) = (self.clone(), Arc::clone(source), uid.to_owned());
            tokio::spawn(async move { standings.write(&*source, &uid).await });
        }
    }

    async fn write(&self, source: &dyn InstanceSource, uid: &str) {
        let mut pauses = PAUSES;
        let mut done = None;
        while let Some(Standing { instance, status }) = self.unwritten(uid, done.as_ref()) {
            match source.patch_status(&instance, Arc::clone(&status)).await {
                Ok(()) | Err(SourceError::Gone) => {}
                Err(error) => {
                    error.tell("the status is written later", uid);
                    tokio::time::sleep(pauses.pause()).await;
                    continue;
                }
            }
            pauses.reset();
            done = Some(status);
        }
    }

    /// What is still to be written after `done`. `None` ends the writer, in the same breath in which it was
    /// seen that nothing is left.
    fn unwritten(&self, uid: &str, done: Option<&Arc<AgentInstanceStatus>>) -> Option<Standing> {
        let mut table = self.0.lock();
        let newest = table.all.get(uid).filter(|it| Some(&it.status) != done);
        let newest = newest.cloned();
        if newest.is_none() {
            table.written.remove(uid);
        }
        newest
    }
}

impl Table {
    fn remove(&mut self, uid: &str) -> Option<Arc<str>> {
        let (uid, gone) = self.all.remove_entry(uid)?;
        let (namespace, agent) = named(&gone.instance);
        self.by_agent.remove(namespace, agent, &uid);
        Some(uid)
    }
}

fn named(instance: &AgentInstance) -> (&str, &str) {
    let namespace = instance.metadata.namespace.as_deref();
    (namespace.unwrap_or_default(), &instance.spec.agent.name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::atomic::{AtomicBool, Ordering};

    use aion_api::InstancePhase;
    use aion_policy::Trust;
    use futures::{future::BoxFuture, stream::BoxStream};
    use tokio::sync::{Semaphore, mpsc};

    use super::super::Change;
    use super::*;

    /// Takes a status whenever the test lets it, and is unavailable when the test says so.
    struct Slow {
        let_through: Semaphore,
        down: AtomicBool,
        told: mpsc::UnboundedSender<InstancePhase>,
    }

    impl InstanceSource for Slow {
        fn watch(&self) -> BoxStream<'static, Change> {
            Box::pin(futures::stream::pending())
        }

        fn patch_status<'a>(
            &'a self,
            _: &'a AgentInstance,
            status: Arc<AgentInstanceStatus>,
        ) -> BoxFuture<'a, Result<(), SourceError>> {
            Box::pin(async move {
                self.let_through.acquire().await.unwrap().forget();
                if self.down.load(Ordering::SeqCst) {
                    return Err(SourceError::Unavailable("down".into()));
                }
                self.told.send(status.phase).unwrap();
                Ok(())
            })
        }

        fn released<'a>(&'a self, _: &'a AgentInstance) -> BoxFuture<'a, Result<(), SourceError>> {
            Box::pin(async { Ok(()) })
        }

        fn agent_is_gone<'a>(
            &'a self,
            _: &'a AgentInstance,
        ) -> BoxFuture<'a, Result<bool, SourceError>> {
            Box::pin(async { Ok(false) })
        }

        fn trust(&self, _: &str) -> Trust {
            Trust::default()
        }
    }

    fn standing(phase: InstancePhase) -> Standing {
        Standing {
            instance: Arc::default(),
            status: Arc::new(AgentInstanceStatus {
                phase,
                ..AgentInstanceStatus::default()
            }),
        }
    }

    fn slow() -> (Arc<Slow>, mpsc::UnboundedReceiver<InstancePhase>) {
        let (told, heard) = mpsc::unbounded_channel();
        let source = Slow {
            let_through: Semaphore::new(0),
            down: AtomicBool::new(false),
            told,
        };
        (Arc::new(source), heard)
    }

    #[tokio::test]
    async fn a_newer_status_is_written_after_the_older_and_those_between_are_not_written() {
        let (source, mut heard) = slow();
        let dynamic: Arc<dyn InstanceSource> = source.clone();
        let standings = Standings::default();
        standings.put("a", standing(InstancePhase::Preparing));
        standings.write_up("a", &dynamic);
        source.let_through.add_permits(1);
        assert_eq!(heard.recv().await, Some(InstancePhase::Preparing));
        for phase in [
            InstancePhase::Pending,
            InstancePhase::Failed,
            InstancePhase::Ready,
        ] {
            standings.put("a", standing(phase));
            standings.write_up("a", &dynamic);
        }
        source.let_through.add_permits(8);
        assert_eq!(heard.recv().await, Some(InstancePhase::Ready));
        assert!(heard.try_recv().is_err());
    }

    #[tokio::test]
    async fn a_status_that_cannot_be_written_is_written_when_the_source_is_back() {
        let (source, mut heard) = slow();
        let dynamic: Arc<dyn InstanceSource> = source.clone();
        source.down.store(true, Ordering::SeqCst);
        source.let_through.add_permits(1);
        let standings = Standings::default();
        standings.put("a", standing(InstancePhase::Ready));
        standings.write_up("a", &dynamic);
        while source.let_through.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert!(heard.try_recv().is_err());
        source.let_through.add_permits(1);
        source.down.store(false, Ordering::SeqCst);
        assert_eq!(heard.recv().await, Some(InstancePhase::Ready));
    }
}
