//! `aionctl bundle inspect`: who says that they signed a bundle, what is attested of it, and what of that counts by a key or an
//! identity.

use std::fmt::Write as _;

use aion_bundle::{
    AdmitError, BundleName, Candidate, Claims, Digest, Logged, Maker, PassedOver, TrustSet,
    Verdict, attached, attested, claims,
};
use serde_json::{Value, json};

use super::{
    args::{AccessArgs, LayoutArg, Shown, SignerArgs},
    in_time,
    place::Place,
    verify::trust,
};
use crate::{
    context::Context,
    failure::{Failure, Status},
    render::screen::tame,
};

/// The kind of statement that is a signature.
const SIGNED: &str = "https://sigstore.dev/cosign/sign/v1";
/// Packages of an SBOM that are named; JSON has all of them.
const MOST_NAMED: usize = 40;

pub(super) async fn inspect(
    context: &Context,
    bundle: &str,
    signer: &SignerArgs,
    output: Shown,
    (layout, access): (&LayoutArg, &AccessArgs),
) -> Result<(), Failure> {
    let place = Place::find(bundle, layout.open(context)?, access)?;
    let digest = place.digest().await?;
    let name: BundleName = place.name().parse().map_err(Failure::usage)?;
    let trust = trust(context, signer, (&name, &digest))?;
    let mut found = attached(&in_time(&place), &digest).await?;
    if let Some(why) = found.unreachable.take() {
        return Err(why.into());
    }
    let one = |it: &Candidate| Found::of(it, &name, &digest, trust.as_ref());
    let all: Vec<Found> = found.candidates.iter().map(one).collect();
    let (unreadable, left_out) = (std::mem::take(&mut found.unreadable), found.left_out);
    let judged = trust.map(|trust| found.judge(&name, &digest, &trust, crate::clock::now()));
    let found = Rest {
        unreadable: unreadable.into_iter().map(|(_, it)| it).collect(),
        left_out,
    };
    let shown = match output {
        Shown::Json => {
            let all: Vec<Value> = all.iter().map(Found::json).collect();
            let mut whole = json!({"name": name, "digest": digest, "found": all,
                "accepted": judged.as_ref().map(Result::is_ok),
                "unreadable": found.unreadable, "leftOut": found.left_out});
            match &judged {
                Some(Ok(verdict)) => whole["verdict"] = json!(verdict),
                Some(Err(why)) => {
                    whole["refused"] =
                        json!({"reason": why.reason().as_str(), "message": why.to_string()});
                }
                None => {}
            }
            context.print_json(&whole)
        }
        Shown::Text => context.print(&text(&name, &digest, &all, &found, judged.as_ref())),
    };
    shown?;
    match judged {
        Some(Err(why)) => Err(Failure::new(why).status(Status::Refused)),
        _ => Ok(()),
    }
}

/// What is told of the others.
struct Rest {
    unreadable: Vec<PassedOver>,
    left_out: usize,
}

/// One that refers to the bundle.
struct Found {
    origin: Digest,
    size: usize,
    claims: Result<Claims, String>,
    /// Whether it counts, where somebody is named: who made it, or the reason and why it does not.
    verdict: Option<Result<String, (String, String)>>,
}

impl Found {
    fn of(it: &Candidate, name: &BundleName, digest: &Digest, trust: Option<&TrustSet>) -> Self {
        let verdict = trust.map(|trust| {
            let made = attested(name, digest, it, trust, crate::clock::now());
            made.map(|signer| signer.to_string())
                .map_err(|why| (why.reason, why.why))
        });
        Self {
            origin: it.origin,
            size: it.bytes.len(),
            claims: claims(&it.bytes),
            verdict,
        }
    }

    fn is_signature(&self) -> bool {
        let claims = self.claims.as_ref();
        claims.is_ok_and(|it| it.predicate_type == SIGNED)
    }

    fn json(&self) -> Value {
        let mut value = json!({"origin": self.origin, "bytes": self.size});
        match &self.claims {
            Ok(claims) => value["claims"] = json!(claims),
            Err(why) => value["unreadable"] = json!(why),
        }
        match &self.verdict {
            Some(Ok(signer)) => value["counts"] = json!({"by": signer}),
            Some(Err((reason, why))) => {
                value["refused"] = json!({"reason": reason, "message": why});
            }
            None => {}
        }
        value
    }

    fn text(&self) -> String {
        let mut out = format!("  {}  ", short(&self.origin));
        match &self.claims {
            Ok(claims) => {
                let _ = writeln!(out, "{}", kind(&claims.predicate_type));
                let _ = writeln!(out, "    says it is by {}", maker(&claims.by));
                for entry in &claims.logged {
                    let _ = writeln!(out, "    {}", logged(entry));
                }
                if claims.timestamps > 0 {
                    let _ = writeln!(out, "    times signed by clocks: {}", claims.timestamps);
                }
                if let Some(built) = &claims.built {
                    let builder = built.builder.as_deref().map_or("nobody".to_owned(), line);
                    let _ = writeln!(out, "    says it was built by {builder}");
                    for source in &built.sources {
                        let _ = writeln!(out, "      from {}", line(source));
                    }
                }
                if let Some(scanned) = &claims.scanned {
                    let at = scanned.at.map(|at| format!(" at {at}")).unwrap_or_default();
                    let found = match (scanned.found, scanned.worst) {
                        (None, _) => "what was found is not understood".to_owned(),
                        (Some(found), None) => format!("{found} vulnerabilities"),
                        (Some(found), Some(worst)) => {
                            format!("{found} vulnerabilities, the worst {worst}")
                        }
                    };
                    let _ = writeln!(out, "    scanned{at}: {found}");
                }
                if let Some(packages) = &claims.packages {
                    let _ = writeln!(out, "    packages: {}", packages.len());
                    for it in packages.iter().take(MOST_NAMED) {
                        let version = it.version.as_deref().map(line).unwrap_or_default();
                        let _ = writeln!(out, "      {} {version}", line(&it.name));
                    }
                    if packages.len() > MOST_NAMED {
                        let more = packages.len() - MOST_NAMED;
                        let _ = writeln!(out, "      and {more} more (-o json has all)");
                    }
                }
            }
            Err(why) => {
                let _ = writeln!(out, "cannot be read: {why}");
            }
        }
        match &self.verdict {
            Some(Ok(signer)) => {
                let _ = writeln!(out, "    counts: {signer}");
            }
            Some(Err((reason, why))) => {
                let _ = writeln!(out, "    does not count ({reason}): {why}");
            }
            None => {}
        }
        out
    }
}

fn text(
    name: &BundleName,
    digest: &Digest,
    all: &[Found],
    found: &Rest,
    judged: Option<&Result<Verdict, AdmitError>>,
) -> String {
    let mut out = format!("{name} {digest}\n");
    let (signatures, others): (Vec<&Found>, Vec<_>) = all.iter().partition(|it| it.is_signature());
    for (title, of) in [("signatures", signatures), ("attestations", others)] {
        let _ = writeln!(out, "{title}: {}", of.len());
        of.iter().for_each(|it| out.push_str(&it.text()));
    }
    for it in &found.unreadable {
        let _ = writeln!(out, "  {}  cannot be read: {}", short(&it.origin), it.why);
    }
    if found.left_out > 0 {
        let _ = writeln!(out, "and {} more that were not looked at", found.left_out);
    }
    match judged {
        Some(Ok(verdict)) => {
            let _ = writeln!(out, "accepted: signed by {}", verdict.signer);
            for it in &verdict.attested {
                let _ = writeln!(out, "  attested: {it}");
            }
        }
        Some(Err(why)) => {
            let _ = writeln!(out, "refused ({}): {why}", why.reason());
        }
        None => out.push_str(
            "nothing was verified: name who should have signed it (--key, --policy or --trust-root)\n",
        ),
    }
    tame(&out)
}

fn maker(by: &Maker) -> String {
    match by {
        Maker::Key { hint } => format!("a key that calls itself {}", line(hint)),
        Maker::Certificate {
            issuer,
            subject,
            not_before,
            not_after,
        } => {
            let known = |it: &Option<String>| it.as_deref().map_or("nobody".to_owned(), line);
            format!(
                "{} of {}, certified from {not_before} to {not_after}",
                known(subject),
                known(issuer)
            )
        }
    }
}

fn logged(entry: &Logged) -> String {
    let at = entry.at.map(|at| format!(", at {at}")).unwrap_or_default();
    format!("logged as {} {}{at}", entry.kind, entry.index)
}

fn kind(predicate: &str) -> String {
    match predicate {
        SIGNED => "signature".to_owned(),
        "https://spdx.dev/Document" => "SBOM (SPDX)".to_owned(),
        "https://cyclonedx.org/bom" => "SBOM (CycloneDX)".to_owned(),
        "https://slsa.dev/provenance/v0.2" | "https://slsa.dev/provenance/v1" => {
            "provenance (SLSA)".to_owned()
        }
        "https://cosign.sigstore.dev/attestation/vuln/v1"
        | "https://in-toto.io/attestation/vulns/v0.1"
        | "https://in-toto.io/attestation/vulns/v0.2" => "scan for vulnerabilities".to_owned(),
        other => line(other),
    }
}

/// As much of what somebody wrote as a line of ours holds.
fn line(text: &str) -> String {
    let one = |c: char| if c == '\n' { ' ' } else { c };
    text.chars().take(200).map(one).collect()
}

fn short(digest: &Digest) -> String {
    digest.hex().chars().take(12).collect()
}
