//! The crate from outside: golden files, and a client against a server that does exactly what a test tells it to.

#[cfg(test)]
mod client;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod isolation;
#[cfg(test)]
mod messages;
#[cfg(test)]
mod requests;
#[cfg(test)]
mod responses;
#[cfg(test)]
mod server;
#[cfg(test)]
mod stream;
#[cfg(test)]
mod usage;
