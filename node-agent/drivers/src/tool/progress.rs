//! What servers say of the progress of calls, to whoever waits for one. Bounded in size, and told ever more rarely: a
//! server may say it as often as it likes, for as long as it likes. What may not enter: where it is shown.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use rmcp::model::{NumberOrString, ProgressNotificationParam, ProgressToken};
use tokio::time::Instant;

use super::Told;

/// The shortest pause between two that are told.
const PAUSE: Duration = Duration::from_secs(1);
/// A pause is at least this part of the call so far: about 50 lines in the first 50 seconds, 120 in each tenfold time.
const PART: u32 = 50;
/// The longest text, in bytes.
const MAX_TEXT: usize = 200;
/// So many are kept for calls that are not known here yet: the first may be quicker than the call's own task.
const MAX_EARLY: usize = 16;

/// The calls of a connection that are under way.
#[derive(Default)]
pub(super) struct Heard(Mutex<State>);

#[derive(Default)]
struct State {
    calls: HashMap<ProgressToken, Call>,
    early: VecDeque<(ProgressToken, String)>,
}

/// A call that somebody waits for.
pub(super) struct Call {
    operation: String,
    told: Told,
    since: Instant,
    last: Option<(Instant, String)>,
}

impl Heard {
    /// Takes in what a server says. Without an end to a call that nobody made.
    pub(super) fn hear(&self, progress: ProgressNotificationParam) {
        let text = text(&progress);
        // Some send it back as text.
        let token = match progress.progress_token.0 {
            NumberOrString::String(token) => match token.parse() {
                Ok(number) => NumberOrString::Number(number),
                Err(_) => NumberOrString::String(token),
            },
            number => number,
        };
        let token = ProgressToken(token);
        let mut state = self.0.lock();
        match state.calls.get_mut(&token) {
            Some(call) => call.tell(text),
            None => {
                if state.early.len() == MAX_EARLY {
                    state.early.pop_front();
                }
                state.early.push_back((token, text));
            }
        }
    }

    /// Tells `told` of the call with that token, as long as what is given lives.
    pub(super) fn listen(
        self: &Arc<Self>,
        token: ProgressToken,
        operation: &str,
        told: &Told,
    ) -> Listening {
        let mut call = Call::new(operation, told);
        let mut state = self.0.lock();
        let early = std::mem::take(&mut state.early);
        for (of, text) in early {
            if of == token {
                call.tell(text);
            } else {
                state.early.push_back((of, text));
            }
        }
        state.calls.insert(token.clone(), call);
        Listening {
            heard: Arc::clone(self),
            token,
        }
    }
}

impl Call {
    /// Of `operation`, for who hears of it by `told`.
    pub(super) fn new(operation: &str, told: &Told) -> Self {
        Self {
            operation: one_line(operation),
            told: Arc::clone(told),
            since: Instant::now(),
            last: None,
        }
    }

    /// What a server says of it, where that is something.
    pub(super) fn say(&mut self, text: &str) {
        let mut text = one_line(text);
        text.truncate(text.floor_char_boundary(MAX_TEXT));
        if !text.is_empty() {
            self.tell(text);
        }
    }

    fn tell(&mut self, text: String) {
        let now = Instant::now();
        let pause = PAUSE.max(now.duration_since(self.since) / PART);
        let soon = self
            .last
            .as_ref()
            .is_some_and(|(at, said)| now.duration_since(*at) < pause || *said == text);
        if soon {
            return;
        }
        (self.told)(format!("{}: {text}", self.operation));
        self.last = Some((now, text));
    }
}

/// A call that is listened to.
pub(super) struct Listening {
    heard: Arc<Heard>,
    token: ProgressToken,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.heard.0.lock().calls.remove(&self.token);
    }
}

/// Without what moves a cursor or turns letters round.
fn one_line(text: &str) -> String {
    let plain = |letter: char| match letter {
        it if it.is_control() || it.is_whitespace() => ' ',
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' => ' ',
        it => it,
    };
    let text: String = text.chars().take(MAX_TEXT).map(plain).collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn text(progress: &ProgressNotificationParam) -> String {
    let count = match progress.total {
        Some(total) => format!("{} of {total}", progress.progress),
        None => progress.progress.to_string(),
    };
    let message = one_line(progress.message.as_deref().unwrap_or_default());
    let mut text = match message.is_empty() {
        true => count,
        false => format!("{count}: {message}"),
    };
    text.truncate(text.floor_char_boundary(MAX_TEXT));
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(token: i64, progress: f64, message: &str) -> ProgressNotificationParam {
        let said =
            json!({"progressToken": token, "progress": progress, "total": 10, "message": message});
        serde_json::from_value(said).unwrap_or_else(|error| unreachable!("{error}"))
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_told_is_bounded_and_tame() {
        let all = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&all);
        let told: Told = Arc::new(move |text| kept.lock().push(text));
        let heard = Arc::<Heard>::default();
        heard.hear(said(7, 1.0, "early"));
        heard.hear(said(8, 1.0, "another's"));
        let token = ProgressToken(NumberOrString::Number(7));
        let listening = heard.listen(token, "depot.stock", &told);
        for step in 0..50 {
            heard.hear(said(7, 2.0, &format!("at once {step}")));
        }
        assert_eq!(*all.lock(), ["depot.stock: 1 of 10: early"]);
        for step in 0..500 {
            tokio::time::advance(PAUSE).await;
            heard.hear(said(
                7,
                3.5,
                &format!("\u{1b}[2J{step}\n\u{202e}{}", "x".repeat(1000)),
            ));
            heard.hear(said(7, 3.5, "too soon"));
        }
        let told = all.lock().len();
        assert!((100..300).contains(&told), "{told} of 500 seconds");
        assert!(all.lock()[1].starts_with("depot.stock: 3.5 of 10: [2J0 xxx"));
        assert!(all.lock().iter().all(|it| it.len() <= MAX_TEXT + 13));
        for step in 0..86_400 {
            tokio::time::advance(PAUSE).await;
            heard.hear(said(7, 4.0, &format!("a day {step}")));
        }
        let day = all.lock().len() - told;
        assert!((200..300).contains(&day), "{day} of a day");
        let last = all.lock().last().cloned().unwrap_or_default();
        let step: usize = last
            .rsplit(' ')
            .next()
            .and_then(|it| it.parse().ok())
            .unwrap_or(0);
        assert!(step > 84_000, "it is told to its end: {last}");
        for step in 0..1000 {
            heard.hear(said(step, 1.0, "of nobody"));
        }
        assert_eq!(heard.0.lock().early.len(), MAX_EARLY);
        drop(listening);
        assert!(heard.0.lock().calls.is_empty());
    }
}
