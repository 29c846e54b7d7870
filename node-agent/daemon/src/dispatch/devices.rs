//! `device.list`: the devices that a call may have to do with.

use aion_abi::{problem::Problem, syscall::device::ListResponse};
use aion_kernel::{Called, Kind, Verdict, Verdicts};
use aion_policy::lower;

use super::Dispatch;
use crate::{
    call::{Caller, Listing},
    devices::May,
};

/// What can be done with a device.
const RIGHTS: [Kind; 3] = [Kind::DeviceRead, Kind::DeviceWrite, Kind::DeviceCommand];

impl Dispatch {
    /// A page of the devices that the instance has any right to, and that the callers of its turn let it have.
    pub(super) fn listed(
        &self,
        caller: &Caller,
        listing: &Listing,
    ) -> Result<ListResponse, Problem> {
        let instance = &caller.instance;
        // What cannot be lowered the kernel did not let in.
        let Ok(lowered) = lower(&instance.resource) else {
            return Ok(ListResponse::default());
        };
        let verdicts = lowered.profile.verdicts();
        let may = |device: &str| may(&verdicts, listing.called.as_deref(), device);
        self.devices
            .list(instance.namespace(), &listing.request, may)
    }
}

fn may(verdicts: &Verdicts, called: Option<&Called>, device: &str) -> Option<May> {
    let verdict = |kind| match called.is_none_or(|it| it.allows(kind, device)) {
        true => verdicts.of(kind, Some(&device.into())),
        false => Verdict::Deny,
    };
    match verdict(Kind::DeviceRead) {
        Verdict::Allow => Some(May::Read),
        _ => {
            let mut any = RIGHTS.into_iter();
            any.any(|kind| verdict(kind) != Verdict::Deny)
                .then_some(May::List)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use aion_kernel::{GrantRule, Lane, Profile, Quota, TargetPattern};
    use aion_policy::delegated;
    use serde_json::json;

    use super::*;

    fn verdicts(rules: &[(Kind, &str, Verdict)]) -> Verdicts {
        let rules = rules.iter().map(|(kind, target, verdict)| GrantRule {
            verdict: *verdict,
            kind: *kind,
            target: TargetPattern::parse(target),
            origin: "a rule".into(),
        });
        let profile = Profile {
            tenant: "home".into(),
            agent: "a".into(),
            revision: "r".into(),
            lane: Lane::Batch,
            required_layers: Vec::new(),
            grants: Arc::new(rules.collect()),
            quota: Quota::default(),
            max_turn_seconds: 1,
        };
        profile.verdicts()
    }

    #[test]
    fn what_is_listed_follows_from_the_rights_to_a_device_and_what_callers_let_have() {
        let own = verdicts(&[
            (Kind::DeviceRead, "*", Verdict::Allow),
            (Kind::DeviceRead, "lock", Verdict::Deny),
            (Kind::DeviceWrite, "lock", Verdict::Ask),
            (Kind::DeviceRead, "safe", Verdict::Deny),
        ]);
        assert_eq!(may(&own, None, "lamp"), Some(May::Read));
        assert_eq!(may(&own, None, "lock"), Some(May::List));
        assert_eq!(may(&own, None, "safe"), None);
        let to = [delegated("device.read:lamp").unwrap()];
        let called = json!({"by": 1, "call": 2, "depth": 1, "narrowed": [{"by": 1, "to": to}]});
        let called: Called = serde_json::from_value(called).unwrap();
        assert_eq!(may(&own, Some(&called), "lamp"), Some(May::Read));
        assert_eq!(may(&own, Some(&called), "lock"), None);
        assert_eq!(may(&own, Some(&called), "heater"), None);
    }
}
