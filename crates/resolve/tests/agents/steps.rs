//! Agents that are workflows.

use super::*;

#[test]
fn an_instance_carries_the_steps_and_no_instructions() {
    let universe = universe(&[ALLOW, &agent("steps: [{name: a, value: x}]")]);
    let plan = resolved(&universe).plan;
    assert_eq!(plan.create.len(), 1, "{:?}", conditions(&universe));
    let inline = plan.create[0].spec.inline.clone().unwrap();
    assert_eq!((inline.steps.len(), inline.instructions), (1, None));
}

/// Where a manifest came in past `aionctl`, as by `kubectl`.
#[test]
fn steps_that_cannot_be_done_are_not_accepted() {
    let mut universe = universe(&[ALLOW, &agent("steps: [{name: a, value: x}]")]);
    for agent in universe.agents.values_mut() {
        agent.spec.steps[0].value = Some("${steps.b}".to_owned());
    }
    let told = conditions(&universe);
    let why = "Accepted=False Invalid: spec.steps[0].value: there is no step b";
    assert!(told.iter().any(|it| it.starts_with(why)), "{told:?}");
    assert!(resolved(&universe).plan.create.is_empty());
}
