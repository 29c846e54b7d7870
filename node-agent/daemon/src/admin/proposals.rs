//! Devices that are announced, for a person: to look at, to admit and to reject. Nothing else admits one.

use std::{collections::BTreeSet, sync::Arc};

use aion_abi::{
    admin::{ApplyRequest, ApplyResponse, Manifest},
    code::Code,
    problem::Problem,
    proposal::{Admission, PAGE, ProposalState, Proposals, ProposalsWanted, Proposed, Unmapped},
};
use aion_device::announced::{Proposal, named};
use aion_serve::{Json, Path, Query};
use axum::extract::State;

use super::{
    Admin,
    answer::Refused,
    page,
    rejections::{Announced, Rejections},
};
use crate::instances::Folder;

pub(super) async fn list(
    State(admin): State<Arc<Admin>>,
    Path(namespace): Path<String>,
    Query(wanted): Query<ProposalsWanted>,
) -> Result<Json<Proposals>, Refused> {
    let limit = page::limit(wanted.limit, PAGE, PAGE)? as usize;
    let brokers = admin.devices.discovering(&namespace);
    let all = read(&admin, namespace).await?.into_iter().map(|it| it.0);
    let shown = all.filter(|it| wanted.all || it.state == ProposalState::Proposed);
    let behind = |it: &Proposed| wanted.after.as_ref().is_none_or(|after| it.name > *after);
    let mut items: Vec<_> = shown.filter(behind).take(limit + 1).collect();
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().map(|it| it.name.clone()).filter(|_| more);
    Ok(Json(Proposals {
        items,
        next,
        brokers,
    }))
}

pub(super) async fn get(
    State(admin): State<Arc<Admin>>,
    Path((namespace, proposal)): Path<(String, String)>,
) -> Result<Json<Proposed>, Refused> {
    Ok(Json(find(&admin, namespace, &proposal).await?.0))
}

pub(super) async fn approve(
    State(admin): State<Arc<Admin>>,
    Path((namespace, proposal)): Path<(String, String)>,
    Json(admission): Json<Admission>,
) -> Result<Json<ApplyResponse>, Refused> {
    let folder = folder(&admin)?;
    let (mut shown, of) = find(&admin, namespace, &proposal).await?;
    if let Some(name) = &shown.admitted_as {
        let what = format!("{proposal} is Device {name} already");
        return Err(Refused(Problem::new(Code::BadRequest, what).remedy(
            "delete that device first, or apply what aionctl device proposals --all -o yaml shows",
        )));
    }
    if shown.resources.is_empty() {
        let what = format!("nothing could be made of what {proposal} announces");
        return Err(Refused(Problem::new(Code::BadRequest, what).remedy(
            "aionctl device proposals -o yaml names the fields and why; write a DeviceModel and a Device by hand",
        )));
    }
    let name = admission.name.unwrap_or_else(|| shown.name.clone());
    for it in &mut shown.resources {
        it["metadata"]["name"] = name.as_str().into();
        if it["kind"] == "Device" {
            it["spec"]["model"] = name.as_str().into();
        }
    }
    // JSON is YAML, too.
    let texts: Vec<_> = shown.resources.iter().map(ToString::to_string).collect();
    let request = ApplyRequest {
        manifests: vec![Manifest {
            file: format!("proposal {proposal}"),
            text: texts.join("\n---\n"),
        }],
        dry_run: false,
    };
    let home = admin.home.clone();
    let admitted = tokio::task::spawn_blocking(move || {
        let answer = folder.admit(&request).map_err(Refused::from)?;
        if answer.rejected.is_empty() {
            Rejections::of(&home).set(&of, false)?;
        }
        Ok::<_, Refused>(answer)
    });
    let admitted = admitted
        .await
        .map_err(|error| Refused::internal(error.to_string()))??;
    Ok(Json(admitted))
}

pub(super) async fn reject(
    State(admin): State<Arc<Admin>>,
    Path((namespace, proposal)): Path<(String, String)>,
) -> Result<Json<Proposed>, Refused> {
    folder(&admin)?;
    let (mut shown, of) = find(&admin, namespace, &proposal).await?;
    if let Some(name) = &shown.admitted_as {
        let what = format!("{proposal} was admitted as Device {name}");
        return Err(Refused(
            Problem::new(Code::BadRequest, what).remedy(format!("aionctl delete device {name}")),
        ));
    }
    let home = admin.home.clone();
    let set = tokio::task::spawn_blocking(move || Rejections::of(&home).set(&of, true));
    set.await
        .map_err(|error| Refused::internal(error.to_string()))??;
    shown.state = ProposalState::Rejected;
    Ok(Json(shown))
}

fn folder(admin: &Admin) -> Result<Folder, Refused> {
    admin.folder.clone().ok_or_else(|| {
        Refused(Problem::new(
            Code::NotFound,
            "devices are proposed on a machine that stands alone",
        ))
    })
}

async fn find(
    admin: &Arc<Admin>,
    namespace: String,
    proposal: &str,
) -> Result<(Proposed, Announced), Refused> {
    let all = read(admin, namespace).await?;
    let found = all.into_iter().find(|(it, _)| it.name == proposal);
    found.ok_or_else(|| {
        Refused(Problem::new(Code::NotFound, format!("no device is announced as {proposal}")).remedy(
            "aionctl device proposals lists them; where several announce one name, each has its identity behind it",
        ))
    })
}

/// All proposals of a namespace, and what tells each from others. What is announced may be megabytes: not read where others wait.
async fn read(
    admin: &Arc<Admin>,
    namespace: String,
) -> Result<Vec<(Proposed, Announced)>, Refused> {
    let (folder, admin) = (folder(admin)?, Arc::clone(admin));
    let read = tokio::task::spawn_blocking(move || {
        let rejected = Rejections::of(&admin.home).all()?;
        let announced = admin.devices.announced(&namespace);
        let drafts: Vec<_> = announced
            .iter()
            .map(|(broker, it)| (broker.clone(), &**it))
            .collect();
        let proposals = named(&namespace, &drafts, &folder.admitted(&namespace)).into_iter();
        Ok::<_, Problem>(
            proposals
                .map(|it| shown(it, &namespace, &rejected))
                .collect(),
        )
    });
    Ok(read
        .await
        .map_err(|error| Refused::internal(error.to_string()))??)
}

fn shown(it: Proposal, namespace: &str, rejected: &BTreeSet<Announced>) -> (Proposed, Announced) {
    let of = Announced {
        namespace: namespace.to_owned(),
        broker: it.broker.clone(),
        identity: it.identity,
    };
    let state = match () {
        () if it.admitted_as.is_some() => ProposalState::Admitted,
        () if rejected.contains(&of) => ProposalState::Rejected,
        () => ProposalState::Proposed,
    };
    let both = it.resources.map(|both| {
        let (model, device) = *both;
        [serde_json::to_value(model), serde_json::to_value(device)]
    });
    let unmapped = it.unmapped.into_iter();
    let shown = Proposed {
        name: it.name,
        broker: it.broker,
        state,
        admitted_as: it.admitted_as,
        topics: it.topics,
        unmapped: unmapped
            .map(|it| Unmapped {
                topic: it.topic,
                field: it.field,
                why: it.why,
            })
            .collect(),
        resources: both.into_iter().flatten().filter_map(Result::ok).collect(),
    };
    (shown, of)
}
