//! Ends of turns: of those that a trigger started, and of those that one waits for.

use std::slice::from_ref;

use aion_abi::admin::TurnRecord;
use aion_api::TurnEnds;
use aion_kernel::TurnId;
use futures::stream;
use serde_json::json;

use super::{
    Triggers,
    row::{File, Occasion, Source, Why},
    table::Id,
};
use crate::turns::Ended;

/// Turns that lead to one another, each by the end of the one before, at most.
pub(super) const CHAIN: u32 = 8;

impl Triggers {
    /// A turn ended.
    pub(super) fn ended(&self, ended: &Ended) {
        let (own, hearers) = {
            let mut table = self.shared.table.lock();
            (table.ended(ended.turn.0), table.hearers(&ended.agent))
        };
        if let Some(id) = own {
            let this = self.clone();
            tokio::spawn(async move {
                let _ = this.advance(&id).await;
            });
        }
        for id in hearers {
            let (this, turn) = (self.clone(), ended.turn);
            tokio::spawn(async move {
                if let Err(error) = this.heard(&id, turn).await {
                    tracing::warn!(trigger = %id, %turn, %error, "the end of a turn is not kept yet");
                }
            });
        }
    }

    /// Takes the end of a turn, if it is one that the trigger is for and that was not taken before.
    pub(super) async fn heard(&self, id: &Id, turn: TurnId) -> std::io::Result<()> {
        let Some((instance, trigger)) = self.look(id) else {
            return Ok(());
        };
        let Some(event) = &trigger.event else {
            return Ok(());
        };
        let key = turn.to_string();
        let known = {
            let table = self.shared.table.lock();
            let entry = table.get(id);
            entry.is_none_or(|it| it.has_seen(&key) || turn.0 <= it.row.from)
        };
        if known {
            return Ok(());
        }
        let turns = &self.shared.parts.turns;
        let Some(record) = turns.record(turn).await? else {
            return Ok(());
        };
        let Some(outcome) = &record.outcome else {
            return Ok(());
        };
        let wanted = match event.turn {
            TurnEnds::Answered => outcome.ok,
            TurnEnds::Failed => !outcome.ok,
            TurnEnds::Ended => true,
        };
        let depth = turns.depth(turn).await? + 1;
        let now = self.now();
        let name = {
            let mut table = self.shared.table.lock();
            let Some(entry) = table.get_mut(id).filter(|it| !it.has_seen(&key)) else {
                return Ok(());
            };
            if !wanted {
                entry.see(key);
                drop(table);
                self.keep_later(id);
                return Ok(());
            }
            let admitted = match depth > CHAIN {
                true => Err(Why::Chain),
                false => entry.row.admits(&trigger, now.at),
            };
            if let Err(why) = admitted {
                entry.see(key);
                let told = format!("turn {turn} of {}", event.agent);
                entry.row.skip(now.date, why, told);
                let left_out = entry.row.skipped.clone();
                drop(table);
                self.count(&trigger, left_out.as_ref());
                self.keep_later(id);
                return Ok(());
            }
            entry.row.files += 1;
            format!("{}-{}.json", id.name, entry.row.files)
        };
        let file = self.upload(&instance.agent(), &name, &record).await;
        let given: Vec<String> = file.iter().map(|it| it.upload.clone()).collect();
        let occasion = Occasion {
            key: key.clone(),
            at: now.date,
            since: now.at,
            scheduled: None,
            file,
            source: Some(Source {
                agent: record.agent.clone(),
                turn: turn.0,
            }),
            said: None,
            depth,
        };
        // Seen and taken at once: a daemon that is killed has kept both or neither.
        let (taken, left_out) = {
            let mut table = self.shared.table.lock();
            match table.get_mut(id).filter(|it| !it.has_seen(&key)) {
                Some(entry) => {
                    entry.see(key);
                    let taken = entry.row.take(occasion, &trigger, now).is_ok();
                    let left_out = entry.row.skipped.clone().filter(|_| !taken);
                    (taken, left_out)
                }
                None => (false, None),
            }
        };
        if !taken {
            self.leave(id, &given);
        }
        self.count(&trigger, left_out.as_ref());
        // What is not kept yet is so before it is asked.
        let kept = self.keep(id).await;
        let _ = self.advance(id).await;
        kept
    }

    /// What is told of a turn, as a file. Where there is no room for it the turn is asked without.
    async fn upload(&self, agent: &str, name: &str, record: &TurnRecord) -> Option<File> {
        let problem = record.outcome.as_ref().and_then(|it| it.problem.as_ref());
        let told = json!({
            "agent": record.agent,
            "turn": record.turn,
            "answered": problem.is_none(),
            "input": record.input,
            "answer": record.answer,
            "problem": problem,
        });
        let content = bytes::Bytes::from(told.to_string());
        let content = stream::iter([Ok::<_, String>(content)]);
        let uploads = self.shared.parts.turns.uploads();
        match uploads.take(agent, name, content).await {
            Ok(upload) => {
                uploads.keep(agent, from_ref(&upload.upload));
                Some(File {
                    upload: upload.upload,
                    name: upload.name,
                })
            }
            Err(error) => {
                tracing::warn!(%error, "an agent is not given what it is told of a turn");
                None
            }
        }
    }
}
