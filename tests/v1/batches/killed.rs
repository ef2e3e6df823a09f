//! A smaller run of `cargo xtask bench batch`.

use insula_tests::chaos::batch::{Options, run};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_line_is_once_in_the_output_and_each_call_billed_once() {
    run(&Options { lines: 300, kills: 3, seed: 7, together: None }).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_that_go_together_are_none_the_worse() {
    run(&Options { lines: 1_200, kills: 3, seed: 11, together: Some(10) }).await.unwrap();
}
