//! Whose feeds tell of a namespace, for a caller who may hear it.

use std::sync::Arc;

use aion_abi::problem::Problem;
use aion_review::refused;

use super::{
    Caller,
    caller::{is_label, none, wanted},
    in_time,
};
use crate::{numbers::Tag, place::Place};

/// What it takes, as nodes have it: on all agents of the namespace.
const HEARS: &str = "get";

/// A node, asked in the caller's name.
pub(crate) struct FeedOf {
    pub(crate) name: Arc<str>,
    /// None where there is no KernelNode.
    pub(crate) tag: Option<Tag>,
    /// Where it is; or why it cannot be asked.
    pub(crate) place: Result<Place, String>,
}

impl Caller {
    /// Whether this one hears what happens to all agents of a namespace: their token counts, and they may.
    ///
    /// # Errors
    /// It does not, or they may not; or the API server does not say.
    pub(crate) async fn hears(&self, namespace: &str) -> Result<(), Problem> {
        if !is_label(namespace) {
            return Err(none((namespace, "")));
        }
        let reviews = &self.cluster().reviews;
        let user = reviews.user(&self.who()?.token, namespace);
        in_time("say who is asking", user).await?;
        match self.may(HEARS, (namespace, "")).await? {
            true => Ok(()),
            false => Err(refused(self.name(), &wanted(HEARS, namespace, ""))),
        }
    }

    /// The nodes that have agents of a namespace, by name, once all are known: a cursor has places at nodes that are not listed yet.
    ///
    /// # Errors
    /// The gateway has just started.
    pub(crate) fn known_feeds(&self, namespace: &str) -> Result<Vec<FeedOf>, Problem> {
        self.cluster().ready()?;
        Ok(self.feeds(namespace))
    }

    /// The same, as far as is known.
    pub(crate) fn feeds(&self, namespace: &str) -> Vec<FeedOf> {
        let within = self.cluster().table.read().within(namespace);
        let feeds = within.into_iter().map(|it| FeedOf {
            name: it.node,
            tag: it.tag,
            place: it
                .place
                .and_then(|place| self.of_mine(place).map_err(|why| why.detail)),
        });
        feeds.collect()
    }
}
