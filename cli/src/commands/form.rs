//! `-o`: the forms in which commands print. Each argument is written here once, and a command flattens the one whose forms it has.
//! What is printed may not enter.

use clap::{
    Args, ValueEnum,
    builder::{PossibleValue, PossibleValuesParser, TypedValueParser},
};

/// How something is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// For people: a table, or what the command draws
    #[value(aliases = ["tree", "lines"])]
    Table,
    /// A table with all columns
    Wide,
    /// Whole, as JSON
    Json,
    /// Whole, as YAML
    Yaml,
}

/// Takes some of them, by the names that a command has for them.
fn of<const N: usize>(names: [&'static str; N]) -> impl TypedValueParser<Value = Form> {
    let values = names.map(PossibleValue::new);
    PossibleValuesParser::new(values).try_map(|it| Form::from_str(&it, true))
}

/// Of what a person reads as a table.
#[derive(Debug, Args)]
pub(crate) struct How {
    /// How to print: table, or json
    #[arg(short, long, value_parser = of(["table", "json"]), default_value = "table", value_name = "FORM", hide_possible_values = true)]
    output: Form,
}

impl How {
    /// Whether a program reads it.
    pub(crate) fn is_json(&self) -> bool {
        self.output == Form::Json
    }
}

/// Of what can be written whole, too.
#[derive(Debug, Args)]
pub(crate) struct Whole {
    /// How to print: table, json, or yaml
    #[arg(short, long, value_parser = of(["table", "json", "yaml"]), default_value = "table", value_name = "FORM", hide_possible_values = true)]
    pub(crate) output: Form,
}

/// Of what is drawn as a tree, and can be written whole.
#[derive(Debug, Args)]
pub(crate) struct Tree {
    /// How to print: tree, json or yaml
    #[arg(short, long, value_parser = of(["tree", "json", "yaml"]), default_value = "tree", value_name = "FORM", hide_possible_values = true)]
    pub(crate) output: Form,
}

/// Of resources.
#[derive(Debug, Args)]
pub(crate) struct Columns {
    /// How to print: table, wide, json or yaml
    #[arg(short, long, value_parser = of(["table", "wide", "json", "yaml"]), default_value = "table", value_name = "FORM", hide_possible_values = true)]
    pub(crate) output: Form,
}

/// Of what is followed.
#[derive(Debug, Args)]
pub(crate) struct Followed {
    /// How to print: lines, or json, one object a line
    #[arg(short, long, value_parser = of(["lines", "json"]), default_value = "lines", value_name = "FORM", hide_possible_values = true)]
    output: Form,
}

impl Followed {
    /// Whether a program reads it.
    pub(crate) fn is_json(&self) -> bool {
        self.output == Form::Json
    }
}
