//! Words of a trigger for people and for its agent.

use aion_abi::date::UnixMillis;
use aion_api::{Trigger, TurnEnds};
use k8s_openapi::jiff::{Timestamp, tz::TimeZone};

/// What an agent is asked where its trigger does not say.
pub(super) fn default(trigger: &Trigger) -> &'static str {
    match trigger.kind() {
        "cron" => "It is {{scheduled}}: do what you are there for at this time.",
        "webhook" => "This came for {{trigger}}: {{files}}.",
        "device" => "A device says something new. {{events}}.",
        _ => "Turn {{turn}} of {{source}} ended: {{files}}.",
    }
}

/// A date, in the zone that is named.
pub(super) fn date(at: UnixMillis, zone: Option<&str>) -> String {
    let at = i64::try_from(at.0).ok();
    let at = at.and_then(|ms| Timestamp::from_millisecond(ms).ok());
    let zone = zone.and_then(|zone| TimeZone::get(zone).ok());
    match (at, zone) {
        (Some(at), Some(zone)) => format!("{:.0}", at.to_zoned(zone)),
        (Some(at), None) => format!("{at:.0}"),
        (None, _) => String::new(),
    }
}

/// When a trigger starts a turn.
pub(super) fn when(trigger: &Trigger) -> String {
    match (&trigger.cron, &trigger.event) {
        (Some(cron), _) => match &trigger.time_zone {
            Some(zone) => format!("{cron} in {zone}"),
            None => format!("{cron} in UTC"),
        },
        (None, Some(event)) => {
            let ends = match event.turn {
                TurnEnds::Answered => "is answered",
                TurnEnds::Failed => "fails",
                TurnEnds::Ended => "ends",
            };
            format!("a turn of {} {ends}", event.agent)
        }
        (None, None) => match (&trigger.device, &trigger.property) {
            (None, _) => "a signed delivery comes".to_owned(),
            (Some(device), None) => format!("{device} says something new"),
            (Some(device), Some(property)) => match trigger.becomes.is_empty() {
                true => format!("{property} of {device} changes"),
                false => format!(
                    "{property} of {device} becomes {}",
                    trigger.becomes.join(" or ")
                ),
            },
        },
    }
}
