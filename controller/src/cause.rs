//! Who caused what is being done: the request that is being answered, and whoever sent it.
//!
//! ```text
//!   api ── carry(Cause, handler) ─▶ handler ─▶ Farm ─▶ Env.cause ─▶ Event { by, request }
//! ```
//!
//! A handler says nothing of it, and cannot forget to: while a carried future is polled, and only then,
//! [`current`] is its cause. What happens later because of it, such as a link that comes up, has none.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;

/// Who, and by which request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cause {
    /// Who asked, as the audit log names them.
    pub by: Option<Arc<str>>,
    /// Number of the request.
    pub request: Option<Arc<str>>,
}

thread_local! {
    static CURRENT: RefCell<Cause> = RefCell::default();
}

/// The cause of what is being done now; empty if nobody asked for it.
pub fn current() -> Cause {
    CURRENT.with_borrow(Cause::clone)
}

/// Runs a future of which this is the cause.
pub async fn carry<F: Future>(cause: Cause, future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|context| {
        let _back = Back(CURRENT.replace(cause.clone()));
        future.as_mut().poll(context)
    })
    .await
}

/// Puts back what was there before, also when the future panics.
struct Back(Cause);

impl Drop for Back {
    fn drop(&mut self) {
        CURRENT.set(std::mem::take(&mut self.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_that_of_its_own_future_alone() {
        let cause = |by: &str| Cause {
            by: Some(by.into()),
            request: None,
        };
        let both = async {
            let slow = carry(cause("slow"), async {
                for _ in 0..3 {
                    assert_eq!(current(), cause("slow"));
                    smol::future::yield_now().await;
                }
            });
            let other = async {
                for _ in 0..3 {
                    assert_eq!(current(), Cause::default());
                    carry(cause("quick"), async {
                        assert_eq!(current(), cause("quick"))
                    })
                    .await;
                    smol::future::yield_now().await;
                }
            };
            smol::future::zip(slow, other).await;
        };
        smol::block_on(both);
        assert_eq!(current(), Cause::default());
    }
}
