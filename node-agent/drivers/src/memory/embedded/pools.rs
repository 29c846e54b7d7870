//! Which pools are open: opened by their first call, closed when unused or when there are too many.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::{Mutex, RwLock};

use super::{
    super::failure::MemoryError,
    fault::{Fault, told_io},
    place::{self, Place, Shelf},
    pool::OpenPool,
    scrub,
};

pub(super) struct Pools {
    root: PathBuf,
    most: usize,
    idle: Duration,
    open: Arc<AtomicUsize>,
    slots: Mutex<HashMap<Shelf, Arc<Slot>>>,
}

/// The place of a tier of a pool, open or not. It exists while the pool is open or somebody is at it.
pub(super) struct Slot {
    place: Arc<Place>,
    /// Readers of the gate use the pool, its writer opens, closes or erases it.
    gate: RwLock<Option<OpenPool>>,
    open: Arc<AtomicUsize>,
    used: Mutex<Instant>,
    /// A task is making vectors that are missing.
    pub(super) backfilling: AtomicBool,
}

impl Pools {
    pub(super) fn open(root: PathBuf, most: usize, idle: Duration) -> Result<Self, MemoryError> {
        // Without links: SQLite is told to follow none.
        let root = place::prepare(&root).map_err(|error| match error.kind() {
            std::io::ErrorKind::StorageFull => MemoryError::Full("store".into()),
            _ => MemoryError::Unusable {
                pool: "store".into(),
                file: "memory".into(),
                why: error.to_string(),
            },
        })?;
        Ok(Self {
            root,
            most,
            idle,
            open: Arc::default(),
            slots: Mutex::default(),
        })
    }

    pub(super) fn slot(&self, shelf: &Shelf) -> Result<Arc<Slot>, MemoryError> {
        let mut slots = self.slots.lock();
        if let Some(slot) = slots.get(shelf) {
            return Ok(slot.clone());
        }
        let slot = Arc::new(Slot {
            place: Arc::new(Place::new(&self.root, shelf)?),
            gate: RwLock::default(),
            open: self.open.clone(),
            used: Mutex::new(Instant::now()),
            backfilling: AtomicBool::new(false),
        });
        slots.insert(shelf.clone(), slot.clone());
        Ok(slot)
    }

    pub(super) fn open_count(&self) -> usize {
        self.open.load(Ordering::Acquire)
    }

    /// Closes the longest unused pools while there are too many. Pools in use stay.
    pub(super) fn make_room(&self) {
        if self.open_count() <= self.most {
            return;
        }
        let mut unused: Vec<_> = self
            .slots
            .lock()
            .values()
            .cloned()
            .map(|slot| (slot.last_used(), slot))
            .collect();
        unused.sort_unstable_by_key(|(used, _)| *used);
        for (_, slot) in unused {
            if self.open_count() <= self.most {
                break;
            }
            slot.close();
        }
        self.forget_closed();
    }

    /// Closes pools that were not used for long; answers how many stay open.
    pub(super) fn close_idle(&self) -> usize {
        let slots: Vec<_> = self.slots.lock().values().cloned().collect();
        for slot in slots {
            if slot.last_used().elapsed() >= self.idle {
                slot.close();
            }
        }
        self.forget_closed();
        self.open_count()
    }

    fn forget_closed(&self) {
        // A slot that only the map holds is nobody's: clones are made under the map's lock.
        self.slots
            .lock()
            .retain(|_, slot| Arc::strong_count(slot) > 1 || slot.is_open());
    }
}

impl Slot {
    /// Runs `work` on the pool, making and opening it where needed.
    pub(super) fn with<T>(
        &self,
        work: impl FnOnce(&OpenPool) -> Result<T, Fault>,
    ) -> Result<T, MemoryError> {
        self.run(true, work)?
            .ok_or_else(|| MemoryError::Busy(self.place.pool.clone()))
    }

    /// The same on a pool that is there; nothing where it is not.
    pub(super) fn with_existing<T>(
        &self,
        work: impl FnOnce(&OpenPool) -> Result<T, Fault>,
    ) -> Result<Option<T>, MemoryError> {
        self.run(false, work)
    }

    fn run<T>(
        &self,
        make: bool,
        work: impl FnOnce(&OpenPool) -> Result<T, Fault>,
    ) -> Result<Option<T>, MemoryError> {
        loop {
            {
                let gate = self.gate.read();
                if let Some(pool) = &*gate {
                    *self.used.lock() = Instant::now();
                    let done = work(pool).map_err(|fault| fault.told(&self.place));
                    *self.used.lock() = Instant::now();
                    return done.map(Some);
                }
            }
            let mut gate = self.gate.write();
            if gate.is_none() && !make && !self.place.exists() {
                return Ok(None);
            }
            self.open_in(&mut gate)?;
        }
    }

    /// Waits for whoever is at the pool, runs `work`, which erases items, and sees to it that no trace of
    /// them is on the disk; nothing where there is no pool.
    pub(super) fn erase_items(
        &self,
        work: impl FnOnce(&OpenPool) -> Result<u64, Fault>,
    ) -> Result<Option<u64>, MemoryError> {
        let mut gate = self.gate.write();
        if gate.is_none() && !self.place.exists() {
            return Ok(None);
        }
        let pool = self.open_in(&mut gate)?;
        let gone = work(pool).map_err(|fault| fault.told(&self.place))?;
        if let Some(pool) = gate.take() {
            self.open.fetch_sub(1, Ordering::AcqRel);
            *gate = Some(
                self.scrubbed(pool)
                    .map_err(|fault| fault.told(&self.place))?,
            );
            self.open.fetch_add(1, Ordering::AcqRel);
        }
        *self.used.lock() = Instant::now();
        Ok(Some(gone))
    }

    /// Waits for whoever is at the pool, then takes it off the disk.
    pub(super) fn erase(&self) -> Result<(), MemoryError> {
        let mut gate = self.gate.write();
        self.drop_pool(&mut gate);
        self.place.erase().map_err(|source| MemoryError::NotErased {
            pool: self.place.pool.clone(),
            source,
        })
    }

    /// Opens the pool where it is closed. One that was left with traces of what was erased is scrubbed first.
    fn open_in<'a>(&self, gate: &'a mut Option<OpenPool>) -> Result<&'a OpenPool, MemoryError> {
        if gate.is_none() {
            if !self.place.exists() {
                self.place
                    .make()
                    .map_err(|error| told_io(&self.place, &error))?;
            }
            let told = |fault: Fault| fault.told(&self.place);
            let pool = OpenPool::open(self.place.clone())
                .and_then(|pool| self.scrubbed(pool))
                .map_err(told)?;
            self.open.fetch_add(1, Ordering::AcqRel);
            return Ok(gate.insert(pool));
        }
        gate.as_ref()
            .ok_or_else(|| MemoryError::Busy(self.place.pool.clone()))
    }

    /// The pool with no trace on the disk of what was erased.
    fn scrubbed(&self, pool: OpenPool) -> Result<OpenPool, Fault> {
        if !pool.is_unscrubbed()? {
            return Ok(pool);
        }
        pool.renew_separators()?;
        pool.close()?;
        scrub::scrub(&self.place.database)
            .map_err(|error| Fault::Known(told_io(&self.place, &error)))?;
        let pool = OpenPool::open(self.place.clone())?;
        pool.note_scrubbed()?;
        Ok(pool)
    }

    fn close(&self) {
        if let Some(mut gate) = self.gate.try_write() {
            self.drop_pool(&mut gate);
        }
    }

    fn drop_pool(&self, gate: &mut Option<OpenPool>) {
        if gate.take().is_some() {
            self.open.fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// A slot whose gate is held for writing counts as open: it may become so.
    fn is_open(&self) -> bool {
        self.gate.try_read().is_none_or(|gate| gate.is_some())
    }

    fn last_used(&self) -> Instant {
        *self.used.lock()
    }
}
