//! Which profile an agent has: its own word, within what policies allow, or else theirs. What a profile says is in its
//! file.

use aion_api::PolicyQuotas;
use aion_profiles::{Named, Profiles, unknown_variants};

/// A name that cannot be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The field of the agent that it stands in, or that a policy fills.
    pub field: &'static str,
    /// What is wrong with it.
    pub why: String,
    /// What to do.
    pub remedy: String,
}

/// The field that names it.
const FIELD: &str = "spec.limits.profile";

/// What came of it.
pub(crate) struct Chosen {
    pub(crate) name: Option<String>,
    /// Nothing where there is none.
    pub(crate) says: Named,
    pub(crate) refused: Option<Refused>,
}

/// The profile of an agent that names `own`, under the policies that speak of quotas.
pub(crate) fn choose(own: Option<&str>, policies: &[&PolicyQuotas], profiles: &Profiles) -> Chosen {
    let lists = policies.iter().filter_map(|it| it.profiles.clone());
    let allowed = lists.reduce(|mut kept, next| {
        kept.retain(|name| next.contains(name));
        kept
    });
    let nothing = |why: String, remedy: String| Chosen {
        name: None,
        says: Named::default(),
        refused: Some(Refused {
            field: FIELD,
            why,
            remedy,
        }),
    };
    let name = match (own, allowed) {
        (None, None) => None,
        (Some(own), None) => Some(own.to_owned()),
        (Some(own), Some(allowed)) if allowed.iter().any(|it| it == own) => Some(own.to_owned()),
        (Some(own), Some(allowed)) => {
            let why = format!("policy does not allow the profile {own}");
            return nothing(why, any_of(&allowed));
        }
        (None, Some(allowed)) => match allowed.into_iter().next() {
            Some(first) => Some(first),
            None => {
                let why = "no profile stands in the list of every policy".to_owned();
                return nothing(
                    why,
                    "have quotas.profiles of the policies share a name".to_owned(),
                );
            }
        },
    };
    match name.as_deref().map(|name| profiles.named(name)).transpose() {
        Ok(says) => Chosen {
            says: says.cloned().unwrap_or_default(),
            name,
            refused: None,
        },
        Err(why) => nothing(
            why,
            "name one of these, or add it to the file of profiles".to_owned(),
        ),
    }
}

fn any_of(allowed: &[String]) -> String {
    match allowed {
        [] => "leave it out, and have the policies' quotas.profiles share a name".to_owned(),
        _ => format!("name one of {}", allowed.join(", ")),
    }
}

/// A variant of the system call filter that there is not.
pub(crate) fn variants_that_are_not(names: &[String]) -> Option<Refused> {
    let why = unknown_variants(names).err()?;
    Some(Refused {
        field: "spec.sandbox.seccomp",
        why,
        remedy: "name one of these; a policy's sandbox.seccomp counts, too".to_owned(),
    })
}
