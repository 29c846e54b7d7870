//! Grants: what an instance may do. Default deny.
//!
//! A profile's rules are compiled once, when the profile appears; a decision is an
//! index by syscall, a binary search by target, and a look at the few prefixes and endings.
//! Nothing durable lives here, and no quota.

use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
};

use crate::{
    ids::ProfileId,
    name::Name,
    spec::{GrantRule, Profile, TargetPattern, Verdict},
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
    labels: Vec<(Name, Rule)>,
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

/// What the rules of a profile say, for who asks beside the kernel.
#[derive(Debug)]
pub struct Verdicts(GrantTable);

impl Profile {
    /// See [`Verdicts`].
    #[must_use]
    pub fn verdicts(&self) -> Verdicts {
        Verdicts(GrantTable::compile(&self.grants))
    }
}

impl Verdicts {
    /// Of a syscall on `target`.
    #[must_use]
    pub fn of(&self, kind: Kind, target: Option<&Name>) -> Verdict {
        match self.0.decide(kind, target) {
            Decision::Allow => Verdict::Allow,
            Decision::Ask { .. } => Verdict::Ask,
            Decision::Deny { .. } => Verdict::Deny,
        }
    }
}

/// The tables of all profiles; those with equal rules share one.
#[derive(Debug, Default)]
pub(crate) struct GrantTables {
    of: BTreeMap<ProfileId, Arc<GrantTable>>,
    by_rules: BTreeMap<Arc<Vec<GrantRule>>, Weak<GrantTable>>,
}

impl GrantTables {
    /// Compiles the rules of a profile, or finds them compiled; gives the rules that are shared.
    pub(crate) fn insert(
        &mut self,
        profile: ProfileId,
        rules: &Arc<Vec<GrantRule>>,
    ) -> Arc<Vec<GrantRule>> {
        let there = self.by_rules.get_key_value(rules);
        let there = there.and_then(|(rules, it)| Some((Arc::clone(rules), it.upgrade()?)));
        let (rules, table) = there.unwrap_or_else(|| {
            let table = Arc::new(GrantTable::compile(rules));
            self.by_rules
                .insert(Arc::clone(rules), Arc::downgrade(&table));
            (Arc::clone(rules), table)
        });
        self.of.insert(profile, table);
        rules
    }

    /// Takes the table of a profile with these rules away.
    pub(crate) fn remove(&mut self, profile: ProfileId, rules: &Arc<Vec<GrantRule>>) {
        self.of.remove(&profile);
        if self
            .by_rules
            .get(rules)
            .is_some_and(|it| it.strong_count() == 0)
        {
            self.by_rules.remove(rules);
        }
    }

    pub(crate) fn get(&self, profile: ProfileId) -> Option<&GrantTable> {
        self.of.get(&profile).map(Arc::as_ref)
    }
}

impl GrantTable {
    /// `sys.null` is allowed unless a rule denies it: it does nothing. So are calls about turns that a turn began.
    pub(crate) fn compile(rules: &[GrantRule]) -> Self {
        let mut by_kind: [Option<Box<Rules>>; Kind::ALL.len()] = Default::default();
        let null = GrantRule {
            verdict: Verdict::Allow,
            kind: Kind::Null,
            target: TargetPattern::Any,
            origin: Name::from("built in"),
        };
        // Of a turn that it began its turn may have the end, or make it: whoever may begin none has nothing of it.
        let own = [Kind::AgentWait, Kind::AgentCancel].map(|kind| GrantRule {
            kind,
            ..null.clone()
        });
        for rule in std::iter::once(&null).chain(&own).chain(rules) {
            let rules = by_kind[rule.kind as usize].get_or_insert_default();
            let new = Rule {
                verdict: rule.verdict,
                origin: rule.origin.clone(),
            };
            match &rule.target {
                TargetPattern::Any => stricter(&mut rules.any, &new),
                TargetPattern::Exact(target) => rules.exact.push((target.clone(), new)),
                TargetPattern::Prefix(prefix) => rules.prefixes.push((prefix.clone(), new)),
                TargetPattern::OneLabel(rest) => rules.labels.push((rest.clone(), new)),
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
            rules.labels.shrink_to_fit();
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
            for (rest, rule) in &rules.labels {
                if TargetPattern::is_one_label(rest, target) {
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
    fn profiles_with_equal_rules_share_a_table_while_there_is_one() {
        let equal = || Arc::new(vec![rule(Verdict::Allow, Kind::ToolCall, "mail.*")]);
        let (mut tables, rules) = (GrantTables::default(), equal());
        for profile in [1, 2] {
            let shared = tables.insert(ProfileId(profile), &equal());
            assert_eq!(shared, rules);
        }
        let again = [2, 2].map(|profile| tables.insert(ProfileId(profile), &equal()));
        assert!(Arc::ptr_eq(&again[0], &again[1]));
        tables.insert(ProfileId(3), &Arc::default());
        let of = |profile| tables.get(ProfileId(profile)).map(std::ptr::from_ref);
        assert_eq!(of(1), of(2));
        assert_ne!(of(1), of(3));
        tables.remove(ProfileId(1), &rules);
        assert!(tables.get(ProfileId(2)).is_some() && tables.get(ProfileId(1)).is_none());
        tables.remove(ProfileId(2), &rules);
        assert_eq!(tables.by_rules.len(), 1, "what nobody has is forgotten");
    }

    #[test]
    fn without_a_rule_everything_but_null_is_denied() {
        let table = GrantTable::compile(&[]);
        for kind in Kind::ALL {
            let expected = match kind {
                Kind::Null | Kind::AgentWait | Kind::AgentCancel => Decision::Allow,
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
    fn a_wildcard_stands_for_one_label_and_for_nothing_else() {
        let named = |verdict, kind| GrantRule {
            target: TargetPattern::OneLabel(".example.org:443".into()),
            ..rule(verdict, kind, "")
        };
        let rules = [named(Verdict::Allow, Kind::NetConnect)];
        let denied = Decision::Deny { rule: None };
        for (target, expected) in [
            ("api.example.org:443", Decision::Allow),
            ("a.b.example.org:443", denied.clone()),
            ("example.org:443", denied.clone()),
            (".example.org:443", denied.clone()),
            ("api.example.org:80", denied.clone()),
            ("api.example.org.evil.net:443", denied.clone()),
            ("api-example.org:443", denied.clone()),
        ] {
            assert_eq!(
                decide(&rules, Kind::NetConnect, target),
                expected,
                "{target}"
            );
        }
        assert_eq!(
            decide(&rules, Kind::ToolCall, "api.example.org:443"),
            denied
        );
        let stricter = [rules[0].clone(), named(Verdict::Deny, Kind::NetConnect)];
        let decided = decide(&stricter, Kind::NetConnect, "api.example.org:443");
        assert!(
            matches!(decided, Decision::Deny { rule: Some(_) }),
            "{decided:?}"
        );
    }

    #[test]
    fn who_asks_beside_the_kernel_is_told_what_it_would_decide() {
        let profile = Profile {
            tenant: "t".into(),
            agent: "a".into(),
            revision: "r".into(),
            lane: crate::Lane::Batch,
            required_layers: Vec::new(),
            grants: Arc::new(vec![
                rule(Verdict::Allow, Kind::MemoryRecall, "pool"),
                rule(Verdict::Ask, Kind::MemoryForget, "*"),
            ]),
            quota: crate::Quota::default(),
            max_turn_seconds: 1,
        };
        let verdicts = profile.verdicts();
        let of = |kind, target: &str| verdicts.of(kind, Some(&target.into()));
        assert_eq!(of(Kind::MemoryRecall, "pool"), Verdict::Allow);
        assert_eq!(of(Kind::MemoryRecall, "other"), Verdict::Deny);
        assert_eq!(of(Kind::MemoryForget, "pool"), Verdict::Ask);
        // A rule that names a pool says nothing of a call that names none.
        assert_eq!(verdicts.of(Kind::MemoryRecall, None), Verdict::Deny);
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
