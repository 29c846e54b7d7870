//! The subscriptions of one socket: what of the feed is for which of them.

use std::collections::BTreeMap;

use aion_abi::{
    code::Code,
    event::{Cursor, Event, Filter},
    problem::Problem,
};

use super::{hub::Line, sight::Sight};

/// Subscriptions of a socket, at most.
const MOST: usize = 32;
/// The longest name of one, in bytes.
const ID: usize = 64;
/// Agents that one names, at most.
const AGENTS: usize = 32;
/// The longest name of an agent, with its namespace, in bytes.
const AGENT: usize = 320;

/// See the module.
pub(super) struct Subscriptions {
    all: BTreeMap<String, Subscription>,
    sight: Sight,
}

struct Subscription {
    filter: Filter,
    /// Its name, as JSON.
    quoted: String,
    /// It has everything up to here.
    has: Option<Cursor>,
}

impl Subscriptions {
    pub(super) fn of(sight: Sight) -> Self {
        Self {
            all: BTreeMap::new(),
            sight,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Puts one in; one of its name goes.
    ///
    /// # Errors
    /// A bound, by its name.
    pub(super) fn put(&mut self, id: &str, filter: Filter) -> Result<(), Problem> {
        if id.is_empty() || id.len() > ID {
            return Err(refused(
                "id is empty or too long",
                &format!("name it with 1 to {ID} bytes"),
            ));
        }
        if self.all.len() >= MOST && !self.all.contains_key(id) {
            let what = format!("there are {MOST} subscriptions already");
            return Err(refused(
                &what,
                "unsubscribe from one, or name more in one: kinds and agents are lists",
            ));
        }
        check(&filter)?;
        let subscription = Subscription {
            filter,
            quoted: serde_json::to_string(id).unwrap_or_default(),
            has: None,
        };
        self.all.insert(id.to_owned(), subscription);
        Ok(())
    }

    /// Takes one out; whether it was there.
    pub(super) fn remove(&mut self, id: &str) -> bool {
        self.all.remove(id).is_some()
    }

    /// It was told everything up to here.
    pub(super) fn has(&mut self, id: &str, cursor: Cursor) {
        if let Some(subscription) = self.all.get_mut(id) {
            subscription.has = Some(cursor);
        }
    }

    /// What is told of a line that everybody sees; nothing where it is for no subscription.
    pub(super) fn frame(&self, line: &Line) -> Option<String> {
        let Some(event) = line.event() else {
            return Some(line.text());
        };
        if !self.sight.sees(event) {
            return None;
        }
        let wanted = self.all.values().filter(|it| {
            !it.has.is_some_and(|has| is_within(line.told.cursor, has)) && it.filter.wants(event)
        });
        framed(wanted, line)
    }

    /// What is told of a line that one of them lacks, by its name.
    pub(super) fn frame_of(&self, id: &str, line: &Line) -> Option<String> {
        let one = self.all.get(id)?;
        let is_wanted = |event: &Event| self.sight.sees(event) && one.filter.wants(event);
        line.event()
            .is_none_or(is_wanted)
            .then(|| framed([one].into_iter(), line))?
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
    if filter.agents.len() > AGENTS {
        let what = format!("agents names more than {AGENTS}");
        return Err(refused(&what, "name fewer, or a namespace"));
    }
    let is_agent = |agent: &String| {
        let parts = agent.split_once('/');
        let whole = |it: &str| !it.is_empty() && !it.contains('/');
        agent.len() <= AGENT && parts.is_some_and(|(a, b)| whole(a) && whole(b))
    };
    match filter.agents.iter().find(|it| !is_agent(it)) {
        Some(wrong) => {
            let shown: String = wrong.chars().take(ID).collect();
            Err(refused(
                &format!("agents: {shown:?} is not an agent"),
                "name it as NAMESPACE/NAME, or as NAME",
            ))
        }
        None => Ok(()),
    }
}

pub(super) fn refused(what: &str, remedy: &str) -> Problem {
    Problem::new(Code::BadRequest, what).remedy(remedy)
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used)]
    use aion_abi::{
        date::UnixMillis,
        event::{Happened, Item, Told},
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

    fn ids(frame: Option<String>) -> Value {
        let frame = frame.map(|it| serde_json::from_str::<Value>(&it).unwrap());
        frame.map_or(Value::Null, |it| it["id"].clone())
    }

    #[test]
    fn an_event_is_told_once_with_the_names_of_all_that_want_it() {
        let mut all = Subscriptions::of(Sight);
        all.put("a", agent("d/x")).unwrap();
        all.put("\"b\"", Filter::default()).unwrap();
        assert_eq!(ids(all.frame(&line(1, "d/x"))), json!(["\"b\"", "a"]));
        assert_eq!(ids(all.frame(&line(2, "d/y"))), json!(["\"b\""]));
        assert!(all.remove("\"b\"") && !all.remove("c"));
        assert_eq!(all.frame(&line(3, "d/y")), None);
        let told: Value = serde_json::from_str(&all.frame(&line(4, "d/x")).unwrap()).unwrap();
        assert_eq!(told["cursor"], "1-4");
        assert_eq!(told["event"]["text"], "\"\n");
    }

    #[test]
    fn what_was_caught_up_with_is_not_told_again() {
        let mut all = Subscriptions::of(Sight);
        all.put("old", Filter::default()).unwrap();
        all.put("new", agent("d/x")).unwrap();
        assert_eq!(ids(all.frame_of("new", &line(4, "d/x"))), json!(["new"]));
        assert_eq!(all.frame_of("new", &line(5, "d/y")), None);
        all.has("new", Cursor { epoch: 1, seq: 5 });
        assert_eq!(ids(all.frame(&line(5, "d/x"))), json!(["old"]));
        assert_eq!(ids(all.frame(&line(6, "d/x"))), json!(["new", "old"]));
    }

    #[test]
    fn bounds_are_told_by_name() {
        let mut all = Subscriptions::of(Sight);
        let detail = |refused: Result<(), Problem>| refused.unwrap_err().detail;
        assert!(detail(all.put("", Filter::default())).starts_with("id "));
        assert!(detail(all.put(&"x".repeat(65), Filter::default())).starts_with("id "));
        for wrong in [
            "x",
            "a/b/c",
            "/b",
            "a/",
            &format!("a/{}", "b".repeat(AGENT)),
        ] {
            let wrong = detail(all.put("a", agent(wrong)));
            assert!(wrong.starts_with("agents: "), "{wrong}");
        }
        let many = Filter {
            agents: vec!["d/x".to_owned(); AGENTS + 1],
            ..Filter::default()
        };
        assert!(detail(all.put("a", many)).contains("more than 32"));
        for n in 0..MOST {
            all.put(&n.to_string(), Filter::default()).unwrap();
        }
        assert!(detail(all.put("x", Filter::default())).contains("32 subscriptions"));
        // One of the same name takes the place of the other.
        all.put("0", agent("d/x")).unwrap();
    }
}
