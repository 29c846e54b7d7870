//! The least that a program of somebody else's is confined by. Policy may ask for more and cannot do with less:
//! such a program does what it likes with all it reaches.

use aion_launcher::{Layer, LayerName, LayerState};

/// Each by the name it is told by; any layer of it will do.
const FLOOR: [(&str, &[LayerName]); 3] = [
    // What it is not shown is not there, and what it is shown cannot be written to.
    ("mount-namespace", &[LayerName::MountNamespace]),
    ("landlock", &[LayerName::Landlock]),
    // What it starts ends with it.
    (
        "pid-namespace or a cgroup",
        &[
            LayerName::PidNamespace,
            LayerName::CgroupPids,
            LayerName::CgroupMemory,
            LayerName::CgroupCpu,
        ],
    ),
];

/// What of it a process with these layers lacks, each with the launcher's reasons.
pub(crate) fn below(layers: &[Layer]) -> Vec<String> {
    let lacks = |(name, any): &(&str, &[LayerName])| {
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
    fn without(missing: &[(LayerName, &str)]) -> Vec<Layer> {
        let state = |name| missing.iter().find(|(it, _)| *it == name);
        LayerName::ALL
            .into_iter()
            .map(|name| match state(name) {
                Some((_, why)) => Layer::missing(name, *why, ""),
                None => Layer::enforced(name, "read back"),
            })
            .collect()
    }

    const NO_CGROUPS: [(LayerName, &str); 3] = [
        (LayerName::CgroupMemory, "not delegated"),
        (LayerName::CgroupPids, "not delegated"),
        (LayerName::CgroupCpu, "not delegated"),
    ];

    #[test]
    fn a_tool_of_an_ordinary_user_with_user_namespaces_is_confined_enough() {
        assert_eq!(below(&without(&[])), [""; 0]);
        assert_eq!(below(&without(&NO_CGROUPS)), [""; 0]);
        assert_eq!(
            below(&without(&[(LayerName::PidNamespace, "not given")])),
            [""; 0]
        );
    }

    #[test]
    fn each_that_is_missing_is_named_with_its_reason() {
        for (name, told) in [
            (LayerName::MountNamespace, "mount-namespace (not given)"),
            (LayerName::Landlock, "landlock (not given)"),
        ] {
            assert_eq!(below(&without(&[(name, "not given")])), [told]);
        }
        let mut missing = NO_CGROUPS.to_vec();
        missing.push((LayerName::PidNamespace, "not given"));
        assert_eq!(
            below(&without(&missing)),
            ["pid-namespace or a cgroup (not given; not delegated)"]
        );
    }

    #[test]
    fn what_nobody_speaks_of_is_not_there() {
        assert_eq!(
            below(&[]),
            ["mount-namespace", "landlock", "pid-namespace or a cgroup"]
        );
        let layers = [
            Layer::enforced(LayerName::MountNamespace, ""),
            Layer::enforced(LayerName::Landlock, ""),
            Layer::not_requested(LayerName::CgroupMemory),
        ];
        assert_eq!(below(&layers), ["pid-namespace or a cgroup"]);
    }
}
