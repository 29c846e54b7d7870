//! `forbidWhen`: what is compiled to which condition, and what is refused how.

use aion_kernel::{Check, Clause, Comparison, Condition, Term};

use crate::heater::{forbid, is, points, rule, sensed};

#[test]
fn expressions_are_compiled() {
    use Comparison::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, Unequal};
    let window = || is(sensed("window", "open"), Equal, 1);
    for (on, source, clause) in [
        (
            "target",
            "value > 18.0",
            is(Term::Wanted, Greater, 18_000_000),
        ),
        (
            "target",
            "18.5 >= value",
            is(Term::Wanted, LessOrEqual, 18_500_000),
        ),
        (
            "target",
            "current < -3",
            is(Term::Current, Less, -3_000_000),
        ),
        (
            "target",
            "-0.25 < current",
            is(Term::Current, Greater, -250_000),
        ),
        (
            "target",
            "value != current",
            Clause::Compare(Term::Wanted, Unequal, Term::Current),
        ),
        ("power", "value", is(Term::Wanted, Equal, 1)),
        (
            "power",
            "!value",
            Clause::Not(Box::new(is(Term::Wanted, Equal, 1))),
        ),
        ("power", "value == true", is(Term::Wanted, Equal, 1)),
        ("power", "false != value", is(Term::Wanted, Unequal, 0)),
        ("mode", "value == \"high\"", is(Term::Wanted, Equal, 2)),
        (
            "mode",
            "value in ['off', \"low\"]",
            Clause::Any(vec![is(Term::Wanted, Equal, 0), is(Term::Wanted, Equal, 1)]),
        ),
        ("label", "devices.window.open", window()),
        ("purge", "devices[\"window\"].open", window()),
        ("purge", "devices.window[\"open\"]", window()),
        (
            "purge",
            "devices['front-door'].contact != 'closed'",
            is(sensed("front-door", "contact"), Unequal, 0),
        ),
        (
            "purge",
            "devices.hall.temperature >= 30",
            is(sensed("hall", "temperature"), GreaterOrEqual, 30_000_000),
        ),
        (
            "target",
            "devices.window.battery in [1, 2.5]",
            Clause::Any(vec![
                is(sensed("window", "battery"), Equal, 1_000_000),
                is(sensed("window", "battery"), Equal, 2_500_000),
            ]),
        ),
        (
            "target",
            "(value > 18 && devices.window.open) || !(current >= 5) || false",
            Clause::Any(vec![
                Clause::All(vec![is(Term::Wanted, Greater, 18_000_000), window()]),
                Clause::Not(Box::new(is(Term::Current, GreaterOrEqual, 5_000_000))),
                Clause::Any(Vec::new()),
            ]),
        ),
        ("target", "true", Clause::All(Vec::new())),
        (
            "power",
            "devices.window.contact == devices['front-door'].contact",
            Clause::Compare(
                sensed("window", "contact"),
                Equal,
                sensed("front-door", "contact"),
            ),
        ),
    ] {
        let condition = Condition::new(clause).unwrap();
        let expected = points(vec![rule(&[on], vec![Check::Forbid(condition)])]);
        assert_eq!(forbid(on, source), Ok(expected), "{source}");
    }
}

#[test]
fn what_cannot_be_is_named_with_a_remedy() {
    for (on, source, said) in [
        ("target", "value >", "it is not CEL"),
        ("target", "value + 1 > 3", "+ cannot be compared here"),
        (
            "target",
            "value > 3 ? true : false",
            "? : cannot be used here",
        ),
        (
            "target",
            "size(devices) > 3",
            "the function size cannot be compared here",
        ),
        (
            "target",
            "has(devices.window)",
            "named; write devices.NAME.PROPERTY",
        ),
        (
            "target",
            "[1, 2].exists(x, x > value)",
            "a macro such as exists cannot be used here",
        ),
        ("target", "[1, 2]", "a list stands alone"),
        ("target", "{'a': 1}", "a map cannot be used here"),
        ("target", "value == null", "null cannot be used here"),
        ("target", "value > 5u", "5u cannot be used here; write 5"),
        (
            "target",
            "value > 0.0000001",
            "more than six digits behind its point, or is too large",
        ),
        ("target", "value > 9223372036855", "or is too large"),
        ("target", "value > 1e300", "or is too large"),
        (
            "target",
            "value",
            "value (of target) is a number, and stands where true or false is",
        ),
        ("target", "1 < 2", "two fixed values are compared"),
        (
            "target",
            "'a'",
            "a fixed value stands where true or false is",
        ),
        (
            "target",
            "value == 'on'",
            "value (of target) is a number, and is compared with a text",
        ),
        (
            "target",
            "value == true",
            "a number, and is compared with true or false",
        ),
        ("target", "value in 3", "in is for a list of fixed values"),
        (
            "target",
            "value in [current]",
            "in is for a list of fixed values",
        ),
        (
            "target",
            "temperature > 3",
            "there is nothing called temperature",
        ),
        (
            "target",
            "devices",
            "devices stands alone; write devices.NAME.PROPERTY",
        ),
        (
            "target",
            "devices.window",
            "a field of something else than a device",
        ),
        (
            "target",
            "devices.window.open.x",
            "a field of something else than a device",
        ),
        (
            "target",
            "value.x",
            "a field of something else than a device",
        ),
        (
            "target",
            "devices[0].open",
            "a field of something else than a device",
        ),
        (
            "target",
            "devices.door.open",
            "there is no device door with a model in this namespace; use one of front-door, window",
        ),
        (
            "target",
            "devices.window.shut",
            "device window has no property shut; use one of open, contact, battery, label",
        ),
        (
            "target",
            "devices.window.secret",
            "secret of device window can only be written, and is not known",
        ),
        (
            "target",
            "devices.window.label == 'x'",
            "label of device window is compared, and a text cannot be",
        ),
        (
            "target",
            "devices.window.contact == 'ajar'",
            "contact of device window is never \"ajar\"; use one of closed, open",
        ),
        (
            "target",
            "devices.window.contact < 'open'",
            "is a choice, which is only equal or not",
        ),
        (
            "target",
            "devices.window.open > false",
            "is a boolean, which is only equal or not",
        ),
        (
            "target",
            "devices.window.contact == open",
            "there is nothing called open",
        ),
        (
            "mode",
            "value == devices.window.contact",
            "is compared with a choice that has other choices",
        ),
        (
            "label",
            "value == 'x'",
            "value (of label) is compared, and a text cannot be",
        ),
        (
            "level",
            "current > 3",
            "current is not known: level can only be written",
        ),
        (
            "purge",
            "value > 3",
            "purge is a command, which has no value",
        ),
        (
            "temperature",
            "true",
            "temperature can be read alone, so nothing is to guard",
        ),
        (
            "colour",
            "true",
            "the model has no property and no command colour; use one of target, level, power, mode, label, purge",
        ),
    ] {
        let faults = forbid(on, source).unwrap_err();
        assert!(faults[0].contains(said), "{source}: {faults:?}");
        assert_eq!(faults.len(), 1, "{source}: {faults:?}");
        let field = if said.contains("guard;") || on == "colour" {
            "points[0]"
        } else {
            "forbidWhen"
        };
        let at = format!("Device spec.guardrails[0].{field}: ");
        assert!(
            faults[0].starts_with(&at) || on == "temperature",
            "{source}: {faults:?}"
        );
    }
}

#[test]
fn what_is_too_large_or_would_break_the_parser_is_a_fault() {
    let wide = vec!["value > 1"; 64].join(" || ");
    for source in [
        wide,
        "(".repeat(1_000),
        format!("{}true{}", "(".repeat(9), ")".repeat(9)),
        "!".repeat(1_001),
        format!("value > {}", "1".repeat(1_020)),
        format!("value{}", ".a".repeat(500)),
        format!("true{}", " ? true : true".repeat(70)),
        format!("{}1{}", "[".repeat(8), "]".repeat(8)),
        format!("{}1{}", "{1: ".repeat(8), "}".repeat(8)),
        format!("{}1{}", "value[".repeat(8), "]".repeat(8)),
        format!("{}1{}", "value.f(".repeat(8), ")".repeat(8)),
        "exists(value, value)".to_owned(),
        "all(x)".to_owned(),
        "has(x)".to_owned(),
        "\u{0}".to_owned(),
        String::new(),
    ] {
        assert!(forbid("target", &source).is_err(), "{source}");
    }
    let most = vec!["value > 1"; 63].join("||");
    assert!(forbid("target", &most).is_ok());
    assert!(forbid("target", &format!("{}true{}", "(".repeat(8), ")".repeat(8))).is_ok());
}
