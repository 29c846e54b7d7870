//! `aionctl explain`: the same code that a node and the operator decide with, asked beforehand.

mod devices;
mod words;
mod world;

use std::path::PathBuf;

use aion_abi::admin::{Manifest, Rejected};
use aion_resolve::{Key, Object, Place, Problem, dereference, parse_manifests, validate};
use clap::Args;

use crate::{
    context::Context,
    failure::{Failure, Status},
    keys,
};

use super::manifests;

/// Say in plain words what a manifest asks for and would get, and whether its devices make sense
#[derive(Debug, Args)]
#[command(after_help = "\
Works before anything is applied, and without a node. If a node answers, its policies, agents, pools, models and mounts are used, else the policy of a machine that stands alone. Policies among the FILEs come before both.

Examples:
  aionctl explain my-agent.yaml
  aionctl explain my-agent.yaml policies/cluster.yaml     as that policy decides
  aionctl explain heater.yaml                             what guards a device
  aionctl explain agents/ --offline                       ask no node")]
pub(crate) struct ExplainArgs {
    /// Manifests, or folders of them; - is standard input
    #[arg(required = true, value_name = "FILE")]
    file: Vec<PathBuf>,
    /// Ask no node
    #[arg(long)]
    offline: bool,
}

pub(crate) async fn run(context: &Context, args: ExplainArgs) -> Result<(), Failure> {
    let manifests = manifests::read(&args.file)?;
    let parsed = parse(context, &manifests)?;
    let agents = agents(&parsed, &context.namespace);
    let of_devices = devices::named(&parsed, &context.namespace);
    if agents.is_empty() && of_devices.is_empty() {
        return Err(
            Failure::usage("there is no Agent and nothing of devices in the manifests")
                .remedy("name a file with `kind: Agent` or `kind: Device`"),
        );
    }
    let objects = parsed.into_iter().map(|(object, _)| object).collect();
    let (universe, source) = world::around(context, objects, args.offline).await?;
    let mut out = String::new();
    let mut troubled = false;
    for (key, _) in &agents {
        let Some(input) = dereference::dereference(&universe, key) else {
            continue;
        };
        let judged = validate(&input);
        troubled |= judged.validated.is_none();
        if !out.is_empty() {
            out.push('\n');
        }
        out += &words::agent(&context.screen, &input.agent, &judged);
    }
    let asked = devices::asked(&universe, &of_devices);
    let mut unsound = false;
    for device in &asked {
        let Some((words, sound)) = devices::told(&context.screen, &universe, device) else {
            continue;
        };
        unsound |= !sound;
        if !out.is_empty() {
            out.push('\n');
        }
        out += &words;
    }
    if agents.is_empty() && asked.is_empty() {
        out += "No Device is of these models and brokers: they are judged with the first one.\n";
    }
    context.print(&out)?;
    context.note(&source);
    let what = match (troubled, unsound) {
        (false, false) => return Ok(()),
        (true, _) => "an agent would not run: what to fix is above",
        (false, true) => "no node would listen to a device: what to fix is above",
    };
    Err(Failure::new(what).status(Status::Failed))
}

/// What keeps agents and devices of `manifests` from running, each with its agent or device and where that begins.
pub(crate) async fn troubles(
    context: &Context,
    manifests: &[Manifest],
) -> Result<Vec<Problem>, Failure> {
    let parsed = parse(context, manifests)?;
    let agents = agents(&parsed, &context.namespace);
    let of_devices = devices::named(&parsed, &context.namespace);
    if agents.is_empty() && of_devices.is_empty() {
        return Ok(Vec::new());
    }
    let objects = parsed.into_iter().map(|(object, _)| object).collect();
    let (universe, _) = world::around(context, objects, false).await?;
    let mut troubles = Vec::new();
    for (key, place) in &agents {
        let Some(input) = dereference::dereference(&universe, key) else {
            continue;
        };
        for mut problem in validate(&input).problems {
            problem.place = Some(place.clone());
            problem.object = format!("Agent {}", key.name);
            troubles.push(problem);
        }
    }
    for device in devices::asked(&universe, &of_devices) {
        troubles.extend(devices::troubles(&universe, &device));
    }
    Ok(troubles)
}

/// Every object of the manifests and where it begins, or every fault.
fn parse(context: &Context, manifests: &[Manifest]) -> Result<Vec<(Object, Place)>, Failure> {
    let (mut objects, mut faults) = (Vec::new(), Vec::new());
    for manifest in manifests {
        match parse_manifests(&manifest.text, &manifest.file) {
            Ok(parsed) => objects.extend(parsed.into_iter().map(|it| (it.object, it.place))),
            Err(problems) => faults.extend(problems.into_iter().map(Rejected::from)),
        }
    }
    faults.extend(keys::unusable(objects.iter().map(|(it, at)| (it, at))));
    match faults.is_empty() {
        true => Ok(objects),
        false => Err(manifests::rejected(context, &faults, manifests)),
    }
}

fn agents(objects: &[(Object, Place)], namespace: &str) -> Vec<(Key, Place)> {
    let agents = objects
        .iter()
        .filter(|(object, _)| matches!(object, Object::Agent(_)));
    agents
        .map(|(agent, place)| {
            let own = agent.namespace();
            let namespace = if own.is_empty() { namespace } else { own };
            (Key::new(namespace, agent.name()), place.clone())
        })
        .collect()
}
