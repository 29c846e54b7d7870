//! Agents that are code, the whole way: signed, compiled by a confined process, run by a confined worker.

#![allow(clippy::unwrap_used)]

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use aion_e2e::{cluster::root, standalone::Standalone};
use sha2::{Digest, Sha256};

/// Says one thing.
const SPEAKER: &str = r#"(module
    (import "aion" "syscall" (func $syscall (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "agent.message")
    (data (i32.const 32) "{\22text\22:\22here I am\22,\22kind\22:\22final\22}")
    (func (export "_start")
        (if (i32.ne (call $syscall (i32.const 0) (i32.const 13) (i32.const 32) (i32.const 35)) (i32.const 200))
            (then unreachable))))"#;
const ENDLESS: &str =
    r#"(module (memory (export "memory") 1) (func (export "_start") (loop $l (br $l))))"#;
const GREEDY: &str = r#"(module (memory (export "memory") 1) (func (export "_start")
    (loop $l (br_if $l (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable))"#;
const STRANGER: &str = r#"(module (import "env" "steal" (func)) (func (export "_start")))"#;

/// Makes a bundle of `text` and applies an agent of it.
fn agent(node: &mut Standalone, name: &str, module: &[u8]) -> anyhow::Result<()> {
    let folder = node.home().join(format!("bundle-{name}"));
    fs::create_dir(&folder)?;
    fs::write(folder.join("guest.wasm"), module)?;
    fs::write(
        folder.join("bundle.yaml"),
        format!(
            "name: {name}\nversion: 0.1.0\nruntime: wasm\nentry: guest.wasm\ndescription: A test\n"
        ),
    )?;
    let digest = node.trust_bundle(&folder)?;
    node.apply(
        &format!(
            "apiVersion: aion.dev/v1alpha1\nkind: Agent\nmetadata: {{name: {name}}}\nspec:\n  runtime: wasm\n  \
             bundle: {{name: {name}, digest: \"{digest}\"}}\n  limits: {{turnSeconds: 5, memoryMiB: 64}}\n"
        ),
        "120",
    )?;
    Ok(())
}

fn is_as_kept(path: &Path) -> bool {
    let name = path.file_name().unwrap().to_str().unwrap();
    let digest = Sha256::digest(fs::read(path).unwrap());
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    name.ends_with(&hex)
}

#[test]
fn guests_answer_end_at_their_bounds_and_run_only_as_they_were_compiled() -> anyhow::Result<()> {
    let mut node = Standalone::start()?;
    for (name, text) in [
        ("speaker", SPEAKER),
        ("endless", ENDLESS),
        ("greedy", GREEDY),
        ("stranger", STRANGER),
    ] {
        agent(&mut node, name, &wat::parse_str(text)?)?;
    }
    assert!(
        node.must(&["ask", "speaker", "hello"])?
            .contains("here I am")
    );
    for (name, sentence) in [
        ("endless", "the turn took longer than it may"),
        (
            "greedy",
            "the program ran out of memory: it asked for 33 MiB and may have 32",
        ),
        ("stranger", "the module cannot be run"),
    ] {
        let said = node.aionctl(&["ask", name, "hello"])?;
        assert!(
            !said.ok && said.text.contains(sentence),
            "{name}: {}",
            said.text
        );
    }

    // Altered where it lies: found by its digest, and compiled anew.
    let speaker: Vec<_> = node.compiled()?;
    for path in &speaker {
        fs::set_permissions(path, fs::Permissions::from_mode(0o644))?;
        let mut bytes = fs::read(path)?;
        let at = bytes.len() / 2;
        bytes[at] ^= 0xff;
        fs::write(path, bytes)?;
    }
    assert!(
        node.must(&["ask", "speaker", "hello"])?
            .contains("here I am")
    );
    assert!(node.log().contains("was altered"));
    assert_eq!(
        node.compiled()?
            .iter()
            .filter(|path| is_as_kept(path))
            .count(),
        1
    );

    // Something else that goes by its own digest: the worker refuses it, the next turn has it made anew.
    for path in node.compiled()?.iter().filter(|path| is_as_kept(path)) {
        let foreign = b"\x7fELF, but not of this engine";
        let hex: String = Sha256::digest(foreign)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let key = path.file_name().unwrap().to_str().unwrap();
        let key = &key[..key.len() - 64];
        fs::remove_file(path)?;
        fs::write(path.with_file_name(format!("{key}{hex}")), foreign)?;
    }
    let said = node.aionctl(&["ask", "speaker", "hello"])?;
    assert!(
        said.text.contains("the compiled module cannot be loaded"),
        "{}",
        said.text
    );
    assert!(
        node.must(&["ask", "speaker", "hello"])?
            .contains("here I am")
    );
    Ok(())
}

#[test]
fn what_is_no_module_is_told_and_never_run() -> anyhow::Result<()> {
    let mut node = Standalone::start()?;
    let mut broken = wat::parse_str(ENDLESS)?;
    broken.truncate(broken.len() - 4);
    let Err(refused) = agent(&mut node, "broken", &broken) else {
        anyhow::bail!("a broken module became ready");
    };
    let text = refused.to_string();
    assert!(text.contains("the module cannot be compiled"), "{text}");
    assert!(node.compiled()?.is_empty());
    Ok(())
}

#[test]
fn the_analyst_reads_a_table_and_leaves_a_report_and_a_plot() -> anyhow::Result<()> {
    let mut node = Standalone::start()?;
    let folder = root().join("agents/analyst");
    node.trust_bundle(&folder)?;
    let manifest = folder.join("agent.yaml").display().to_string();
    node.must(&["apply", "--wait", "600", "-f", &manifest])?;
    let table = folder.join("examples/orders.csv").display().to_string();
    let said = node.must(&["run", "analyst", "--file", &table, "--output-dir", "out"])?;
    assert!(
        said.contains("orders.csv has 731 rows and 5 columns"),
        "{said}"
    );
    let report = fs::read_to_string(node.home().join("out/report.md"))?;
    assert!(report.contains("631 on line 514"), "{report}");
    let plot = fs::read_to_string(node.home().join("out/plot.svg"))?;
    assert!(plot.starts_with("<svg") && plot.trim_end().ends_with("</svg>"));
    // What it remembered, in a turn of its own.
    let said = node.must(&["ask", "analyst", "What do you know about orders?"])?;
    assert!(said.contains("orders.csv"), "{said}");
    Ok(())
}
