//! The network of the BERT family, forwards: from tokens to a vector for each.
//!
//! After J. Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers" (2019), with the names of weights that all models of
//! this family use. What it has beyond its library's building blocks fits here; a library of models would build a hundred others with it.

use candle_core::{D, Device, IndexOp, Result, Tensor};
use candle_nn::{Embedding, LayerNorm, Linear, Module, VarBuilder, embedding, layer_norm, linear, ops::softmax_last_dim};

use crate::{
    batch::Batch,
    description::{Activation, Shape},
};

/// A network.
pub(crate) struct Bert {
    words: Embedding,
    positions: Embedding,
    types: Embedding,
    norm: LayerNorm,
    layers: Vec<Layer>,
    first_position: usize,
}

impl Bert {
    /// Takes the weights of this shape.
    pub fn new(shape: &Shape, weights: &VarBuilder<'_>) -> Result<Self> {
        let own = weights.pp("embeddings");
        let layers = weights.pp("encoder.layer");
        Ok(Self {
            words: embedding(shape.vocabulary, shape.hidden, own.pp("word_embeddings"))?,
            positions: embedding(shape.positions, shape.hidden, own.pp("position_embeddings"))?,
            types: embedding(shape.types, shape.hidden, own.pp("token_type_embeddings"))?,
            norm: layer_norm(shape.hidden, shape.epsilon, own.pp("LayerNorm"))?,
            layers: (0..shape.layers).map(|place| Layer::new(shape, &layers.pp(place))).collect::<Result<_>>()?,
            first_position: shape.first_position(),
        })
    }

    /// The vectors of all tokens: texts, tokens, numbers.
    pub fn forward(&self, batch: &Batch) -> Result<Tensor> {
        let (texts, length) = (batch.texts(), batch.length());
        let ids = Tensor::from_slice(batch.ids(), (texts, length), &Device::Cpu)?;
        let first = u32::try_from(self.first_position)?;
        let positions = Tensor::arange(first, first + u32::try_from(length)?, &Device::Cpu)?;
        let placed = self.words.forward(&ids)?.broadcast_add(&self.positions.forward(&positions)?)?;
        // Every token is of the first kind: there is no second sentence.
        let mut hidden = self.norm.forward(&placed.broadcast_add(&self.types.embeddings().i(0)?)?)?;
        let unseen = Tensor::from_slice(&batch.unseen(), (texts, 1, 1, length), &Device::Cpu)?;
        for layer in &self.layers {
            hidden = layer.forward(&hidden, &unseen)?;
        }
        Ok(hidden)
    }
}

/// One layer: each token looks at all others, and is then bent by itself.
struct Layer {
    heads: usize,
    query: Linear,
    key: Linear,
    value: Linear,
    attended: Linear,
    attended_norm: LayerNorm,
    widen: Linear,
    activation: Activation,
    narrow: Linear,
    norm: LayerNorm,
}

impl Layer {
    fn new(shape: &Shape, weights: &VarBuilder<'_>) -> Result<Self> {
        let (hidden, wide) = (shape.hidden, shape.intermediate);
        let attention = weights.pp("attention");
        Ok(Self {
            heads: shape.heads,
            query: linear(hidden, hidden, attention.pp("self.query"))?,
            key: linear(hidden, hidden, attention.pp("self.key"))?,
            value: linear(hidden, hidden, attention.pp("self.value"))?,
            attended: linear(hidden, hidden, attention.pp("output.dense"))?,
            attended_norm: layer_norm(hidden, shape.epsilon, attention.pp("output.LayerNorm"))?,
            widen: linear(hidden, wide, weights.pp("intermediate.dense"))?,
            activation: shape.activation,
            narrow: linear(wide, hidden, weights.pp("output.dense"))?,
            norm: layer_norm(hidden, shape.epsilon, weights.pp("output.LayerNorm"))?,
        })
    }

    fn forward(&self, hidden: &Tensor, unseen: &Tensor) -> Result<Tensor> {
        let attended = self.attended.forward(&self.attend(hidden, unseen)?)?;
        let hidden = self.attended_norm.forward(&(attended + hidden)?)?;
        let wide = self.bend(&self.widen.forward(&hidden)?)?;
        self.norm.forward(&(self.narrow.forward(&wide)? + hidden)?)
    }

    fn attend(&self, hidden: &Tensor, unseen: &Tensor) -> Result<Tensor> {
        let (texts, length, size) = hidden.dims3()?;
        let per_head = size / self.heads;
        let split = |all: Tensor| all.reshape((texts, length, self.heads, per_head))?.transpose(1, 2)?.contiguous();
        let (query, key) = (split(self.query.forward(hidden)?)?, split(self.key.forward(hidden)?)?);
        let value = split(self.value.forward(hidden)?)?;
        #[expect(clippy::cast_precision_loss, reason = "a head has at most thousands of numbers")]
        let scale = 1.0 / (per_head as f64).sqrt();
        let scores = (query.matmul(&key.transpose(D::Minus2, D::Minus1)?.contiguous()?)? * scale)?;
        let weights = softmax_last_dim(&scores.broadcast_add(unseen)?)?;
        weights.matmul(&value)?.transpose(1, 2)?.contiguous()?.reshape((texts, length, size))
    }

    fn bend(&self, wide: &Tensor) -> Result<Tensor> {
        match self.activation {
            Activation::Gelu => wide.gelu_erf(),
            Activation::GeluTanh => wide.gelu(),
            Activation::Relu => wide.relu(),
        }
    }
}
