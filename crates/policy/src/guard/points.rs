//! What can be written or commanded, and of which type it is.

use aion_api::{DeviceModelSpec, Property, ValueType};

use super::fault::{Wrong, listed};

/// Of which type the values of a property are, as far as they are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type<'a> {
    Boolean,
    Number,
    Choice(&'a [String]),
    Text,
}

impl<'a> Type<'a> {
    pub(super) fn of(property: &'a Property) -> Self {
        match property.of {
            ValueType::Boolean => Self::Boolean,
            ValueType::Integer | ValueType::Number => Self::Number,
            ValueType::Choice => Self::Choice(&property.choices),
            ValueType::Text => Self::Text,
        }
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Boolean => "a boolean",
            Self::Number => "a number",
            Self::Choice(_) => "a choice",
            Self::Text => "a text",
        }
    }
}

/// A property that can be written, or a command.
#[derive(Debug, Clone, Copy)]
pub(super) struct Point<'a> {
    pub(super) name: &'a str,
    /// None of a command: what it takes is not compared.
    pub(super) of: Option<Type<'a>>,
    pub(super) heard: bool,
}

/// All that can be written or commanded.
pub(super) struct Points<'a> {
    model: &'a DeviceModelSpec,
    all: Vec<Point<'a>>,
}

impl<'a> Points<'a> {
    pub(super) fn of(model: &'a DeviceModelSpec) -> Self {
        let written = model.properties.iter().filter(|it| it.access.writes());
        let written = written.map(|it| Point {
            name: &it.name,
            of: Some(Type::of(it)),
            heard: it.access.reads(),
        });
        let commands = model.commands.iter().map(|it| Point {
            name: &it.name,
            of: None,
            heard: false,
        });
        let all = written.chain(commands).collect();
        Self { model, all }
    }

    pub(super) fn all(&self) -> &[Point<'a>] {
        &self.all
    }

    pub(super) fn named(&self, name: &str) -> Result<Point<'a>, Wrong> {
        if let Some(point) = self.all.iter().find(|it| it.name == name) {
            return Ok(*point);
        }
        let names: Vec<&str> = self.all.iter().map(|it| it.name).collect();
        let is_read = self.model.properties.iter().any(|it| it.name == name);
        let problem = match is_read {
            true => format!("{name} can be read alone, so nothing is to guard"),
            false => format!("the model has no property and no command {name}"),
        };
        let what = "property that can be written, and no command";
        Err(Wrong::new(problem, listed(what, &names)))
    }

    pub(super) fn of_kernel(&self) -> Vec<aion_kernel::Point> {
        let points = self.all.iter().map(|it| aion_kernel::Point {
            name: it.name.into(),
            heard: it.heard,
        });
        points.collect()
    }
}
