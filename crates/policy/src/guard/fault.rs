//! What is wrong with guardrails: where, what, and what to do.

use aion_device::{Fault, Of};

/// As many names are listed where one was not found.
pub(super) const NAMED: usize = 8;

/// What is wrong with an expression, or with one for a certain point: where it stands is said by whoever has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) problem: String,
    pub(super) remedy: String,
    /// It is wrong for the point that is looked at, and may be right for another.
    pub(super) of_point: bool,
}

impl Wrong {
    pub(super) fn new(problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            problem: problem.into(),
            remedy: remedy.into(),
            of_point: false,
        }
    }

    pub(super) fn of_point(self) -> Self {
        Self {
            of_point: true,
            ..self
        }
    }
}

/// All that was found so far, and where we are.
#[derive(Debug)]
pub(super) struct Faults {
    found: Vec<Fault>,
    of: Of,
    field: String,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            found: Vec::new(),
            of: Of::Model,
            field: String::new(),
        }
    }
}

impl Faults {
    pub(super) fn at(&mut self, of: Of, field: String) {
        (self.of, self.field) = (of, field);
    }

    pub(super) fn add(
        &mut self,
        below: &str,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let fault = Fault {
            of: self.of,
            field: format!("{}{below}", self.field),
            what: problem.into(),
            remedy: remedy.into(),
        };
        // One thing that is wrong for several points is one.
        if !self.found.contains(&fault) {
            self.found.push(fault);
        }
    }

    pub(super) fn none(&mut self) -> Result<(), Vec<Fault>> {
        match self.found.is_empty() {
            true => Ok(()),
            false => Err(self.all()),
        }
    }

    pub(super) fn all(&mut self) -> Vec<Fault> {
        std::mem::take(&mut self.found)
    }
}

/// The first few of what there is.
pub(super) fn listed<T: AsRef<str>>(what: &str, names: &[T]) -> String {
    let shown: Vec<&str> = names.iter().take(NAMED).map(AsRef::as_ref).collect();
    let more = if names.len() > NAMED { ", …" } else { "" };
    match shown.is_empty() {
        true => format!("there is no {what}"),
        false => format!("use one of {}{more}", shown.join(", ")),
    }
}
