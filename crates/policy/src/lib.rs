//! aion-policy
