//! What the routes of profiles take, and how it becomes a checked version.

use miner_shared::limits::{MAX_NICE, MAX_POOLS, MAX_THREADS};
use miner_shared::text::{Address, Name, PoolPass, PoolUser};
use miner_shared::wire::{Algo, Backend, Mode, PageWish, Pool, Profile, Threads};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Problem;
use super::extract::{optional, required};
use crate::farm::NewVersion;
use crate::registry::{Comment, ProfileSpec, Settings};
use crate::schedule::Window;
use crate::wallet::Coin;

/// What `POST /profiles`, `PUT /profiles/{id}` and `POST /profiles/{id}/preview` take. What is left out
/// has its default, also where a profile is changed; only the name and passwords stay what they were.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ProfileBody {
    /// Name; the profile's id follows from it.
    #[schema(value_type = String)]
    pub name: Option<String>,
    /// Coin that the wallets are addresses of, such as `monero`: they are checked then.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 24)]
    pub coin: Option<String>,
    /// `auto` (default), `fast` or `light`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// Hash threads, from 1 to 256; without it, as many as suit the rig.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 256)]
    pub threads: Option<u16>,
    /// Hash threads as a part of those that suit the rig, in percent; instead of `threads`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 100)]
    pub threads_percent: Option<u8>,
    /// Pages wanted behind the RandomX memory: `auto` (default), `small`, `huge2M` or `huge1G`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pages: Option<String>,
    /// How much hash threads give way to other programs, 0 (default) to 19.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 19)]
    pub nice: Option<u8>,
    /// When to mine, weekly, in the controller's local time, such as `mon-fri 22:00-06:00`; without any,
    /// always.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 8)]
    pub windows: Vec<String>,
    /// One to three pools, first choice first.
    #[schema(required, min_items = 1, max_items = 3)]
    pub pools: Vec<PoolBody>,
    /// Why this version is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 200)]
    pub comment: Option<String>,
    /// The newest version that was seen: another one refuses the change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// The last 6 characters of the new wallet, where rigs mine with the profile for another one now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confirm_payout: Option<String>,
}

/// One pool of a [`ProfileBody`].
#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PoolBody {
    /// `host:port`, also with `stratum+tcp://` or `stratum+ssl://` in front.
    #[schema(value_type = String)]
    pub url: Option<String>,
    /// Login: the wallet, with what the pool lets one append.
    #[schema(value_type = String)]
    pub user: Option<String>,
    /// Password; never given back by any route. Left out, a change keeps the one for the same `url`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pass: Option<String>,
    /// Whether to speak TLS with the pool.
    pub tls: bool,
}

impl std::fmt::Debug for PoolBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PoolBody")
            .field("url", &self.url)
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

impl ProfileBody {
    /// The version, if every field keeps its rule. Whether wallets do is for the farm to say.
    pub fn check(&self) -> Result<NewVersion, Problem> {
        self.check_named(None)
    }

    /// The same for a profile that has a name already.
    pub(super) fn check_named(&self, current: Option<&str>) -> Result<NewVersion, Problem> {
        let mut pools = heapless::Vec::new();
        for (at, pool) in self.pools.iter().enumerate() {
            pools.push(pool.check(at)?).map_err(|_| {
                Problem::invalid("pools", format!("a profile has at most {MAX_POOLS}"))
            })?;
        }
        if pools.is_empty() {
            return Err(Problem::invalid("pools", "a profile needs at least one"));
        }
        let silent = |(at, pool): (usize, &PoolBody)| pool.pass.is_none().then_some(at);
        let windows = self.windows.iter().enumerate().map(|(at, window)| {
            let window = window.parse::<Window>();
            window.map_err(|why| Problem::invalid(format!("windows[{at}]"), why))
        });
        let comment = self.comment.as_deref().map(comment).transpose()?;
        let profile = Profile {
            name: required::<Name>("name", self.name.as_deref().or(current))?,
            backend: Backend::Cpu,
            algo: Algo::Rx0,
            mode: mode(self.mode.as_deref())?,
            threads: threads(self.threads, self.threads_percent)?,
            pools,
        };
        let settings = Settings {
            pages: pages(self.pages.as_deref())?,
            nice: nice(self.nice)?,
            coin: optional::<Coin>("coin", self.coin.as_deref())?,
            windows: windows.collect::<Result<_, _>>()?,
        };
        Ok(NewVersion {
            keeps_pass: self.pools.iter().enumerate().filter_map(silent).collect(),
            expected: self.version,
            comment,
            ..ProfileSpec { profile, settings }.into()
        })
    }
}

impl PoolBody {
    fn check(&self, at: usize) -> Result<Pool, Problem> {
        let field = |name: &str| format!("pools[{at}].{name}");
        let url = self.url.as_deref();
        let url = url.ok_or_else(|| Problem::invalid(field("url"), "it is missing"))?;
        let (address, tls) = pool_url(url).map_err(|why| Problem::invalid(field("url"), why))?;
        let user = self.user.as_deref().unwrap_or("");
        let pass = self.pass.as_deref().unwrap_or("");
        Ok(Pool {
            address,
            tls: self.tls || tls,
            user: PoolUser::parse(user).map_err(|why| Problem::invalid(field("user"), why))?,
            pass: PoolPass::parse(pass).map_err(|why| Problem::invalid(field("pass"), why))?,
        })
    }
}

/// A pool's address, and whether its scheme says TLS.
pub(crate) fn pool_url(text: &str) -> Result<(Address, bool), String> {
    let (tls, address) = match text.split_once("://") {
        None => (false, text),
        Some(("stratum+tcp" | "tcp", rest)) => (false, rest),
        Some(("stratum+ssl" | "stratum+tls" | "ssl" | "tls", rest)) => (true, rest),
        Some((scheme, _)) => {
            return Err(format!(
                "{scheme:?} is no way to a pool; write HOST:PORT, stratum+tcp://HOST:PORT or stratum+ssl://HOST:PORT"
            ));
        }
    };
    let address = address.strip_suffix('/').unwrap_or(address);
    let address = Address::parse(address).map_err(|why| why.to_string())?;
    Ok((address, tls))
}

fn mode(text: Option<&str>) -> Result<Mode, Problem> {
    match text {
        None | Some("auto") => Ok(Mode::Auto),
        Some("fast") => Ok(Mode::Fast),
        Some("light") => Ok(Mode::Light),
        Some(_) => Err(Problem::invalid("mode", "it must be auto, fast or light")),
    }
}

fn pages(text: Option<&str>) -> Result<PageWish, Problem> {
    match text {
        None | Some("auto") => Ok(PageWish::Auto),
        Some("small") => Ok(PageWish::Small),
        Some("huge2M") => Ok(PageWish::Huge2M),
        Some("huge1G") => Ok(PageWish::Huge1G),
        Some(_) => {
            let why = "it must be auto, small, huge2M or huge1G";
            Err(Problem::invalid("pages", why))
        }
    }
}

fn nice(nice: Option<u8>) -> Result<u8, Problem> {
    match nice.unwrap_or(0) {
        nice @ 0..=MAX_NICE => Ok(nice),
        _ => Err(Problem::invalid(
            "nice",
            format!("it must be from 0 to {MAX_NICE}"),
        )),
    }
}

fn threads(count: Option<u16>, percent: Option<u8>) -> Result<Threads, Problem> {
    match (count, percent) {
        (None, None) => Ok(Threads::Auto),
        (Some(_), Some(_)) => {
            let why = "give it or `threads`, not both";
            Err(Problem::invalid("threadsPercent", why))
        }
        (Some(count), None) if (1..=MAX_THREADS).contains(&usize::from(count)) => {
            Ok(Threads::Count(count))
        }
        (Some(_), None) => {
            let why = format!("it must be from 1 to {MAX_THREADS}");
            Err(Problem::invalid("threads", why))
        }
        (None, Some(percent @ 1..=100)) => Ok(Threads::Percent(percent)),
        (None, Some(_)) => {
            let why = "it must be from 1 to 100";
            Err(Problem::invalid("threadsPercent", why))
        }
    }
}

/// A comment, if it is one line that is not too long.
pub(super) fn comment(text: &str) -> Result<Comment, Problem> {
    Comment::parse(text).map_err(|why| Problem::invalid("comment", why))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(url: &str) -> ProfileBody {
        ProfileBody {
            name: Some("p".to_owned()),
            pools: vec![PoolBody {
                url: Some(url.to_owned()),
                user: Some("w".to_owned()),
                ..PoolBody::default()
            }],
            ..ProfileBody::default()
        }
    }

    fn field_of(body: &ProfileBody) -> String {
        let problem = body.check().expect_err("wrong");
        problem.field.expect("named").into_owned()
    }

    #[test]
    fn urls_of_pools_are_taken_as_people_paste_them() {
        for (url, address, tls) in [
            ("pool.example:3333", "pool.example:3333", false),
            (
                "stratum+tcp://pool.example:3333",
                "pool.example:3333",
                false,
            ),
            ("stratum+ssl://pool.example:443/", "pool.example:443", true),
            ("tls://[::1]:443", "[::1]:443", true),
        ] {
            let version = body(url).check().expect(url);
            let pool = &version.spec.profile.pools[0];
            assert_eq!((pool.address.as_str(), pool.tls), (address, tls));
        }
        for url in [
            "http://pool.example:80",
            "pool.example",
            "stratum+tcp://",
            "",
        ] {
            assert_eq!(field_of(&body(url)), "pools[0].url", "{url}");
        }
    }

    #[test]
    fn the_field_that_is_wrong_is_named_with_its_place() {
        type Break = fn(&mut ProfileBody);
        let wrong: [(&str, Break); 10] = [
            ("name", |body| body.name = None),
            ("coin", |body| body.coin = Some("mon ero".to_owned())),
            ("mode", |body| body.mode = Some("turbo".to_owned())),
            ("threads", |body| body.threads = Some(257)),
            ("threadsPercent", |body| body.threads_percent = Some(0)),
            ("pages", |body| body.pages = Some("large".to_owned())),
            ("nice", |body| body.nice = Some(20)),
            ("windows[0]", |body| body.windows = vec!["never".to_owned()]),
            ("comment", |body| body.comment = Some("x\ny".to_owned())),
            ("pools[1].user", |body| {
                let url = Some("b:2".to_owned());
                body.pools.push(PoolBody {
                    url,
                    ..PoolBody::default()
                });
            }),
        ];
        for (field, spoil) in wrong {
            let mut body = body("a:1");
            spoil(&mut body);
            assert_eq!(field_of(&body), field);
        }
    }

    #[test]
    fn a_password_that_is_left_out_is_kept_and_an_empty_one_is_none() {
        let mut body = body("a:1");
        assert_eq!(body.check().expect("whole").keeps_pass, [0]);
        body.pools[0].pass = Some(String::new());
        assert_eq!(body.check().expect("whole").keeps_pass, [0; 0]);
    }
}
