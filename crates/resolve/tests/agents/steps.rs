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

/// A model can do without a tool; a step that is always done cannot.
#[test]
fn an_agent_whose_steps_policy_denies_is_not_started() {
    let tool = "apiVersion: aion.dev/v1alpha1\nkind: Tool\nmetadata: {name: calendar}\nspec: {mcp: {http: {url: 'http://127.0.0.1:2/mcp'}}}\n";
    let deny = "apiVersion: aion.dev/v1alpha1\nkind: AgentPolicy\nmetadata: {name: denies}\nspec: {selector: {}, deny: [calendar.read]}\n";
    let steps = |more: &str| {
        agent(&format!(
            "tools: [{{name: calendar}}], permissions: {{allow: [calendar.read]}}, steps: [{{name: a, tool: calendar.read{more}}}]"
        ))
    };
    let always = universe(&[ALLOW, tool, deny, &steps("")]);
    let told = conditions(&always).join("\n");
    assert!(
        told.contains("spec.steps[0].tool: calendar.read is not granted"),
        "{told}"
    );
    assert!(resolved(&always).plan.create.is_empty());
    let perhaps = universe(&[ALLOW, tool, deny, &steps(", when: \"${input == 'x'}\"")]);
    assert_eq!(resolved(&perhaps).plan.create.len(), 1);
    let granted = universe(&[ALLOW, tool, &steps("")]);
    assert_eq!(resolved(&granted).plan.create.len(), 1);
}
