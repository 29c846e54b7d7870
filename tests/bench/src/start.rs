//! `wasm_start_p50_ms`: how long a WASM agent takes from a question to its first syscall, by the real
//! daemon, launcher and sandbox, from a module that is compiled already.
//!
//! The clock starts when the caller is told that the kernel took the turn and ends when the guest's first
//! syscall, its answer, has arrived: the worker's start and confinement, mapping and instantiating the
//! module, and the syscall's own way are all in it. The baseline is a declarative agent, which has no module,
//! through the same node, in turns with it.

use std::fs;
use std::time::Duration;

use anyhow::Result;
use tokio::runtime::Runtime;

use crate::machine::Machine;
use crate::report::{Figure, median_ms};
use crate::signing;
use crate::turn;

/// Starts of each that count, after as many that warm everything up as there are rounds of the others.
const STARTS: usize = 100;
const WARM: usize = 5;

/// Says one thing.
const GUEST: &str = r#"(module
    (import "aion" "syscall" (func $syscall (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "agent.message")
    (data (i32.const 32) "{\22text\22:\22here I am\22,\22kind\22:\22final\22}")
    (func (export "_start")
        (drop (call $syscall (i32.const 0) (i32.const 13) (i32.const 32) (i32.const 35)))))"#;

const RECIPE: &str =
    "name: guest\nversion: 0.1.0\nruntime: wasm\nentry: guest.wasm\ndescription: Says one thing\n";

/// Measures the figure.
pub(crate) fn measure(runtime: &Runtime) -> Result<Vec<Figure>> {
    let mut node = Machine::new()?;
    node.start()?;
    set_up(&node)?;
    let first_word = |agent| -> Result<Duration> {
        let seen = runtime.block_on(turn::ask(&node.socket(), agent))?;
        Ok(seen.answered - seen.taken)
    };
    let (mut wasm, mut declarative) = (Vec::new(), Vec::new());
    for round in 0..WARM + STARTS {
        let pair = (first_word("guest")?, first_word("plain")?);
        if round >= WARM {
            wasm.push(pair.0);
            declarative.push(pair.1);
        }
    }
    let (wasm, declarative) = (median_ms(wasm), median_ms(declarative));
    let name = "wasm_start_p50_ms";
    Ok(vec![Figure::against(name, wasm, "ms", declarative, "≤ 6")])
}

/// Signs the guest with a key of its own and applies both agents.
fn set_up(node: &Machine) -> Result<()> {
    let bundle = node.folder().join("guest");
    fs::create_dir(&bundle)?;
    fs::write(bundle.join("guest.wasm"), wat::parse_str(GUEST)?)?;
    fs::write(bundle.join("bundle.yaml"), RECIPE)?;
    let signing::Signed { digest, policy } = signing::sign(node, &bundle)?;
    node.apply(&format!(
        "{policy}\
         ---\napiVersion: aion.dev/v1alpha1\nkind: ClusterAgentPolicy\nmetadata: {{name: bench}}\n\
         spec: {{allow: ['memory.*', 'agent.*']}}\n\
         ---\napiVersion: aion.dev/v1alpha1\nkind: MemoryPool\nmetadata: {{name: bench}}\nspec: {{}}\n\
         ---\napiVersion: aion.dev/v1alpha1\nkind: Agent\nmetadata: {{name: guest}}\n\
         spec:\n  runtime: wasm\n  bundle: {{name: guest, digest: \"{digest}\"}}\n\
         ---\napiVersion: aion.dev/v1alpha1\nkind: Agent\nmetadata: {{name: plain}}\n\
         spec: {{instructions: Says one thing., withoutModel: quote, memory: {{pool: bench}}}}\n"
    ))
}
