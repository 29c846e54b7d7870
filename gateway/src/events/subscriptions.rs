//! The subscriptions of one socket: what of the feed is for which of them.

use std::collections::BTreeMap;

use aion_abi::{
    code::Code,
    event::{Cursor, Filter},
    problem::Problem,
};

use super::hub::Line;

/// Subscriptions of a socket, at most.
const MOST: usize = 32;
/// The longest name of one, in bytes.
const ID: usize = 64;
/// Kinds that one names, at most: there are not that many.
const KINDS: usize = 8;
/// The longest name of a namespace, in bytes.
const NAMESPACE: usize = 63;
/// Agents that one names, at most.
const AGENTS: usize = 32;
/// The longest name of an agent, with its namespace, in bytes.
const AGENT: usize = 320;

/// See the module.
#[derive(Default)]
pub(super) struct Subscriptions {
    all: BTreeMap<String, Subscription>,
}

/// One of them.
pub(super) struct Subscription {
    filter: Filter,
    /// Its name, as JSON.
    quoted: String,
    /// It has everything up to the line of this number in the ring of the hub.
    from: u64,
    /// And up to here, which that line may be behind.
    has: Option<Cursor>,
}

impl Subscription {
    /// One that has everything up to the line `from`.
    pub(super) fn of(id: &str, filter: Filter, from: u64) -> Self {
        Self {
            filter,
            quoted: serde_json::to_string(id).unwrap_or_default(),
            from,
            has: None,
        }
    }

    /// The same, where it has come to be.
    pub(super) fn at(self, from: u64, has: Cursor) -> Self {
        Self {
            from,
            has: Some(has),
            ..self
        }
    }

    fn wants(&self, line: &Line) -> bool {
        line.event().is_none_or(|event| self.filter.wants(event))
    }

    fn lacks(&self, number: u64, line: &Line) -> bool {
        let is_known = || self.has.is_some_and(|has| is_within(line.told.cursor, has));
        number > self.from && (line.event().is_none() || !is_known())
    }
}

impl Subscriptions {
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The names of those that are not ahead of the line of this number.
    pub(super) fn names_at(&self, number: u64) -> Vec<String> {
        let there = self.all.iter().filter(|(_, it)| it.from <= number);
        there.map(|(id, _)| id.clone()).collect()
    }

    /// Whether one may be put in, beside so many that are to come.
    ///
    /// # Errors
    /// A bound, by its name.
    pub(super) fn check(&self, id: &str, filter: &Filter, to_come: usize) -> Result<(), Problem> {
        named(id)?;
        let others = match self.all.contains_key(id) {
            true => 0,
            false => self.all.len(),
        };
        if others + to_come >= MOST {
            let what = format!(
                "there are {MOST} subscriptions already, as many as one connection may have"
            );
            return Err(refused(
                &what,
                "unsubscribe from one, or name more in one: kinds and agents are lists",
            ));
        }
        check(filter)
    }

    /// Puts one in; one of its name goes.
    pub(super) fn put(&mut self, id: String, subscription: Subscription) {
        self.all.insert(id, subscription);
    }

    /// Takes one out; whether it was there.
    pub(super) fn remove(&mut self, id: &str) -> bool {
        self.all.remove(id).is_some()
    }

    /// What is told of a line that has this number; nothing where it is for no subscription.
    pub(super) fn frame(&self, number: u64, line: &Line) -> Option<String> {
        let all = self.all.values();
        framed(
            all.filter(|it| it.lacks(number, line) && it.wants(line)),
            line,
        )
    }

    /// What is told of a line to one that is to come, and lacks it.
    pub(super) fn frame_of(&self, one: &Subscription, line: &Line) -> Option<String> {
        framed([one].into_iter().filter(|it| it.wants(line)), line)
    }
}

/// Whether it is a name of a subscription.
pub(super) fn named(id: &str) -> Result<(), Problem> {
    match id.is_empty() || id.len() > ID {
        false => Ok(()),
        true => Err(refused(
            "id is empty or too long",
            &format!("name it with 1 to {ID} bytes"),
        )),
    }
}

/// Whether what is told up to `has` has `cursor`.
pub(super) fn is_within(cursor: Cursor, has: Cursor) -> bool {
    cursor.epoch == has.epoch && cursor.seq <= has.seq
}

fn framed<'a>(wanted: impl Iterator<Item = &'a Subscription>, line: &Line) -> Option<String> {
    let mut text = String::with_capacity(line.members.len() + 64);
    for subscription in wanted {
        text.push_str(match text.is_empty() {
            true => "{\"id\":[",
            false => ",",
        });
        text.push_str(&subscription.quoted);
    }
    if text.is_empty() {
        return None;
    }
    text.push_str("],");
    text.push_str(&line.members);
    text.push('}');
    Some(text)
}

/// Whether a filter is within bounds, and can want anything.
///
/// # Errors
/// What is wrong with it, and where.
pub(super) fn check(filter: &Filter) -> Result<(), Problem> {
    if filter.kinds.len() > KINDS {
        return Err(refused(
            &format!("kinds names more than {KINDS}"),
            "name each once",
        ));
    }
    let namespace = filter.namespace.as_deref();
    let is_label = |it: &str| !it.is_empty() && it.len() <= NAMESPACE && !it.contains('/');
    if namespace.is_some_and(|it| !is_label(it)) {
        return Err(refused(
            &format!("namespace is empty, has a / or more than {NAMESPACE} bytes"),
            "name one as it is, or leave it out",
        ));
    }
    if filter.agents.len() > AGENTS {
        let what = format!("agents names more than {AGENTS}");
        return Err(refused(&what, "name fewer, or a namespace"));
    }
    let is_agent = |agent: &String| {
        let parts = agent.split_once('/');
        let whole = |it: &str| !it.is_empty() && !it.contains('/');
        agent.len() <= AGENT && parts.is_some_and(|(a, b)| whole(a) && whole(b))
    };
    let shown = |wrong: &String| wrong.chars().take(ID).collect::<String>();
    if let Some(wrong) = filter.agents.iter().find(|it| !is_agent(it)) {
        return Err(refused(
            &format!("agents: {:?} is not an agent", shown(wrong)),
            "name it as NAMESPACE/NAME, or as NAME",
        ));
    }
    let is_elsewhere = |it: &&String| namespace.is_some_and(|of| !is_of(it, of));
    match filter.agents.iter().find(is_elsewhere) {
        Some(wrong) => Err(refused(
            &format!("agents: {:?} is of another namespace", shown(wrong)),
            "name agents of the namespace, or leave it out",
        )),
        None => Ok(()),
    }
}

fn is_of(agent: &str, namespace: &str) -> bool {
    agent.split_once('/').is_some_and(|(of, _)| of == namespace)
}

pub(super) fn refused(what: &str, remedy: &str) -> Problem {
    Problem::new(Code::BadRequest, what).remedy(remedy)
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used)]
    use aion_abi::{
        date::UnixMillis,
        event::{Event, Happened, Item, Told},
    };
    use serde_json::{Value, json};

    use super::*;

    pub(in crate::events) fn event(agent: &str) -> Event {
        Event {
            at_ms: UnixMillis(1),
            agent: Some(agent.to_owned()),
            what: Happened::Log {
                incarnation: 1,
                source: "stdout".to_owned(),
                text: "\"\n".to_owned(),
            },
        }
    }

    /// A line of a log, as it is told.
    pub(in crate::events) fn told(epoch: u64, seq: u64) -> Told {
        Told {
            cursor: Cursor { epoch, seq },
            what: Item::Event(event("d/x")),
        }
    }

    fn line(seq: u64, agent: &str) -> Line {
        Line::of(Told {
            cursor: Cursor { epoch: 1, seq },
            what: Item::Event(event(agent)),
        })
    }

    fn agent(agent: &str) -> Filter {
        Filter {
            agents: vec![agent.to_owned()],
            ..Filter::default()
        }
    }

    fn put(all: &mut Subscriptions, id: &str, filter: Filter, from: u64) {
        all.put(id.to_owned(), Subscription::of(id, filter, from));
    }

    fn ids(frame: Option<String>) -> Value {
        let frame = frame.map(|it| serde_json::from_str::<Value>(&it).unwrap());
        frame.map_or(Value::Null, |it| it["id"].clone())
    }

    #[test]
    fn an_event_is_told_once_with_the_names_of_all_that_want_it() {
        let mut all = Subscriptions::default();
        put(&mut all, "a", agent("d/x"), 0);
        put(&mut all, "\"b\"", Filter::default(), 0);
        assert_eq!(ids(all.frame(1, &line(1, "d/x"))), json!(["\"b\"", "a"]));
        assert_eq!(ids(all.frame(2, &line(2, "d/y"))), json!(["\"b\""]));
        assert!(all.remove("\"b\"") && !all.remove("c"));
        assert_eq!(all.frame(3, &line(3, "d/y")), None);
        let told = all.frame(4, &line(4, "d/x")).unwrap();
        let told: Value = serde_json::from_str(&told).unwrap();
        assert_eq!(told["cursor"], "1-4");
        assert_eq!(told["event"]["text"], "\"\n");
    }

    #[test]
    fn what_was_caught_up_with_is_not_told_again() {
        let mut all = Subscriptions::default();
        put(&mut all, "old", Filter::default(), 0);
        let new = Subscription::of("new", agent("d/x"), 0);
        assert_eq!(ids(all.frame_of(&new, &line(4, "d/x"))), json!(["new"]));
        assert_eq!(all.frame_of(&new, &line(5, "d/y")), None);
        all.put("new".to_owned(), new.at(3, Cursor { epoch: 1, seq: 5 }));
        // By its cursor, and by its number whatever the cursor.
        assert_eq!(ids(all.frame(4, &line(5, "d/x"))), json!(["old"]));
        assert_eq!(ids(all.frame(3, &line(6, "d/x"))), json!(["old"]));
        assert_eq!(ids(all.frame(5, &line(6, "d/x"))), json!(["new", "old"]));
        // What is of no agent is told to those only that do not have it either.
        let away = Line::of(Told {
            cursor: Cursor { epoch: 1, seq: 2 },
            what: Item::Away {},
        });
        assert_eq!(ids(all.frame(3, &away)), json!(["old"]));
        assert_eq!(ids(all.frame(6, &away)), json!(["new", "old"]));
    }

    #[test]
    fn bounds_are_told_by_name() {
        let mut all = Subscriptions::default();
        let detail = |all: &Subscriptions, id: &str, filter: Filter| {
            all.check(id, &filter, 0).unwrap_err().detail
        };
        assert!(detail(&all, "", Filter::default()).starts_with("id "));
        assert!(detail(&all, &"x".repeat(65), Filter::default()).starts_with("id "));
        for wrong in [
            "x",
            "a/b/c",
            "/b",
            "a/",
            &format!("a/{}", "b".repeat(AGENT)),
        ] {
            let wrong = detail(&all, "a", agent(wrong));
            assert!(wrong.starts_with("agents: "), "{wrong}");
        }
        let many = Filter {
            agents: vec!["d/x".to_owned(); AGENTS + 1],
            ..Filter::default()
        };
        assert!(detail(&all, "a", many).contains("more than 32"));
        let kinds = Filter {
            kinds: vec![aion_abi::event::Kind::Log; KINDS + 1],
            ..Filter::default()
        };
        assert!(detail(&all, "a", kinds).starts_with("kinds "));
        for namespace in ["", "a/b", &"x".repeat(64)] {
            let filter = Filter {
                namespace: Some(namespace.to_owned()),
                ..Filter::default()
            };
            assert!(detail(&all, "a", filter).starts_with("namespace "));
        }
        let never = Filter {
            namespace: Some("x".to_owned()),
            ..agent("y/z")
        };
        assert!(detail(&all, "a", never).contains("another namespace"));
        for n in 0..MOST {
            put(&mut all, &n.to_string(), Filter::default(), 0);
        }
        assert!(detail(&all, "x", Filter::default()).contains("32 subscriptions"));
        // One of the same name takes the place of the other.
        assert_eq!(all.check("0", &agent("d/x"), 0), Ok(()));
    }
}
