//! How many tokens a text has, without the model's own tokenizer. Pure.
//!
//! Four ASCII characters a token, which holds for English within about a fifth for the tokenizers in
//! common use; one token for every other character, which is near for Chinese and Japanese and errs on the
//! high side for other scripts. The kernel is told that it is an estimate.

use aion_abi::syscall::model::{Message, ToolSpec};

/// What a message costs beside its text: its role and its ends.
const PER_MESSAGE: u64 = 4;

/// Counts the tokens of text that arrives in parts.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Estimate {
    ascii: u64,
    other: u64,
}

impl Estimate {
    pub(super) fn add(&mut self, text: &str) {
        let all = text.chars().count() as u64;
        let ascii = text.bytes().filter(u8::is_ascii).count() as u64;
        self.ascii += ascii;
        self.other += all - ascii;
    }

    pub(super) fn tokens(self) -> u64 {
        self.ascii.div_ceil(4) + self.other
    }
}

/// Tokens of a text, about.
pub fn of_text(text: &str) -> u64 {
    let mut estimate = Estimate::default();
    estimate.add(text);
    estimate.tokens()
}

pub(super) fn of_message(message: &Message) -> u64 {
    let calls: u64 = message
        .tool_calls
        .iter()
        .map(|call| of_text(&call.name) + of_text(&call.arguments) + PER_MESSAGE)
        .sum();
    PER_MESSAGE + of_text(&message.content) + calls
}

pub(super) fn of_tool(tool: &ToolSpec) -> u64 {
    PER_MESSAGE
        + of_text(&tool.name)
        + of_text(&tool.description)
        + of_text(&tool.parameters.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cost_what_the_whole_costs() {
        let mut parts = Estimate::default();
        for part in ["The quick ", "brown fox", " 東京"] {
            parts.add(part);
        }
        assert_eq!(parts.tokens(), of_text("The quick brown fox 東京"));
        assert_eq!(of_text("The quick brown fox"), 5);
        assert_eq!(of_text("東京"), 2);
        assert_eq!(of_text(""), 0);
    }
}
