//! The rows of all triggers, and what is next of them: found without a look at what is at rest.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    fmt,
    sync::{Arc, Weak},
};

use aion_abi::date::UnixMillis;
use aion_kernel::{InstanceUid, Millis};

use super::row::{Moment, Row};

/// Deliveries of a hook that are known again. More than a hook takes in the ten minutes in which a signature
/// counts.
const SEEN: usize = 2048;
/// Ends of turns that are: more than there are kept turns of an agent, of which one is heard again.
const ENDS: usize = 256;
/// Deliveries that a hook takes at once, and the time after which it takes one more.
const BURST: u32 = 60;
const PACE_MS: u64 = 500;

/// A trigger's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Id {
    /// `namespace/agent`.
    pub(super) agent: Arc<str>,
    pub(super) name: Arc<str>,
}

impl Id {
    pub(super) fn new(agent: &str, name: &str) -> Self {
        Self {
            agent: agent.into(),
            name: name.into(),
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.agent, self.name)
    }
}

/// A row, and what is known of it while the daemon runs.
#[derive(Debug, Default)]
pub(super) struct Entry {
    pub(super) row: Row,
    /// What came, oldest first.
    seen: VecDeque<String>,
    /// Of these, what is not on the disk.
    pub(super) unsaved: Vec<String>,
    /// The instance that it was last looked at for.
    pub(super) of: Option<InstanceUid>,
    /// Held by whoever asks for its turn now: one who breaks off holds nothing.
    asked_by: Weak<()>,
    /// A secret of it was missing when one was last looked for.
    pub(super) lacks_secret: bool,
    date: Option<UnixMillis>,
    time: Option<Millis>,
    source: Option<Arc<str>>,
    /// Deliveries that it takes, and since when.
    room: Option<(u32, Millis)>,
}

impl Entry {
    pub(super) fn of(row: Row, seen: VecDeque<String>) -> Self {
        Self {
            row,
            seen,
            ..Self::default()
        }
    }

    pub(super) fn has_seen(&self, id: &str) -> bool {
        self.seen.iter().any(|it| it == id)
    }

    pub(super) fn see(&mut self, id: String) {
        self.unsaved.push(id.clone());
        self.remember(id);
    }

    pub(super) fn remember(&mut self, id: String) {
        self.seen.push_back(id);
        let most = if self.source.is_some() { ENDS } else { SEEN };
        let over = self.seen.len().saturating_sub(most);
        self.seen.drain(..over);
    }

    /// It was not taken after all.
    pub(super) fn unsee(&mut self, id: &str) {
        self.unsaved.retain(|it| it != id);
        self.seen.retain(|it| it != id);
    }

    pub(super) fn seen(&self) -> impl Iterator<Item = &String> {
        self.seen.iter()
    }

    /// Whether its turn is being asked for.
    pub(super) fn is_in_flight(&self) -> bool {
        self.asked_by.strong_count() > 0
    }

    /// Its turn is being asked for, as long as what is given lives.
    pub(super) fn fly(&mut self) -> Arc<()> {
        let by = Arc::new(());
        self.asked_by = Arc::downgrade(&by);
        by
    }

    /// Whether the question that `by` asks is this row's, and not one of a row before it.
    pub(super) fn is_asked_by(&self, by: &Arc<()>) -> bool {
        self.asked_by.as_ptr() == Arc::as_ptr(by)
    }

    /// When it is due, by its schedule.
    pub(super) fn due(&self) -> Option<UnixMillis> {
        self.date
    }

    /// Takes room for a delivery.
    ///
    /// # Errors
    /// In how many milliseconds there is some.
    pub(super) fn pace(&mut self, now: Millis) -> Result<(), u64> {
        let (left, since) = self.room.unwrap_or((BURST, now));
        let more = now.since(since) / PACE_MS;
        let left = left
            .saturating_add(u32::try_from(more).unwrap_or(BURST))
            .min(BURST);
        let since = if left == BURST {
            now
        } else {
            since.plus(more * PACE_MS)
        };
        self.room = Some((left.saturating_sub(1), since));
        match left {
            0 => Err(PACE_MS - now.since(since).min(PACE_MS)),
            _ => Ok(()),
        }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Table {
    rows: BTreeMap<Id, Entry>,
    dates: BTreeSet<(UnixMillis, Id)>,
    times: BTreeSet<(Millis, Id)>,
    sources: BTreeSet<(Arc<str>, Id)>,
    running: HashMap<u64, Id>,
}

impl Table {
    pub(super) fn put(&mut self, id: Id, entry: Entry) {
        self.remove(&id);
        self.rows.insert(id, entry);
    }

    pub(super) fn get(&self, id: &Id) -> Option<&Entry> {
        self.rows.get(id)
    }

    pub(super) fn get_mut(&mut self, id: &Id) -> Option<&mut Entry> {
        self.rows.get_mut(id)
    }

    pub(super) fn ids(&self) -> Vec<Id> {
        self.rows.keys().cloned().collect()
    }

    /// Those of an agent.
    pub(super) fn of_agent(&self, agent: &str) -> Vec<Id> {
        let from = Id::new(agent, "");
        let after = self.rows.range(from..).map(|(id, _)| id);
        after
            .take_while(|id| *id.agent == *agent)
            .cloned()
            .collect()
    }

    pub(super) fn remove(&mut self, id: &Id) {
        self.set_date(id, None);
        self.set_time(id, None);
        self.hear(id, None);
        if let Some(turn) = self.rows.remove(id).and_then(|it| it.row.running) {
            self.running.remove(&turn);
        }
    }

    pub(super) fn remove_agent(&mut self, agent: &str) -> Vec<Id> {
        let gone = self.of_agent(agent);
        gone.iter().for_each(|id| self.remove(id));
        gone
    }

    /// It is due by its schedule at this date.
    pub(super) fn set_date(&mut self, id: &Id, date: Option<UnixMillis>) {
        let Some(entry) = self.rows.get_mut(id) else {
            return;
        };
        if let Some(before) = std::mem::replace(&mut entry.date, date) {
            self.dates.remove(&(before, id.clone()));
        }
        self.dates.extend(date.map(|date| (date, id.clone())));
    }

    /// What waits of it is looked at again at this time.
    pub(super) fn set_time(&mut self, id: &Id, time: Option<Millis>) {
        let Some(entry) = self.rows.get_mut(id) else {
            return;
        };
        if let Some(before) = std::mem::replace(&mut entry.time, time) {
            self.times.remove(&(before, id.clone()));
        }
        self.times.extend(time.map(|time| (time, id.clone())));
    }

    /// It hears the ends of this agent's turns, or this device.
    pub(super) fn hear(&mut self, id: &Id, source: Option<Arc<str>>) {
        let Some(entry) = self.rows.get_mut(id) else {
            return;
        };
        if let Some(before) = std::mem::replace(&mut entry.source, source.clone()) {
            self.sources.remove(&(before, id.clone()));
        }
        self.sources
            .extend(source.map(|source| (source, id.clone())));
    }

    /// All that anybody hears.
    pub(super) fn sources(&self) -> impl Iterator<Item = &str> {
        self.sources.iter().map(|(source, _)| &**source)
    }

    /// Who hears the ends of an agent's turns, or a device.
    pub(super) fn hearers(&self, source: &str) -> Vec<Id> {
        let from = (Arc::from(source), Id::new("", ""));
        let after = self.sources.range(from..);
        after
            .take_while(|(it, _)| **it == *source)
            .map(|(_, id)| id.clone())
            .collect()
    }

    /// A turn of it runs.
    pub(super) fn runs(&mut self, id: &Id, turn: u64) {
        self.running.insert(turn, id.clone());
    }

    /// A turn ended: whose it was, if a trigger started it.
    pub(super) fn ended(&mut self, turn: u64) -> Option<Id> {
        let id = self.running.remove(&turn)?;
        if let Some(entry) = self.rows.get_mut(&id) {
            entry.row.running.take_if(|it| *it == turn);
        }
        Some(id)
    }

    /// Takes out of the lists what has come: those that are due by their schedule, and those that were to be looked at.
    pub(super) fn come(&mut self, now: Moment) -> (Vec<Id>, Vec<Id>) {
        let (mut due, mut looked) = (Vec::new(), Vec::new());
        while let Some((date, id)) = self.dates.first().filter(|it| it.0 <= now.date).cloned() {
            self.dates.remove(&(date, id.clone()));
            self.set_date(&id, None);
            due.push(id);
        }
        while let Some((time, id)) = self.times.first().filter(|it| it.0 <= now.at).cloned() {
            self.times.remove(&(time, id.clone()));
            self.set_time(&id, None);
            looked.push(id);
        }
        (due, looked)
    }

    /// Milliseconds to the next of both lists.
    pub(super) fn pause(&self, now: Moment) -> Option<u64> {
        let date = self.dates.first().map(|it| it.0.since(now.date));
        let time = self.times.first().map(|it| it.0.since(now.at));
        date.into_iter().chain(time).min()
    }

    pub(super) fn has_dates(&self) -> bool {
        !self.dates.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(names: &[&str]) -> (Table, Vec<Id>) {
        let mut table = Table::default();
        let ids: Vec<Id> = names.iter().map(|name| Id::new("home/a", name)).collect();
        for id in &ids {
            table.put(id.clone(), Entry::default());
        }
        (table, ids)
    }

    #[test]
    fn what_has_come_is_taken_once_and_the_next_is_known() {
        let (mut table, ids) = table(&["a", "b", "c"]);
        let at = |n| Moment {
            date: UnixMillis(n),
            at: Millis(n),
        };
        table.set_date(&ids[0], Some(UnixMillis(10)));
        table.set_date(&ids[1], Some(UnixMillis(20)));
        table.set_time(&ids[2], Some(Millis(15)));
        table.set_date(&ids[0], Some(UnixMillis(12)));
        assert_eq!(table.pause(at(5)), Some(7));
        assert_eq!(table.come(at(11)), (vec![], vec![]));
        assert_eq!(
            table.come(at(15)),
            (vec![ids[0].clone()], vec![ids[2].clone()])
        );
        assert_eq!(table.come(at(15)), (vec![], vec![]));
        table.remove(&ids[1]);
        assert_eq!(table.pause(at(15)), None);
    }

    #[test]
    fn those_that_hear_an_agent_and_those_of_one_are_found() {
        let (mut table, ids) = table(&["a", "b"]);
        table.put(Id::new("home/ab", "x"), Entry::default());
        table.hear(&ids[0], Some("home/z".into()));
        table.hear(&ids[1], Some("home/y".into()));
        table.hear(&ids[1], Some("home/z".into()));
        assert_eq!(table.hearers("home/z"), ids);
        assert_eq!(table.hearers("home/y"), []);
        assert_eq!(table.remove_agent("home/a"), ids);
        assert_eq!(table.hearers("home/z"), []);
        assert_eq!(table.ids().len(), 1);
    }

    #[test]
    fn a_hook_takes_a_burst_and_then_two_a_second() {
        let mut entry = Entry::default();
        let mut taken = |at| entry.pace(Millis(at));
        assert!((0..BURST).all(|_| taken(1000).is_ok()));
        assert_eq!(taken(1100), Err(400));
        assert_eq!(taken(1500), Ok(()));
        assert_eq!(taken(1500), Err(500));
        assert!((0..BURST).all(|_| taken(100_000).is_ok()));
        assert!(taken(100_000).is_err());
    }

    #[test]
    fn what_was_seen_is_bounded() {
        let mut entry = Entry::default();
        for n in 0..SEEN + 1 {
            entry.see(n.to_string());
        }
        assert!(!entry.has_seen("0"));
        assert!(entry.has_seen("1"));
        entry.unsee("1");
        assert!(!entry.has_seen("1"));
        entry.source = Some("home/a".into());
        entry.see("end".to_owned());
        assert_eq!(entry.seen().count(), ENDS);
    }
}
