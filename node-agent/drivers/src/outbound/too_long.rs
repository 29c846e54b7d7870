//! What servers of models say of what is longer than a model takes: there is no other place where they say so. Pure.

/// Words by which servers of models say, in lower case, that the conversation is too long.
const TOO_LONG: [&str; 14] = [
    "context length",
    "context_length",
    "context size",
    "context_size",
    "context window",
    "context_window",
    "contextwindow",
    "context overflow",
    "maximum context",
    "prompt is too long",
    "input is too long",
    "too many tokens",
    "reduce the length of the messages",
    "exceeds the maximum number of tokens",
];

/// Whether the conversation is longer than the model's context.
pub(crate) fn is_too_long(said: &str) -> bool {
    let said = said.to_lowercase();
    TOO_LONG.iter().any(|words| said.contains(words))
        // "the number of tokens to keep from the initial prompt is greater than the context"
        || (said.contains("token") && said.contains("than the context"))
}
