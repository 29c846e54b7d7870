//! aion-resolve
