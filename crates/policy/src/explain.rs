//! Rights in plain words.

use aion_abi::syscall::Syscall;
use aion_api::{FileMode, GrantEffect};

use crate::decide::{Decided, Verdict};
use crate::operations::Which;
use crate::request::{Wanted, asks};

/// A line of an explanation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Whether it is granted.
    pub granted: bool,
    /// What, in plain words: `may read files of the mount notes`.
    pub what: String,
    /// Which rule gave or took it, and which field asked.
    pub why: String,
}

/// Says for each decision what the agent may and may not do, and why.
#[must_use]
pub fn explain(decided: &[Decided]) -> Vec<Line> {
    decided.iter().map(line).collect()
}

fn line(decided: &Decided) -> Line {
    let deed = deed(&decided.request.wanted, &decided.verdict);
    let (granted, what) = match &decided.verdict {
        Verdict::Granted(GrantEffect::Allow) | Verdict::Mounted { .. } => {
            (true, format!("may {deed}"))
        }
        Verdict::Granted(GrantEffect::Ask) => (
            true,
            format!("may {deed} when a person has agreed: aionctl approvals"),
        ),
        Verdict::Granted(GrantEffect::Deny) => (false, format!("may not {deed}")),
        Verdict::Denied | Verdict::NotGranted => (false, format!("may not {deed}")),
    };
    let but: Vec<String> = decided
        .exceptions
        .iter()
        .filter_map(|it| it.right.target.clone())
        .collect();
    let what = match but.is_empty() {
        true => what,
        false => format!("{what}, but not {}", but.join(", ")),
    };
    let exceptions = decided.exceptions.iter().map(|it| it.rule.clone());
    let rules: Vec<String> = decided.rules.iter().cloned().chain(exceptions).collect();
    Line {
        granted,
        what,
        why: format!("{} (asked by {})", rules.join("; "), decided.request.field),
    }
}

fn deed(wanted: &Wanted, verdict: &Verdict) -> String {
    match wanted {
        Wanted::Always(right) | Wanted::Capability(right) => {
            let target = right.target.as_deref().unwrap_or_default();
            let operations = right.operations();
            match (
                right.known(),
                operations.and_then(|it| Some((it.tool?, it.which))),
            ) {
                (_, Some((tool, Which::One(name)))) => format!("use {name} of the tool {tool}"),
                (_, Some((tool, Which::Beginning(with)))) if with.is_empty() => {
                    format!("use every operation of the tool {tool}")
                }
                (_, Some((tool, Which::Beginning(with)))) => {
                    format!("use every operation of the tool {tool} that begins with {with}")
                }
                (Some(syscall), _) => syscall.deed(target),
                (None, _) if target.is_empty() => format!("call {}", right.syscall),
                (None, _) => format!("call {} on {target}", right.syscall),
            }
        }
        Wanted::Model { model, purpose } => asks(*purpose).deed(model),
        Wanted::Mount { mount, mode } => {
            let granted = match verdict {
                Verdict::Mounted { mode, .. } => *mode,
                _ => *mode,
            };
            match (granted, mode) {
                (FileMode::ReadWrite, _) => format!("read and write files of the mount {mount}"),
                (FileMode::Read, FileMode::Read) => Syscall::FsRead.deed(mount),
                (FileMode::Read, FileMode::ReadWrite) => {
                    format!("read files of the mount {mount}, but not write them as it asked")
                }
            }
        }
        Wanted::Lane(lane) => format!("have its turns wait in the lane {}", lane.as_str()),
        Wanted::Host(host) => format!("connect to {host}"),
    }
}
