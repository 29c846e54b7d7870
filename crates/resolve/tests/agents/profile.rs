//! The example of a policy that says how much agents may use by name.

use super::*;

const SIZED: &str = include_str!("../../../../policies/profiles.yaml");

fn sized(limits: &str) -> Universe {
    let agent = format!(
        "apiVersion: aion.dev/v1alpha1\nkind: Agent\nmetadata: {{name: a, labels: {{aion.dev/sized: 'true'}}}}\n\
         spec: {{instructions: x, limits: {{{limits}}}}}\n"
    );
    universe(&[ALLOW, SIZED, &agent])
}

#[test]
fn the_policy_that_is_shipped_gives_its_first_profile_and_lets_its_others_be_named() {
    for (limits, profile) in [
        ("", "small"),
        ("profile: standard", "standard"),
        ("profile: quiet", "quiet"),
        ("profile: sealed", "sealed"),
    ] {
        let plan = resolved(&sized(limits)).plan;
        let limits = &plan.create[0].spec.limits;
        assert_eq!(limits.profile.as_deref(), Some(profile));
    }
    let refused = conditions(&sized("profile: large"));
    let named = "name one of small, standard, quiet, sealed";
    assert!(refused[0].contains(named), "{refused:?}");
}
