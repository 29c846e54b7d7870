//! An agent's rights and bounds in plain words.

use aion_api::{Agent, Device, program::Runtime};
use aion_policy::{Bounds, explain::Line};
use aion_resolve::{Judged, device::JudgedDevice};

use crate::render::screen::{Screen, Tone, tame};

/// Everything about one agent.
pub(super) fn agent(screen: &Screen, agent: &Agent, judged: &Judged) -> String {
    let name = agent.metadata.name.as_deref().unwrap_or_default();
    let mut out = format!(
        "{}\n",
        screen.paint(&format!("Agent {}", tame(name)), Tone::Strong)
    );
    if let Some(description) = &agent.spec.description {
        out += &paragraph(screen, description, "  ");
    }
    out += &paragraph(screen, &nature(agent), "  ");
    let lines = aion_policy::explain(&judged.decided);
    let (granted, refused): (Vec<_>, Vec<_>) = lines.iter().partition(|line| line.granted);
    out += &rights(screen, "It may", "may ", &granted);
    out += &rights(screen, "It may not", "", &refused);
    if let Some(validated) = &judged.validated {
        out += &bounds(screen, agent, &validated.bounds);
    }
    let mut mend: Vec<_> = judged.problems.iter().map(ToString::to_string).collect();
    mend.dedup();
    if !mend.is_empty() {
        out += &heading(screen, "To fix before it runs");
        for problem in mend {
            let mark = screen.paint(screen.pick("✗", "x"), Tone::Bad);
            out += &marked(screen, &mark, &problem);
        }
    }
    out
}

/// A device: what guards it, and what is wrong with it.
pub(super) fn device(screen: &Screen, device: &Device, judged: &JudgedDevice) -> String {
    let name = device.metadata.name.as_deref().unwrap_or_default();
    let mut out = format!(
        "{}\n",
        screen.paint(&format!("Device {}", tame(name)), Tone::Strong)
    );
    let spec = &device.spec;
    let nature = format!("A {} {}.", spec.model, spec.way());
    out += &paragraph(screen, &nature, "  ");
    if judged.problems.is_empty() {
        out += &paragraph(
            screen,
            &format!("Guardrails: {}.", judged.guarded.message),
            "  ",
        );
        return out;
    }
    out += &heading(screen, "To fix before a node listens to it");
    for problem in &judged.problems {
        let mark = screen.paint(screen.pick("✗", "x"), Tone::Bad);
        out += &marked(screen, &mark, &problem.to_string());
    }
    out
}

fn nature(agent: &Agent) -> String {
    match (&agent.spec.bundle, agent.spec.runtime) {
        (Some(bundle), runtime) => format!(
            "It comes from the signed bundle {} ({}) and is run as {}.",
            bundle.name,
            bundle.digest,
            runtime.as_str()
        ),
        (None, Runtime::Declarative) if !agent.spec.steps.is_empty() => {
            "Its steps are in the manifest: AION-OS does them, and the answer is the result of the last.".to_owned()
        }
        (None, Runtime::Declarative) => {
            "Its instructions are in the manifest: AION-OS runs the loop of model, tools and memory.".to_owned()
        }
        (None, Runtime::External) => {
            "Its program runs elsewhere and registers: nobody verifies it, and nothing confines it.".to_owned()
        }
        (None, runtime) => format!("It is run as {}.", runtime.as_str()),
    }
}

fn rights(screen: &Screen, title: &str, prefix: &str, lines: &[&Line]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let mut out = heading(screen, title);
    for line in lines {
        let mark = match line.granted {
            true => screen.paint(screen.pick("✓", "+"), Tone::Good),
            false => screen.paint(screen.pick("✗", "x"), Tone::Bad),
        };
        let what = line.what.strip_prefix(prefix).unwrap_or(&line.what);
        let what = what.strip_prefix("may not ").unwrap_or(what);
        out += &marked(screen, &mark, what);
        for text in screen.wrap(&tame(&line.why), 6) {
            out += &format!("      {}\n", screen.paint(&text, Tone::Faint));
        }
    }
    out
}

fn bounds(screen: &Screen, agent: &Agent, bounds: &Bounds) -> String {
    let mut out = heading(screen, "At most");
    let (quotas, limits) = (&bounds.quotas, &bounds.limits);
    let cores = f64::from(limits.cpu_millis) / 1000.0;
    let mut facts = vec![
        format!(
            "{} s a turn, {} MiB of memory, {} MiB of output, {cores} {}",
            limits.turn_seconds,
            limits.memory_mib,
            limits.output_mib,
            if limits.cpu_millis == 1000 {
                "core"
            } else {
                "cores"
            },
        ),
        format!(
            "{} syscalls a minute, {} of them at once",
            quotas.calls_per_minute, quotas.concurrent_calls
        ),
    ];
    if let (Some(tmp), Some(pids)) = (limits.tmp_mib, limits.pids) {
        facts.push(format!(
            "{tmp} MiB of that memory in /tmp, {pids} processes and threads at once"
        ));
    }
    if agent.spec.model.is_some() {
        facts.push(format!(
            "{} tokens an hour, {} questions to the model in a turn",
            quotas.tokens_per_hour, limits.max_steps
        ));
    }
    if !bounds.layers.is_empty() {
        let layers: Vec<_> = bounds.layers.iter().map(|layer| layer.as_str()).collect();
        facts.push(format!("only where the sandbox has {}", layers.join(", ")));
    }
    if let Some(rules) = &bounds.violations {
        for (deed, rule) in [
            ("it executes another program than its own", &rules.exec),
            ("it connects to what it was not granted", &rules.connect),
            ("it opens what it was not shown", &rules.open),
        ] {
            facts
                .extend(rule.as_ref().map(|rule| {
                    format!("{} where {deed} ({})", rule.action.as_str(), rule.policy)
                }));
        }
        if !rules.programs.is_empty() {
            facts.push(format!("it may execute {}", rules.programs.join(", ")));
        }
    }
    for fact in facts {
        out += &paragraph(screen, &fact, "  ");
    }
    out
}

fn heading(screen: &Screen, text: &str) -> String {
    format!("\n  {}\n", screen.paint(text, Tone::Strong))
}

fn marked(screen: &Screen, mark: &str, text: &str) -> String {
    let lines = screen.wrap(&tame(text), 6);
    format!("    {mark} {}\n", lines.join("\n      "))
}

fn paragraph(screen: &Screen, text: &str, indent: &str) -> String {
    screen
        .wrap(&tame(text), indent.len())
        .iter()
        .map(|line| format!("{indent}{line}\n"))
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use aion_resolve::{Key, Universe, dereference, parse_manifests, validate};

    use super::*;

    const MANIFESTS: &str = "\
apiVersion: aion.dev/v1alpha1
kind: Agent
metadata: {name: clerk}
spec:
  description: Keeps my notes
  instructions: Be brief.
  memory: {pool: notes}
  permissions:
    allow: [memory.forget]
    files: [{mount: notes, mode: readWrite}]
---
apiVersion: aion.dev/v1alpha1
kind: MemoryPool
metadata: {name: notes}
spec: {}
---
apiVersion: aion.dev/v1alpha1
kind: ClusterAgentPolicy
metadata: {name: small}
spec:
  allow: [memory.recall, memory.remember]
  mounts: [{mount: notes, mode: read}]
---
apiVersion: aion.dev/v1alpha1
kind: TrustPolicy
metadata: {name: mine}
spec: {inline: allow}
";

    fn told(screen: &Screen) -> String {
        let mut universe = Universe::default();
        for manifest in parse_manifests(MANIFESTS, "clerk.yaml").unwrap() {
            assert!(universe.insert(manifest.object, "default"));
        }
        let input = dereference::dereference(&universe, &Key::new("default", "clerk")).unwrap();
        agent(screen, &input.agent, &validate(&input))
    }

    #[test]
    fn what_is_granted_and_what_is_not_stand_apart_with_their_rules() {
        let told = told(&Screen::test(None, false, true));
        let (may, may_not) = told.split_once("It may not").unwrap();
        assert!(
            may.contains("✓ recall from the memory pool notes"),
            "{told}"
        );
        assert!(
            may.contains("ClusterAgentPolicy/small allow memory.recall"),
            "{told}"
        );
        assert!(may.contains("✓ read files of the mount notes"), "{told}");
        assert!(may_not.contains("✗ erase what it remembered"), "{told}");
    }

    #[test]
    fn without_utf8_it_is_ascii() {
        assert!(told(&Screen::test(Some(80), false, false)).is_ascii());
    }
}
