//! What is wrong, where, and what to do about it.

use std::fmt;

use aion_abi::admin::Rejected;

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file, as the caller named it.
    pub file: String,
    /// The line, from 1.
    pub line: u64,
    /// The column, from 1.
    pub column: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where in a file, when it was read from one.
    pub place: Option<Place>,
    /// The object, such as `Agent jarvis`; empty while it is not known.
    pub object: String,
    /// The field, such as `spec.tools[0].name`; empty for the whole object.
    pub field: String,
    /// What is wrong.
    pub what: String,
    /// What to do about it, where that is known.
    pub remedy: Option<String>,
}

impl Problem {
    /// A problem of `field`, in an object that the caller names.
    pub fn new(field: impl Into<String>, told: impl Into<Told>) -> Self {
        let Told { what, remedy } = told.into();
        Self {
            place: None,
            object: String::new(),
            field: field.into(),
            what,
            remedy,
        }
    }
}

/// What is wrong and, where that is known, what to do about it. A pair of texts is both, one text the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub remedy: Option<String>,
}

impl From<&Problem> for Told {
    fn from(problem: &Problem) -> Self {
        Self {
            what: problem.what.clone(),
            remedy: problem.remedy.clone(),
        }
    }
}

impl From<&str> for Told {
    fn from(what: &str) -> Self {
        Self::from(what.to_owned())
    }
}

impl From<String> for Told {
    fn from(what: String) -> Self {
        Self { what, remedy: None }
    }
}

impl<W: Into<String>, R: Into<String>> From<(W, R)> for Told {
    fn from((what, remedy): (W, R)) -> Self {
        Self {
            what: what.into(),
            remedy: Some(remedy.into()),
        }
    }
}

/// As the administrative interface tells a fault of a manifest. The file is the place's, where there is one.
impl From<Problem> for Rejected {
    fn from(problem: Problem) -> Self {
        let (file, line) = match problem.place {
            Some(place) => (place.file, u32::try_from(place.line).ok()),
            None => (String::new(), None),
        };
        Self {
            file,
            line,
            resource: (!problem.object.is_empty()).then(|| problem.object.replace(' ', "/")),
            field: Some(problem.field).filter(|field| !field.is_empty()),
            message: problem.what,
            remedy: problem.remedy.unwrap_or_default(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        for part in [&self.object, &self.field] {
            if !part.is_empty() {
                write!(f, "{part}: ")?;
            }
        }
        f.write_str(&self.what)?;
        match &self.remedy {
            Some(remedy) => write!(f, ": {remedy}"),
            None => Ok(()),
        }
    }
}

/// The longest list of problems, in bytes: a condition's message is cut behind 8,192.
const LONGEST: usize = 8_000;

/// Problems one behind the other, as a condition's message has them; where there are too many, the first of them and how many
/// more there are.
#[must_use]
pub fn list(problems: &[Problem]) -> String {
    let mut text = String::new();
    for (at, problem) in problems.iter().enumerate() {
        let next = problem.to_string();
        if at > 0 && text.len() + next.len() > LONGEST {
            return format!("{text}; and {} more", problems.len() - at);
        }
        if at > 0 {
            text.push_str("; ");
        }
        text.push_str(&next);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_is_too_long_says_how_much_is_left_out() {
        let all: Vec<_> = (0..100)
            .map(|it| Problem::new(format!("spec.points[{it}]"), "x".repeat(200)))
            .collect();
        let text = list(&all);
        let shown = text.matches("spec.points").count();
        assert!(text.len() < 8_192 && shown > 30, "{shown}");
        assert!(text.ends_with(&format!("; and {} more", 100 - shown)));
        assert_eq!(list(&all[..2]), format!("{}; {}", all[0], all[1]));
    }

    #[test]
    fn what_to_do_is_what_the_fault_says_and_not_what_stands_behind_a_colon() {
        let quote = "withoutModel: quote answers with passages from memory";
        let problem = Problem::new("spec.withoutModel", (quote, "add memory {pool}"));
        assert_eq!(
            problem.to_string(),
            format!("spec.withoutModel: {quote}: add memory {{pool}}")
        );
        let rejected = Rejected::from(problem);
        assert_eq!(rejected.message, quote);
        assert_eq!(rejected.remedy, "add memory {pool}");

        let why = "it was read twice: once here, once there";
        let rejected = Rejected::from(Problem::new("", why));
        assert_eq!((&*rejected.message, &*rejected.remedy), (why, ""));
    }
}
