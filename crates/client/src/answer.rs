//! The answer of a turn as its events tell it, put together.

use aion_abi::admin::TurnEvent;

/// What was told of an answer, over any number of streams and runs.
#[derive(Debug, Default)]
pub struct Answer {
    /// As far as it was given out.
    given: String,
    /// As this run or stream has told it: after a restart it is told again from its start.
    told: String,
}

/// What is new of an answer.
#[derive(Debug, PartialEq, Eq)]
pub enum New {
    /// It goes on.
    More(String),
    /// It is told otherwise than before: this is all of it.
    Anew(String),
}

impl Answer {
    /// Before a stream is followed from its start once more.
    pub fn start_again(&mut self) {
        self.told.clear();
    }

    /// Takes in an event; gives what it adds, where it adds something.
    pub fn take(&mut self, event: &TurnEvent) -> Option<New> {
        match event {
            // A run that begins tells the answer from its start.
            TurnEvent::Started { .. } => self.told.clear(),
            TurnEvent::Delta { text } => self.told += text,
            // The same text, maybe trimmed: what was streamed stands.
            TurnEvent::Final { text }
                if !self.given.is_empty() && text.trim() == self.given.trim() => {}
            TurnEvent::Final { text } => self.told.clone_from(text),
            _ => {}
        }
        if self.given.starts_with(&self.told) {
            return None;
        }
        let new = match self.told.strip_prefix(self.given.as_str()) {
            Some(rest) => New::More(rest.to_owned()),
            None => New::Anew(self.told.clone()),
        };
        self.given.clone_from(&self.told);
        Some(new)
    }

    /// The answer so far.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.given
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delta(text: &str) -> TurnEvent {
        TurnEvent::Delta {
            text: text.to_owned(),
        }
    }

    fn whole(text: &str) -> TurnEvent {
        TurnEvent::Final {
            text: text.to_owned(),
        }
    }

    fn more(text: &str) -> Option<New> {
        Some(New::More(text.to_owned()))
    }

    #[test]
    fn what_was_streamed_is_not_told_again_at_the_end() {
        let mut answer = Answer::default();
        assert_eq!(answer.take(&delta("It is ")), more("It is "));
        assert_eq!(answer.take(&delta("here.\n")), more("here.\n"));
        assert_eq!(answer.take(&whole("It is here.")), None);
        assert_eq!(answer.text(), "It is here.\n");
    }

    #[test]
    fn a_run_that_begins_again_tells_no_word_twice() {
        let mut answer = Answer::default();
        answer.take(&delta("It is"));
        assert_eq!(answer.take(&TurnEvent::Started { incarnation: 2 }), None);
        assert_eq!(answer.take(&delta("It")), None);
        assert_eq!(answer.take(&delta(" is here")), more(" here"));
        answer.start_again();
        assert_eq!(answer.take(&delta("It is here, too")), more(", too"));
    }

    #[test]
    fn what_is_told_otherwise_is_told_whole() {
        let mut answer = Answer::default();
        answer.take(&delta("It is"));
        answer.take(&TurnEvent::Started { incarnation: 2 });
        let other = "No.".to_owned();
        assert_eq!(answer.take(&whole("No.")), Some(New::Anew(other)));
        assert_eq!(answer.text(), "No.");
    }
}
