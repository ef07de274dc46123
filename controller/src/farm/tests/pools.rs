//! A look at a real stratum server: the practice pool.

use miner_proxy::practice::{PracticeConfig, PracticePool};
use smol::future::FutureExt;

use super::*;

#[test]
fn the_practice_pool_lets_a_login_in_and_gives_a_job() {
    with_farm(|fixture| async move {
        let config = PracticeConfig {
            listen: ([127, 0, 0, 1], 0).into(),
            ..PracticeConfig::default()
        };
        let practice = PracticePool::bind(config).await.expect("binds");
        let mut pool = profile().pools[0].clone();
        pool.address = Address::parse(&practice.address().to_string()).expect("valid");
        let look = async {
            let look = fixture.farm.check_pool(&pool, None, "local".to_owned());
            Some(look.await.expect("looked"))
        };
        let serve = async {
            let rng = UnwrapErr(getrandom::SysRng);
            let served = practice.run(rng, smol::future::pending()).await;
            served.expect("serves");
            None
        };
        let view = look.or(serve).await.expect("an answer");
        assert!(view.reachable && view.logged_in && view.job, "{view:?}");
        assert!(view.connect_ms.is_some() && !view.tls);
        assert_eq!(view.algorithm, Some("rx/0"));
        assert!(view.difficulty.is_some_and(|difficulty| difficulty > 0));
        assert_eq!((view.error, view.note), (None, None));
        assert_eq!(view.wallet_valid, None, "`practice` is an account");
    });
}
