//! What an agent wants of devices, where nobody listens to them.

use aion_abi::syscall::Syscall;
use aion_policy::Capability;

use crate::dereference::Dereferenced;
use crate::universe::Setting;

/// Why what it says of devices has no effect, where it has none.
pub(super) fn idle(input: &Dereferenced) -> Option<&'static str> {
    let spec = &input.agent.spec;
    let listed = spec.permissions.iter();
    let mut listed = listed.flat_map(|it| it.allow.iter().chain(&it.ask));
    let family = Syscall::DeviceRead.family();
    let names =
        listed.any(|it| Capability::parse(it).is_some_and(|right| right.family() == family));
    let wakes = spec.triggers.iter().any(|it| it.device.is_some());
    (input.setting == Setting::Cluster && (names || wakes)).then_some(
        "spec.permissions, spec.triggers: no node of a cluster listens to devices in this release",
    )
}
