//! The address of a device that is asked by HTTP, and what every request to it says.

use aion_api::{Device, DeviceHttp, DeviceModel, HttpHeader};

use super::{Faults, Of, Place};
use crate::{
    compiled::Compiled,
    payload::scalar_told,
    template::Template,
    way::{Http, Shown},
};

/// Seconds between two questions, and of an answer, unless somebody says otherwise.
const EVERY_SECONDS: i32 = 30;
const TIMEOUT_SECONDS: i32 = 10;
/// Headers that the request says by itself.
const OWN: [&str; 13] = [
    "accept-encoding",
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "expect",
    "host",
    "if-modified-since",
    "if-none-match",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

pub(super) fn http(
    device: &Device,
    model: &DeviceModel,
    compiled: &Compiled,
    faults: &mut Faults,
) -> Option<Http> {
    let own = device.spec.http.as_deref()?;
    let shared = model.spec.http.as_ref();
    let ms = |own: Option<i32>, shared: Option<i32>, otherwise: i32| {
        let seconds = own.or(shared).unwrap_or(otherwise);
        u64::from(seconds.unsigned_abs().max(1)) * 1000
    };
    let every = shared.and_then(|it| it.every_seconds);
    let timeout = shared.and_then(|it| it.timeout_seconds);
    Some(Http {
        every_ms: ms(own.every_seconds, every, EVERY_SECONDS),
        timeout_ms: ms(own.timeout_seconds, timeout, TIMEOUT_SECONDS),
        headers: headers(own, faults),
        basic: own
            .basic
            .as_ref()
            .map(|it| (it.username.clone(), it.password.clone())),
        bearer: own.bearer.clone(),
        authority: own.authority.clone(),
        url: address(&own.url, compiled, faults)?,
    })
}

fn headers(own: &DeviceHttp, faults: &mut Faults) -> Vec<(String, Shown)> {
    let mut headers = Vec::new();
    for (at, it) in own.headers.iter().enumerate() {
        let place = Place::new(Of::Device, format!("spec.http.headers[{at}]"));
        let name = it.name.to_ascii_lowercase();
        if OWN.contains(&name.as_str()) {
            let remedy = match name.as_str() {
                "authorization" => "say basic or bearer instead",
                "content-type" => "say contentType where something is sent",
                _ => "remove it",
            };
            let what = format!("{} is said by the node itself", it.name);
            faults.add(&place.at("name"), what, remedy);
        }
        if headers.iter().any(|(it, _)| *it == name) {
            let what = format!("the header {} is there twice", it.name);
            faults.add(&place.at("name"), what, "remove one of them");
        }
        match shown(it) {
            Some(shown) => headers.push((name, shown)),
            None => faults.add(
                &place,
                "a header has a value or a secret",
                "say one of the two",
            ),
        }
    }
    headers
}

fn shown(it: &HttpHeader) -> Option<Shown> {
    match (&it.value, &it.secret) {
        (Some(value), None) => Some(Shown::Text(value.clone())),
        (None, Some(secret)) => Some(Shown::Secret(secret.clone())),
        _ => None,
    }
}

/// The address with what the device fills in, without a slash at its end.
fn address(url: &str, compiled: &Compiled, faults: &mut Faults) -> Option<String> {
    let place = Place::new(Of::Device, "spec.http.url");
    let remedy = "write http://HOST:PORT or https://HOST:PORT, with {{name}} for a parameter";
    let filled = match Template::text(url) {
        Ok(template) => template
            .fill(|name| compiled.own(name))
            .map_err(|name| format!("there is nothing for {{{{{name}}}}}")),
        Err(why) => Err(format!("the address {why}")),
    };
    let filled = filled.and_then(|it| match is_address(&it) {
        true => Ok(it.trim_end_matches('/').to_owned()),
        false => Err(format!("{} is not an address", scalar_told(&it))),
    });
    filled.map_err(|what| faults.add(&place, what, remedy)).ok()
}

fn is_address(url: &str) -> bool {
    let behind = url
        .strip_prefix("http://")
        .or_else(|| url.strip_prefix("https://"));
    let graphic =
        |c: char| c.is_ascii_graphic() && !matches!(c, '@' | '?' | '#' | '\\' | '{' | '}');
    behind.is_some_and(|it| {
        !it.starts_with(['/', ':']) && !it.is_empty() && it.chars().all(graphic) && it.len() <= 512
    })
}
