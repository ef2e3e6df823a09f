//! The gate from outside: names that lie, and receivers that do what a test tells them to.

#[cfg(test)]
mod gate;
