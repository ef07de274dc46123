//! The agent from outside: over sockets, and as a program.

mod common;
mod links;
mod pool;
mod program;
mod work;
