//! Grants: what an instance may do. Default deny.
//!
//! A profile's rules are compiled once, when the profile appears; a decision is an
//! index by syscall, a binary search by target, and a look at the few prefixes.
//! Nothing durable lives here, and no quota.

use crate::{
    name::Name,
    spec::{GrantRule, TargetPattern, Verdict},
    syscall::Kind,
};

/// The compiled rules of a profile.
#[derive(Debug)]
pub(crate) struct GrantTable {
    by_kind: [Option<Box<Rules>>; Kind::ALL.len()],
}

#[derive(Debug, Default)]
struct Rules {
    any: Option<Rule>,
    exact: Vec<(Name, Rule)>,
    prefixes: Vec<(Name, Rule)>,
}

#[derive(Clone, Debug)]
struct Rule {
    verdict: Verdict,
    origin: Name,
}

/// May it?
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Allow,
    /// A person would have to approve; by this rule.
    Ask {
        rule: Name,
    },
    /// By this rule, or because no rule allows it.
    Deny {
        rule: Option<Name>,
    },
}

impl GrantTable {
    /// `sys.null` is allowed unless a rule denies it: it does nothing.
    pub(crate) fn compile(rules: &[GrantRule]) -> Self {
        let mut by_kind: [Option<Box<Rules>>; Kind::ALL.len()] = Default::default();
        let null = GrantRule {
            verdict: Verdict::Allow,
            kind: Kind::Null,
            target: TargetPattern::Any,
            origin: Name::from("built in"),
        };
        for rule in std::iter::once(&null).chain(rules) {
            let rules = by_kind[rule.kind as usize].get_or_insert_default();
            let new = Rule {
                verdict: rule.verdict,
                origin: rule.origin.clone(),
            };
            match &rule.target {
                TargetPattern::Any => stricter(&mut rules.any, &new),
                TargetPattern::Exact(target) => rules.exact.push((target.clone(), new)),
                TargetPattern::Prefix(prefix) => rules.prefixes.push((prefix.clone(), new)),
            }
        }
        for rules in by_kind.iter_mut().flatten() {
            // The strictest of equal targets comes first and alone stays.
            rules
                .exact
                .sort_by(|a, b| a.0.cmp(&b.0).then(b.1.verdict.cmp(&a.1.verdict)));
            rules.exact.dedup_by(|later, first| later.0 == first.0);
            rules.exact.shrink_to_fit();
            rules.prefixes.shrink_to_fit();
        }
        Self { by_kind }
    }

    pub(crate) fn decide(&self, kind: Kind, target: Option<&Name>) -> Decision {
        let Some(rules) = &self.by_kind[kind as usize] else {
            return Decision::Deny { rule: None };
        };
        let mut found = rules.any.as_ref();
        if let Some(target) = target {
            if let Ok(at) = rules.exact.binary_search_by(|(name, _)| name.cmp(target)) {
                found = strictest(found, &rules.exact[at].1);
            }
            for (prefix, rule) in &rules.prefixes {
                if target.as_str().starts_with(prefix.as_str()) {
                    found = strictest(found, rule);
                }
            }
        }
        match found {
            None => Decision::Deny { rule: None },
            Some(rule) => match rule.verdict {
                Verdict::Allow => Decision::Allow,
                Verdict::Ask => Decision::Ask {
                    rule: rule.origin.clone(),
                },
                Verdict::Deny => Decision::Deny {
                    rule: Some(rule.origin.clone()),
                },
            },
        }
    }
}

fn stricter(slot: &mut Option<Rule>, new: &Rule) {
    if slot.as_ref().is_none_or(|old| new.verdict > old.verdict) {
        *slot = Some(new.clone());
    }
}

fn strictest<'a>(found: Option<&'a Rule>, other: &'a Rule) -> Option<&'a Rule> {
    match found {
        Some(rule) if rule.verdict >= other.verdict => Some(rule),
        _ => Some(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(verdict: Verdict, kind: Kind, target: &str) -> GrantRule {
        GrantRule {
            verdict,
            kind,
            target: TargetPattern::parse(target),
            origin: format!("{verdict:?} {target}").into(),
        }
    }

    fn decide(rules: &[GrantRule], kind: Kind, target: &str) -> Decision {
        GrantTable::compile(rules).decide(kind, Some(&target.into()))
    }

    #[test]
    fn without_a_rule_everything_but_null_is_denied() {
        let table = GrantTable::compile(&[]);
        for kind in Kind::ALL {
            let expected = match kind {
                Kind::Null => Decision::Allow,
                _ => Decision::Deny { rule: None },
            };
            assert_eq!(table.decide(kind, None), expected, "{kind:?}");
        }
    }

    #[test]
    fn deny_goes_before_ask_before_allow_whatever_the_order() {
        let mut rules = vec![
            rule(Verdict::Allow, Kind::ToolCall, "*"),
            rule(Verdict::Ask, Kind::ToolCall, "mail.*"),
            rule(Verdict::Deny, Kind::ToolCall, "mail.erase"),
            rule(Verdict::Allow, Kind::ToolCall, "mail.erase"),
        ];
        for _ in 0..2 {
            assert_eq!(
                decide(&rules, Kind::ToolCall, "calendar.read"),
                Decision::Allow
            );
            let ask = Decision::Ask {
                rule: "Ask mail.*".into(),
            };
            assert_eq!(decide(&rules, Kind::ToolCall, "mail.send"), ask);
            let deny = Decision::Deny {
                rule: Some("Deny mail.erase".into()),
            };
            assert_eq!(decide(&rules, Kind::ToolCall, "mail.erase"), deny);
            rules.reverse();
        }
    }

    #[test]
    fn a_target_is_not_matched_by_its_neighbours() {
        let rules = [
            rule(Verdict::Allow, Kind::FsRead, "notes"),
            rule(Verdict::Allow, Kind::ToolCall, "calendar.*"),
        ];
        let denied = Decision::Deny { rule: None };
        assert_eq!(decide(&rules, Kind::FsRead, "notes"), Decision::Allow);
        assert_eq!(decide(&rules, Kind::FsRead, "notes2"), denied);
        assert_eq!(decide(&rules, Kind::FsWrite, "notes"), denied);
        assert_eq!(decide(&rules, Kind::ToolCall, "calendar"), denied);
        assert_eq!(
            GrantTable::compile(&rules).decide(Kind::FsRead, None),
            denied
        );
    }

    #[test]
    fn even_null_can_be_denied() {
        let rules = [rule(Verdict::Deny, Kind::Null, "*")];
        let table = GrantTable::compile(&rules);
        assert_eq!(
            table.decide(Kind::Null, None),
            Decision::Deny {
                rule: Some("Deny *".into())
            }
        );
    }
}
