//! What devices say, as they say it.

use aion_abi::{device::Watched, seen::in_a_line, syscall::device::Reach};
use clap::Args;
use jiff::tz::TimeZone;

use crate::{commands::form::Followed, context::Context, failure::Failure, render::age};

/// Follow what devices say, as far as it changes
#[derive(Debug, Args)]
#[command(after_help = "\
One line for each property that becomes another, and for each device that comes or goes, until Ctrl-C. Where devices are named, it begins with what they said last.
Whoever reads more slowly than devices speak is told how much was left out.

Examples:
  aionctl device watch
  aionctl device watch heater kitchen-window
  aionctl device watch -o json | jq 'select(.property == \"temperature\") | .value'")]
pub(crate) struct WatchArgs {
    /// Only these devices
    #[arg(value_name = "DEVICE")]
    devices: Vec<String>,
    #[command(flatten)]
    how: Followed,
}

pub(super) async fn run(context: &Context, args: &WatchArgs) -> Result<(), Failure> {
    let node = context.node()?;
    let mut seen = node
        .watch_devices(&context.namespace, &args.devices)
        .await?;
    let zone = TimeZone::system();
    while let Some(it) = seen.next().await? {
        match args.how.is_json() {
            false => context.print(&format!("{}\n", line(&it, &zone)))?,
            true => context.print_json_line(&it)?,
        }
    }
    Err(Failure::new("the node is being stopped"))
}

fn line(seen: &Watched, zone: &TimeZone) -> String {
    let line = match seen {
        Watched::Value {
            device,
            property,
            value,
            unit,
            at_ms,
            age_ms,
            stale,
            kept,
        } => {
            let mut line = format!(
                "{}  {device}: {property} {}",
                age::clock(*at_ms, zone),
                value.in_a_line()
            );
            if let Some(unit) = unit {
                line += &format!(" {unit}");
            }
            let mut notes = Vec::new();
            if let Some(age) = age_ms {
                notes.push(format!("{} ago", age::duration(*age)));
            }
            if *stale {
                notes.push("stale".to_owned());
            }
            if *kept {
                notes.push("kept by the broker".to_owned());
            }
            if !notes.is_empty() {
                line += &format!(" ({})", notes.join(", "));
            }
            line
        }
        Watched::Reach {
            device,
            reach,
            at_ms,
        } => {
            let is = match reach {
                Reach::Online => "is there",
                Reach::Offline => "is away",
                Reach::Unknown => "is not heard",
                Reach::BrokerAway => "cannot be reached: its broker is away",
            };
            format!("{}  {device} {is}", age::clock(*at_ms, zone))
        }
        Watched::Missed { count } => format!("… {count} more were left out here"),
    };
    in_a_line(&line)
}

#[cfg(test)]
mod tests {
    use aion_abi::{date::UnixMillis, syscall::device::Value};

    use super::*;

    #[test]
    fn a_line_says_what_it_is_in_which_unit_and_how_old_that_is() {
        let mut it = Watched::Value {
            device: "heater".to_owned(),
            property: "target".to_owned(),
            value: Value::Number(21.5),
            unit: Some("Cel".to_owned()),
            at_ms: UnixMillis(0),
            age_ms: Some(1_500),
            stale: true,
            kept: false,
        };
        assert_eq!(
            line(&it, &TimeZone::UTC),
            "1970-01-01 00:00:00  heater: target 21.5 Cel (1.5 s ago, stale)"
        );
        if let Watched::Value {
            value,
            unit,
            age_ms,
            stale,
            ..
        } = &mut it
        {
            *value = Value::Text("x\ny\u{9b}2J\u{202e}".to_owned());
            (*unit, *age_ms, *stale) = (Some("\u{1b}[2J".to_owned()), None, false);
        }
        let told = r#"heater: target "x\ny\u{9b}2J\u{202e}" \u{1b}[2J"#;
        assert!(line(&it, &TimeZone::UTC).ends_with(told));
        assert_eq!(
            line(&Watched::Missed { count: 7 }, &TimeZone::UTC),
            "… 7 more were left out here"
        );
    }
}
