//! Programs that begin turns of others by syscalls, and what such a turn is shown.

use std::fs;

use aion_e2e::{programs::Programs, standalone::Standalone};
use aion_testkit::Interpreter;
use serde_json::json;

/// Makes calls until the node takes them, and says the answer.
const CALLS: &str = r#"
import hashlib, hmac, http.client, itertools, json, os, socket, time
boot = json.load(os.fdopen(3, "rb"))
text, counter = boot["input"]["text"], itertools.count(1)

def once(path, body, step):
    stamp, number = str(time.time_ns() // 1_000_000), str(next(counter))
    lines = ["AION-HMAC-SHA256-V1", "POST", path, stamp, number, step, "", hashlib.sha256(body).hexdigest()]
    signature = hmac.new(bytes.fromhex(boot["key"]), "\n".join(lines).encode(), hashlib.sha256).hexdigest()
    headers = {"content-type": "application/json", "aion-timestamp": stamp, "aion-counter": number,
               "aion-signature": signature, "idempotency-key": step}
    connection = http.client.HTTPConnection("aion")
    connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.sock.connect("/run/aion.sock")
    connection.request("POST", path, body, headers)
    return json.loads(connection.getresponse().read() or b"{}")

def call(syscall, step, **body):
    while True:
        answer = once("/v1/" + syscall.replace(".", "/"), json.dumps(body).encode(), f"t{boot['turn']}.{step}")
        if answer.get("code") not in ("stale", "restarting", "overloaded"):
            return answer
        time.sleep(0.2)
"#;

const READER: &str = r#"
if text == "slow":
    time.sleep(600)
try:
    said = open("/mnt/notes/key.txt").read()
except OSError as why:
    said = f"not there: {why.strerror}"
call("agent.message", "said", kind="final", text=said)
"#;

/// Has the reader read with what it is told to let it do, and stops another turn of it.
const CHIEF: &str = r#"
begun = call("agent.spawn", "one", agent="reader", input="read", delegate=json.loads(text))
ended = call("agent.wait", "heard", turn=begun["turn"])
other = call("agent.spawn", "two", agent="reader", input="slow")
call("agent.cancel", "stopped", turn=other["turn"])
stopped = call("agent.wait", "stops", turn=other["turn"])
strange = call("agent.wait", "strange", turn=boot["turn"])
typo = call("agent.ask", "typo", agent="reader", input="read", delegate=["fs.*"])
said = f"{ended['answer']} / {stopped['ok']} {stopped['problem']['code']} / {strange['code']} / {typo['code']}"
call("agent.message", "said", kind="final", text=said)
"#;

/// A mount is read without a syscall: so one that the caller does not let it read is not there.
#[test]
fn a_program_is_shown_the_mounts_that_its_caller_lets_it_read() -> anyhow::Result<()> {
    let node = Standalone::start("calling-programs")?.with_policies()?;
    let notes = node.path("notes");
    fs::create_dir(&notes)?;
    fs::write(notes.join("key.txt"), "under the mat")?;
    node.aionctl(&["mount", "add", "notes", &notes.to_string_lossy()])?;
    let Some(mut programs) = Programs::on(node, Interpreter::Python)? else {
        return Ok(());
    };
    let limits = json!({"turnSeconds": 120});
    let files = json!([{"mount": "notes", "mode": "read"}]);
    programs.agent(
        "reader",
        &format!("{CALLS}{READER}"),
        json!({"permissions": {"files": files}, "limits": limits}),
    )?;
    programs.agent(
        "chief",
        &format!("{CALLS}{CHIEF}"),
        json!({"permissions": {"allow": ["agent.ask:reader"]}, "limits": limits}),
    )?;
    let rest = "/ False cancelled / not-found / bad-request";
    for (delegate, seen) in [
        (r#"["fs.read:notes"]"#, "under the mat"),
        ("[]", "not there: No such file or directory"),
    ] {
        let answer = programs.node.aionctl(&["ask", "chief", delegate])?;
        assert!(answer.contains(&format!("{seen} {rest}")), "{answer}");
    }
    Ok(())
}
