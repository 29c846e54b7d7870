//! `aionctl dev`: a project's program on this machine, started again when a file of it changes.

mod project;
mod running;
mod watched;

use std::{
    path::{Path, PathBuf},
    process::ExitStatus,
    time::Duration,
};

use aion_abi::admin::ApplyRequest;
use clap::Args;
use serde_json::Value;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::{Instant, sleep, timeout},
};

use crate::{
    context::Context,
    failure::{Failure, Status},
    resources::Resources,
};

use super::{local, manifests, wait};
use project::{LABEL, Project};
use running::Running;
use watched::Files;

/// How long the node may take to judge the agent.
const JUDGED: Duration = Duration::from_secs(10);
/// How long a program may take to register before it is said what is missing.
const REGISTERED: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(200);

/// Run a project on this machine, and start it again when a file changes
#[derive(Debug, Args)]
#[command(after_help = "\
The program runs as you, outside of any sandbox and signed by nobody, and with the models, memory, tools and rights that agent.yaml asks for: the agent is applied with runtime external. When this ends it stays, without a program, and what it remembered is there the next time; aionctl delete agent NAME removes both. The node has to allow such programs: a TrustPolicy with external: allow.

Examples:
  aionctl new agent --python notekeeper && cd notekeeper
  aionctl dev                                 then, elsewhere: aionctl ask notekeeper \"The key is under the mat\"
  aionctl dev --name notekeeper-dev           beside the notekeeper that is deployed here
  aionctl dev -- python3 -m pdb main.py       another command than bundle.yaml's")]
pub(crate) struct DevArgs {
    /// The project: a folder with agent.yaml, bundle.yaml and the program
    #[arg(default_value = ".", value_name = "FOLDER")]
    folder: PathBuf,
    /// Call the agent so, instead of as agent.yaml does
    #[arg(long)]
    name: Option<String>,
    /// Run this, instead of bundle.yaml's command
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
    /// Become the command, which ends with that process
    #[arg(long, hide = true, value_name = "PID")]
    child_of: Option<i32>,
}

pub(crate) async fn run(context: &Context, args: DevArgs) -> Result<(), Failure> {
    if let Some(parent) = args.child_of {
        let why = running::become_bound(parent, &args.command);
        let name = args.command.first().map(PathBuf::from).unwrap_or_default();
        return Err(Failure::io("start the program", &name, &why));
    }
    let folder = std::path::absolute(&args.folder)
        .map_err(|why| Failure::io("find the folder", &args.folder, &why))?;
    let node = Resources::Node(Box::new(context.node()?));
    let gateway = local::gateway_url(context)?;
    let mut end = Ends::new()?;
    let source = Source {
        folder,
        name: args.name,
        command: args.command,
    };
    let project = source.read(context)?;
    let tried = Tried {
        context,
        node: &node,
        gateway,
        source: &source,
        namespace: project.namespace.clone(),
        name: project.name.clone(),
    };
    let was_there = tried.was_there().await?;
    if let Err(why) = tried.apply(&project).await {
        // What the node does not let run is not left there; what an earlier try remembered is.
        return match was_there {
            true => Err(why),
            false => Err(tried.take_away().await.err().unwrap_or(why)),
        };
    }
    let ran = tried.run(project, &mut end).await;
    context.note(&format!(
        "{0} stays, without a program, for the next time; to remove it and what it remembers: aionctl delete agent {0}",
        tried.name
    ));
    ran
}

/// Where a project is read from, each time that it changes.
struct Source {
    folder: PathBuf,
    name: Option<String>,
    command: Vec<String>,
}

impl Source {
    fn read(&self, context: &Context) -> Result<Project, Failure> {
        Project::read(context, &self.folder, self.name.as_deref(), &self.command)
    }
}

/// An agent whose project is tried.
struct Tried<'a> {
    context: &'a Context,
    node: &'a Resources,
    gateway: String,
    source: &'a Source,
    namespace: String,
    name: String,
}

impl Tried<'_> {
    /// Runs what was applied, and what it becomes, until this is to end.
    async fn run(&self, mut project: Project, end: &mut Ends) -> Result<(), Failure> {
        let mut is_new = true;
        loop {
            let files = Files::find(&project.watched)?;
            let mut running = self.start(&project)?;
            let changed = self
                .watch(&mut running, &project, &files, end, is_new)
                .await;
            running.stop().await;
            let Some(path) = changed? else { return Ok(()) };
            self.tell_of(&path);
            match self.read_again(project, end).await? {
                Some(read) => project = read,
                None => return Ok(()),
            }
            is_new = false;
        }
    }

    /// The project as it is now, applied. One that is wrong is told, and read again once it has changed.
    async fn read_again(
        &self,
        before: Project,
        end: &mut Ends,
    ) -> Result<Option<Project>, Failure> {
        loop {
            let files = Files::find(&before.watched)?;
            let read = self.source.read(self.context);
            let why = match read.and_then(|it| self.is_same(it)) {
                Ok(project) => match self.apply(&project).await {
                    Ok(()) => return Ok(Some(project)),
                    Err(why) => why,
                },
                Err(why) => why,
            };
            self.context.complain(&why);
            tokio::select! {
                changed = files.changed(&before.watched) => self.tell_of(&changed?),
                () = end.come() => return Ok(None),
            }
        }
    }

    /// Whether an earlier try left the agent. Refuses to take the place of one that is there for another reason.
    async fn was_there(&self) -> Result<bool, Failure> {
        let found = match self.agent().await {
            Err(failure) if failure.status == Status::NotFound => return Ok(false),
            found => found?,
        };
        match found["metadata"]["labels"][LABEL] == "true" {
            true => Ok(true),
            false => Err(Failure::usage(format!(
                "there is an agent {} already, of runtime {}, and dev would replace it",
                self.name,
                found["spec"]["runtime"].as_str().unwrap_or("declarative")
            ))
            .remedy(format!(
                "try this one beside it: aionctl dev --name {}-dev",
                self.name
            ))),
        }
    }

    /// The agent keeps its name while it is tried.
    fn is_same(&self, project: Project) -> Result<Project, Failure> {
        match (&project.namespace, &project.name) == (&self.namespace, &self.name) {
            true => Ok(project),
            false => Err(Failure::usage(format!(
                "the agent was called {} in namespace {} when this began",
                self.name, self.namespace
            ))
            .remedy("call it so again, or end this and begin anew")),
        }
    }

    /// Applies the agent and what belongs to it, and waits until the node lets it run.
    async fn apply(&self, project: &Project) -> Result<(), Failure> {
        let request = ApplyRequest {
            manifests: project.manifests.clone(),
            dry_run: false,
        };
        let answer = self.node.apply(&request, &self.namespace).await?;
        if !answer.rejected.is_empty() {
            return Err(manifests::rejected(
                self.context,
                &answer.rejected,
                &request.manifests,
            ));
        }
        let verified = timeout(JUDGED, async {
            loop {
                let agent = self.agent().await?;
                if let Some(told) = wait::judged(&agent, "Verified") {
                    return Ok::<_, Failure>(told.clone());
                }
                sleep(PAUSE).await;
            }
        });
        let Ok(verified) = verified.await else {
            return Err(Failure::new("the node has not processed the agent")
                .remedy(format!("see why: aionctl why {}", self.name)));
        };
        let verified = verified?;
        match verified["status"] == "True" {
            true => Ok(()),
            false => Err(not_allowed(&verified)),
        }
    }

    fn start(&self, project: &Project) -> Result<Running, Failure> {
        let token = self.context.home()?.gateway_token();
        let variables = [
            ("AION_AGENT", self.name.clone()),
            ("AION_NAMESPACE", self.namespace.clone()),
            ("AION_GATEWAY_URL", self.gateway.clone()),
            ("AION_GATEWAY_TOKEN_FILE", token.display().to_string()),
            // What a program prints is seen as it is printed.
            ("PYTHONUNBUFFERED", "1".to_owned()),
        ];
        Running::start(&project.program, &self.source.folder, &variables)
    }

    /// Until a file changes, which it gives, or until this is to end.
    async fn watch(
        &self,
        running: &mut Running,
        project: &Project,
        files: &Files,
        end: &mut Ends,
        is_new: bool,
    ) -> Result<Option<PathBuf>, Failure> {
        let changed = files.changed(&project.watched);
        let said = self.say_ready(project, is_new);
        tokio::pin!(changed, said);
        let (mut is_said, mut has_ended) = (false, false);
        loop {
            tokio::select! {
                changed = &mut changed => return changed.map(Some),
                () = end.come() => return Ok(None),
                () = &mut said, if !is_said && !has_ended => is_said = true,
                status = running.ended(), if !has_ended => {
                    has_ended = true;
                    let status = status
                        .map_err(|why| Failure::new(format!("cannot wait for the program: {why}")))?;
                    self.context.warn(&ended(status));
                }
            }
        }
    }

    /// Says once that it may be asked, or what it waits for.
    async fn say_ready(&self, project: &Project, is_new: bool) {
        let until = Instant::now() + REGISTERED;
        loop {
            sleep(PAUSE).await;
            let waits_for = match self.agent().await {
                Ok(agent) => wait::waits_for(&agent),
                Err(why) => Some(why.what),
            };
            match waits_for {
                None if is_new => {
                    let beside = match project.left_out.is_empty() {
                        true => String::new(),
                        false => format!(" (without {})", project.left_out.join(", ")),
                    };
                    let what = format!(
                        "{} runs here, outside of any sandbox{beside}; ask it: aionctl ask {} \"…\"; Ctrl-C ends it",
                        self.name, self.name
                    );
                    return self.context.note(&what);
                }
                None => return self.context.note(&format!("{} runs again", self.name)),
                Some(waits_for) if Instant::now() >= until => {
                    return self
                        .context
                        .warn(&format!("{} is not ready yet: {waits_for}", self.name));
                }
                Some(_) => {}
            }
        }
    }

    fn tell_of(&self, path: &Path) {
        let path = path.strip_prefix(&self.source.folder).unwrap_or(path);
        self.context.note(&format!("{} changed", path.display()));
    }

    /// Takes the agent away, which never ran, and nothing that was applied beside it.
    async fn take_away(&self) -> Result<(), Failure> {
        let gone = self
            .node
            .delete("agents", Some(&self.namespace), &self.name)
            .await;
        match gone {
            Err(failure) if failure.status != Status::NotFound => Err(failure),
            _ => Ok(()),
        }
    }

    async fn agent(&self) -> Result<Value, Failure> {
        self.node
            .get("agents", Some(&self.namespace), &self.name)
            .await
    }
}

/// Signals that end this in order.
struct Ends([Signal; 3]);

impl Ends {
    fn new() -> Result<Self, Failure> {
        let kinds = [
            SignalKind::interrupt(),
            SignalKind::terminate(),
            SignalKind::hangup(),
        ];
        let [a, b, c] = kinds.map(signal);
        let taken = |why| Failure::new(format!("cannot wait for signals: {why}"));
        Ok(Self([
            a.map_err(taken)?,
            b.map_err(taken)?,
            c.map_err(taken)?,
        ]))
    }

    async fn come(&mut self) {
        let [a, b, c] = &mut self.0;
        tokio::select! {
            _ = a.recv() => {}
            _ = b.recv() => {}
            _ = c.recv() => {}
        }
    }
}

/// A node that lets no such program run.
fn not_allowed(verified: &Value) -> Failure {
    let why = verified["message"].as_str().unwrap_or_default();
    let policy = "{apiVersion: aion.dev/v1alpha1, kind: TrustPolicy, metadata: {name: external}, spec: {external: allow}}";
    Failure::new(why).status(Status::Refused).remedy(format!(
        "allow such programs on this machine: echo '{policy}' | aionctl apply -f -"
    ))
}

fn ended(status: ExitStatus) -> String {
    format!("the program ended ({status}); it is started again when a file changes")
}
