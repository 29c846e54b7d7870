//! Steps that were read and found whole: every text compiled, every reference to something that is there by then.

mod calls;

use aion_abi::steps::{
    DeviceCall, Form, MAX_DEPTH, MAX_NAME, MAX_PARALLEL, MAX_ROUNDS, MAX_STEPS, Step,
};

use crate::expression::{Expression, Reference};
use crate::fault::{Fault, Wrong};
use crate::text::Text;
use crate::visible::{Names, Visible};

/// Words of CEL, which no field of an expression can be called.
const RESERVED: [&str; 20] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "false",
    "for",
    "function",
    "if",
    "import",
    "in",
    "let",
    "loop",
    "namespace",
    "null",
    "package",
    "return",
    "true",
    "var",
    "void",
];

/// What the agent has for its steps: they may use nothing else.
#[derive(Debug, Clone, Default)]
pub struct Given {
    /// The tools under `spec.tools`, by name.
    pub tools: Vec<String>,
    /// The agents there.
    pub agents: Vec<String>,
    /// Whether there is `spec.model`.
    pub has_model: bool,
}

/// A workflow that can be done.
#[derive(Debug)]
pub struct Plan(pub(crate) Vec<Node>);

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) when: Option<Expression>,
    pub(crate) what: What,
}

#[derive(Debug)]
pub(crate) enum What {
    Tool {
        operation: String,
        arguments: Vec<(String, Text)>,
        form: Form,
    },
    Device {
        call: DeviceCall,
        arguments: Vec<(String, Text)>,
        form: Form,
    },
    Agent {
        agent: String,
        input: Text,
        form: Form,
    },
    Prompt {
        prompt: Text,
        form: Form,
    },
    Value(Text, Form),
    InOrder(Vec<Node>),
    AtOnce {
        width: usize,
        steps: Vec<Node>,
    },
    Each {
        list: Expression,
        width: usize,
        steps: Vec<Node>,
    },
    Until {
        condition: Expression,
        max: u32,
        steps: Vec<Node>,
    },
}

impl Plan {
    /// Reads steps. Without `given` it is not asked whether the agent has what they use, which was when it was resolved.
    ///
    /// # Errors
    /// All that is wrong with them.
    pub fn make(steps: &[Step], given: Option<&Given>) -> Result<Self, Vec<Fault>> {
        let mut making = Making {
            given,
            names: Names::default(),
            faults: Vec::new(),
        };
        let count = count(steps, 1);
        match count {
            Err(field) => making.faults.push(Fault::new(
                field,
                format!("steps stand {MAX_DEPTH} deep in one another at most"),
                "take the innermost out into an agent of its own, and ask that",
            )),
            Ok(count) if count > MAX_STEPS => making.faults.push(Fault::new(
                "spec.steps",
                format!("has {count} steps, and {MAX_STEPS} are the most"),
                "take some out into an agent of its own, and ask that",
            )),
            Ok(_) => {}
        }
        if !making.faults.is_empty() {
            return Err(making.faults);
        }
        making.names = Names::of(steps, &mut making.faults);
        let visible = Visible {
            variables: vec!["input"],
            ..Visible::default()
        };
        let nodes = making.list(steps, "spec.steps", visible).0;
        match making.faults.is_empty() {
            true => Ok(Self(nodes)),
            false => Err(making.faults),
        }
    }
}

/// How many there are, or the field of one that stands too deep.
fn count(steps: &[Step], depth: usize) -> Result<usize, String> {
    let mut all = steps.len();
    for (at, step) in steps.iter().enumerate() {
        if step.steps.is_empty() {
            continue;
        }
        if depth >= MAX_DEPTH {
            return Err(format!("spec.steps[{at}].steps"));
        }
        let inner = count(&step.steps, depth + 1);
        all += inner.map_err(|field| field.replacen("spec.", &format!("spec.steps[{at}]."), 1))?;
    }
    Ok(all)
}

struct Making<'a> {
    given: Option<&'a Given>,
    names: Names,
    faults: Vec<Fault>,
}

impl Making<'_> {
    fn fault(
        &mut self,
        field: &str,
        part: &str,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.faults
            .push(Fault::new(format!("{field}.{part}"), what, remedy));
    }

    /// Steps one after another; gives what is visible after the last, too.
    fn list(&mut self, steps: &[Step], field: &str, mut visible: Visible) -> (Vec<Node>, Visible) {
        let mut nodes = Vec::new();
        for (at, step) in steps.iter().enumerate() {
            nodes.extend(self.step(step, &format!("{field}[{at}]"), &visible));
            visible.steps.push(step.name.clone());
        }
        (nodes, visible)
    }

    fn step(&mut self, step: &Step, field: &str, visible: &Visible) -> Option<Node> {
        self.name(step, field);
        let when = step.when.as_ref();
        let when = when.and_then(|it| self.condition(it, field, "when", visible));
        Some(Node {
            name: step.name.clone(),
            when,
            what: self.what(step, field, visible)?,
        })
    }

    fn name(&mut self, step: &Step, field: &str) {
        let name = &step.name;
        let mut chars = name.chars();
        let is_name = chars.next().is_some_and(|it| it.is_ascii_lowercase())
            && chars.all(|it| it.is_ascii_alphanumeric() || it == '_')
            && name.len() <= MAX_NAME;
        if !is_name || RESERVED.contains(&name.as_str()) {
            self.fault(
                field,
                "name",
                format!("{name:?} cannot be the name of a step"),
                format!(
                    "write letters, digits and _, a small letter first, {MAX_NAME} at most, and no word of CEL"
                ),
            );
        }
    }

    fn what(&mut self, step: &Step, field: &str, visible: &Visible) -> Option<What> {
        let does = [
            ("tool", step.tool.is_some()),
            ("device", step.device.is_some()),
            ("agent", step.agent.is_some()),
            ("prompt", step.prompt.is_some()),
            ("value", step.value.is_some()),
            ("steps", !step.steps.is_empty()),
        ];
        let given: Vec<_> = does.iter().filter(|it| it.1).map(|it| it.0).collect();
        let [one] = given.as_slice() else {
            let what = match given.as_slice() {
                [] => "does nothing".to_owned(),
                several => format!("has {}", several.join(" and ")),
            };
            let remedy = "write exactly one of tool, device, agent, prompt, value and steps";
            self.faults.push(Fault::new(field, what, remedy));
            return None;
        };
        self.belongs(step, field, one);
        match *one {
            "tool" => self.tool(step, field, visible),
            "device" => self.device(step, field, visible),
            "agent" => self.agent(step, field, visible),
            "prompt" => {
                if self.given.is_some_and(|it| !it.has_model) {
                    self.fault(
                        field,
                        "prompt",
                        "the agent has no model to ask",
                        "name one under spec.model.use, or use agent",
                    );
                }
                let prompt = step.prompt.as_deref().unwrap_or_default();
                Some(What::Prompt {
                    prompt: self.text(prompt, field, "prompt", visible)?,
                    form: step.form.unwrap_or_default(),
                })
            }
            "value" => {
                let value = step.value.as_deref().unwrap_or_default();
                let form = step.form.unwrap_or_default();
                let text = self.text(value, field, "value", visible);
                text.map(|text| What::Value(text, form))
            }
            _ => self.block(step, field, visible),
        }
    }

    /// Fields that are for another kind of step.
    fn belongs(&mut self, step: &Step, field: &str, one: &str) {
        let calls = "tool, device, agent, prompt and value";
        for (part, there, whose, fits) in [
            (
                "arguments",
                !step.arguments.is_empty(),
                "tool and device",
                ["tool", "device"].contains(&one),
            ),
            ("input", step.input.is_some(), "agent", one == "agent"),
            ("as", step.form.is_some(), calls, one != "steps"),
            ("foreach", step.foreach.is_some(), "steps", one == "steps"),
            ("until", step.until.is_some(), "steps", one == "steps"),
            (
                "maxRounds",
                step.max_rounds.is_some(),
                "until",
                step.until.is_some(),
            ),
            ("parallel", step.parallel.is_some(), "steps", one == "steps"),
        ] {
            if there && !fits {
                let what = format!("is for {whose}, and this step has {one}");
                let remedy = match part {
                    "foreach" | "until" => format!(
                        "put the step into one: {{name: …, {part}: …, steps: [{{name: {}, {one}: …}}]}}",
                        step.name
                    ),
                    _ => format!("remove it, or use {whose}"),
                };
                self.fault(field, part, what, remedy);
            }
        }
    }

    fn block(&mut self, step: &Step, field: &str, visible: &Visible) -> Option<What> {
        let inner = format!("{field}.steps");
        let mut inside = visible.clone();
        inside.around.push(step.name.clone());
        let width = step.parallel.unwrap_or(1);
        if width == 0 || width > MAX_PARALLEL {
            let what = format!("is {width}");
            self.fault(
                field,
                "parallel",
                what,
                format!("write 1 to {MAX_PARALLEL}"),
            );
        }
        let width = width as usize;
        if step.foreach.is_some() && step.until.is_some() {
            self.fault(
                field,
                "until",
                "a step has foreach or until",
                "put one of them into a step inside",
            );
            return None;
        }
        if let Some(list) = &step.foreach {
            let list = self.condition(list, field, "foreach", visible);
            add(&mut inside.variables, &["item", "index"]);
            let (steps, _) = self.list(&step.steps, &inner, inside);
            return Some(What::Each {
                list: list?,
                width,
                steps,
            });
        }
        if let Some(condition) = &step.until {
            if step.parallel.is_some() {
                let what = "rounds are done one after another";
                self.fault(
                    field,
                    "parallel",
                    what,
                    "remove it, or put it into a step inside",
                );
            }
            let max = step.max_rounds.unwrap_or_default();
            if max == 0 || max > MAX_ROUNDS {
                let remedy = format!("write how many rounds there are at most, 1 to {MAX_ROUNDS}");
                let what = step
                    .max_rounds
                    .map_or("is missing".to_owned(), |it| format!("is {it}"));
                self.fault(field, "maxRounds", what, remedy);
            }
            add(&mut inside.variables, &["previous", "round"]);
            let (steps, after) = self.list(&step.steps, &inner, inside);
            let condition = self.condition(condition, field, "until", &after);
            return Some(What::Until {
                condition: condition?,
                max,
                steps,
            });
        }
        if step.parallel == Some(1) {
            self.fault(
                field,
                "parallel",
                "is 1 without foreach: its steps would be done in no order, one at a time",
                "remove it to have them done one after another, or write 2 or more",
            );
        }
        if step.parallel.is_some() {
            let steps = self.at_once(&step.steps, &inner, &inside);
            return Some(What::AtOnce { width, steps });
        }
        Some(What::InOrder(self.list(&step.steps, &inner, inside).0))
    }

    fn at_once(&mut self, steps: &[Step], field: &str, visible: &Visible) -> Vec<Node> {
        let mut nodes = Vec::new();
        for (at, step) in steps.iter().enumerate() {
            let mut visible = visible.clone();
            let others = steps.iter().enumerate().filter(|(other, _)| *other != at);
            visible.beside.extend(others.map(|(_, it)| it.name.clone()));
            nodes.extend(self.step(step, &format!("{field}[{at}]"), &visible));
        }
        nodes
    }

    fn text(&mut self, text: &str, field: &str, part: &str, visible: &Visible) -> Option<Text> {
        let text = self.kept(Text::parse(text), field, part)?;
        let references: Vec<_> = text.references().cloned().collect();
        self.resolved(&references, field, part, visible)
            .then_some(text)
    }

    fn condition(
        &mut self,
        text: &str,
        field: &str,
        part: &str,
        visible: &Visible,
    ) -> Option<Expression> {
        let expression = self.kept(Text::expression(text), field, part)?;
        let references: Vec<_> = expression.references().cloned().collect();
        self.resolved(&references, field, part, visible)
            .then_some(expression)
    }

    fn kept<T>(&mut self, read: Result<T, Wrong>, field: &str, part: &str) -> Option<T> {
        read.map_err(|wrong| self.faults.push(wrong.at(&format!("{field}.{part}"))))
            .ok()
    }

    fn resolved(
        &mut self,
        references: &[Reference],
        field: &str,
        part: &str,
        visible: &Visible,
    ) -> bool {
        let found = references
            .iter()
            .filter_map(|it| visible.check(it, &self.names).err());
        let wrong: Vec<_> = found.map(|it| it.at(&format!("{field}.{part}"))).collect();
        let none = wrong.is_empty();
        self.faults.extend(wrong);
        none
    }
}

fn add(variables: &mut Vec<&'static str>, names: &[&'static str]) {
    for name in names {
        if !variables.contains(name) {
            variables.push(name);
        }
    }
}

#[cfg(test)]
mod tests;
