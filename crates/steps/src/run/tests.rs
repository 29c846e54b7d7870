//! Runs against answers that follow from the calls alone: results, failures, and runs that begin anew.
#![allow(clippy::panic, clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};

use aion_abi::steps::Step;
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn plan(steps: Json) -> Plan {
    let steps: Vec<Step> = serde_json::from_value(steps).unwrap();
    Plan::make(&steps, None).unwrap_or_else(|faults| panic!("{faults:?}"))
}

/// What a call gives, which follows from the call alone.
fn echo(call: &Call) -> Result<Answer, Problem> {
    let text = match call {
        Call::Tool { operation, .. } if operation == "t.fail" => {
            return Err(Problem::new(Code::UpstreamFailed, "it broke").remedy("mend it"));
        }
        Call::Tool { arguments, .. } => match arguments.get("give") {
            Some(Json::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => String::new(),
        },
        Call::Device { call, .. } => call.as_str().to_owned(),
        Call::Agent { agent, input } => format!("{agent} on {input}"),
        Call::Prompt { prompt, .. } => format!("model on {prompt}"),
    };
    Ok(Answer {
        text,
        ..Answer::default()
    })
}

/// What came of a run, and what it did.
#[derive(Debug, PartialEq)]
struct Past {
    end: Now,
    made: Vec<(String, Call)>,
    most: usize,
    told: Vec<(String, StepState)>,
}

/// Runs to the end; `pick` says whose answer comes next.
fn finish(plan: &Plan, mut pick: impl FnMut(usize) -> usize) -> Past {
    let mut run = Run::new(plan, "the input", 100);
    let (mut open, mut made, mut told, mut most) = (Vec::new(), Vec::new(), Vec::new(), 0);
    loop {
        let turn = run.go_on();
        told.extend(turn.told.into_iter().map(|it| (it.step, it.state)));
        made.extend(
            turn.starts
                .iter()
                .map(|it| (it.step.clone(), it.call.clone())),
        );
        open.extend(turn.starts);
        most = most.max(open.len());
        if turn.now != Now::Waits {
            return Past {
                end: turn.now,
                made,
                most,
                told,
            };
        }
        let start: Start = open.remove(pick(open.len()));
        run.answered(&start.step, echo(&start.call));
    }
}

fn result(steps: Json) -> Json {
    match finish(&plan(steps), |_| 0).end {
        Now::Done(Some(value)) => value,
        other => panic!("{other:?}"),
    }
}

fn failure(steps: Json) -> String {
    match finish(&plan(steps), |_| 0).end {
        Now::Failed(problem) => {
            assert!(!problem.remedy.is_empty());
            problem.detail
        }
        other => panic!("{other:?}"),
    }
}

/// A workflow with every construct.
fn whole() -> Json {
    json!([
        {"name": "found", "tool": "t.list", "arguments": {"give": "[1, 2, 3, 4]", "n": "${2}"}, "as": "json"},
        {"name": "not", "when": "${size(steps.found) > 9}", "value": "never"},
        {"name": "each", "foreach": "${steps.found}", "parallel": 3, "steps": [
            {"name": "read", "agent": "clerk", "input": "${item} at ${index}"},
            {"name": "both", "parallel": 2, "steps": [
                {"name": "short", "prompt": "s ${steps.read}"},
                {"name": "odd", "when": "${item % 2 == 1}", "tool": "t.x", "arguments": {"give": "${item}"}}
            ]},
            {"name": "kept", "value": "${steps.both.odd == null ? 'even' : steps.both.odd}"}
        ]},
        {"name": "polish", "until": "${size(steps.draft) > 7}", "maxRounds": 5, "steps": [
            {"name": "draft", "value": "${(previous == null ? '' : previous) + string(round) + 'ab'}"}
        ]},
        {"name": "end", "value": "${steps.each.join('-')} ${steps.polish} ${steps.not == null}"}
    ])
}

#[test]
fn every_construct_gives_what_it_says() {
    let past = finish(&plan(whole()), |_| 0);
    assert_eq!(
        past.end,
        Now::Done(Some(json!("1-even-3-even 1ab2ab3ab true")))
    );
    let places: Vec<_> = past.made.iter().map(|it| it.0.as_str()).collect();
    assert!(places.contains(&"each[2].both.odd") && !places.contains(&"each[1].both.odd"));
    let given = Map::from_iter([
        ("give".to_owned(), json!("[1, 2, 3, 4]")),
        ("n".to_owned(), json!(2)),
    ]);
    assert_eq!(
        past.made[0].1,
        Call::Tool {
            operation: "t.list".to_owned(),
            arguments: given
        }
    );
    let of = |step: &str| {
        past.told
            .iter()
            .filter(|it| it.0 == step)
            .map(|it| it.1)
            .collect::<Vec<_>>()
    };
    assert_eq!(of("each"), [StepState::Running, StepState::Done]);
    assert_eq!(of("not"), [StepState::Skipped]);
    assert_eq!(of("polish[2].draft"), [StepState::Done]);
    assert_eq!(
        past.most, 5,
        "three items, two calls each but for the even one"
    );
}

#[test]
fn results_stand_where_their_steps_do_whatever_ends_first() {
    let each = json!([{"name": "e", "foreach": "${[1, 2, 3]}", "parallel": 3, "steps": [{"name": "p", "prompt": "${item}"}]}]);
    let last_first = finish(&plan(each), |open| open - 1);
    assert_eq!(
        last_first.end,
        Now::Done(Some(json!(["model on 1", "model on 2", "model on 3"])))
    );
    assert_eq!(
        result(json!([{"name": "e", "foreach": "${[]}", "steps": [{"name": "p", "prompt": "x"}]}])),
        json!([])
    );
    assert_eq!(
        result(
            json!([{"name": "b", "parallel": 2, "steps": [{"name": "y", "value": "1"}, {"name": "x", "value": "${2}"}]}])
        ),
        json!({"x": 2, "y": "1"})
    );
    let skipped =
        json!([{"name": "a", "value": "x"}, {"name": "b", "when": "${false}", "value": "y"}]);
    assert_eq!(result(skipped), json!("x"));
    let none = plan(json!([{"name": "b", "when": "${false}", "value": "y"}]));
    assert_eq!(finish(&none, |_| 0).end, Now::Done(None));
    assert_eq!(
        result(json!([{"name": "b", "value": "${null}"}])),
        Json::Null
    );
}

#[test]
fn a_failure_names_its_step() {
    for (steps, part) in [
        (json!([{"name": "a", "tool": "t.fail"}]), "step a: it broke"),
        (
            json!([{"name": "a", "foreach": "${[1, 2]}", "steps": [{"name": "b", "value": "${item.x}"}]}]),
            "step a[0].b: value: ${item.x}: a number has no field x",
        ),
        (
            json!([{"name": "a", "when": "${1}", "value": "x"}]),
            "step a: when: ${1} is a number, not true or false",
        ),
        (
            json!([{"name": "a", "foreach": "${input}", "steps": [{"name": "b", "value": "x"}]}]),
            "step a: foreach: ${input} is text, not a list",
        ),
        (
            json!([{"name": "a", "until": "${false}", "maxRounds": 2, "steps": [{"name": "b", "value": "x"}]}]),
            "step a: until: ${false} was not true after 2 rounds",
        ),
        (
            json!([{"name": "a", "prompt": "x", "as": "json"}]),
            "step a: its answer is not JSON",
        ),
        (
            json!([{"name": "a", "when": "${false}", "value": "x"}, {"name": "b", "prompt": "say ${steps.a}"}]),
            "step b: prompt: ${steps.a} is null",
        ),
        (
            json!([{"name": "a", "foreach": "${[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15]}", "steps": [{"name": "b", "foreach": "${[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15]}", "steps": [{"name": "c", "tool": "t.x"}]}]}]),
            "200 calls",
        ),
        (
            json!([{"name": "u", "until": "${false}", "maxRounds": 50, "steps": [{"name": "a", "foreach": "${[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20]}", "steps": [{"name": "b", "value": "x"}]}]}]),
            "1000 steps",
        ),
    ] {
        let told = failure(steps);
        assert!(told.contains(part), "{part:?} is not in {told:?}");
    }
    let plan = plan(
        json!([{"name": "a", "foreach": "${[1, 2, 3]}", "steps": [{"name": "b", "prompt": "x"}]}]),
    );
    let mut run = Run::new(&plan, "", 2);
    for at in 0..2 {
        assert_eq!(run.go_on().now, Now::Waits);
        run.answered(&format!("a[{at}].b"), Ok(Answer::default()));
    }
    let Now::Failed(problem) = run.go_on().now else {
        panic!()
    };
    assert_eq!(problem.code, Code::QuotaExceeded);
    assert!(
        problem
            .detail
            .starts_with("step a[2].b: the model was asked 2 times"),
        "{problem}"
    );
}

#[test]
fn what_runs_beside_a_step_that_fails_is_given_up() {
    let plan = plan(json!([{"name": "b", "parallel": 3, "steps": [
        {"name": "slow", "prompt": "x"}, {"name": "bad", "tool": "t.fail"}, {"name": "late", "steps": [{"name": "in_it", "prompt": "y"}]}
    ]}]));
    let mut run = Run::new(&plan, "", 9);
    let begun = run.go_on();
    assert_eq!(begun.starts.len(), 3);
    run.answered("b.bad", echo(&begun.starts[1].call));
    let end = run.go_on();
    assert!(matches!(end.now, Now::Failed(_)) && end.starts.is_empty());
    let told: Vec<_> = end
        .told
        .iter()
        .map(|it| (it.step.as_str(), it.state))
        .collect();
    let expected = [
        ("b", StepState::Failed),
        ("b.slow", StepState::Cancelled),
        ("b.bad", StepState::Failed),
        ("b.late", StepState::Cancelled),
        ("b.late.in_it", StepState::Cancelled),
    ];
    assert_eq!(told, expected);
}

/// What a run that begins anew needs is what the kernel keeps: no call is made that could push it out.
#[test]
fn what_is_kept_is_bounded_before_a_call_is_made() {
    let steps = json!([{"name": "e", "foreach": "${[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18]}", "steps": [{"name": "p", "tool": "t.x"}]}]);
    let plan = plan(steps);
    let mut run = Run::new(&plan, "", 9);
    let mut made = 0;
    let end = loop {
        match run.go_on().now {
            Now::Waits => {}
            end => break end,
        }
        run.answered(
            &format!("e[{made}].p"),
            Outcome {
                kept: 2 * crate::MAX_RESULT,
                ..Outcome::from(Ok(Answer::default()))
            },
        );
        made += 1;
    };
    let Now::Failed(problem) = end else { panic!() };
    assert_eq!((problem.code, made), (Code::TooLarge, 9));
    assert!(
        problem
            .detail
            .starts_with("step e[9].p: the answers so far"),
        "{problem}"
    );
    let mut run = Run::new(&plan, "", 9);
    run.go_on();
    let kept = crate::KEPT + 1;
    run.answered(
        "e[0].p",
        Outcome {
            kept,
            ..Outcome::from(Ok(Answer::default()))
        },
    );
    assert!(matches!(run.go_on().now, Now::Failed(_)));
}

#[test]
fn values_and_answers_are_bounded_with_their_steps_names() {
    let long = json!("x".repeat(crate::MAX_RESULT));
    let steps = json!([{"name": "e", "foreach": "${[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18]}", "steps": [{"name": "v", "value": "${input}"}]}]);
    let plan_of_values = plan(steps);
    let mut run = Run::new(&plan_of_values, long.as_str().unwrap(), 9);
    let Now::Failed(problem) = run.go_on().now else {
        panic!()
    };
    assert!(
        problem
            .detail
            .starts_with("step e[16].v: the results of all steps"),
        "{problem}"
    );
    let steps = json!([{"name": "e", "foreach": "${[1,2,3,4,5]}", "steps": [{"name": "v", "value": "${input}"}]}]);
    let large = plan(steps);
    let mut run = Run::new(&large, long.as_str().unwrap(), 9);
    let Now::Failed(problem) = run.go_on().now else {
        panic!()
    };
    assert!(
        problem
            .detail
            .starts_with("step e: the workflow's answer has"),
        "{problem}"
    );
    let steps =
        json!([{"name": "c", "tool": "t.x", "arguments": {"a": "${input}", "b": "${input}"}}]);
    let twice = plan(steps);
    let mut run = Run::new(&twice, long.as_str().unwrap(), 9);
    let Now::Failed(problem) = run.go_on().now else {
        panic!()
    };
    assert!(
        problem.detail.starts_with("step c: arguments: more than"),
        "{problem}"
    );
    assert_eq!(problem.code, Code::ProgramFailed);
}

#[test]
fn a_step_that_failed_names_its_turn() {
    let plan =
        plan(json!([{"name": "b", "steps": [{"name": "a", "agent": "clerk", "input": "x"}]}]));
    let mut run = Run::new(&plan, "", 9);
    run.go_on();
    let failed = Err(Problem::new(Code::Unanswered, "cannot"));
    run.answered(
        "b.a",
        Outcome {
            turn: Some(7),
            ..Outcome::from(failed)
        },
    );
    let told = run.go_on().told;
    let turns: Vec<_> = told.iter().map(|it| (it.step.as_str(), it.turn)).collect();
    assert_eq!(turns, [("b", None), ("b.a", Some(7))]);
}

#[test]
fn what_is_too_long_is_not_taken() {
    let plan = plan(
        json!([{"name": "e", "foreach": "${[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18]}", "steps": [{"name": "p", "tool": "t.x"}]}]),
    );
    let long = |length: usize| {
        Ok(Answer {
            text: "x".repeat(length),
            ..Answer::default()
        })
    };
    let mut run = Run::new(&plan, "", 9);
    run.go_on();
    run.answered("e[0].p", long(crate::MAX_RESULT + 1));
    let Now::Failed(one) = run.go_on().now else {
        panic!()
    };
    assert!(one.detail.contains("its result has 262145 bytes"), "{one}");
    let mut run = Run::new(&plan, "", 9);
    let all = (0..18).find_map(|at| match run.go_on().now {
        Now::Failed(problem) => Some(problem),
        _ => {
            run.answered(&format!("e[{at}].p"), long(crate::MAX_RESULT));
            None
        }
    });
    assert!(all.unwrap().detail.contains("of all steps"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// In whatever order answers come, and wherever a run is broken off and begun anew with the answers that were recorded:
    /// the same calls under the same names, none twice, and the same end.
    #[test]
    fn a_run_that_begins_anew_does_nothing_twice(order in proptest::collection::vec(0usize..97, 40), broken in 0usize..12) {
        let plan = plan(whole());
        let expected = finish(&plan, |_| 0);
        let mut order = order.into_iter().cycle();
        let mut pick = |open: usize| order.next().unwrap_or_default() % open;

        let mut recorded: BTreeMap<String, (Call, Result<Answer, Problem>)> = BTreeMap::new();
        let mut runs = 0;
        let end = 'runs: loop {
            runs += 1;
            let mut run = Run::new(&plan, "the input", 100);
            let (mut open, mut answers) = (Vec::new(), 0);
            let mut named = BTreeSet::new();
            loop {
                let turn = run.go_on();
                if turn.now != Now::Waits {
                    break 'runs turn.now;
                }
                for start in turn.starts {
                    prop_assert!(named.insert(start.step.clone()), "{} is started twice", start.step);
                    open.push(start);
                }
                let start: Start = open.remove(pick(open.len()));
                let known = recorded.entry(start.step.clone());
                let (call, answer) = known.or_insert_with(|| {
                    answers += 1;
                    (start.call.clone(), echo(&start.call))
                });
                prop_assert_eq!(&*call, &start.call, "the same name is the same call");
                run.answered(&start.step, answer.clone());
                if runs < 5 && answers > broken {
                    continue 'runs;
                }
            }
        };
        prop_assert_eq!(end, expected.end);
        let made: BTreeMap<_, _> = expected.made.into_iter().collect();
        let done: BTreeMap<_, _> = recorded.into_iter().map(|(step, it)| (step, it.0)).collect();
        prop_assert_eq!(done, made);
    }
}
