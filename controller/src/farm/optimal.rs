//! Which rigs answer best: where an owner tries something new first, or puts what others depend on.
//!
//! ```text
//!                 round trip of the last ping, at least 1 ms
//!   cost in ms = ────────────────────────────────────────────
//!                               score / 100
//! ```
//!
//! A rig that answers one question in two is asked twice, so its cost is two round trips: the cost is
//! the time until an answer that the link's own record foretells. Hops and distance are no part of it,
//! because nobody measures them.

use serde::Serialize;
use utoipa::ToSchema;

use super::Farm;
use super::view::PeerView;
use crate::error::FarmError;

/// The best rigs, and how many others there are.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OptimalView {
    /// Best first; at equal costs by name.
    pub peers: Vec<OptimalPeer>,
    /// Who is not among them.
    pub left_out: LeftOutView,
}

/// A rig and what it costs to get an answer of it.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OptimalPeer {
    /// Node ID.
    pub id: String,
    /// Name.
    pub name: String,
    /// Round trip of the last ping, in milliseconds.
    pub ping_ms: Option<u64>,
    /// Reliability, 0 to 100.
    pub score: Option<u8>,
    /// Expected time until an answer, in milliseconds; unknown before the first ping, and for a rig
    /// that has not answered at all lately.
    pub cost_ms: Option<f64>,
}

/// How many peers are left out, and why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeftOutView {
    /// No link is up.
    pub offline: usize,
    /// Linked, and behind those that were asked for.
    pub worse: usize,
}

impl Farm {
    /// The `count` linked peers that answer best.
    pub fn optimal(&self, count: usize) -> Result<OptimalView, FarmError> {
        Ok(best(self.peers()?, count))
    }
}

fn best(peers: Vec<PeerView>, count: usize) -> OptimalView {
    let all = peers.len();
    let mut linked: Vec<_> = peers.into_iter().filter(|peer| peer.connected).collect();
    let offline = all - linked.len();
    // Unknown costs come last; the ID makes the order total.
    linked.sort_by_cached_key(|peer| {
        let cost = cost_us(peer);
        (cost.is_none(), cost, peer.name.clone(), peer.id.clone())
    });
    let worse = linked.len().saturating_sub(count);
    linked.truncate(count);
    OptimalView {
        peers: linked.into_iter().map(shown).collect(),
        left_out: LeftOutView { offline, worse },
    }
}

/// The cost in microseconds: whole numbers have one order on every machine.
fn cost_us(peer: &PeerView) -> Option<u64> {
    let round_trip_us = peer.ping_ms?.max(1).saturating_mul(1_000);
    let score = u64::from(peer.score?);
    round_trip_us.saturating_mul(100).checked_div(score)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "exact below 2^53 us, which is 285 years"
)]
fn shown(peer: PeerView) -> OptimalPeer {
    let cost_us = cost_us(&peer);
    OptimalPeer {
        id: peer.id,
        name: peer.name,
        ping_ms: peer.ping_ms,
        score: peer.score,
        cost_ms: cost_us.map(|us| us as f64 / 1_000.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::samples::rig;

    fn peer(name: &str, ping_ms: Option<u64>, score: Option<u8>) -> PeerView {
        PeerView {
            name: name.to_owned(),
            connected: true,
            ping_ms,
            score,
            ..rig(0)
        }
    }

    fn names(view: &OptimalView) -> Vec<&str> {
        view.peers.iter().map(|peer| peer.name.as_str()).collect()
    }

    #[test]
    fn the_cost_is_the_round_trip_by_the_share_of_answers() {
        let cost = |ping, score| cost_us(&peer("a", ping, score));
        assert_eq!(cost(Some(4), Some(100)), Some(4_000));
        assert_eq!(cost(Some(4), Some(50)), Some(8_000));
        assert_eq!(cost(Some(4), Some(86)), Some(4_651));
        assert_eq!(cost(Some(0), Some(50)), Some(2_000), "under 1 ms is 1 ms");
        assert_eq!(cost(Some(u64::MAX), Some(1)), Some(u64::MAX));
        for (ping, score) in [(None, Some(100)), (Some(4), None), (Some(4), Some(0))] {
            assert_eq!(cost(ping, score), None);
        }
    }

    #[test]
    fn a_near_rig_that_fails_is_worse_than_a_far_one_that_answers() {
        let peers = vec![
            peer("near and shaky", Some(10), Some(5)),
            peer("far and steady", Some(150), Some(100)),
            peer("unknown", None, Some(100)),
            peer("near and steady", Some(10), Some(100)),
        ];
        assert_eq!(
            names(&best(peers, 9)),
            [
                "near and steady",
                "far and steady",
                "near and shaky",
                "unknown"
            ]
        );
    }

    #[test]
    fn the_order_does_not_depend_on_how_the_peers_came() {
        let peers = |order: [usize; 4]| {
            let all = ["d", "b", "c", "a"].map(|name| peer(name, Some(7), Some(100)));
            order.map(|at| all[at].clone()).to_vec()
        };
        for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]] {
            assert_eq!(names(&best(peers(order), 2)), ["a", "b"]);
        }
    }

    #[test]
    fn who_is_left_out_is_counted() {
        let away = PeerView {
            connected: false,
            ..peer("away", Some(1), Some(100))
        };
        let view = best(
            vec![
                away,
                peer("a", Some(1), Some(100)),
                peer("b", Some(2), Some(100)),
            ],
            1,
        );
        assert_eq!(names(&view), ["a"]);
        assert_eq!((view.left_out.offline, view.left_out.worse), (1, 1));
        assert_eq!(best(Vec::new(), 3).peers, []);
    }
}
