//! aion-testkit
