//! What a person who asked has seen of a turn: the answer as far as it was told, one line of progress beside it, and
//! every notice, whole, whether a terminal is there or not.

use std::io::{self, Write};

use aion_abi::admin::{TurnEvent, TurnOutcome};
use aion_client::{Answer, New};

use crate::{
    context::Context,
    failure::Failure,
    render::{
        answer::AnswerText,
        message,
        screen::{Tone, tame},
    },
};

/// What the person has seen.
pub(super) struct Shown<'a> {
    context: &'a Context,
    text: AnswerText,
    quiet: bool,
    pub(super) turn: Option<u64>,
    /// The answer as it was shown, before it was wrapped.
    answer: Answer,
    /// Notices that were told, each once.
    notices: Vec<String>,
    /// Those that wait for the end of the answer.
    waiting: Vec<String>,
    /// It was said that a node is waited for.
    waits: bool,
    progress: bool,
    newline: bool,
}

impl<'a> Shown<'a> {
    pub(super) fn new(context: &'a Context, quiet: bool) -> Self {
        Self {
            context,
            text: AnswerText::new(&context.screen),
            quiet,
            turn: None,
            answer: Answer::default(),
            notices: Vec::new(),
            waiting: Vec::new(),
            waits: false,
            progress: false,
            newline: true,
        }
    }

    pub(super) fn start_again(&mut self) {
        self.answer.start_again();
        self.waits = false;
        self.clear_progress();
    }

    /// Says that a node is waited for: on a terminal as progress, else once.
    pub(super) fn waits(&mut self, text: &str) {
        if self.context.screen.live {
            self.progress(text);
        } else if !self.waits {
            self.context.note(text);
        }
        self.waits = true;
    }

    /// The answer as it was shown, before it was wrapped.
    pub(super) fn answer(&self) -> &str {
        self.answer.text()
    }

    pub(super) fn take(&mut self, event: TurnEvent) -> Result<(), Failure> {
        let new = self.answer.take(&event);
        match event {
            TurnEvent::Queued { turn } => {
                self.turn = Some(turn);
                self.progress("waiting for its turn");
                Ok(())
            }
            TurnEvent::Started { .. } => {
                self.progress("working");
                Ok(())
            }
            TurnEvent::Progress { text, .. } => {
                self.progress(&text);
                Ok(())
            }
            TurnEvent::Notice { text, .. } => {
                self.notice(text);
                Ok(())
            }
            TurnEvent::Asked {
                approval,
                capability,
                ..
            } => {
                let how = self.how(approval);
                self.notice(format!("waits for approval of {capability}: {how}"));
                Ok(())
            }
            TurnEvent::Answered {
                approval, word, by, ..
            } => {
                let by = by.map(|by| format!(" by {by}")).unwrap_or_default();
                self.notice(format!("approval {approval} is {}{by}", word.as_str()));
                Ok(())
            }
            TurnEvent::Delta { .. } | TurnEvent::Final { .. } => self.show(new),
            TurnEvent::Ended(_) => Ok(()),
        }
    }

    /// How an approval is answered: its number alone names it on one machine only.
    fn how(&self, approval: u64) -> String {
        #[cfg(feature = "kubernetes")]
        if self.context.cluster().is_some() {
            return "aionctl --cluster approvals --agent AGENT lists it".to_owned();
        }
        format!("aionctl approvals approve {approval}, or deny {approval}")
    }

    /// Shows what is new. Where it is told otherwise than before (the turn ran again), it is shown from its start.
    fn show(&mut self, new: Option<New>) -> Result<(), Failure> {
        let new = match new {
            None => return Ok(()),
            Some(New::More(text)) => text,
            Some(New::Anew(text)) => {
                let broken_off = self.text.finish();
                self.write(&format!("{broken_off}\n\n"))?;
                text
            }
        };
        let text = self.text.push(&new);
        self.write(&text)
    }

    fn write(&mut self, text: &str) -> Result<(), Failure> {
        if self.quiet || text.is_empty() {
            return Ok(());
        }
        self.clear_progress();
        self.newline = text.ends_with('\n');
        self.context.print(text)
    }

    pub(super) fn finish(&mut self) -> Result<(), Failure> {
        let rest = self.text.finish();
        self.write(&rest)?;
        if !self.newline {
            self.write("\n")?;
        }
        self.newline = true;
        for text in std::mem::take(&mut self.waiting) {
            self.print_notice(&text);
        }
        Ok(())
    }

    /// A notice, on standard error: at once, or after the line of the answer that the cursor stands in.
    fn notice(&mut self, text: String) {
        if self.notices.contains(&text) {
            return;
        }
        self.notices.push(text.clone());
        match self.newline {
            true => self.print_notice(&text),
            false => self.waiting.push(text),
        }
    }

    fn print_notice(&mut self, text: &str) {
        self.clear_progress();
        eprint!("{}", message::note(&self.context.screen, text));
    }

    /// The notices that the stream did not tell, at the end.
    pub(super) fn notices_of(&mut self, outcome: &TurnOutcome) {
        for text in &outcome.notices {
            self.notice(text.clone());
        }
        if outcome.notices_beyond > 0 {
            self.print_notice(&format!(
                "{} more notices are not kept",
                outcome.notices_beyond
            ));
        }
    }

    /// One line on a terminal's standard error, until something else is shown. Not once the answer has begun: the
    /// cursor is in the middle of it.
    pub(super) fn progress(&mut self, text: &str) {
        if !self.context.screen.live || !self.newline {
            return;
        }
        self.clear_progress();
        let dots = self.context.screen.pick("…", "...");
        let room = self.context.screen.width.unwrap_or(80).saturating_sub(4);
        let text: String = tame(text).replace('\n', " ").chars().take(room).collect();
        eprint!(
            "{}",
            self.context
                .screen
                .paint_err(&format!("{text}{dots}"), Tone::Faint)
        );
        let _ = io::stderr().flush();
        self.progress = true;
    }

    pub(super) fn clear_progress(&mut self) {
        if self.progress {
            eprint!("\r\x1b[2K");
            let _ = io::stderr().flush();
            self.progress = false;
        }
    }
}
