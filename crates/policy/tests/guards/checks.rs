//! Each check of a guardrail, the points that it is about, and all faults at once.

use aion_device::Of;
use aion_kernel::{Check, Comparison, Condition, Hours, Measure, Rule, Term};
use serde_json::json;

use crate::heater::{ALL, is, lowered, one, points, rule, sensed};

#[test]
fn each_check_is_lowered() {
    let day = 1_440;
    let hours = |from, to| Hours { from, to };
    for (guardrail, points_of, checks) in [
        (
            json!({"minimum": "-20.5", "maximum": "30"}),
            &["target", "level"][..],
            vec![
                Check::Minimum(Measure(-20_500_000)),
                Check::Maximum(Measure(30_000_000)),
            ],
        ),
        (
            json!({"points": ["target"], "change": {"by": "0.5", "seconds": 60}}),
            &["target"],
            vec![Check::Change {
                by: 500_000,
                within_ms: 60_000,
            }],
        ),
        (
            json!({"rate": {"times": 3, "seconds": 60}}),
            &ALL,
            vec![Check::Rate {
                times: 3,
                within_ms: 60_000,
            }],
        ),
        (
            json!({"points": ["purge"], "hours": [{"days": ["Sat", "Sun"], "from": "22:00", "to": "06:00"}]}),
            &["purge"],
            vec![Check::Hours(vec![
                hours(5 * day + 1_320, 6 * day + 360),
                hours(6 * day + 1_320, 360),
            ])],
        ),
        (json!({"approval": "required"}), &ALL, vec![Check::Approval]),
    ] {
        let mut named = guardrail.clone();
        named["name"] = json!("r");
        named["reason"] = json!("it is so");
        let mut rule = rule(points_of, checks);
        rule.reason = Some("it is so".into());
        assert_eq!(one(named), Ok(points(vec![rule])), "{guardrail}");
    }
}

#[test]
fn the_models_and_the_devices_both_hold() {
    let low = json!([{"name": "low", "minimum": "5"}]);
    let high = json!([{"name": "high", "maximum": "22"}]);
    let both = lowered(&low, &high).unwrap();
    let named = |name: &str, check| Rule {
        name: name.into(),
        ..rule(&["target", "level"], vec![check])
    };
    let expected = points(vec![
        named("low", Check::Minimum(Measure(5_000_000))),
        named("high", Check::Maximum(Measure(22_000_000))),
    ]);
    assert_eq!(both, expected);
    let twice = lowered(&low, &json!([{"name": "low", "maximum": "22"}])).unwrap_err();
    assert_eq!(twice.len(), 1);
    assert_eq!(twice[0].of, Of::Device);
    assert_eq!(twice[0].field, "spec.guardrails[0].name");
}

#[test]
fn a_guardrail_that_names_nothing_is_about_all_that_it_fits() {
    let of = |when: &str| one(json!({"name": "r", "forbidWhen": when}));
    let condition = |clause| Check::Forbid(Condition::new(clause).unwrap());
    let open = condition(is(sensed("window", "open"), Comparison::Equal, 1));
    assert_eq!(
        of("devices.window.open"),
        Ok(points(vec![rule(&ALL, vec![open])]))
    );
    let off = condition(is(Term::Wanted, Comparison::Equal, 0));
    assert_eq!(
        of("value == 'off'"),
        Ok(points(vec![rule(&["mode"], vec![off])]))
    );
    let high = condition(is(Term::Wanted, Comparison::Greater, 3_000_000));
    assert_eq!(
        of("value > 3"),
        Ok(points(vec![rule(&["target", "level"], vec![high])]))
    );
    let faults = of("value == 'ajar'").unwrap_err();
    assert_eq!(faults.len(), 1, "{faults:?}");
    let faults = of("devices.door.open && value > 3").unwrap_err();
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(faults[0].contains("there is no device door"));
}

#[test]
fn what_does_not_fit_a_named_point_and_all_else_is_said_at_once() {
    let faults = lowered(
        &json!([
            {"name": "a", "points": ["target", "power", "purge"], "minimum": "5"},
            {"name": "b", "minimum": "9", "maximum": "5"},
            {"name": "c"},
        ]),
        &json!([
            {"name": "d", "maximum": "1e3", "rate": {"times": 65, "seconds": 60}},
            {"name": "e", "change": {"by": "-1", "seconds": 60}},
            {"name": "f", "hours": [{"from": "06:00", "to": "06:00"}]},
            {"name": "g", "points": ["label"], "forbidWhen": "devices.a.b || value == 'x'"},
        ]),
    );
    let faults = faults.unwrap_err();
    let fields: Vec<_> = faults.iter().map(|it| (it.of, it.field.as_str())).collect();
    use Of::{Device, Model};
    let expected = [
        (Model, "spec.guardrails[0].minimum"),
        (Model, "spec.guardrails[0].minimum"),
        (Model, "spec.guardrails[1].minimum"),
        (Model, "spec.guardrails[2]"),
        (Device, "spec.guardrails[0].maximum"),
        (Device, "spec.guardrails[0].rate"),
        (Device, "spec.guardrails[1].change"),
        (Device, "spec.guardrails[2].hours[0].to"),
        (Device, "spec.guardrails[3].forbidWhen"),
        (Device, "spec.guardrails[3].forbidWhen"),
    ];
    assert_eq!(fields, expected, "{faults:#?}");
    assert_eq!(
        faults[0].to_string(),
        "DeviceModel spec.guardrails[0].minimum: power is a boolean, and this is for numbers; \
         name properties of numbers in points, or remove it"
    );
}
