//! Taking resource limits on oneself.

use std::io;

/// Sets limits by the kernel's numbers, soft and hard alike (prlimit(2)). By number,
/// as the plan has them: the launcher names those that there are.
#[allow(unsafe_code)]
pub(super) fn set(limits: &[(u32, u64)]) -> Result<(), String> {
    for &(resource, value) in limits {
        let limit = libc::rlimit64 {
            rlim_cur: value,
            rlim_max: value,
        };
        // SAFETY: the limit outlives the call, and no old one is asked for.
        let set =
            unsafe { libc::prlimit64(0, resource as _, &raw const limit, std::ptr::null_mut()) };
        if set != 0 {
            let error = io::Error::last_os_error();
            return Err(format!("set resource limit {resource} to {value}: {error}"));
        }
    }
    Ok(())
}
