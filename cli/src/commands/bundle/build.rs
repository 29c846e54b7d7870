//! `aionctl bundle build`.

use std::path::Path;

use aion_bundle::{BasePlace, BuildError, Layout, Registry, Source, base, bring, build};

use crate::{context::Context, failure::Failure};

use super::{AccessArgs, LayoutArg, progress};

pub(super) async fn folder(
    context: &Context,
    folder: &Path,
    quiet: bool,
    layout: &LayoutArg,
    access: &AccessArgs,
) -> Result<(), Failure> {
    let layout = layout.make(context)?;
    let wrong = |why| refused(why, folder);
    if let Some(base) = base(folder).map_err(wrong)? {
        let source: Box<dyn Source> = match &base.place {
            BasePlace::Layout(path) => Box::new(Layout::at(folder.join(path))),
            BasePlace::Registry(reference) => {
                Box::new(Registry::new(reference, &access.to(reference)?)?)
            }
        };
        let told = progress(context, "pulling", quiet);
        let brought = bring(folder, source.as_ref(), &layout, &told).await;
        brought.map_err(wrong)?;
    }
    let built = build(folder, &layout).map_err(wrong)?;
    if quiet {
        return context.print(&format!("{}\n", built.digest));
    }
    context.print(&format!(
        "built {} into {}\n\nAn Agent refers to it as\n  bundle: {{name: {}, digest: \"{}\"}}\n",
        built.tag,
        layout.root().display(),
        built.name,
        built.digest,
    ))
}

fn refused(why: BuildError, folder: &Path) -> Failure {
    match why {
        BuildError::Layout(why) => why.into(),
        why => Failure::usage(why)
            .at(folder.display())
            .remedy("docs/trust.md says what a bundle.yaml holds"),
    }
}
