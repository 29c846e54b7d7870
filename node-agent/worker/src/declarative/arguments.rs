//! What a model gives a tool, read.

use aion_abi::code::Code;
use aion_abi::problem::Problem;
use serde::de::DeserializeOwned;

pub(super) fn parse<T: DeserializeOwned>(arguments: &str) -> Result<T, Problem> {
    // A tool without arguments is called with "" by some models.
    let text = if arguments.trim().is_empty() {
        "{}"
    } else {
        arguments
    };
    serde_json::from_str(text).map_err(|error| {
        Problem::new(
            Code::BadRequest,
            format!("the arguments are not what the tool takes: {error}"),
        )
    })
}
