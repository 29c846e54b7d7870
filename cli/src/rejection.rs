//! Faults of manifests that were found here, in the form in which a node tells its own.

use aion_abi::admin::Rejected;
use aion_resolve::Problem;

/// A fault of a manifest, in that form.
pub(crate) fn fault(problem: Problem) -> Rejected {
    let (file, line) = match problem.place {
        Some(place) => (place.file, u32::try_from(place.line).ok()),
        None => (String::new(), None),
    };
    Rejected {
        file,
        line,
        resource: Some(problem.object).filter(|object| !object.is_empty()),
        field: Some(problem.field).filter(|field| !field.is_empty()),
        message: problem.message,
        remedy: String::new(),
    }
}
