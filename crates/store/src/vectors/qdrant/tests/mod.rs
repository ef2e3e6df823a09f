//! A Qdrant is asked: the peer of `insula-test-qdrant`, and a real one where there is one.

mod calls;
mod corpora;
mod faults;
mod golden;
mod moves;
mod served;

pub(crate) use served::Served;
