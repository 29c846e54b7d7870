//! What changed between two sets of conditions, as events: what is said now, compared with what was said last. Pure.

use aion_api::condition::{
    self, ACCEPTED, Condition, ERASED, READY, RESOLVED_REFS, SANDBOX_ENFORCED, VERIFIED,
    WITHIN_LIMITS, WITHIN_RULES, find,
};
use k8s_openapi::api::core::v1::ObjectReference;

use super::recent::Recent;
use super::{Event, event};

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
/// Objects that are remembered.
const REMEMBERED: usize = 4096;

/// What was said last of conditions that nobody knows now: what is known again is compared with that. An operator that has
/// just begun to lead remembers nothing.
pub(super) struct Unknown(Recent<String, Vec<Condition>>);

impl Default for Unknown {
    fn default() -> Self {
        Self(Recent::new(REMEMBERED))
    }
}

impl Unknown {
    /// What changed of `object`, told from what was said of it last.
    pub(super) fn changes(
        &mut self,
        object: &ObjectReference,
        before: &[Condition],
        after: &[Condition],
    ) -> Vec<Event> {
        let object = object.uid.clone().unwrap_or_default();
        let remembered = self.0.remove(&object).unwrap_or_default();
        let (changes, unknown) = changes(before, after, &remembered);
        if !unknown.is_empty() {
            self.0.insert(object, unknown);
        }
        changes
    }
}

/// What changed, told from what was said last: `before`, or as it is `remembered` of what was not known then. Then what is to
/// be remembered. What is not known is not told. Of a signature another word is a change too: a key that is passed over changes
/// nothing else.
///
/// What is as it should be from the beginning did not change, and neither did what waits for its first instance: all of it
/// told, an agent that comes up would be seven events, which are more writes than it takes to run it.
fn changes(
    before: &[Condition],
    after: &[Condition],
    remembered: &[Condition],
) -> (Vec<Event>, Vec<Condition>) {
    let (mut told, mut unknown) = (Vec::new(), Vec::new());
    for type_ in TOLD {
        let known = |conditions| find(conditions, type_).filter(|it| it.status != "Unknown");
        let last = known(before).or_else(|| known(remembered));
        let Some(now) = known(after) else {
            unknown.extend(last.cloned());
            continue;
        };
        let same = match last {
            Some(last) => {
                last.status == now.status
                    && last.reason == now.reason
                    && (type_ != VERIFIED || last.message == now.message)
            }
            None => match type_ {
                READY => now.reason == condition::reason::INSTANCES_NOT_READY,
                ERASED => false,
                // Nothing was to be confined, which is no change.
                _ => now.status == "True" || *now.reason == *condition::reason::EXTERNAL,
            },
        };
        if !same {
            let note = format!("{type_}: {}", now.message);
            told.push(event(now.status == "True", &now.reason, &note, type_));
        }
    }
    (told, unknown)
}

#[cfg(test)]
mod tests {
    use aion_api::condition::{Judgement, Status, write};
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use k8s_openapi::jiff::Timestamp;

    use super::*;

    fn changes(before: &[Condition], after: &[Condition]) -> Vec<Event> {
        super::changes(before, after, &[]).0
    }

    /// The reasons that are told when one set of conditions follows the other, of one object.
    fn told_of_each(sets: &[Vec<Condition>]) -> Vec<Vec<String>> {
        let mut unknown = Unknown::default();
        let object = ObjectReference::default();
        let steps = sets.windows(2);
        let told = steps.map(|it| unknown.changes(&object, &it[0], &it[1]));
        told.map(|it| it.into_iter().map(|it| it.reason).collect())
            .collect()
    }

    fn one(type_: &'static str, status: Status, reason: &'static str) -> Vec<Condition> {
        let judged = Judgement::new(type_, status, reason, "because");
        write(&[], &[judged], Some(1), &Time(Timestamp::UNIX_EPOCH))
    }

    fn conditions(judged: &[(&'static str, bool, &'static str)]) -> Vec<Condition> {
        let judged: Vec<Judgement> = judged
            .iter()
            .map(|(t, s, r)| Judgement::new(t, *s, r, "because"))
            .collect();
        write(&[], &judged, Some(1), &Time(Timestamp::UNIX_EPOCH))
    }

    #[test]
    fn that_nothing_confines_a_program_elsewhere_is_no_warning() {
        let external = one(SANDBOX_ENFORCED, Status::False, condition::reason::EXTERNAL);
        assert_eq!(changes(&[], &external), []);
        let lacking = one(
            SANDBOX_ENFORCED,
            Status::False,
            condition::reason::LAYER_MISSING,
        );
        assert_eq!(changes(&[], &lacking).len(), 1);
        assert_eq!(changes(&external, &lacking).len(), 1);
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
        let told: Vec<(String, String)> = changes(&before, &after)
            .into_iter()
            .map(|e| (e.reason, e.note))
            .collect();
        assert_eq!(
            told,
            [("InstancesReady".to_owned(), "Ready: because".to_owned())]
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
            events.map(|it| (!it.good, it.reason)).collect::<Vec<_>>()
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
            condition.message = "by key a; passed over: key `b`".into();
        }
        let told: Vec<String> = changes(&before, &after)
            .into_iter()
            .map(|e| e.note)
            .collect();
        let expected = "Verified: by key a; passed over: key `b`".to_owned();
        assert_eq!(told, [expected]);
    }

    #[test]
    fn what_is_good_again_is_told_where_it_was_said_to_be_bad_whoever_did_not_know_meanwhile() {
        for type_ in [SANDBOX_ENFORCED, VERIFIED, READY] {
            let bad = one(type_, Status::False, "LayerMissing");
            let nobody_knows = one(type_, Status::Unknown, "Pending");
            let good = one(type_, Status::True, "Enforced");
            let (none, told) = (Vec::<String>::new(), vec!["Enforced".to_owned()]);
            let steps = [
                &bad,
                &nobody_knows,
                &nobody_knows,
                &good,
                &nobody_knows,
                &good,
            ];
            let steps = steps.map(Clone::clone);
            let expected = [&none, &none, &told, &none, &none].map(Clone::clone);
            assert_eq!(told_of_each(&steps), expected, "{type_}");
            let steps = [&bad, &nobody_knows, &bad].map(Clone::clone);
            assert_eq!(told_of_each(&steps), [&none, &none].map(Clone::clone));
        }
    }

    #[test]
    fn what_is_remembered_of_objects_that_never_come_back_is_bounded() {
        let mut unknown = Unknown::default();
        let (bad, lost) = (
            one(READY, Status::False, "NodeGone"),
            one(READY, Status::Unknown, "LeaseExpired"),
        );
        for number in 0..2 * REMEMBERED {
            let object = ObjectReference {
                uid: Some(number.to_string()),
                ..ObjectReference::default()
            };
            unknown.changes(&object, &bad, &lost);
        }
        let mut kept = 0;
        unknown.0.retain(|_| {
            kept += 1;
            true
        });
        assert_eq!(kept, REMEMBERED);
    }
}
