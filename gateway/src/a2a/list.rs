//! A list of tasks: the turns of the agent that whoever asks may see, as the node has them, filtered and in the order of the norm. What waits for
//! them is read once for all of a list.
//! What may not enter: whose turns are whose, which is the node's word.

use std::collections::BTreeMap;

use aion_abi::{admin::TurnRecord, approval::Approval, page::Part};

use super::{
    Target,
    fault::Fault,
    may_wait, sent,
    task::{self, Id},
    waiting::{asks, by_turn},
    wire::{State, TaskPage, Wanted},
};
use crate::gateway::problem;

/// How many tasks a page has where nobody says it, and at most.
const USUAL: usize = 50;
const MOST: usize = 100;
/// So many rows of the node are looked at, and not more; an agent has a few hundred.
const MAX_ROWS: usize = 5_000;

/// The page that is wanted.
pub(super) async fn tasks(target: &Target, wanted: Wanted) -> Result<TaskPage, Fault> {
    let filter = Filter::of(&wanted)?;
    // Refused here too: a task has no history that could be left out.
    sent::history(wanted.history_length)?;
    let mut rows = rows(target).await?;
    rows.retain(|it| filter.takes(it));
    rows.sort_by_key(|it| std::cmp::Reverse(place(it)));
    let total_size = rows.len();
    let mut left = rows
        .into_iter()
        .filter(|it| filter.after.is_none_or(|after| place(it) < after));
    let page: Vec<Row> = left.by_ref().take(filter.size).collect();
    let is_whole = left.next().is_none();
    let last = page.last().filter(|_| !is_whole).map(place);
    let next_page_token = last.map_or_else(String::new, |(at, turn)| format!("{at}-{turn}"));
    let mut tasks = Vec::new();
    for Row {
        mut record,
        waiting,
    } in page
    {
        let id = Id::new(record.turn, record.context.clone());
        if wanted.include_artifacts == Some(true) {
            let found = target.gateway.nodes.turn(id.turn).await;
            record = found.map_err(problem)?;
        }
        let mut task = task::of(&id, &record, target.gateway.base());
        // It may have ended since, where it was read again.
        if let Some(it) = waiting.filter(|_| record.outcome.is_none()) {
            task.status = asks(&id, &it);
        }
        if wanted.include_artifacts != Some(true) {
            task.artifacts.clear();
        }
        tasks.push(task);
    }
    Ok(TaskPage {
        page_size: tasks.len(),
        tasks,
        next_page_token,
        total_size,
    })
}

/// A turn, and what it waits for of who asks.
struct Row {
    record: TurnRecord,
    waiting: Option<Approval>,
}

impl Row {
    fn state(&self) -> State {
        match self.waiting {
            Some(_) => State::InputRequired,
            None => State::of(&self.record),
        }
    }
}

/// The turns of the agent.
async fn rows(target: &Target) -> Result<Vec<Row>, Fault> {
    let node = target.gateway.nodes.keeper()?;
    let (mut rows, mut part) = (Vec::new(), Part::default());
    loop {
        let page = node.turns(target.agent(), &part).await.map_err(problem)?;
        rows.extend(page.items);
        match page.next.filter(|_| rows.len() < MAX_ROWS) {
            Some(next) => part.after = Some(next),
            None => break,
        }
    }
    // What has not begun, or has ended, waits for nobody.
    let mut waiting = match rows.iter().find(|it| may_wait(it)) {
        Some(it) => by_turn(target.waiting(it.turn).await?),
        None => BTreeMap::new(),
    };
    let rows = rows.into_iter().map(|record| {
        let waiting = waiting.remove(&record.turn).filter(|_| may_wait(&record));
        Row { record, waiting }
    });
    Ok(rows.collect())
}

/// Where a turn stands: by when its state changed, and by its number among those of one moment.
fn place(row: &Row) -> (u64, u64) {
    let asked = row.waiting.as_ref().map(|it| it.asked_at_ms);
    let changed = asked.or_else(|| row.record.changed_at());
    (changed.unwrap_or_default().0, row.record.turn)
}

struct Filter {
    context: Option<String>,
    state: Option<State>,
    /// Not before this, in milliseconds.
    since: Option<u64>,
    size: usize,
    /// What comes after this place.
    after: Option<(u64, u64)>,
}

impl Filter {
    fn of(wanted: &Wanted) -> Result<Self, Fault> {
        let said = |text: &Option<String>| text.clone().filter(|it| !it.is_empty());
        if said(&wanted.tenant).is_some() {
            let remedy = "leave it out: the path says which agent is meant";
            return Err(Fault::params("tenant is not supported here", remedy));
        }
        let size = usize::try_from(wanted.page_size.unwrap_or(USUAL as i32)).unwrap_or_default();
        if !(1..=MOST).contains(&size) {
            let remedy = format!("say 1 to {MOST}, or leave it out for {USUAL}");
            return Err(Fault::params("pageSize is out of bounds", remedy));
        }
        Ok(Self {
            context: said(&wanted.context_id),
            state: said(&wanted.status)
                .map(|it| state(&it))
                .transpose()?
                .flatten(),
            since: said(&wanted.status_timestamp_after)
                .map(|it| since(&it))
                .transpose()?,
            size,
            after: said(&wanted.page_token).map(|it| token(&it)).transpose()?,
        })
    }

    fn takes(&self, row: &Row) -> bool {
        let id = Id::new(row.record.turn, row.record.context.clone());
        self.context.as_ref().is_none_or(|it| *it == id.context())
            && self.state.is_none_or(|it| it == row.state())
            && self.since.is_none_or(|it| place(row).0 >= it)
    }
}

/// The state that is meant; none for the one that says nothing. What a task is never here is one that no task is in.
fn state(name: &str) -> Result<Option<State>, Fault> {
    if name == "TASK_STATE_UNSPECIFIED" {
        return Ok(None);
    }
    let found = serde_json::from_value(name.into());
    found.map(Some).map_err(|_| {
        let what = format!(
            "status {:?} is not a state of a task",
            name.chars().take(80).collect::<String>()
        );
        Fault::params(
            what,
            "say one such as TASK_STATE_COMPLETED, or leave it out",
        )
    })
}

fn since(date: &str) -> Result<u64, Fault> {
    let read: Result<jiff::Timestamp, _> = date.parse();
    let read = read.map_err(|_| {
        let remedy = "say a date such as 2026-01-31T12:00:00Z";
        Fault::params("statusTimestampAfter is not a date", remedy)
    })?;
    Ok(u64::try_from(read.as_millisecond()).unwrap_or_default())
}

fn token(token: &str) -> Result<(u64, u64), Fault> {
    let read = token.split_once('-');
    let read = read.and_then(|(at, turn)| Some((at.parse().ok()?, turn.parse().ok()?)));
    read.ok_or_else(|| {
        let remedy = "send the nextPageToken of the page before, or leave it out for the first";
        Fault::params("pageToken is not that of a page", remedy)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::{Value, json};

    use super::*;

    fn filter(wanted: Value) -> Result<Filter, Fault> {
        Filter::of(&serde_json::from_value(wanted).unwrap())
    }

    fn row(more: &Value) -> Row {
        let mut record =
            json!({"turn": 7, "agent": "default/jarvis", "input": "?", "askedAtMs": 1_000});
        let fields = more.as_object().unwrap().clone();
        record.as_object_mut().unwrap().extend(fields);
        Row {
            record: serde_json::from_value(record).unwrap(),
            waiting: None,
        }
    }

    #[test]
    fn what_is_not_wanted_is_left_out() {
        let done = json!({"outcome": {"ok": true, "elapsedMs": 500}});
        let named = json!({"context": "my-context", "running": true});
        for (wanted, takes_done, takes_named) in [
            (json!({}), true, true),
            (
                json!({"contextId": "", "status": "", "pageToken": ""}),
                true,
                true,
            ),
            (json!({"status": "TASK_STATE_UNSPECIFIED"}), true, true),
            (json!({"contextId": "turn-7"}), true, false),
            (json!({"contextId": "my-context"}), false, true),
            (json!({"status": "TASK_STATE_COMPLETED"}), true, false),
            (json!({"status": "TASK_STATE_WORKING"}), false, true),
            (json!({"status": "TASK_STATE_INPUT_REQUIRED"}), false, false),
            (
                json!({"statusTimestampAfter": "1970-01-01T00:00:01.200Z"}),
                true,
                false,
            ),
            (
                json!({"statusTimestampAfter": "1970-01-01T00:00:01.5Z"}),
                true,
                false,
            ),
            (
                json!({"statusTimestampAfter": "1970-01-01T01:00:00Z"}),
                false,
                false,
            ),
        ] {
            let filter = filter(wanted.clone()).unwrap();
            let takes = [&done, &named].map(|it| filter.takes(&row(it)));
            assert_eq!(takes, [takes_done, takes_named], "{wanted}");
        }
    }

    #[test]
    fn what_waits_for_who_asks_is_asked_of_them_since_it_did() {
        let mut waits = row(&json!({"running": true}));
        let mut it = crate::approving::approval("{}");
        it.asked_at_ms = aion_abi::date::UnixMillis(1_300);
        waits.waiting = Some(it);
        for (wanted, takes) in [
            (json!({"status": "TASK_STATE_INPUT_REQUIRED"}), true),
            (json!({"status": "TASK_STATE_WORKING"}), false),
            (
                json!({"statusTimestampAfter": "1970-01-01T00:00:01.3Z"}),
                true,
            ),
            (
                json!({"statusTimestampAfter": "1970-01-01T00:00:01.4Z"}),
                false,
            ),
        ] {
            let filter = filter(wanted.clone()).unwrap();
            assert_eq!(filter.takes(&waits), takes, "{wanted}");
        }
        assert_eq!(place(&waits), (1_300, 7));
    }

    #[test]
    fn what_cannot_be_wanted_is_refused_by_its_field() {
        for (wanted, field) in [
            (json!({"pageSize": 0}), "pageSize"),
            (json!({"pageSize": 101}), "pageSize"),
            (json!({"pageSize": -1}), "pageSize"),
            (json!({"pageToken": "x"}), "pageToken"),
            (json!({"status": "done"}), "status"),
            (
                json!({"statusTimestampAfter": "today"}),
                "statusTimestampAfter",
            ),
            (json!({"tenant": "acme"}), "tenant"),
        ] {
            let refused = filter(wanted.clone()).err().unwrap().rpc();
            assert_eq!(refused["code"], -32602, "{wanted}");
            assert!(refused.to_string().contains(field), "{refused}");
        }
        assert_eq!(
            filter(json!({"pageToken": "12-7"})).unwrap().after,
            Some((12, 7))
        );
    }
}
