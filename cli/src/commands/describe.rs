//! `aionctl describe`.

use aion_abi::admin::Noted;
use clap::Args;
use jiff::Timestamp;
use serde_json::Value;

use crate::{
    context::{Context, yaml},
    failure::Failure,
    render::{
        age,
        screen::{Screen, Tone, tame},
    },
};

use super::{
    kind::{self, Known},
    trigger, why,
};

/// Tell everything about one resource
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aionctl describe agent librarian
  aionctl describe pool/notes")]
pub(crate) struct DescribeArgs {
    /// The kind, or KIND/NAME
    #[arg(value_name = "KIND")]
    kind: String,
    /// The resource's name
    name: Option<String>,
}

/// Fields of a status that have a place of their own, and those that are for programs.
const TOLD: [&str; 8] = [
    "conditions",
    "granted",
    "nodes",
    "observedGeneration",
    "readyReplicas",
    "replicas",
    "revision",
    "summary",
];

pub(crate) async fn run(context: &Context, args: DescribeArgs) -> Result<(), Failure> {
    let (known, name) = kind::named(&args.kind, args.name.as_deref())?;
    let namespace = known.namespace(&context.namespace);
    let resource = context
        .resources()?
        .get(known.kind.plural, namespace, &name)
        .await?;
    let mut text = describe(&context.screen, &known, &resource, crate::clock::now())?;
    if known.kind.plural == "agents" {
        if resource["spec"]["triggers"].is_array() {
            let told: Vec<String> = match trigger::of_agent(context, &name).await {
                Ok(triggers) => triggers.items.iter().map(trigger::line).collect(),
                Err(failure) => vec![format!("not known from the node: {}", failure.what)],
            };
            text += &notices(&context.screen, "Triggers", &told);
        }
        text += &match why::why_of(context, &name).await {
            Ok(why) => noted(&context.screen, why.noted.as_ref()),
            Err(failure) => {
                let why = format!("not known from the node: {}", failure.what);
                notices(&context.screen, "Notices", &[why])
            }
        };
    }
    context.print(&text)
}

/// What the newest of the last turns that had any had its caller told beside the answer.
fn noted(screen: &Screen, noted: Option<&Noted>) -> String {
    let Some(noted) = noted else {
        return String::new();
    };
    let mut told = noted.notices.clone();
    if noted.notices_beyond > 0 {
        told.push(format!(
            "{} more notices are not kept",
            noted.notices_beyond
        ));
    }
    notices(screen, &format!("Notices of turn {}", noted.turn), &told)
}

fn notices(screen: &Screen, title: &str, told: &[String]) -> String {
    let mut out = heading(screen, title);
    for text in told {
        let lines = screen.wrap(&tame(text), 4);
        out += &format!("  - {}\n", lines.join("\n    "));
    }
    out
}

fn describe(
    screen: &Screen,
    known: &Known,
    resource: &Value,
    now: Timestamp,
) -> Result<String, Failure> {
    let mut out = head(screen, known, resource, now);
    let conditions = resource["status"]["conditions"].as_array();
    if let Some(conditions) = conditions.filter(|all| !all.is_empty()) {
        out += &heading(screen, "Conditions");
        out += &condition_list(screen, conditions, now);
    }
    let granted = words(&resource["status"]["granted"]);
    if !granted.is_empty() {
        out += &heading(screen, "Granted");
        out += &listed(screen, &granted);
    }
    let rest = untold(&resource["status"]);
    for (title, part) in [("Status", &rest), ("Spec", &resource["spec"])] {
        if part.as_object().is_some_and(|it| !it.is_empty()) {
            out += &heading(screen, title);
            for line in yaml(part)?.lines() {
                out += &format!("  {}\n", tame(line));
            }
        }
    }
    let questions = words(&resource["spec"]["try"]);
    if !questions.is_empty() {
        out += &heading(screen, "Try");
        let name = resource["metadata"]["name"].as_str().unwrap_or_default();
        for question in questions {
            out += &format!("  aionctl ask {name} {}\n", tame(&quoted(question)));
        }
    }
    Ok(out)
}

fn head(screen: &Screen, known: &Known, resource: &Value, now: Timestamp) -> String {
    let meta = &resource["metadata"];
    let name = meta["name"].as_str().unwrap_or_default();
    let title = format!("{} {}", known.kind.name, tame(name));
    let mut out = format!("{}\n", screen.paint(&title, Tone::Strong));
    if let Some(description) = resource["spec"]["description"].as_str() {
        for line in screen.wrap(&tame(description), 2) {
            out += &format!("  {line}\n");
        }
    }
    let mut fact = |label: &str, text: &str| {
        if !text.is_empty() {
            let label = screen.paint(&format!("{:<12}", format!("{label}:")), Tone::Faint);
            out += &format!("  {label}{}\n", tame(text));
        }
    };
    fact("Namespace", meta["namespace"].as_str().unwrap_or_default());
    if let Some(labels) = meta["labels"].as_object() {
        let labels: Vec<_> = labels
            .iter()
            .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
            .collect();
        fact("Labels", &labels.join(", "));
    }
    let created = meta["creationTimestamp"].as_str().unwrap_or_default();
    if let Ok(then) = created.parse::<Timestamp>() {
        fact(
            "Age",
            &format!("{} (since {created})", age::since(then, now)),
        );
    }
    fact(
        "Revision",
        resource["status"]["revision"].as_str().unwrap_or_default(),
    );
    fact(
        "Instances",
        resource["status"]["summary"].as_str().unwrap_or_default(),
    );
    fact("Nodes", &words(&resource["status"]["nodes"]).join(", "));
    out
}

/// What a status says beside what was told of it already.
fn untold(status: &Value) -> Value {
    let mut rest = status.clone();
    if let Some(rest) = rest.as_object_mut() {
        for told in TOLD {
            rest.remove(told);
        }
    }
    rest
}

fn heading(screen: &Screen, text: &str) -> String {
    format!("\n{}\n", screen.paint(text, Tone::Strong))
}

fn condition_list(screen: &Screen, conditions: &[Value], now: Timestamp) -> String {
    let text = |condition: &Value, key: &str| tame(condition[key].as_str().unwrap_or_default());
    let widest = |key: &str| {
        let widths = conditions.iter().map(|c| text(c, key).chars().count());
        widths.max().unwrap_or_default()
    };
    let (kinds, reasons) = (widest("type"), widest("reason"));
    let mut out = String::new();
    for condition in conditions {
        let kind = text(condition, "type");
        let status = text(condition, "status");
        let since = text(condition, "lastTransitionTime").parse::<Timestamp>();
        let since = since.map_or(String::new(), |then| age::since(then, now));
        let line = format!(
            "  {kind:kinds$}  {}  {:reasons$}  {}",
            screen.paint(&format!("{status:7}"), tone(&kind, &status)),
            text(condition, "reason"),
            screen.paint(&since, Tone::Faint),
        );
        out += &format!("{}\n", line.trim_end());
        for line in screen.wrap(&text(condition, "message"), 6) {
            out += &format!("      {line}\n");
        }
    }
    out
}

fn tone(kind: &str, status: &str) -> Tone {
    // These are good news where they are False.
    let inverted = ["Degraded", "Stalled", "Reconciling", "Progressing"].contains(&kind);
    match (status, inverted) {
        ("True", false) => Tone::Good,
        ("False", false) => Tone::Bad,
        ("False", true) => Tone::Faint,
        _ => Tone::Warn,
    }
}

fn listed(screen: &Screen, items: &[&str]) -> String {
    let mut out = String::new();
    for line in screen.wrap(&tame(&items.join(", ")), 2) {
        out += &format!("  {line}\n");
    }
    out
}

fn words(value: &Value) -> Vec<&str> {
    let values = value.as_array().into_iter().flatten();
    values.filter_map(Value::as_str).collect()
}

/// As a shell takes it for one word.
fn quoted(text: &str) -> String {
    if text.contains(['"', '$', '`', '\\', '!']) {
        format!("'{}'", text.replace('\'', r"'\''"))
    } else {
        format!("\"{text}\"")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn an_agent_is_told_from_its_head_to_what_to_try() {
        let agent = json!({
            "metadata": {"name": "jarvis", "namespace": "default", "creationTimestamp": "2026-03-01T12:00:00Z"},
            "spec": {"description": "Helps with my day", "try": ["What is on today?", "Cost: $5?"]},
            "status": {
                "summary": "0/1",
                "granted": ["memory.recall:notes", "agent.message"],
                "conditions": [{
                    "type": "Ready", "status": "False", "reason": "ModelUnreachable",
                    "lastTransitionTime": "2026-03-01T12:00:00Z",
                    "message": "nothing answers at http://127.0.0.1:11434/v1",
                }],
            },
        });
        let known = kind::find("agent").unwrap();
        let now = "2026-03-01T12:05:00Z".parse().unwrap();
        let screen = Screen::test(Some(80), false, true);
        let told = describe(&screen, &known, &agent, now).unwrap();
        assert_eq!(
            told,
            "Agent jarvis\n  Helps with my day\n  \
             Namespace:  default\n  \
             Age:        5m (since 2026-03-01T12:00:00Z)\n  \
             Instances:  0/1\n\
             \nConditions\n  \
             Ready  False    ModelUnreachable  5m\n      \
             nothing answers at http://127.0.0.1:11434/v1\n\
             \nGranted\n  memory.recall:notes, agent.message\n\
             \nSpec\n  description: Helps with my day\n  try:\n  - What is on today?\n  - \"Cost: $5?\"\n\
             \nTry\n  aionctl ask jarvis \"What is on today?\"\n  aionctl ask jarvis 'Cost: $5?'\n"
        );
    }

    #[test]
    fn notices_are_told_whole_with_their_turn() {
        let screen = Screen::test(Some(40), false, true);
        let told = noted(
            &screen,
            Some(&Noted {
                turn: 12,
                notices: vec!["left out of docs: a.pdf (not text), b.pdf (not text)".into()],
                notices_beyond: 2,
            }),
        );
        assert_eq!(
            told,
            "\nNotices of turn 12\n  - left out of docs: a.pdf (not text),\n    b.pdf (not text)\n  \
             - 2 more notices are not kept\n"
        );
        assert_eq!(noted(&screen, None), "");
    }

    #[test]
    fn a_question_is_one_word_to_the_shell() {
        assert_eq!(quoted("plain"), "\"plain\"");
        assert_eq!(quoted("it's $5"), r"'it'\''s $5'");
    }
}
