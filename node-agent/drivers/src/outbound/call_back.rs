//! Telling an address that a caller named: one POST, judged as everything that is dialled. What may not enter: which
//! addresses may be named, how often it is tried, and what is told.

use std::time::Duration;

use aion_abi::{code::Code, problem::Problem, tenant::Tenant};
use reqwest::{
    StatusCode, Url,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue},
};

use super::{Endpoint, Outbound, describe, named_pause, refusal_of};

/// How long an address may take to answer.
const TIMEOUT: Duration = Duration::from_secs(15);

/// An address that was not told.
#[derive(Debug)]
pub struct NotTold {
    /// Why, without the address.
    pub why: String,
    /// Whether another try may be heard.
    pub may_try_again: bool,
    /// After which pause, where it names one.
    pub after: Option<Duration>,
}

/// Host and port of an address, as `HOST:PORT`; `http` for the machine's own alone.
///
/// # Errors
/// `bad-request` for what is no address to call.
pub fn called_host(url: &str) -> Result<String, Problem> {
    let wrong = |why: &str| {
        Problem::new(Code::BadRequest, format!("url cannot be called: {why}"))
            .remedy("give https://HOST/PATH, without a user or a fragment")
    };
    let url = Url::parse(url).map_err(|error| wrong(&error.to_string()))?;
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return Err(wrong("it has a user, a password or a fragment"));
    }
    let host = url.host_str().ok_or_else(|| wrong("it names no host"))?;
    let own = ["127.0.0.1", "[::1]", "localhost"].contains(&host);
    match url.scheme() {
        "https" => {}
        "http" if own => {}
        _ => return Err(wrong("it is neither https nor of this machine")),
    }
    let port = url
        .port_or_known_default()
        .ok_or_else(|| wrong("it names no port"))?;
    Ok(format!("{host}:{port}"))
}

impl Outbound {
    /// Sends `body`, as `content_type` and with these headers, to `url`.
    ///
    /// # Errors
    /// [`NotTold`], also for every status but those of success.
    pub async fn call_back(
        &self,
        tenant: &Tenant,
        url: &str,
        mut headers: HeaderMap,
        (content_type, body): (&'static str, String),
    ) -> Result<(), NotTold> {
        let not = |why: String, may_try_again| NotTold {
            why,
            may_try_again,
            after: None,
        };
        let mut whole = Url::parse(url).map_err(|error| not(error.to_string(), false))?;
        let query = whole.query().map(str::to_owned);
        whole.set_query(None);
        let (client, mut to) = self
            .client(&Endpoint {
                name: "a call back".to_owned(),
                tenant: tenant.clone(),
                url: whole.to_string(),
                secret: None,
            })
            .map_err(|problem| not(problem.detail, false))?;
        to.set_query(query.as_deref());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        let sent = client.post(to).headers(headers).body(body).timeout(TIMEOUT);
        let answer = match sent.send().await {
            Ok(answer) => answer,
            Err(error) => {
                return Err(match refusal_of("a call back", &error) {
                    Some(problem) => not(problem.detail, false),
                    None => not(describe(&error), true),
                });
            }
        };
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let busy = [
            StatusCode::REQUEST_TIMEOUT,
            StatusCode::TOO_EARLY,
            StatusCode::TOO_MANY_REQUESTS,
        ];
        Err(NotTold {
            why: format!("it answered {status}"),
            may_try_again: status.is_server_error() || busy.contains(&status),
            after: named_pause(answer.headers()),
        })
    }
}

/// The headers that a call is known by: a token of its own, and credentials of a scheme. `None` where one cannot be a header.
#[must_use]
pub fn call_headers(token: Option<&str>, authorization: Option<&str>) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    let secret = |text: &str| {
        let mut value = HeaderValue::from_str(text).ok()?;
        value.set_sensitive(true);
        Some(value)
    };
    if let Some(token) = token {
        headers.insert("x-a2a-notification-token", secret(token)?);
    }
    if let Some(authorization) = authorization {
        headers.insert(AUTHORIZATION, secret(authorization)?);
    }
    Some(headers)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_address_is_called_by_tls_or_on_this_machine() {
        for (url, host) in [
            ("https://hooks.example.org/a?b=c", "hooks.example.org:443"),
            ("https://hooks.example.org:8443/", "hooks.example.org:8443"),
            ("http://127.0.0.1:9/x", "127.0.0.1:9"),
            ("http://[::1]/x", "[::1]:80"),
            ("https://0x7f.1/", "127.0.0.1:443"),
        ] {
            assert_eq!(called_host(url).unwrap(), host, "{url}");
        }
        for url in [
            "http://hooks.example.org/",
            "ftp://127.0.0.1/",
            "https://a:b@hooks.example.org/",
            "https://hooks.example.org/#x",
            "hooks",
            "",
        ] {
            assert_eq!(
                called_host(url).unwrap_err().code,
                Code::BadRequest,
                "{url}"
            );
        }
    }

    #[test]
    fn headers_take_no_second_line() {
        assert!(call_headers(Some("a\r\nb: c"), None).is_none());
        assert!(call_headers(None, Some("Bearer x\ny")).is_none());
        let headers = call_headers(Some("t"), Some("Bearer x")).unwrap();
        assert!(headers.values().all(HeaderValue::is_sensitive));
    }
}
