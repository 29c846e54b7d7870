//! Conditions and rules by themselves.

use super::{Clause, Comparison, Condition, Measure, Term};

fn is(point: &str) -> Clause {
    let term = Term::Sensed {
        device: "home/it".into(),
        point: point.into(),
    };
    Clause::Compare(term, Comparison::Equal, Term::Constant(Measure(1)))
}

/// `t` is true, `f` is false, all else is not known.
fn holds(clause: Clause) -> Option<bool> {
    let known = |term: &Term| match term {
        Term::Sensed { point, .. } if point.as_str() == "t" => Some(Measure(1)),
        Term::Sensed { point, .. } if point.as_str() == "f" => Some(Measure(0)),
        Term::Constant(value) => Some(*value),
        _ => None,
    };
    let condition = Condition::new(clause).ok()?;
    let holds = condition.holds(&known);
    assert_eq!(
        condition.unknown(&known).is_none(),
        holds.is_some(),
        "what is not known has a name"
    );
    holds
}

#[test]
fn what_is_not_known_decides_nothing_that_is_decided() {
    for (left, right, all, any) in [
        ("t", "t", Some(true), Some(true)),
        ("t", "f", Some(false), Some(true)),
        ("f", "f", Some(false), Some(false)),
        ("t", "?", None, Some(true)),
        ("f", "?", Some(false), None),
        ("?", "?", None, None),
    ] {
        for (left, right) in [(left, right), (right, left)] {
            assert_eq!(holds(Clause::All(vec![is(left), is(right)])), all);
            assert_eq!(holds(Clause::Any(vec![is(left), is(right)])), any);
        }
    }
    for (point, not) in [("t", Some(false)), ("f", Some(true)), ("?", None)] {
        assert_eq!(holds(Clause::Not(Box::new(is(point)))), not);
    }
    assert_eq!(holds(Clause::All(Vec::new())), Some(true));
    assert_eq!(holds(Clause::Any(Vec::new())), Some(false));
}

#[test]
fn values_compare_as_they_are_said_to() {
    use Comparison::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, Unequal};
    for (how, less, same, more) in [
        (Equal, false, true, false),
        (Unequal, true, false, true),
        (Less, true, false, false),
        (LessOrEqual, true, true, false),
        (Greater, false, false, true),
        (GreaterOrEqual, false, true, true),
    ] {
        for (value, expected) in [(-3, less), (2, same), (9, more)] {
            let term = |value| Term::Constant(Measure(value));
            let clause = Clause::Compare(term(value), how, term(2));
            assert_eq!(holds(clause), Some(expected), "{value} {how:?} 2");
        }
    }
}

#[test]
fn a_condition_has_bounds() {
    let wide = |clauses| Condition::new(Clause::All(vec![is("t"); clauses]));
    assert!(wide(63).is_ok() && wide(64).is_err());
    let deep = |nots| {
        let not = |clause, _| Clause::Not(Box::new(clause));
        Condition::new((0..nots).fold(is("t"), not))
    };
    assert!(deep(15).is_ok() && deep(16).is_err());
}

#[test]
fn a_measure_reads_as_a_decimal() {
    for (millionths, text) in [
        (0, "0"),
        (20_500_000, "20.5"),
        (-20_500_000, "-20.5"),
        (-1, "-0.000001"),
        (1_000_001, "1.000001"),
        (i64::MIN, "-9223372036854.775808"),
    ] {
        assert_eq!(Measure(millionths).to_string(), text);
    }
}
