//! What fuzzing begins with: the lines of the corpus' cases, as a server writes them. What may not enter: inputs of its
//! own, which are cases or found by fuzzing.
#![allow(
    clippy::expect_used,
    reason = "without the corpus nothing is to be fuzzed"
)]

use std::{env, fs};

use serde_json::{Value, json};

const CASES: &str = "../corpus/tools";
/// A first byte says how the rest is cut.
const CUT: u8 = 7;

/// Puts them into the folder that `AION_SEEDS` names, from the folder of this package.
pub(super) fn plant() {
    let Ok(folder) = env::var("AION_SEEDS") else {
        return;
    };
    for entry in fs::read_dir(CASES).expect(CASES) {
        let path = entry.expect(CASES).path();
        if path.extension().is_none_or(|it| it != "json") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a case is text");
        let case: Value = serde_json::from_str(&text).expect("a case is JSON");
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        for (number, seed) in written(&case).into_iter().enumerate() {
            let path = format!("{folder}/{stem}-{number}");
            fs::write(&path, [&[CUT], seed.as_bytes()].concat()).expect("a seed is written");
        }
    }
}

/// What the server of a case writes: before it is asked anything, and at each request.
fn written(case: &Value) -> Vec<String> {
    let answers = case["answers"].as_object().into_iter().flatten();
    let requests = answers.flat_map(|(_, requests)| requests.as_array().into_iter().flatten());
    let all = std::iter::once(&case["before"]).chain(requests);
    all.filter_map(Value::as_array)
        .map(|lines| lines.iter().map(line).collect::<Vec<_>>().join("\n"))
        .collect()
}

fn line(line: &Value) -> String {
    match line {
        Value::String(text) => text.replace("$ID", "1").replace("$TOKEN", "1"),
        other => {
            let mut answer = json!({"jsonrpc": "2.0", "id": 1});
            for (name, value) in other.as_object().into_iter().flatten() {
                answer[name] = value.clone();
            }
            answer.to_string()
        }
    }
}
