//! How a refused request becomes an authorised one: basic credentials, or a
//! token from the service that the registry names.

use reqwest::{
    Response, StatusCode,
    header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE},
};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::source::{
    challenge::{self, Challenge},
    failure::SourceError,
    http::{Access, DOCUMENT, Http, unreachable},
};

const MAX_TOKEN: u64 = 64 << 10;

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
            (Some(Challenge::Basic), Some(mine)) => mine.basic(),
            (Some(Challenge::Basic), None) => return Err(denied("it wants a name and password")),
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
        url.query_pairs_mut().append_pair("scope", &scope);
        if let Some(service) = service {
            url.query_pairs_mut().append_pair("service", service);
        }
        let mut request = self.client.get(url).timeout(DOCUMENT);
        if let Some(mine) = self.credentials.as_ref().and_then(|c| secret(&c.basic())) {
            request = request.header(AUTHORIZATION, mine);
        }
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
