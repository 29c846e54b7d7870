//! Devices that are announced: what they would be, and a person's word on them.

use aion_abi::{
    proposal::{Admission, Discovering, ProposalState, Proposals, ProposalsWanted, Proposed},
    seen::in_a_line,
};
use clap::Args;
use serde_json::json;

use crate::{
    commands::{
        form::{Form, Whole},
        manifests,
    },
    context::{Context, yaml},
    failure::Failure,
    render::{
        screen::Tone,
        table::{Field, table},
    },
};

#[derive(Debug, Args)]
pub(crate) struct ProposalsArgs {
    /// One of them
    name: Option<String>,
    /// Those that were approved or rejected, too
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    how: Whole,
}

#[derive(Debug, Args)]
pub(crate) struct ApproveArgs {
    /// The proposal
    name: String,
    /// Call it, and its model, by another name
    #[arg(long = "as", value_name = "NAME")]
    as_name: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct RejectArgs {
    /// The proposal
    name: String,
}

pub(super) async fn list(context: &Context, args: &ProposalsArgs) -> Result<(), Failure> {
    let node = context.node()?;
    if let Some(name) = &args.name {
        let one = node.proposal(&context.namespace, name).await?;
        return match args.how.output {
            Form::Table | Form::Wide => describe(context, &one),
            Form::Json => context.print_json(&json!(one)),
            Form::Yaml => manifest(context, std::slice::from_ref(&one)),
        };
    }
    let mut wanted = ProposalsWanted {
        all: args.all,
        ..ProposalsWanted::default()
    };
    let mut all = Proposals::default();
    loop {
        let page = node.proposals(&context.namespace, &wanted).await?;
        all.items.extend(page.items);
        all.brokers = page.brokers;
        wanted.after = page.next;
        if wanted.after.is_none() {
            break;
        }
    }
    match args.how.output {
        Form::Json => return context.print_json(&json!(all)),
        Form::Yaml => manifest(context, &all.items)?,
        Form::Table | Form::Wide if all.items.is_empty() => {
            context.note("no device is proposed in this namespace");
        }
        Form::Table | Form::Wide => {
            let rows: Vec<_> = all.items.iter().map(row).collect();
            let headings = [
                "proposal",
                "broker",
                "what it is",
                "says",
                "takes",
                "not mapped",
            ];
            context.print(&table(&context.screen, &headings, &rows))?;
        }
    }
    told(context, &all.brokers);
    Ok(())
}

/// Where proposals come from, if there is something to say of it.
fn told(context: &Context, brokers: &[Discovering]) {
    if brokers.is_empty() {
        context.note("no DeviceBroker of this namespace has discovery: add discovery: {homeAssistant: {}} or {sparkplug: {groups: [NAME]}} to its spec");
    }
    for it in brokers {
        if let Some(why) = &it.away {
            context.warn(&format!("broker {}: {}", it.broker, in_a_line(why)));
        }
        if it.left_out > 0 {
            let last = it.last_left_out.as_deref().unwrap_or_default();
            context.warn(&format!(
                "broker {}: {} announcements were not kept; the newest: {}",
                it.broker,
                it.left_out,
                in_a_line(last)
            ));
        }
    }
}

/// A name of properties or commands of what would be admitted.
fn names<'a>(it: &'a Proposed, list: &str) -> Vec<&'a str> {
    let model = it.resources.iter().find(|it| it["kind"] == "DeviceModel");
    let named = model.and_then(|it| it["spec"][list].as_array());
    named
        .into_iter()
        .flatten()
        .filter_map(|it| it["name"].as_str())
        .collect()
}

/// Properties, each with `=` where it can be set.
fn points(it: &Proposed) -> Vec<String> {
    let model = it.resources.iter().find(|it| it["kind"] == "DeviceModel");
    let all = model.and_then(|it| it["spec"]["properties"].as_array());
    let all = all.into_iter().flatten().filter_map(|it| {
        let name = it["name"].as_str()?;
        let set = matches!(it["access"].as_str(), Some("write" | "readWrite"));
        Some(format!("{name}{}", if set { "=" } else { "" }))
    });
    all.collect()
}

fn what(it: &Proposed) -> String {
    let model = it.resources.iter().find(|it| it["kind"] == "DeviceModel");
    let what = model.and_then(|it| it["spec"]["description"].as_str());
    in_a_line(what.unwrap_or_default())
}

fn row(it: &Proposed) -> Vec<Field> {
    let what = match (it.state, &it.admitted_as) {
        (_, Some(name)) => Field::toned(format!("admitted as {name}"), Tone::Faint),
        (ProposalState::Rejected, _) => Field::toned("rejected", Tone::Faint),
        _ if it.resources.is_empty() => Field::toned("nothing can be made of it", Tone::Bad),
        _ => Field::plain(what(it)),
    };
    let left = match it.unmapped.len() {
        0 => Field::plain(""),
        count => Field::toned(count.to_string(), Tone::Warn),
    };
    vec![
        Field::plain(&it.name),
        Field::plain(&it.broker),
        what,
        Field::plain(points(it).join(", ")),
        Field::plain(names(it, "commands").join(", ")),
        left,
    ]
}

fn describe(context: &Context, it: &Proposed) -> Result<(), Failure> {
    let mut text = format!("{}, announced at broker {}", it.name, it.broker);
    let what = what(it);
    if !what.is_empty() {
        text += &format!(": {what}");
    }
    text += "\n";
    match (&it.admitted_as, it.state) {
        (Some(name), _) => text += &format!("admitted as {name}\n"),
        (None, ProposalState::Rejected) => text += "rejected\n",
        _ => {}
    }
    let (says, takes) = (points(it), names(it, "commands"));
    if !says.is_empty() {
        let says = in_a_line(&says.join(", "));
        text += &format!("says {says} (= can be set)\n");
    }
    if !takes.is_empty() {
        text += &format!("takes {}\n", in_a_line(&takes.join(", ")));
    }
    text += "announced on\n";
    for topic in &it.topics {
        text += &format!("  {}\n", in_a_line(topic));
    }
    if !it.unmapped.is_empty() {
        text += "not mapped\n";
    }
    for left in &it.unmapped {
        let field = match left.field.as_str() {
            "" => String::new(),
            field => format!("{}: ", in_a_line(field)),
        };
        text += &format!(
            "  {field}{} ({})\n",
            in_a_line(&left.why),
            in_a_line(&left.topic)
        );
    }
    context.print(&text)
}

/// What would be applied, with what could not be mapped as comments.
fn manifest(context: &Context, all: &[Proposed]) -> Result<(), Failure> {
    let mut text = String::new();
    for it in all {
        for left in &it.unmapped {
            let said = format!("{} {}: {}", left.topic, left.field, left.why);
            text += &format!("# {}: not mapped: {}\n", it.name, in_comment(&said));
        }
        for resource in &it.resources {
            text += &format!("---\n{}", yaml(resource)?);
        }
    }
    context.print(&text)
}

/// A text that ends no comment of YAML, in any of its versions.
fn in_comment(text: &str) -> String {
    let ends = |c| matches!(c, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}');
    in_a_line(&text.replace(ends, " "))
}

pub(super) async fn approve(context: &Context, args: &ApproveArgs) -> Result<(), Failure> {
    let admission = Admission {
        name: args.as_name.clone(),
    };
    let of = (context.namespace.as_str(), args.name.as_str());
    let answer = context.node()?.approve_device(of, &admission).await?;
    if !answer.rejected.is_empty() {
        return Err(manifests::rejected(context, &answer.rejected, &[]));
    }
    for it in &answer.applied {
        let kind = it.kind.to_ascii_lowercase();
        context.print(&format!("{kind}/{} created\n", it.name))?;
    }
    Ok(())
}

pub(super) async fn reject(context: &Context, args: &RejectArgs) -> Result<(), Failure> {
    let of = (context.namespace.as_str(), args.name.as_str());
    let shown: Proposed = context.node()?.reject_device(of).await?;
    context.print(&format!(
        "{} is not proposed any more (aionctl device approve {} admits it all the same)\n",
        shown.name, shown.name
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn nothing_that_is_announced_ends_a_comment() {
        let said = "a\nb\rc\r\nd\u{85}e\u{2028}f\u{2029}g\u{1b}h";
        assert_eq!(in_comment(said), "a b c  d e f g\\u{1b}h");
    }

    #[test]
    fn what_can_be_set_is_marked() {
        let model: Value = json!({"kind": "DeviceModel", "spec": {"description": "Lamp", "properties": [
            {"name": "power", "access": "readWrite"}, {"name": "battery"}], "commands": [{"name": "blink"}]}});
        let it = Proposed {
            resources: vec![model],
            ..Proposed::default()
        };
        assert_eq!(points(&it), ["power=", "battery"]);
        assert_eq!(
            (names(&it, "commands"), what(&it)),
            (vec!["blink"], "Lamp".to_owned())
        );
    }
}
