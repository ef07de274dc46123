//! Whether a pool lets a wallet in, before any rig is told to mine there.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use miner_shared::wire::Pool;
use serde::Serialize;
use utoipa::ToSchema;

use super::Farm;
use crate::error::{Code, FarmError};
use crate::net::pool;
use crate::wallet::{self, Checked, Coin};

/// Looks at pools at a time; one for each who asks.
pub const MAX_CHECKS: usize = 4;

/// What a look at a pool came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PoolCheckView {
    /// `host:port`.
    pub url: String,
    /// Whether somebody took the connection.
    pub reachable: bool,
    /// Name lookup and connection from the controller, in milliseconds; it says little about rigs elsewhere.
    pub connect_ms: Option<u64>,
    /// Whether TLS came up. Its key is not compared with anything.
    pub tls: bool,
    /// Whether the pool let the login in.
    pub logged_in: bool,
    /// Whether it gave a job that can be mined.
    pub job: bool,
    /// Height of the block that the job is for, if it says.
    pub height: Option<u64>,
    /// Difficulty of the job.
    pub difficulty: Option<u64>,
    /// The field's name of what is to be hashed, such as `rx/0`.
    pub algorithm: Option<&'static str>,
    /// What went wrong.
    pub error: Option<String>,
    /// What else is to be known before rigs are told to mine there.
    pub note: Option<String>,
    /// Whether the login is an address of its coin, checksum included; `null` where that cannot be told.
    pub wallet_valid: Option<bool>,
    /// What was found out about it.
    pub wallet_note: String,
}

/// Who looks at a pool now.
#[derive(Debug, Default)]
pub(super) struct Checks(Mutex<BTreeSet<String>>);

/// A look that goes on until this is dropped.
struct Turn<'a>(&'a Checks, String);

impl Checks {
    fn begin(&self, who: String) -> Result<Turn<'_>, FarmError> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MAX_CHECKS || !all.insert(who.clone()) {
            let message = "another pool is being looked at";
            return Err(FarmError::new(Code::Busy, message).hint("a look takes 10 s at most"));
        }
        Ok(Turn(self, who))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut all = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(&self.1);
    }
}

impl Farm {
    /// Connects to a pool and logs in as a rig would; for `who`, who may look at one at a time.
    pub async fn check_pool(
        &self,
        pool: &Pool,
        coin: Option<&Coin>,
        who: String,
    ) -> Result<PoolCheckView, FarmError> {
        let _turn = self.checks.begin(who)?;
        let look = pool::look_at(pool, self.clock).await;
        let (wallet_valid, wallet_note) = wallet_words(coin, pool.user.as_str());
        let job = look.job.as_ref();
        Ok(PoolCheckView {
            url: pool.address.as_str().to_owned(),
            reachable: look.connect_ms.is_some(),
            connect_ms: look.connect_ms,
            tls: look.tls,
            logged_in: job.is_some(),
            job: job.is_some(),
            height: job.and_then(|job| job.height),
            difficulty: job.map(|job| job.target.difficulty().0),
            algorithm: job.map(|job| job.algo.as_str()),
            error: look.error,
            note: pool.tls.then(|| {
                "the agent speaks no TLS with pools yet: a rig refuses a profile with this pool"
                    .to_owned()
            }),
            wallet_valid,
            wallet_note,
        })
    }
}

/// Whether a login's wallet can be paid, as far as that can be told, and why.
fn wallet_words(coin: Option<&Coin>, login: &str) -> (Option<bool>, String) {
    match wallet::check(coin, login) {
        Ok(Checked::Address) => (
            Some(true),
            "it is a whole address, its checksum fits".to_owned(),
        ),
        Ok(Checked::FormOnly) => (None, "addresses of this coin are not known here".to_owned()),
        Ok(Checked::Login) => (
            None,
            "it is taken for an account and not for an address; name the coin to have it checked"
                .to_owned(),
        ),
        Err(fault) => (Some(false), fault.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_looks_at_a_pool_has_to_wait_for_the_end_of_that_and_there_are_four_at_a_time() {
        let checks = Checks::default();
        let begin = |who: &str| checks.begin(who.to_owned());
        let first = begin("a").expect("free");
        assert_eq!(begin("a").err().expect("busy").code, Code::Busy);
        let others: Vec<_> = ["b", "c", "d"].map(|who| begin(who).expect("free")).into();
        assert_eq!(begin("e").err().expect("busy").code, Code::Busy);
        drop(first);
        assert!(begin("a").is_ok());
        drop(others);
    }

    #[test]
    fn a_wallet_is_judged_by_its_checksum_and_a_login_is_not() {
        let (valid, note) = wallet_words(None, "practice.rig");
        assert_eq!(valid, None);
        assert!(note.contains("account"), "{note}");
        let coin: Coin = "monero".parse().expect("known");
        assert_eq!(wallet_words(Some(&coin), "4xyz").0, Some(false));
    }
}
