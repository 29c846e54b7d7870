//! `model.embed`: vectors of texts. What an endpoint was asked for and did not refuse costs, as far as it can be known.

use std::time::Duration;

use aion_abi::{
    code::Code,
    problem::Problem,
    syscall::{
        embed::{EmbedRequest, EmbedResponse, MAX_VECTORS},
        model,
    },
};
use aion_backoff::Backoff;
use aion_drivers::embed::{EmbedError, Embedding, Vectors};
use aion_kernel::Usage;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::{Dispatch, NO_USAGE, ending, json, lower};
use crate::{
    call::tokens,
    instance::Instance,
    shell::{Driven, Progress},
};

/// How often what is busy is asked.
const TRIES: u32 = 3;
/// The longest that it is waited for in between.
const LONGEST: Duration = Duration::from_secs(8);

/// Who hears of a call while it is under way.
pub(super) struct Listener {
    pub(super) progress: Progress,
    pub(super) cancel: CancellationToken,
    pub(super) keyed: bool,
}

impl Dispatch {
    pub(super) async fn embed(
        &self,
        instance: &Instance,
        request: EmbedRequest,
        deadline: Instant,
        listener: Listener,
    ) -> Driven {
        let mut used = NO_USAGE;
        let made = tokio::select! {
            biased;
            () = listener.cancel.cancelled() => None,
            made = self.vectors(instance, request, deadline, &listener.progress, &mut used) => Some(made),
        };
        let ended = match made {
            Some(made) => ending::of(made, listener.keyed),
            None => ending::stopped(),
        };
        Driven {
            usage: used,
            ..ended
        }
    }

    /// `used` is what was asked for so far, also where this is given up or fails.
    async fn vectors(
        &self,
        instance: &Instance,
        request: EmbedRequest,
        deadline: Instant,
        progress: &Progress,
        used: &mut Usage,
    ) -> Result<Vec<u8>, Problem> {
        let model = instance.spec().model.as_ref();
        let model = model.and_then(|it| it.embedding.as_ref()).ok_or_else(|| {
            Problem::new(
                Code::NotFound,
                "the agent has no embedding model: name one under spec.model.embedding",
            )
        })?;
        let embedding = lower::embedding(instance, model);
        let counts = |input_tokens| Usage {
            input_tokens,
            ..NO_USAGE
        };
        // For as long as nobody knows better, also where it is given up.
        *used = counts(tokens(&request.texts));
        progress.used(*used);
        let asked = self.patiently(&embedding, &request, deadline);
        let made = match timeout_at(deadline, asked).await {
            Err(_) => return Err(late(&embedding)),
            Ok(Err(error)) => {
                *used = NO_USAGE;
                return Err(error.into());
            }
            Ok(Ok(made)) => made,
        };
        if let Some(counted) = made.input_tokens {
            *used = counts(counted);
        }
        let bytes: usize = made.vectors.iter().map(|it| size_of_val(&**it)).sum();
        if bytes > MAX_VECTORS {
            let what = format!("texts: their vectors are {bytes} bytes, and may be {MAX_VECTORS}");
            let remedy = "send fewer texts at a time";
            return Err(Problem::new(Code::TooLarge, what).remedy(remedy));
        }
        json(EmbedResponse {
            model: embedding.name(),
            vectors: made.vectors.iter().map(|it| encoded(it)).collect(),
            usage: model::Usage {
                input_tokens: used.input_tokens,
                estimated: made.input_tokens.is_none(),
                ..model::Usage::default()
            },
        })
    }

    /// Asks again what is busy for a moment.
    async fn patiently(
        &self,
        embedding: &Embedding,
        request: &EmbedRequest,
        deadline: Instant,
    ) -> Result<Vectors, EmbedError> {
        let mut tries = 1;
        loop {
            let (texts, dimensions) = (&request.texts, request.dimensions);
            let error = match self.embedder.embed(embedding, texts, dimensions).await {
                Ok(made) => return Ok(made),
                Err(error) => error,
            };
            let soon = match &error {
                EmbedError::Away(problem) => problem.retry_after_ms.map(Duration::from_millis),
                EmbedError::Refused(_) => None,
            };
            let pause = soon.filter(|it| *it <= LONGEST && tries < TRIES);
            let pause = pause.map(|it| Backoff::after(it * tries));
            let Some(pause) = pause.filter(|it| Instant::now() + *it < deadline) else {
                return Err(error);
            };
            tries += 1;
            tokio::time::sleep(pause).await;
        }
    }
}

fn late(embedding: &Embedding) -> Problem {
    let what = format!("{}: it did not answer in time", embedding.name());
    Problem::new(Code::DeadlineExceeded, what)
}

fn encoded(vector: &[f32]) -> String {
    let bytes: Vec<u8> = vector.iter().flat_map(|it| it.to_le_bytes()).collect();
    STANDARD.encode(bytes)
}
