//! A message of a client, taken: as a question to the agent, which begins a task, or as a word about a task that is there. What may not enter:
//! what comes of it.

use std::sync::Arc;

use aion_abi::{code::Code, problem::Problem};

use super::{
    Target, fault::Fault, follow::Follow, may_wait, push, question::Question, sent::Sent, task::Id,
    wire::PushConfig, word,
};
use crate::asking::{Abandoned, Asking};

impl Target {
    fn follow(&self, asking: Asking) -> Follow {
        Follow::new(asking, self.approver.as_ref().ok().cloned())
    }

    pub(super) fn resumed(&self, turn: u64) -> Follow {
        self.follow(Asking::resumed(Arc::clone(&self.gateway), turn))
    }

    /// Asks, or says a word about a task, and returns when the turn is known.
    pub(super) async fn begin(&self, mut sent: Sent) -> Result<(Id, Follow), Fault> {
        let wanted = sent.push.take();
        if let Some(task) = sent.task.take() {
            return self.goes_on(&task, sent, wanted).await;
        }
        let question = Question::of(sent)?;
        let (key, context) = (question.key.clone(), question.context.clone());
        let push = push::judged(self, wanted).await?;
        let request = question.given(self).await?;
        let gateway = Arc::clone(&self.gateway);
        let goes_on = Abandoned::GoesOn;
        let asking = Asking::begin(gateway, self.agent(), request, Some(&key), goes_on);
        let mut asking = asking.await?;
        while asking.turn().is_none() {
            if asking.next().await?.is_none() {
                let what = "the node did not say which turn it took";
                return Err(Problem::new(Code::UpstreamFailed, what).into());
            }
        }
        let turn = asking.turn().unwrap_or_default();
        push::add_to_answer(self, turn, push).await?;
        Ok((Id::new(turn, context), self.follow(asking)))
    }

    /// A message to a task that is there: a turn is one question, and takes a person's word where it waits for one, and nothing else.
    async fn goes_on(
        &self,
        task: &str,
        sent: Sent,
        wanted: Option<PushConfig>,
    ) -> Result<(Id, Follow), Fault> {
        let (id, record) = self.turn(task).await?;
        if sent.context.is_some_and(|it| it != id.context()) {
            let what = format!("message.contextId is not that of task {id}");
            return Err(Fault::params(
                what,
                "leave it out, or send that of the task",
            ));
        }
        if !may_wait(&record) {
            return Err(word::no_more(&id));
        }
        let push = push::judged(self, wanted).await?;
        // Before the word, which cannot be taken back.
        push::add_to_answer(self, id.turn, push).await?;
        let approval = self.takes(&id, &sent.parts).await?;
        let follow = self.resumed(id.turn).knows([approval]);
        Ok((id, follow))
    }
}
