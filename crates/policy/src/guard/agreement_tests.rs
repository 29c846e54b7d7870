//! Compiled conditions say what CEL says, where all is known.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, HashMap};

use aion_abi::syscall::device::Value;
use aion_api::{DeviceModelSpec, ValueType};
use aion_kernel::{Measure, Term};
use kube_cel::cel::{Context, Value as Cel};
use proptest::prelude::*;
use serde_json::json;

use super::expression::Expression;
use super::points::{Point, Type};
use super::{Place, measure};

const CHOICES: [&str; 3] = ["closed", "ajar", "open"];

/// What all that an expression may name is.
#[derive(Debug, Clone)]
struct World {
    value: f64,
    current: f64,
    battery: f64,
    open: bool,
    contact: &'static str,
}

impl World {
    fn measured(&self, term: &Term) -> Option<Measure> {
        let choices = CHOICES.map(str::to_owned);
        let (of, value) = match term {
            Term::Constant(value) => return Some(*value),
            Term::Wanted => (ValueType::Number, Value::Number(self.value)),
            Term::Current => (ValueType::Number, Value::Number(self.current)),
            Term::Sensed { point, .. } => match point.as_str() {
                "battery" => (ValueType::Number, Value::Number(self.battery)),
                "open" => (ValueType::Boolean, Value::Boolean(self.open)),
                _ => (ValueType::Choice, Value::Text(self.contact.to_owned())),
            },
        };
        measure(of, &choices, &value)
    }

    fn in_cel(&self) -> Context<'static> {
        let window: HashMap<String, Cel> = HashMap::from([
            ("battery".to_owned(), Cel::from(self.battery)),
            ("open".to_owned(), Cel::from(self.open)),
            ("contact".to_owned(), Cel::from(self.contact)),
        ]);
        let devices = HashMap::from([("front-door".to_owned(), Cel::from(window))]);
        let mut context = Context::default();
        context.add_variable_from_value("value", Cel::from(self.value));
        context.add_variable_from_value("current", Cel::from(self.current));
        context.add_variable_from_value("devices", Cel::from(devices));
        context
    }
}

fn numbers() -> impl Strategy<Value = f64> {
    // Quarters are kept exactly, and meet each other often.
    (-12_i32..12).prop_map(|it| f64::from(it) / 4.0)
}

fn worlds() -> impl Strategy<Value = World> {
    let contact = prop::sample::select(&CHOICES[..]);
    let all = (numbers(), numbers(), numbers(), any::<bool>(), contact);
    all.prop_map(|(value, current, battery, open, contact)| World {
        value,
        current,
        battery,
        open,
        contact,
    })
}

fn comparisons() -> impl Strategy<Value = String> {
    let number = prop_oneof![
        Just("value".to_owned()),
        Just("current".to_owned()),
        Just("devices['front-door'].battery".to_owned()),
    ];
    let how = || prop::sample::select(&["==", "!=", "<", "<=", ">", ">="][..]);
    let same = || prop::sample::select(&["==", "!="][..]);
    let choice = || prop::sample::select(&CHOICES[..]);
    let fixed = || numbers().prop_map(|it| format!("{it:?}"));
    let contact = "devices[\"front-door\"].contact";
    let open = "devices['front-door'].open";
    prop_oneof![
        (number.clone(), how(), fixed()).prop_map(|(it, how, with)| format!("{it} {how} {with}")),
        (fixed(), how(), number.clone()).prop_map(|(it, how, with)| format!("{it} {how} {with}")),
        (number.clone(), how(), number.clone())
            .prop_map(|(it, how, with)| format!("{it} {how} {with}")),
        (number, prop::collection::vec(fixed(), 0..4))
            .prop_map(|(it, with)| format!("{it} in [{}]", with.join(", "))),
        (same(), choice()).prop_map(move |(how, it)| format!("{contact} {how} \"{it}\"")),
        prop::collection::vec(choice(), 0..3).prop_map(move |all| format!("{contact} in {all:?}")),
        (same(), any::<bool>()).prop_map(move |(how, it)| format!("{open} {how} {it}")),
        Just(open.to_owned()),
        any::<bool>().prop_map(|it| it.to_string()),
    ]
}

/// With at most six brackets in one another.
fn expressions() -> impl Strategy<Value = String> {
    comparisons().prop_recursive(4, 24, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(left, right)| format!("({left} && {right})")),
            (inner.clone(), inner.clone()).prop_map(|(left, right)| format!("({left} || {right})")),
            (inner.clone(), inner.clone()).prop_map(|(left, right)| format!("{left} || {right}")),
            (inner.clone(), inner.clone()).prop_map(|(left, right)| format!("{left} && {right}")),
            inner.prop_map(|it| format!("!({it})")),
        ]
    })
}

proptest! {
    #[test]
    fn a_condition_says_what_cel_says(source in expressions(), worlds in prop::collection::vec(worlds(), 8)) {
        let model = json!({"properties": [
            {"name": "battery", "type": "number"},
            {"name": "open", "type": "boolean"},
            {"name": "contact", "type": "choice", "choices": CHOICES},
        ]});
        let model: DeviceModelSpec = serde_json::from_value(model).unwrap();
        let others = BTreeMap::from([("front-door".to_owned(), model.clone())]);
        let place = Place { tenant: "home", own: "hall", model: &model, others: &others };
        let point = Point { name: "target", of: Some(Type::Number), heard: true };
        let parsed = Expression::parse(&source).unwrap();
        let condition = parsed.compile(&point, &place).unwrap();
        for world in worlds {
            let holds = condition.holds(&|term: &Term| world.measured(term));
            let said = Cel::resolve(&parsed.0, &world.in_cel()).unwrap();
            prop_assert_eq!(Cel::from(holds.unwrap()), said, "{}: {:?}", source, world);
        }
    }
}
