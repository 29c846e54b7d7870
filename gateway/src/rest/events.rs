//! What happens, as it happens.

use aion_abi::{code::Code, problem::Problem};
use aion_serve::Refused;
use axum::{extract::Request, response::Response};

use crate::asked::Asked;

pub(crate) async fn listen(Asked(gateway): Asked, request: Request) -> Result<Response, Refused> {
    match &gateway.events {
        Some(events) => Ok(events.listen(request).await?),
        None => {
            let what = "there are no events at a gateway of a cluster";
            let remedy = "watch the agents: kubectl get agents --watch, kubectl get events";
            Err(Problem::new(Code::NotFound, what).remedy(remedy).into())
        }
    }
}
