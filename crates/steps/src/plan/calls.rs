//! Steps that call a tool, devices or an agent. What is called may not enter.

use aion_abi::steps::Step;

use super::{Making, What};
use crate::text::Text;
use crate::visible::Visible;

impl Making<'_> {
    pub(super) fn tool(&mut self, step: &Step, field: &str, visible: &Visible) -> Option<What> {
        let operation = step.tool.clone().unwrap_or_default();
        match operation.split_once('.') {
            Some((tool, name)) if !tool.is_empty() && !name.is_empty() => {
                if self
                    .given
                    .is_some_and(|it| !it.tools.iter().any(|one| one == tool))
                {
                    self.fault(
                        field,
                        "tool",
                        format!("the agent has no tool {tool}"),
                        format!("add {{name: {tool}}} to spec.tools"),
                    );
                }
            }
            _ => self.fault(
                field,
                "tool",
                format!("{operation:?} is not an operation"),
                "write TOOL.OPERATION, such as calendar.read",
            ),
        }
        Some(What::Tool {
            operation,
            arguments: self.arguments(step, field, visible)?,
            form: step.form.unwrap_or_default(),
        })
    }

    pub(super) fn device(&mut self, step: &Step, field: &str, visible: &Visible) -> Option<What> {
        Some(What::Device {
            call: step.device?,
            arguments: self.arguments(step, field, visible)?,
            form: step.form.unwrap_or_default(),
        })
    }

    fn arguments(
        &mut self,
        step: &Step,
        field: &str,
        visible: &Visible,
    ) -> Option<Vec<(String, Text)>> {
        let mut arguments = Vec::new();
        for (name, text) in &step.arguments {
            let part = format!("arguments.{name}");
            arguments.push((name.clone(), self.text(text, field, &part, visible)));
        }
        let arguments = arguments.into_iter();
        arguments.map(|(name, it)| Some((name, it?))).collect()
    }

    pub(super) fn agent(&mut self, step: &Step, field: &str, visible: &Visible) -> Option<What> {
        let agent = step.agent.clone().unwrap_or_default();
        if self.given.is_some_and(|it| !it.agents.contains(&agent)) {
            self.fault(
                field,
                "agent",
                format!("the agent does not have {agent} as a tool"),
                format!("add {{agent: {agent}}} to spec.tools"),
            );
        }
        let Some(input) = &step.input else {
            self.fault(
                field,
                "input",
                "is missing",
                "write what the agent is asked",
            );
            return None;
        };
        Some(What::Agent {
            input: self.text(input, field, "input", visible)?,
            agent,
            form: step.form.unwrap_or_default(),
        })
    }
}
