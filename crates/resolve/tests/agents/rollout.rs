//! How a new revision takes the place of an old one, and how instances go.

use super::*;

fn apply(universe: &mut Universe, ready: bool) {
    let plan = resolved(universe).plan;
    for name in plan.retire {
        universe.instances.remove(&Key::new("home", &name));
    }
    for mut instance in plan.create {
        let judged = [
            condition::Judgement::new(
                condition::SANDBOX_ENFORCED,
                true,
                reason::ENFORCED,
                "all layers",
            ),
            condition::Judgement::new(condition::READY, ready, reason::OK, "can be asked"),
        ];
        instance.status = Some(AgentInstanceStatus {
            phase: if ready {
                InstancePhase::Ready
            } else {
                InstancePhase::Failed
            },
            conditions: condition::write(&[], &judged, Some(1), &now()),
            ..AgentInstanceStatus::default()
        });
        let key = Key::new("home", instance.metadata.name.as_ref().unwrap());
        universe
            .instances
            .insert(key, std::sync::Arc::new(instance));
    }
}

fn change(universe: &mut Universe, spec: &str) {
    let manifest = parse_manifests(&agent(spec), "test.yaml")
        .unwrap()
        .remove(0);
    universe.agents.clear();
    universe.insert(manifest.object, "home");
}

#[test]
fn a_new_revision_comes_up_before_the_old_one_goes() {
    let mut universe = universe(&[ALLOW, &agent("instructions: x, replicas: 2")]);
    apply(&mut universe, true);
    assert_eq!(
        conditions(&universe)[..2],
        [
            "SandboxEnforced=True Enforced: on node here: all layers".to_owned(),
            "Ready=True InstancesReady: 2 of 2 instances can be asked".to_owned(),
        ]
    );
    let before: Vec<Key> = universe.instances.keys().cloned().collect();

    change(&mut universe, "instructions: changed, replicas: 2");
    let plan = resolved(&universe).plan;
    assert_eq!(
        (plan.create.len(), plan.linger.len(), plan.retire.len()),
        (2, 2, 0)
    );
    // The new ones fail: the old ones go on.
    apply(&mut universe, false);
    assert!(
        before
            .iter()
            .all(|key| universe.instances.contains_key(key))
    );
    let told = conditions(&universe);
    assert!(
        told.iter()
            .any(|c| c.starts_with("Ready=True InstancesReady")),
        "{told:?}"
    );
    assert!(
        told.iter()
            .any(|c| c.starts_with("Degraded=True InstanceFailed")),
        "{told:?}"
    );
    assert_eq!(resolved(&universe).plan.retire, [] as [&str; 0]);
    // They are mended: the failed ones went, and now the old ones go.
    change(&mut universe, "instructions: z, replicas: 2");
    apply(&mut universe, true);
    let plan = resolved(&universe).plan;
    assert_eq!(
        (
            plan.create.len(),
            plan.keep.len(),
            plan.retire.len(),
            plan.linger.len()
        ),
        (0, 2, 2, 0)
    );
}

#[test]
fn fewer_replicas_and_withdrawn_trust_take_instances_away() {
    let mut universe = universe(&[ALLOW, &agent("instructions: x, replicas: 3")]);
    apply(&mut universe, true);
    change(&mut universe, "instructions: x, replicas: 1");
    assert_eq!(resolved(&universe).plan.retire.len(), 2);
    universe.trust_policies.clear();
    let resolved = resolved(&universe);
    assert_eq!(
        resolved.plan.retire.len(),
        3,
        "what is not trusted any more does not run on"
    );
    // A reference that goes away is a mistake, not a withdrawal: what runs goes on.
    let mut universe = self::universe(&[ALLOW, &agent("instructions: x")]);
    apply(&mut universe, true);
    change(&mut universe, "instructions: x, model: {use: gone}");
    assert_eq!(self::resolved(&universe).plan.retire.len(), 0);
    assert!(
        conditions(&universe)
            .iter()
            .any(|c| c.starts_with("Ready=True"))
    );
}

#[test]
fn what_cannot_be_read_is_not_taken_for_absent() {
    let mut universe = universe(&[ALLOW, &agent("instructions: x")]);
    apply(&mut universe, true);
    // Both policies are there, and neither can be read: without the trust the agent would be stopped.
    universe.cluster_policies.clear();
    universe.trust_policies.clear();
    assert!(resolved(&universe).judged.must_stop);
    let key = Key::new("home", "a");
    let mut input = aion_resolve::dereference::dereference(&universe, &key).unwrap();
    let words = "TrustPolicy all cannot be read: spec.inline: unknown variant";
    input.unreadable = vec![aion_resolve::Problem::new("", words)];
    let held = aion_resolve::resolve(&input).unwrap();
    assert!(held.plan.retire.is_empty() && held.plan.create.is_empty());
    let status = held.status(&input.agent, &input.instances, &now());
    let told = |type_: &str| {
        let told = condition::find(&status.conditions, type_).unwrap();
        (&*told.status, &*told.reason)
    };
    assert_eq!(told("ResolvedRefs"), ("False", "Unreadable"));
    assert_eq!(told("Accepted"), ("Unknown", "Unreadable"));
    assert_eq!(told("Stalled"), ("True", "Unreadable"));
    assert_eq!(told("Ready").0, "True", "what runs goes on");
    // Who deletes the agent is heard all the same.
    input.agent.metadata.deletion_timestamp = Some(now());
    assert_eq!(aion_resolve::resolve(&input).unwrap().plan.retire.len(), 1);
}

#[test]
fn a_node_that_is_forgotten_takes_the_instances_of_an_agent_that_cannot_be_resolved() {
    let mut universe = universe(&[ALLOW, &agent("instructions: x, replicas: 2")]);
    apply(&mut universe, true);
    change(
        &mut universe,
        "instructions: x, replicas: 2, tools: [{name: t}]",
    );
    let [alive, leaving] = universe
        .instances
        .keys()
        .cloned()
        .collect::<Vec<_>>()
        .try_into()
        .unwrap();
    let mut instance = AgentInstance::clone(&universe.instances[&leaving]);
    instance.metadata.deletion_timestamp = Some(now());
    universe.instances.insert(leaving.clone(), instance.into());
    let mut planned = |state: NodeState| {
        universe.nodes.get_mut("here").unwrap().state = state;
        let plan = resolved(&universe).plan;
        assert!(plan.create.is_empty() && plan.keep.is_empty());
        (plan.retire, plan.release)
    };
    let (retire, release) = planned(NodeState::Forgotten);
    assert_eq!((retire, release), (vec![alive.name], vec![leaving.name]));
    // Nobody waits for what is on a node that may come back, and it could not be made again.
    for state in [
        NodeState::Ready,
        NodeState::NotReady("no lease".into()),
        NodeState::OutOfService,
        NodeState::Gone,
    ] {
        assert_eq!(planned(state).0, [""; 0]);
    }
}
