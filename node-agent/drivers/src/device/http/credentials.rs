//! What a request shows of who asks: read from secrets, and kept for a short while, since a device may be asked each second and a
//! cluster's secrets are behind its API server.

use std::{sync::Arc, time::Duration};

use aion_abi::{code::Code, problem::Problem};
use base64::{Engine, engine::general_purpose::STANDARD};
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use parking_lot::Mutex;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::{HttpDevice, Shown};
use crate::secrets::{SecretRef, Secrets};

/// How long what was read counts.
const KEPT: Duration = Duration::from_secs(60);

/// What a request shows.
#[derive(Clone)]
pub(super) struct Credentials {
    pub(super) headers: HeaderMap,
    pub(super) authority: Option<Arc<str>>,
}

/// See the module.
#[derive(Default)]
pub(super) struct Kept(Mutex<Option<(Instant, Credentials)>>);

impl Kept {
    /// What was read does not count any more: the device does not take it.
    pub(super) fn forget(&self) {
        *self.0.lock() = None;
    }

    /// # Errors
    /// A secret cannot be had, or cannot be shown.
    pub(super) async fn read(
        &self,
        device: &HttpDevice,
        secrets: &dyn Secrets,
    ) -> Result<Credentials, Problem> {
        if let Some((at, kept)) = &*self.0.lock()
            && at.elapsed() < KEPT
        {
            return Ok(kept.clone());
        }
        let read = read(device, secrets).await?;
        *self.0.lock() = Some((Instant::now(), read.clone()));
        Ok(read)
    }
}

async fn read(device: &HttpDevice, secrets: &dyn Secrets) -> Result<Credentials, Problem> {
    let tenant = &device.endpoint.tenant;
    let mut headers = HeaderMap::new();
    for (name, shown) in &device.headers {
        let value = match shown {
            Shown::Text(text) => HeaderValue::from_str(text).ok(),
            Shown::Secret(reference) => {
                secret_value(secrets.read(tenant, reference).await?.expose())
            }
        };
        let name = HeaderName::from_bytes(name.as_bytes()).ok();
        let (Some(name), Some(value)) = (name, value) else {
            return Err(unfit(device, "one of its headers cannot be sent"));
        };
        headers.insert(name, value);
    }
    let authorization = match (&device.basic, &device.bearer) {
        (Some((username, password)), _) => {
            let password = secrets.read(tenant, password).await?;
            let pair = Zeroizing::new(format!("{username}:{}", password.expose()));
            Some(Zeroizing::new(format!("Basic {}", STANDARD.encode(&*pair))))
        }
        (None, Some(token)) => {
            let token = secrets.read(tenant, token).await?;
            Some(Zeroizing::new(format!("Bearer {}", token.expose())))
        }
        (None, None) => None,
    };
    if let Some(text) = authorization {
        let value = secret_value(&text);
        let value = value.ok_or_else(|| unfit(device, "its token cannot be sent in a header"))?;
        headers.insert(AUTHORIZATION, value);
    }
    let authority = match &device.authority {
        Some(reference) => Some(pem(device, secrets, reference).await?),
        None => None,
    };
    Ok(Credentials { headers, authority })
}

async fn pem(
    device: &HttpDevice,
    secrets: &dyn Secrets,
    reference: &SecretRef,
) -> Result<Arc<str>, Problem> {
    let read = secrets.text(&device.endpoint.tenant, reference).await?;
    Ok(Arc::from(read.expose()))
}

fn secret_value(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn unfit(device: &HttpDevice, why: &str) -> Problem {
    let name = &device.endpoint.name;
    Problem::new(Code::BadRequest, format!("{name} cannot be asked: {why}"))
        .remedy("correct the Device, or the secret that it names")
}
