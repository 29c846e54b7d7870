//! aion-e2e
