//! The guest's side of the syscalls: what they are called, what they take and give. It decides nothing.
