//! Which events are written, and which are only counted: one that is told again and again is one event with a count, and of
//! one object no more are made than a person reads. As client-go's recorders do it, by their figures. Pure: its clock is given.

use std::time::{Duration, Instant};

use k8s_openapi::jiff::Timestamp;

use super::recent::Recent;
use super::{Event, Told};

/// How many series, and objects, are remembered.
pub(super) const REMEMBERED: usize = 4096;
/// A series that was not told again for so long is over. Its count is written then, at the second time, and between them as
/// often.
const OVER: Duration = Duration::from_secs(360);
/// New events of one object at once, and after how long there may be one more.
const AT_ONCE: f64 = 25.0;
const ONE_MORE: Duration = Duration::from_secs(300);

/// A bucket of tokens.
#[derive(Debug)]
pub(super) struct Bucket {
    left: f64,
    at: Instant,
}

impl Bucket {
    pub(super) const fn full(of: f64, now: Instant) -> Self {
        Self { left: of, at: now }
    }

    /// Takes one, where there is one: it holds `most`, and another comes every `each`.
    pub(super) fn take(&mut self, most: f64, each: Duration, now: Instant) -> bool {
        let since = now.saturating_duration_since(self.at);
        self.at = now;
        self.left = (self.left + since.as_secs_f64() / each.as_secs_f64()).min(most);
        let has = self.left >= 1.0;
        if has {
            self.left -= 1.0;
        }
        has
    }
}

/// What is to be written.
#[derive(Debug, PartialEq)]
pub(super) enum Write {
    /// A new event.
    New(Box<Told>),
    /// How often an event was told.
    Again(Again),
}

impl Write {
    pub(super) fn namespace(&self) -> Option<&String> {
        match self {
            Self::New(told) => told.object.namespace.as_ref(),
            Self::Again(again) => again.namespace.as_ref(),
        }
    }

    /// The name of the event.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::New(told) => &told.name,
            Self::Again(again) => &again.name,
        }
    }
}

/// How often the event `name` was told.
#[derive(Debug, PartialEq)]
pub(super) struct Again {
    pub(super) namespace: Option<String>,
    pub(super) name: String,
    pub(super) count: i32,
    pub(super) last: Timestamp,
}

/// What becomes of what is told.
#[derive(Debug, PartialEq)]
pub(super) enum Outcome {
    /// It is written.
    Write(Write),
    /// It is counted, and the count is written later.
    Counted,
    /// Of this object there were too many.
    TooMany,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    object: Option<String>,
    kind: Option<String>,
    event: Event,
}

#[derive(Debug)]
struct Series {
    again: Again,
    written: i32,
    /// A write of it is not ended: no other may overtake it.
    on_way: bool,
    heard: Instant,
    wrote: Instant,
}

impl Series {
    /// The count, where it is another than the one that was written; it is on its way then.
    fn owes(&mut self, now: Instant) -> Option<Again> {
        let Again {
            namespace,
            name,
            count,
            last,
        } = &self.again;
        if self.on_way || *count == self.written {
            return None;
        }
        self.on_way = true;
        self.written = *count;
        self.wrote = now;
        Some(Again {
            namespace: namespace.clone(),
            name: name.clone(),
            count: *count,
            last: *last,
        })
    }

    /// The count, where it is that of the second time or a later one, and only the first time is written.
    fn owes_second(&mut self, now: Instant) -> Option<Again> {
        (self.written == 1).then(|| self.owes(now)).flatten()
    }
}

/// What was told lately.
pub(super) struct Book {
    series: Recent<Key, Series>,
    objects: Recent<Option<String>, Bucket>,
}

impl Book {
    pub(super) fn new() -> Self {
        Self {
            series: Recent::new(REMEMBERED),
            objects: Recent::new(REMEMBERED),
        }
    }

    /// Takes in what is told; with it the count of a series that is given up for it.
    pub(super) fn take(&mut self, told: Box<Told>, now: Instant) -> (Outcome, Option<Again>) {
        let key = key(&told);
        if let Some(series) = self.series.get(&key) {
            series.again.count = series.again.count.saturating_add(1);
            series.again.last = told.at;
            series.heard = now;
            let second = series.owes_second(now).map(Write::Again);
            return (second.map_or(Outcome::Counted, Outcome::Write), None);
        }
        let object = told.object.uid.clone();
        if self.objects.get(&object).is_none() {
            let bucket = Bucket::full(AT_ONCE, now);
            self.objects.insert(object.clone(), bucket);
        }
        let bucket = self.objects.get(&object);
        if !bucket.is_some_and(|it| it.take(AT_ONCE, ONE_MORE, now)) {
            return (Outcome::TooMany, None);
        }
        let series = Series {
            again: Again {
                namespace: told.object.namespace.clone(),
                name: told.name.clone(),
                count: 1,
                last: told.at,
            },
            written: 1,
            on_way: true,
            heard: now,
            wrote: now,
        };
        let given_up = self.series.insert(key, series);
        let owed = given_up.and_then(|mut it| it.owes(now));
        (Outcome::Write(Write::New(told)), owed)
    }

    /// What was on its way was written; returns the count of what was told again meanwhile, where it is to be written now.
    pub(super) fn written(&mut self, name: &str, now: Instant) -> Option<Again> {
        let series = self.named(name)?;
        series.on_way = false;
        series.owes_second(now)
    }

    /// The count that was on its way was not written: it is owed still.
    pub(super) fn unwritten(&mut self, name: &str) {
        if let Some(series) = self.named(name) {
            series.on_way = false;
            series.written = series.written.saturating_sub(1);
        }
    }

    fn named(&mut self, name: &str) -> Option<&mut Series> {
        self.series.values_mut().find(|it| it.again.name == name)
    }

    /// The event was not written: the next one of its kind is a first one.
    pub(super) fn lost(&mut self, name: &str) {
        self.series.retain(|it| it.again.name != name);
    }

    /// The counts that are to be written by now; what is over is forgotten.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Again> {
        let mut due = Vec::new();
        self.series.retain(|it| {
            if now.saturating_duration_since(it.wrote) >= OVER {
                due.extend(it.owes(now));
            }
            now.saturating_duration_since(it.heard) < OVER
        });
        due
    }

    /// Every count that is not written, nor on its way.
    pub(super) fn owed(&mut self, now: Instant) -> Vec<Again> {
        let mut owed = Vec::new();
        self.series.retain(|it| {
            owed.extend(it.owes(now));
            true
        });
        owed
    }
}

fn key(told: &Told) -> Key {
    Key {
        object: told.object.uid.clone().or_else(|| told.object.name.clone()),
        kind: told.object.kind.clone(),
        event: told.event.clone(),
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ObjectReference;

    use super::super::event;
    use super::*;

    fn told(object: &str, good: bool, note: &str, at: u32) -> Box<Told> {
        Box::new(Told {
            object: ObjectReference {
                kind: Some("Agent".to_owned()),
                name: Some(object.to_owned()),
                uid: Some(object.to_owned()),
                ..ObjectReference::default()
            },
            event: event(good, "Reason", note, "Ready"),
            name: format!("{object}.{at}"),
            at: Timestamp::UNIX_EPOCH,
        })
    }

    /// What is written when these are told, a second from one to the next, and each write ends at once.
    fn written(
        book: &mut Book,
        begin: Instant,
        all: impl IntoIterator<Item = Box<Told>>,
    ) -> Vec<String> {
        let mut written = Vec::new();
        for (told, second) in all.into_iter().zip(0..) {
            let now = begin + Duration::from_secs(second);
            let (outcome, owed) = book.take(told, now);
            written.extend(owed.iter().map(count));
            match &outcome {
                Outcome::Write(write) => {
                    written.push(words(write));
                    assert_eq!(book.written(write.name(), now), None);
                }
                Outcome::Counted => {}
                Outcome::TooMany => written.push("too many".to_owned()),
            }
        }
        written
    }

    fn words(write: &Write) -> String {
        match write {
            Write::New(told) => told.name.clone(),
            Write::Again(again) => count(again),
        }
    }

    fn count(again: &Again) -> String {
        format!("{} x{}", again.name, again.count)
    }

    #[test]
    fn what_flaps_is_two_series_whose_counts_are_written_at_the_second_time_and_when_they_are_over()
    {
        let (mut book, begin) = (Book::new(), Instant::now());
        let flaps = (0..200).map(|at| told("a", at % 2 == 0, "Ready", at));
        let first = written(&mut book, begin, flaps);
        assert_eq!(first, ["a.0", "a.1", "a.0 x2", "a.1 x2"]);
        let after = |seconds| begin + Duration::from_secs(seconds);
        assert_eq!(book.due(after(300)), []);
        let mut due: Vec<String> = book.due(after(400)).iter().map(count).collect();
        due.sort();
        assert_eq!(due, ["a.0 x100", "a.1 x100"]);
        assert_eq!(book.due(after(600)), [], "they are over");
        let again = written(&mut book, after(600), [told("a", true, "Ready", 7)]);
        assert_eq!(again, ["a.7"]);
    }

    #[test]
    fn a_series_that_goes_on_is_written_once_in_a_while() {
        let (mut book, begin) = (Book::new(), Instant::now());
        let mut writes = 0;
        for second in 0..3600 {
            let now = begin + Duration::from_secs(second);
            writes += written(&mut book, now, [told("a", true, "Ready", 0)]).len();
            for again in book.due(now) {
                writes += 1;
                assert_eq!(book.written(&again.name, now), None);
            }
        }
        assert!((2..=12).contains(&writes), "{writes}");
    }

    #[test]
    fn of_one_object_no_more_are_made_than_it_may_and_others_are_not_held_to_it() {
        let (mut book, begin) = (Book::new(), Instant::now());
        let many = (0..100).map(|at| told("a", true, &format!("note {at}"), at));
        let made = written(&mut book, begin, many);
        let refused = made.iter().filter(|it| *it == "too many").count();
        assert_eq!((made.len(), refused), (100, 75));
        let other = written(&mut book, begin, [told("b", true, "note", 1)]);
        assert_eq!(other, ["b.1"]);
        let later = begin + ONE_MORE + Duration::from_secs(200);
        assert_eq!(
            written(&mut book, later, [told("a", true, "later", 9)]),
            ["a.9"]
        );
    }

    #[test]
    fn what_is_remembered_is_bounded_and_the_count_of_what_is_given_up_is_written() {
        let (mut book, begin) = (Book::new(), Instant::now());
        let first = (0..4).map(|at| told("first", true, "Ready", at));
        assert_eq!(written(&mut book, begin, first), ["first.0", "first.0 x2"]);
        let mut owed = Vec::new();
        for at in 0..REMEMBERED {
            let (_, more) = book.take(told(&format!("o{at}"), true, "Ready", 0), begin);
            owed.extend(more);
        }
        assert_eq!(owed.iter().map(count).collect::<Vec<_>>(), ["first.0 x4"]);
    }

    #[test]
    fn an_event_that_was_not_written_is_made_anew() {
        let (mut book, begin) = (Book::new(), Instant::now());
        book.take(told("a", true, "Ready", 0), begin);
        book.lost("a.0");
        assert_eq!(
            written(&mut book, begin, [told("a", true, "Ready", 1)]),
            ["a.1"]
        );
    }

    #[test]
    fn no_count_overtakes_what_is_on_its_way_and_what_was_told_meanwhile_follows_it() {
        let (mut book, now) = (Book::new(), Instant::now());
        let tell = |book: &mut Book| book.take(told("a", true, "Ready", 0), now).0;
        assert!(matches!(tell(&mut book), Outcome::Write(Write::New(_))));
        assert_eq!(tell(&mut book), Outcome::Counted);
        assert_eq!(tell(&mut book), Outcome::Counted);
        assert_eq!(book.owed(now), []);
        let owed = book.written("a.0", now);
        assert_eq!(owed.iter().map(count).collect::<Vec<_>>(), ["a.0 x3"]);
        assert_eq!(tell(&mut book), Outcome::Counted);
        assert_eq!(book.owed(now), [], "one is on its way");
        book.unwritten("a.0");
        let owed: Vec<_> = book.owed(now).iter().map(count).collect();
        assert_eq!(owed, ["a.0 x4"]);
    }
}
