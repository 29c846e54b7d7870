//! An approval as a form of a client, and what a client says to it. What may not enter: whom it is asked of.

use aion_abi::{
    approval::{Approval, Verdict},
    code::Code,
    problem::Problem,
};
use rmcp::model::{
    ElicitRequestParams, ElicitResult, ElicitationAction, ElicitationSchema, EnumSchema,
    InputResponses,
};

use crate::approving::words::message;

/// What the question is called in a result.
pub(super) const QUESTION: &str = "approval";
/// The one field of the form. A form without any is accepted by some clients with no person.
const FIELD: &str = "answer";
const YES: &str = "approve";
const NO: &str = "deny";

/// What a client gives back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    /// A yes or a no.
    Word(Verdict),
    /// Neither: it is left open.
    Left,
    /// Nothing at all.
    Missing,
}

/// What a client gives back of a question with a call.
pub(super) fn said(answers: Option<InputResponses>) -> Result<Said, Problem> {
    let Some(said) = answers.and_then(|mut it| it.remove(QUESTION)) else {
        return Ok(Said::Missing);
    };
    let said: ElicitResult = serde_json::from_value(said).map_err(|why| {
        let what = format!("inputResponses.{QUESTION} is not an answer: {why}");
        Problem::new(Code::BadRequest, what).remedy("say accept, decline or cancel as its action")
    })?;
    Ok(verdict(&said).map_or(Said::Left, Said::Word))
}

/// A yes, a no, or nothing: it stays open. A form that is accepted has to say which.
pub(super) fn verdict(said: &ElicitResult) -> Option<Verdict> {
    let field = said.content.as_ref().and_then(|it| it.get(FIELD)?.as_str());
    match (&said.action, field) {
        (ElicitationAction::Accept, Some(YES)) => Some(Verdict::Approve),
        (ElicitationAction::Accept, Some(NO)) | (ElicitationAction::Decline, _) => {
            Some(Verdict::Deny)
        }
        _ => None,
    }
}

pub(super) fn question(approval: &Approval) -> ElicitRequestParams {
    let word = EnumSchema::builder([YES, NO].map(str::to_owned).to_vec())
        .title("Your answer")
        .description("approve: yes, once. refuse: no.")
        .build();
    let form = ElicitationSchema::builder().required_enum_schema(FIELD, word);
    ElicitRequestParams::FormElicitationParams {
        meta: None,
        message: message(approval),
        requested_schema: form.build_unchecked(),
    }
}

#[cfg(test)]
#[path = "words_tests.rs"]
mod tests;
