//! What happens, as it happens.

use std::sync::Arc;

use aion_serve::Refused;
use axum::{
    extract::{Request, State},
    response::Response,
};

use crate::gateway::Gateway;

pub(crate) async fn listen(
    State(gateway): State<Arc<Gateway>>,
    request: Request,
) -> Result<Response, Refused> {
    Ok(gateway.events.listen(request).await?)
}
