//! `aionctl device import-td`: a DeviceModel and a Device of a Thing Description.

use std::{fs, path::PathBuf};

use aion_abi::seen::in_a_line;
use aion_device::thing::{self, Names, Thing};
use clap::Args;
use serde_json::{Value, json};

use crate::{
    commands::manifests,
    context::{Context, yaml},
    failure::{Failure, Status},
};

/// Make a DeviceModel of a W3C Thing Description (1.1), and a Device where its forms are of MQTT
#[derive(Debug, Args)]
#[command(after_help = "\
What cannot be mapped is named on standard error by its JSON pointer, and the exit status is 6 then; the rest is written.

Examples:
  aionctl device import-td heater.td.json
  aionctl device import-td heater.td.json --name bath-heater --broker home -o heater.yaml
  curl -s https://thing.example/td | aionctl device import-td - | aionctl apply -f -")]
pub(crate) struct ImportArgs {
    /// The description, or - for standard input
    file: PathBuf,
    /// Write to a file that is not there yet, in the place of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// What the device and its model are called; made of its title unless said
    #[arg(long)]
    name: Option<String>,
    /// The DeviceBroker of the device; made of the host of its forms unless said
    #[arg(long)]
    broker: Option<String>,
}

pub(super) fn run(context: &Context, args: &ImportArgs) -> Result<(), Failure> {
    let read = manifests::read_one(&args.file)?;
    let names = Names {
        name: args.name.clone(),
        broker: args.broker.clone(),
    };
    let thing = thing::read(&read.text, &names).map_err(|why| {
        Failure::usage(in_a_line(&why)).at(&read.file).remedy(
            "give a Thing Description as https://www.w3.org/TR/wot-thing-description11/ has it",
        )
    })?;
    let text = written(&thing)?;
    match &args.output {
        None => context.print(&text)?,
        Some(path) => {
            let mut file =
                fs::File::create_new(path).map_err(|why| Failure::io("write", path, &why))?;
            std::io::Write::write_all(&mut file, text.as_bytes())
                .map_err(|why| Failure::io("write", path, &why))?;
        }
    }
    if let Some((device, broker)) = &thing.device {
        context.note(&format!(
            "the Device needs a DeviceBroker {} of {}",
            device.spec.broker().unwrap_or_default(),
            in_a_line(broker)
        ));
    }
    for it in &thing.unmapped {
        context.warn(&in_a_line(&format!("{}: {}", it.pointer, it.why)));
    }
    match thing.unmapped.len() {
        0 => Ok(()),
        count => Err(Failure::new(format!(
            "{count} parts of the description could not be mapped"
        ))
        .at(&read.file)
        .remedy("add them to the DeviceModel by hand, or leave them out: the rest was written")
        .status(Status::Incomplete)),
    }
}

/// The resources as YAML.
fn written(thing: &Thing) -> Result<String, Failure> {
    let model = yaml(&bare(json!(thing.model)))?;
    Ok(match &thing.device {
        None => model,
        Some((device, _)) => format!("{model}---\n{}", yaml(&bare(json!(device)))?),
    })
}

/// Without what an empty status would say.
fn bare(mut resource: Value) -> Value {
    if let Some(fields) = resource.as_object_mut() {
        fields.retain(|_, it| !it.is_null());
    }
    resource
}
