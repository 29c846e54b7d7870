//! aion-abi
