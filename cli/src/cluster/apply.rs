//! Applying manifests: read as everywhere, tried by the API server, then written by server-side apply.

use aion_abi::admin::{Applied, ApplyRequest, ApplyResponse, Change, Rejected};
use aion_api::{API_VERSION, crd, metadata::MANAGER_CLI};
use aion_resolve::parse_manifests;
use kube::api::{Patch, PatchParams};
use serde_json::Value;

use super::Cluster;
use crate::{failure::Failure, keys::unusable};

/// A manifest that was read.
struct Wanted {
    file: String,
    line: Option<u32>,
    kind: &'static str,
    plural: &'static str,
    namespace: Option<String>,
    name: String,
    object: Value,
}

impl Cluster {
    /// Takes manifests in; nothing is written while the API server refuses one of them.
    pub(crate) async fn apply(
        &self,
        request: &ApplyRequest,
        namespace: &str,
    ) -> Result<ApplyResponse, Failure> {
        let (wanted, mut rejected) = read(request, namespace)?;
        if rejected.is_empty() {
            for one in &wanted {
                if let Err(fault) = self.patch(one, true).await? {
                    rejected.push(fault);
                }
            }
        }
        if !rejected.is_empty() {
            return Ok(ApplyResponse {
                applied: Vec::new(),
                rejected,
            });
        }
        let mut applied = Vec::new();
        for one in &wanted {
            let before = self.api(one.plural, one.namespace.as_deref())?;
            let before = before.get_opt(&one.name).await;
            let before = before.map_err(|why| self.failure("read what exists", &why))?;
            let after = match self.patch(one, request.dry_run).await? {
                Ok(after) => after,
                // Somebody changed something since it was tried.
                Err(fault) => {
                    return Err(Failure::new(fault.message)
                        .at(&one.file)
                        .remedy("apply again: what comes before it in the files was applied"));
                }
            };
            let before = before.map(|it| serde_json::to_value(it).unwrap_or_default());
            applied.push(Applied {
                kind: one.kind.to_owned(),
                namespace: one.namespace.clone(),
                name: one.name.clone(),
                change: match before {
                    None => Change::Created,
                    Some(before) if said(&before) == said(&after) => Change::Unchanged,
                    Some(_) => Change::Configured,
                },
            });
        }
        Ok(ApplyResponse {
            applied,
            rejected: Vec::new(),
        })
    }

    /// What the object is then, or what the API server has against it.
    async fn patch(&self, one: &Wanted, dry: bool) -> Result<Result<Value, Rejected>, Failure> {
        let api = self.api(one.plural, one.namespace.as_deref())?;
        let mut params = PatchParams::apply(MANAGER_CLI).force();
        params.dry_run = dry;
        match api
            .patch(&one.name, &params, &Patch::Apply(&one.object))
            .await
        {
            Ok(object) => serde_json::to_value(object)
                .map(Ok)
                .map_err(|why| Failure::new(format!("cannot read the answer: {why}"))),
            Err(kube::Error::Api(status)) if matches!(status.code, 400 | 422) => {
                Ok(Err(Rejected {
                    file: one.file.clone(),
                    line: one.line,
                    resource: Some(format!("{}/{}", one.kind, one.name)),
                    field: None,
                    message: status.message.clone(),
                    remedy: "correct the manifest and apply it again".to_owned(),
                }))
            }
            Err(why) => Err(self.failure(&format!("apply {}/{}", one.kind, one.name), &why)),
        }
    }
}

fn read(request: &ApplyRequest, namespace: &str) -> Result<(Vec<Wanted>, Vec<Rejected>), Failure> {
    let (mut wanted, mut rejected) = (Vec::new(), Vec::new());
    for manifest in &request.manifests {
        let read = match parse_manifests(&manifest.text, &manifest.file) {
            Ok(read) => read,
            Err(problems) => {
                rejected.extend(problems.into_iter().map(Rejected::from));
                continue;
            }
        };
        rejected.extend(unusable(read.iter().map(|it| (&it.object, &it.place))));
        for read in read {
            let Some(kind) = crd::kind(read.object.kind()) else {
                continue;
            };
            let own = Some(read.object.namespace()).filter(|it| !it.is_empty());
            let place = kind.namespaced.then(|| own.unwrap_or(namespace).to_owned());
            let mut object = read.object.to_json().map_err(|why| {
                Failure::new(format!("cannot write the manifest: {why}")).at(&manifest.file)
            })?;
            object["apiVersion"] = API_VERSION.into();
            object["kind"] = kind.name.into();
            if let Some(place) = &place {
                object["metadata"]["namespace"] = place.as_str().into();
            }
            wanted.push(Wanted {
                file: manifest.file.clone(),
                line: u32::try_from(read.place.line).ok(),
                kind: kind.name,
                plural: kind.plural,
                namespace: place,
                name: read.object.name().to_owned(),
                object,
            });
        }
    }
    Ok((wanted, rejected))
}

/// What people say with an object.
fn said(object: &Value) -> [&Value; 3] {
    let meta = &object["metadata"];
    [&object["spec"], &meta["labels"], &meta["annotations"]]
}
