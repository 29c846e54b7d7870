//! The drivers: what carries out an effect once the kernel has allowed it.
