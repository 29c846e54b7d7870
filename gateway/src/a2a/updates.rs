//! A turn's events as updates of its task, in their order, each told once, through restarts of the node too.

use aion_abi::admin::{TurnEvent, TurnOutcome};
use aion_client::{Answer, New};
use serde_json::Map;

use super::{
    follow::News,
    task::{self, Id, about, answer, ended, file, said},
    waiting::{asks, has, waits},
    wire::{Artifact, ArtifactUpdate, State, Status, StatusUpdate, Update},
};
use crate::{asking::Heard, notes};

/// See the module.
pub(super) struct Updates {
    pub(super) id: Id,
    answer: Answer,
    is_started: bool,
    /// What the agent said beside its answer: how much was told, and how much the node has said since it began again.
    told: u32,
    said: u32,
    /// Of what the client knows to wait, so much is to come still: what comes before it is history.
    known: usize,
    /// The gateway's address.
    base: String,
}

impl Updates {
    pub(super) fn new(id: Id, base: &str) -> Self {
        Self {
            id,
            answer: Answer::default(),
            is_started: false,
            told: 0,
            said: 0,
            known: 0,
            base: base.to_owned(),
        }
    }

    /// The client knows of so many questions that wait: no history tells it that the task is at work.
    pub(super) fn knows(mut self, known: usize) -> Self {
        self.known = known;
        self
    }

    /// What a client is told of it, also of what waits for a person's word.
    pub(super) fn told(&mut self, news: News) -> Vec<Update> {
        let status = match news {
            News::Heard(heard) => return self.of(heard),
            News::Known => {
                self.known = self.known.saturating_sub(1);
                return Vec::new();
            }
            News::Asks(it) => asks(&self.id, &it),
            News::Waits {
                approval,
                capability,
            } => waits(&self.id, approval, &capability),
            News::Has { approval, word, by } => has(&self.id, approval, word, by.as_deref()),
        };
        vec![self.status(status, None)]
    }

    fn of(&mut self, heard: Heard) -> Vec<Update> {
        let event = match heard {
            Heard::Again => {
                self.answer.start_again();
                self.said = 0;
                return Vec::new();
            }
            Heard::Event(event) => event,
        };
        let new = self.answer.take(&event);
        match event {
            TurnEvent::Started { .. } => {
                let is_known = std::mem::replace(&mut self.is_started, true) || self.known > 0;
                match is_known {
                    true => Vec::new(),
                    false => vec![self.status(working(None), None)],
                }
            }
            TurnEvent::Progress { text, .. } => {
                self.said += 1;
                if self.said <= self.told {
                    return Vec::new();
                }
                self.told = self.said;
                if self.known > 0 {
                    return Vec::new();
                }
                let which = format!("progress-{}", self.said);
                let said = said(&self.id, &which, &text, Map::new());
                vec![self.status(working(Some(said)), None)]
            }
            TurnEvent::Ended(outcome) => self.end(&outcome),
            _ => new.and_then(|new| self.more(new)).into_iter().collect(),
        }
    }

    /// Nothing while it is blank: files may be all of the answer.
    fn more(&self, new: New) -> Option<Update> {
        let (New::More(new) | New::Anew(new)) = &new;
        let whole = self.answer.text();
        let told = whole.strip_suffix(new.as_str()).unwrap_or_default();
        match (is_blank(told), is_blank(whole)) {
            (_, true) => None,
            (true, false) => Some(self.artifact(answer(whole), false, false)),
            (false, false) => Some(self.artifact(answer(new), true, false)),
        }
    }

    fn end(&self, outcome: &TurnOutcome) -> Vec<Update> {
        let mut updates = Vec::new();
        let notes = notes::after(outcome);
        let append = !is_blank(self.answer.text());
        // Some clients take an artifact for whole once its last chunk is there, empty or not.
        if append || !notes.is_empty() {
            updates.push(self.artifact(answer(&notes), append, true));
        }
        let files = outcome.files.iter();
        let files = files.map(|it| file(self.id.turn, it, &self.base));
        updates.extend(files.map(|it| self.artifact(it, false, true)));
        updates.push(self.status(ended(&self.id, outcome), Some(outcome)));
        updates
    }

    fn artifact(&self, artifact: Artifact, append: bool, last_chunk: bool) -> Update {
        Update::ArtifactUpdate(ArtifactUpdate {
            task_id: self.id.to_string(),
            context_id: self.id.context(),
            artifact,
            append,
            last_chunk,
        })
    }

    fn status(&self, status: Status, outcome: Option<&TurnOutcome>) -> Update {
        Update::StatusUpdate(StatusUpdate {
            task_id: self.id.to_string(),
            context_id: self.id.context(),
            status,
            metadata: outcome.map_or_else(Map::new, |it| about(self.id.turn, Some(it))),
        })
    }
}

fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}

fn working(message: Option<super::wire::Said>) -> Status {
    Status {
        state: State::Working,
        message,
        timestamp: None,
    }
}

/// A task as it is before anything is told of it.
pub(super) fn begun(id: &Id, status: Status) -> Update {
    Update::Task(super::wire::Task {
        id: id.to_string(),
        context_id: id.context(),
        status,
        artifacts: Vec::new(),
        metadata: task::about(id.turn, None),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::{Value, json};

    use super::*;

    fn event(event: &Value) -> Heard {
        Heard::Event(serde_json::from_value(event.clone()).unwrap())
    }

    fn told(updates: &mut Updates, heard: Heard) -> Vec<Value> {
        let told = updates.of(heard).into_iter();
        told.map(|it| serde_json::to_value(it).unwrap()).collect()
    }

    #[test]
    fn every_token_is_told_once_though_the_node_tells_them_again() {
        let mut updates = Updates::new(Id::new(7, None), "http://localhost");
        let events = [
            json!({"event": "started", "incarnation": 1}),
            json!({"event": "progress", "text": "reading"}),
            json!({"event": "delta", "text": "Fel"}),
        ];
        let mut all = Vec::new();
        let said = || events.iter().map(event);
        for heard in said().chain([Heard::Again]).chain(said()) {
            all.extend(told(&mut updates, heard));
        }
        let progress = all
            .iter()
            .filter_map(|it| it.pointer("/statusUpdate/status"))
            .map(|it| it["message"]["messageId"].clone());
        assert_eq!(
            progress.collect::<Vec<_>>(),
            [Value::Null, json!("7-progress-1")]
        );
        all.extend(told(
            &mut updates,
            event(&json!({"event": "delta", "text": "ix"})),
        ));
        all.extend(told(
            &mut updates,
            event(&json!({"event": "final", "text": "Felix"})),
        ));
        let text = all
            .iter()
            .filter_map(|it| it.pointer("/artifactUpdate/artifact/parts/0/text"));
        assert_eq!(text.collect::<Vec<_>>(), ["Fel", "ix"]);
        let appended = all
            .iter()
            .filter_map(|it| it.pointer("/artifactUpdate/append"));
        assert_eq!(appended.collect::<Vec<_>>(), [false, true]);
    }

    #[test]
    fn the_end_is_told_last_after_notes_and_files() {
        let mut updates = Updates::new(Id::new(7, None), "http://localhost");
        told(
            &mut updates,
            event(&json!({"event": "final", "text": "Felix"})),
        );
        let end = json!({
            "event": "ended", "ok": true, "incomplete": true, "notices": ["one row was not read"],
            "files": [{"path": "a.csv", "size": 3}],
        });
        let end = told(&mut updates, event(&end));
        let notes = &end[0]["artifactUpdate"];
        assert_eq!(
            (&notes["append"], &notes["lastChunk"]),
            (&json!(true), &json!(true))
        );
        assert_eq!(
            end[1]["artifactUpdate"]["artifact"]["artifactId"],
            "files/a.csv"
        );
        let status = &end[2]["statusUpdate"];
        assert_eq!(
            status["status"]["state"], "TASK_STATE_COMPLETED",
            "{status}"
        );
        assert_eq!(status["metadata"]["leftOut"], true, "{status}");
        assert_eq!(end.len(), 3);
    }

    #[test]
    fn a_text_beside_files_is_told_once_it_says_something() {
        let mut updates = Updates::new(Id::new(7, None), "http://localhost");
        let mut said = |text: &str| {
            told(
                &mut updates,
                event(&json!({"event": "delta", "text": text})),
            )
        };
        assert!(said("\n").is_empty());
        let first = &said("Fel")[0]["artifactUpdate"];
        assert_eq!(first["artifact"]["parts"][0]["text"], "\nFel");
        assert_eq!(first["append"], false);
        let mut updates = Updates::new(Id::new(8, None), "http://localhost");
        assert!(
            told(
                &mut updates,
                event(&json!({"event": "final", "text": "\n"}))
            )
            .is_empty()
        );
        let end = json!({"event": "ended", "ok": true, "files": [{"path": "a.csv", "size": 3}]});
        let end = told(&mut updates, event(&end));
        assert_eq!(
            end[0]["artifactUpdate"]["artifact"]["artifactId"],
            "files/a.csv"
        );
    }

    #[test]
    fn the_answer_has_a_last_chunk_where_it_ends() {
        let mut updates = Updates::new(Id::new(7, None), "http://localhost");
        told(
            &mut updates,
            event(&json!({"event": "final", "text": "Felix"})),
        );
        let end = told(&mut updates, event(&json!({"event": "ended", "ok": true})));
        let last = &end[0]["artifactUpdate"];
        assert_eq!(
            (&last["append"], &last["lastChunk"]),
            (&json!(true), &json!(true))
        );
        assert_eq!(last["artifact"]["parts"][0]["text"], "", "{last}");
    }

    #[test]
    fn what_came_before_a_question_that_is_known_does_not_say_that_it_works() {
        let mut updates = Updates::new(Id::new(7, None), "http://localhost").knows(1);
        let progress = |text: &str| event(&json!({"event": "progress", "text": text}));
        let started = event(&json!({"event": "started", "incarnation": 1}));
        assert!(told(&mut updates, started).is_empty());
        assert!(told(&mut updates, progress("reading")).is_empty());
        assert!(updates.told(News::Known).is_empty());
        let more = told(&mut updates, progress("writing"));
        let status = &more[0]["statusUpdate"]["status"];
        assert_eq!(status["message"]["parts"][0]["text"], "writing", "{status}");
    }

    #[test]
    fn progress_is_told_while_it_works() {
        let mut updates = Updates::new(Id::new(7, None), "http://localhost");
        let told = told(
            &mut updates,
            event(&json!({"event": "progress", "text": "reading"})),
        );
        let status = &told[0]["statusUpdate"]["status"];
        assert_eq!(status["state"], "TASK_STATE_WORKING");
        assert_eq!(status["message"]["parts"][0]["text"], "reading");
        assert_eq!(status["message"]["messageId"], "7-progress-1");
    }
}
