//! What of the memory fits a question, as it stands in the documents now.

use std::collections::{BTreeMap, BTreeSet};

use aion_abi::boot::{Declarative, Input};
use aion_abi::problem::Problem;
use aion_abi::syscall::Syscall;
use aion_abi::syscall::agent::MessageKind;
use aion_abi::syscall::memory::{
    ForgetRequest, ForgetResponse, MAX_BATCH, MAX_K, RecallRequest, RecallResponse,
};

use super::knowledge::{self, PASSAGES, Shelf, Standing};
use super::question::Question;
use super::select::{Found, Gathered};
use super::{EXCHANGES, say};
use crate::syscalls::{Syscalls, patience};

/// So many passages are looked at for a question first; of many copies, as many again until there are so many
/// different ones, and at most so often.
const RECALLED: u32 = 24;
const DIFFERENT: usize = 12;
const PAGES: usize = 6;
/// So many are kept.
const KEPT: usize = 8;

/// The passages that fit best, or earlier exchanges where the agent has no documents.
pub(super) async fn recall(
    program: &Declarative,
    input: &Input,
    shelf: &mut Shelf,
    syscalls: &impl Syscalls,
) -> Result<Vec<Found>, Problem> {
    if !program.has_memory || input.text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let has_documents = !program.knowledge.is_empty();
    let mut request = RecallRequest {
        query: input.text.clone(),
        k: RECALLED,
        collection: Some(if has_documents { PASSAGES } else { EXCHANGES }.to_owned()),
        attributes: BTreeMap::new(),
        ids: Vec::new(),
        offset: 0,
    };
    let question = Question::new(&input.text);
    let mut gathered = Gathered::default();
    let (mut records, mut stale, mut degraded) = (BTreeSet::new(), Vec::new(), None);
    for _ in 0..PAGES {
        let page: RecallResponse =
            patience::call(syscalls, Syscall::MemoryRecall, &request).await?;
        let is_last = page.hits.len() < request.k as usize;
        request.offset += request.k;
        request.k = MAX_K;
        degraded = page.degraded;
        knowledge::look_up(syscalls, shelf, &page.hits).await?;
        for mut hit in page.hits {
            match shelf.standing(&hit) {
                Standing::Stale(record) => {
                    records.insert(record);
                    stale.push(hit.id);
                }
                Standing::Foreign if has_documents => {}
                Standing::Current | Standing::Foreign => {
                    let (fit, share) = question.fit(&hit);
                    hit.score *= fit;
                    gathered.add(hit, share);
                }
            }
        }
        if is_last || gathered.len() >= DIFFERENT {
            break;
        }
    }
    // The records first: whose passage it really is reads the file again.
    let starts: Vec<String> = program
        .knowledge
        .iter()
        .map(|it| knowledge::start_id(it))
        .collect();
    forget(syscalls, Vec::from_iter(records), &starts).await?;
    forget(syscalls, stale, &[]).await?;
    if let Some(why) = degraded {
        let text = format!("searched by words only: {why}");
        say(syscalls, MessageKind::Notice, text).await?;
    }
    Ok(gathered.best(KEPT))
}

/// Forgets `ids`, and `also` with each request of them.
async fn forget(
    syscalls: &impl Syscalls,
    ids: Vec<String>,
    also: &[String],
) -> Result<(), Problem> {
    for ids in ids.chunks(MAX_BATCH.saturating_sub(also.len()).max(1)) {
        let ids = [ids, also].concat();
        let request = ForgetRequest::Ids { ids };
        let _: ForgetResponse = patience::call(syscalls, Syscall::MemoryForget, &request).await?;
    }
    Ok(())
}
