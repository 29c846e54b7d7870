//! The definitions that are kept are those the types make, and they keep the house's rules.
#![allow(clippy::unwrap_used)]

#[allow(dead_code, unreachable_pub)]
#[path = "../examples/generate_crds.rs"]
mod generate;

use serde_json::Value;

#[test]
fn the_definitions_that_are_kept_are_those_the_types_make() {
    let mut kept: Vec<String> = std::fs::read_dir(generate::FOLDER)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("aion.dev_"))
        .collect();
    kept.sort();
    let mut made: Vec<String> = Vec::new();
    for (name, text) in generate::files().unwrap() {
        let path = format!("{}/{name}", generate::FOLDER);
        let on_disk = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(
            on_disk, text,
            "{name} is not what the types make: run `make crds`"
        );
        made.push(name);
    }
    made.sort();
    assert_eq!(kept, made, "a definition is kept that no type makes");
}

#[test]
fn the_table_of_kinds_says_what_the_definitions_say() {
    for (kind, crd) in aion_api::crd::KINDS
        .iter()
        .zip(aion_api::crd::all().unwrap())
    {
        let names = &crd["spec"]["names"];
        assert_eq!(names["kind"], kind.name);
        assert_eq!(names["plural"], kind.plural);
        assert_eq!(crd["spec"]["scope"] == "Namespaced", kind.namespaced);
        assert_eq!(aion_api::crd::kind_of_plural(kind.plural), Some(kind));
    }
}

#[test]
fn every_value_is_bounded_every_list_says_how_it_merges_and_every_word_is_read_as_one() {
    let mut faults = Vec::new();
    for (kind, crd) in aion_api::crd::KINDS
        .iter()
        .zip(aion_api::crd::all().unwrap())
    {
        let properties = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"];
        for part in ["spec", "status"] {
            walk(
                &properties[part],
                &format!("{}.{part}", kind.name),
                &mut faults,
            );
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Whether a reader of YAML 1.1, as kubectl is one, takes a word for a boolean that a reader of YAML 1.2 takes for a text. A
/// field of such a name is `true` or `false` to it, and the manifest is refused.
fn is_boolean_in_yaml_1_1(word: &str) -> bool {
    ["y", "yes", "on", "n", "no", "off"].contains(&word.to_lowercase().as_str())
}

fn walk(schema: &Value, path: &str, faults: &mut Vec<String>) {
    if schema.is_null() {
        return;
    }
    let mut fault = |what: &str| faults.push(format!("{path}: {what}"));
    for union in [
        "anyOf",
        "oneOf",
        "allOf",
        "not",
        "x-kubernetes-preserve-unknown-fields",
        "nullable",
    ] {
        if schema.get(union).is_some() {
            fault(&format!("uses {union}"));
        }
    }
    match schema["type"].as_str() {
        Some("string") => {
            let bounded = ["maxLength", "enum", "format"]
                .iter()
                .any(|bound| schema.get(bound).is_some());
            if !bounded {
                fault("a string without a bound");
            }
            let choices = schema["enum"].as_array().into_iter().flatten();
            for word in choices.filter_map(Value::as_str) {
                if is_boolean_in_yaml_1_1(word) {
                    fault(&format!("the choice {word} is a boolean in YAML 1.1"));
                }
            }
        }
        Some("integer") => {
            if schema.get("minimum").is_none() {
                fault("an integer without a lower bound");
            }
        }
        Some("array") => {
            if schema.get("maxItems").is_none() {
                fault("a list without a bound");
            }
            if schema.get("x-kubernetes-list-type").is_none() {
                fault("a list that does not say how it merges");
            }
            walk(&schema["items"], &format!("{path}[]"), faults);
        }
        Some("object") => {
            if schema.get("additionalProperties").is_some() {
                if schema.get("maxProperties").is_none() {
                    fault("a map without a bound");
                }
                walk(
                    &schema["additionalProperties"],
                    &format!("{path}{{}}"),
                    faults,
                );
            }
            for (name, property) in schema["properties"].as_object().into_iter().flatten() {
                if property.get("description").is_none() {
                    faults.push(format!("{path}.{name}: no description"));
                }
                if is_boolean_in_yaml_1_1(name) {
                    faults.push(format!("{path}.{name}: its name is a boolean in YAML 1.1"));
                }
                walk(property, &format!("{path}.{name}"), faults);
            }
        }
        other => fault(&format!("the type {other:?}")),
    }
}

#[test]
fn figures_in_descriptions_are_those_that_hold() {
    use aion_api::defaults as d;
    let schema = aion_api::crd::schema("Agent").unwrap().unwrap();
    let spec = &schema["properties"]["spec"]["properties"];
    let limits = &spec["limits"]["properties"];
    let said = [
        (&limits["tokensPerHour"], d::TOKENS_PER_HOUR),
        (&limits["callsPerMinute"], d::CALLS_PER_MINUTE.into()),
        (&limits["concurrentCalls"], d::CONCURRENT_CALLS.into()),
        (&limits["maxSteps"], d::MAX_STEPS.into()),
        (&limits["turnSeconds"], d::TURN_SECONDS.into()),
        (&limits["memoryMiB"], d::MEMORY_MIB.into()),
        (&limits["cpuMillis"], d::CPU_MILLIS.into()),
        (&limits["outputMiB"], d::OUTPUT_MIB.into()),
        (&limits["tmpMiB"], d::TMP_MIB.into()),
        (&limits["pids"], d::PIDS.into()),
        (&spec["replicas"], d::REPLICAS.into()),
    ];
    for (property, figure) in said {
        let text = property["description"].as_str().unwrap();
        assert!(
            text.contains(&format!("{figure} unless said otherwise")),
            "{text} does not say {figure}"
        );
    }
}

#[test]
fn the_rule_on_tmp_takes_the_memory_that_there_is_unless_said_otherwise() {
    let schema = aion_api::crd::schema("Agent").unwrap().unwrap();
    let rules = schema["properties"]["spec"]["x-kubernetes-validations"].to_string();
    let default = aion_api::defaults::MEMORY_MIB;
    let rule = format!("? self.limits.memoryMiB : {default})");
    assert!(rules.contains(&rule), "{rules}");
    assert!(rules.contains(&format!("({default} unless said otherwise)")));
}

#[test]
fn no_kind_is_in_the_category_all() {
    for crd in aion_api::crd::all().unwrap() {
        assert_eq!(
            crd["spec"]["names"]["categories"],
            serde_json::json!(["aion"])
        );
    }
}
