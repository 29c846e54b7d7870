//! Plans: what can be done, and each fault with its field and what to do.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use super::*;

fn given() -> Given {
    Given {
        tools: vec!["library".to_owned()],
        agents: vec!["clerk".to_owned()],
        has_model: true,
    }
}

/// What is wrong with these steps, one line each.
fn faults(steps: Value) -> Vec<String> {
    let steps: Vec<Step> = serde_json::from_value(steps).unwrap();
    let faults = Plan::make(&steps, Some(&given())).err().unwrap_or_default();
    let line = |it: &Fault| format!("{}: {} ({})", it.field, it.what, it.remedy);
    faults.iter().map(line).collect()
}

#[test]
fn every_kind_of_step_can_be_planned() {
    let steps = json!([
        {"name": "found", "tool": "library.list", "arguments": {"shelf": "${input}", "most": "${10}"}, "as": "json"},
        {"name": "each", "foreach": "${steps.found.items}", "parallel": 4, "when": "${size(steps.found.items) > 0}", "steps": [
            {"name": "read", "agent": "clerk", "input": "${item.title} is number ${index}"},
            {"name": "both", "parallel": 2, "steps": [
                {"name": "short", "prompt": "Shorten ${steps.read}"},
                {"name": "long", "prompt": "Lengthen ${steps.read}"}
            ]},
            {"name": "kept", "value": "${steps.both.short}"}
        ]},
        {"name": "polish", "until": "${steps.draft.size() < 100}", "maxRounds": 3, "steps": [
            {"name": "draft", "prompt": "Round ${round}: ${previous == null ? steps.each.join('') : previous}"}
        ]}
    ]);
    assert_eq!(faults(steps), [""; 0]);
}

#[test]
fn what_is_wrong_is_said_with_its_field_and_what_to_do() {
    let value = |name: &str| json!({"name": name, "value": "x"});
    for (steps, part) in [
        (
            json!([{"name": "a"}]),
            "spec.steps[0]: does nothing (write exactly one of",
        ),
        (
            json!([{"name": "a", "value": "1", "prompt": "2"}]),
            "has prompt and value",
        ),
        (
            json!([value("a"), value("a")]),
            "spec.steps[1].name: spec.steps[0] is called a too",
        ),
        (
            json!([value("A")]),
            "spec.steps[0].name: \"A\" cannot be the name",
        ),
        (json!([value("in")]), "no word of CEL"),
        (
            json!([{"name": "a", "tool": "shop.buy"}]),
            "add {name: shop} to spec.tools",
        ),
        (
            json!([{"name": "a", "tool": "library"}]),
            "write TOOL.OPERATION",
        ),
        (
            json!([{"name": "a", "agent": "chief", "input": "x"}]),
            "add {agent: chief} to spec.tools",
        ),
        (
            json!([{"name": "a", "agent": "clerk"}]),
            "spec.steps[0].input: is missing",
        ),
        (
            json!([{"name": "a", "value": "x", "input": "y"}]),
            "spec.steps[0].input: is for agent, and this step has value",
        ),
        (
            json!([{"name": "a", "as": "json", "steps": [value("b")]}]),
            "spec.steps[0].as: is for tool, device, agent, prompt and value",
        ),
        (
            json!([{"name": "a", "value": "x", "maxRounds": 2}]),
            "spec.steps[0].maxRounds: is for until",
        ),
        (
            json!([{"name": "a", "value": "x", "foreach": "${[1]}"}]),
            "spec.steps[0].foreach: is for steps",
        ),
        (
            json!([{"name": "a", "until": "${true}", "steps": [value("b")]}]),
            "spec.steps[0].maxRounds: is missing",
        ),
        (
            json!([{"name": "a", "until": "${true}", "maxRounds": 51, "steps": [value("b")]}]),
            "spec.steps[0].maxRounds: is 51",
        ),
        (
            json!([{"name": "a", "until": "${true}", "maxRounds": 1, "parallel": 2, "steps": [value("b")]}]),
            "rounds are done one after another",
        ),
        (
            json!([{"name": "a", "until": "${true}", "maxRounds": 1, "foreach": "${[]}", "steps": [value("b")]}]),
            "foreach or until",
        ),
        (
            json!([{"name": "a", "parallel": 17, "steps": [value("b")]}]),
            "write 1 to 16",
        ),
        (
            json!([{"name": "a", "parallel": 1, "steps": [value("b")]}]),
            "spec.steps[0].parallel: is 1 without foreach",
        ),
        (
            json!([{"name": "a", "prompt": "x", "foreach": "${[1]}"}]),
            "{name: …, foreach: …, steps: [{name: a, prompt: …}]}",
        ),
        (
            json!([{"name": "a", "value": "x", "when": "input == 'a'"}]),
            "spec.steps[0].when: is not one expression",
        ),
        (
            json!([{"name": "a", "value": "${input"}]),
            "spec.steps[0].value: ${ is not closed",
        ),
        (
            json!([{"name": "a", "value": "${1 +}"}]),
            "spec.steps[0].value: ${1 +}",
        ),
        (
            json!([{"name": "a", "tool": "library.list", "arguments": {"x": "${y}"}}]),
            "spec.steps[0].arguments.x: there is no y here",
        ),
        (
            json!([{"name": "a", "value": "${item}"}]),
            "inside a step with foreach",
        ),
        (
            json!([value("a"), {"name": "b", "value": "${a}"}]),
            "write steps.a",
        ),
    ] {
        let told = faults(steps).join("\n");
        assert!(told.contains(part), "{part:?} is not in {told}");
    }
    let steps: Vec<Step> = serde_json::from_value(json!([{"name": "a", "prompt": "x"}])).unwrap();
    let bare = Given::default();
    let told = Plan::make(&steps, Some(&bare)).unwrap_err();
    assert!(told[0].what.contains("no model"));
}

#[test]
fn a_reference_leads_to_a_step_that_is_done_by_then() {
    let value = |name: &str, of: &str| json!({"name": name, "value": format!("${{steps.{of}}}")});
    for (steps, part) in [
        (
            json!([value("a", "nobody")]),
            "there is no step nobody (no step is done before",
        ),
        (
            json!([value("a", "b"), value("b", "a")]),
            "step b comes later (spec.steps[1])",
        ),
        (json!([value("a", "a")]), "step a comes later"),
        (
            json!([{"name": "around", "steps": [value("a", "around")]}]),
            "step around is around this one",
        ),
        (
            json!([{"name": "both", "parallel": 2, "steps": [{"name": "a", "value": "x"}, value("b", "a")]}]),
            "spec.steps[0].steps[1].value: step a runs at the same time",
        ),
        (
            json!([{"name": "both", "steps": [{"name": "a", "value": "x"}]}, value("b", "a")]),
            "write steps.both, the result of all of it",
        ),
        (
            json!([{"name": "u", "until": "${steps.later == 1}", "maxRounds": 1, "steps": [{"name": "a", "value": "x"}]}, {"name": "later", "value": "x"}]),
            "spec.steps[0].until: step later comes later",
        ),
        (
            json!([{"name": "e", "foreach": "${steps.a}", "steps": [{"name": "a", "value": "x"}]}]),
            "spec.steps[0].foreach: step a comes later",
        ),
    ] {
        let told = faults(steps).join("\n");
        assert!(told.contains(part), "{part:?} is not in {told}");
    }
    let before = json!([
        {"name": "a", "value": "x"},
        {"name": "in_it", "steps": [value("b", "a"), {"name": "deeper", "steps": [value("c", "b")]}]},
        value("d", "in_it")
    ]);
    assert_eq!(faults(before), [""; 0]);
}

#[test]
fn how_many_and_how_deep_is_bounded() {
    let many: Vec<Value> = (0..=MAX_STEPS)
        .map(|n| json!({"name": format!("s{n}"), "value": "x"}))
        .collect();
    assert!(
        faults(json!(many))
            .join("")
            .contains("has 65 steps, and 64 are the most")
    );
    let mut step = json!({"name": "s0", "value": "x"});
    for n in 1..MAX_DEPTH {
        step = json!({"name": format!("s{n}"), "steps": [step]});
    }
    assert_eq!(faults(json!([step.clone()])), [""; 0]);
    let told = faults(json!([{"name": "outer", "steps": [step]}])).join("");
    assert!(
        told.starts_with("spec.steps[0].steps[0].steps[0].steps[0].steps: steps stand 4 deep"),
        "{told}"
    );
}
