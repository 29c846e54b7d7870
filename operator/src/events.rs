//! Events, as `kubectl describe` shows them: told when a condition changes, not when it is looked at.

use aion_api::condition::{
    self, ACCEPTED, Condition, ERASED, READY, RESOLVED_REFS, SANDBOX_ENFORCED, VERIFIED,
    WITHIN_LIMITS, WITHIN_RULES, find,
};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};

/// The conditions whose changes are told.
const TOLD: [&str; 8] = [
    ACCEPTED,
    RESOLVED_REFS,
    VERIFIED,
    SANDBOX_ENFORCED,
    WITHIN_LIMITS,
    WITHIN_RULES,
    READY,
    ERASED,
];
/// Reasons of events that do not come from a condition.
pub(crate) mod reason {
    /// An AgentInstance was made.
    pub(crate) const INSTANCE_CREATED: &str = "InstanceCreated";
    /// An AgentInstance was told to end its turns and go.
    pub(crate) const INSTANCE_RETIRED: &str = "InstanceRetired";
    /// An AgentInstance was given up, since its node is lost.
    pub(crate) const INSTANCE_LOST: &str = "InstanceLost";
}

/// An event's note is at most 1 KiB.
const NOTE: usize = 1000;

/// Writes events, each by a recorder of its own: one that stays keeps all that it wrote for minutes and looks through them
/// with each more, to count what is told again, and of two with one reason about one object it drops the second's note. What
/// is told here is a change, once.
#[derive(Clone)]
pub(crate) struct Announcer {
    client: Client,
    reporter: Reporter,
}

impl Announcer {
    pub(crate) fn new(client: Client, identity: &str) -> Self {
        let reporter = Reporter {
            controller: "aion-operator".into(),
            instance: Some(identity.to_owned()),
        };
        Self { client, reporter }
    }

    /// Tells `events` about `object`. An event that cannot be written is logged and lost: nothing depends
    /// on it.
    pub(crate) async fn tell(&self, object: &ObjectReference, events: Vec<Event>) {
        for event in events {
            let reason = event.reason.clone();
            let recorder = Recorder::new(self.client.clone(), self.reporter.clone());
            if let Err(error) = recorder.publish(&event, object).await {
                tracing::warn!(%error, reason, "an event was not written");
            }
        }
    }
}

/// What changed between two sets of conditions, as events. What is not known yet is not told. Of a signature
/// another word is a change too: a key that is passed over changes nothing else.
///
/// What is as it should be from the beginning did not change, and neither did what waits for its first instance: all of it
/// told, an agent that comes up would be seven events, which are more writes than it takes to run it.
pub(crate) fn changes(before: &[Condition], after: &[Condition]) -> Vec<Event> {
    TOLD.into_iter()
        .filter_map(|type_| {
            let now = find(after, type_).filter(|condition| condition.status != "Unknown")?;
            let same = match find(before, type_).filter(|old| old.status != "Unknown") {
                Some(old) => {
                    old.status == now.status
                        && old.reason == now.reason
                        && (type_ != VERIFIED || old.message == now.message)
                }
                None => match type_ {
                    READY => now.reason == condition::reason::INSTANCES_NOT_READY,
                    ERASED => false,
                    _ => now.status == "True",
                },
            };
            (!same).then(|| {
                event(
                    now.status == "True",
                    &now.reason,
                    &format!("{type_}: {}", now.message),
                    type_,
                )
            })
        })
        .collect()
}

/// One event.
pub(crate) fn event(good: bool, reason: &str, note: &str, action: &str) -> Event {
    Event {
        type_: if good {
            EventType::Normal
        } else {
            EventType::Warning
        },
        reason: reason.to_owned(),
        note: Some(note[..note.floor_char_boundary(NOTE)].to_owned()),
        action: action.to_owned(),
        secondary: None,
    }
}

#[cfg(test)]
mod tests {
    use aion_api::condition::{Judgement, write};
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use k8s_openapi::jiff::Timestamp;

    use super::*;

    fn conditions(judged: &[(&'static str, bool, &'static str)]) -> Vec<Condition> {
        let judged: Vec<Judgement> = judged
            .iter()
            .map(|(t, s, r)| Judgement::new(t, *s, r, "because"))
            .collect();
        write(&[], &judged, Some(1), &Time(Timestamp::UNIX_EPOCH))
    }

    #[test]
    fn only_a_change_is_told() {
        let before = conditions(&[
            (ACCEPTED, true, "Accepted"),
            (READY, false, "InstancesNotReady"),
        ]);
        let after = conditions(&[
            (ACCEPTED, true, "Accepted"),
            (READY, true, "InstancesReady"),
        ]);
        let told: Vec<(String, Option<String>)> = changes(&before, &after)
            .into_iter()
            .map(|e| (e.reason, e.note))
            .collect();
        assert_eq!(
            told,
            [(
                "InstancesReady".to_owned(),
                Some("Ready: because".to_owned())
            )]
        );
        assert!(changes(&after, &after).is_empty());
    }

    #[test]
    fn what_comes_up_as_it_should_is_told_when_it_is_ready_and_what_does_not_at_once() {
        let told = |before: &[Condition], after: &[Condition]| -> Vec<String> {
            changes(before, after)
                .into_iter()
                .map(|e| e.reason)
                .collect()
        };
        let new = conditions(&[
            (ACCEPTED, true, "Accepted"),
            (READY, false, "InstancesNotReady"),
        ]);
        assert!(told(&[], &new).is_empty());
        let up = conditions(&[
            (ACCEPTED, true, "Accepted"),
            (VERIFIED, true, "Signed"),
            (READY, true, "InstancesReady"),
        ]);
        assert_eq!(told(&new, &up), ["InstancesReady"]);
        assert_eq!(told(&up, &new), ["InstancesNotReady"]);
        let lacking = conditions(&[(VERIFIED, false, "Unsigned"), (READY, false, "NoNodeFits")]);
        assert_eq!(told(&[], &lacking), ["Unsigned", "NoNodeFits"]);
        let erased = conditions(&[(ERASED, true, "Erased")]);
        assert_eq!(told(&[], &erased), ["Erased"]);
    }

    #[test]
    fn a_broken_rule_is_told_once_and_what_was_done_about_it_if_that_is_another() {
        let of = |reason| conditions(&[(WITHIN_RULES, false, reason)]);
        let told = |before: &[Condition], after: &[Condition]| {
            let events = changes(before, after).into_iter();
            events
                .map(|it| (it.type_ == EventType::Warning, it.reason))
                .collect::<Vec<_>>()
        };
        let (alerted, killed) = (of("ViolationAlerted"), of("ViolationKilled"));
        assert_eq!(told(&[], &alerted), [(true, "ViolationAlerted".to_owned())]);
        assert_eq!(told(&alerted, &alerted), []);
        assert_eq!(
            told(&alerted, &killed),
            [(true, "ViolationKilled".to_owned())]
        );
    }

    #[test]
    fn a_key_that_is_passed_over_is_told_though_the_bundle_stays_verified() {
        let before = conditions(&[(VERIFIED, true, "Signed"), (READY, true, "InstancesReady")]);
        let mut after = before.clone();
        for condition in &mut after {
            condition.message = "by key a; passed over: key `b`".to_owned();
        }
        let told: Vec<Option<String>> = changes(&before, &after)
            .into_iter()
            .map(|e| e.note)
            .collect();
        let expected = "Verified: by key a; passed over: key `b`".to_owned();
        assert_eq!(told, [Some(expected)]);
    }
}
