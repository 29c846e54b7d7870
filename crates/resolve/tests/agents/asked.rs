//! Agents that ask others as tools.

use super::*;

const CLERK: &str = "apiVersion: aion.dev/v1alpha1\nkind: Agent\nmetadata: {name: clerk}\nspec: {instructions: x, description: Keeps the books.}\n";

fn asking(tools: &str) -> String {
    agent(&format!("instructions: x, tools: [{tools}]"))
}

#[test]
fn an_agent_that_is_asked_and_not_there_is_named_until_it_is() {
    let chief = asking("{agent: clerk, delegate: [memory.recall]}");
    let missing = conditions(&universe(&[ALLOW, &chief]));
    let told = "ResolvedRefs=False NotFound: spec.tools[0].agent: there is no Agent clerk in namespace home: apply it, or name another";
    assert!(missing.iter().any(|it| it == told), "{missing:?}");
    let universe = universe(&[ALLOW, &chief, CLERK]);
    let plan = resolved(&universe).plan;
    assert_eq!(plan.create.len(), 1, "{:?}", conditions(&universe));
    let spec = &plan.create[0].spec;
    let asked = &spec.agents[0];
    assert_eq!(
        (asked.name.as_str(), asked.description.as_deref()),
        ("clerk", Some("Keeps the books."))
    );
    assert_eq!(
        asked.delegate.as_deref(),
        Some(&["memory.recall".to_owned()][..])
    );
    let rights: Vec<&str> = spec
        .grants
        .iter()
        .map(|it| it.capability.as_str())
        .collect();
    assert!(rights.contains(&"agent.ask:clerk"), "{rights:?}");
    assert!(!rights.contains(&"tool.list"), "{rights:?}");
}

#[test]
fn an_agent_is_asked_where_policy_says_so_and_with_a_word_where_it_wants_one() {
    let none = "apiVersion: aion.dev/v1alpha1\nkind: TrustPolicy\nmetadata: {name: t}\nspec: {inline: allow}\n";
    let refused = conditions(&universe(&[none, &asking("{agent: clerk}"), CLERK]));
    let told = "spec.tools[0].agent: agent.ask:clerk is not granted";
    assert!(refused.iter().any(|it| it.contains(told)), "{refused:?}");
    let ask =
        agent("instructions: x, tools: [{agent: clerk}], permissions: {ask: ['agent.ask:clerk']}");
    let plan = resolved(&universe(&[ALLOW, &ask, CLERK])).plan;
    let grants = &plan.create[0].spec.grants;
    let grant = grants.iter().find(|it| it.capability == "agent.ask:clerk");
    assert_eq!(grant.unwrap().effect, aion_api::GrantEffect::Ask);
}

#[test]
fn who_asks_itself_or_delegates_what_is_no_right_is_told() {
    let problems = |tools: &str| {
        let judged = resolved(&universe(&[ALLOW, &asking(tools), CLERK])).judged;
        let problems = judged.problems.iter().map(ToString::to_string);
        problems.collect::<Vec<_>>().join("\n")
    };
    assert!(problems("{agent: a}").contains("an agent cannot ask itself"));
    let twice = problems("{agent: clerk}, {agent: clerk}");
    assert!(twice.contains("agent clerk is listed twice"), "{twice}");
    let wrong = problems("{agent: clerk, delegate: [calendar.read:today]}");
    assert!(wrong.contains("spec.tools[0].delegate[0]"), "{wrong}");
}
