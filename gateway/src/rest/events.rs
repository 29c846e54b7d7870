//! What happens, as it happens.

use aion_serve::Refused;
use axum::{extract::Request, response::Response};

use crate::asked::Asked;

pub(crate) async fn listen(Asked(gateway): Asked, request: Request) -> Result<Response, Refused> {
    Ok(gateway.events.listen(request).await?)
}
