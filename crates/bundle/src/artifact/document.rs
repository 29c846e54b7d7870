//! What a digest may stand for: a bundle of ours, a container image, or an index of images. What may not enter: what
//! is in each of them.

use serde::{Deserialize, de::IgnoredAny};

use crate::artifact::{
    image::is_manifest,
    limits::Limits,
    oci::{INDEX, MANIFEST, Manifest, ManifestError, parse},
    platform::{DOCKER_INDEX, Platforms},
};

/// A document of a registry.
#[derive(Debug)]
pub(crate) enum Document {
    /// A module or a definition.
    Bundle(Manifest),
    /// A container image.
    Image(Manifest),
    /// Images for several platforms.
    Index(Platforms),
}

/// What tells them apart.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shape {
    #[serde(default)]
    media_type: Option<String>,
    #[serde(default)]
    manifests: Option<IgnoredAny>,
    #[serde(default)]
    config: Option<IgnoredAny>,
    #[serde(default)]
    layers: Option<IgnoredAny>,
}

impl Shape {
    /// Whether it is an index. A document that is both, or is not what it calls itself, is neither: two readers would
    /// read two things (CVE-2021-41190).
    fn is_index(&self) -> Result<bool, ManifestError> {
        let is_index = self.manifests.is_some();
        let is_manifest_too = self.config.is_some() || self.layers.is_some();
        let called = self.media_type.as_deref();
        let fits = match is_index {
            true => called.is_none_or(|it| [INDEX, DOCKER_INDEX].contains(&it)),
            false => called.is_none_or(is_manifest),
        };
        match fits && !(is_index && is_manifest_too) {
            true => Ok(is_index),
            false => Err(ManifestError::NotABundle(
                "it is not what its mediaType says, or a manifest and an index at once".to_owned(),
            )),
        }
    }
}

impl Document {
    /// Reads a document, and refuses what is neither of the three or more than `limits` allow.
    pub(crate) fn parse(bytes: &[u8], limits: &Limits) -> Result<Self, ManifestError> {
        let shape: Shape = parse("manifest", bytes)?;
        if shape.is_index()? {
            return Platforms::parse(bytes).map(Self::Index);
        }
        let manifest = Manifest::parse(bytes)?;
        match manifest.is_image() {
            true => manifest.image_layers(limits).map(|_| ())?,
            false => manifest.bundle_layers(limits).map(|_| ())?,
        }
        Ok(match manifest.is_image() {
            true => Self::Image(manifest),
            false => Self::Bundle(manifest),
        })
    }
}

/// The media type under which a registry keeps `bytes`: what they call themselves, else what they look like.
pub(crate) fn media_type(bytes: &[u8]) -> String {
    match serde_json::from_slice::<Shape>(bytes) {
        Ok(Shape {
            media_type: Some(kind),
            ..
        }) => kind,
        Ok(Shape {
            manifests: Some(_), ..
        }) => INDEX.to_owned(),
        _ => MANIFEST.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::artifact::image::{DOCKER_MANIFEST, IMAGE_CONFIG};

    const CONFIG: &str = r#"{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":1}"#;

    #[test]
    fn a_document_is_one_thing_and_what_it_calls_itself() {
        let check = |kind: Option<&str>, rest: &str, expect: Option<&str>| {
            let kind = kind.map_or(String::new(), |it| format!(r#""mediaType":"{it}","#));
            let text = format!(r#"{{"schemaVersion":2,{kind}{rest}}}"#);
            let read = Document::parse(text.as_bytes(), &Limits::default());
            let is = read.as_ref().ok().map(|it| match it {
                Document::Bundle(_) => "bundle",
                Document::Image(_) => "image",
                Document::Index(_) => "index",
            });
            assert_eq!(is, expect, "{text}: {read:?}");
        };
        let image = format!(r#""config":{CONFIG},"layers":[]"#);
        check(None, &image, Some("image"));
        check(Some(MANIFEST), &image, Some("image"));
        check(Some(DOCKER_MANIFEST), &image, Some("image"));
        check(Some(INDEX), &image, None);
        check(Some("text/plain"), &image, None);
        check(None, r#""manifests":[]"#, Some("index"));
        check(Some(DOCKER_INDEX), r#""manifests":[]"#, Some("index"));
        check(Some(MANIFEST), r#""manifests":[]"#, None);
        check(None, &format!(r#"{image},"manifests":[]"#), None);
        check(None, &image.replace(IMAGE_CONFIG, "text/plain"), None);
        check(None, &format!(r#""artifactType":"a/b",{image}"#), None);
        check(None, r#""fsLayers":[]"#, None);
    }
}
