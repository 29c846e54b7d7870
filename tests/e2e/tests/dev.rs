//! A project that is tried on this machine's node (`aionctl dev`): it runs, it is started again when a file changes, and
//! what it remembered is there when it is tried again.
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
};

use aion_e2e::cluster::{BOUND, root};
use aion_e2e::local::{Local, lives, said};
use aion_testkit::{Process, or_skip, python_package, until};
use nix::sys::signal::Signal;

const TRUSTED: &str = "apiVersion: aion.dev/v1alpha1\nkind: TrustPolicy\nmetadata: {name: elsewhere}\nspec: {external: allow}\n";
const TAKEN: &str = "apiVersion: aion.dev/v1alpha1\nkind: Agent\nmetadata: {name: notekeeper}\nspec: {description: Another, instructions: Answer.}\n";
/// The program says which process it is.
const MAIN: &str =
    "if __name__ == \"__main__\":\n    import os; open(\"pid\", \"w\").write(str(os.getpid()))\n";

struct Tried {
    local: Local,
    folder: PathBuf,
}

impl Tried {
    /// A node with a gateway, and a project that `aionctl new` made.
    fn new(site: &Path) -> anyhow::Result<Self> {
        let local = Local::install(None)?;
        local.aionctl(&["local", "start", "--service", "aionctl"])?;
        let standalone = root().join("policies/standalone.yaml");
        local.aionctl(&["apply", "-f", &standalone.display().to_string()])?;
        let folder = local.path("notekeeper");
        let named = folder.display().to_string();
        local.aionctl(&["new", "agent", "--python", "notekeeper", "--dir", &named])?;
        let tried = Self { local, folder };
        let path = format!("{}:{}", root().join("sdk/python").display(), site.display());
        tried.edit("bundle.yaml", "/app/lib", &path)?;
        tried.edit("bundle.yaml", "[main.py, lib]", "[main.py]")?;
        tried.edit("main.py", "if __name__ == \"__main__\":\n", MAIN)?;
        Ok(tried)
    }

    fn edit(&self, file: &str, from: &str, to: &str) -> anyhow::Result<()> {
        let path = self.folder.join(file);
        let text = fs::read_to_string(&path)?;
        assert!(text.contains(from), "{text}");
        Ok(fs::write(path, text.replace(from, to))?)
    }

    fn apply(&self, manifest: &str) -> anyhow::Result<()> {
        let file = self.local.path("applied.yaml");
        fs::write(&file, manifest)?;
        self.local
            .aionctl(&["apply", "-f", &file.display().to_string()])?;
        Ok(())
    }

    fn dev(&self, log: &str) -> anyhow::Result<Process> {
        let folder = self.folder.display().to_string();
        let command = self.local.aionctl_with(&["dev", &folder]);
        Ok(Process::spawn(&command, &self.local.path(log))?)
    }

    /// Asks until the answer holds `part`.
    fn answers(&self, dev: &Process, question: &str, part: &str) -> anyhow::Result<()> {
        until(&format!("an answer with {part}"), BOUND, || {
            let asked = self.local.try_aionctl(&["ask", "notekeeper", question]);
            let asked = said(&asked.map_err(|why| why.to_string())?);
            match asked.contains(part) {
                true => Ok(()),
                false => Err(format!("{asked}\n{}\n{}", dev.log(), self.local.logs())),
            }
        })?;
        Ok(())
    }

    fn tells(&self, dev: &Process, part: &str) -> anyhow::Result<()> {
        until(&format!("dev to say {part}"), BOUND, || match dev.log() {
            log if log.contains(part) => Ok(()),
            log => Err(log),
        })?;
        Ok(())
    }

    fn pid(&self) -> anyhow::Result<i32> {
        Ok(fs::read_to_string(self.folder.join("pid"))?.parse()?)
    }

    fn is_there(&self, kind: &str) -> anyhow::Result<bool> {
        let found = self.local.try_aionctl(&["get", kind, "notekeeper"])?;
        Ok(found.status.success())
    }
}

#[test]
fn a_project_is_run_and_run_again_as_it_changes() -> anyhow::Result<()> {
    let Some(site) = or_skip(python_package("pytest")) else {
        return Ok(());
    };
    let tried = Tried::new(&site)?;

    // Nobody allowed programs from elsewhere.
    let mut dev = tried.dev("refused.log")?;
    assert_eq!(dev.wait(BOUND)?, 5, "{}", dev.log());
    assert!(
        dev.log().contains("spec: {external: allow}"),
        "{}",
        dev.log()
    );
    assert!(!tried.is_there("agent")?, "{}", dev.log());
    tried.apply(TRUSTED)?;

    let mut dev = tried.dev("dev.log")?;
    tried.answers(&dev, "The key is under the mat", "Noted.")?;
    tried.tells(&dev, "aionctl ask notekeeper")?;
    let first = tried.pid()?;
    tried.edit("main.py", "Noted.", "Heard.")?;
    tried.tells(&dev, "main.py changed")?;
    tried.tells(&dev, "notekeeper runs again")?;
    let known = "Heard. You said: The key is under the mat";
    tried.answers(&dev, "The key is under the mat", known)?;
    assert!(!lives(first));

    // What is wrong is told, and mended by the next change.
    tried.edit("main.py", "agent = Agent()", "agent = Agent(")?;
    tried.tells(&dev, "the program ended (exit status: 1)")?;
    tried.edit("main.py", "agent = Agent(", "agent = Agent()")?;
    tried.answers(&dev, "Where is the key?", "Heard.")?;
    tried.edit("agent.yaml", "description:", "descripton:")?;
    tried.tells(&dev, "descripton")?;
    tried.edit("agent.yaml", "descripton:", "description:")?;
    tried.answers(&dev, "Where is the key?", "Heard.")?;

    let last = tried.pid()?;
    dev.signal(Signal::SIGINT);
    assert_eq!(dev.wait(BOUND)?, 0, "{}", dev.log());
    assert!(!lives(last));
    let ended = dev.log();
    assert!(ended.contains("aionctl delete agent notekeeper"), "{ended}");

    // What it remembered is there the next time.
    let mut dev = tried.dev("next.log")?;
    tried.answers(&dev, "The key is under the mat", known)?;
    dev.signal(Signal::SIGINT);
    assert_eq!(dev.wait(BOUND)?, 0, "{}", dev.log());
    tried.local.aionctl(&["delete", "agent", "notekeeper"])?;
    assert!(!tried.is_there("agent")?);
    Ok(())
}

#[test]
fn a_deployed_agent_is_not_replaced_and_what_a_killed_dev_left_is_taken_over() -> anyhow::Result<()>
{
    let Some(site) = or_skip(python_package("pytest")) else {
        return Ok(());
    };
    let tried = Tried::new(&site)?;
    tried.apply(TRUSTED)?;
    tried.apply(TAKEN)?;
    let mut dev = tried.dev("taken.log")?;
    assert_eq!(dev.wait(BOUND)?, 2, "{}", dev.log());
    assert!(dev.log().contains("--name notekeeper-dev"), "{}", dev.log());
    assert!(tried.is_there("agent")?, "the one that was there");
    tried.local.aionctl(&["delete", "agent", "notekeeper"])?;

    let mut dev = tried.dev("killed.log")?;
    tried.answers(&dev, "The key is under the mat", "Noted.")?;
    let program = tried.pid()?;
    dev.signal(Signal::SIGKILL);
    dev.wait(BOUND)?;
    until("its program to end", BOUND, || match lives(program) {
        true => Err(format!("{program} lives")),
        false => Ok(()),
    })?;
    let again = tried.dev("again.log")?;
    tried.answers(
        &again,
        "Where is the key?",
        "You said: The key is under the mat",
    )?;
    Ok(())
}

#[test]
fn a_project_waits_for_a_persons_word_and_goes_on_with_it() -> anyhow::Result<()> {
    let Some(site) = or_skip(python_package("pytest")) else {
        return Ok(());
    };
    let tried = Tried::new(&site)?;
    tried.apply(TRUSTED)?;
    let pool = "memory: {pool: notekeeper}";
    let asks = format!("{pool}\n  permissions: {{ask: [memory.remember]}}");
    tried.edit("agent.yaml", pool, &asks)?;
    let dev = tried.dev("dev.log")?;
    tried.tells(&dev, "aionctl ask notekeeper")?;
    let question = ["ask", "notekeeper", "The key is under the mat"];
    let answered = thread::scope(|scope| {
        let asked = scope.spawn(|| tried.local.try_aionctl(&question));
        tried.tells(&dev, "turn 1 was taken back").unwrap();
        tried.local.aionctl(&["approvals", "approve", "1"]).unwrap();
        asked.join().unwrap()
    })?;
    assert!(said(&answered).contains("Noted."), "{}", dev.log());
    assert!(!dev.log().contains("Traceback"), "{}", dev.log());
    Ok(())
}
