//! The SDK for Python asks through the gateway.

use std::process::Command;

use aion_e2e::cluster::root;
use aion_testkit::{FakeModel, Reply, or_skip, python_package};

use crate::door::Door;

const SCRIPT: &str = r#"
import asyncio, sys
from aion_sdk import AsyncGateway, Gateway, Refused
url, token = sys.argv[1:]
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
