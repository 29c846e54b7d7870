//! What a property of a device was.

use aion_abi::{
    date::UnixMillis,
    device::HistoryWanted,
    syscall::device::{HistoryResponse, Span, Value},
};
use clap::Args;
use jiff::tz::TimeZone;
use serde_json::json;

use crate::{
    clock,
    commands::form::How,
    context::Context,
    failure::Failure,
    render::{
        age,
        table::{Field, table},
    },
};

#[derive(Debug, Args)]
pub(crate) struct HistoryArgs {
    /// The device
    device: String,
    /// The property
    property: String,
    /// So many hours back
    #[arg(long, value_name = "HOURS", default_value_t = 24, value_parser = clap::value_parser!(u64).range(1..=8784))]
    hours: u64,
    /// So many points at most
    #[arg(long, value_name = "POINTS", default_value_t = 48, value_parser = clap::value_parser!(u32).range(1..=1000))]
    points: u32,
    #[command(flatten)]
    how: How,
}

pub(super) async fn run(context: &Context, args: &HistoryArgs) -> Result<(), Failure> {
    let now = u64::try_from(clock::now().as_millisecond()).unwrap_or_default();
    let wanted = HistoryWanted {
        from_ms: Some(UnixMillis(now.saturating_sub(args.hours * 3_600_000))),
        to_ms: None,
        points: Some(args.points),
    };
    let of = (
        context.namespace.as_str(),
        args.device.as_str(),
        args.property.as_str(),
    );
    let answer = context.node()?.device_history(of, &wanted).await?;
    if args.how.is_json() {
        return context.print_json(&json!(answer));
    }
    if answer.points.is_empty() {
        context.note("nothing is kept of it");
        return Ok(());
    }
    if answer.older_gone {
        context.note("what was before the first point is not kept");
    }
    let zone = TimeZone::system();
    let bars = bars(&answer);
    let rows: Vec<_> = answer
        .points
        .iter()
        .zip(bars)
        .map(|(it, bar)| point_row(it, bar, &zone))
        .collect();
    let headings = ["until", "was", "from", "to", "times", ""];
    context.print(&table(&context.screen, &headings, &rows))
}

fn point_row(it: &Span, bar: String, zone: &TimeZone) -> Vec<Field> {
    let number = |it: Option<f64>| it.map(|it| it.to_string()).unwrap_or_default();
    let (least, most) = match it.count {
        1 => (None, None),
        _ => (it.minimum, it.maximum),
    };
    vec![
        Field::plain(age::clock(it.at_ms, zone)),
        Field::plain(it.last.to_string()),
        Field::plain(number(least)),
        Field::plain(number(most)),
        Field::plain(it.count.to_string()),
        Field::plain(bar),
    ]
}

/// The longest bar, in characters.
const BAR: f64 = 24.0;

/// A bar for each point, as long as it is high between the least and the most of all.
fn bars(answer: &HistoryResponse) -> Vec<String> {
    let numbers = answer.points.iter().map(|it| match (it.mean, &it.last) {
        (Some(mean), _) => Some(mean),
        (None, Value::Boolean(on)) => Some(f64::from(u8::from(*on))),
        (None, _) => None,
    });
    let numbers: Vec<_> = numbers.collect();
    let all = || numbers.iter().flatten().copied();
    let (least, most) = (
        all().fold(f64::MAX, f64::min),
        all().fold(f64::MIN, f64::max),
    );
    let bar = |number: &Option<f64>| {
        let height = number.filter(|_| most > least);
        let height = height.map_or(0.0, |it| (it - least) / (most - least));
        // Between 0 and BAR.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let length = (height * BAR).round() as usize;
        "▆".repeat(length)
    };
    numbers.iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(last: f64) -> Span {
        Span {
            at_ms: UnixMillis(0),
            count: 1,
            last: Value::Number(last),
            minimum: Some(last),
            maximum: Some(last),
            mean: Some(last),
        }
    }

    #[test]
    fn the_highest_point_has_the_longest_bar_and_the_lowest_none() {
        let of = |numbers: &[f64]| {
            let points = numbers.iter().map(|it| span(*it)).collect();
            let answer = HistoryResponse {
                points,
                ..HistoryResponse::default()
            };
            bars(&answer)
                .iter()
                .map(|it| it.chars().count())
                .collect::<Vec<_>>()
        };
        assert_eq!(of(&[10.0, 15.0, 20.0]), [0, 12, 24]);
        assert_eq!(of(&[3.0, 3.0]), [0, 0]);
        assert!(of(&[]).is_empty());
    }
}
