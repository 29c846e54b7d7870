//! What holds where an Agent says nothing. The descriptions in the schema name these figures; a test
//! compares them.

/// Replicas of an agent.
pub const REPLICAS: i32 = 1;
/// Steps of one turn at most.
pub const MAX_STEPS: i32 = 16;
/// Seconds of one turn at most.
pub const TURN_SECONDS: i32 = 300;
/// Memory of one running instance at most, in MiB.
pub const MEMORY_MIB: i32 = 256;
/// CPU of one running instance at most, in thousandths of a core.
pub const CPU_MILLIS: i32 = 1000;
/// Output of one turn at most, in MiB.
pub const OUTPUT_MIB: i32 = 256;
/// What a process agent's `/tmp` holds at most, in MiB, and no more than half of its memory.
pub const TMP_MIB: i32 = 64;
/// Processes and threads of a process agent at most.
pub const PIDS: i32 = 128;
/// Syscalls an instance may make a minute.
pub const CALLS_PER_MINUTE: i32 = 6000;
/// Syscalls of an instance that may be under way at once.
pub const CONCURRENT_CALLS: i32 = 16;
/// Tokens an instance may use an hour.
pub const TOKENS_PER_HOUR: i64 = 200_000;
/// Calls a model endpoint or tool is given at once.
pub const MAX_CONCURRENT: i32 = 4;
/// Seconds a model endpoint or tool is given for one call.
pub const TIMEOUT_SECONDS: i32 = 120;
