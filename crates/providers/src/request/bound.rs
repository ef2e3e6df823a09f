//! How many input tokens a request can have at most, from its bytes alone.

use crate::ModelCard;

/// What is known of a request's input without a tokenizer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InputBound {
    /// At least as many as its input tokens; images and the provider's template aside.
    pub bytes: u64,
    /// Messages of a chat, inputs of embeddings.
    pub messages: u64,
    /// Tools offered to the model.
    pub tools: u64,
    /// Images.
    pub images: u64,
    /// What has no known bound on its cost, in the caller's terms, if anything has none.
    pub unbounded: Option<String>,
}

impl InputBound {
    /// The most input tokens that a provider can count; names what has no known bound.
    ///
    /// A true upper bound, for these reasons:
    /// - A token of a byte-level tokenizer covers at least one byte of text, and an escape in JSON is never shorter than
    ///   what it stands for. So no text has more tokens than it has bytes in the body.
    /// - The marks around a message are 3 tokens and its role's name; the JSON around it is at least `{"role":""}` and the
    ///   name, 11 bytes more than the name. The 3 tokens that open the answer are less than `{"model":"","messages":[]}`.
    /// - Schemas (tools, response format) are rendered anew by the vendors, more tersely but for one known case: digits in
    ///   an `enum`, `1,2` becoming `1 | 2`, cost 3 tokens instead of 2 bytes. They are counted twice.
    /// - What a provider's template says by itself is in the card.
    /// - Images that stand in the body are left out of the bytes; each costs at most the card's maximum. Images behind a
    ///   URL cost the same and stay in the bytes.
    ///
    /// Not covered is a tokenizer that makes text longer before it splits it (Unicode compatibility forms of rare signs).
    /// Usage above the bound is settled in full all the same.
    pub fn tokens_max(&self, card: &ModelCard) -> Result<u64, String> {
        if let Some(what) = &self.unbounded {
            return Err(what.clone());
        }
        let Some(images) = self.image_tokens_max(card) else {
            return Err(format!("an image for the model `{}`, whose price entry has no `image_tokens_max`,", card.name));
        };
        Ok(self.bytes.saturating_add(images).saturating_add(card.template_tokens))
    }

    /// The most that its images can cost, in tokens; `None` where the book does not say.
    pub fn image_tokens_max(&self, card: &ModelCard) -> Option<u64> {
        match self.images {
            0 => Some(0),
            images => card.image_tokens_max.map(|each| each.saturating_mul(images)),
        }
    }
}
