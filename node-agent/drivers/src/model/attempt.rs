//! One request to one model, up to the first chunk of its answer.

use std::time::Duration;

use aion_abi::{code::Code, problem::Problem};
use reqwest::{Client, Response, StatusCode, Url};
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use super::{
    Candidate, Patience,
    chunk::Chunk,
    reader::{ReadError, Reader},
    request::STREAM,
};
use crate::{
    outbound::{describe, error_text, is_too_long, millis, named_pause, not_before, refusal_of},
    secrets::Secret,
};

/// Why there is no answer, and what may help.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) problem: Problem,
    /// What the endpoint said of the request, which may be about a part of it that can be left out.
    pub(super) said: Option<String>,
    /// Whether the same request may fare better later: the endpoint is busy, broken or away.
    pub(super) later: bool,
    /// When, where the endpoint says so.
    pub(super) after: Option<Duration>,
}

impl Failure {
    fn never(problem: Problem) -> Self {
        Self {
            problem,
            said: None,
            later: false,
            after: None,
        }
    }

    fn later(problem: Problem) -> Self {
        Self {
            later: true,
            ..Self::never(problem)
        }
    }
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
        // An answer in one piece begins where it ends.
        let until = match body[STREAM] == true {
            true => (start + self.patience.first_byte).min(self.deadline),
            false => self.deadline,
        };
        let response = match timeout_at(until, request.send()).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(self.unsent(&error)),
            Err(_) => return Err(self.silent()),
        };
        if !response.status().is_success() {
            // A server that refuses and then never ends its reason is not waited for either.
            return Err(self.refused(response, until).await);
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
                let why = self.redacted(&error);
                let problem = self.problem(Code::UpstreamFailed, &why);
                Err(self.refused_with(problem, why, true))
            }
            Ok(Some(first)) => {
                reader.set_idle(self.patience.idle);
                Ok(Begun { reader, first })
            }
            Ok(None) => {
                let why = match reader.odd() {
                    Some(odd) => format!("what it answered is not a chat completion: {odd:?}"),
                    None => "it ended its answer before it began".to_owned(),
                };
                let why = self.redacted(&why);
                Err(Failure::later(self.problem(Code::UpstreamFailed, &why)))
            }
            Err(ReadError::Deadline | ReadError::Silent(_)) => Err(self.silent()),
            Err(error @ ReadError::Broken(_)) => Err(Failure::later(
                self.problem(Code::UpstreamFailed, &error.to_string()),
            )),
            Err(error @ ReadError::Form(_)) => {
                let why = self.redacted(&error.to_string());
                let problem = self.problem(Code::UpstreamFailed, &why);
                Err(Failure::never(problem.remedy(self.see_the_address())))
            }
        }
    }

    /// The endpoint said `text` of the request.
    fn refused_with(&self, problem: Problem, text: String, later: bool) -> Failure {
        if is_too_long(&text) {
            return Failure::never(self.too_long(&problem.detail));
        }
        Failure {
            said: Some(text),
            later,
            ..Failure::never(problem)
        }
    }

    /// The conversation does not fit, as `said`.
    pub(super) fn too_long(&self, said: &str) -> Problem {
        let detail = format!("{said}: the conversation is longer than the model's context");
        Problem::new(Code::TooLarge, detail).remedy(format!(
            "ask for less at a time, give the model a larger context where it runs (Ollama: OLLAMA_CONTEXT_LENGTH, llama.cpp: -c), \
             and write its size as contextTokens into ModelEndpoint {}",
            self.candidate.endpoint.name
        ))
    }

    /// A tool is to be called, and the server takes none: it `said` so, now or before.
    pub(super) fn takes_no_tools(&self, said: &[String]) -> Problem {
        let mut why = "it takes no tools, and the request wants one called".to_owned();
        for said in said {
            why = format!("{why}: {said}");
        }
        let remedy = "ask a model that takes tools, or leave it to the model whether it calls one (toolChoice: auto)";
        self.problem(Code::UpstreamFailed, &why).remedy(remedy)
    }

    fn see_the_address(&self) -> String {
        format!(
            "see that ModelEndpoint {} has the address that ends before /chat/completions, mostly with /v1",
            self.candidate.endpoint.name
        )
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
            return Failure::never(problem);
        }
        let why = self.redacted(&describe(error));
        if error.is_builder() {
            return Failure::never(self.problem(
                Code::Internal,
                &format!("the request cannot be made: {why}"),
            ));
        }
        let problem = self.problem(Code::Unreachable, &why).remedy(format!(
            "start the server behind ModelEndpoint {}, or correct its address",
            self.candidate.endpoint.name
        ));
        Failure::later(problem)
    }

    /// Asking the same server again would take as long again, so the next one is asked.
    fn silent(&self) -> Failure {
        if Instant::now() >= self.deadline {
            return Failure::never(
                self.problem(Code::DeadlineExceeded, "it did not begin to answer in time"),
            );
        }
        let waited = self.patience.first_byte.as_secs_f32();
        Failure::never(self.problem(
            Code::UpstreamFailed,
            &format!("it did not begin to answer within {waited} s"),
        ))
    }

    async fn refused(&self, response: Response, until: Instant) -> Failure {
        let status = response.status();
        let after = named_pause(response.headers());
        let text = error_text(response, self.secret.as_ref(), until).await;
        let problem = self.problem(Code::UpstreamFailed, &format!("{status}: {text}"));
        let never = Failure::never;
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                never(problem.remedy(match &self.candidate.endpoint.secret {
                    Some(secret) => {
                        format!("correct the key in secret {secret}, or the rights it has there")
                    }
                    None => "name the key's secret under apiKey of the ModelEndpoint".to_owned(),
                }))
            }
            StatusCode::NOT_FOUND => {
                let problem = problem.remedy(format!(
                    "see that the endpoint has model {}, and that its address ends before /chat/completions",
                    self.candidate.model
                ));
                self.refused_with(problem, text, false)
            }
            StatusCode::PAYLOAD_TOO_LARGE
            | StatusCode::BAD_REQUEST
            | StatusCode::UNPROCESSABLE_ENTITY => self.refused_with(problem, text, false),
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
                Failure {
                    after,
                    ..Failure::later(not_before(problem, after.map(millis)))
                }
            }
            _ if status.is_server_error() => Failure {
                after,
                ..self.refused_with(not_before(problem, after.map(millis)), text, true)
            },
            _ if status.is_redirection() => {
                never(problem.remedy("write the address that it leads to into the ModelEndpoint"))
            }
            _ => never(problem),
        }
    }
}
