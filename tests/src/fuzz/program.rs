//! Programs of RandomX: whatever the bytes, they decode, their code stays in its room, and compiled they
//! do what they do interpreted.

use std::cell::RefCell;

use miner_engine::fuzzing::Programs;

thread_local! {
    /// `None` where the engine has no compiler.
    static PROGRAMS: RefCell<Option<Programs>> = RefCell::new(Programs::new());
}

/// The input's layout is that of [`miner_engine::fuzzing`].
pub(super) fn run(data: &[u8]) {
    PROGRAMS.with_borrow_mut(|programs| {
        if let Some(programs) = programs {
            assert_eq!(programs.check(data), Ok(()));
        }
    });
}
