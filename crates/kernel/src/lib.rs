//! aion-kernel
