//! Jobs on the wire, in both directions.

use core::fmt;

use crate::json::{Value, Writer};
use crate::limits::{MAX_BLOB, MAX_JOB_ID};
use crate::mining::{Blob, Job, JobId, SeedHash, Target, TargetWidth, algo_from_name};
use crate::wire::Algo;

/// Why a job cannot be mined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadJob {
    /// No object where a job should be.
    NotAJob,
    /// An algorithm that this program does not have, such as RandomX v2.
    Algo,
    /// No usable `job_id`.
    Id,
    /// No usable `blob`.
    Blob,
    /// No usable `target`.
    Target,
    /// No usable `seed_hash`.
    Seed,
}

/// Reads a job; `nicehash` says that the pool or the owner asked for it, a nonce that is not zero
/// asks as well.
pub(super) fn parse(job: Option<Value<'_>>, nicehash: bool) -> Result<Job, BadJob> {
    let job = job.filter(|job| job.is_object()).ok_or(BadJob::NotAJob)?;
    let text = |key| job.get(key).and_then(Value::as_str);
    let algo = match job.get("algo").filter(|algo| !algo.is_null()) {
        None => Algo::Rx0,
        Some(name) => name
            .text::<16>()
            .and_then(|name| algo_from_name(name.as_str()).ok())
            .ok_or(BadJob::Algo)?,
    };
    let seed = |key| SeedHash::from_hex(&text(key)?.unescape::<64>()?);
    let id = text("job_id").and_then(|id| id.unescape::<MAX_JOB_ID>());
    let blob = text("blob").and_then(|blob| blob.unescape::<{ 2 * MAX_BLOB }>());
    let blob = blob
        .and_then(|blob| Blob::from_hex(&blob).ok())
        .ok_or(BadJob::Blob)?;
    let target = text("target").and_then(|target| target.unescape::<16>());
    Ok(Job {
        id: id.and_then(|id| JobId::parse(&id).ok()).ok_or(BadJob::Id)?,
        target: target
            .and_then(|target| Target::from_hex(&target).ok())
            .ok_or(BadJob::Target)?,
        algo,
        height: job.get("height").and_then(Value::as_u64),
        seed: seed("seed_hash").ok_or(BadJob::Seed)?,
        next_seed: seed("next_seed_hash"),
        nicehash: nicehash || blob.nonce() != 0,
        blob,
    })
}

/// Writes a job as the object that miners read.
pub(super) fn write(w: &mut Writer<'_>, job: &Job, width: TargetWidth) {
    w.open_object();
    w.key("blob").hex(job.blob.as_bytes());
    w.key("job_id").string(job.id.as_str());
    w.key("target").string(&job.target.to_hex(width));
    w.key("algo").string(job.algo.as_str());
    if let Some(height) = job.height {
        w.key("height").number(height);
    }
    w.key("seed_hash").hex(&job.seed.0);
    if let Some(next_seed) = job.next_seed {
        w.key("next_seed_hash").hex(&next_seed.0);
    }
    w.close_object();
}

impl fmt::Display for BadJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAJob => "there is no job in it",
            Self::Algo => "its algorithm is not one of ours (rx/0)",
            Self::Id => "it has no usable job_id",
            Self::Blob => "it has no usable blob",
            Self::Target => "it has no usable target",
            Self::Seed => "it has no usable seed_hash",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::format;
    use std::string::{String, ToString};

    use super::*;
    use crate::limits::MAX_JOB_LINE;

    /// A job with one member replaced, or taken out when `json` is empty.
    fn job_with(member: &str, json: &str) -> String {
        let blob = "0".repeat(152);
        let seed = "ab".repeat(32);
        let mut out = String::from("{\"x\":1");
        for (key, value) in [
            ("blob", format!("\"{blob}\"")),
            ("job_id", "\"Ab13\"".to_string()),
            ("target", "\"b88d0600\"".to_string()),
            ("algo", "\"rx/0\"".to_string()),
            ("height", "3500001".to_string()),
            ("seed_hash", format!("\"{seed}\"")),
        ] {
            let value = if key == member { json } else { &value };
            if !value.is_empty() {
                out += &format!(",\"{key}\":{value}");
            }
        }
        out + "}"
    }

    fn read(member: &str, json: &str) -> Result<Job, BadJob> {
        parse(Value::parse(job_with(member, json).as_bytes()).ok(), false)
    }

    #[test]
    fn a_job_needs_id_blob_target_and_seed() {
        let job = read("", "").expect("a good job");
        assert_eq!((job.id.as_str(), job.height), ("Ab13", Some(3_500_001)));
        assert_eq!(job.target.difficulty().0, 10_000);
        assert!(!job.nicehash && job.next_seed.is_none());
        for (member, bad) in [
            ("job_id", BadJob::Id),
            ("blob", BadJob::Blob),
            ("target", BadJob::Target),
            ("seed_hash", BadJob::Seed),
        ] {
            for json in ["", "null", "7", "\"\"", "\"xyz\u{e9}\\u0007\"", "[]"] {
                assert_eq!(
                    read(member, json).map(|job| job.id),
                    Err(bad),
                    "{member} {json}"
                );
            }
        }
        assert_eq!(parse(None, false), Err(BadJob::NotAJob));
        assert_eq!(parse(Value::parse(b"[]").ok(), false), Err(BadJob::NotAJob));
    }

    #[test]
    fn algorithm_and_height_may_be_missing_and_v2_is_refused() {
        assert_eq!(read("algo", "").map(|job| job.algo), Ok(Algo::Rx0));
        assert_eq!(read("height", "").map(|job| job.height), Ok(None));
        for other in ["\"rx/2\"", "\"randomx/v2\"", "\"cn/r\"", "5"] {
            assert_eq!(read("algo", other), Err(BadJob::Algo), "{other}");
        }
    }

    #[test]
    fn a_nonce_in_the_blob_means_nicehash() {
        let blob = format!("\"{}\"", crate::mining::KNOWN_BLOB);
        let job = read("blob", &blob).expect("valid");
        assert!(job.nicehash);
        assert_eq!(job.slot(), crate::mining::NonceSlot::Byte(0x40));
    }

    #[test]
    fn the_longest_job_fits_the_line() {
        let mut job = read("", "").expect("valid");
        job.blob = Blob::from_bytes(&[7; MAX_BLOB - 1]).expect("valid");
        job.next_seed = Some(job.seed);
        job.height = Some(u64::MAX);
        let mut out = [0; MAX_JOB_LINE];
        let mut w = Writer::new(&mut out);
        write(&mut w, &job, TargetWidth::Eight);
        let length = w.finish().expect("fits");
        assert!(length + 256 < MAX_JOB_LINE, "room for the reply around it");
        let again = parse(Value::parse(&out[..length]).ok(), false).expect("readable");
        assert_eq!((again.blob, again.next_seed), (job.blob, job.next_seed));
    }
}
