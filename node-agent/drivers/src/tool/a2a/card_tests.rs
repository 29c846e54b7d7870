//! Cards as they are found.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use super::*;
use crate::tool::a2a::scripted::card;

const AT: &str = "https://agents.example.org/travel";

fn read(mend: impl Fn(&mut Value), has_key: bool) -> Result<Card, Wrong> {
    let mut said = card(AT, "JSONRPC");
    mend(&mut said);
    Card::read(&said, &AT.parse().unwrap(), has_key)
}

fn interface(url: &str, binding: &str, version: &str) -> Value {
    json!({"url": url, "protocolBinding": binding, "protocolVersion": version})
}

/// What is otherwise in a card.
type Mend = Box<dyn Fn(&mut Value)>;

#[test]
fn the_first_interface_that_can_be_used_is() {
    let found = read(
        |it| {
            it["supportedInterfaces"] = json!([
                interface("agents.example.org:443", "GRPC", "1.0"),
                interface(AT, "JSONRPC", "0.3"),
                interface("https://agents.example.org:443/newer", "JSONRPC", "1.1"),
                interface("https://agents.example.org/rest", "http+json", "1.0"),
                interface(AT, "JSONRPC", "1.0"),
            ]);
            it["supportedInterfaces"][3]["tenant"] = "acme".into();
        },
        false,
    );
    let found = found.unwrap();
    assert_eq!(found.binding, Binding::Rest);
    assert_eq!(found.url.path(), "/rest");
    assert_eq!(found.tenant.as_deref(), Some("acme"));
    let bare = json!({"supportedInterfaces": [{"url": AT, "protocolBinding": "JSONRPC"}]});
    let bare = Card::read(&bare, &AT.parse().unwrap(), true).unwrap();
    assert!(!bare.streams && bare.skills.is_empty() && bare.key == KeyForm::Bearer);
}

#[test]
fn a_card_that_is_of_no_use_says_why_and_what_to_do() {
    let only =
        |it: Value| move |card: &mut Value| card["supportedInterfaces"] = json!([it.clone()]);
    let old = |it: &mut Value| {
        *it = json!({"url": AT, "protocolVersion": "0.3.0", "preferredTransport": "JSONRPC"});
    };
    let none = |it: &mut Value| it["supportedInterfaces"] = json!([]);
    let extension = |it: &mut Value| {
        it["capabilities"]["extensions"] =
            json!([{"uri": "urn:x"}, {"uri": "urn:pay", "required": true}]);
    };
    let page = |it: &mut Value| *it = json!("<html>");
    let cases: [(Mend, &str, &str); 11] = [
        (
            Box::new(only(interface(
                "https://me:x@agents.example.org/travel",
                "JSONRPC",
                "1.0",
            ))),
            "user or password",
            "the agent's card",
        ),
        (
            Box::new(only(interface(
                "https://agents.example.org/travel?v=1",
                "HTTP+JSON",
                "1.0",
            ))),
            "query or fragment",
            "the agent's card",
        ),
        (Box::new(old), "before 1.0", "speak A2A 1.0"),
        (Box::new(none), "names no interface", "speak A2A 1.0"),
        (
            Box::new(only(interface(AT, "JSONRPC", "0.3"))),
            "JSONRPC 0.3",
            "speak A2A 1.0",
        ),
        (
            Box::new(only(interface(AT, "GRPC", "1.0"))),
            "GRPC 1.0",
            "offer JSONRPC or HTTP+JSON",
        ),
        (
            Box::new(only(interface(
                "https://elsewhere.example/",
                "JSONRPC",
                "1.0",
            ))),
            "elsewhere.example",
            "spec.a2a.url",
        ),
        (
            Box::new(only(interface(
                "http://agents.example.org/travel",
                "JSONRPC",
                "1.0",
            ))),
            "http://agents.example.org",
            "spec.a2a.url",
        ),
        (
            Box::new(only(interface(
                "https://agents.example.org:8443/",
                "JSONRPC",
                "1.0",
            ))),
            ":8443",
            "spec.a2a.url",
        ),
        (Box::new(extension), "urn:pay", "do without it"),
        (Box::new(page), "not an object", "spec.a2a.cardUrl"),
    ];
    for (mend, what, remedy) in cases {
        let wrong = read(mend, false).unwrap_err();
        assert!(wrong.what.contains(what), "{wrong:?}");
        assert!(wrong.remedy.contains(remedy), "{wrong:?}");
    }
}

#[test]
fn a_key_is_sent_as_the_card_wants_it_or_refused_by_name() {
    let schemes = json!({
        "bearer": {"httpAuthSecurityScheme": {"scheme": "Bearer"}},
        "basic": {"httpAuthSecurityScheme": {"scheme": "Basic"}},
        "header": {"apiKeySecurityScheme": {"location": "header", "name": "X-Key"}},
        "host": {"apiKeySecurityScheme": {"location": "header", "name": "Host"}},
        "version": {"apiKeySecurityScheme": {"location": "header", "name": "A2A-Version"}},
        "query": {"apiKeySecurityScheme": {"location": "query", "name": "key"}},
        "oauth": {"oauth2SecurityScheme": {"flows": {}}},
        "mtls": {"mtlsSecurityScheme": {}},
    });
    let form = |ways: &Value| {
        let mend = |it: &mut Value| {
            it["securitySchemes"] = schemes.clone();
            it["securityRequirements"] = ways.clone();
        };
        read(mend, true).map(|it| it.key)
    };
    let way = |names: &[&str]| {
        let all = names
            .iter()
            .map(|it| ((*it).to_owned(), json!({"list": []})));
        json!({"schemes": Value::Object(all.collect())})
    };
    let header = || KeyForm::Header("x-key".parse().unwrap());
    assert_eq!(form(&json!([])), Ok(KeyForm::Bearer));
    assert_eq!(form(&json!([way(&[])])), Ok(KeyForm::Bearer));
    assert_eq!(
        form(&json!([way(&["basic"]), way(&["header"])])),
        Ok(header())
    );
    assert_eq!(form(&json!([way(&["oauth"])])), Ok(KeyForm::Bearer));
    for refused in ["basic", "host", "version", "query", "mtls", "missing"] {
        let wrong = form(&json!([way(&[refused])])).unwrap_err();
        assert!(wrong.what.contains(refused), "{wrong:?}");
    }
    let both = form(&json!([way(&["bearer", "header"])])).unwrap_err();
    assert!(both.what.contains("others at once"), "{both:?}");
}
