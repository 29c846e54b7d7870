//! `-o`, of the commands that print a table or JSON, and of those that follow something. The argument is written here once; each
//! command flattens it.

use clap::{Args, ValueEnum};

#[derive(Debug, Args)]
pub(crate) struct How {
    /// How to print: table, or json
    #[arg(
        short,
        long,
        value_enum,
        default_value_t,
        value_name = "FORM",
        hide_possible_values = true
    )]
    output: Form,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Form {
    #[default]
    Table,
    Json,
}

impl How {
    /// Whether a program reads it.
    pub(crate) fn is_json(&self) -> bool {
        self.output == Form::Json
    }
}

#[derive(Debug, Args)]
pub(crate) struct Followed {
    /// How to print: lines, or json, one object a line
    #[arg(
        short,
        long,
        value_enum,
        default_value_t,
        value_name = "FORM",
        hide_possible_values = true
    )]
    output: Line,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Line {
    #[default]
    Lines,
    Json,
}

impl Followed {
    /// Whether a program reads it.
    pub(crate) fn is_json(&self) -> bool {
        self.output == Line::Json
    }
}
