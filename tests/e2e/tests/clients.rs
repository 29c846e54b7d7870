//! The clients of the samples and of the SDKs, each in its own interpreter, against a stand-in for the node: what they
//! try again, when, and under which key. What the whole samples do is in `process.rs`, the SDKs in `sdk_python.rs` and
//! `sdk_ts.rs`.

#![allow(clippy::unwrap_used)]

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use aion_abi::{code::Code, headers, problem::Problem};
use aion_e2e::{
    cluster::root,
    npm::{NodeSdk, npm},
};
use aion_testkit::{Interpreter, or_skip, python_package};
use serde_json::json;

/// It is built before it is run.
const SDK_TS: &str = "sdk/ts/aion-sdk";

/// Makes as many calls as it is told, one after another, and prints what each came to; with the folder of the client.
const CALLS: [(Interpreter, &str, &str); 4] = [
    (
        Interpreter::Python,
        "sdk/python",
        r#"
import sys
sys.path.insert(0, sys.argv[1])
from aion_sdk import Refused, SyscallClient
from aion_sdk._core.boot import inherited
with SyscallClient(inherited()[0], sys.argv[2]) as node:
    for _ in range(int(sys.argv[3])):
        try:
            print(node.call("memory.forget", {"by": "ids", "ids": ["a"]})["forgotten"])
        except Refused as refused:
            print(refused.code)
"#,
    ),
    (
        Interpreter::Node,
        SDK_TS,
        r#"
(async () => {
  const { Boot, KernelClient, Refused } = await import(process.argv[1] + '/dist/index.js');
  const node = new KernelClient(Boot.inherited(), { socketPath: process.argv[2] });
  for (let left = Number(process.argv[3]); left > 0; left -= 1) {
    try {
      console.log(await node.memory.forget('a'));
    } catch (refused) {
      if (!(refused instanceof Refused)) throw refused;
      console.log(refused.code);
    }
  }
  node.close();
})();
"#,
    ),
    (
        Interpreter::Python,
        "agents/notebook/python",
        r#"
import sys
sys.path.insert(0, sys.argv[1])
from aion import Node, Refused
node = Node(sys.argv[2])
for _ in range(int(sys.argv[3])):
    try:
        print(node.call("memory.forget", by="ids", ids=["a"])["forgotten"])
    except Refused as refused:
        print(refused.code)
"#,
    ),
    (
        Interpreter::Node,
        "agents/notebook/node",
        r#"
const { Node, Refused } = require(process.argv[1] + '/aion.js');
(async () => {
  const node = new Node(process.argv[2]);
  for (let left = Number(process.argv[3]); left > 0; left -= 1) {
    try {
      console.log((await node.call('memory.forget', { by: 'ids', ids: ['a'] })).forgotten);
    } catch (refused) {
      if (!(refused instanceof Refused)) throw refused;
      console.log(refused.code);
    }
  }
})();
"#,
    ),
];

/// What the stand-in does with one request.
enum Answer {
    Done,
    Refused(Code, u64),
    HangsUp,
}

/// What the stand-in saw of one request.
#[derive(Debug)]
struct Asked {
    at: Instant,
    counter: u64,
    key: String,
}

/// Answers one request a connection, as long as there are answers; one that says nothing is the end.
fn answer_all(listener: &UnixListener, answers: &[Answer]) -> anyhow::Result<Vec<Asked>> {
    let mut all = Vec::new();
    for answer in answers {
        let (mut stream, _) = listener.accept()?;
        let Some(asked) = read(&stream)? else { break };
        all.push(asked);
        let (status, body) = match answer {
            Answer::HangsUp => continue,
            Answer::Done => (200, json!({"forgotten": 1})),
            Answer::Refused(code, after) => {
                let problem = Problem::new(*code, "not now").retry_after_ms(*after);
                (code.status(), serde_json::to_value(problem)?)
            }
        };
        let body = body.to_string();
        let length = body.len();
        write!(
            stream,
            "HTTP/1.1 {status} Said\r\ncontent-length: {length}\r\n\r\n{body}"
        )?;
    }
    Ok(all)
}

fn read(stream: &UnixStream) -> anyhow::Result<Option<Asked>> {
    let mut stream = BufReader::new(stream);
    let (mut counter, mut key, mut length) = (0, String::new(), 0);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        if line == "\r\n" {
            break;
        }
        let (name, value) = line.trim_end().split_once(": ").unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse()?,
            headers::COUNTER => counter = value.parse()?,
            headers::IDEMPOTENCY_KEY => value.clone_into(&mut key),
            _ => {}
        }
    }
    std::io::copy(&mut stream.take(length), &mut std::io::sink())?;
    Ok(Some(Asked {
        at: Instant::now(),
        counter,
        key,
    }))
}

/// What `calls` calls of a client came to, and what a node saw of it that answers so; `None` where its interpreter is not
/// on this machine.
fn call(
    (interpreter, client_folder, source): (Interpreter, &str, &str),
    calls: usize,
    answers: Vec<Answer>,
) -> anyhow::Result<Option<(Vec<String>, Vec<Asked>)>> {
    let Some(mut client) = or_skip(interpreter.command()) else {
        return Ok(None);
    };
    let mut built = None;
    if client_folder == SDK_TS {
        built = NodeSdk::find()?;
        match &built {
            None => return Ok(None),
            Some(sdk) => npm(&sdk.package(), &["run", "build"])?,
        };
    }
    // What the SDK for Python needs; the samples need nothing.
    if client_folder == "sdk/python" {
        let Some(site) = or_skip(python_package("pytest")) else {
            return Ok(None);
        };
        client.env("PYTHONPATH", site);
    }
    let folder = tempfile::tempdir()?;
    let socket = folder.path().join("s");
    let listener = UnixListener::bind(&socket)?;
    let node = thread::spawn(move || answer_all(&listener, &answers));
    let boot = json!({"turn": 7, "agent": "default/a", "key": "07".repeat(32), "input": {}});
    fs::write(folder.path().join("boot"), boot.to_string())?;
    let evaluate = match interpreter {
        Interpreter::Python => "-c",
        Interpreter::Node => "-e",
    };
    let client_folder = built
        .as_ref()
        .map_or_else(|| root().join(client_folder), NodeSdk::package);
    let run = client
        .args([
            Path::new(evaluate),
            Path::new(source),
            &client_folder,
            &socket,
        ])
        .arg(calls.to_string())
        .env("AION_BOOT_FD", "0")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(fs::File::open(folder.path().join("boot"))?)
        .stderr(Stdio::inherit())
        .output()?;
    anyhow::ensure!(run.status.success(), "{interpreter:?}: {}", run.status);
    let told = String::from_utf8(run.stdout)?;
    // One that gave up early leaves answers.
    drop(UnixStream::connect(&socket));
    let asked = node.join().unwrap()?;
    Ok(Some((told.lines().map(str::to_owned).collect(), asked)))
}

/// Whether `asked` are the tries of one call.
fn one_call(asked: &[Asked]) -> bool {
    let again = |pair: &[Asked]| pair[0].key == pair[1].key && pair[0].counter < pair[1].counter;
    asked.windows(2).all(again)
}

#[test]
fn each_client_tries_again_what_passes_by_itself_and_nothing_else() -> anyhow::Result<()> {
    for client in CALLS {
        let answers = Code::ALL.iter().flat_map(|code| {
            let again = code.passes().then_some(Answer::Done);
            [Some(Answer::Refused(*code, 1)), again]
                .into_iter()
                .flatten()
        });
        let Some((told, asked)) = call(client, Code::ALL.len(), answers.collect())? else {
            continue;
        };
        let mut asked = asked.iter();
        for (code, told) in Code::ALL.iter().zip(told) {
            let (tries, expect) = match code.passes() {
                true => (2, "1"),
                false => (1, code.as_str()),
            };
            let tries: Vec<_> = asked.by_ref().take(tries).collect();
            assert_eq!(told, expect, "{} {code}", client.1);
            assert!(
                tries.iter().all(|it| it.key == tries[0].key),
                "{code}: {tries:?}"
            );
        }
    }
    Ok(())
}

#[test]
fn each_client_waits_as_long_as_it_is_told_and_asks_under_the_same_key() -> anyhow::Result<()> {
    const NAMED: u64 = 300;
    for client in CALLS {
        let refused = || Answer::Refused(Code::Restarting, NAMED);
        let answers = vec![refused(), Answer::HangsUp, refused(), Answer::Done];
        let Some((told, asked)) = call(client, 1, answers)? else {
            continue;
        };
        assert_eq!(told, ["1"], "{}", client.1);
        assert!(one_call(&asked), "{}: {asked:?}", client.1);
        for refused in [0, 2] {
            let waited = asked[refused + 1].at - asked[refused].at;
            assert!(
                waited >= Duration::from_millis(NAMED),
                "{}: {waited:?}",
                client.1
            );
        }
    }
    Ok(())
}

#[test]
fn each_client_gives_at_once_what_is_refused_for_longer_than_it_waits() -> anyhow::Result<()> {
    for client in CALLS {
        let answers = vec![Answer::Refused(Code::Overloaded, 3_600_000)];
        let Some((told, _)) = call(client, 1, answers)? else {
            continue;
        };
        assert_eq!(told, ["overloaded"], "{}", client.1);
    }
    Ok(())
}

#[test]
fn the_document_names_what_passes_by_itself() -> anyhow::Result<()> {
    let document = fs::read_to_string(root().join("docs/process-abi.md"))?;
    let rows = document.lines().filter_map(|it| it.strip_prefix("| `"));
    let named: Vec<_> = rows
        .filter_map(|it| it.split_once("` (4").or(it.split_once("` (5")))
        .collect();
    let named: Vec<_> = named.iter().map(|(code, _)| *code).collect();
    let mut passing: Vec<_> = Code::ALL
        .iter()
        .filter(|it| it.passes())
        .map(|it| it.as_str())
        .collect();
    passing.sort_unstable();
    assert_eq!(named, passing);
    Ok(())
}
