//! The numbers of a resolved instance: the least that each may be, as the schema of AgentInstance has it. An instance
//! that breaks one is not lowered, so that no reader has to make something up for a number that cannot be. What a
//! number bounds may not enter.

use aion_api::{AgentInstanceSpec, ResolvedEndpoint};

/// A number that is less than it may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TooSmall {
    /// The field, such as `spec.limits.turnSeconds`.
    pub field: String,
    /// What it is.
    pub value: i64,
    /// What it must be at least.
    pub least: i64,
}

/// A number of an instance that was lowered, and is therefore not below zero.
#[must_use]
pub const fn count(number: i32) -> u32 {
    number.unsigned_abs()
}

/// The first number of `spec` that is less than it may be.
pub(crate) fn too_small(spec: &AgentInstanceSpec) -> Option<TooSmall> {
    let mut numbers: Vec<(String, i64, i64)> = Vec::new();
    let mut at_least = |least: i64, field: &str, value: Option<i64>| {
        numbers.extend(value.map(|value| (format!("spec.{field}"), value, least)));
    };
    let quotas = &spec.quotas;
    let tenant_calls = quotas.tenant_calls_per_minute.map(i64::from);
    at_least(0, "quotas.tokensPerHour", Some(quotas.tokens_per_hour));
    at_least(
        0,
        "quotas.callsPerMinute",
        Some(quotas.calls_per_minute.into()),
    );
    at_least(
        1,
        "quotas.concurrentCalls",
        Some(quotas.concurrent_calls.into()),
    );
    at_least(
        0,
        "quotas.tenantTokensPerHour",
        quotas.tenant_tokens_per_hour,
    );
    at_least(0, "quotas.tenantCallsPerMinute", tenant_calls);
    let limits = &spec.limits;
    for (field, value) in [
        ("limits.maxSteps", Some(limits.max_steps)),
        ("limits.maxTokens", limits.max_tokens),
        ("limits.turnSeconds", Some(limits.turn_seconds)),
        ("limits.memoryMiB", Some(limits.memory_mib)),
        ("limits.cpuMillis", Some(limits.cpu_millis)),
        ("limits.outputMiB", Some(limits.output_mib)),
        ("limits.tmpMiB", limits.tmp_mib),
        ("limits.pids", limits.pids),
        ("limits.memoryHighMiB", limits.memory_high_mib),
        ("limits.cpuWeight", limits.cpu_weight),
        ("limits.ioWeight", limits.io_weight),
        ("limits.ioReadKiB", limits.io_read_kib),
        ("limits.ioWriteKiB", limits.io_write_kib),
    ] {
        at_least(1, field, value.map(i64::from));
    }
    let mut endpoint = |path: &str, it: &ResolvedEndpoint| {
        for (field, value) in [
            ("maxConcurrent", Some(it.max_concurrent)),
            ("timeoutSeconds", Some(it.timeout_seconds)),
            ("contextTokens", it.context_tokens),
        ] {
            at_least(1, &format!("{path}.{field}"), value.map(i64::from));
        }
    };
    let models = spec.model.iter().flat_map(|model| &model.endpoints);
    for (at, it) in models.enumerate() {
        endpoint(&format!("model.endpoints[{at}]"), it);
    }
    if let Some(it) = spec.model.as_ref().and_then(|it| it.embedding.as_ref()) {
        endpoint("model.embedding", it);
    }
    let embedding = spec.memory.as_ref().and_then(|it| it.embedding.as_ref());
    if let Some(it) = embedding {
        endpoint("memory.embedding", it);
    }
    for (at, tool) in spec.tools.iter().enumerate() {
        let path = |field: &str| format!("tools[{at}].{field}");
        at_least(1, &path("maxConcurrent"), Some(tool.max_concurrent.into()));
        at_least(
            1,
            &path("timeoutSeconds"),
            Some(tool.timeout_seconds.into()),
        );
    }
    if let Some(memory) = &spec.memory {
        at_least(
            1,
            "memory.retentionDays",
            memory.retention_days.map(i64::from),
        );
        at_least(1, "memory.quotaMiB", memory.quota_mib.map(i64::from));
    }
    let broken = numbers.into_iter().find(|(_, value, least)| value < least);
    broken.map(|(field, value, least)| TooSmall {
        field,
        value,
        least,
    })
}
