//! Which names an expression may use where it stands: results of steps that are done by then, and what the steps round it
//! give. What a step does may not enter.

use std::collections::BTreeMap;

use aion_abi::steps::Step;

use crate::expression::Reference;
use crate::fault::{Fault, Wrong};

/// Where a step stands: the names of those round it, and its field.
#[derive(Debug, Clone)]
struct Place {
    around: Vec<String>,
    field: String,
}

/// Every step of a workflow by its name.
#[derive(Debug, Default)]
pub(crate) struct Names(BTreeMap<String, Place>);

impl Names {
    /// Gathers them; a name that is there twice is a fault.
    pub(crate) fn of(steps: &[Step], faults: &mut Vec<Fault>) -> Self {
        let mut names = Self::default();
        names.add(steps, "spec.steps", &[], faults);
        names
    }

    fn add(&mut self, steps: &[Step], field: &str, around: &[String], faults: &mut Vec<Fault>) {
        for (at, step) in steps.iter().enumerate() {
            let field = format!("{field}[{at}]");
            if let Some(first) = self.0.get(&step.name) {
                faults.push(Fault::new(
                    format!("{field}.name"),
                    format!("{} is called {} too", first.field, step.name),
                    "give each step a name of its own, in the whole workflow",
                ));
            } else {
                let place = Place {
                    around: around.to_vec(),
                    field: field.clone(),
                };
                self.0.insert(step.name.clone(), place);
            }
            let inside: Vec<_> = around.iter().chain([&step.name]).cloned().collect();
            self.add(&step.steps, &format!("{field}.steps"), &inside, faults);
        }
    }
}

/// What can be named at a place.
#[derive(Debug, Clone, Default)]
pub(crate) struct Visible {
    /// Steps that are done by then.
    pub(crate) steps: Vec<String>,
    /// What the steps round it give.
    pub(crate) variables: Vec<&'static str>,
    /// The steps round it.
    pub(crate) around: Vec<String>,
    /// Those that run at the same time.
    pub(crate) beside: Vec<String>,
}

impl Visible {
    /// Whether `reference` can be resolved here.
    pub(crate) fn check(&self, reference: &Reference, names: &Names) -> Result<(), Wrong> {
        match reference {
            Reference::Variable(name) if self.variables.contains(&name.as_str()) => Ok(()),
            Reference::Variable(name) => Err(self.no_variable(name, names)),
            Reference::Step(name) if self.steps.contains(name) => Ok(()),
            Reference::Step(name) => Err(self.no_step(name, names)),
        }
    }

    fn no_variable(&self, name: &str, names: &Names) -> Wrong {
        let given = self.variables.join(", ");
        let remedy = match (name, names.0.contains_key(name)) {
            (_, true) => format!("write steps.{name} for the result of the step {name}"),
            ("item" | "index", _) => "it is there inside a step with foreach".to_owned(),
            ("previous" | "round", _) => "it is there inside a step with until".to_owned(),
            _ => format!("use one of {given}, or steps.NAME"),
        };
        Wrong::new(format!("there is no {name} here"), remedy)
    }

    fn no_step(&self, name: &str, names: &Names) -> Wrong {
        let before = match self.steps.is_empty() {
            true => "no step is done before this one".to_owned(),
            false => format!(
                "the steps done before this one are {}",
                self.steps.join(", ")
            ),
        };
        let Some(place) = names.0.get(name) else {
            return Wrong::new(format!("there is no step {name}"), before);
        };
        if self.around.iter().any(|it| it == name) {
            let what = format!("step {name} is around this one, so it has no result yet");
            return Wrong::new(what, before);
        }
        if self.beside.iter().any(|it| it == name) {
            let what = format!("step {name} runs at the same time as this one");
            let remedy = "remove parallel from the step round both, or refer to another step";
            return Wrong::new(what, remedy);
        }
        if let Some(outer) = place.around.iter().find(|it| self.steps.contains(it)) {
            let what = format!("step {name} is inside step {outer}, where its result stays");
            return Wrong::new(
                what,
                format!("write steps.{outer}, the result of all of it"),
            );
        }
        Wrong::new(
            format!("step {name} comes later ({})", place.field),
            format!("move it before this one; {before}"),
        )
    }
}
