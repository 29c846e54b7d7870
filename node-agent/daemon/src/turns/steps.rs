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
        let news = told.into_iter().filter(|it| self.is_new(it));
        Ok(news
            .map(|it| StepEvent {
                step: it.step,
                state: it.state,
                at_ms,
                turn: it.turn,
            })
            .collect())
    }

    fn is_new(&self, told: &StepTold) -> bool {
        match self.places.get(&told.step).and_then(|at| self.all.get(*at)) {
            Some(known) => known.state == StepState::Running && told.state != StepState::Running,
            None => self.all.len() < MAX_STEPS,
        }
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

    /// As a record has them, and how many more there are.
    pub(super) fn listed(&self) -> (Vec<StepRecord>, u64) {
        let listed: Vec<_> = self.all.iter().take(MAX_LISTED).cloned().collect();
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
