//! Limits the whole way: a greedy tool, memory pressure, waiting for CPU, and profiles by name.

#![allow(clippy::unwrap_used)]

use aion_e2e::{program, programs::Programs, standalone::Standalone};
use aion_testkit::{Interpreter, until};
use nix::unistd::geteuid;
use serde_json::{Value, json};

/// The client of the samples, with a program behind it.
fn with_client(program: &str) -> String {
    let client = include_str!("../../../agents/notebook/python/aion.py");
    format!("{client}\n{program}")
}

/// A node of root's, which has groups of its own, or a noted skip.
fn start(name: &str) -> anyhow::Result<Option<Programs<Standalone>>> {
    if !geteuid().is_root() {
        aion_testkit::skip(
            "cgroups",
            "an ordinary user has none here without a delegated one",
        );
        return Ok(None);
    }
    let node = Standalone::start(name)?.with_policies()?;
    Programs::on(node, Interpreter::Python)
}

const HUNGRY: &str = r#"
node = Node()

def tool(name, at):
    try:
        return node.call("tool.call", name=name, arguments={"at": at})["text"]
    except Refused as refused:
        return f"{refused.code}: {refused} -> {refused.remedy}"

said = [tool("probe.self", ""), tool("probe.eat", "4096"), tool("probe.self", ""), tool("probe.run", "x=$(yes)")]
node.call("agent.message", kind="final", text="\n".join(said))
"#;

#[test]
fn a_greedy_tool_dies_alone_and_the_turn_lives_and_is_told_why() -> anyhow::Result<()> {
    let Some(mut programs) = start("greedy")? else {
        return Ok(());
    };
    let probe = program("mcp-probe")?;
    programs.apply(&[json!({
        "apiVersion": "aion.dev/v1alpha1", "kind": "Tool", "metadata": {"name": "probe"},
        "spec": {"mcp": {"stdio": {"command": probe}}},
    })])?;
    let spec = json!({
        "tools": [{"name": "probe"}], "limits": {"turnSeconds": 120, "memoryMiB": 64},
        "permissions": {"allow": ["probe.*"]},
    });
    programs.agent("hungry", &with_client(HUNGRY), spec)?;
    let answer = programs.ask("hungry");
    let said: Vec<&str> = answer.lines().collect();
    assert_eq!(said.len(), 4, "{answer}");
    assert!(
        said[1].starts_with("out-of-bounds: tool probe: "),
        "{answer}"
    );
    assert!(
        said[1].contains("used more memory than it may (512 MiB) and was ended"),
        "{answer}"
    );
    assert!(
        said[1].contains("ask the tool for less at a time"),
        "{answer}"
    );
    assert_eq!(said[0], said[2], "the next call starts it anew");
    assert!(
        said[3].contains("a process of this tool used more memory than the tool may, 512 MiB"),
        "{answer}"
    );
    let why: Value =
        serde_json::from_str(&programs.node.aionctl(&["why", "hungry", "-o", "json"])?)?;
    let limits = link(&why, "limits");
    assert_eq!(limits["state"], "ok", "the agent itself met none: {limits}");
    Ok(())
}

fn link(why: &Value, stage: &str) -> Value {
    let links = why["links"].as_array().unwrap();
    links
        .iter()
        .find(|it| it["stage"] == stage)
        .unwrap()
        .clone()
}

const GROWING: &str = r#"
import threading
node = Node()
told = threading.Event()
heard = []

def listen():
    for notice in node.notices():
        heard.append(notice)
        told.set()

threading.Thread(target=listen, daemon=True).start()
held = []
while not told.is_set() and len(held) < 400:
    held.append(bytearray(b"x" * (1 << 20)))
    time.sleep(0.01)
grown = len(held)
held.clear()
notice = heard[0] if heard else {}
marked = []
class Marks(_Connection):
    def getresponse(self):
        response = super().getresponse()
        marked.append(response.getheader("aion-notice"))
        return response
_Connection = Marks
node.call("sys.null")
text = f"{notice.get('notice')} of {notice.get('resource')}: {notice.get('heldBytes', 0) >> 20} of {notice.get('mostBytes', 0) >> 20}, grown {grown}, marked {json.loads(marked[0])['notice'] if marked[0] else None}"
node.call("agent.message", kind="final", text=text)
"#;

#[test]
fn a_program_that_grows_is_told_before_its_end_and_can_let_go() -> anyhow::Result<()> {
    let Some(mut programs) = start("growing")? else {
        return Ok(());
    };
    let spec = json!({"limits": {"turnSeconds": 60, "memoryMiB": 128}});
    programs.agent("growing", &with_client(GROWING), spec)?;
    let answer = programs.ask("growing");
    assert!(answer.starts_with("pressure of memory: 1"), "{answer}");
    assert!(answer.contains(" of 128, grown "), "{answer}");
    assert!(answer.contains("marked pressure"), "{answer}");
    let why: Value =
        serde_json::from_str(&programs.node.aionctl(&["why", "growing", "-o", "json"])?)?;
    let limits = link(&why, "limits");
    assert!(
        limits["message"]
            .as_str()
            .unwrap()
            .contains("told of memory pressure"),
        "{limits}"
    );
    let log = programs.node.aionctl(&["logs", "growing"])?;
    assert!(log.contains("it was told of memory pressure"), "{log}");
    Ok(())
}

const BUSY: &str = r#"
node = Node()
while time.process_time() < 0.6:
    pass
node.call("agent.message", kind="final", text="done")
"#;

#[test]
fn who_waits_for_cpu_or_runs_out_of_memory_is_told_so_in_status_and_why() -> anyhow::Result<()> {
    let Some(mut programs) = start("throttled")? else {
        return Ok(());
    };
    let limits = json!({"limits": {"turnSeconds": 60, "cpuMillis": 50}});
    programs.agent("busy", &with_client(BUSY), limits)?;
    assert_eq!(programs.ask("busy").trim(), "done");
    let why: Value = serde_json::from_str(&programs.node.aionctl(&["why", "busy", "-o", "json"])?)?;
    let told = link(&why, "limits");
    assert_eq!(told["state"], "degraded", "{told}");
    assert!(
        told["message"]
            .as_str()
            .unwrap()
            .contains("raise limits.cpuMillis"),
        "{told}"
    );
    let greedy = "x = bytearray(1 << 30)\nfor i in range(0, 1 << 30, 4096): x[i] = 1";
    programs.agent("greedy", greedy, json!({"limits": {"memoryMiB": 64}}))?;
    let _refused = programs.ask("greedy");
    for (agent, reason) in [("busy", "Throttled"), ("greedy", "OutOfMemory")] {
        until("the status to say it", aion_e2e::cluster::BOUND, || {
            let instances = programs
                .node
                .list("agentinstances")
                .map_err(|e| e.to_string())?;
            let mine = instances
                .iter()
                .filter(|it| it["spec"]["agent"]["name"] == agent);
            let conditions: Vec<&Value> = mine
                .flat_map(|it| it["status"]["conditions"].as_array())
                .flatten()
                .collect();
            let found = conditions.iter().any(|it| {
                it["type"] == "WithinLimits" && it["status"] == "False" && it["reason"] == reason
            });
            found
                .then_some(())
                .ok_or_else(|| format!("{agent}: {conditions:?}"))
        })?;
    }
    Ok(())
}

#[test]
fn a_profile_by_name_is_in_the_layers_and_one_that_is_not_is_refused() -> anyhow::Result<()> {
    let Some(mut programs) = start("profiles")? else {
        return Ok(());
    };
    let program =
        with_client("node = Node()\nnode.call('agent.message', kind='final', text='done')");
    programs.agent("small", &program, json!({"limits": {"profile": "small"}}))?;
    assert_eq!(programs.ask("small").trim(), "done");
    let evidence = until("the layers of its worker", aion_e2e::cluster::BOUND, || {
        let instances = programs
            .node
            .list("agentinstances")
            .map_err(|e| e.to_string())?;
        let layers = instances
            .iter()
            .flat_map(|it| it["status"]["layers"].as_array())
            .flatten();
        let text: Vec<String> = layers
            .map(|it| format!("{}: {}", it["layer"], it["detail"]))
            .collect();
        let text = text.join("\n");
        match text.contains("134217728") {
            true => Ok(text),
            false => Err(text),
        }
    })?;
    let weight = ["cpu.shares 512", "cpu.weight 50"];
    assert!(weight.iter().any(|it| evidence.contains(it)), "{evidence}");
    let huge = json!({
        "apiVersion": "aion.dev/v1alpha1", "kind": "Agent", "metadata": {"name": "huge"},
        "spec": {"instructions": "Be brief.", "limits": {"profile": "huge"}},
    });
    let file = programs.node.path("huge.yaml");
    std::fs::write(&file, huge.to_string())?;
    let refused = programs
        .node
        .aionctl(&["apply", "--wait", "5", "-f", &file.to_string_lossy()]);
    let why = refused.unwrap_err().to_string();
    assert!(
        why.contains("no profile huge; there are large, quiet, sealed, small, standard"),
        "{why}"
    );
    Ok(())
}
