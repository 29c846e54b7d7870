//! Agents that are code, the whole way: signed, compiled by a confined process, run by a confined worker.

#![allow(clippy::unwrap_used)]

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use aion_e2e::{
    cluster::root,
    guest::{ENDLESS, SPEAKER, bundle},
    program,
    standalone::Standalone,
};
use sha2::{Digest, Sha256};

const GREEDY: &str = r#"(module (memory (export "memory") 1) (func (export "_start")
    (loop $l (br_if $l (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable))"#;
const STRANGER: &str = r#"(module (import "env" "steal" (func)) (func (export "_start")))"#;

/// A node that runs what its machine's key signed.
struct Guests {
    node: Standalone,
    digests: Vec<String>,
}

impl Guests {
    fn start(name: &str) -> anyhow::Result<Self> {
        let node = Standalone::start(name)?.with_policies()?;
        Ok(Self {
            node,
            digests: Vec::new(),
        })
    }

    /// Builds the bundle in `folder`, signs it and has this machine trust it. Gives its digest.
    fn trust(&mut self, folder: &Path) -> anyhow::Result<String> {
        let (digest, key) = self.node.sign(folder)?;
        self.digests.push(digest.clone());
        let key: String = key
            .lines()
            .map(|line| format!("        {line}\n"))
            .collect();
        let digests: String = self
            .digests
            .iter()
            .map(|it| format!("        - \"{it}\"\n"))
            .collect();
        let trust = format!(
            "apiVersion: aion.dev/v1alpha1\nkind: TrustPolicy\nmetadata: {{name: tests}}\nspec:\n  inline: allow\n  keys:\n    \
             - name: machine\n      purpose: machine\n      publicKey: |\n{key}      digests:\n{digests}"
        );
        self.apply(&trust, 0)?;
        Ok(digest)
    }

    /// Makes a bundle of `module` and applies an agent of it.
    fn agent(&mut self, name: &str, module: &[u8], seconds: u32) -> anyhow::Result<()> {
        let folder = bundle(&self.node, name, module)?;
        let digest = self.trust(&folder)?;
        let manifest = format!(
            "apiVersion: aion.dev/v1alpha1\nkind: Agent\nmetadata: {{name: {name}}}\nspec:\n  runtime: wasm\n  \
             bundle: {{name: {name}, digest: \"{digest}\"}}\n  limits: {{turnSeconds: 5, memoryMiB: 64}}\n"
        );
        self.apply(&manifest, seconds)
    }

    /// Applies a manifest and waits so long for its agents.
    fn apply(&self, manifest: &str, seconds: u32) -> anyhow::Result<()> {
        let path = self.node.path("manifest.yaml");
        fs::write(&path, manifest)?;
        let (path, seconds) = (path.to_string_lossy(), seconds.to_string());
        self.node
            .aionctl(&["apply", "--wait", &seconds, "-f", &path])?;
        Ok(())
    }

    /// What asking an agent comes to, well or badly.
    fn ask(&self, name: &str) -> String {
        self.node
            .aionctl(&["ask", name, "hello"])
            .unwrap_or_else(|refused| format!("refused: {refused}"))
    }

    /// What was compiled, one file a module.
    fn compiled(&self) -> anyhow::Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for bundle in fs::read_dir(self.node.home().join("store/bundles"))? {
            let folder = bundle?.path().join("compiled");
            if folder.is_dir() {
                for file in fs::read_dir(folder)? {
                    found.push(file?.path());
                }
            }
        }
        Ok(found)
    }
}

fn hex(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn is_as_kept(path: &Path) -> bool {
    let name = path.file_name().unwrap().to_str().unwrap();
    name.ends_with(&hex(&fs::read(path).unwrap()))
}

#[test]
fn guests_answer_end_at_their_bounds_and_run_only_as_they_were_compiled() -> anyhow::Result<()> {
    let mut guests = Guests::start("guests")?;
    for (name, text) in [
        ("speaker", SPEAKER),
        ("endless", ENDLESS),
        ("greedy", GREEDY),
        ("stranger", STRANGER),
    ] {
        guests.agent(name, &wat::parse_str(text)?, 120)?;
    }
    let answer = guests.ask("speaker");
    assert!(answer.starts_with("here I am"), "{answer}");
    for (name, sentence) in [
        ("endless", "the turn took longer than it may"),
        (
            "greedy",
            "the program ran out of memory: it asked for 33 MiB and may have 32",
        ),
        ("stranger", "the module cannot be run"),
    ] {
        let said = guests.ask(name);
        assert!(said.starts_with("refused: "), "{name}: {said}");
        assert!(said.contains(sentence), "{name}: {said}");
    }

    // Altered where it lies: found by its digest, and compiled anew.
    for path in guests.compiled()? {
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644))?;
        let mut bytes = fs::read(&path)?;
        let at = bytes.len() / 2;
        bytes[at] ^= 0xff;
        fs::write(path, bytes)?;
    }
    let answer = guests.ask("speaker");
    assert!(answer.starts_with("here I am"), "{answer}");
    assert!(guests.node.log()?.contains("was altered"));
    let sound = guests.compiled()?.into_iter().filter(|it| is_as_kept(it));
    assert_eq!(sound.count(), 1);

    // Something else that goes by its own digest: the worker refuses it, the next turn has it made anew.
    for path in guests.compiled()?.iter().filter(|path| is_as_kept(path)) {
        let foreign = b"\x7fELF, but not of this engine";
        let key = path.file_name().unwrap().to_str().unwrap();
        let key = &key[..key.len() - 64];
        fs::remove_file(path)?;
        fs::write(
            path.with_file_name(format!("{key}{}", hex(foreign))),
            foreign,
        )?;
    }
    let said = guests.ask("speaker");
    assert!(
        said.contains("the compiled module cannot be loaded"),
        "{said}"
    );
    let answer = guests.ask("speaker");
    assert!(answer.starts_with("here I am"), "{answer}");
    Ok(())
}

#[test]
fn the_worker_holds_no_code_generator() -> anyhow::Result<()> {
    // Both are in a panic's location, in a program that is stripped too.
    let generator = [&b"cranelift-codegen-"[..], b"regalloc2-"];
    let holds = |name: &str| -> anyhow::Result<Vec<bool>> {
        let bytes = fs::read(program(name)?)?;
        let within = |mark: &[u8]| memchr::memmem::find(&bytes, mark).is_some();
        Ok(generator.map(within).to_vec())
    };
    assert_eq!(holds("aion-worker")?, [false, false]);
    assert_eq!(holds("aion-compiler")?, [true, true]);
    Ok(())
}

#[test]
fn what_is_no_module_is_told_and_never_run() -> anyhow::Result<()> {
    let mut guests = Guests::start("broken")?;
    let mut broken = wat::parse_str(ENDLESS)?;
    broken.truncate(broken.len() - 4);
    let Err(refused) = guests.agent("broken", &broken, 20) else {
        anyhow::bail!("a broken module became ready");
    };
    let text = refused.to_string();
    assert!(text.contains("the module cannot be compiled"), "{text}");
    assert!(guests.compiled()?.is_empty());
    Ok(())
}

/// On standard error, in the JSON, in the log, in what describes the agent, and by the exit status.
fn what_is_in_no_figure_is_heard(guests: &mut Guests) -> anyhow::Result<()> {
    let table = root().join("tests/corpus/tables/words-among-numbers.csv");
    let told = guests.node.aionctl(&[
        "run",
        "analyst",
        "--file",
        &table.to_string_lossy(),
        "--output-dir",
        &guests.node.path("incomplete").to_string_lossy(),
        "-o",
        "json",
    ]);
    let told = told.unwrap_err().to_string();
    let notice = "kg: 1 cell is no number (line 7: ";
    for part in [
        "note: not all of words-among-numbers.csv is in the figures",
        notice,
        "\"incomplete\": true",
        "\"ok\": true",
    ] {
        assert!(told.contains(part), "{part} is not in {told}");
    }
    let logged = guests.node.aionctl(&["logs", "analyst", "--plain"])?;
    assert!(logged.contains(notice), "{logged}");
    let described = guests.node.aionctl(&["describe", "agent", "analyst"])?;
    assert!(described.contains("Notices of turn"), "{described}");
    assert!(described.contains(notice), "{described}");
    Ok(())
}

#[test]
fn the_analyst_reads_a_table_and_leaves_a_report_and_a_plot() -> anyhow::Result<()> {
    let mut guests = Guests::start("analyst")?;
    let folder = root().join("agents/analyst");
    guests.trust(&folder)?;
    guests.apply(&fs::read_to_string(folder.join("agent.yaml"))?, 600)?;
    let table = folder.join("examples/orders.csv");
    let out = guests.node.path("out");
    let said = guests.node.aionctl(&[
        "run",
        "analyst",
        "--file",
        &table.to_string_lossy(),
        "--output-dir",
        &out.to_string_lossy(),
    ])?;
    assert!(
        said.contains("orders.csv has 731 rows and 5 columns"),
        "{said}"
    );
    let report = fs::read_to_string(out.join("report.md"))?;
    assert!(report.contains("631 on line 514"), "{report}");
    let plot = fs::read_to_string(out.join("plot.svg"))?;
    assert!(plot.starts_with("<svg") && plot.trim_end().ends_with("</svg>"));
    // What it remembered, in a turn of its own.
    let question = ["ask", "analyst", "What do you know about orders?"];
    let said = guests.node.aionctl(&question)?;
    assert!(said.contains("orders.csv"), "{said}");

    what_is_in_no_figure_is_heard(&mut guests)?;
    let book = root().join("tests/corpus/tables/xlsx-sheet-by-name.xlsx");
    let said = guests.node.aionctl(&[
        "run",
        "analyst",
        "--file",
        &book.to_string_lossy(),
        "--output-dir",
        &guests.node.path("sheet").to_string_lossy(),
        "sheet \"Rates & fees\"",
    ])?;
    assert!(
        said.contains("the sheet Rates & fees of an XLSX workbook"),
        "{said}"
    );

    // What is no table is the agent's to tell, in its words, and no fault of the node.
    let empty = guests.node.path("empty.csv");
    fs::write(&empty, "")?;
    let run = [
        "run",
        "analyst",
        "--file",
        &empty.to_string_lossy(),
        "-o",
        "json",
    ];
    let told = guests.node.aionctl(&run).unwrap_err().to_string();
    assert!(
        told.contains("empty.csv could not be analysed: the file is empty"),
        "{told}"
    );
    assert!(
        told.contains("unanswered") && !told.contains("report it"),
        "{told}"
    );
    Ok(())
}
