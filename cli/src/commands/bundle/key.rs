//! `aionctl bundle keygen`.

use std::{fs::OpenOptions, io::Write, path::Path};

use aion_bundle::SigningKey;

use crate::{context::Context, failure::Failure};

use super::password;

pub(super) fn generate(context: &Context, name: &Path, no_password: bool) -> Result<(), Failure> {
    let (private, public) = (
        name.with_added_extension("key"),
        name.with_added_extension("pub"),
    );
    for path in [&private, &public] {
        if path.exists() {
            return Err(
                Failure::usage("the file is there already, and a key is never replaced")
                    .at(path.display())
                    .remedy("choose another name, or move the file away"),
            );
        }
    }
    let password = match no_password {
        true => None,
        false => Some(password::choose().map_err(|why| {
            Failure::usage(format!("there is no password: {why}"))
                .remedy("set COSIGN_PASSWORD, or say --no-password")
        })?),
    };
    let key = SigningKey::generate().map_err(Failure::new)?;
    let password = password.as_ref().map(|password| password.as_str());
    key.save_new(&private, password).map_err(Failure::new)?;
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&public)
        .and_then(|mut file| file.write_all(key.public_pem().as_bytes()))
        .map_err(|why| Failure::io("write the public key", &public, &why))?;
    context.print(&format!(
        "{}  keep it: whoever has it signs in your name\n{}  put it into a TrustPolicy\n",
        private.display(),
        public.display(),
    ))
}
