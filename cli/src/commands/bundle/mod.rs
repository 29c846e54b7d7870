//! `aionctl bundle`: what people do with bundles, over `aion-bundle`. No node is asked.

mod args;
mod blob;
mod build;
mod inspect;
mod key;
mod password;
mod place;
mod verify;

use std::path::Path;

use aion_bundle::manifest::Descriptor;
use aion_bundle::{Limits, SigningKey, Within, attach, attach_document, copy};

use crate::{
    context::Context,
    failure::{Failure, Status},
    render::screen::{Tone, tame},
};

pub(crate) use args::BundleCommand;
use args::{AccessArgs, LayoutArg};
use place::Place;

pub(crate) async fn run(context: &Context, command: BundleCommand) -> Result<(), Failure> {
    match command {
        BundleCommand::Build {
            folder,
            quiet,
            layout,
            access,
        } => build::folder(context, &folder, quiet, &layout, &access).await,
        BundleCommand::Push {
            bundle,
            to,
            quiet,
            layout,
            access,
        } => push(context, &bundle, &to, quiet, &layout, &access).await,
        BundleCommand::Pull {
            from,
            quiet,
            layout,
            access,
        } => pull(context, &from, quiet, &layout, &access).await,
        BundleCommand::Sign {
            bundle,
            key,
            layout,
            access,
        } => sign(context, &bundle, &key, &layout, &access).await,
        BundleCommand::Attach {
            bundle,
            file,
            kind,
            layout,
            access,
        } => attach_file(context, &bundle, (&file, &kind), &layout, &access).await,
        BundleCommand::Verify {
            bundle,
            signer,
            layout,
            access,
        } => verify::check(context, &bundle, &signer, &layout, &access).await,
        BundleCommand::Inspect {
            bundle,
            signer,
            output,
            layout,
            access,
        } => inspect::inspect(context, &bundle, &signer, output, (&layout, &access)).await,
        BundleCommand::SignBlob {
            file,
            key,
            signature,
        } => blob::sign(context, &file, &key, signature),
        BundleCommand::VerifyBlob {
            file,
            key,
            signature,
        } => blob::check(context, &file, &key, signature),
        BundleCommand::Keygen { name, no_password } => key::generate(context, &name, no_password),
    }
}

async fn push(
    context: &Context,
    bundle: &str,
    to: &str,
    quiet: bool,
    layout: &LayoutArg,
    access: &AccessArgs,
) -> Result<(), Failure> {
    let from = Place::in_layout(bundle, layout.open(context)?)?;
    let to = Place::in_registry(to, access)?;
    let digest = from.digest().await?;
    let tag = to.tag().map(str::to_owned);
    let told = progress(context, "pushing", quiet);
    let count = copy(&in_time(&from), to.target(), &digest, tag.as_deref(), &told).await?;
    context.print(&format!("pushed {digest} with {}\n", signed(count)))
}

async fn pull(
    context: &Context,
    from: &str,
    quiet: bool,
    layout: &LayoutArg,
    access: &AccessArgs,
) -> Result<(), Failure> {
    let from = Place::in_registry(from, access)?;
    let layout = layout.make(context)?;
    let digest = from.digest().await?;
    let told = progress(context, "pulling", quiet);
    let count = copy(&in_time(&from), &layout, &digest, from.tag(), &told).await?;
    context.print(&format!("pulled {digest} with {}\n", signed(count)))
}

/// Tells a terminal of each blob; a script is told of the whole in the end.
fn progress(context: &Context, doing: &str, quiet: bool) -> impl Fn(&Descriptor) + Sync {
    let screen = context.screen;
    move |blob| {
        if screen.live && !quiet {
            let line = blob_line(doing, blob);
            eprintln!("{}", screen.paint_err(&line, Tone::Faint));
        }
    }
}

fn blob_line(doing: &str, blob: &Descriptor) -> String {
    let digest = blob.digest.hex();
    let short = digest.get(..12).unwrap_or(&digest);
    let kib = blob.size.div_ceil(1024);
    let size = match kib {
        ..1024 => format!("{kib} KiB"),
        _ => format!("{:.1} MiB", kib as f64 / 1024.0),
    };
    // A registry's words, on somebody's terminal.
    tame(&format!("{doing} {short}, {size}, {}", blob.media_type))
}

fn signed(count: usize) -> String {
    match count {
        0 => "no signature".to_owned(),
        1 => "its signature".to_owned(),
        n => format!("its {n} signatures"),
    }
}

/// The place, for as long as a node would ask it.
fn in_time(place: &Place) -> Within<'_> {
    Within::new(place.source(), Limits::default().time)
}

async fn sign(
    context: &Context,
    bundle: &str,
    key: &Path,
    layout: &LayoutArg,
    access: &AccessArgs,
) -> Result<(), Failure> {
    let place = Place::find(bundle, layout.open(context)?, access)?;
    let digest = place.digest().await?;
    let key = SigningKey::load(key, || password::ask("password of the key: "))
        .map_err(|why| Failure::usage(why).at(key.display()))?;
    let signature = key.sign(&digest).map_err(Failure::new)?;
    attach(place.target(), &digest, &signature, crate::clock::now()).await?;
    context.print(&format!(
        "signed {digest} with the key {}\n",
        key.fingerprint()
    ))
}

async fn attach_file(
    context: &Context,
    bundle: &str,
    (file, kind): (&Path, &str),
    layout: &LayoutArg,
    access: &AccessArgs,
) -> Result<(), Failure> {
    let document =
        std::fs::read(file).map_err(|why| Failure::io("read the document", file, &why))?;
    let place = Place::find(bundle, layout.open(context)?, access)?;
    let digest = place.digest().await?;
    attach_document(place.target(), &digest, kind, &document).await?;
    context.print(&format!("attached {} to {digest}\n", file.display()))
}

impl From<aion_bundle::SourceError> for Failure {
    fn from(error: aion_bundle::SourceError) -> Self {
        use aion_bundle::SourceError as E;
        let failure = Failure::new(&error);
        match error {
            E::NotFound { .. } => failure
                .status(Status::NotFound)
                .remedy("check name, tag and place: NAME:VERSION is looked for in the layout"),
            E::Unreachable { .. } => failure.status(Status::Unreachable),
            E::Offline { .. } => failure.status(Status::Refused),
            _ => failure,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_on_its_way_is_told_in_one_line_that_commands_no_terminal() {
        let kind = "application/\u{1b}[2Jvnd.oci.image.layer.v1.tar";
        let mut blob = Descriptor::of(kind, b"x");
        blob.size = 1_300_000;
        let line = blob_line("pulling", &blob);
        assert!(
            line.starts_with("pulling 2d711642b726, 1.2 MiB, application/"),
            "{line}"
        );
        assert!(!line.contains('\u{1b}') && !line.contains('\n'), "{line}");
        let small = Descriptor::of("text/plain", b"x");
        assert!(blob_line("pushing", &small).contains(", 1 KiB, "));
    }
}
