//! The name of every metric, and what it counts. Names are an interface: dashboards and alarms are written against
//! them. A metric of ours is `aion_<noun>_<unit>` in base units; the controllers' have the names of
//! controller-runtime, which dashboards for Kubernetes controllers expect.

/// A metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// What it says, for `# HELP`.
    pub help: &'static str,
}

macro_rules! metrics {
    ($($constant:ident = $name:literal, $help:literal;)*) => {
        $(
            #[doc = $help]
            pub const $constant: Metric = Metric { name: $name, help: $help };
        )*

        /// Every metric.
        pub const ALL: &[Metric] = &[$($constant),*];
    };
}

metrics! {
    TURNS_ASKED = "aion_turns_asked_total", "Turns that were taken in.";
    TURNS_RUNNING = "aion_turns_running", "Turns that have a worker.";
    TURNS_WAITING = "aion_turns_waiting", "Turns that wait for a worker.";
    TURNS_PARKED = "aion_turns_parked", "Turns that wait for a person's approval, without a worker.";
    APPROVALS_PENDING = "aion_approvals_pending", "Calls that wait for a person's approval.";
    CALLS_RUNNING = "aion_calls_running", "Syscalls whose driver works.";
    CALLS_WAITING = "aion_calls_waiting", "Syscalls that wait.";
    TRIGGER_TURNS = "aion_trigger_turns_total", "Turns that triggers started, by kind (cron, webhook, event, device).";
    TRIGGER_SKIPPED = "aion_trigger_skipped_total", "Occasions of triggers that started no turn, by kind and by why (busy, missed, budget, chain, full, refused).";
    DEVICE_MESSAGES = "aion_device_messages_total", "Messages of devices, by broker and by what became of them (taken, unread).";
    BROKERS_LOST = "aion_broker_connections_lost_total", "How often the connection to a broker of devices was lost or not made, by broker.";
    HOOKS_REFUSED = "aion_hook_deliveries_refused_total", "Deliveries of webhooks that were refused, by the code of the refusal.";
    JOURNAL_FULL = "aion_journal_full", "1 while new work is refused for want of room in the journal.";
    CERTIFICATE_ENDS = "aion_certificate_expiration_timestamp_seconds",
        "When the certificate of the interface over TCP ends, in seconds since 1970.";
    KERNEL_CALLS = "aion_kernel_calls_total", "System calls of agents that ended, by class.";
    KERNEL_DENIED = "aion_kernel_calls_denied_total", "System calls of agents that were refused, by class.";
    KERNEL_EVENTS = "aion_kernel_events_total", "Events of agents in the kernel of the machine, by kind, lost ones too.";
    KERNEL_VIOLATIONS = "aion_kernel_violations_total", "Events of these that broke a rule of a policy, by kind and by what was done.";
    KERNEL_LOST = "aion_kernel_events_lost_total", "Events of these that were lost, by why.";
    KERNEL_SECONDS = "aion_kernel_call_seconds", "Sampled times of system calls of agents, by class, each taken for the upper end of its bucket.";
    NETWORK_CONNECTIONS = "aion_network_connections_total",
        "Connections of agents' programs that were let through, by what came of them (made, denied, offline, unreachable, cancelled).";
    NETWORK_BYTES = "aion_network_bytes_total", "Bytes of these, by direction (sent, received).";
    LIMITS_MET = "aion_limits_met_total", "Limits that agents came up against, by limit.";
    PRESSURE_TOLD = "aion_memory_pressure_told_total", "Times that a program was told that its memory is close to its limit.";
    THROTTLED = "aion_cpu_throttled_seconds_total", "Time that agents waited for CPU that their limit did not give, all threads together.";
    TOOL_MEMORY = "aion_tool_call_memory_peak_bytes", "The most memory that a tool's process held during a call, by tool.";
    OPERATOR_LEADS = "aion_operator_leader_info", "Whether this operator leads (1) or waits (0).";
    OPERATOR_EVENTS = "aion_operator_events_total",
        "Events that the operator told, by outcome (written, counted, dropped, limited, failed).";
    UNREADABLE = "aion_unreadable_objects", "Objects that this release cannot read, by kind.";
    RECONCILES = "controller_runtime_reconcile_total",
        "Reconciliations by controller and result (success, requeue, error).";
    RECONCILE_ERRORS = "controller_runtime_reconcile_errors_total",
        "Failed reconciliations by controller and error.";
    RECONCILE_SECONDS = "controller_runtime_reconcile_time_seconds",
        "Time of one reconciliation by controller.";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_metric_has_a_name_of_its_own_and_of_the_house() {
        let names: BTreeSet<&str> = ALL.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), ALL.len());
        for metric in ALL {
            let owner = ["aion_", "controller_runtime_"];
            let owned = owner.iter().any(|it| metric.name.starts_with(it));
            assert!(owned, "{}", metric.name);
            assert!(metric.help.ends_with('.'), "{}", metric.help);
        }
    }
}
