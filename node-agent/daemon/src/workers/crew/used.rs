//! What a worker used, from the launcher's report: for its turn's record, and as a word on its instance. Pure.

use aion_abi::resources::{Met, Resources};
use aion_api::InstanceLimits;
use aion_api::condition::{self, Judgement, reason};
use aion_policy::count;
use aion_sandbox::protocol::Exited;

/// What it used. `pressure_told` is how often it was told of pressure, `limits` what its instance may use.
pub(super) fn used(
    exited: &Exited,
    pressure_told: u64,
    limits: Option<&InstanceLimits>,
) -> Resources {
    let throttled = exited.throttled.unwrap_or_default();
    let met = [
        (Met::OutOfMemory, exited.oom == Some(true)),
        (Met::OutOfProcesses, exited.process_refused == Some(true)),
        (Met::Throttled, throttled.is_notable()),
    ];
    Resources {
        cpu_ms: exited.cpu_us.unwrap_or(0) / 1000,
        peak_memory_bytes: exited.peak_memory_bytes.unwrap_or(0),
        most_memory_bytes: limits.map_or(0, |it| u64::from(count(it.memory_mib)) << 20),
        throttled_percent: throttled.percent(),
        throttled_ms: throttled.waited_us / 1000,
        pressure_told,
        met: met
            .into_iter()
            .filter(|(_, is)| *is)
            .map(|(met, _)| met)
            .collect(),
    }
}

/// The condition `WithinLimits`. Its message is the same for the same limit, as it is written for each that is another.
pub(super) fn judged(resources: &Resources) -> Judgement {
    let judge = |holds, reason, message: String| {
        Judgement::new(condition::WITHIN_LIMITS, holds, reason, message)
    };
    match resources.met.first() {
        None => judge(
            true,
            reason::OK,
            "what ran stayed within its limits".to_owned(),
        ),
        Some(met) => {
            let why = match met {
                Met::OutOfMemory => reason::OUT_OF_MEMORY,
                Met::OutOfProcesses => reason::OUT_OF_PROCESSES,
                Met::Throttled => reason::THROTTLED,
            };
            let message = format!(
                "a turn {met}: {}; which one: aionctl why AGENT",
                met.remedy()
            );
            judge(false, why, message)
        }
    }
}

#[cfg(test)]
mod tests {
    use aion_sandbox::protocol::{ExitStatus, Throttled, WorkerId};

    use super::*;

    fn ended() -> Exited {
        let id = WorkerId {
            instance: "a".into(),
            incarnation: 1,
        };
        Exited {
            oom: Some(false),
            process_refused: Some(false),
            cpu_us: Some(5_000),
            peak_memory_bytes: Some(7),
            ..Exited::of(id, ExitStatus::Code(0))
        }
    }

    fn reason_of(exited: &Exited) -> (bool, &'static str) {
        let judged = judged(&used(exited, 0, None));
        (judged.status == condition::Status::True, judged.reason)
    }

    #[test]
    fn each_limit_that_was_met_is_a_reason_and_memory_goes_first() {
        let within = ended();
        assert_eq!(reason_of(&within), (true, reason::OK));
        let throttled = Exited {
            throttled: Some(Throttled {
                periods: 20,
                throttled: 10,
                waited_us: 9_000,
            }),
            ..within.clone()
        };
        assert_eq!(reason_of(&throttled), (false, reason::THROTTLED));
        let refused = Exited {
            process_refused: Some(true),
            ..within
        };
        assert_eq!(reason_of(&refused), (false, reason::OUT_OF_PROCESSES));
        let both = Exited {
            oom: Some(true),
            ..refused
        };
        assert_eq!(reason_of(&both), (false, reason::OUT_OF_MEMORY));
        assert_eq!(used(&throttled, 2, None).throttled_percent, 50);
    }
}
