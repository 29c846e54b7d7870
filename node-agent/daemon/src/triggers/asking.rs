//! The way of an occasion to its turn: asked under its key until the kernel has it, or it is given up.

use std::{slice::from_ref, sync::Arc};

use aion_abi::{admin::TurnRequest, code::Code, problem::Problem};
use aion_api::Trigger;
use aion_kernel::TurnId;

use super::{
    Triggers,
    row::{Question, Start, Why},
    table::{Entry, Id},
};
use crate::{
    instance::Instance,
    turns::{AskError, Cause, QuestionKey, UploadError},
};

impl Triggers {
    /// A turn whose end nobody told is over all the same.
    pub(super) fn settle(&self, entry: &mut Entry) {
        let turns = &self.shared.parts.turns;
        entry
            .row
            .running
            .take_if(|turn| !turns.is_under_way(TurnId(*turn)));
    }

    /// Starts turns for what waits, as far as that may be. Gives the last that was started.
    ///
    /// # Errors
    /// Why a turn was not started now.
    pub(super) async fn advance(&self, id: &Id) -> Result<Option<TurnId>, Problem> {
        let mut started = None;
        loop {
            let Some((instance, trigger)) = self.look(id) else {
                return Ok(started);
            };
            let (question, by) = {
                let mut table = self.shared.table.lock();
                let Some(entry) = table.get_mut(id) else {
                    return Ok(started);
                };
                if entry.is_in_flight() {
                    return Ok(started);
                }
                self.settle(entry);
                match entry
                    .row
                    .start(&instance.spec().agent.name, &trigger, self.now())
                {
                    Start::Nothing => return Ok(started),
                    Start::Later(at) => {
                        table.set_time(id, Some(at));
                        self.shared.wake.notify_one();
                        return Ok(started);
                    }
                    Start::Ask(question) => {
                        let by = entry.fly();
                        (question, by)
                    }
                }
            };
            let asked = self.ask(id, &instance, &trigger, &question).await;
            let came = self.asked(id, &trigger, asked, by);
            if let Err(error) = self.keep(id).await {
                tracing::warn!(trigger = %id, %error, "the turn of a trigger is not noted yet");
            }
            started = Some(came?);
        }
    }

    async fn ask(
        &self,
        id: &Id,
        instance: &Instance,
        trigger: &Trigger,
        question: &Question,
    ) -> Result<TurnId, AskError> {
        let parts = &self.shared.parts;
        // First what is asked: a daemon that is killed after this asks the same.
        self.keep(id).await.map_err(|error| not_kept(&error))?;
        let _permit = self.shared.asking.acquire().await;
        let key = QuestionKey::of_trigger(&id.name, &question.key);
        let ask = |uploads| {
            let request = TurnRequest {
                input: question.input.clone(),
                uploads,
                ..TurnRequest::default()
            };
            let cause = Cause::Trigger {
                name: id.name.to_string(),
                depth: question.depth,
            };
            let turns = &parts.turns;
            turns.ask(&parts.shell, instance, request, Some(key), cause)
        };
        let mut asked = ask(question.uploads.clone()).await;
        if let Err(AskError::Upload(error @ UploadError::Unknown(_))) = &asked {
            // One file that is gone does not take the others with it.
            tracing::warn!(trigger = %id, %error, "a trigger's turn is not given all that came");
            let mut there = question.uploads.clone();
            let found = |it: &String| parts.turns.uploads().find(&id.agent, from_ref(it));
            there.retain(|it| found(it).is_ok());
            asked = ask(there).await;
        }
        let turn = asked?;
        parts.telemetry.turns_asked.inc();
        parts.telemetry.trigger_started(trigger.kind());
        tracing::info!(trigger = %id, %turn, "a trigger started a turn");
        Ok(turn)
    }

    /// Notes what came of a question.
    fn asked(
        &self,
        id: &Id,
        trigger: &Trigger,
        asked: Result<TurnId, AskError>,
        by: Arc<()>,
    ) -> Result<TurnId, Problem> {
        let now = self.now();
        let mut table = self.shared.table.lock();
        // Another agent's row may have taken its place meanwhile.
        let Some(entry) = table.get_mut(id).filter(|it| it.is_asked_by(&by)) else {
            return asked.map_err(problem);
        };
        drop(by);
        match asked {
            Ok(turn) => {
                entry.row.asked(turn.0, now.date);
                table.runs(id, turn.0);
                // It may have ended before anybody was told whose it is.
                if !self.shared.parts.turns.is_under_way(turn) {
                    table.ended(turn.0);
                }
                Ok(turn)
            }
            Err(error) => {
                let problem = problem(error);
                let files = entry.row.asking.iter().flat_map(|it| it.uploads.clone());
                let mut files: Vec<String> = files.collect();
                let over = entry
                    .row
                    .refused(problem.detail.clone(), passes(problem.code), now);
                let left_out = entry.row.skipped.clone().filter(|_| over);
                // What waits behind it is not held up.
                let again = entry.row.retry.unwrap_or(now.at);
                table.set_time(id, Some(again));
                drop(table);
                self.shared.wake.notify_one();
                files.retain(|_| over);
                self.leave(id, &files);
                self.count(trigger, left_out.as_ref());
                tracing::warn!(trigger = %id, %problem, over, "a trigger could not start a turn");
                Err(problem)
            }
        }
    }
}

/// What passes without anybody's doing.
fn passes(code: Code) -> bool {
    code.passes()
        || matches!(
            code,
            Code::StorageFull | Code::QuotaExceeded | Code::NotRunning | Code::Internal
        )
}

fn problem(error: AskError) -> Problem {
    match error {
        AskError::Problem(problem) => problem,
        AskError::Upload(error) => Problem::new(Code::NotFound, error.to_string()),
    }
}

pub(super) fn not_kept(error: &std::io::Error) -> Problem {
    let code = match aion_journal::is_full(error) {
        true => Code::StorageFull,
        false => Code::Internal,
    };
    Problem::new(code, format!("what a trigger does cannot be kept: {error}"))
}

/// Why an occasion is not taken, for whoever brought it.
pub(super) fn refusal(why: Why) -> Problem {
    match why {
        Why::Busy => Problem::new(Code::Overloaded, "a turn of this trigger is under way")
            .retry_after_ms(10_000),
        Why::Full => Problem::new(Code::Overloaded, "as much waits for this trigger as may")
            .retry_after_ms(10_000),
        Why::Budget => Problem::new(Code::QuotaExceeded, "the budget of this trigger is used up")
            .retry_after_ms(60_000),
        Why::Missed | Why::Chain | Why::Refused => {
            Problem::new(Code::Denied, "this trigger starts no turn for that")
        }
    }
}
