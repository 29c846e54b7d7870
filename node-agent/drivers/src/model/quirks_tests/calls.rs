//! Calls of tools.

use aion_abi::syscall::model::Finish;

use super::{
    Outcome::{Broken, Good},
    Row,
};

const HEIGHT: (&str, &str) = ("weir.height", "{\"at\":\"mill\"}");
const GATE: (&str, &str) = ("weir.gate", "{\"open\":true}");

pub(super) const CALLS: &[Row] = &[
    (
        "arguments in parts",
        &[
            delta!(
                r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"weir_height","arguments":"{\"at\":"}}]}"#
            ),
            delta!(r#"{"tool_calls":[{"index":0,"function":{"arguments":"\"mill\"}"}}]}"#),
            ends!("tool_calls"),
        ],
        Good("", &[HEIGHT], Finish::ToolCalls),
    ),
    (
        "arguments in one piece, and a stop",
        &[
            delta!(
                r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"weir_height","arguments":"{\"at\":\"mill\"}"}}]}"#
            ),
            ends!("stop"),
        ],
        Good("", &[HEIGHT], Finish::ToolCalls),
    ),
    (
        "arguments as an object, no index",
        &[
            delta!(
                r#"{"tool_calls":[{"id":"a","function":{"name":"weir_gate","arguments":{"open":true}}}]}"#
            ),
            ends!("tool_calls"),
        ],
        Good("", &[GATE], Finish::ToolCalls),
    ),
    (
        "no index, no id",
        &[
            delta!(
                r#"{"tool_calls":[{"function":{"name":"weir_height","arguments":"{\"at\":"}}]}"#
            ),
            delta!(r#"{"tool_calls":[{"function":{"arguments":"\"mill\"}"}}]}"#),
            ends!("tool_calls"),
        ],
        Good("", &[HEIGHT], Finish::ToolCalls),
    ),
    (
        "two whole calls without index and id",
        &[
            delta!(
                r#"{"tool_calls":[{"function":{"name":"weir_height","arguments":"{\"at\":\"mill\"}"}},{"function":{"name":"weir_gate","arguments":"{\"open\":true}"}}]}"#
            ),
            ends!("tool_calls"),
        ],
        Good("", &[HEIGHT, GATE], Finish::ToolCalls),
    ),
    (
        "the same tool twice without index and id",
        &[
            delta!(
                r#"{"tool_calls":[{"function":{"name":"weir_gate","arguments":"{\"open\":true}"}}]}"#
            ),
            delta!(
                r#"{"tool_calls":[{"function":{"name":"weir_gate","arguments":"{\"open\":true}"}}]}"#
            ),
            ends!("tool_calls"),
        ],
        Good("", &[GATE, GATE], Finish::ToolCalls),
    ),
    (
        "two calls, both number nought",
        &[
            delta!(
                r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"weir_height","arguments":"{\"at\":\"mill\"}"}}]}"#
            ),
            delta!(
                r#"{"tool_calls":[{"index":0,"id":"b","function":{"name":"weir_gate","arguments":"{\"open\":true}"}}]}"#
            ),
            ends!("tool_calls"),
        ],
        Good("", &[HEIGHT, GATE], Finish::ToolCalls),
    ),
    (
        "two calls, both number nought, in parts",
        &[
            delta!(
                r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"weir_height","arguments":""}}]}"#
            ),
            delta!(r#"{"tool_calls":[{"index":0,"function":{"arguments":"{\"at\":\"mill\"}"}}]}"#),
            delta!(
                r#"{"tool_calls":[{"index":0,"id":"b","function":{"name":"weir_gate","arguments":""}}]}"#
            ),
            delta!(r#"{"tool_calls":[{"index":0,"function":{"arguments":"{\"open\":true}"}}]}"#),
            ends!("tool_calls"),
        ],
        Good("", &[HEIGHT, GATE], Finish::ToolCalls),
    ),
    (
        "parts of two calls by turns",
        &[
            delta!(
                r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"weir_height","arguments":"{\"at\":"}},{"index":1,"id":"b","function":{"name":"weir_gate","arguments":"{\"open\""}}]}"#
            ),
            delta!(
                r#"{"tool_calls":[{"index":1,"function":{"arguments":":true}"}},{"index":0,"function":{"arguments":"\"mill\"}"}}]}"#
            ),
            ends!("tool_calls"),
        ],
        Good("", &[HEIGHT, GATE], Finish::ToolCalls),
    ),
    (
        "parts of two calls by place",
        &[
            delta!(
                r#"{"tool_calls":[{"id":"a","function":{"name":"weir_height","arguments":"{\"at\":"}},{"id":"b","function":{"name":"weir_gate","arguments":"{\"open\""}}]}"#
            ),
            delta!(
                r#"{"tool_calls":[{"function":{"arguments":"\"mill\"}"}},{"function":{"arguments":":true}"}}]}"#
            ),
            ends!("tool_calls"),
        ],
        Good("", &[HEIGHT, GATE], Finish::ToolCalls),
    ),
    (
        "a number that runs away",
        &[
            delta!(
                r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"weir_height","arguments":"{\"at\":"}}]}"#
            ),
            delta!(r#"{"tool_calls":[{"index":1,"function":{"arguments":"\"mill\"}"}}]}"#),
            ends!("tool_calls"),
        ],
        Good("", &[HEIGHT], Finish::ToolCalls),
    ),
    (
        "a new id with each part",
        &[
            delta!(
                r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"weir_height","arguments":"{\"at\":"}}]}"#
            ),
            delta!(
                r#"{"tool_calls":[{"index":0,"id":"b","function":{"name":null,"arguments":"\"mill\"}"}}]}"#
            ),
            ends!("tool_calls"),
        ],
        Good("", &[HEIGHT], Finish::ToolCalls),
    ),
    (
        "the name with each part",
        &[
            delta!(
                r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"weir_height","arguments":"{\"at\":"}}]}"#
            ),
            delta!(
                r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"weir_height","arguments":"\"mill\"}"}}]}"#
            ),
            ends!("tool_calls"),
        ],
        Good("", &[HEIGHT], Finish::ToolCalls),
    ),
    (
        "the old form of one call",
        &[
            delta!(r#"{"function_call":{"name":"weir_gate","arguments":"{\"open\""}}"#),
            delta!(r#"{"function_call":{"arguments":":true}"}}"#),
            ends!("function_call"),
        ],
        Good("", &[GATE], Finish::ToolCalls),
    ),
    (
        "thoughts, words and a call",
        &[
            delta!(r#"{"content":"<think>a look</think>I look. "}"#),
            delta!(
                r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"weir_gate","arguments":"{\"open\":true}"}}]}"#
            ),
            ends!("tool_calls"),
        ],
        Good("I look. ", &[GATE], Finish::ToolCalls),
    ),
    (
        "a call without its name",
        &[
            delta!(r#"{"tool_calls":[{"index":0,"id":"a","function":{"arguments":"{}"}}]}"#),
            ends!("tool_calls"),
        ],
        Broken("without naming it"),
    ),
    (
        "broken off in the arguments",
        &[delta!(
            r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"weir_height","arguments":"{\"at\":"}}]}"#
        )],
        Broken("in the middle of its answer"),
    ),
];
