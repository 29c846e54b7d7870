//! aion-bundle
