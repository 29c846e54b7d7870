//! Text, thoughts, ends and errors.

use aion_abi::syscall::model::Finish;

use super::{
    DONE,
    Outcome::{Broken, Good},
    Row,
};

pub(super) const TEXT: &[Row] = &[
    (
        "as the norm has it",
        &[delta!(r#"{"content":"Two feet."}"#), ends!("stop"), DONE],
        Good("Two feet.", &[], Finish::Stop),
    ),
    (
        "first chunk with null for choices",
        &[
            "data: {\"choices\":null,\"usage\":null}\n\n",
            delta!(r#"{"content":"Two feet."}"#),
            ends!("stop"),
        ],
        Good("Two feet.", &[], Finish::Stop),
    ),
    (
        "first chunk without choices, or with none",
        &[
            "data: {\"prompt_filter_results\":[]}\n\n",
            "data: {\"choices\":[]}\n\n",
            delta!(r#"{"content":"Two feet."}"#),
            ends!("stop"),
        ],
        Good("Two feet.", &[], Finish::Stop),
    ),
    (
        "null as an event, anywhere",
        &[
            "data: null\n\n",
            delta!(r#"{"content":"Two "}"#),
            "data: null\n\n",
            delta!(r#"{"content":"feet."}"#),
            ends!("stop"),
            "data: null\n\n",
        ],
        Good("Two feet.", &[], Finish::Stop),
    ),
    (
        "null in every field",
        &[
            "data: {\"choices\":[{\"index\":null,\"delta\":null,\"finish_reason\":null}],\"usage\":null,\"error\":null}\n\n",
            delta!(r#"{"role":null,"content":null,"tool_calls":null}"#),
            delta!(r#"{"content":"Two feet."}"#),
            ends!("stop"),
        ],
        Good("Two feet.", &[], Finish::Stop),
    ),
    (
        "fields of another type",
        &[
            "data: {\"choices\":[{\"index\":\"x\",\"delta\":{\"content\":\"Two feet.\",\"tool_calls\":{}},\"finish_reason\":7}],\"usage\":\"-\"}\n\n",
            ends!("stop"),
        ],
        Good("Two feet.", &[], Finish::Stop),
    ),
    (
        "no [DONE]",
        &[delta!(r#"{"content":"Two feet."}"#), ends!("stop")],
        Good("Two feet.", &[], Finish::Stop),
    ),
    (
        "no empty lines",
        &[
            "data: {\"choices\":[{\"delta\":{\"content\":\"Two \"}}]}\n",
            "data: {\"choices\":[{\"delta\":{\"content\":\"feet.\"},\"finish_reason\":\"stop\"}]}\ndata: [DONE]\n",
        ],
        Good("Two feet.", &[], Finish::Stop),
    ),
    (
        "comments while it thinks",
        &[
            ": alive\n\n: alive\r\n\r\n",
            delta!(r#"{"content":"Two feet."}"#),
            ": alive\n\n",
            ends!("stop"),
            DONE,
        ],
        Good("Two feet.", &[], Finish::Stop),
    ),
    (
        "an empty reason to stop, each time",
        &[
            "data: {\"choices\":[{\"delta\":{\"content\":\"Two \"},\"finish_reason\":\"\"}]}\n\n",
            "data: {\"choices\":[{\"delta\":{\"content\":\"feet.\"},\"finish_reason\":\"\"}]}\n\n",
            ends!("stop"),
            DONE,
        ],
        Good("Two feet.", &[], Finish::Stop),
    ),
    (
        "an empty reason to stop, and no end",
        &["data: {\"choices\":[{\"delta\":{\"content\":\"Two \"},\"finish_reason\":\"\"}]}\n\n"],
        Broken("in the middle of its answer"),
    ),
    (
        "no reason to stop, and no end",
        &[delta!(r#"{"content":"Two "}"#)],
        Broken("in the middle of its answer"),
    ),
    (
        "no reason to stop, but [DONE]",
        &[delta!(r#"{"content":"Two feet."}"#), DONE],
        Good("Two feet.", &[], Finish::Other),
    ),
    (
        "cut in the middle of an event",
        &[
            delta!(r#"{"content":"Two "}"#),
            "data: {\"choices\":[{\"delta\":{\"content\":\"fe",
        ],
        Broken("in the middle of its answer"),
    ),
    (
        "a reason that is no reason",
        &[delta!(r#"{"content":"Two "}"#), ends!("error")],
        Broken("broke its answer off (error)"),
    ),
    (
        "given up by the server",
        &[delta!(r#"{"content":"Two "}"#), ends!("abort"), DONE],
        Broken("broke its answer off (abort)"),
    ),
    (
        "an error in the stream",
        &[
            delta!(r#"{"content":"Two "}"#),
            "data: {\"error\":{\"message\":\"the mill burned\",\"code\":502},\"choices\":[{\"delta\":{\"content\":\"\"},\"finish_reason\":\"error\"}]}\n\n",
        ],
        Broken("the mill burned"),
    ),
    (
        "an error in a choice",
        &[
            delta!(r#"{"content":"Two "}"#),
            "data: {\"choices\":[{\"error\":{\"message\":\"the mill burned\"},\"finish_reason\":\"stop\"}]}\n\n",
        ],
        Broken("the mill burned"),
    ),
    (
        "an error with a name of its own",
        &[
            delta!(r#"{"content":"Two "}"#),
            "data: {\"error_type\":\"x\",\"error_message\":\"the mill burned\"}\n\n",
            DONE,
        ],
        Broken("the mill burned"),
    ),
    (
        "an error as an object",
        &[
            delta!(r#"{"content":"Two "}"#),
            "data: {\"object\":\"error\",\"message\":\"the mill burned\",\"code\":400}\n\n",
            DONE,
        ],
        Broken("the mill burned"),
    ),
    (
        "an error as an event of that name",
        &[
            delta!(r#"{"content":"Two "}"#),
            "event: error\ndata: the mill burned\n\n",
        ],
        Broken("the mill burned"),
    ),
    (
        "an error as a field of that name",
        &[
            delta!(r#"{"content":"Two "}"#),
            "error: {\"error\":{\"message\":\"the mill burned\"}}\n\n",
        ],
        Broken("the mill burned"),
    ),
    (
        "reasons in capitals",
        &[delta!(r#"{"content":"Two "}"#), ends!("MAX_TOKENS")],
        Good("Two ", &[], Finish::Length),
    ),
    (
        "a filter",
        &[delta!(r#"{"content":"Two "}"#), ends!("content_filter")],
        Good("Two ", &[], Finish::Other),
    ),
    (
        "content in parts",
        &[
            delta!(
                r#"{"content":[{"type":"thinking","thinking":[{"type":"text","text":"hm"}]},{"type":"text","text":"Two feet."}]}"#
            ),
            ends!("stop"),
        ],
        Good("Two feet.", &[], Finish::Stop),
    ),
    (
        "half a character",
        &[delta!(r#"{"content":"Two feet \ud83d"}"#), ends!("stop")],
        Good("Two feet \u{fffd}", &[], Finish::Stop),
    ),
    (
        "a whole body",
        &["{\"choices\":[{\"message\":{\"content\":\"Two feet.\"},\"finish_reason\":\"stop\"}]}"],
        Good("Two feet.", &[], Finish::Stop),
    ),
    (
        "thoughts between tags",
        &[
            delta!(r#"{"content":"<think>\nhow high?"}"#),
            delta!(r#"{"content":" Two.\n</thi"}"#),
            delta!(r#"{"content":"nk>\n\nTwo feet."}"#),
            ends!("stop"),
        ],
        Good("Two feet.", &[], Finish::Stop),
    ),
    (
        "thoughts whose beginning is in the prompt",
        &[
            delta!(r#"{"content":"how high?"}"#),
            delta!(r#"{"content":" Two.\n</think>\n\nTwo feet."}"#),
            ends!("stop"),
        ],
        Good("Two feet.", &[], Finish::Stop),
    ),
    (
        "thoughts in a field",
        &[
            delta!(r#"{"reasoning_content":"how high?"}"#),
            delta!(r#"{"content":"Two feet."}"#),
            ends!("stop"),
        ],
        Good("Two feet.", &[], Finish::Stop),
    ),
    (
        "thoughts in another field",
        &[
            delta!(r#"{"content":"","reasoning":"how high?"}"#),
            delta!(r#"{"content":"Two feet."}"#),
            ends!("stop"),
        ],
        Good("Two feet.", &[], Finish::Stop),
    ),
    (
        "thoughts only",
        &[
            delta!(r#"{"reasoning":"I greet."}"#),
            delta!(r#"{"content":""}"#),
            ends!("stop"),
        ],
        Broken("it thought (2 tokens) and said nothing"),
    ),
    (
        "thoughts to the limit",
        &[delta!(r#"{"content":"<think>on and on"}"#), ends!("length")],
        Broken("on thinking"),
    ),
    (
        "nothing at all",
        &[
            delta!(r#"{"role":"assistant","content":""}"#),
            ends!("stop"),
            DONE,
        ],
        Broken("said nothing"),
    ),
    (
        "white space",
        &[delta!(r#"{"content":"\n\n"}"#), ends!("stop"), DONE],
        Broken("said nothing"),
    ),
    (
        "nothing, for a filter",
        &[ends!("content_filter"), DONE],
        Broken("stopped it (content_filter)"),
    ),
];
