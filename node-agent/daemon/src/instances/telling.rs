//! What the feed is told of instances: each that stands otherwise than before. Pure.

use aion_abi::event::{Happened, Standing};
use aion_api::{
    AgentInstance, AgentInstanceStatus,
    condition::{self, READY},
};

/// What there is to tell, where anything changed that somebody who asks the agent would see.
pub(super) fn changed(
    instance: &AgentInstance,
    before: &AgentInstanceStatus,
    after: &AgentInstanceStatus,
) -> Option<Happened> {
    let (before, after) = (stands(before), stands(after));
    (before != after).then(|| told(instance, after.0, after.1.map(str::to_owned)))
}

/// It was removed.
pub(super) fn gone(instance: &AgentInstance) -> Happened {
    told(instance, Standing::Gone, None)
}

fn told(instance: &AgentInstance, state: Standing, because: Option<String>) -> Happened {
    Happened::Agent {
        replica: u32::try_from(instance.spec.replica).unwrap_or_default(),
        state,
        because,
    }
}

fn stands(status: &AgentInstanceStatus) -> (Standing, Option<&str>) {
    if condition::is_true(&status.conditions, READY) {
        return (Standing::Ready, None);
    }
    let why = status.conditions.iter().find(|it| it.type_ == READY);
    (Standing::Unready, why.map(|it| &*it.message))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use aion_api::condition::{Judgement, reason, write};
    use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};

    use super::*;

    fn status(ready: bool, message: &str) -> AgentInstanceStatus {
        let judged = Judgement::new(READY, ready, reason::OK, message);
        AgentInstanceStatus {
            conditions: write(&[], &[judged], None, &Time(Timestamp::UNIX_EPOCH)),
            ..AgentInstanceStatus::default()
        }
    }

    #[test]
    fn what_is_told_is_what_changed_for_who_asks() {
        let instance = AgentInstance::default();
        let told = |before, after| changed(&instance, before, after);
        let (none, compiling) = (AgentInstanceStatus::default(), status(false, "compiling"));
        let (ready, as_ready) = (status(true, "ok"), status(true, "still ok"));
        let is = |state, because: Option<&str>| {
            Some(super::told(&instance, state, because.map(str::to_owned)))
        };
        assert_eq!(
            told(&none, &compiling),
            is(Standing::Unready, Some("compiling"))
        );
        assert_eq!(told(&compiling, &compiling), None);
        assert_eq!(told(&compiling, &ready), is(Standing::Ready, None));
        assert_eq!(told(&ready, &as_ready), None);
    }
}
