//! A Qdrant is asked: a peer that keeps everything in memory and notes each call, and a real one where there is one.

mod calls;
mod corpora;
mod faults;
mod golden;
mod matching;
mod moves;
mod peer;
mod served;
mod watched;

pub(crate) use served::Served;
