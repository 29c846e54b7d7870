//! The steps of a turn, as its program tells of them: each once, though a run that begins anew tells of those that are over
//! again. What may not enter: what a step does, and who reads of it.

use std::collections::HashMap;

use aion_abi::{
    admin::TurnEvent,
    code::Code,
    date::UnixMillis,
    problem::Problem,
    steps::{MAX_PATH, MAX_TOLD, StepEvent, StepRecord, StepState, StepTold},
};

/// Steps that are told of in a turn.
const MAX_STEPS: usize = 1024;
/// Steps that a record lists.
const MAX_LISTED: usize = 256;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Steps {
    all: Vec<StepRecord>,
    places: HashMap<String, usize>,
}

impl Steps {
    /// The steps among the events of a turn.
    pub(super) fn of(events: &[TurnEvent]) -> Self {
        let mut steps = Self::default();
        for event in events {
            if let TurnEvent::Progress { steps: told, .. } = event {
                told.iter().for_each(|it| steps.add(it));
            }
        }
        steps
    }

    /// What of it is new.
    ///
    /// # Errors
    /// Where it is not in the form that is told.
    pub(super) fn news(
        &self,
        told: Vec<StepTold>,
        at_ms: UnixMillis,
    ) -> Result<Vec<StepEvent>, Problem> {
        if told.len() > MAX_TOLD {
            let detail = format!("tells of {} steps, and {MAX_TOLD} are the most", told.len());
            return Err(Problem::new(Code::BadRequest, detail).remedy("send several messages"));
        }
        let is_name =
            |it: &str| !it.is_empty() && it.len() <= MAX_PATH && !it.contains(char::is_control);
        if told.iter().any(|it| !is_name(&it.step)) {
            let detail =
                format!("a step is named by 1 to {MAX_PATH} bytes without control characters");
            return Err(Problem::new(Code::BadRequest, detail));
        }
        // Of one message, each is judged by those before it.
        let (mut states, mut more) = (HashMap::new(), 0);
        let mut news = Vec::new();
        for it in told {
            let known = self.places.get(&it.step).and_then(|at| self.all.get(*at));
            let state = states.get(&it.step).copied().or(known.map(|it| it.state));
            let is_new = match state {
                Some(state) => state == StepState::Running && it.state != StepState::Running,
                None => self.all.len() + more < MAX_STEPS,
            };
            if !is_new {
                continue;
            }
            more += usize::from(state.is_none());
            states.insert(it.step.clone(), it.state);
            news.push(StepEvent {
                step: it.step,
                state: it.state,
                at_ms,
                turn: it.turn,
            });
        }
        Ok(news)
    }

    /// Adds what was told.
    pub(super) fn add(&mut self, event: &StepEvent) {
        let ended = (event.state != StepState::Running).then_some(event.at_ms);
        if let Some(known) = self
            .places
            .get(&event.step)
            .and_then(|at| self.all.get_mut(*at))
        {
            known.state = event.state;
            known.ended_at_ms = ended;
            known.turn = event.turn.or(known.turn);
            return;
        }
        self.places.insert(event.step.clone(), self.all.len());
        self.all.push(StepRecord {
            step: event.step.clone(),
            state: event.state,
            began_at_ms: event.at_ms,
            ended_at_ms: ended,
            turn: event.turn,
        });
    }

    /// As a record has them, and how many more there are: those that run or did not end well, and of the others the first.
    pub(super) fn listed(&self) -> (Vec<StepRecord>, u64) {
        let is_over = |it: &StepRecord| matches!(it.state, StepState::Done | StepState::Skipped);
        let others = self.all.iter().filter(|it| !is_over(it)).count();
        let (mut first, mut left) = (MAX_LISTED.saturating_sub(others), MAX_LISTED);
        let mut listed = Vec::new();
        for step in &self.all {
            let room = match is_over(step) {
                true => &mut first,
                false => &mut left,
            };
            if *room > 0 {
                *room -= 1;
                listed.push(step.clone());
            }
        }
        let beyond = self.all.len() - listed.len();
        (listed, beyond as u64)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn told(step: &str, state: StepState) -> StepTold {
        StepTold {
            step: step.to_owned(),
            state,
            turn: None,
        }
    }

    fn tell(steps: &mut Steps, step: &str, state: StepState, at: u64) -> usize {
        let news = steps.news(vec![told(step, state)], UnixMillis(at)).unwrap();
        news.iter().for_each(|it| steps.add(it));
        news.len()
    }

    #[test]
    fn a_run_that_begins_anew_tells_nothing_new_of_what_is_over() {
        let mut steps = Steps::default();
        assert_eq!(tell(&mut steps, "a", StepState::Running, 1), 1);
        assert_eq!(tell(&mut steps, "a", StepState::Done, 2), 1);
        assert_eq!(tell(&mut steps, "b", StepState::Running, 3), 1);
        for (step, state) in [
            ("a", StepState::Running),
            ("a", StepState::Done),
            ("b", StepState::Running),
        ] {
            assert_eq!(tell(&mut steps, step, state, 9), 0, "{step}");
        }
        assert_eq!(tell(&mut steps, "b", StepState::Failed, 10), 1);
        let (listed, beyond) = steps.listed();
        let times: Vec<_> = listed
            .iter()
            .map(|it| (it.began_at_ms.0, it.ended_at_ms.map(|at| at.0)))
            .collect();
        assert_eq!((times, beyond), (vec![(1, Some(2)), (3, Some(10))], 0));
    }

    #[test]
    fn where_not_all_can_be_listed_those_that_run_or_failed_are() {
        let mut steps = Steps::default();
        tell(&mut steps, "all", StepState::Running, 1);
        for n in 0..300 {
            tell(&mut steps, &format!("all[{n}]"), StepState::Done, 2);
        }
        tell(&mut steps, "all[300]", StepState::Failed, 3);
        let (listed, beyond) = steps.listed();
        assert_eq!((listed.len(), beyond), (MAX_LISTED, 302 - 256));
        assert_eq!(listed[0].step, "all");
        assert_eq!(listed.last().unwrap().step, "all[300]");
    }

    #[test]
    fn one_message_tells_each_end_once_and_no_more_steps_than_there_may_be() {
        let mut steps = Steps::default();
        let twice = vec![told("a", StepState::Done), told("a", StepState::Done)];
        assert_eq!(steps.news(twice, UnixMillis(1)).unwrap().len(), 1);
        for n in 0..MAX_STEPS - 1 {
            tell(&mut steps, &format!("s{n}"), StepState::Running, 1);
        }
        let two = vec![told("x", StepState::Done), told("y", StepState::Done)];
        assert_eq!(steps.news(two, UnixMillis(1)).unwrap().len(), 1);
    }

    #[test]
    fn what_is_told_is_bounded() {
        let mut steps = Steps::default();
        for n in 0..MAX_STEPS + 10 {
            tell(&mut steps, &format!("s{n}"), StepState::Running, 1);
        }
        let (listed, beyond) = steps.listed();
        assert_eq!(
            (listed.len(), beyond),
            (MAX_LISTED, (MAX_STEPS - MAX_LISTED) as u64)
        );
        let many = vec![told("a", StepState::Running); MAX_TOLD + 1];
        let long = vec![told(&"a".repeat(MAX_PATH + 1), StepState::Running)];
        for wrong in [
            many,
            long,
            vec![told("", StepState::Done)],
            vec![told("a\n", StepState::Done)],
        ] {
            let refused = steps.news(wrong, UnixMillis(1)).unwrap_err();
            assert_eq!(refused.code, Code::BadRequest);
        }
    }
}
