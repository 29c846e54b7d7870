//! One request to one model, up to the first chunk of its answer.

use std::time::Duration;

use aion_abi::{code::Code, problem::Problem};
use reqwest::{Client, Response, StatusCode, Url, header::RETRY_AFTER};
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use super::{
    Candidate, Patience,
    answer::{Chunk, error_message},
    reader::{ReadError, Reader},
};
use crate::{
    outbound::{describe, error_text, refusal_of},
    secrets::Secret,
};

/// The longest pause that is read from a `Retry-After`; it is then held against what is bearable.
const MAX_RETRY_AFTER: u64 = 24 * 3600;

/// Why there is no answer, and whether the same request may fare better.
#[derive(Debug)]
pub(super) enum Failure {
    /// Later perhaps: the endpoint is busy, broken or away. It may say when.
    Later(Problem, Option<Duration>),
    /// Not by asking again, but perhaps by asking without a parameter that this text names.
    Refused(Problem, String),
    /// Not here.
    Never(Problem),
}

/// What stays the same from one try to the next.
pub(super) struct Asked<'a> {
    pub(super) candidate: &'a Candidate,
    pub(super) client: Client,
    pub(super) base: Url,
    pub(super) secret: Option<Secret>,
    pub(super) patience: Patience,
    pub(super) deadline: Instant,
}

/// An answer that has begun.
pub(super) struct Begun {
    pub(super) reader: Reader,
    pub(super) first: Chunk,
}

impl Asked<'_> {
    /// Sends `body` and waits for the first chunk.
    pub(super) async fn attempt(&self, body: &Value) -> Result<Begun, Failure> {
        let url = format!(
            "{}/chat/completions",
            self.base.as_str().trim_end_matches('/')
        );
        let mut request = self.client.post(url).json(body);
        if let Some(secret) = &self.secret {
            request = request.bearer_auth(secret.expose());
        }
        let start = Instant::now();
        let until = (start + self.patience.first_byte).min(self.deadline);
        let response = match timeout_at(until, request.send()).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(self.unsent(&error)),
            Err(_) => return Err(self.silent()),
        };
        if !response.status().is_success() {
            // A server that refuses and then never ends its reason is not waited for either.
            let refused = timeout_at(until, self.refused(response)).await;
            return Err(refused.unwrap_or_else(|_| self.silent()));
        }
        let mut reader = Reader::new(
            response,
            until.saturating_duration_since(Instant::now()),
            self.deadline,
        );
        match reader.next().await {
            Ok(Some(Chunk {
                error: Some(error), ..
            })) => {
                let why = self.redacted(&error_message(&error));
                Err(Failure::Later(
                    self.problem(Code::UpstreamFailed, &why),
                    None,
                ))
            }
            Ok(Some(first)) => {
                reader.set_idle(self.patience.idle);
                Ok(Begun { reader, first })
            }
            Ok(None) => Err(Failure::Later(
                self.problem(Code::UpstreamFailed, "it ended its answer before it began"),
                None,
            )),
            Err(ReadError::Deadline | ReadError::Silent(_)) => Err(self.silent()),
            Err(error @ ReadError::Broken(_)) => Err(Failure::Later(
                self.problem(Code::UpstreamFailed, &error.to_string()),
                None,
            )),
            Err(error @ ReadError::Form(_)) => Err(Failure::Never(
                self.problem(Code::UpstreamFailed, &error.to_string()),
            )),
        }
    }

    /// A problem that says which model it is about.
    pub(super) fn problem(&self, code: Code, why: &str) -> Problem {
        Problem::new(code, format!("{}: {why}", self.candidate.name()))
    }

    /// Text of the endpoint's, without the key.
    pub(super) fn redacted(&self, text: &str) -> String {
        self.secret
            .as_ref()
            .map_or_else(|| text.to_owned(), |secret| secret.redact(text))
    }

    fn unsent(&self, error: &reqwest::Error) -> Failure {
        if let Some(problem) = refusal_of(&self.candidate.endpoint.name, error) {
            return Failure::Never(problem);
        }
        let why = self.redacted(&describe(error));
        if error.is_builder() {
            return Failure::Never(self.problem(
                Code::Internal,
                &format!("the request cannot be made: {why}"),
            ));
        }
        let problem = self.problem(Code::Unreachable, &why).remedy(format!(
            "start the server behind ModelEndpoint {}, or correct its address",
            self.candidate.endpoint.name
        ));
        Failure::Later(problem, None)
    }

    /// Asking the same server again would take as long again, so the next one is asked.
    fn silent(&self) -> Failure {
        if Instant::now() >= self.deadline {
            return Failure::Never(
                self.problem(Code::DeadlineExceeded, "it did not begin to answer in time"),
            );
        }
        let waited = self.patience.first_byte.as_secs_f32();
        Failure::Never(self.problem(
            Code::UpstreamFailed,
            &format!("it did not begin to answer within {waited} s"),
        ))
    }

    async fn refused(&self, response: Response) -> Failure {
        let status = response.status();
        let after = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| retry_after(value.to_str().ok()?));
        let text = error_text(response, self.secret.as_ref()).await;
        let problem = self.problem(Code::UpstreamFailed, &format!("{status}: {text}"));
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Failure::Never(problem.remedy(match &self.candidate.endpoint.secret {
                Some(secret) => format!("correct the key in secret {secret}, or the rights it has there"),
                None => "name the key's secret under apiKey of the ModelEndpoint".to_owned(),
            })),
            StatusCode::NOT_FOUND => Failure::Never(problem.remedy(format!(
                "see that the endpoint has model {}, and that its address ends before /chat/completions",
                self.candidate.model
            ))),
            StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => Failure::Refused(problem, text),
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
                Failure::Later(told_when(problem, after), after)
            }
            _ if status.is_server_error() => Failure::Later(told_when(problem, after), after),
            _ if status.is_redirection() => Failure::Never(problem.remedy("write the address that it leads to into the ModelEndpoint")),
            _ => Failure::Never(problem),
        }
    }
}

fn told_when(problem: Problem, after: Option<Duration>) -> Problem {
    match after.and_then(|after| u64::try_from(after.as_millis()).ok()) {
        Some(after) => problem.retry_after_ms(after),
        None => problem,
    }
}

/// Seconds; the form with a date is rare among these servers, and is left out.
fn retry_after(text: &str) -> Option<Duration> {
    let seconds: f64 = text.trim().parse().ok()?;
    (seconds.is_finite() && seconds >= 0.0)
        .then(|| Duration::from_secs_f64(seconds.min(MAX_RETRY_AFTER as f64)))
}
