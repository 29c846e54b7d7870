//! A project as it is tried: its Agent with `runtime: external`, what is applied beside it, and how its program is started.
//! What may not enter: a node, and processes.

use std::path::{Path, PathBuf};

use aion_abi::{admin::Manifest, runtime::Runtime};
use aion_bundle::{Program, RECIPE, program};
use aion_resolve::{Object, parse_manifests};

use crate::{commands::manifests, context::Context, failure::Failure};

/// The file that says what the agent may do.
const AGENT: &str = "agent.yaml";
/// The label of an agent that is there while its project is tried.
pub(super) const LABEL: &str = "aion.dev/dev";

/// See the module.
#[derive(Debug)]
pub(super) struct Project {
    pub(super) namespace: String,
    pub(super) name: String,
    /// What is applied.
    pub(super) manifests: Vec<Manifest>,
    /// What the program is confined by where a node starts it, and not here.
    pub(super) left_out: Vec<&'static str>,
    pub(super) program: Program,
    /// What is watched.
    pub(super) watched: Vec<PathBuf>,
}

impl Project {
    /// Reads the project in `folder`, an absolute path. The agent is called `name` where that is said; `command` is run
    /// where it is not empty, else the recipe's.
    pub(super) fn read(
        context: &Context,
        folder: &Path,
        name: Option<&str>,
        command: &[String],
    ) -> Result<Self, Failure> {
        let program = started(folder, command)?;
        let read = manifests::read(&[folder.join(AGENT)])?;
        let mut objects = Vec::new();
        for manifest in &read {
            let parsed = parse_manifests(&manifest.text, &manifest.file).map_err(|problems| {
                let faults: Vec<_> = problems.into_iter().map(Into::into).collect();
                manifests::rejected(context, &faults, &read)
            })?;
            objects.extend(parsed.into_iter().map(|it| it.object));
        }
        let file = folder.join(AGENT);
        let tried = tried(objects, &context.namespace, name)
            .map_err(|why| Failure::usage(why).at(file.display()))?;
        let mut watched = program.files.clone();
        watched.extend([AGENT, RECIPE].map(|it| folder.join(it)));
        Ok(Self {
            namespace: tried.namespace,
            name: tried.name,
            manifests: vec![Manifest {
                file: file.display().to_string(),
                text: tried.text,
            }],
            left_out: tried.left_out,
            program,
            watched,
        })
    }
}

/// How the program is started. Without a recipe the command has to be said, and all of the folder is the program.
fn started(folder: &Path, command: &[String]) -> Result<Program, Failure> {
    let recipe = folder.join(RECIPE);
    let found = match recipe.exists() {
        true => program(folder).map_err(|why| Failure::usage(why).at(recipe.display()))?,
        false => None,
    };
    match (found, command) {
        (Some(program), []) => Ok(program),
        (Some(program), command) => Ok(Program {
            command: command.to_vec(),
            ..program
        }),
        (None, []) => Err(
            Failure::usage("it does not say how its program is started")
                .at(recipe.display())
                .remedy("write a bundle.yaml with runtime: process and a command, or say the command: aionctl dev -- COMMAND"),
        ),
        (None, command) => Ok(Program {
            command: command.to_vec(),
            env: Default::default(),
            files: vec![folder.to_owned()],
        }),
    }
}

#[derive(Debug)]
struct Tried {
    namespace: String,
    name: String,
    text: String,
    left_out: Vec<&'static str>,
}

/// The objects with their one Agent as a program that runs elsewhere.
fn tried(objects: Vec<Object>, namespace: &str, name: Option<&str>) -> Result<Tried, String> {
    let (mut texts, mut agent) = (Vec::new(), None);
    for mut object in objects {
        if object.is_namespaced() && object.namespace().is_empty() {
            object.metadata_mut().namespace = Some(namespace.to_owned());
        }
        if let Object::Agent(it) = &mut object {
            if agent.is_some() {
                return Err("there is more than one Agent: a project is one".to_owned());
            }
            let left_out = elsewhere(it);
            if let Some(name) = name {
                it.metadata.name = Some(name.to_owned());
            }
            let labels = it.metadata.labels.get_or_insert_default();
            labels.insert(LABEL.to_owned(), "true".to_owned());
            agent = Some((
                object.namespace().to_owned(),
                object.name().to_owned(),
                left_out,
            ));
        }
        let json = object.to_json().map_err(|why| why.to_string())?;
        texts.push(json.to_string());
    }
    let (namespace, name, left_out) = agent.ok_or("there is no Agent")?;
    Ok(Tried {
        namespace,
        name,
        text: texts.join("\n---\n"),
        left_out,
    })
}

/// Makes `agent` one that runs elsewhere, and says what is left out of it.
fn elsewhere(agent: &mut aion_api::Agent) -> Vec<&'static str> {
    let spec = &mut agent.spec;
    spec.runtime = Runtime::External;
    let mut left_out = Vec::new();
    let mut leave = |there: bool, what| {
        if there {
            left_out.push(what);
        }
    };
    leave(spec.bundle.take().is_some(), "bundle");
    leave(spec.instructions.take().is_some(), "instructions");
    leave(!std::mem::take(&mut spec.steps).is_empty(), "steps");
    leave(spec.sandbox.take().is_some(), "sandbox");
    if let Some(limits) = &mut spec.limits {
        leave(limits.memory_mib.take().is_some(), "limits.memoryMiB");
        leave(limits.cpu_millis.take().is_some(), "limits.cpuMillis");
        leave(limits.tmp_mib.take().is_some(), "limits.tmpMiB");
        leave(limits.profile.take().is_some(), "limits.profile");
    }
    left_out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn objects(text: &str) -> Vec<Object> {
        let parsed = parse_manifests(text, "agent.yaml").unwrap();
        parsed.into_iter().map(|it| it.object).collect()
    }

    const POOL: &str =
        "apiVersion: aion.dev/v1alpha1\nkind: MemoryPool\nmetadata: {name: notes}\nspec: {}\n";

    fn agent(name: &str) -> String {
        let digest = "0".repeat(64);
        format!(
            "apiVersion: aion.dev/v1alpha1\nkind: Agent\nmetadata: {{name: {name}}}\nspec:\n  description: Remembers\n  \
             runtime: process\n  bundle: {{name: {name}, digest: \"sha256:{digest}\"}}\n  memory: {{pool: notes}}\n  \
             limits: {{turnSeconds: 60, memoryMiB: 256, tmpMiB: 16}}\n---\n"
        )
    }

    #[test]
    fn an_agent_is_tried_as_one_that_runs_elsewhere_and_keeps_what_it_may_do() {
        let text = agent("keeper") + POOL;
        let tried = tried(objects(&text), "home", None).unwrap();
        assert_eq!(
            (tried.namespace.as_str(), tried.name.as_str()),
            ("home", "keeper")
        );
        assert_eq!(
            tried.left_out,
            ["bundle", "limits.memoryMiB", "limits.tmpMiB"]
        );
        let again = objects(&tried.text);
        let [Object::Agent(agent), Object::MemoryPool(pool)] = &again[..] else {
            unreachable!("{}", tried.text)
        };
        assert_eq!(agent.spec.runtime, Runtime::External);
        assert_eq!(agent.spec.memory.as_ref().unwrap().pool, "notes");
        assert_eq!(agent.spec.limits.as_ref().unwrap().turn_seconds, Some(60));
        assert_eq!(agent.metadata.labels.as_ref().unwrap()[LABEL], "true");
        assert_eq!(pool.metadata.namespace.as_deref(), Some("home"));
    }

    #[test]
    fn steps_are_left_out_as_instructions_are() {
        let text = "apiVersion: aion.dev/v1alpha1\nkind: Agent\nmetadata: {name: flow}\nspec:\n  description: Does steps\n  \
                    steps: [{name: a, value: x}]\n";
        let tried = tried(objects(text), "home", None).unwrap();
        assert_eq!(tried.left_out, ["steps"]);
        assert!(!tried.text.contains("\"steps\""), "{}", tried.text);
    }

    #[test]
    fn a_project_is_one_agent() {
        assert!(
            tried(objects(POOL), "home", None)
                .unwrap_err()
                .contains("no Agent")
        );
        let two = agent("one") + &agent("two") + POOL;
        assert!(
            tried(objects(&two), "home", None)
                .unwrap_err()
                .contains("more than one")
        );
        let text = agent("one") + POOL;
        assert_eq!(
            tried(objects(&text), "home", Some("other")).unwrap().name,
            "other"
        );
    }
}
