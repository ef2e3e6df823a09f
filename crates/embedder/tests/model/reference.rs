//! The same network with loops over numbers of 64 bits, text by text, without a library: slow, and plain enough to be checked by eye.

use std::collections::BTreeMap;

use insula_embedder::{Activation, Pooling};

use crate::files::{EPSILON, Files, HEADS, HIDDEN, LAYERS, VOCABULARY, Weight};

type Row = Vec<f64>;

pub struct Reference {
    files: Files,
    weights: BTreeMap<String, Weight>,
}

impl Reference {
    pub fn new(files: &Files) -> Self {
        Self { weights: files.weights(), files: files.clone() }
    }

    /// A text's vector.
    pub fn embed(&self, text: &str) -> Row {
        let first = self.files.first_position();
        let mut tokens: Vec<Row> = tokens(text)
            .into_iter()
            .enumerate()
            .map(|(place, token)| {
                let parts = [
                    self.row("embeddings.word_embeddings", token),
                    self.row("embeddings.position_embeddings", first + place),
                    self.row("embeddings.token_type_embeddings", 0),
                ];
                self.norm("embeddings.LayerNorm", &sum(&parts))
            })
            .collect();
        for place in 0..LAYERS {
            tokens = self.layer(&format!("encoder.layer.{place}"), &tokens);
        }
        let pooled: Row = (0..HIDDEN)
            .map(|column| {
                let all = tokens.iter().map(|token| token[column]);
                match self.files.pooling {
                    Pooling::Mean => all.sum::<f64>() / tokens.len() as f64,
                    Pooling::First => tokens[0][column],
                    Pooling::Max => all.fold(f64::MIN, f64::max),
                }
            })
            .collect();
        let length = pooled.iter().map(|number| number * number).sum::<f64>().sqrt();
        pooled.iter().map(|number| number / length).collect()
    }

    fn layer(&self, name: &str, tokens: &[Row]) -> Vec<Row> {
        let all =
            |part: &str| tokens.iter().map(|token| self.linear(&format!("{name}.attention.{part}"), token)).collect::<Vec<_>>();
        let (queries, keys, values) = (all("self.query"), all("self.key"), all("self.value"));
        let attended = queries.iter().map(|query| attend(query, &keys, &values));
        let bent = attended.zip(tokens).map(|(attended, token)| {
            let seen = self.linear(&format!("{name}.attention.output.dense"), &attended);
            let seen = self.norm(&format!("{name}.attention.output.LayerNorm"), &sum(&[seen, token.clone()]));
            let wide: Row =
                self.linear(&format!("{name}.intermediate.dense"), &seen).into_iter().map(|number| self.bend(number)).collect();
            let narrow = self.linear(&format!("{name}.output.dense"), &wide);
            self.norm(&format!("{name}.output.LayerNorm"), &sum(&[narrow, seen]))
        });
        bent.collect()
    }

    fn bend(&self, x: f64) -> f64 {
        match self.files.activation {
            Activation::Relu => x.max(0.0),
            Activation::Gelu => x / 2.0 * (1.0 + error_function(x / 2.0_f64.sqrt())),
            Activation::GeluTanh => {
                let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3));
                x / 2.0 * (1.0 + inner.tanh())
            }
        }
    }

    fn row(&self, name: &str, place: usize) -> Row {
        let weight = &self.weights[&format!("{name}.weight")];
        let width = *weight.shape.last().unwrap();
        weight.numbers[place * width..][..width].iter().map(|number| f64::from(*number)).collect()
    }

    fn bias(&self, name: &str) -> Row {
        self.weights[&format!("{name}.bias")].numbers.iter().map(|number| f64::from(*number)).collect()
    }

    fn linear(&self, name: &str, input: &[f64]) -> Row {
        let bias = self.bias(name);
        let dot = |row: Row| row.iter().zip(input).map(|(a, b)| a * b).sum::<f64>();
        bias.iter().enumerate().map(|(place, bias)| dot(self.row(name, place)) + bias).collect()
    }

    fn norm(&self, name: &str, input: &[f64]) -> Row {
        let count = input.len() as f64;
        let mean = input.iter().sum::<f64>() / count;
        let variance = input.iter().map(|number| (number - mean).powi(2)).sum::<f64>() / count;
        let (weight, bias) = (self.row(name, 0), self.bias(name));
        let scaled = input.iter().map(|number| (number - mean) / (variance + EPSILON).sqrt());
        scaled.zip(weight.iter().zip(&bias)).map(|(number, (weight, bias))| number * weight + bias).collect()
    }
}

/// One token's view of all: head by head, the values weighted by how well their keys answer.
fn attend(query: &[f64], keys: &[Row], values: &[Row]) -> Row {
    let size = HIDDEN / HEADS;
    let mut seen = vec![0.0; HIDDEN];
    for head in 0..HEADS {
        let part = head * size..(head + 1) * size;
        let score = |key: &Row| {
            let dot: f64 = query[part.clone()].iter().zip(&key[part.clone()]).map(|(a, b)| a * b).sum();
            (dot / (size as f64).sqrt()).exp()
        };
        let scores: Row = keys.iter().map(score).collect();
        let all: f64 = scores.iter().sum();
        for (score, value) in scores.iter().zip(values) {
            part.clone().for_each(|column| seen[column] += score / all * value[column]);
        }
    }
    seen
}

fn sum(rows: &[Row]) -> Row {
    (0..rows[0].len()).map(|column| rows.iter().map(|row| row[column]).sum()).collect()
}

/// Small letters, single marks, the longest known beginning first; framed.
fn tokens(text: &str) -> Vec<usize> {
    let spaced = text.to_lowercase().replace(';', " ; ").replace(',', " , ");
    let id = |token: &str| VOCABULARY.iter().position(|known| *known == token);
    let mut ids = vec![2];
    for word in spaced.split_whitespace() {
        let (mut rest, mut pieces) = (word.to_owned(), Vec::new());
        while !rest.is_empty() && rest != "##" {
            let Some(end) = (1..=rest.len()).rev().find(|end| id(&rest[..*end]).is_some()) else { break };
            pieces.extend(id(&rest[..end]));
            rest = format!("##{}", &rest[end..]);
        }
        let whole = rest == "##" && !pieces.is_empty();
        ids.extend(if whole { pieces } else { vec![1] });
    }
    ids.push(3);
    ids
}

/// By its Taylor series, which converges everywhere and fast enough near zero, where a network of this size stays.
fn error_function(x: f64) -> f64 {
    let (mut term, mut sum) = (x, x);
    for n in 1..120 {
        let n = f64::from(n);
        term *= -x * x / n;
        sum += term / (2.0 * n + 1.0);
    }
    sum * 2.0 / std::f64::consts::PI.sqrt()
}
