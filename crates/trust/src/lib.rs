//! What TrustPolicies say, made into what bundles are judged by: keys, identities, trust roots and requirements. A node and
//! `aionctl` judge by the same. What may not enter: bundles, and what is done with the answer.

mod passed_over;
mod roots;
mod rule;
mod set;

pub use passed_over::PassedOver;
pub use roots::TrustRoots;
pub use rule::rule;
pub use set::key_of;
