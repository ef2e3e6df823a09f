//! One vector of length one for each text, from those of its tokens.

use candle_core::{Result, Tensor};

use crate::{batch::Batch, description::Pooling};

/// Takes the tokens' vectors of a batch together; those that only fill up count nothing.
pub(crate) fn pool(pooling: Pooling, tokens: &Tensor, batch: &Batch) -> Result<Vec<Vec<f32>>> {
    let (_, length, size) = tokens.dims3()?;
    let all: Vec<f32> = tokens.flatten_all()?.to_vec1()?;
    let texts = all.chunks_exact(length * size).zip(batch.lengths());
    Ok(texts.map(|(text, own)| of_length_one(one(pooling, &text[..own * size], size))).collect())
}

fn one(pooling: Pooling, tokens: &[f32], size: usize) -> Vec<f32> {
    let mut vectors = tokens.chunks_exact(size);
    let mut vector = vectors.next().unwrap_or_default().to_vec();
    match pooling {
        // Of a sum only the direction is kept, so it is the mean.
        Pooling::Mean => vectors.for_each(|next| vector.iter_mut().zip(next).for_each(|(sum, number)| *sum += number)),
        Pooling::Max => {
            vectors.for_each(|next| vector.iter_mut().zip(next).for_each(|(most, number)| *most = most.max(*number)))
        }
        Pooling::First => {}
    }
    vector
}

fn of_length_one(mut vector: Vec<f32>) -> Vec<f32> {
    let length = vector.iter().map(|number| f64::from(*number).powi(2)).sum::<f64>().sqrt();
    if length > 0.0 {
        #[expect(clippy::cast_possible_truncation, reason = "rounding to the vector's own precision is meant")]
        vector.iter_mut().for_each(|number| *number = (f64::from(*number) / length) as f32);
    }
    vector
}
