//! Resources: files that turns wrote, and what agents remember. What may not enter: what either is.

use aion_abi::{code::Code, problem::Problem};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};
use rmcp::model::{
    CacheScope, ListResourceTemplatesResult, ListResourcesResult, ReadResourceResult,
    ResourceTemplate,
};

use super::{cursor, files, memory};
use crate::gateway::Gateway;

/// The list's name in cursors, of which there are none.
const TEMPLATES: &str = "resource templates";
/// What stands in a path as it is (RFC 3986).
pub(super) const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A page of what agents remember. Which turns there were the node tells nobody: who had a file made has its link.
pub(super) async fn list(
    gateway: &Gateway,
    cursor: Option<&str>,
) -> Result<ListResourcesResult, Problem> {
    let page = memory::page(gateway, cursor).await?;
    let about = page.about();
    let mut listed = ListResourcesResult::with_all_items(page.resources)
        .with_ttl_ms(0)
        .with_cache_scope(CacheScope::Private);
    listed.next_cursor = page.next;
    listed.meta = about;
    Ok(listed)
}

pub(super) fn templates(
    gateway: &Gateway,
    cursor: Option<&str>,
) -> Result<ListResourceTemplatesResult, Problem> {
    cursor::none(TEMPLATES, cursor)?;
    let file = ResourceTemplate::new(files::TEMPLATE, "file")
        .with_title("A file that a turn wrote")
        .with_description("The result of a tool links to each.");
    let mut all = vec![file];
    if gateway.remembers {
        all.extend(memory::templates());
    }
    Ok(ListResourceTemplatesResult::with_all_items(all)
        .with_ttl_ms(0)
        .with_cache_scope(CacheScope::Private))
}

pub(super) async fn read(gateway: &Gateway, uri: &str) -> Result<ReadResourceResult, Problem> {
    let content = match () {
        () if uri.starts_with(files::BEGIN) => files::read(gateway, uri).await?,
        () if uri.starts_with(memory::BEGIN) => memory::read(gateway, uri).await?,
        () => {
            let what = format!("there is no resource {uri}");
            return Err(Problem::new(Code::NotFound, what)
                .remedy("read one that a list or a tool gave, or as a template has it"));
        }
    };
    let mut read = ReadResourceResult::new(vec![content]);
    read.ttl_ms = Some(0);
    read.cache_scope = Some(CacheScope::Private);
    Ok(read)
}
