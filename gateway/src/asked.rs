//! The gateway as whoever asks has it: every handler takes it from here, so that none speaks to the node as somebody else.

use std::sync::Arc;

use aion_abi::{code::Code, problem::Problem};
use aion_serve::Refused;
use axum::{
    extract::FromRequestParts,
    http::{Extensions, request::Parts},
};

use crate::gateway::Gateway;

/// See the module.
#[derive(Clone)]
pub(crate) struct Asked(pub(crate) Arc<Gateway>);

impl Asked {
    /// Whose request it is; `access` put it there.
    ///
    /// # Errors
    /// Nobody looked.
    pub(crate) fn of(extensions: &Extensions) -> Result<Self, Problem> {
        let asked = extensions.get::<Self>().cloned();
        asked.ok_or_else(|| Problem::new(Code::Internal, "nobody looked whose request this is"))
    }
}

impl<S: Sync> FromRequestParts<S> for Asked {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        Ok(Self::of(&parts.extensions)?)
    }
}
