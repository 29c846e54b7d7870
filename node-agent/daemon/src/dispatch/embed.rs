//! `model.embed`: vectors of texts, some at a time, each part charged as soon as it is asked for.

use aion_abi::{
    code::Code,
    problem::Problem,
    syscall::{
        embed::{EmbedRequest, EmbedResponse, MAX_VECTORS},
        model,
    },
};
use aion_drivers::{
    embed::{AT_ONCE, EmbedError, Embedding, Vectors},
    model::estimate,
};
use aion_kernel::Usage;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::{Dispatch, NO_USAGE, ending, json, lower};
use crate::{
    instance::Instance,
    shell::{Driven, Progress},
};

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
        let mut answer = EmbedResponse {
            model: embedding.name(),
            ..EmbedResponse::default()
        };
        let mut bytes = 0;
        for texts in request.texts.chunks(AT_ONCE) {
            let before = used.input_tokens;
            let estimated: u64 = texts.iter().map(|text| estimate(text)).sum();
            // What is asked for costs, whatever comes of it.
            used.input_tokens = before + estimated;
            progress.used(*used);
            let asked = self.embedder.embed(&embedding, texts, request.dimensions);
            let asked = timeout_at(deadline, asked).await;
            let Vectors {
                vectors,
                input_tokens,
            } = match asked.unwrap_or_else(|_| Err(late(&embedding))) {
                Ok(made) => made,
                Err(error) => return Err(error.into()),
            };
            match input_tokens {
                Some(counted) => used.input_tokens = before + counted,
                None => answer.usage.estimated = true,
            }
            for vector in vectors {
                bytes += size_of_val(&*vector);
                if bytes > MAX_VECTORS {
                    let what = format!("the vectors are more than {MAX_VECTORS} bytes together");
                    let remedy = "send fewer texts at a time";
                    return Err(Problem::new(Code::TooLarge, what).remedy(remedy));
                }
                answer.vectors.push(encoded(&vector));
            }
        }
        answer.usage = model::Usage {
            input_tokens: used.input_tokens,
            ..answer.usage
        };
        json(answer)
    }
}

fn late(embedding: &Embedding) -> EmbedError {
    let what = format!("{}: it did not answer in time", embedding.name());
    EmbedError::Away(Problem::new(Code::DeadlineExceeded, what))
}

fn encoded(vector: &[f32]) -> String {
    let bytes: Vec<u8> = vector.iter().flat_map(|it| it.to_le_bytes()).collect();
    STANDARD.encode(bytes)
}
