//! The two ways in which an agent is asked, JSON-RPC and HTTP+JSON, for the operations that are used. Pure: what is sent
//! and where. What may not enter: sending it (`line`), and what an answer means (`update`).

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Method, Url};
use serde_json::{Map, Value, json};

/// What stands for itself in a path and a query.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// How an interface is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Binding {
    JsonRpc,
    Rest,
}

/// What an agent is asked.
#[derive(Debug)]
pub(super) enum Asked<'a> {
    /// A message; its parameters.
    Send(&'a Map<String, Value>),
    /// A message, whose task is told of while it works.
    Stream(&'a Map<String, Value>),
    /// A task by its id.
    Get(&'a str),
    /// To end a task.
    Cancel(&'a str),
    /// To tell of a task that is at work.
    Subscribe(&'a str),
    /// The same, as the norm's HTTP binding writes it and fewer servers have it.
    SubscribeByGet(&'a str),
    /// The tasks of a context.
    List(&'a str),
}

/// What is sent.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) body: Option<Value>,
    pub(super) content_type: &'static str,
}

impl Binding {
    /// By the name that a card has for it.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            _ if name.eq_ignore_ascii_case("JSONRPC") => Some(Self::JsonRpc),
            _ if name.eq_ignore_ascii_case("HTTP+JSON") => Some(Self::Rest),
            _ => None,
        }
    }

    /// What is sent for `asked` to the interface at `url`. JSON-RPC numbers its requests by `id`.
    pub(super) fn sent(self, asked: &Asked<'_>, url: &Url, tenant: Option<&str>, id: u64) -> Sent {
        match self {
            Self::JsonRpc => {
                let mut params = asked.params();
                if let Some(tenant) = tenant {
                    params.insert("tenant".to_owned(), tenant.into());
                }
                let body =
                    json!({"jsonrpc": "2.0", "id": id, "method": asked.method(), "params": params});
                Sent {
                    method: Method::POST,
                    url: url.clone(),
                    body: Some(body),
                    content_type: "application/json",
                }
            }
            Self::Rest => rest(asked, url, tenant),
        }
    }
}

impl Asked<'_> {
    fn method(&self) -> &'static str {
        match self {
            Self::Send(_) => "SendMessage",
            Self::Stream(_) => "SendStreamingMessage",
            Self::Get(_) => "GetTask",
            Self::Cancel(_) => "CancelTask",
            Self::Subscribe(_) | Self::SubscribeByGet(_) => "SubscribeToTask",
            Self::List(_) => "ListTasks",
        }
    }

    fn params(&self) -> Map<String, Value> {
        let params = match self {
            Self::Send(params) | Self::Stream(params) => return (*params).clone(),
            // The last message may be the answer of an agent that makes no artifacts.
            Self::Get(id) => json!({"id": id, "historyLength": 1}),
            Self::Cancel(id) | Self::Subscribe(id) | Self::SubscribeByGet(id) => json!({"id": id}),
            // What was found is looked at in whole: here its state is enough.
            Self::List(context) => {
                json!({"contextId": context, "historyLength": 0, "includeArtifacts": false})
            }
        };
        match params {
            Value::Object(params) => params,
            _ => Map::new(),
        }
    }
}

fn rest(asked: &Asked<'_>, url: &Url, tenant: Option<&str>) -> Sent {
    let encoded = |text: &str| utf8_percent_encode(text, PLAIN).to_string();
    let path = match asked {
        Asked::Send(_) => "message:send".to_owned(),
        Asked::Stream(_) => "message:stream".to_owned(),
        Asked::Get(id) => format!("tasks/{}", encoded(id)),
        Asked::Cancel(id) => format!("tasks/{}:cancel", encoded(id)),
        Asked::Subscribe(id) | Asked::SubscribeByGet(id) => {
            format!("tasks/{}:subscribe", encoded(id))
        }
        Asked::List(_) => "tasks".to_owned(),
    };
    let query = match asked {
        Asked::Get(_) => Some("historyLength=1".to_owned()),
        Asked::List(context) => Some(format!(
            "contextId={}&historyLength=0&includeArtifacts=false",
            encoded(context)
        )),
        _ => None,
    };
    let mut whole = url.clone();
    let base = url.path().trim_end_matches('/');
    let tenant_path = tenant.map(|it| format!("/{}", encoded(it)));
    whole.set_path(&format!("{base}{}/{path}", tenant_path.unwrap_or_default()));
    whole.set_query(query.as_deref());
    let (method, body) = match asked {
        Asked::Send(params) | Asked::Stream(params) => {
            let mut params = (*params).clone();
            if let Some(tenant) = tenant {
                params.insert("tenant".to_owned(), tenant.into());
            }
            (Method::POST, Some(Value::Object(params)))
        }
        Asked::Cancel(_) => (Method::POST, Some(json!({}))),
        Asked::Subscribe(_) => (Method::POST, None),
        Asked::Get(_) | Asked::SubscribeByGet(_) | Asked::List(_) => (Method::GET, None),
    };
    Sent {
        method,
        url: whole,
        body,
        content_type: "application/a2a+json",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn each_operation_has_its_form_in_both_bindings() {
        let url = Url::parse("http://localhost:9/a/b/").unwrap();
        let Value::Object(params) = json!({"message": {"messageId": "m"}}) else {
            unreachable!()
        };
        for (asked, name, method, path) in [
            (
                Asked::Send(&params),
                "SendMessage",
                "POST",
                "/a/b/message:send",
            ),
            (
                Asked::Stream(&params),
                "SendStreamingMessage",
                "POST",
                "/a/b/message:stream",
            ),
            (
                Asked::Get("t/1?"),
                "GetTask",
                "GET",
                "/a/b/tasks/t%2F1%3F?historyLength=1",
            ),
            (
                Asked::Cancel("7"),
                "CancelTask",
                "POST",
                "/a/b/tasks/7:cancel",
            ),
            (
                Asked::Subscribe("7"),
                "SubscribeToTask",
                "POST",
                "/a/b/tasks/7:subscribe",
            ),
            (
                Asked::SubscribeByGet("7"),
                "SubscribeToTask",
                "GET",
                "/a/b/tasks/7:subscribe",
            ),
            (
                Asked::List("c&d"),
                "ListTasks",
                "GET",
                "/a/b/tasks?contextId=c%26d&historyLength=0&includeArtifacts=false",
            ),
        ] {
            let rest = Binding::Rest.sent(&asked, &url, None, 1);
            let sent = rest
                .url
                .as_str()
                .strip_prefix("http://localhost:9")
                .unwrap();
            assert_eq!((rest.method.as_str(), sent), (method, path));
            let rpc = Binding::JsonRpc.sent(&asked, &url, None, 7);
            assert_eq!(rpc.url, url);
            let body = rpc.body.unwrap();
            assert_eq!((&body["method"], &body["id"]), (&json!(name), &json!(7)));
        }
        let asked = Asked::Send(&params);
        let rpc = Binding::JsonRpc.sent(&asked, &url, Some("acme"), 1);
        assert_eq!(rpc.body.unwrap()["params"]["tenant"], "acme");
        let rest = Binding::Rest.sent(&asked, &url, Some("a/b"), 1);
        assert_eq!(rest.url.path(), "/a/b/a%2Fb/message:send");
        assert_eq!(rest.body.unwrap()["tenant"], "a/b");
    }
}
