//! Where a bundle is: in a layout of this machine, or in a registry.

use aion_bundle::{Digest, Layout, Reference, Registry, Source, Target};

use crate::failure::Failure;

use super::AccessArgs;

/// A bundle in a place.
pub(super) enum Place {
    Layout {
        layout: Layout,
        /// `name:version`, or a digest.
        named: String,
    },
    Registry {
        registry: Box<Registry>,
        reference: Reference,
    },
}

impl Place {
    /// What a person names: a registry's host has a dot, a colon before the first slash, or is `localhost`; anything
    /// else is in the layout.
    pub(super) fn find(text: &str, layout: Layout, access: &AccessArgs) -> Result<Self, Failure> {
        if text.parse::<Reference>().is_ok() {
            return Self::in_registry(text, access);
        }
        Self::in_layout(text, layout)
    }

    pub(super) fn in_layout(text: &str, layout: Layout) -> Result<Self, Failure> {
        if text.parse::<Digest>().is_err() && !text.contains(':') {
            return Err(Failure::usage(format!(
                "`{text}` is not the name of a bundle in the layout"
            ))
            .at(layout.root().display())
            .remedy("say NAME:VERSION, or the digest"));
        }
        Ok(Self::Layout {
            layout,
            named: text.to_owned(),
        })
    }

    pub(super) fn in_registry(text: &str, access: &AccessArgs) -> Result<Self, Failure> {
        let reference: Reference = text.parse().map_err(Failure::usage)?;
        let registry = Registry::new(&reference, &access.to(&reference)?)?;
        Ok(Self::Registry {
            registry: Box::new(registry),
            reference,
        })
    }

    pub(super) async fn digest(&self) -> Result<Digest, Failure> {
        match self {
            Self::Layout { layout, named } => match named.parse() {
                Ok(digest) => Ok(digest),
                Err(_) => Ok(layout.resolve(named)?.digest),
            },
            Self::Registry {
                registry,
                reference,
            } => match (&reference.digest, &reference.tag) {
                (Some(digest), _) => Ok(*digest),
                (None, Some(tag)) => Ok(registry.resolve(tag).await?),
                (None, None) => Err(
                    Failure::usage(format!("{reference} does not name a bundle"))
                        .remedy("add :TAG or @DIGEST"),
                ),
            },
        }
    }

    pub(super) fn tag(&self) -> Option<&str> {
        match self {
            Self::Layout { .. } => None,
            Self::Registry { reference, .. } => reference.tag.as_deref(),
        }
    }

    /// The bundle's name, for a check of its signature.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Layout { named, .. } if named.parse::<Digest>().is_ok() => "bundle",
            Self::Layout { named, .. } => named.split(':').next().unwrap_or(named),
            Self::Registry { reference, .. } => &reference.repository,
        }
    }

    pub(super) fn source(&self) -> &dyn Source {
        match self {
            Self::Layout { layout, .. } => layout,
            Self::Registry { registry, .. } => registry.as_ref(),
        }
    }

    pub(super) fn target(&self) -> &dyn Target {
        match self {
            Self::Layout { layout, .. } => layout,
            Self::Registry { registry, .. } => registry.as_ref(),
        }
    }
}
