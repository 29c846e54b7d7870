//! Agents whose program runs elsewhere.

use super::*;

const TRUSTED: &str = "apiVersion: aion.dev/v1alpha1\nkind: TrustPolicy\nmetadata: {name: elsewhere}\nspec: {external: allow}\n";

fn nodes(texts: &[&str], memory_mib: i64) -> Universe {
    let mut universe = universe(texts);
    let node = universe.nodes.values_mut().next().unwrap();
    node.runtimes.push(Runtime::External);
    node.capacity.memory_mib = memory_mib;
    universe
}

#[test]
fn it_is_trusted_where_a_policy_says_so_and_takes_nothing_of_a_node() {
    let agent = agent("runtime: external");
    let refused = conditions(&nodes(&[ALLOW, &agent], 4096));
    let verified =
        "Verified=False ExternalNotAllowed: its program runs elsewhere, where nobody verifies it";
    assert!(
        refused.iter().any(|it| it.starts_with(verified)),
        "{refused:?}"
    );
    let universe = nodes(&[ALLOW, TRUSTED, &agent], 1);
    let plan = resolved(&universe).plan;
    assert_eq!(plan.create.len(), 1, "{:?}", conditions(&universe));
    let spec = &plan.create[0].spec;
    assert!(spec.inline.is_none() && spec.bundle.is_none());
}

#[test]
fn why_it_failed_is_told_and_not_that_nothing_confines_it() {
    let mut universe = nodes(&[ALLOW, TRUSTED, &agent("runtime: external")], 4096);
    for mut instance in resolved(&universe).plan.create {
        let judged = [
            (
                condition::SANDBOX_ENFORCED,
                reason::EXTERNAL,
                "nothing confines it",
            ),
            (condition::READY, reason::INVALID, "its pool is of Redis"),
        ];
        let judged = judged.map(|(type_, reason, message)| {
            condition::Judgement::new(type_, false, reason, message)
        });
        instance.status = Some(AgentInstanceStatus {
            phase: InstancePhase::Failed,
            conditions: condition::write(&[], &judged, Some(1), &now()),
            ..AgentInstanceStatus::default()
        });
        let key = Key::new("home", instance.metadata.name.as_ref().unwrap());
        universe
            .instances
            .insert(key, std::sync::Arc::new(instance));
    }
    let told = conditions(&universe);
    let why = "on node here: Invalid: its pool is of Redis";
    assert!(told.iter().any(|it| it.contains(why)), "{told:?}");
}
