//! Header names of the syscall protocol. Lower case, as HTTP/2 and `http` want them.

/// Milliseconds since the Unix epoch at which the caller signed the request.
pub const TIMESTAMP: &str = "aion-timestamp";
/// Strictly increasing per key, starting at 1; see [`crate::replay::Window`].
pub const COUNTER: &str = "aion-counter";
/// Lower-case hex HMAC-SHA256 of the canonical request.
pub const SIGNATURE: &str = "aion-signature";
/// Names an effect so that a retry gets the recorded outcome; 1–64 visible ASCII characters.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// How long the caller will wait, in milliseconds from the arrival of the call.
pub const DEADLINE: &str = "aion-deadline-ms";
/// In a response: the kernel's id of the call, for logs and `aionctl why`.
pub const CALL: &str = "aion-call";
/// In a response: `recorded` when the outcome is that of an earlier call with the same key.
pub const OUTCOME: &str = "aion-outcome";
