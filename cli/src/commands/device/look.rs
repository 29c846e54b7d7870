//! What devices are, and what they say.

use aion_abi::{
    device::{EdgeNode, SeenDevice, Wanted},
    seen::in_a_line,
    syscall::device::{Point, Reach, Reading},
};
use jiff::Timestamp;
use serde_json::json;

use crate::{
    clock,
    commands::form::How,
    context::Context,
    failure::Failure,
    render::{
        age,
        screen::Tone,
        table::{Field, table},
    },
};

pub(super) async fn list(context: &Context, how: &How) -> Result<(), Failure> {
    let node = context.node()?;
    let (mut wanted, mut all) = (Wanted::default(), Vec::new());
    loop {
        let page = node.devices(&context.namespace, &wanted).await?;
        all.extend(page.items);
        wanted.after = page.next;
        if wanted.after.is_none() {
            break;
        }
    }
    if how.is_json() {
        return context.print_json(&json!({"items": all}));
    }
    if all.is_empty() {
        context.note("the node listens to no device in this namespace");
        return Ok(());
    }
    let now = clock::now();
    let rows: Vec<_> = all.iter().map(|it| row(it, now)).collect();
    let headings = ["device", "model", "is", "heard", "says"];
    context.print(&table(&context.screen, &headings, &rows))
}

fn row(seen: &SeenDevice, now: Timestamp) -> Vec<Field> {
    let says: Vec<_> = seen.described.readings.iter().filter_map(says).collect();
    vec![
        Field::plain(&seen.described.name),
        Field::plain(&seen.described.model),
        reach(seen.described.reach),
        Field::plain(heard(seen, now)),
        Field::plain(says.join(", ")),
    ]
}

fn reach(reach: Reach) -> Field {
    match reach {
        Reach::Online => Field::toned("online", Tone::Good),
        Reach::Unknown => Field::plain("not heard of yet"),
        Reach::Offline => Field::toned("offline", Tone::Bad),
        Reach::BrokerAway => Field::toned("broker is away", Tone::Warn),
    }
}

fn heard(seen: &SeenDevice, now: Timestamp) -> String {
    let at = seen.last_heard_ms.and_then(|it| i64::try_from(it.0).ok());
    let at = at.and_then(|it| Timestamp::from_millisecond(it).ok());
    at.map_or_else(
        || "never".to_owned(),
        |at| format!("{} ago", age::since(at, now)),
    )
}

/// `temperature 20.5 Cel`; nothing of what is not known.
fn says(it: &Reading) -> Option<String> {
    let value = it.value.as_ref()?;
    let unit = it
        .unit
        .as_deref()
        .map(|it| format!(" {it}"))
        .unwrap_or_default();
    let old = if it.stale { " (stale)" } else { "" };
    Some(format!("{} {value}{unit}{old}", it.property))
}

pub(super) async fn describe(context: &Context, device: &str, how: &How) -> Result<(), Failure> {
    let seen = context.node()?.device(&context.namespace, device).await?;
    if how.is_json() {
        return context.print_json(&json!(seen));
    }
    let it = &seen.described;
    let mut head = format!("{}, a {} {}", it.name, it.model, seen.way());
    if let Some(description) = &it.description {
        head += &format!(": {description}");
    }
    context.print(&format!("{}\n", in_a_line(&head)))?;
    let labels = it
        .labels
        .iter()
        .map(|(key, value)| format!("{key}={value}"));
    let labels: Vec<_> = labels.collect();
    if !labels.is_empty() {
        context.print(&format!("labels: {}\n", in_a_line(&labels.join(", "))))?;
    }
    let counts = seen.messages;
    let mut messages = format!(
        "{}, heard {}; {} messages",
        it.reach.as_str(),
        heard(&seen, clock::now()),
        counts.taken
    );
    if counts.left_out > 0 {
        messages += &format!(", {} left out since it is too loud", counts.left_out);
    }
    if counts.unread > 0 {
        messages += &format!(", {} that cannot be read", counts.unread);
    }
    context.print(&format!("{messages}\n"))?;
    if let Some(why) = &seen.silent {
        context.print(&format!("{}\n", in_a_line(why)))?;
    }
    if let Some(edge) = &seen.edge_node {
        context.print(&format!("{}\n", in_a_line(&edge_node(edge))))?;
    }
    if let Some(safe) = &seen.made_safe {
        let ago = i64::try_from(safe.at_ms.0).ok();
        let ago = ago.and_then(|it| Timestamp::from_millisecond(it).ok());
        let ago = ago
            .map(|at| age::since(at, clock::now()))
            .unwrap_or_default();
        let words = in_a_line(&safe.what);
        context.print(&format!("made safe by its watchdog {ago} ago: {words}\n"))?;
    }
    let rows: Vec<_> = it
        .properties
        .iter()
        .map(|point| property(point, &it.readings))
        .collect();
    if !rows.is_empty() {
        let headings = ["property", "is", "unit", "age", "may be", "set"];
        context.print("\n")?;
        context.print(&table(&context.screen, &headings, &rows))?;
    }
    let rows: Vec<_> = it
        .commands
        .iter()
        .map(|it| {
            let arguments: Vec<_> = it
                .arguments
                .iter()
                .map(|it| format!("{} {}", it.name, bounds(it)))
                .collect();
            vec![
                Field::plain(&it.name),
                Field::plain(arguments.join(", ")),
                Field::plain(it.description.as_deref().unwrap_or_default()),
            ]
        })
        .collect();
    if !rows.is_empty() {
        context.print("\n")?;
        context.print(&table(
            &context.screen,
            &["command", "takes", "what happens"],
            &rows,
        ))?;
    }
    for it in it
        .readings
        .iter()
        .filter_map(|it| Some((&it.property, it.unread.as_ref()?)))
    {
        context.warn(&format!(
            "{}: the newest message cannot be read: {}",
            it.0,
            in_a_line(it.1)
        ));
    }
    Ok(())
}

/// `edge node plant/press: 2 births, asked once; 1 message out of order: …`
fn edge_node(edge: &EdgeNode) -> String {
    let mut words = format!(
        "edge node {}: {} births, asked for one {} times",
        edge.name, edge.births, edge.asked
    );
    for (count, what) in [
        (edge.gaps, "messages after one that was missed"),
        (edge.duplicates, "messages that came twice"),
        (edge.unborn, "messages before a birth"),
        (edge.old_deaths, "deaths of a session that was over"),
        (edge.contested, "births of another of its name"),
        (edge.unread, "messages or metrics that cannot be read"),
        (edge.historical, "metrics of before left out"),
        (edge.left_out, "messages left out"),
    ] {
        if count > 0 {
            words += &format!(", {count} {what}");
        }
    }
    if let Some(last) = &edge.last {
        words += &format!("; last: {last}");
    }
    words
}

fn property(point: &Point, readings: &[Reading]) -> Vec<Field> {
    let reading = readings.iter().find(|it| it.property == point.name);
    let value = reading.and_then(|it| it.value.as_ref());
    let is = match (value, point.write_only) {
        (Some(value), _) => value.to_string(),
        (None, true) => "nobody hears it".to_owned(),
        (None, false) => "not known".to_owned(),
    };
    let aged = reading.and_then(|it| it.age_ms);
    let old = aged
        .map(|it| age::duration(it - it % 1000))
        .unwrap_or_default();
    let stale = reading.is_some_and(|it| it.stale);
    vec![
        Field::plain(&point.name),
        Field::plain(is),
        Field::plain(point.unit.as_deref().unwrap_or_default()),
        match stale {
            true => Field::toned(format!("{old}, stale"), Tone::Warn),
            false => Field::plain(old),
        },
        Field::plain(bounds(point)),
        Field::plain(if point.writable { "yes" } else { "" }),
    ]
}

fn bounds(point: &Point) -> String {
    match (point.minimum, point.maximum) {
        _ if !point.choices.is_empty() => point.choices.join(" | "),
        (Some(least), Some(most)) => format!("{} {least} to {most}", point.of),
        (Some(least), None) => format!("{} from {least}", point.of),
        (None, Some(most)) => format!("{} to {most}", point.of),
        (None, None) => point.of.clone(),
    }
}
