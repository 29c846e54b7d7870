//! A turn's events as updates of its task, in their order. What was told of the answer is told once, through restarts of the node too.

use aion_abi::admin::{TurnEvent, TurnOutcome};
use aion_client::{Answer, New};
use serde_json::Map;

use super::{
    task::{self, Id, about, answer, ended, file, said},
    wire::{Artifact, ArtifactUpdate, State, Status, StatusUpdate, Update},
};
use crate::{asking::Heard, notes};

/// See the module.
pub(super) struct Updates {
    pub(super) id: Id,
    answer: Answer,
    /// What the agent said beside its answer, so far.
    said: u32,
    /// The gateway's address.
    base: String,
}

impl Updates {
    pub(super) fn new(id: Id, base: &str) -> Self {
        Self {
            id,
            answer: Answer::default(),
            said: 0,
            base: base.to_owned(),
        }
    }

    /// What a client is told of it.
    pub(super) fn of(&mut self, heard: Heard) -> Vec<Update> {
        let event = match heard {
            Heard::Again => {
                self.answer.start_again();
                return Vec::new();
            }
            Heard::Event(event) => event,
        };
        let new = self.answer.take(&event);
        match event {
            TurnEvent::Started { .. } => vec![self.status(working(None), None)],
            TurnEvent::Progress { text } => {
                self.said += 1;
                let which = format!("progress-{}", self.said);
                let said = said(&self.id, &which, &text, Map::new());
                vec![self.status(working(Some(said)), None)]
            }
            TurnEvent::Ended(outcome) => self.end(&outcome),
            _ => new.map(|new| self.more(new)).into_iter().collect(),
        }
    }

    fn more(&self, new: New) -> Update {
        match new {
            New::More(text) => {
                let is_first = self.answer.text() == text;
                self.artifact(answer(&text), !is_first, false)
            }
            New::Anew(text) => self.artifact(answer(&text), false, false),
        }
    }

    fn end(&self, outcome: &TurnOutcome) -> Vec<Update> {
        let mut updates = Vec::new();
        let notes = notes::after(outcome);
        if !notes.is_empty() {
            let append = !self.answer.text().is_empty();
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

fn working(message: Option<super::wire::Said>) -> Status {
    Status {
        state: State::Working,
        message,
    }
}

/// A task as it is before anything is told of it.
pub(super) fn begun(id: &Id, state: State) -> Update {
    Update::Task(super::wire::Task {
        id: id.to_string(),
        context_id: id.context(),
        status: Status {
            state,
            message: None,
        },
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
            json!({"event": "delta", "text": "Fel"}),
        ];
        let mut all = Vec::new();
        for heard in [
            event(&events[0]),
            event(&events[1]),
            Heard::Again,
            event(&events[0]),
            event(&events[1]),
        ] {
            all.extend(told(&mut updates, heard));
        }
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
