//! An agent's card, as far as it is used: where and how the agent is asked, and what it says of itself. Pure. What may not
//! enter: fetching it (`agents`), and what a model is told of it (`offer`).

use reqwest::{Url, header::HeaderName};
use serde_json::Value;

use super::binding::Binding;

/// The longest card, in bytes.
pub(super) const MAX_CARD: usize = 512 * 1024;
/// The most interfaces and ways of a key that are looked at.
const MAX_WAYS: usize = 64;
/// The longest value that goes into every request, in bytes.
const MAX_TENANT: usize = 256;
/// Headers that mean something else than a key.
const OTHERS: [&str; 14] = [
    "accept",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
];

/// See the module.
#[derive(Debug)]
pub(super) struct Card {
    /// Where it is asked.
    pub(super) url: Url,
    pub(super) binding: Binding,
    /// What each request names, where the card says so.
    pub(super) tenant: Option<String>,
    /// It tells of a task while it works.
    pub(super) streams: bool,
    pub(super) key: KeyForm,
    pub(super) name: String,
    pub(super) description: String,
    pub(super) skills: Vec<Skill>,
    /// It takes structured input.
    pub(super) takes_data: bool,
}

/// What an agent says that it can.
#[derive(Debug)]
pub(super) struct Skill {
    pub(super) name: String,
    pub(super) description: String,
    pub(super) example: Option<String>,
}

/// How a key is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum KeyForm {
    Bearer,
    Header(HeaderName),
}

/// Why a card is of no use, and what can be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) what: String,
    pub(super) remedy: &'static str,
}

fn wrong(what: impl Into<String>, remedy: &'static str) -> Wrong {
    Wrong {
        what: what.into(),
        remedy,
    }
}

impl Card {
    /// Reads a card of the agent at `at`. `has_key`: the Tool names one.
    pub(super) fn read(card: &Value, at: &Url, has_key: bool) -> Result<Self, Wrong> {
        if !card.is_object() {
            return Err(wrong(
                "what is there in the place of its card is not an object",
                "correct spec.a2a.url of the Tool, or name the card by spec.a2a.cardUrl",
            ));
        }
        required_extensions(card)?;
        let (url, binding, tenant) = interface(card, at)?;
        Ok(Self {
            url,
            binding,
            tenant,
            streams: card
                .pointer("/capabilities/streaming")
                .is_some_and(|it| *it == Value::Bool(true)),
            key: key_form(card, has_key)?,
            name: text(card, "name"),
            description: text(card, "description"),
            skills: list(card, "skills").iter().map(skill).collect(),
            takes_data: takes_data(card),
        })
    }
}

fn interface(card: &Value, at: &Url) -> Result<(Url, Binding, Option<String>), Wrong> {
    let interfaces = list(card, "supportedInterfaces");
    let update = "have the agent speak A2A 1.0: its SDK of version 1.0 or newer does, beside 0.3 where it is asked to";
    if interfaces.is_empty() {
        let old = card.get("url").is_some() || card.get("protocolVersion").is_some();
        let what = match old {
            true => "its card is of A2A before 1.0, which is not spoken",
            false => "its card names no interface (supportedInterfaces)",
        };
        return Err(wrong(what, update));
    }
    let mut others = Vec::new();
    // An agent with 1.1 alone may refuse what is asked by 1.0: that comes first.
    let is_newer = |it: &&Value| !matches!(text(it, "protocolVersion").as_str(), "" | "1" | "1.0");
    let mut interfaces: Vec<_> = interfaces.iter().take(MAX_WAYS).collect();
    interfaces.sort_by_key(is_newer);
    for interface in interfaces {
        let binding = text(interface, "protocolBinding");
        let version = text(interface, "protocolVersion");
        let named = format!("{} {}", short(&binding), short(&version));
        // A card that names interfaces is of 1.0, whether each says so or not.
        if !(version.is_empty() || version == "1" || version.starts_with("1.")) {
            others.push((named, update));
            continue;
        }
        let Some(binding) = Binding::named(&binding) else {
            let remedy = "have it offer JSONRPC or HTTP+JSON as well";
            others.push((named, remedy));
            continue;
        };
        let url = text(interface, "url");
        let Some(url) = Url::parse(&url).ok().filter(|it| same_origin(it, at)) else {
            let remedy = "correct the address in the agent's card to the one that it is reached at: behind a proxy an agent writes its own, such as localhost or http; write another into spec.a2a.url of the Tool only where that is the same agent's";
            let named = format!(
                "{named} at {:?}, which is not at the host of the Tool's address",
                short(&url)
            );
            others.push((named, remedy));
            continue;
        };
        let has_user = !url.username().is_empty() || url.password().is_some();
        let is_odd =
            url.fragment().is_some() || (binding == Binding::Rest && url.query().is_some());
        if has_user || is_odd {
            let what = match has_user {
                true => "holds a user or password",
                false => "has a query or fragment that its binding has no place for",
            };
            let remedy = "correct the address in the agent's card";
            others.push((format!("{named} at an address that {what}"), remedy));
            continue;
        }
        let tenant = Some(text(interface, "tenant")).filter(|it| !it.is_empty());
        if tenant.as_ref().is_some_and(|it| it.len() > MAX_TENANT) {
            return Err(wrong("its card has too long a tenant", "correct the card"));
        }
        return Ok((url, binding, tenant));
    }
    let remedy = others.first().map_or(update, |it| it.1);
    let named: Vec<_> = others.into_iter().map(|it| it.0).collect();
    let what = format!(
        "its card names no interface that can be used: {}",
        named.join("; ")
    );
    Err(wrong(what, remedy))
}

fn same_origin(url: &Url, at: &Url) -> bool {
    url.scheme() == at.scheme()
        && url.host() == at.host()
        && url.port_or_known_default() == at.port_or_known_default()
}

/// Who does not know an extension that is required cannot ask the agent.
fn required_extensions(card: &Value) -> Result<(), Wrong> {
    let all = card.pointer("/capabilities/extensions");
    let all = all.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let required = all.iter().find(|it| it["required"] == Value::Bool(true));
    match required {
        None => Ok(()),
        Some(extension) => Err(wrong(
            format!(
                "it requires the extension {:?}, which is not known here",
                short(&text(extension, "uri"))
            ),
            "have the agent do without it, or offer it as an option",
        )),
    }
}

/// How a key is wanted: by the first way that one key is enough for.
fn key_form(card: &Value, has_key: bool) -> Result<KeyForm, Wrong> {
    let ways = list(card, "securityRequirements");
    if ways.is_empty() || !has_key {
        return Ok(KeyForm::Bearer);
    }
    let mut names = Vec::new();
    for way in ways.iter().take(MAX_WAYS) {
        let Some(schemes) = way.get("schemes").and_then(Value::as_object) else {
            continue;
        };
        let mut schemes = schemes.keys();
        let form = match (schemes.next(), schemes.next()) {
            (None, _) => Some(KeyForm::Bearer),
            (Some(one), None) => {
                names.push(short(one));
                scheme(&card["securitySchemes"][one.as_str()])
            }
            (Some(one), Some(_)) => {
                names.push(format!("{} and others at once", short(one)));
                None
            }
        };
        if let Some(form) = form {
            return Ok(form);
        }
    }
    Err(wrong(
        format!(
            "it wants a key in a way that is not known here: {}",
            names.join(", ")
        ),
        "have it take a bearer token, or a key in a header",
    ))
}

fn scheme(scheme: &Value) -> Option<KeyForm> {
    let (kind, of) = scheme.as_object()?.iter().find(|it| it.1.is_object())?;
    match kind.as_str() {
        "httpAuthSecurityScheme" => {
            let is = text(of, "scheme").eq_ignore_ascii_case("bearer");
            is.then_some(KeyForm::Bearer)
        }
        "oauth2SecurityScheme" | "openIdConnectSecurityScheme" => Some(KeyForm::Bearer),
        "apiKeySecurityScheme" if text(of, "location").eq_ignore_ascii_case("header") => {
            let name = HeaderName::from_bytes(text(of, "name").as_bytes()).ok()?;
            let other = OTHERS.contains(&name.as_str()) || name.as_str().starts_with("a2a-");
            (!other).then_some(KeyForm::Header(name))
        }
        _ => None,
    }
}

fn skill(skill: &Value) -> Skill {
    let example = list(skill, "examples").first().and_then(Value::as_str);
    Skill {
        name: text(skill, "name"),
        description: text(skill, "description"),
        example: example.map(str::to_owned),
    }
}

fn takes_data(card: &Value) -> bool {
    let of_skills = list(card, "skills")
        .iter()
        .flat_map(|it| list(it, "inputModes"));
    let mut modes = list(card, "defaultInputModes").iter().chain(of_skills);
    modes.any(|it| it.as_str().is_some_and(|it| it.contains("json")))
}

fn list<'a>(of: &'a Value, name: &str) -> &'a [Value] {
    of.get(name)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

fn text(of: &Value, name: &str) -> String {
    let text = of.get(name).and_then(Value::as_str);
    text.unwrap_or_default().trim().to_owned()
}

fn short(text: &str) -> String {
    text.chars()
        .filter(|it| !it.is_control())
        .take(120)
        .collect()
}

#[cfg(test)]
#[path = "card_tests.rs"]
mod tests;
