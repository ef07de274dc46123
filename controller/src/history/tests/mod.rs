//! The archive against a naive model, cut off after every write, and with 10,000 rigs.

mod crash;
mod model;
mod writer;
