//! Tells a model's answer from what it thinks aloud before it, as many servers pass it on: between tags at
//! the beginning of the text, or without the first tag, which is then part of the prompt. Pure.

/// The tags of models in use.
const TAGS: [(&str, &str); 7] = [
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("<seed:think>", "</seed:think>"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
];
/// The tag that comes without the first one.
const CLOSE: &str = "</think>";
const OPEN: &str = "<think";
/// In names of models that think before each answer.
const THINKERS: [&str; 5] = ["-r1", "qwq", "thinking", "reasoner", "reasoning"];

/// Whether a model thinks before it answers, by its name. Its answer is then given out once it ended that,
/// since its server may leave out where it begins.
pub(super) fn is_thinker(model: &str) -> bool {
    let model = model.to_ascii_lowercase();
    THINKERS.iter().any(|part| model.contains(part))
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Nothing was said yet, or thoughts only.
    Start,
    /// Until this tag.
    Thinking(&'static str),
    /// Thoughts if their end comes, else the answer.
    Unsure,
    /// The answer, in which an end of thoughts may still come that had no beginning.
    Answer,
    /// The answer, to its end.
    Plain,
}

/// What a part of the text is.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// What was given out before was thought.
    pub(super) withdrawn: bool,
    /// Of the answer.
    pub(super) text: String,
}

/// The text of one answer as it comes.
#[derive(Debug)]
pub(super) struct Thoughts {
    state: State,
    held: String,
    after: bool,
}

impl Thoughts {
    /// `first`: the model was heard to think without saying that it begins to.
    pub(super) fn new(first: bool) -> Self {
        Self {
            state: if first { State::Unsure } else { State::Start },
            held: String::new(),
            after: false,
        }
    }

    /// The server gives thoughts in a field of their own, so that the text is the answer.
    pub(super) fn apart(&mut self) {
        if matches!(self.state, State::Unsure) && self.held.is_empty() {
            self.state = State::Start;
        }
    }

    /// More of the text.
    pub(super) fn push(&mut self, text: &str) -> Told {
        self.held.push_str(text);
        let mut told = Told::default();
        while self.step(&mut told) {}
        told
    }

    /// The rest, at the end of the text. Thoughts without an end are not an answer.
    pub(super) fn finish(&mut self) -> String {
        let rest = std::mem::take(&mut self.held);
        match self.state {
            State::Thinking(_) => String::new(),
            State::Start if self.after => rest.trim_start().to_owned(),
            _ => rest,
        }
    }

    /// One step; whether another may follow.
    fn step(&mut self, told: &mut Told) -> bool {
        match self.state {
            State::Start => self.start(),
            State::Thinking(close) => match self.held.find(close) {
                Some(at) => self.answer_from(at + close.len()),
                None => {
                    let keep = tail(&self.held, &[close]);
                    self.held.drain(..self.held.len() - keep);
                    false
                }
            },
            State::Unsure => {
                let text = self.held.trim_start();
                if TAGS.iter().any(|(open, _)| text.starts_with(open)) {
                    self.state = State::Start;
                    return true;
                }
                match self.held.find(CLOSE) {
                    Some(at) => self.answer_from(at + CLOSE.len()),
                    None => false,
                }
            }
            State::Answer => self.answer(told),
            State::Plain => {
                told.text.push_str(&std::mem::take(&mut self.held));
                false
            }
        }
    }

    fn start(&mut self) -> bool {
        let text = self.held.trim_start();
        let skipped = self.held.len() - text.len();
        let begun = TAGS.iter().find(|(open, _)| text.starts_with(open));
        if let Some((open, close)) = begun {
            self.held.drain(..skipped + open.len());
            self.state = State::Thinking(close);
            return true;
        }
        if text.starts_with(CLOSE) {
            return self.answer_from(skipped + CLOSE.len());
        }
        let may_be = TAGS.iter().map(|(open, _)| *open).chain([CLOSE]);
        if may_be.into_iter().any(|tag| tag.starts_with(text)) {
            return false;
        }
        if self.after {
            self.held.drain(..skipped);
            self.state = State::Plain;
        } else {
            self.state = State::Answer;
        }
        true
    }

    fn answer_from(&mut self, at: usize) -> bool {
        self.held.drain(..at);
        self.state = State::Start;
        self.after = true;
        true
    }

    /// An answer that speaks of the tags names the first one too, or quotes the second.
    fn answer(&mut self, told: &mut Told) -> bool {
        let close = self.held.find(CLOSE);
        let open = self.held.find(OPEN);
        match (open, close) {
            (open, Some(close))
                if open.is_none_or(|open| close < open)
                    && !self.held[..close].ends_with(['`', '"', '\'']) =>
            {
                told.text.clear();
                told.withdrawn = true;
                self.answer_from(close + CLOSE.len())
            }
            (None, None) => {
                let keep = tail(
                    &self.held,
                    &[CLOSE, OPEN, "`</think>", "\"</think>", "'</think>"],
                );
                told.text.extend(self.held.drain(..self.held.len() - keep));
                false
            }
            _ => {
                self.state = State::Plain;
                true
            }
        }
    }
}

/// How many bytes at the end of `text` may be the beginning of one of `tags`.
fn tail(text: &str, tags: &[&str]) -> usize {
    tags.iter()
        .flat_map(|tag| tag.char_indices().map(move |(at, _)| &tag[..at]))
        .filter(|part| text.ends_with(part))
        .map(str::len)
        .max()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The answer, and whether something was withdrawn.
    fn heard(first: bool, parts: &[&str]) -> (String, bool) {
        let mut thoughts = Thoughts::new(first);
        let (mut answer, mut withdrawn) = (String::new(), false);
        for part in parts {
            let told = thoughts.push(part);
            if told.withdrawn {
                answer.clear();
                withdrawn = true;
            }
            answer.push_str(&told.text);
        }
        answer.push_str(&thoughts.finish());
        (answer, withdrawn)
    }

    const CASES: [(&str, bool, &str, bool); 13] = [
        (
            "<think>where?</think>\n\nBy the weir.",
            false,
            "By the weir.",
            false,
        ),
        (
            "\n<think>\n\n</think>\n\nBy the weir.",
            false,
            "By the weir.",
            false,
        ),
        ("[THINK]hm[/THINK]Yes", false, "Yes", false),
        ("◁think▷hm◁/think▷Yes", false, "Yes", false),
        ("<thinking>a</think>b</thinking> Yes", false, "Yes", false),
        ("<think>a</think><think>b</think>Yes", false, "Yes", false),
        ("<think>never done", false, "", false),
        ("</think>\nYes", false, "Yes", false),
        ("hm, so\n</think>\n\nYes", false, "Yes", true),
        ("hm, so\n</think>\n\nYes", true, "Yes", false),
        ("By the weir.", true, "By the weir.", false),
        (
            "It writes <think>a</think> first.",
            false,
            "It writes <think>a</think> first.",
            false,
        ),
        (
            "It ends with `</think>`, always.",
            false,
            "It ends with `</think>`, always.",
            false,
        ),
    ];

    #[test]
    fn thoughts_are_no_answer() {
        for (text, first, answer, withdrawn) in CASES {
            assert_eq!(
                heard(first, &[text]),
                (answer.to_owned(), withdrawn),
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn the_answer_is_the_same_wherever_the_text_is_cut(
            case in 0..CASES.len(),
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..20),
        ) {
            let (text, first, answer, _) = CASES[case];
            let mut at: Vec<usize> = cuts
                .iter()
                .map(|cut| text.floor_char_boundary(cut.index(text.len() + 1)))
                .collect();
            at.extend([0, text.len()]);
            at.sort_unstable();
            let parts: Vec<&str> = at.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect();
            prop_assert_eq!(heard(first, &parts).0, answer);
        }
    }

    #[test]
    fn an_answer_is_not_held_back() {
        let mut thoughts = Thoughts::new(false);
        assert_eq!(thoughts.push("It is").text, "It is");
        assert_eq!(thoughts.push(" 3 <").text, " 3 ");
        assert_eq!(thoughts.push(" 4").text, "< 4");
    }
}
