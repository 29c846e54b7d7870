//! Step 4: writes the finalizer. What was lost with a node is told before the pool goes.

use aion_api::MemoryPool;
use aion_api::condition::{Judgement, reason};
use aion_api::metadata::{FINALIZER_ERASE, MANAGER_MEMORY_POOL};
use kube::{Api, Resource, ResourceExt};

use crate::context::Context;
use crate::events::event;
use crate::failure::step_errors;
use crate::write;

use super::build::{Finalizer, Prepared};

step_errors! {
    /// What the API server did not take.
    Error {
        /// The pool's finalizer.
        WriteFinalizer,
    }
}

/// A pool whose finalizer is as it should be.
pub(super) struct Applied {
    pub(super) pool: MemoryPool,
    pub(super) judgements: Vec<Judgement>,
    /// Whether it is gone now.
    pub(super) gone: bool,
}

/// Writes `prepared`.
///
/// # Errors
/// The API server did not take the finalizer.
pub(super) async fn apply(context: &Context, prepared: Prepared) -> Result<Applied, Error> {
    let Prepared {
        pool,
        judgements,
        finalizer,
    } = prepared;
    let gone = matches!(finalizer, Finalizer::Remove(_));
    let namespace = pool.namespace().unwrap_or_default();
    let pools: Api<MemoryPool> = Api::namespaced(context.client.clone(), &namespace);
    let written = match finalizer {
        Finalizer::Add => write::hold(&pools, &pool, MANAGER_MEMORY_POOL, FINALIZER_ERASE).await,
        Finalizer::Keep => Ok(()),
        Finalizer::Remove(lost) => {
            if let Some(lost) = lost {
                tracing::error!(pool = pool.name_any(), namespace, lost, "not erased");
                let told = vec![event(false, reason::NOT_ERASED, &lost, "Erase")];
                context.announcer.tell(&pool.object_ref(&()), told);
            }
            write::release(&pools, &pool, FINALIZER_ERASE).await
        }
    };
    written.map_err(Error::WriteFinalizer)?;
    Ok(Applied {
        pool,
        judgements,
        gone,
    })
}
