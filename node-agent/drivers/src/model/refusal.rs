//! What an endpoint's refusal says of it, read from its words: there is no other place where it says so. Pure.

use super::request::Quirks;
use crate::outbound::is_too_long;

/// Words by which servers refuse what they do not know, in lower case.
const UNKNOWN: [&str; 21] = [
    "not support",
    "n't support",
    "unsupported",
    "not allowed",
    "not permitted",
    "extra_forbidden",
    "unknown",
    "unrecognized",
    "unrecognised",
    "unexpected",
    "invalid parameter",
    "invalid field",
    "not available",
    "not enabled",
    "not implemented",
    "not compatible",
    "no such",
    "extra parameter",
    "extra input",
    "extra field",
    "additional propert",
];

/// What is to be asked differently; nothing where that cannot help.
pub(super) fn learned(known: Quirks, said: &str) -> Option<Quirks> {
    if is_too_long(said) {
        return None;
    }
    let said = said.to_lowercase();
    let unknown = UNKNOWN.iter().any(|words| said.contains(words));
    let mut now = known;
    if said.contains("max_completion_tokens") && !known.completion_tokens {
        now.completion_tokens = true;
    } else if said.contains("stream_options") || said.contains("include_usage") {
        now.no_stream_options = true;
    } else if wants_a_stream(&said) && !known.only_streams {
        now.only_streams = true;
    } else if refuses_null(&said) && !known.wants_text {
        now.wants_text = true;
    } else if unknown && (said.contains("max_tokens") || said.contains("max_completion_tokens")) {
        now.no_max_tokens = true;
    } else if said.contains("temperature") {
        now.no_temperature = true;
    } else if unknown
        && (said.contains("system role")
            || said.contains("role 'system'")
            || said.contains("role: system")
            || said.contains("role \"system\""))
    {
        now.no_system = true;
    } else if refuses_tools(&said, unknown) {
        now.no_tools = true;
    }
    (now != known).then_some(now)
}

/// Whether the model answers in a stream alone. That it does something else in a stream alone, or not in one, is another matter.
fn wants_a_stream(said: &str) -> bool {
    let words = [
        "only support stream",
        "only supports stream",
        "enable the stream",
        "for non-streaming calls",
    ];
    words.iter().any(|it| said.contains(it))
}

/// Whether it is the text of a message that is missing: null, as Go and Python write it, too.
fn refuses_null(said: &str) -> bool {
    let nothing = ["<nil>", "null", "nonetype", "none is not"];
    let needs = ["string", "text", "invalid", "required"];
    said.contains("content")
        && nothing.iter().any(|it| said.contains(it))
        && needs.iter().any(|it| said.contains(it))
}

/// Not where it only finds fault with the messages of tools.
fn refuses_tools(said: &str, unknown: bool) -> bool {
    let of_messages = ["role 'tool'", "role \"tool\"", "role: tool", "tool_call_id"];
    if of_messages.iter().any(|words| said.contains(words)) {
        return false;
    }
    let tools = ["tool", "function call", "functions"];
    let named = tools.iter().any(|word| said.contains(word));
    let needs = said.contains("requires --") || said.contains("that support tool use");
    named && (unknown || needs)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shapes of refusals of servers in use, in words of our own.
    const REFUSALS: [(&str, &str); 26] = [
        ("reed:latest does not support tools", "tools"),
        ("tools param requires --jinja flag", "tools"),
        (
            "\"auto\" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set",
            "tools",
        ),
        (
            "No endpoints found that support tool use. See the guide",
            "tools",
        ),
        ("Function calling is not enabled for models/reed", "tools"),
        (
            "[{'type': 'extra_forbidden', 'loc': ('body', 'tools'), 'msg': 'Extra inputs are not permitted'}]",
            "tools",
        ),
        (
            "[{'type': 'extra_forbidden', 'loc': ['body', 'stream_options', 'include_usage']}]",
            "stream_options",
        ),
        (
            "Extra parameters ['stream_options'] are not allowed",
            "stream_options",
        ),
        (
            "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.",
            "max_completion_tokens",
        ),
        (
            "Unrecognized request argument supplied: max_tokens",
            "max_tokens",
        ),
        (
            "Unsupported value: 'temperature' does not support 0.7 with this model.",
            "temperature",
        ),
        (
            "This model only support stream mode, please enable the stream parameter.",
            "stream",
        ),
        (
            "parameter.enable_thinking must be set to false for non-streaming calls",
            "stream",
        ),
        ("tools are not supported in stream mode", "tools"),
        (
            "function calling is not supported in non-streaming mode",
            "tools",
        ),
        ("System role not supported", "system"),
        ("invalid message content type: <nil>", "text"),
        (
            "Invalid value for 'content': expected a string, got null.",
            "text",
        ),
        (
            "messages[2].content: Input should be a valid string, got NoneType",
            "text",
        ),
        ("content is null in your heart", ""),
        ("your prompt is odd", ""),
        (
            "An assistant message with 'tool_calls' must be followed by a message for each 'tool_call_id'",
            "",
        ),
        ("Unexpected role 'tool' after role 'user'", ""),
        ("max_tokens is too large: 9000, and 4096 are the most", ""),
        (
            "'max_completion_tokens' is too large: 5000. The maximum context length is 4096 tokens",
            "",
        ),
        (
            "the request exceeds the available context size; tools are unsupported",
            "",
        ),
    ];

    #[test]
    fn a_refusal_says_what_is_to_be_left_out_once() {
        for (said, about) in REFUSALS {
            let known = Quirks::default();
            let mut wanted = known;
            match about {
                "tools" => wanted.no_tools = true,
                "stream_options" => wanted.no_stream_options = true,
                "max_completion_tokens" => wanted.completion_tokens = true,
                "max_tokens" => wanted.no_max_tokens = true,
                "temperature" => wanted.no_temperature = true,
                "stream" => wanted.only_streams = true,
                "system" => wanted.no_system = true,
                "text" => wanted.wants_text = true,
                _ => {}
            }
            let now = learned(known, said);
            assert_eq!(now, (wanted != known).then_some(wanted), "{said}");
            if let Some(now) = now.filter(|now| !now.completion_tokens) {
                assert_eq!(learned(now, said), None, "{said}");
            }
        }
    }

    #[test]
    fn a_context_that_is_too_small_is_told_from_other_refusals() {
        for said in [
            "the request exceeds the available context size. try increasing it",
            "This model's maximum context length is 4096 tokens",
            "context_length_exceeded",
            "The number of tokens to keep from the initial prompt is greater than the context length",
            "Prompt is too long: 5012 tokens",
        ] {
            assert!(is_too_long(said), "{said}");
        }
        assert!(!is_too_long("rate limit: too much at once"));
    }
}
