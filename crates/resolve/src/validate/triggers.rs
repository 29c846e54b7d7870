//! What starts turns of an agent: schedules that can be read, texts whose fields there are, a name for each.

use aion_abi::syscall::Syscall;
use aion_api::{Agent, Grant, GrantEffect, Trigger};
use aion_policy::Capability;
use aion_trigger::{Schedule, ScheduleError, template};

use crate::problem::Problem;

use super::Findings;

/// The triggers that have an effect, each with its name.
pub(super) fn resolve(agent: &Agent, grants: &[Grant], findings: &mut Findings) -> Vec<Trigger> {
    let mut resolved: Vec<Trigger> = Vec::new();
    for (at, trigger) in agent.spec.triggers.iter().enumerate() {
        let field = |part: &str| format!("spec.triggers[{at}]{part}");
        if let Some(cron) = &trigger.cron
            && let Err(error) = Schedule::parse(cron, trigger.time_zone.as_deref())
        {
            let (part, remedy) = match &error {
                ScheduleError::Zone(_) => (".timeZone", "write a name such as Europe/Berlin"),
                ScheduleError::Fields { .. } | ScheduleError::Never(_) => (
                    ".cron",
                    "write minute, hour, day of the month, month and day of the week, such as 0 7 * * *",
                ),
            };
            let told = (error.to_string(), remedy);
            findings.invalid.push(Problem::new(field(part), told));
        }
        if let Some(Err(why)) = trigger.input.as_deref().map(template::check) {
            let fields: Vec<&str> = template::FIELDS.iter().map(|(name, _)| *name).collect();
            let told = (why, format!("write one of {}", fields.join(", ")));
            findings.invalid.push(Problem::new(field(".input"), told));
        }
        let named = || format!("{}-{}", trigger.kind(), at + 1);
        let name = trigger.name.clone().unwrap_or_else(named);
        if resolved.iter().any(|it| it.name.as_ref() == Some(&name)) {
            let told = (
                format!("two triggers are called {name}"),
                "give each trigger a name of its own",
            );
            findings.invalid.push(Problem::new(field(".name"), told));
        }
        if let Some(device) = trigger.device.as_ref().filter(|it| !reads(grants, it)) {
            let told = (
                format!("it is told what {device} says, and may not read it"),
                format!(
                    "add device.read:{device} under permissions.allow, and have a policy that grants it"
                ),
            );
            findings
                .not_granted
                .push(Problem::new(field(".device"), told));
        }
        resolved.push(Trigger {
            name: Some(name),
            ..trigger.clone()
        });
    }
    resolved
}

/// Whether a device may be read without asking anybody.
fn reads(grants: &[Grant], device: &str) -> bool {
    let wanted = Capability::new(Syscall::DeviceRead, Some(device));
    let covers =
        |grant: &&Grant| Capability::parse(&grant.capability).is_some_and(|it| it.covers(&wanted));
    let mut all = grants.iter().filter(covers).peekable();
    all.peek().is_some() && all.all(|it| it.effect == GrantEffect::Allow)
}

#[cfg(test)]
mod tests {
    use aion_api::{AgentSpec, EventTrigger};

    use super::*;

    fn resolved(triggers: Vec<Trigger>) -> (Vec<String>, Vec<String>) {
        let agent = Agent::new(
            "a",
            AgentSpec {
                triggers,
                ..AgentSpec::default()
            },
        );
        let mut findings = Findings::default();
        let names = self::resolve(&agent, &[reads_door()], &mut findings)
            .into_iter()
            .filter_map(|it| it.name);
        let names = names.collect();
        (
            names,
            findings.invalid.iter().map(ToString::to_string).collect(),
        )
    }

    fn reads_door() -> Grant {
        Grant {
            capability: "device.read:door".to_owned(),
            effect: GrantEffect::Allow,
        }
    }

    fn cron(fields: &str) -> Trigger {
        Trigger {
            cron: Some(fields.to_owned()),
            ..Trigger::default()
        }
    }

    #[test]
    fn each_has_a_name() {
        let device = Trigger {
            device: Some("door".to_owned()),
            ..Trigger::default()
        };
        let event = Trigger {
            name: Some("after".to_owned()),
            event: Some(EventTrigger {
                agent: "b".to_owned(),
                ..EventTrigger::default()
            }),
            ..Trigger::default()
        };
        let (names, problems) = resolved(vec![cron("0 7 * * *"), device, event, cron("* * * * *")]);
        assert_eq!(names, ["cron-1", "device-2", "after", "cron-4"]);
        assert_eq!(problems, [""; 0]);
    }

    #[test]
    fn who_is_told_what_a_device_says_may_read_it() {
        let mut agent = Agent::default();
        agent.spec.triggers = vec![Trigger {
            device: Some("door".to_owned()),
            ..Trigger::default()
        }];
        let refused = |grants: &[Grant]| {
            let mut findings = Findings::default();
            self::resolve(&agent, grants, &mut findings);
            findings.not_granted.len()
        };
        let with = |effect| Grant {
            effect,
            ..reads_door()
        };
        let all = Grant {
            capability: "device.read".to_owned(),
            effect: GrantEffect::Allow,
        };
        assert_eq!(refused(&[]), 1);
        assert_eq!(refused(&[with(GrantEffect::Ask)]), 1);
        assert_eq!(refused(&[all.clone(), with(GrantEffect::Deny)]), 1);
        assert_eq!(refused(&[reads_door()]) + refused(&[all]), 0);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_field() {
        let zone = Trigger {
            time_zone: Some("Europe/Nowhere".to_owned()),
            ..cron("0 7 * * *")
        };
        let text = Trigger {
            input: Some("{{body}}".to_owned()),
            ..cron("0 7 * * *")
        };
        let twice = Trigger {
            name: Some("cron-1".to_owned()),
            ..cron("0 7 * * *")
        };
        let (_, problems) = resolved(vec![
            cron("0 7 * * 9"),
            cron("0 0 31 2 *"),
            zone,
            text,
            twice,
        ]);
        let told = problems.join("\n");
        for part in [
            "spec.triggers[0].cron",
            "spec.triggers[1].cron",
            "is never due",
            "spec.triggers[2].timeZone",
            "spec.triggers[3].input",
            "spec.triggers[4].name",
        ] {
            assert!(told.contains(part), "{part} is not in {told}");
        }
    }
}
