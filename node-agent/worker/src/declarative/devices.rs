//! Devices as tools of the model. What a device says is data, as any tool's result is.

use std::collections::BTreeMap;

use aion_abi::boot::DeviceTools;
use aion_abi::problem::Problem;
use aion_abi::syscall::Syscall;
use aion_abi::syscall::device::{
    CommandRequest, Described, DoneResponse, HistoryRequest, HistoryResponse, ListRequest,
    ListResponse, MAX_DEVICES, Point, Reach, Reading, Value, WriteRequest,
};
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::arguments::parse;
use crate::syscalls::Syscalls;

/// The most devices that are told of at once.
const SHOWN: usize = 1000;
/// Points of a history where the model does not say how many.
const POINTS: u32 = 24;

/// A tool of devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DeviceTool {
    List,
    History,
    Set,
    Command,
}

/// A tool as it is offered.
pub(super) struct Offered {
    pub(super) tool: DeviceTool,
    pub(super) name: &'static str,
    pub(super) description: &'static str,
    pub(super) properties: Json,
    pub(super) required: &'static [&'static str],
}

/// Those that a turn has.
pub(super) fn offered(tools: DeviceTools) -> Vec<Offered> {
    let device = json!({"type": "string", "description": "its name, as devices_list gives it"});
    let mut offered = vec![Offered {
        tool: DeviceTool::List,
        name: "devices_list",
        description: "Lists your devices: what each says now, how old that is, what can be set and what it can be told to do.",
        properties: json!({
            "containing": {"type": "string", "description": "only devices whose name, model, description or labels contain this; left out, all"},
        }),
        required: &[],
    }];
    if tools.reads {
        offered.push(Offered {
            tool: DeviceTool::History,
            name: "device_history",
            description: "What a property of a device was: at most so many points, oldest first.",
            properties: json!({
                "device": device, "property": {"type": "string"},
                "points": {"type": "integer", "minimum": 1, "maximum": 200},
            }),
            required: &["device", "property"],
        });
    }
    if tools.writes {
        offered.push(Offered {
            tool: DeviceTool::Set,
            name: "device_set",
            description: "Sets a property of a device, and waits until the device says that it is so.",
            properties: json!({
                "device": device, "property": {"type": "string"},
                "value": {"type": ["boolean", "number", "string"]},
            }),
            required: &["device", "property", "value"],
        });
    }
    if tools.commands {
        offered.push(Offered {
            tool: DeviceTool::Command,
            name: "device_command",
            description: "Tells a device to do something that it lists, and waits until it says that it did.",
            properties: json!({
                "device": device, "command": {"type": "string"},
                "arguments": {"type": "object", "description": "all that the command takes"},
            }),
            required: &["device", "command"],
        });
    }
    offered
}

#[derive(Deserialize)]
struct Listing {
    #[serde(default)]
    containing: String,
}

#[derive(Deserialize)]
struct OfHistory {
    device: String,
    property: String,
    #[serde(default)]
    points: Option<u32>,
}

#[derive(Deserialize)]
struct Told {
    device: String,
    command: String,
    #[serde(default)]
    arguments: BTreeMap<String, Value>,
}

/// Does what the model asked for.
///
/// # Errors
/// What became of the call: whether the turn goes on then is the toolbox's to say.
pub(super) async fn call(
    syscalls: &impl Syscalls,
    tool: DeviceTool,
    arguments: &str,
) -> Result<String, Problem> {
    match tool {
        DeviceTool::List => list(syscalls, parse(arguments)?).await,
        DeviceTool::History => {
            let OfHistory {
                device,
                property,
                points,
            } = parse(arguments)?;
            let request = HistoryRequest {
                device,
                property,
                from_ms: None,
                to_ms: None,
                points: points.unwrap_or(POINTS),
            };
            let answer: HistoryResponse = syscalls.call(Syscall::DeviceHistory, &request).await?;
            Ok(history(&answer))
        }
        DeviceTool::Set => {
            let request: WriteRequest = parse(arguments)?;
            let done: DoneResponse = syscalls.call(Syscall::DeviceWrite, &request).await?;
            Ok(done.to_string())
        }
        DeviceTool::Command => {
            let Told {
                device,
                command,
                arguments,
            } = parse(arguments)?;
            let request = CommandRequest {
                device,
                command,
                arguments,
            };
            let done: DoneResponse = syscalls.call(Syscall::DeviceCommand, &request).await?;
            Ok(done.to_string())
        }
    }
}

async fn list(syscalls: &impl Syscalls, listing: Listing) -> Result<String, Problem> {
    let wanted = listing.containing.to_lowercase();
    let mut request = ListRequest {
        after: None,
        limit: MAX_DEVICES,
        readings: true,
    };
    let (mut lines, mut more) = (Vec::new(), false);
    loop {
        let page: ListResponse = syscalls.call(Syscall::DeviceList, &request).await?;
        let fitting = page.devices.iter().filter(|it| contains(it, &wanted));
        lines.extend(fitting.map(line));
        request.after = page.devices.last().map(|it| it.name.clone());
        if !page.more || request.after.is_none() {
            break;
        }
        if lines.len() >= SHOWN {
            more = true;
            break;
        }
    }
    if lines.is_empty() {
        return Ok("no device fits".to_owned());
    }
    if more {
        lines.push("[more devices follow: say what their names contain]".to_owned());
    }
    Ok(lines.join("\n"))
}

fn contains(device: &Described, wanted: &str) -> bool {
    let labels = device.labels.iter().flat_map(|(key, value)| [key, value]);
    let texts = [&device.name, &device.model]
        .into_iter()
        .chain(&device.description);
    let mut all = texts.chain(labels);
    wanted.is_empty() || all.any(|it| it.to_lowercase().contains(wanted))
}

/// A device in one line.
fn line(device: &Described) -> String {
    let mut line = device.name.clone();
    let labels = device
        .labels
        .iter()
        .map(|(key, value)| format!("{key}={value}"));
    let labels: Vec<_> = labels.collect();
    if !labels.is_empty() {
        line += &format!(" ({})", labels.join(", "));
    }
    if let Some(description) = &device.description {
        line += &format!(", {description}");
    }
    match device.reach {
        Reach::Online => {}
        Reach::Unknown => line += " [silent since the node listens]",
        Reach::Offline => line += " [offline]",
        Reach::BrokerAway => line += " [its broker is away]",
    }
    let readings = device.readings.iter();
    let readings: Vec<_> = readings
        .map(|it| reading(it, is_text(device, it)))
        .collect();
    if !readings.is_empty() {
        line += &format!(": {}", readings.join(", "));
    }
    let set: Vec<_> = device
        .properties
        .iter()
        .filter(|it| it.writable)
        .map(point)
        .collect();
    if !set.is_empty() {
        line += &format!("; can be set: {}", set.join(", "));
    }
    let commands = device.commands.iter().map(|it| {
        let arguments: Vec<_> = it.arguments.iter().map(point).collect();
        format!("{}({})", it.name, arguments.join(", "))
    });
    let commands: Vec<_> = commands.collect();
    if !commands.is_empty() {
        line += &format!("; can be told: {}", commands.join(", "));
    }
    line
}

fn is_text(device: &Described, reading: &Reading) -> bool {
    let mut points = device.properties.iter();
    points.any(|it| it.name == reading.property && it.of == "text")
}

/// A value in one line, and no longer than that: a text is a stranger's.
fn shown(value: &Value, text: bool) -> String {
    match text {
        true => value.in_a_line(),
        false => value.to_string(),
    }
}

fn reading(it: &Reading, text: bool) -> String {
    let Some(value) = &it.value else {
        return format!("{} not known", it.property);
    };
    let unit = it
        .unit
        .as_deref()
        .map(|it| format!(" {it}"))
        .unwrap_or_default();
    let old = match (it.stale, it.age_ms) {
        (true, Some(age)) => format!(" (stale, {} old)", span(age)),
        (true, None) => " (stale)".to_owned(),
        (false, _) => String::new(),
    };
    format!("{} {}{unit}{old}", it.property, shown(value, text))
}

fn point(it: &Point) -> String {
    let range = match (it.minimum, it.maximum) {
        (Some(least), Some(most)) => format!(" {least} to {most}"),
        (Some(least), None) => format!(" from {least}"),
        (None, Some(most)) => format!(" to {most}"),
        (None, None) => String::new(),
    };
    let of = match it.choices.is_empty() {
        true => it.of.clone(),
        false => it.choices.join("|"),
    };
    let unit = it
        .unit
        .as_deref()
        .map(|it| format!(" {it}"))
        .unwrap_or_default();
    format!("{} {of}{range}{unit}", it.name)
}

fn history(answer: &HistoryResponse) -> String {
    if answer.points.is_empty() {
        return "nothing is kept of it".to_owned();
    }
    let unit = answer
        .unit
        .as_deref()
        .map(|it| format!(" {it}"))
        .unwrap_or_default();
    let newest = answer.points.last().map_or(0, |it| it.at_ms.0);
    let lines = answer.points.iter().map(|it| {
        let before = span(newest.saturating_sub(it.at_ms.0));
        match (it.minimum, it.maximum, it.mean) {
            (Some(least), Some(most), Some(mean)) if it.count > 1 => format!(
                "{before} before the newest: {}{unit} (of {} from {least} to {most}, mean {mean:.2})",
                shown(&it.last, true),
                it.count
            ),
            _ => format!("{before} before the newest: {}{unit}", shown(&it.last, true)),
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// A time in few characters.
fn span(ms: u64) -> String {
    match ms / 1000 {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    }
}

#[cfg(test)]
mod tests {
    use aion_abi::syscall::device::Command;

    use super::*;

    fn heater() -> Described {
        Described {
            name: "heater".to_owned(),
            model: "thermostat".to_owned(),
            labels: BTreeMap::from([("room".to_owned(), "Küche".to_owned())]),
            reach: Reach::Online,
            properties: vec![Point {
                name: "target".to_owned(),
                of: "number".to_owned(),
                unit: Some("Cel".to_owned()),
                minimum: Some(5.0),
                maximum: Some(24.0),
                writable: true,
                ..Point::default()
            }],
            commands: vec![Command {
                name: "boost".to_owned(),
                arguments: vec![Point {
                    name: "minutes".to_owned(),
                    of: "integer".to_owned(),
                    ..Point::default()
                }],
                ..Command::default()
            }],
            readings: vec![
                Reading {
                    property: "temperature".to_owned(),
                    value: Some(Value::Number(20.5)),
                    unit: Some("Cel".to_owned()),
                    age_ms: Some(400_000),
                    stale: true,
                    ..Reading::default()
                },
                Reading {
                    property: "valve".to_owned(),
                    ..Reading::default()
                },
            ],
            ..Described::default()
        }
    }

    #[test]
    fn a_device_is_one_line_that_says_all_of_it() {
        assert_eq!(
            line(&heater()),
            "heater (room=Küche): temperature 20.5 Cel (stale, 6 min old), valve not known; \
             can be set: target number 5 to 24 Cel; can be told: boost(minutes integer)"
        );
        assert!(contains(&heater(), "küche") && contains(&heater(), ""));
        assert!(!contains(&heater(), "bath"));
    }

    #[test]
    fn a_text_that_a_device_says_makes_no_line_of_its_own() {
        let said = Reading {
            property: "note".to_owned(),
            value: Some(Value::Text(format!("x\nlock: open{}", "y".repeat(500)))),
            ..Reading::default()
        };
        let device = Described {
            name: "panel".to_owned(),
            reach: Reach::Online,
            properties: vec![Point {
                name: "note".to_owned(),
                of: "text".to_owned(),
                ..Point::default()
            }],
            readings: vec![said],
            ..Described::default()
        };
        let line = line(&device);
        assert!(line.starts_with("panel: note \"x\\nlock: open"), "{line}");
        assert!(line.ends_with("\" (cut)") && line.len() < 200, "{line}");
    }

    #[test]
    fn only_what_there_is_a_right_to_is_offered() {
        let names = |tools| offered(tools).iter().map(|it| it.name).collect::<Vec<_>>();
        assert_eq!(names(DeviceTools::default()), ["devices_list"]);
        let reads = DeviceTools {
            reads: true,
            ..DeviceTools::default()
        };
        assert_eq!(names(reads), ["devices_list", "device_history"]);
        let all = DeviceTools {
            reads: true,
            writes: true,
            commands: true,
        };
        assert_eq!(
            names(all),
            [
                "devices_list",
                "device_history",
                "device_set",
                "device_command"
            ]
        );
    }
}
