//! `tests/corpus/tools`: what servers send, each with what is right. A case is a file there; `README.md` beside them
//! says what it may have. `cargo test -p aion-drivers corpus -- --nocapture` prints a line for each.
#![allow(clippy::unwrap_used)]

use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

use aion_abi::syscall::tool::CallRequest;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    Attempt, ToolDriver, ToolServer, Waits,
    conformance::{self, over_stdio},
    mcp_tests::driver,
    scripted::{Piped, Scripted, Way, over_http},
};

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/corpus/tools");
const FIELDS: [&str; 12] = [
    "about",
    "http",
    "asks",
    "before",
    "answers",
    "operations",
    "granted",
    "call",
    "arguments",
    "then",
    "link",
    "expect",
];
const EXPECTED: [&str; 12] = [
    "progress",
    "replies",
    "offered",
    "parameters",
    "leftOut",
    "text",
    "structured",
    "isError",
    "links",
    "problem",
    "retryAfterMs",
    "asked",
];

/// What is not as the case says.
async fn tried(case: &Value, way: Way) -> Vec<String> {
    let scripted = Arc::new(Scripted::new(case, way));
    let driver = driver(Arc::new(Piped(Arc::clone(&scripted))));
    let served = match way {
        Way::Pipes => None,
        Way::Http | Way::Newest => Some(over_http(&scripted).await),
    };
    let names = |field: &Value| -> Vec<String> {
        let list = field.as_array().into_iter().flatten();
        list.map(|it| it.as_str().unwrap().to_owned()).collect()
    };
    let server = [ToolServer {
        operations: names(&case["operations"]),
        ..match &served {
            Some(served) => conformance::over_http("depot", &served.url),
            None => over_stdio("depot"),
        }
    }];
    let granted = case["granted"].as_array().map(|_| names(&case["granted"]));
    let may = move |name: &str| {
        let granted = granted.as_ref();
        granted.is_none_or(|it| it.iter().any(|it| format!("depot.{it}") == name))
    };
    let (expect, mut wrong) = (&case["expect"], Vec::new());
    let mut compare = |what: &str, is: Value| {
        if !expect[what].is_null() && expect[what] != is {
            wrong.push(format!("{what} is {is}, not {}", expect[what]));
        }
    };
    let listed = driver.list(&server, &may).await.unwrap();
    let short = |name: &str| name.strip_prefix("depot.").unwrap_or(name).to_owned();
    compare(
        "offered",
        listed
            .tools
            .iter()
            .map(|it| json!(short(&it.name)))
            .collect(),
    );
    let parameters = listed
        .tools
        .iter()
        .map(|it| (short(&it.name), it.parameters.clone()));
    compare("parameters", Value::Object(parameters.collect()));
    let left_out: BTreeMap<_, _> = listed
        .unavailable
        .iter()
        .map(|it| (short(&it.tool), it.reason.as_str()))
        .collect();
    let expected = expect["leftOut"].as_object().cloned().unwrap_or_default();
    let named = left_out.len() == expected.len()
        && expected.iter().all(|(name, why)| {
            left_out
                .get(name)
                .is_some_and(|it| it.contains(why.as_str().unwrap()))
        });
    let progress = Arc::<Mutex<Vec<Value>>>::default();
    let mut told = None;
    let calls = [&case["call"], &case["then"]];
    for (at, name) in calls
        .into_iter()
        .enumerate()
        .filter(|(_, it)| !it.is_null())
    {
        let request = CallRequest {
            name: format!("depot.{}", name.as_str().unwrap()),
            arguments: if at == 0 {
                case["arguments"].clone()
            } else {
                json!({})
            },
            link: case["link"].as_str().filter(|_| at == 1).map(str::to_owned),
        };
        let soon = Instant::now() + std::time::Duration::from_secs(20);
        let kept = Arc::clone(&progress);
        let hears = Waits {
            told: Arc::new(move |text| kept.lock().push(json!(text))),
            ..Waits::nobody()
        };
        told = Some(
            driver
                .call(&server, request, &Attempt::default(), soon, &hears)
                .await,
        );
    }
    compare("replies", scripted.replies.lock().iter().cloned().collect());
    compare("progress", progress.lock().iter().cloned().collect());
    match told {
        Some(Ok(answer)) => {
            compare("text", json!(answer.text));
            compare("structured", json!(answer.structured));
            compare("isError", json!(answer.is_error));
            compare(
                "links",
                answer.links.iter().map(|it| json!(it.uri)).collect(),
            );
            compare("problem", json!("none"));
        }
        Some(Err(problem)) => {
            compare("retryAfterMs", json!(problem.retry_after_ms));
            let told = problem.to_string();
            let wanted = expect["problem"].as_str().unwrap_or("no problem");
            let fits = told.contains(wanted);
            compare("problem", if fits { json!(wanted) } else { json!(told) });
            if expect["problem"].is_null() {
                wrong.push(told);
            }
        }
        None => {}
    }
    if !named {
        wrong.push(format!("left out: {left_out:?}, not {expected:?}"));
    }
    for (method, times) in expect["asked"].as_object().into_iter().flatten() {
        let is = scripted
            .asked
            .lock()
            .get(method)
            .copied()
            .unwrap_or_default();
        if times.as_u64() != Some(is) {
            wrong.push(format!("{method} was asked {is} times, not {times}"));
        }
    }
    wrong
}

fn cases() -> BTreeMap<String, Value> {
    let files = fs::read_dir(Path::new(CORPUS))
        .unwrap()
        .map(|it| it.unwrap().path());
    let cases = files.filter(|it| it.extension().is_some_and(|it| it == "json"));
    let read = |path: &Path| serde_json::from_slice(&fs::read(path).unwrap());
    cases
        .map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let case: Value =
                read(&path).unwrap_or_else(|error| json!({"unreadable": error.to_string()}));
            (name, case)
        })
        .collect()
}

#[tokio::test]
async fn each_case_of_the_corpus_comes_out_right() {
    let mut failed = Vec::new();
    let cases = cases();
    for (name, case) in &cases {
        let known = |it: &Value, fields: &[&str]| {
            let given = it.as_object().into_iter().flatten();
            given
                .map(|(name, _)| name.clone())
                .find(|it| !fields.contains(&it.as_str()))
        };
        let unknown = known(case, &FIELDS).or_else(|| known(&case["expect"], &EXPECTED));
        let wrong = match unknown {
            Some(field) => vec![format!("{field} is not a field of a case")],
            None => {
                let mut wrong = Vec::new();
                for way in Way::of(case) {
                    let all = tried(case, way).await;
                    wrong.extend(all.into_iter().map(|it| format!("{way:?}: {it}")));
                }
                wrong
            }
        };
        let about = case["about"].as_str().unwrap_or_default();
        match wrong.is_empty() {
            true => println!("corpus tools/{name} ... ok: {about}"),
            false => failed.push(format!("tools/{name}: {}", wrong.join("; "))),
        }
    }
    println!(
        "corpus tools: {} of {} cases",
        cases.len() - failed.len(),
        cases.len()
    );
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert!(!cases.is_empty());
}
