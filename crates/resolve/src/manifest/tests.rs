//! What a file of manifests may look like, and what is said where it may not.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;

/// The problems of `text`, one a line; what was read where there are none.
fn check(text: &str, expect: &[&str]) {
    let lines: Vec<String> = match parse_manifests(text, "a.yaml") {
        Ok(manifests) => manifests
            .iter()
            .map(|m| format!("{} {}", m.object.kind(), m.object.name()))
            .collect(),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    };
    assert_eq!(lines, expect, "\n{}", lines.join("\n"));
}

fn agent(spec: &str) -> String {
    format!("apiVersion: aion.dev/v1alpha1\nkind: Agent\nmetadata: {{name: a}}\nspec:\n{spec}")
}

#[test]
fn several_documents_are_read_and_defaults_are_filled_in() {
    let text = format!(
        "# first\n---\n{}---\n---\n{}",
        agent("  instructions: Be brief.\n"),
        agent("  instructions: x\n")
    );
    check(&text, &["Agent a", "Agent a"]);
    let manifests = parse_manifests(&text, "a.yaml").unwrap();
    assert_eq!(manifests[0].place.line, 3);
    let json = manifests[0].object.to_json().unwrap();
    assert_eq!(json["spec"]["lane"], "interactive");
    assert_eq!(json["spec"]["runtime"], "declarative");
}

#[test]
fn a_list_is_its_objects() {
    let text = "apiVersion: v1
kind: List
metadata: {resourceVersion: ''}
items:
- apiVersion: aion.dev/v1alpha1
  kind: MemoryPool
  metadata: {name: weir, uid: '1', generation: 2}
  spec: {}
  status: {conditions: []}
- apiVersion: aion.dev/v1alpha1
  kind: MemoryPoolList
  items:
  - {apiVersion: aion.dev/v1alpha1, kind: MemoryPool, metadata: {name: mill}, spec: {}}
---
apiVersion: aion.dev/v1alpha1
kind: MemoryPool
metadata: {name: last}
spec: {}
";
    check(
        text,
        &["MemoryPool weir", "MemoryPool mill", "MemoryPool last"],
    );
    let manifests = parse_manifests(text, "a.yaml").unwrap();
    assert_eq!(manifests[0].place.line, 5);
    check("apiVersion: v1\nkind: List\nitems: []\n", &[]);
    let wrong = text.replace("name: weir", "nam: weir");
    let problems = parse_manifests(&wrong, "a.yaml").unwrap_err();
    assert_eq!(problems[0].place.as_ref().unwrap().line, 7);
}

#[test]
fn the_example_of_the_design_is_refused_only_for_the_money() {
    let text = r#"
apiVersion: aion.dev/v1alpha1
kind: Agent
metadata: {name: jarvis}
spec:
  description: Helps with my day
  instructions: |
    Be brief. Ask before sending.
  model: {use: local/qwen3, fallback: []}
  tools: [{name: calendar}, {mcp: home}]
  memory: {pool: personal, share: private}
  triggers: [{cron: "0 7 * * *"}, {device: front-door}]
  permissions:
    allow: [calendar.read]
    ask: [mail.send]
    network: [api.weather.gov:443]
    files: [{mount: notes, mode: read}]
  limits: {tokensPerHour: 50000, usdPerDay: "0.50"}
  lane: interactive
  try: ["What is on today?"]
"#;
    check(
        text,
        &[
            "a.yaml:18:45: Agent jarvis: spec.limits.usdPerDay: usdPerDay is not enforced by this release, and a limit that does not hold is worse than none: remove it and use tokensPerHour",
        ],
    );
    check(
        &text.replace(", usdPerDay: \"0.50\"", ""),
        &["Agent jarvis"],
    );
}

#[test]
fn a_rule_says_apart_what_is_wrong_and_what_to_do() {
    let text = agent("  instructions: x\n  withoutModel: quote\n");
    let problems = parse_manifests(&text, "a.yaml").unwrap_err();
    assert_eq!(
        problems[0].what,
        "withoutModel: quote answers with passages from memory"
    );
    assert_eq!(
        problems[0].remedy.as_deref(),
        Some("add memory {pool}, or say withoutModel: refuse")
    );
}

#[test]
fn a_misspelt_field_is_named_with_the_one_that_was_meant() {
    check(
        &agent("  instructons: x\n  model: {use: a, fallbacks: []}\n"),
        &[
            "a.yaml:5:3: Agent a: spec.instructons: is not a field here: did you mean instructions?",
            "a.yaml:6:19: Agent a: spec.model.fallbacks: is not a field here: did you mean fallback?",
        ],
    );
    check(
        "apiVersion: aion.dev/v1alpha1\nkind: Agnet\nmetadata: {name: a}\nspec: {}\n",
        &["a.yaml:2:7: Agnet a: kind: Agnet is not a kind: did you mean Agent?"],
    );
}

#[test]
fn broken_yaml_is_refused_with_its_place() {
    let problems = parse_manifests("apiVersion: [\nkind: {\n", "b.yaml").unwrap_err();
    assert_eq!(problems.len(), 1);
    assert!(
        problems[0].to_string().starts_with("b.yaml:"),
        "{}",
        problems[0]
    );
    assert!(problems[0].what.contains("is not YAML"), "{}", problems[0]);
    check(
        "- a\n- b\n",
        &["a.yaml:1:1: must be a map with apiVersion, kind and metadata, and is a list"],
    );
}

#[test]
fn a_key_that_stands_twice_is_refused() {
    check(
        &agent("  lane: batch\n  lane: batch\n  instructions: x\n"),
        &["a.yaml:6:3: this is not YAML: the key lane occurs twice: remove one of the two"],
    );
}

#[test]
fn a_tab_that_indents_is_told_where_it_stands() {
    let told = |line: u64, column: u64| {
        format!(
            "a.yaml:{line}:{column}: this is not YAML: a tab indents this line: indent it with spaces"
        )
    };
    for (text, line, column) in [
        (agent("\tinstructions: x\n"), 5, 1),
        (agent("  lane: batch\n\tinstructions: x\n"), 6, 1),
        (agent("  lane: batch\n  \tinstructions: x\n"), 6, 3),
        (agent("  lane: batch\n\n  \tinstructions: x\n"), 7, 3),
        (
            agent("  instructions: |\n    Be brief.\n\tlane: batch\n"),
            7,
            1,
        ),
        (agent("  tools:\n\t- {name: calendar}\n"), 6, 1),
    ] {
        check(&text, &[&told(line, column)]);
    }
    // One that indents nothing is let be.
    check(&agent("  instructions:\tx\n\t\n"), &["Agent a"]);
}

#[test]
fn what_is_no_yaml_is_told_with_a_place_a_reason_and_what_to_do() {
    check(
        &agent("  instructions: Answer: briefly\n"),
        &[
            "a.yaml:5:23: this is not YAML (mapping values are not allowed in this context): correct this line, or what is open above it",
        ],
    );
}

#[test]
fn bounds_and_types_are_checked_with_a_remedy() {
    check(
        &agent(
            "  instructions: 5\n  lane: fast\n  replicas: 101\n  try: [\"\"]\n  knowledge:\n  limits: {tokensPerHour: 0.5}\n",
        ),
        &[
            "a.yaml:5:17: Agent a: spec.instructions: must be text, and YAML reads it as a whole number: put it in quotes",
            "a.yaml:6:9: Agent a: spec.lane: is \"fast\": must be one of realtime, interactive, batch, background",
            "a.yaml:7:13: Agent a: spec.replicas: is 101, and must be at most 100",
            "a.yaml:8:9: Agent a: spec.try[0]: is empty: write something, or leave the field out",
            "a.yaml:9:12: Agent a: spec.knowledge: has no value: write one, or leave the field out",
            "a.yaml:10:27: Agent a: spec.limits.tokensPerHour: must be a whole number, and is a number",
        ],
    );
}

#[test]
fn rules_across_fields_are_those_of_the_definitions() {
    check(
        &agent("  runtime: wasm\n  instructions: x\n"),
        &[
            "a.yaml:5:12: Agent a: spec.runtime: runtime wasm runs a module from a bundle: add bundle {name, digest}, or leave runtime out for a declarative agent",
        ],
    );
    check(
        &agent("  tools: [{name: a, mcp: b}, {}]\n  instructions: x\n"),
        &[
            "a.yaml:5:11: Agent a: spec.tools[0]: a tool is given by name (any Tool of this namespace), by mcp (a Tool that is an MCP server) or by agent (another agent of this namespace): write exactly one of them",
            "a.yaml:5:30: Agent a: spec.tools[1]: a tool is given by name (any Tool of this namespace), by mcp (a Tool that is an MCP server) or by agent (another agent of this namespace): write exactly one of them",
        ],
    );
    check(
        &agent("  lane: batch\n"),
        &[
            "a.yaml:5:3: Agent a: spec: say what the agent is: exactly one of instructions (written here), steps (a workflow, written here) and bundle (signed, by digest)",
        ],
    );
}

#[test]
fn what_stands_twice_in_a_set_or_a_keyed_list_is_refused() {
    check(
        &agent(
            "  instructions: x\n  permissions: {allow: [a.b, a.b], files: [{mount: m}, {mount: m, mode: readWrite}]}\n",
        ),
        &[
            "a.yaml:6:30: Agent a: spec.permissions.allow[1]: is in the list twice: remove one of them",
            "a.yaml:6:56: Agent a: spec.permissions.files[1]: has the same mount as another item: remove one of them",
        ],
    );
}

#[test]
fn metadata_is_checked_as_an_api_server_checks_it() {
    check(
        "apiVersion: aion.dev/v1alpha1\nkind: Agent\nmetadata: {name: A_b, namespace: x.y, labels: {ok: 'no good', n: 5}, lables: {}}\nspec: {instructions: x}\n",
        &[
            "a.yaml:3:18: Agent A_b: metadata.name: is \"A_b\": a name must be at most 253 of a-z, 0-9, - and ., and begin and end with a letter or digit",
            "a.yaml:3:34: Agent A_b: metadata.namespace: is \"x.y\": a namespace must be at most 63 of a-z, 0-9 and -, and begin and end with a letter or digit",
            "a.yaml:3:52: Agent A_b: metadata.labels.ok: a label's value must be text of at most 63 letters, digits, -, _ and .: change it, or put it in quotes",
            "a.yaml:3:66: Agent A_b: metadata.labels.n: a label's value must be text of at most 63 letters, digits, -, _ and .: change it, or put it in quotes",
            "a.yaml:3:78: Agent A_b: metadata.lables: is not a field here: did you mean labels?",
        ],
    );
    check(
        "apiVersion: aion.dev/v1alpha1\nkind: TrustPolicy\nmetadata: {name: a, namespace: b}\nspec: {}\n",
        &[
            "a.yaml:3:32: TrustPolicy a: metadata.namespace: a TrustPolicy belongs to no namespace: remove it",
        ],
    );
}

#[test]
fn other_kinds_are_refused_with_where_they_belong() {
    check(
        "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n",
        &[
            "a.yaml:1:13: Secret s: apiVersion: is v1: only objects of aion.dev/v1alpha1 are read here, apply others with kubectl",
        ],
    );
    check(
        "apiVersion: aion.dev/v1alpha1\nkind: AgentInstance\nmetadata: {name: s}\n",
        &[
            "a.yaml:2:7: AgentInstance s: kind: AgentInstance is not written by people: the system makes these objects, write an Agent",
        ],
    );
    check(
        "apiVersion: aion.dev/v1\nkind: Agent\nmetadata: {name: s}\n",
        &[
            "a.yaml:1:13: Agent s: apiVersion: is aion.dev/v1, and this release reads aion.dev/v1alpha1: change it",
        ],
    );
}
