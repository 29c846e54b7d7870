//! The models an agent asks.

use aion_api::condition::reason;
use aion_api::program::WithoutModel;
use aion_api::{
    GrantEffect, ModelEndpoint, ModelPurpose, ModelUse, Provider, ResolvedEndpoint, ResolvedModel,
    defaults,
};
use aion_policy::{Decided, NamedModel, Verdict, Wanted};

use crate::dereference::{Dereferenced, endpoint_of};
use crate::problem::{Problem, Told};

use super::Findings;

/// The name of the first model of a machine's own server.
const ANY: &str = "any";

/// A model that the agent names, and what it is.
pub(super) struct Found {
    pub(super) named: NamedModel,
    endpoint: ResolvedEndpoint,
}

/// The models that `spec.model` names. What is not there is told, unless the agent says that it can do without a model.
pub(super) fn resolve(input: &Dereferenced, findings: &mut Findings) -> Vec<Found> {
    let named = input.agent.spec.model.iter().flat_map(ModelUse::named);
    let mut resolved = Vec::new();
    for (field, name, purpose) in named {
        let field = format!("spec.model.{field}");
        match endpoint(input, name, purpose) {
            Ok(endpoint) => {
                let model = format!("{}/{}", endpoint.endpoint, endpoint.model);
                let named = NamedModel {
                    field,
                    model,
                    purpose,
                };
                resolved.push(Found { named, endpoint });
            }
            Err((_, mut told)) if purpose == ModelPurpose::Chat && can_do_without(input) => {
                let said = told.remedy.as_mut().unwrap_or(&mut told.what);
                *said += "; until then it quotes passages, as withoutModel: quote says";
                findings.notes.push(Problem::new(field, told));
            }
            Err((reason, told)) => findings
                .unresolved
                .push((reason, Problem::new(field, told))),
        }
    }
    resolved
}

/// Whether the agent says what it does without a model.
pub(super) fn can_do_without(input: &Dereferenced) -> bool {
    input.agent.spec.without_model == Some(WithoutModel::Quote)
}

/// The model that `name` (`endpoint` or `endpoint/model`) is.
///
/// # Errors
/// The reason, and what is wrong, when there is none for `purpose`.
pub(super) fn endpoint(
    input: &Dereferenced,
    name: &str,
    purpose: ModelPurpose,
) -> Result<ResolvedEndpoint, (&'static str, Told)> {
    let at = endpoint_of(name);
    let Some(endpoint) = input.endpoints.get(at) else {
        let namespace = input
            .agent
            .metadata
            .namespace
            .as_deref()
            .unwrap_or_default();
        let what = format!("there is no ModelEndpoint {at} in namespace {namespace}");
        let told = (what, "apply one, or name another").into();
        return Err((reason::NOT_FOUND, told));
    };
    let kind = match purpose {
        ModelPurpose::Chat => "chat",
        ModelPurpose::Embedding => "embedding",
    };
    if endpoint.spec.provider == Provider::Local && purpose == ModelPurpose::Embedding {
        let what = format!(
            "ModelEndpoint {at} is whatever model server runs on a machine, and vectors of two models do not go together"
        );
        let told = (what, "name an endpoint with a baseUrl").into();
        return Err((reason::WRONG_KIND, told));
    }
    let models = &endpoint.spec.models;
    if endpoint.spec.provider == Provider::Local && models.is_empty() {
        let named = name.split_once('/').map_or(ANY, |(_, model)| model);
        let model = aion_api::Model {
            name: named.to_owned(),
            ..aion_api::Model::default()
        };
        return Ok(resolved(at, endpoint, &model));
    }
    let found = match name.split_once('/') {
        Some((_, model)) => models.iter().find(|m| m.name == model),
        None => models.iter().find(|m| m.purpose == purpose),
    };
    match found {
        Some(model) if model.purpose == purpose => Ok(resolved(at, endpoint, model)),
        Some(model) => {
            let what = format!(
                "model {} of ModelEndpoint {at} is not for {kind}",
                model.name
            );
            let remedy = format!("name one whose purpose is {kind}");
            Err((reason::WRONG_KIND, (what, remedy).into()))
        }
        None => {
            let offered: Vec<&str> = models
                .iter()
                .filter(|m| m.purpose == purpose)
                .map(|m| m.name.as_str())
                .collect();
            let offered = if offered.is_empty() {
                format!("no {kind} model")
            } else {
                offered.join(", ")
            };
            let what = format!("ModelEndpoint {at} has no such model, it offers {offered}");
            let told = (what, "name one of them, or add it there").into();
            Err((reason::NOT_FOUND, told))
        }
    }
}

fn resolved(name: &str, endpoint: &ModelEndpoint, model: &aion_api::Model) -> ResolvedEndpoint {
    ResolvedEndpoint {
        endpoint: name.to_owned(),
        model: model.name.clone(),
        provider: endpoint.spec.provider,
        base_url: endpoint.spec.base_url.clone(),
        api_key: endpoint.spec.api_key.clone(),
        context_tokens: model.context_tokens,
        max_concurrent: endpoint
            .spec
            .max_concurrent
            .unwrap_or(defaults::MAX_CONCURRENT),
        timeout_seconds: endpoint
            .spec
            .timeout_seconds
            .unwrap_or(defaults::TIMEOUT_SECONDS),
    }
}

/// Those of `models` that are granted; `None` where none is.
pub(super) fn granted(models: Vec<Found>, decided: &[Decided]) -> Option<ResolvedModel> {
    let may = |found: &Found| {
        let wanted = Wanted::Model {
            model: found.named.model.clone(),
            purpose: found.named.purpose,
        };
        decided.iter().any(|d| {
            d.request.wanted == wanted && d.verdict == Verdict::Granted(GrantEffect::Allow)
        })
    };
    let granted = models.into_iter().filter(may);
    let (chat, mut embedding): (Vec<_>, Vec<_>) =
        granted.partition(|it| it.named.purpose == ModelPurpose::Chat);
    let endpoints: Vec<_> = chat.into_iter().map(|it| it.endpoint).collect();
    let embedding = embedding.pop().map(|it| it.endpoint);
    let is_one = !endpoints.is_empty() || embedding.is_some();
    is_one.then_some(ResolvedModel {
        endpoints,
        embedding,
    })
}
