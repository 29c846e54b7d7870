//! Whether what has to be attested of a bundle is, by somebody who may, and what of all that was found shows it.

use aion_abi::reason::Reason;
use jiff::Timestamp;

use crate::trust::{
    attestation::{Met, Requirement, Rule, Unmet},
    dsse::Envelope,
    refusal::Lacking,
    verdict::{Attested, PassedOver, Signer},
    verify::{Candidate, Case},
};

/// An attestation of the kind that is asked for, by somebody who may attest it.
struct Judged {
    at: usize,
    date: Option<Timestamp>,
    signer: Signer,
    result: Result<Met, Unmet>,
}

impl Case<'_> {
    /// What is attested of all that has to be, with the places of what shows it among `candidates`.
    pub(super) fn attested(
        &self,
        candidates: &[Candidate],
    ) -> Result<(Vec<Attested>, Vec<usize>), Vec<Lacking>> {
        let (mut attested, mut places, mut lacking) = (Vec::new(), Vec::new(), Vec::new());
        for requirement in &self.trust.requirements {
            match self.meets(requirement, candidates) {
                Ok((one, at)) => {
                    attested.push(one);
                    places.push(at);
                }
                Err(one) => lacking.push(one),
            }
        }
        match lacking.is_empty() {
            true => Ok((attested, places)),
            false => Err(lacking),
        }
    }

    fn meets(
        &self,
        requirement: &Requirement,
        candidates: &[Candidate],
    ) -> Result<(Attested, usize), Lacking> {
        let case = Case {
            trust: &requirement.by,
            ..*self
        };
        let rule = &requirement.rule;
        let (mut judged, mut passed_over) = (Vec::new(), Vec::new());
        for (at, candidate) in candidates.iter().enumerate() {
            let Ok(envelope) = Envelope::parse_any(&candidate.bytes) else {
                continue;
            };
            let made = case.maker_of(&envelope);
            // Of one that does not count, only to know whether it is worth a word.
            let Ok(statement) = envelope.statement() else {
                continue;
            };
            if !rule.is_about(&statement.predicate_type) {
                continue;
            }
            match made {
                Ok((signer, _)) => judged.push(Judged {
                    at,
                    date: rule.date(&statement),
                    signer,
                    result: rule.judge(&statement, self.now),
                }),
                Err(fault) => {
                    passed_over.push(PassedOver::new(candidate.origin, fault.reason(), fault));
                }
            }
        }
        let lacking = |reason, passed_over| Lacking {
            requirement: requirement.name.clone(),
            what: rule.to_string(),
            reason,
            remedy: rule.remedy(),
            passed_over,
        };
        let Some(chosen) = chosen(rule, judged) else {
            return Err(lacking(Reason::AttestationMissing, passed_over));
        };
        match chosen.result {
            Ok(met) => {
                let attested = Attested {
                    requirement: requirement.name.clone(),
                    signer: chosen.signer,
                    at: met.at,
                    until: met.until,
                };
                Ok((attested, chosen.at))
            }
            Err(unmet) => {
                let origin = candidates.get(chosen.at).map(|it| it.origin);
                let one = origin.map(|it| PassedOver::new(it, unmet.reason, unmet.why));
                let all = one.into_iter().chain(passed_over).collect();
                Err(lacking(unmet.reason, all))
            }
        }
    }
}

/// The one that decides: of scans the latest, and of two of one time the worse; else one that meets the rule, if there is.
fn chosen(rule: &Rule, judged: Vec<Judged>) -> Option<Judged> {
    let judged = judged.into_iter();
    match rule {
        Rule::Scan(_) => judged.max_by_key(|it| (it.date, it.result.is_err())),
        _ => judged.min_by_key(|it| it.result.is_err()),
    }
}
