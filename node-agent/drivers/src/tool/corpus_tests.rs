//! `tests/corpus/tools`: what servers send, each with what is right. A case is a file there; `README.md` beside them
//! says what it may have. `cargo test -p aion-drivers corpus -- --nocapture` prints a line for each.
#![allow(clippy::unwrap_used)]

use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

use aion_abi::{problem::Problem, syscall::tool::CallRequest};
use futures::future::BoxFuture;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    time::Instant,
};

use super::{
    StdioCommand, StdioProcess, StdioServers, ToolDriver, ToolServer, conformance::over_stdio,
    mcp_tests::driver, test_server::behind_pipes,
};

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/corpus/tools");
const FIELDS: [&str; 10] = [
    "about",
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
const EXPECTED: [&str; 9] = [
    "offered",
    "parameters",
    "leftOut",
    "text",
    "structured",
    "isError",
    "links",
    "problem",
    "asked",
];

/// Answers as a case says, and counts what it is asked.
struct Scripted {
    case: Value,
    asked: Arc<Mutex<BTreeMap<String, u64>>>,
}

impl Scripted {
    /// The lines that answer a request: those of its turn, the last ones from then on.
    fn lines(case: &Value, method: &str, turn: u64, request: &Value) -> Vec<String> {
        let given = &case["answers"][method];
        let turns = given.as_array().map(Vec::as_slice).unwrap_or_default();
        let at = usize::try_from(turn).unwrap().min(turns.len().max(1)) - 1;
        let Some(lines) = turns.get(at) else {
            let result = match method {
                "initialize" => json!({
                    "protocolVersion": request["params"]["protocolVersion"],
                    "capabilities": {"tools": {"listChanged": true}},
                    "serverInfo": {"name": "case", "version": "1"},
                }),
                "tools/list" => {
                    json!({"tools": [{"name": "stock", "inputSchema": {"type": "object"}}]})
                }
                _ => json!({}),
            };
            return vec![
                json!({"jsonrpc": "2.0", "id": request["id"], "result": result}).to_string(),
            ];
        };
        let lines = lines.as_array().unwrap();
        let line = |line: &Value| match line {
            Value::String(text) => repeated(text).replace("$ID", &request["id"].to_string()),
            Value::Object(it) if it.contains_key("result") || it.contains_key("error") => {
                let mut message = line.clone();
                message["jsonrpc"] = json!("2.0");
                message["id"] = request["id"].clone();
                repeated(&message.to_string())
            }
            other => other.to_string(),
        };
        lines.iter().map(line).collect()
    }
}

/// `$REPEAT(n)` stands for n letters: a case stays small.
fn repeated(text: &str) -> String {
    let Some((before, rest)) = text.split_once("$REPEAT(") else {
        return text.to_owned();
    };
    let (count, after) = rest.split_once(')').unwrap();
    format!("{before}{}{after}", "x".repeat(count.parse().unwrap()))
}

impl StdioServers for Scripted {
    fn start<'a>(
        &'a self,
        _: &'a ToolServer,
        _: &'a StdioCommand,
    ) -> BoxFuture<'a, Result<StdioProcess, Problem>> {
        Box::pin(async move {
            let (case, asked) = (self.case.clone(), Arc::clone(&self.asked));
            Ok(behind_pipes(|read, mut write| async move {
                for line in case["before"].as_array().into_iter().flatten() {
                    let line = format!("{}\n", line.as_str().unwrap());
                    write.write_all(line.as_bytes()).await?;
                }
                let mut lines = BufReader::new(read).lines();
                while let Some(line) = lines.next_line().await? {
                    let request: Value = serde_json::from_str(&line).unwrap();
                    let method = request["method"].as_str().unwrap_or_default().to_owned();
                    if request["id"].is_null() {
                        continue;
                    }
                    let turn = {
                        let mut asked = asked.lock();
                        let turn = asked.entry(method.clone()).or_default();
                        *turn += 1;
                        *turn
                    };
                    for line in Self::lines(&case, &method, turn, &request) {
                        write.write_all(format!("{line}\n").as_bytes()).await?;
                    }
                }
                std::io::Result::Ok(())
            }))
        })
    }
}

/// What is not as the case says.
async fn tried(case: &Value) -> Vec<String> {
    let asked = Arc::<Mutex<BTreeMap<String, u64>>>::default();
    let driver = driver(Arc::new(Scripted {
        case: case.clone(),
        asked: Arc::clone(&asked),
    }));
    let names = |field: &Value| -> Vec<String> {
        let list = field.as_array().into_iter().flatten();
        list.map(|it| it.as_str().unwrap().to_owned()).collect()
    };
    let server = [ToolServer {
        operations: names(&case["operations"]),
        ..over_stdio("depot")
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
        told = Some(driver.call(&server, request, soon).await);
    }
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
        let is = asked.lock().get(method).copied().unwrap_or_default();
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
            None => tried(case).await,
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
