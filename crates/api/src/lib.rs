//! aion-api
