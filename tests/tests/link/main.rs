//! Two links, the wire between them, and an adversary on it; all in virtual time.

mod first_contact;
mod hostile;
mod session;
mod support;
mod timers;
