//! How a refused request becomes an authorised one: basic credentials, or a token from the service that the registry
//! names, by its two ways: GET with basic credentials or none, and POST with an identity token (Distribution's
//! `spec/auth/token` and `spec/auth/oauth`).

use reqwest::{
    Response, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE},
};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::source::{
    challenge::{self, Challenge},
    credentials::Credentials,
    failure::SourceError,
    http::{Access, DOCUMENT, Http, unreachable},
};

const MAX_TOKEN: u64 = 64 << 10;
/// What a token service knows this program by.
const CLIENT: &str = "aion-os";

#[derive(Deserialize)]
struct Token {
    #[serde(default)]
    token: Zeroizing<String>,
    #[serde(default)]
    access_token: Zeroizing<String>,
}

impl Http {
    /// Answers the challenge in a 401.
    pub(crate) async fn obtain(
        &self,
        access: Access,
        refused: &Response,
    ) -> Result<(), SourceError> {
        let asked: Vec<_> = refused
            .headers()
            .get_all(WWW_AUTHENTICATE)
            .iter()
            .filter_map(|v| challenge::parse(v.to_str().ok()?))
            .collect();
        let denied = |why: &str| SourceError::Denied {
            at: self.name.clone(),
            why: why.to_owned(),
        };
        let bearer = asked.iter().find(|c| **c != Challenge::Basic);
        let value = match (bearer.or(asked.first()), &self.credentials) {
            (Some(Challenge::Bearer { realm, service }), _) => {
                self.token(access, realm, service.as_deref()).await?
            }
            (Some(Challenge::Basic), mine) => mine
                .as_ref()
                .and_then(Credentials::basic)
                .ok_or_else(|| denied("it wants a name and password"))?,
            (None, _) => return Err(denied("it names no scheme that is known here")),
        };
        let header = secret(&value)
            .ok_or_else(|| SourceError::malformed(&self.name, "token of illegal characters"))?;
        self.slots()[access as usize] = Some(header);
        Ok(())
    }

    async fn token(
        &self,
        access: Access,
        realm: &str,
        service: Option<&str>,
    ) -> Result<Zeroizing<String>, SourceError> {
        let mut url = self.join(realm)?;
        self.permit(&url)?;
        let actions = if access == Access::Push {
            "pull,push"
        } else {
            "pull"
        };
        let scope = format!("repository:{}:{actions}", self.repository);
        let mut asked = vec![("scope", scope.as_str())];
        asked.extend(service.map(|service| ("service", service)));
        let mine = self.credentials.as_ref();
        let request = match mine.and_then(Credentials::identity_token) {
            Some(token) => {
                asked.extend([
                    ("grant_type", "refresh_token"),
                    ("client_id", CLIENT),
                    ("refresh_token", token),
                ]);
                // A form is written as a query is, and sent as the body: no address holds the secret.
                let mut form = url.clone();
                form.set_query(None);
                form.query_pairs_mut().extend_pairs(&asked);
                let body = form.query().unwrap_or_default().to_owned();
                let kind = "application/x-www-form-urlencoded";
                self.client.post(url).header(CONTENT_TYPE, kind).body(body)
            }
            None => {
                url.query_pairs_mut().extend_pairs(&asked);
                let request = self.client.get(url);
                match mine.and_then(Credentials::basic).and_then(|it| secret(&it)) {
                    Some(value) => request.header(AUTHORIZATION, value),
                    None => request,
                }
            }
        };
        let request = request.timeout(DOCUMENT);
        let sent = request.send().await;
        let mut answer = sent.map_err(|e| unreachable(&self.name, &e))?;
        if answer.status() != StatusCode::OK {
            return Err(self.complaint(answer, "a token").await);
        }
        let body = self.read(&mut answer, MAX_TOKEN).await?.map(Zeroizing::new);
        let token = body
            .and_then(|b| serde_json::from_slice::<Token>(&b).ok())
            .map(|t| {
                if t.token.is_empty() {
                    t.access_token
                } else {
                    t.token
                }
            })
            .filter(|t| !t.is_empty())
            .ok_or_else(|| SourceError::malformed(&self.name, "its token service gave no token"))?;
        Ok(Zeroizing::new(format!("Bearer {}", token.as_str())))
    }
}

/// A header that nobody prints.
fn secret(value: &str) -> Option<HeaderValue> {
    let mut header = HeaderValue::from_str(value).ok()?;
    header.set_sensitive(true);
    Some(header)
}
