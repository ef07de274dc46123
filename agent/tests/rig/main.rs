//! The agent from outside: over sockets, and as a program.

#[cfg(test)]
mod common;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod links;
#[cfg(test)]
mod owner;
#[cfg(test)]
mod partition;
#[cfg(test)]
mod pool;
#[cfg(test)]
mod program;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod update;
#[cfg(test)]
mod version2;
#[cfg(test)]
mod work;
