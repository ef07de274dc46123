//! Against addresses that their projects publish, each of which proves itself by its checksum.

use super::*;

/// The Monero project's general fund.
const FUND: &str = "44AFFq5kSiGBoZ4NMDwYtN18obc8AemS33DBLWs3H7otXft3XjrpDtQGv7SqSsaBYBb98uNbr2VBBEt7f2wfn3RVGQBEP3A";
/// Governance of Zephyr, in its `cryptonote_config.h`.
const ZEPHYR: &str = "ZEPHYR2jZrZXenfKejCcCmEkRzUYwXjgWfJF4yzdCznKQ8yQ3g3PsWUbZjzfzHbeTPMgXVmEuDKQUB9rPkgtVwyWRh9knU4EpfJ57";
/// Treasury of Salvium, in its `cryptonote_config.h`.
const SALVIUM: &str = "SaLvdZR6w1A21sf2Wh6jYEh1wzY4GSbT7RX6FjyPsnLsffWLrzFQeXUXJcmBLRWDzZC2YXeYe5t7qKsnrg9FpmxmEcxPHsEYfqA";

fn coin(name: &str) -> Coin {
    name.parse().expect("a coin")
}

fn check_as(name: &str, login: &str) -> Result<Checked, WalletFault> {
    check(Some(&coin(name)), login)
}

/// An address with this prefix, by the definition at the head of the module.
fn made(prefix: u64, payment_id: bool) -> String {
    let mut bytes = Vec::new();
    let mut left = prefix;
    while left >= 0x80 {
        bytes.push(low_byte(left) | 0x80);
        left >>= 7;
    }
    bytes.push(low_byte(left));
    let keys = if payment_id { 72 } else { 64 };
    bytes.extend((0..keys).map(|n| low_byte(n * 37 + 11)));
    let sum = Keccak256::digest(&bytes);
    bytes.extend_from_slice(&sum[..CHECKSUM]);
    let alphabet = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    let mut text = String::new();
    for block in bytes.chunks(8) {
        let mut number = block
            .iter()
            .fold(0_u128, |n, byte| n << 8 | u128::from(*byte));
        let mut digits = vec![b'1'; encoded_len(block.len())];
        for digit in digits.iter_mut().rev() {
            *digit = alphabet[(number % 58) as usize];
            number /= 58;
        }
        text.extend(digits.into_iter().map(char::from));
    }
    text
}

fn low_byte(number: u64) -> u8 {
    number.to_le_bytes()[0]
}

#[test]
fn published_addresses_are_taken_with_what_pools_let_one_append() {
    for login in [
        FUND.to_owned(),
        format!("{FUND}.rig-alpha"),
        format!("{FUND}+5000"),
        format!("{FUND}.rig-alpha+5000"),
        format!("{FUND}/rig@mail.example"),
    ] {
        assert_eq!(check(None, &login), Ok(Checked::Address), "{login}");
        assert_eq!(check_as("monero", &login), Ok(Checked::Address), "{login}");
    }
    assert_eq!(check_as("zephyr", ZEPHYR), Ok(Checked::Address));
    assert_eq!(check_as("salvium", SALVIUM), Ok(Checked::Address));
}

#[test]
fn every_single_wrong_character_is_found() {
    for (name, address) in [("monero", FUND), ("zephyr", ZEPHYR), ("salvium", SALVIUM)] {
        for at in 0..address.len() {
            for c in ('0'..='9').chain('A'..='Z').chain('a'..='z') {
                let mut wrong = address.to_owned();
                wrong.replace_range(at..=at, &c.to_string());
                if wrong != address {
                    assert!(check_as(name, &wrong).is_err(), "{wrong}");
                }
            }
        }
    }
}

#[test]
fn two_exchanged_neighbours_a_lost_and_a_doubled_character_are_found() {
    for at in 0..FUND.len() - 1 {
        let mut swapped = FUND.as_bytes().to_vec();
        swapped.swap(at, at + 1);
        let swapped = String::from_utf8(swapped).expect("text");
        if swapped != FUND && swapped.starts_with('4') {
            assert_eq!(check(None, &swapped), Err(WalletFault::Checksum));
        }
        let (before, after) = FUND.split_at(at + 1);
        let lost = format!("{}{after}", &before[..at]);
        let doubled = format!("{before}{}{after}", &before[at..]);
        for wrong in [lost, doubled] {
            let fault = check_as("monero", &wrong);
            assert!(
                matches!(fault, Err(WalletFault::Length { .. })),
                "{fault:?}"
            );
        }
    }
}

#[test]
fn every_form_of_every_known_coin_is_taken_as_its_own_and_as_no_other() {
    for form in &FORMS {
        let [standard, integrated, sub] = form.prefixes;
        for address in [
            made(standard, false),
            made(integrated, true),
            made(sub, false),
        ] {
            assert_eq!(
                check_as(form.coin, &address),
                Ok(Checked::Address),
                "{address}"
            );
            for other in FORMS.iter().filter(|other| other.coin != form.coin) {
                let fault = check_as(other.coin, &address).expect_err("another coin's");
                assert_eq!(
                    fault,
                    WalletFault::OtherCoin {
                        is: Some(form.title),
                        wanted: other.title
                    }
                );
            }
        }
        // A payment id does not belong behind a standard prefix, nor is one missing.
        assert!(check_as(form.coin, &made(standard, true)).is_err());
        assert!(check_as(form.coin, &made(integrated, false)).is_err());
    }
}

#[test]
fn addresses_look_as_people_know_them() {
    for (name, kind, begins) in [
        ("monero", 0, "4"),
        ("monero", 1, "4"),
        ("monero", 2, "8"),
        ("monero-stagenet", 0, "5"),
        ("monero-stagenet", 2, "7"),
        ("monero-testnet", 2, "B"),
        ("wownero", 0, "W"),
        ("wownero", 2, "WW"),
        ("zephyr", 0, "ZEPHYR"),
        ("zephyr", 2, "ZEPHs"),
        ("zephyr", 1, "ZEPHi"),
        ("salvium", 0, "SaLv"),
    ] {
        let form = coin(name).forms().next().expect("known");
        let address = made(form.prefixes[kind], kind == 1);
        assert!(address.starts_with(begins), "{name}: {address}");
    }
    let carrot = coin("salvium").forms().nth(1).expect("two forms");
    assert!(made(carrot.prefixes[0], false).starts_with("SC1"));
}

#[test]
fn logins_that_are_no_addresses_stay_possible_where_no_coin_is_named() {
    for login in [
        "practice",
        "x",
        "",
        "rig-alpha",
        "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq",
    ] {
        assert_eq!(check(None, login), Ok(Checked::Login), "{login}");
    }
    assert_eq!(check_as("monero", ""), Err(WalletFault::Missing));
}

#[test]
fn an_unknown_coin_is_checked_for_form_only() {
    assert_eq!(check_as("raptoreum", "RAbc"), Ok(Checked::FormOnly));
    assert_eq!(check_as("raptoreum", " "), Err(WalletFault::Missing));
    assert!(
        "Monero"
            .parse::<Coin>()
            .is_ok_and(|coin| coin.as_str() == "monero")
    );
    for bad in ["", "mon ero", "münze", &"x".repeat(MAX_COIN + 1)] {
        assert_eq!(bad.parse::<Coin>(), Err(NoCoin), "{bad}");
    }
}

#[test]
fn a_fault_says_what_is_wrong() {
    let said = |login: &str| check_as("monero", login).expect_err("wrong").to_string();
    assert_eq!(
        said(&FUND.replace("FFq5", "FFq6")),
        "checksum differs: a character was mistyped"
    );
    assert_eq!(
        said(&FUND.replace("FFq5", "FF05")),
        "character 6 is '0', which no address has: zero and capital O are left out"
    );
    assert_eq!(
        said(&FUND[..94]),
        "it has 94 characters, and a Monero address 95 (integrated: 106)"
    );
    assert_eq!(
        said(ZEPHYR),
        "it is a Zephyr address, and a Monero address is wanted"
    );
    assert_eq!(
        said("practice"),
        "it has 8 characters, and a Monero address 95 (integrated: 106)"
    );
}
