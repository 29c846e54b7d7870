//! The rules of the shipped homekeeper, by its answers: the house is given as the node lists it, and what it does is answered as a
//! device would.
#![allow(clippy::unwrap_used, clippy::panic)]

use aion_abi::problem::Problem;
use aion_abi::steps::DeviceCall;
use aion_steps::{Answer, Call, Given, Now, Outcome, Plan, Run};
use serde_json::{Value, json};

fn plan(agent: &str) -> Plan {
    let agent: aion_api::Agent = serde_saphyr::from_str(agent).unwrap();
    Plan::make(&agent.spec.steps, Some(&Given::default())).unwrap_or_else(|it| panic!("{it:?}"))
}

fn house() -> Value {
    let contact = |name: &str, is: &str| {
        json!({"name": name, "model": "contact", "reach": "online",
            "properties": [{"name": "contact", "type": "choice", "choices": ["open", "closed"]}],
            "readings": [{"property": "contact", "value": is, "ageMs": 5}]})
    };
    json!({"more": false, "devices": [
        contact("front-door", "closed"),
        {"name": "front-lock", "model": "lock", "reach": "online", "commands": [{"name": "lock"}, {"name": "unlock"}],
            "properties": [{"name": "state", "type": "choice", "choices": ["locked", "unlocked"]}],
            "readings": [{"property": "state", "value": "locked"}]},
        {"name": "heater", "model": "heater", "reach": "online",
            "properties": [{"name": "temperature", "type": "number"}, {"name": "target", "type": "number", "writable": true}],
            "readings": [{"property": "temperature", "value": 19.5, "unit": "Cel"}, {"property": "target", "value": 18.0, "unit": "Cel"}]},
        {"name": "kitchen-lamp", "model": "lamp", "reach": "online",
            "properties": [{"name": "power", "type": "boolean", "writable": true},
                {"name": "brightness", "type": "integer", "writable": true}],
            "readings": [{"property": "power", "value": true}, {"property": "brightness", "value": 40, "unit": "%"}]},
        contact("kitchen-window", "open"),
        {"name": "hall-motion", "model": "motion", "reach": "offline", "properties": [{"name": "motion", "type": "boolean"}],
            "readings": [{"property": "motion", "value": false, "stale": true}]},
    ]})
}

/// The answer, and what was told to devices; `refused` is what they answer, where they do nothing.
fn asked(input: &str, house: &Value, refused: Option<&str>) -> (String, Vec<Value>) {
    let plan = plan(include_str!("../../../agents/homekeeper/agent.yaml"));
    let (mut run, mut told) = (Run::new(&plan, input, 0), Vec::new());
    loop {
        let turn = run.go_on();
        match turn.now {
            Now::Waits => {}
            Now::Done(answer) => return (answer.unwrap().as_str().unwrap().to_owned(), told),
            Now::Failed(why) => panic!("{input}: {why}"),
        }
        for start in turn.starts {
            let Call::Device {
                call, arguments, ..
            } = start.call
            else {
                panic!("{start:?}")
            };
            let structured = match (call, refused) {
                (DeviceCall::List, _) => house.clone(),
                (_, Some(why)) => json!({"done": false, "code": "guarded", "why": why}),
                (_, None) => json!({"done": true, "confirmedBy": "device"}),
            };
            if call != DeviceCall::List {
                told.push(Value::Object(arguments));
            }
            let answer: Result<Answer, Problem> = Ok(Answer {
                text: String::new(),
                structured: Some(structured),
            });
            run.answered(&start.step, Outcome::from(answer));
        }
    }
}

#[test]
fn it_tells_what_is_open_and_on_and_what_it_cannot_know() {
    let said = |input| asked(input, &house(), None);
    assert_eq!(
        said("What is open?"),
        ("Open: kitchen-window.".to_owned(), vec![])
    );
    assert_eq!(
        said("Which lamps are on?").0,
        "On: kitchen-lamp. Not known: hall-motion (offline)."
    );
    let all = said("How is the house?").0;
    assert!(
        all.contains("heater: temperature 19.5 Cel, target 18"),
        "{all}"
    );
    assert!(
        all.contains("hall-motion (offline): motion off (not heard lately)"),
        "{all}"
    );
    let none = json!({"more": false, "devices": []});
    assert_eq!(asked("What is open?", &none, None).0, "Nothing is open.");
    assert_eq!(asked("Hello", &none, None).0, "I have no devices yet.");
    assert!(
        said("Is the heater on?").1.is_empty(),
        "a question is no order"
    );
}

#[test]
fn what_was_not_heard_is_not_said_to_be_closed() {
    let open = |change: &dyn Fn(&mut Value)| {
        let mut house = house();
        house["devices"][4]["readings"][0]["value"] = "closed".into();
        assert_eq!(asked("What is open?", &house, None).0, "Nothing is open.");
        change(&mut house);
        asked("What is open?", &house, None).0
    };
    let window = |not_known: &str| {
        format!("Nothing is known to be open. Not known: kitchen-window ({not_known}).")
    };
    assert_eq!(
        open(&|it| it["devices"][4]["readings"] = json!([])),
        window("not heard since the node started")
    );
    assert_eq!(
        open(&|it| it["devices"][4]["readings"] = json!([{"property": "battery", "value": 5}])),
        window("not heard since the node started")
    );
    assert_eq!(
        open(&|it| it["devices"][4]["readings"][0]["stale"] = true.into()),
        window("not heard lately")
    );
    assert_eq!(
        open(&|it| it["devices"][4]["reach"] = "broker-away".into()),
        window("its broker is away")
    );
    assert_eq!(
        open(&|it| it["more"] = true.into()),
        "Nothing is known to be open. Not known: all devices beyond the first 6."
    );
    let mut long = house();
    long["more"] = true.into();
    let said = |input| asked(input, &long, None).0;
    assert_eq!(
        said("What is open?"),
        "Open: kitchen-window. Not known: all devices beyond the first 6."
    );
    assert!(said("How is the house?").ends_with("\nNot known: all devices beyond the first 6"));
    assert!(said("Turn on the sauna").ends_with("hall-motion, all devices beyond the first 6."));
}

#[test]
fn a_number_is_a_value_only_where_something_is_set_to_it() {
    let done = |input| asked(input, &house(), None);
    let power = |on| json!({"device": "kitchen-lamp", "property": "power", "value": on});
    assert_eq!(done("Turn on the kitchen lamp 2").1, [power(true)]);
    assert_eq!(done("Turn the kitchen lamp off at 10").1, [power(false)]);
    assert_eq!(
        done("Dim the kitchen lamp to 30").1,
        [json!({"device": "kitchen-lamp", "property": "brightness", "value": 30})]
    );
    for nothing in [
        "Set the heater 21",
        "Turn the heater up 2 degrees",
        "Turn the heater on to 21",
        "Set the heater from 18 to 21 and the kitchen lamp to 30",
        "Switch the heater to 21",
        "Turn the kitchen lamp on and off",
    ] {
        let (said, told) = done(nothing);
        assert!(told.is_empty(), "{nothing}: {told:?}");
        assert!(
            said.contains("nothing of it that I could do so"),
            "{nothing}: {said}"
        );
    }
}

#[test]
fn it_does_what_it_is_told_and_says_what_came_of_it() {
    let done = |input| asked(input, &house(), None);
    assert_eq!(
        done("Turn the heater up to 21."),
        (
            "heater: target 21, done.".to_owned(),
            vec![json!({"device": "heater", "property": "target", "value": 21})]
        )
    );
    assert_eq!(
        done("Please unlock the front lock!").1,
        [json!({"device": "front-lock", "command": "unlock"})]
    );
    let power = |on| json!({"device": "kitchen-lamp", "property": "power", "value": on});
    assert_eq!(done("Switch the kitchen lamp on").1, [power(true)]);
    assert_eq!(done("turn off the kitchen lamps").1, [power(false)]);
    assert_eq!(
        done("Set the kitchen lamp to 30").1,
        [json!({"device": "kitchen-lamp", "property": "brightness", "value": 30})]
    );
    let refused = "guardrail window-open forbids target: heating with an open window wastes energy";
    assert_eq!(
        asked("turn the heater to 21", &house(), Some(refused)).0,
        format!("heater: target 21 was not done. {refused}")
    );
    assert!(
        done("Turn on the sauna")
            .0
            .starts_with("I know no such device. There are: front-door")
    );
    assert_eq!(
        done("Turn the front door on").0,
        "front-door: there is nothing of it that I could do so."
    );
}

#[test]
fn what_people_do_is_one_call_of_their_agent() {
    let plan = plan(include_str!("../../../policies/by-hand.yaml"));
    for (input, expected) in [
        (
            json!({"device": "lamp", "property": "power", "value": true, "by": "ann"}),
            (
                DeviceCall::Write,
                json!({"device": "lamp", "property": "power", "value": true}),
            ),
        ),
        (
            json!({"device": "lock", "command": "unlock", "arguments": {"seconds": 5}, "by": "ann"}),
            (
                DeviceCall::Command,
                json!({"device": "lock", "command": "unlock", "arguments": {"seconds": 5}}),
            ),
        ),
    ] {
        let mut run = Run::new(&plan, &input.to_string(), 0);
        let starts = run.go_on().starts;
        let [start] = starts.as_slice() else {
            panic!("{starts:?}")
        };
        let Call::Device {
            call,
            arguments,
            told,
        } = &start.call
        else {
            panic!("{start:?}")
        };
        assert_eq!((*call, Value::Object(arguments.clone())), expected);
        assert!(!told, "what was refused fails the turn");
    }
    for input in ["turn on the lamp", "[1]"] {
        assert!(
            matches!(Run::new(&plan, input, 0).go_on().now, Now::Failed(_)),
            "{input}"
        );
    }
}
