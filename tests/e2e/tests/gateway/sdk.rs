//! The SDK for Python through the gateway: asking agents, and being one from elsewhere.

#![allow(clippy::unwrap_used)]

use std::{fs, process::Command};

use aion_e2e::cluster::root;
use aion_testkit::{FakeModel, Process, Reply, or_skip, python_package, until};

use serde_json::json;

use crate::{
    door::{BOUND, Door, body},
    external,
};

const SCRIPT: &str = r#"
import asyncio, dataclasses, json, re, sys, urllib.request
from aion_sdk import AgentInfo, Answer, Approval, AsyncGateway, Gateway, Missed, Refused, Said, Word
url, token = sys.argv[1:]

# What the gateway describes has a place in what it is read into.
described = urllib.request.Request(f"{url}/openapi.json", headers={"Authorization": f"Bearer {token}"})
described = json.load(urllib.request.urlopen(described))["components"]["schemas"]
def has(schema, of, **other):
    said = [other.get(it) or re.sub("[A-Z]", lambda it: "_" + it[0].lower(), it) for it in described[schema]["properties"]]
    lacks = set(said) - {it.name for it in dataclasses.fields(of)}
    assert not lacks, (schema, lacks)
has("TurnRecord", Answer)
has("Agent", AgentInfo, **{"try": "examples"})
has("Approval", Approval, approval="number")
has("Answered", Said)
has("Standing", Word)
has("Missed", Missed)

with Gateway(url, token) as gateway:
    assert [it.name for it in gateway.agents() if it.ready] == ["jarvis"]
    answer = gateway.ask("A name for a cat?", "jarvis", key="cat-1")
    assert (answer.text, answer.ok) == ("Felix is a good name.", True), answer
    assert gateway.ask("A name for a cat?", "jarvis", key="cat-1").turn == answer.turn
    routed = gateway.ask("A name for a cat?")
    assert routed.routed["name"] == "jarvis", routed
    with gateway.stream("A name for a dog?", "jarvis", files=[("dogs.txt", b"Rex")]) as stream:
        kinds = [it["event"] for it in stream]
        assert kinds[0] == "queued" and kinds[-1] == "ended", kinds
        assert stream.text == "Felix is a good name."
    assert [it["event"] for it in gateway.follow(answer.turn)][-1] == "ended"
    for wrong, code in ((lambda: gateway.ask("?", "nobody"), "not-found"), (lambda: gateway.turn(10**6), "not-found")):
        try:
            wrong()
        except Refused as refused:
            assert refused.code == code and refused.remedy, refused
        else:
            raise AssertionError(code)

async def awaiting():
    async with AsyncGateway(url, token) as gateway:
        asked = await asyncio.gather(*(gateway.ask(f"Cat {it}?", "jarvis") for it in range(3)))
        assert {it.text for it in asked} == {"Felix is a good name."}

asyncio.run(awaiting())
try:
    Gateway(url, "wrong").agents()
except Refused as refused:
    assert refused.code == "bad-signature", refused
print("all of it")
"#;

#[test]
fn the_sdk_for_python_asks_agents_and_reads_what_is_refused() -> anyhow::Result<()> {
    let Some(site) = or_skip(python_package("pytest")) else {
        return Ok(());
    };
    let model = FakeModel::answering(|_| Reply::text("Felix is a good name."))?;
    let door = Door::open(&model)?;
    let path = format!("{}:{}", root().join("sdk/python").display(), site.display());
    let mut client = Command::new("python3");
    client
        .args(["-c", SCRIPT])
        .arg(format!("http://127.0.0.1:{}/v1", door.port))
        .arg(&door.token)
        .env("PYTHONPATH", path)
        .env("PYTHONDONTWRITEBYTECODE", "1");
    let output = client.output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "all of it");
    Ok(())
}

/// The template of `aionctl new agent --python`, with a turn that waits until a file is there.
const PROGRAM: &str = r#"
import os, sys, time
from aion_sdk import Agent, Turn
agent = Agent()

@agent.turn
def answer(turn: Turn) -> str:
    known = turn.memory.recall(turn.text, k=3)
    turn.memory.remember(turn.text)
    if turn.text.startswith("wait"):
        open(os.environ["BEGUN"], "w").close()
        while not os.path.exists(os.environ["GO"]):
            time.sleep(0.05)
        turn.memory.remember("waited")
    return "\n".join(["Noted.", *(f"You said: {it.text}" for it in known)])

if __name__ == "__main__":
    agent.run()
"#;

#[test]
fn an_agent_of_the_sdk_runs_elsewhere_with_memory_and_through_a_kill_of_the_node()
-> anyhow::Result<()> {
    let Some(site) = or_skip(python_package("pytest")) else {
        return Ok(());
    };
    let mut door = external::open()?;
    let path = format!("{}:{}", root().join("sdk/python").display(), site.display());
    let main = door.node.path("main.py");
    fs::write(&main, PROGRAM)?;
    let token = door.node.path("token");
    fs::write(&token, &door.token)?;
    let (begun, go) = (door.node.path("begun"), door.node.path("go"));
    let mut program = Command::new("python3");
    program
        .arg(&main)
        .env("PYTHONPATH", path)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("AION_AGENT", "helper")
        .env(
            "AION_GATEWAY_URL",
            format!("http://127.0.0.1:{}/v1", door.port),
        )
        .env("AION_GATEWAY_TOKEN_FILE", &token)
        .env("BEGUN", &begun)
        .env("GO", &go);
    let log = door.node.path("program.log");
    let program = Process::spawn(&program, &log)?;
    external::becomes_ready(&door, "helper", "True");
    let first = external::ask(&door, "The key is under the mat");
    assert_eq!(first["answer"], "Noted.", "{first}\n{}", program.tail());
    let second = external::ask(&door, "Where is the key?");
    let said = "Noted.\nYou said: The key is under the mat";
    assert_eq!(second["answer"], said, "{second}\n{}", program.tail());

    let asked = json!({"input": "wait for it"}).to_string();
    let more = format!(
        "\r\ncontent-type: application/json\r\ncontent-length: {}",
        asked.len()
    );
    let head = door.head("POST /v1/agents/helper/turns", &more);
    let waiting = door.send(&head, &asked)?;
    until("the turn to begin", BOUND, || match begun.exists() {
        true => Ok(()),
        false => Err(program.tail()),
    })?;
    door.node.restart_daemon()?;
    fs::write(&go, "")?;
    let turn = second["turn"].as_u64().unwrap() + 1;
    let third = until("the turn to end", BOUND, || {
        let (_, record) = door
            .get(&format!("/v1/turns/{turn}"))
            .map_err(|why| why.to_string())?;
        match body(&record) {
            record if record["outcome"].is_null() => Err(record.to_string()),
            record => Ok(record),
        }
    })?;
    drop(waiting);
    assert_eq!(third["outcome"]["ok"], true, "{third}\n{}", program.tail());
    external::becomes_ready(&door, "helper", "True");
    let fourth = external::ask(&door, "waited");
    let said = fourth["answer"].as_str().unwrap_or_default();
    assert!(
        said.contains("You said: waited"),
        "{fourth}\n{}",
        program.tail()
    );
    Ok(())
}
