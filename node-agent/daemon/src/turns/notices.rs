//! The notices of a turn: what its caller must know beside the answer, each once and whole, bounded together. What
//! does not fit is counted. What may not enter: files, and who reads them.

use aion_abi::admin::TurnEvent;

/// How many notices a turn keeps.
pub(super) const MAX_NOTICES: usize = 100;
/// Bytes of their texts together.
pub(super) const MAX_BYTES: usize = 64 * 1024;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Notices {
    texts: Vec<String>,
    bytes: usize,
    /// Those that did not fit.
    beyond: u64,
    left_out: bool,
}

/// What becomes of a notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is told.
    Told,
    /// It was told before.
    Known,
    /// It is the first that is not told.
    FirstBeyond,
    /// It is not told either.
    Beyond,
}

impl Notices {
    /// The notices among the events of a turn.
    pub(super) fn of(events: &[TurnEvent]) -> Self {
        let mut notices = Self::default();
        for event in events {
            if let TurnEvent::Notice { text, left_out } = event {
                match notices.fate(text) {
                    _ if *text == beyond() => notices.beyond = 1,
                    Fate::Told => notices.take(text),
                    Fate::Known | Fate::FirstBeyond | Fate::Beyond => {}
                }
                notices.left_out |= *left_out;
            }
        }
        notices
    }

    /// What becomes of a notice if it is added now.
    pub(super) fn fate(&self, text: &str) -> Fate {
        if self.texts.iter().any(|told| told == text) {
            Fate::Known
        } else if self.texts.len() < MAX_NOTICES && self.bytes + text.len() <= MAX_BYTES {
            Fate::Told
        } else if self.beyond == 0 {
            Fate::FirstBeyond
        } else {
            Fate::Beyond
        }
    }

    /// Adds a notice, by its [`Fate`].
    pub(super) fn add(&mut self, text: &str, left_out: bool) {
        self.left_out |= left_out;
        match self.fate(text) {
            Fate::Known => {}
            Fate::Told => self.take(text),
            Fate::FirstBeyond | Fate::Beyond => self.beyond += 1,
        }
    }

    fn take(&mut self, text: &str) {
        self.bytes += text.len();
        self.texts.push(text.to_owned());
    }

    /// Those that are told.
    pub(super) fn texts(&self) -> &[String] {
        &self.texts
    }

    /// How many are not told.
    pub(super) fn beyond(&self) -> u64 {
        self.beyond
    }

    /// Whether something that the caller gave is not in the answer.
    pub(super) fn left_out(&self) -> bool {
        self.left_out
    }
}

/// The notice in the place of all that are not told.
pub(super) fn beyond() -> String {
    format!(
        "there are more notices than a turn keeps ({MAX_NOTICES}, {} KiB): the others are not told",
        MAX_BYTES >> 10
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_is_told_once_and_all_of_them_are_bounded() {
        let mut notices = Notices::default();
        for n in 0..3 * MAX_NOTICES {
            notices.add(&format!("left out: {}", n / 2), false);
        }
        assert_eq!(notices.texts().len(), MAX_NOTICES);
        assert_eq!(notices.beyond(), MAX_NOTICES as u64);
        assert!(!notices.left_out());
        let mut notices = Notices::default();
        notices.add(&"x".repeat(MAX_BYTES), true);
        assert_eq!(notices.fate("y"), Fate::FirstBeyond);
        notices.add("y", false);
        assert_eq!(notices.fate("z"), Fate::Beyond);
        assert_eq!((notices.texts().len(), notices.beyond()), (1, 1));
        assert!(notices.left_out());
    }

    #[test]
    fn a_later_daemon_finds_the_notices_among_the_events() {
        let notice = |text: String, left_out| TurnEvent::Notice { text, left_out };
        let events = [
            notice("a.pdf".into(), false),
            notice(beyond(), true),
            TurnEvent::Queued { turn: 1 },
        ];
        let notices = Notices::of(&events);
        assert_eq!(notices.texts(), ["a.pdf"]);
        assert_eq!((notices.beyond(), notices.left_out()), (1, true));
    }
}
