//! `model.embed`: vectors of texts, by the agent's embedding model.
//!
//! A vector travels as base64 (standard alphabet, padded) of its numbers, each an IEEE 754 single of four bytes, little
//! endian: as OpenAI's `encoding_format: base64` has it.

use serde::{Deserialize, Serialize};

use super::model::Usage;

/// The most texts of one call; who has more makes several.
pub const MAX_TEXTS: usize = 256;
/// The most bytes of all vectors of one answer, before base64.
pub const MAX_VECTORS: usize = 4 * 1024 * 1024;
/// The most numbers of a vector.
pub const MAX_DIMENSIONS: u32 = 8192;

/// The request. The model is the one that `spec.model.embedding` names: vectors of two models do not go together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EmbedRequest {
    /// The embedding model, as `endpoint/model` or by its endpoint alone, for those who want to be sure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// 1 to [`MAX_TEXTS`] texts, none of them empty.
    pub texts: Vec<String>,
    /// Numbers of each vector, 1 to [`MAX_DIMENSIONS`], where the model makes shorter ones too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dimensions: Option<u32>,
}

/// The answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EmbedResponse {
    /// `endpoint/model` that made them.
    pub model: String,
    /// One a text, in their order, all of one length, as the model gave them. At most [`MAX_VECTORS`] bytes together.
    pub vectors: Vec<String>,
    /// What it cost.
    pub usage: Usage,
}
