//! What a server lists, kept as long as it holds: for the time that the server gives, and until it says that its list
//! has changed. What may not enter: what an entry means (`listing`).

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rmcp::{RoleClient, ServiceError, service::Peer};
use tokio::{sync::Mutex, time::Instant};

use super::{
    asked::{self, NoAnswer},
    listing::{Listing, Page},
    pages::Packed,
};

/// How long a listing is used where the server gives no time of its own, and the longest that it may give.
const KEPT: Duration = Duration::from_secs(60);
const LONGEST_KEPT: Duration = Duration::from_secs(3600);
/// The most operations of a tool, and the most pages they come in.
const MAX_OPERATIONS: usize = 256;
const MAX_PAGES: usize = 64;
/// The most bytes of all pages together.
pub(super) const MAX_LISTED: usize = 4 * 1024 * 1024;
/// So many pages in a row may bring nothing new.
const MAX_EMPTY_PAGES: usize = 3;

/// Whether a listing whose time is over does.
#[derive(Clone, Copy)]
pub(super) enum Old {
    /// It does, for the schema that the arguments of a call are checked by: that was offered from it.
    Will,
    /// It does not, for what is offered.
    WillNot,
}

/// Why there is no listing.
pub(super) enum NotListed {
    /// A page was not had.
    NoAnswer(NoAnswer),
    /// The list is not one, or too long.
    Refused(String),
}

/// What a server is known to list. One for each connection.
#[derive(Default)]
pub(super) struct Known {
    kept: Mutex<Option<Kept>>,
    changes: AtomicU64,
}

struct Kept {
    listing: Arc<Listing>,
    until: Instant,
    changes: u64,
}

impl Known {
    /// The server says that its list has changed.
    pub(super) fn change(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
    }

    /// Asks where nothing is kept, or what is kept is `old` and its time is over. Callers that come meanwhile wait for
    /// the same listing.
    pub(super) async fn listing(
        &self,
        peer: &Peer<RoleClient>,
        old: Old,
    ) -> Result<Arc<Listing>, NotListed> {
        let mut kept = self.kept.lock().await;
        let changes = self.changes.load(Ordering::Acquire);
        if let Some(it) = &*kept
            && it.changes == changes
            && (matches!(old, Old::Will) || Instant::now() < it.until)
        {
            return Ok(Arc::clone(&it.listing));
        }
        let (listing, lasts) = all_pages(peer).await?;
        let listing = Arc::new(listing);
        *kept = Some(Kept {
            listing: Arc::clone(&listing),
            until: Instant::now() + lasts,
            changes,
        });
        Ok(listing)
    }
}

async fn all_pages(peer: &Peer<RoleClient>) -> Result<(Listing, Duration), NotListed> {
    let mut listing = Listing::default();
    let (mut names, mut cursors) = (BTreeSet::new(), BTreeSet::new());
    let (mut bytes, mut empty, mut lasts, mut cursor) = (0, 0, None, None);
    for number in 0..MAX_PAGES {
        let Packed { page, refused } = match asked::list(peer, cursor).await {
            Ok(packed) => packed,
            // What came before is as good as it was.
            Err(NoAnswer::Failed(ServiceError::McpError(error))) if number > 0 => {
                let why = format!(
                    "it lists no more than {} operations: {}",
                    names.len(),
                    error.message
                );
                listing.broken_off = Some(why);
                break;
            }
            Err(error) => return Err(NotListed::NoAnswer(error)),
        };
        bytes += page.to_string().len();
        if let Some(time) = page.get("ttlMs").and_then(serde_json::Value::as_u64) {
            lasts.get_or_insert(Duration::from_millis(time).min(LONGEST_KEPT));
        }
        let page = Page::read(page).map_err(NotListed::Refused)?;
        let new = listing.add(page.entries, &refused, &mut names);
        empty = if new { 0 } else { empty + 1 };
        if names.len() > MAX_OPERATIONS
            || listing.left_out.len() > MAX_OPERATIONS
            || bytes > MAX_LISTED
        {
            return Err(too_much());
        }
        // A cursor is followed whatever it is, an empty one too, and once: one that comes again does not advance.
        match page.next.filter(|next| cursors.insert(next.clone())) {
            Some(next) if empty < MAX_EMPTY_PAGES => cursor = Some(next),
            _ => {
                listing.sort();
                return Ok((listing, lasts.unwrap_or(KEPT)));
            }
        }
    }
    if listing.broken_off.is_none() {
        return Err(too_much());
    }
    listing.sort();
    Ok((listing, lasts.unwrap_or(KEPT)))
}

fn too_much() -> NotListed {
    NotListed::Refused(format!(
        "it lists more than {MAX_OPERATIONS} operations, {MAX_PAGES} pages or {MAX_LISTED} bytes"
    ))
}
