//! The least that a program of somebody else's is confined by. Policy may ask for more and cannot do with less:
//! such a program does what it likes with all it reaches.

use aion_sandbox::{Layer, LayerReading, LayerState};

/// Each by the name it is told by; any layer of it will do.
const FLOOR: [(&str, &[Layer]); 6] = [
    // What it is not shown is not there, and what it is shown cannot be written to.
    ("mount-namespace", &[Layer::MountNamespace]),
    ("landlock", &[Layer::Landlock]),
    // It has no right of its own, gains none by what it executes, and asks the kernel for what a program needs only.
    ("capabilities", &[Layer::Capabilities]),
    ("no-new-privs", &[Layer::NoNewPrivs]),
    ("seccomp", &[Layer::Seccomp]),
    // What it starts ends with it.
    (
        "pid-namespace or a cgroup",
        &[
            Layer::PidNamespace,
            Layer::CgroupPids,
            Layer::CgroupMemory,
            Layer::CgroupCpu,
        ],
    ),
];

/// What brings it.
pub(crate) const FOR_MORE: &str = "run the node as root, or allow ordinary users namespaces (sysctl kernel.unprivileged_userns_clone=1, \
     kernel.apparmor_restrict_unprivileged_userns=0); what this machine lacks: aionctl local status";

/// Whether these layers, all enforced, have all of it.
pub(crate) fn stands(enforced: &[Layer]) -> bool {
    let has = |(_, any): &(&str, &[Layer])| any.iter().any(|layer| enforced.contains(layer));
    FLOOR.iter().all(has)
}

/// What of it a process with these layers lacks, each with the launcher's reasons.
pub(crate) fn below(layers: &[LayerReading]) -> Vec<String> {
    let lacks = |(name, any): &(&str, &[Layer])| {
        let mut reasons: Vec<&str> = Vec::new();
        for layer in layers.iter().filter(|layer| any.contains(&layer.name)) {
            match &layer.state {
                LayerState::Enforced => return None,
                LayerState::Missing { why } if !reasons.contains(&&**why) => reasons.push(why),
                LayerState::Missing { .. } | LayerState::NotRequested => {}
            }
        }
        Some(match reasons.is_empty() {
            true => (*name).to_owned(),
            false => format!("{name} ({})", reasons.join("; ")),
        })
    };
    FLOOR.iter().filter_map(lacks).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every layer in force but these.
    fn without(missing: &[(Layer, &str)]) -> Vec<LayerReading> {
        let state = |name| missing.iter().find(|(it, _)| *it == name);
        Layer::ALL
            .into_iter()
            .map(|name| match state(name) {
                Some((_, why)) => LayerReading::missing(name, *why, ""),
                None => LayerReading::enforced(name, "read back"),
            })
            .collect()
    }

    const NO_CGROUPS: [(Layer, &str); 3] = [
        (Layer::CgroupMemory, "not delegated"),
        (Layer::CgroupPids, "not delegated"),
        (Layer::CgroupCpu, "not delegated"),
    ];

    #[test]
    fn a_tool_of_an_ordinary_user_with_user_namespaces_is_confined_enough() {
        assert_eq!(below(&without(&[])), [""; 0]);
        assert_eq!(below(&without(&NO_CGROUPS)), [""; 0]);
        assert_eq!(
            below(&without(&[(Layer::PidNamespace, "not given")])),
            [""; 0]
        );
    }

    #[test]
    fn any_layer_of_each_kind_will_do() {
        let least = [
            Layer::MountNamespace,
            Layer::Landlock,
            Layer::Capabilities,
            Layer::NoNewPrivs,
            Layer::Seccomp,
            Layer::CgroupPids,
        ];
        assert!(stands(&least));
        for at in 0..least.len() {
            let mut fewer = least.to_vec();
            fewer.remove(at);
            assert!(!stands(&fewer), "without {}", least[at]);
        }
    }

    #[test]
    fn each_that_is_missing_is_named_with_its_reason() {
        for (name, told) in [
            (Layer::MountNamespace, "mount-namespace (not given)"),
            (Layer::Landlock, "landlock (not given)"),
            (Layer::Capabilities, "capabilities (not given)"),
            (Layer::NoNewPrivs, "no-new-privs (not given)"),
            (Layer::Seccomp, "seccomp (not given)"),
        ] {
            assert_eq!(below(&without(&[(name, "not given")])), [told]);
        }
        let mut missing = NO_CGROUPS.to_vec();
        missing.push((Layer::PidNamespace, "not given"));
        assert_eq!(
            below(&without(&missing)),
            ["pid-namespace or a cgroup (not given; not delegated)"]
        );
    }

    #[test]
    fn what_nobody_speaks_of_is_not_there() {
        let all = FLOOR.map(|(name, _)| name);
        assert_eq!(below(&[]), all);
        let mut layers = [
            Layer::MountNamespace,
            Layer::Landlock,
            Layer::Capabilities,
            Layer::NoNewPrivs,
            Layer::Seccomp,
        ]
        .map(|layer| LayerReading::enforced(layer, ""))
        .to_vec();
        layers.push(LayerReading::not_requested(Layer::CgroupMemory));
        assert_eq!(below(&layers), ["pid-namespace or a cgroup"]);
    }
}
