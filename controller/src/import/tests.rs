use super::*;
use crate::api::PoolBody;

/// What XMRig writes when it starts without a file, with a pool of ours, a comment and last commas.
const XMRIG: &str = include_str!("tests/xmrig.json");
const XMRIG_PROXY: &str = include_str!("tests/xmrig-proxy.json");

fn read(text: &str) -> Import {
    import(Program::Xmrig, text, "night").expect("a pool")
}

/// A file with one pool and these fields beside it.
fn with(fields: &str) -> Import {
    let pool = r#""pools": [{"url": "pool.example:1", "user": "w"}]"#;
    read(&format!("{{ {fields}, {pool} }}"))
}

fn line<'a>(import: &'a Import, field: &str) -> &'a Line {
    let found = import.report.iter().find(|line| line.field == field);
    found.unwrap_or_else(|| panic!("no line about {field}: {:#?}", import.report))
}

fn verdict(import: &Import, field: &str) -> Verdict {
    line(import, field).verdict
}

#[test]
fn the_file_that_xmrig_writes_becomes_a_profile() {
    let import = read(XMRIG);
    let profile = &import.profile;
    profile.check().expect("keeps every rule");
    assert_eq!(profile.name.as_deref(), Some("night"));
    assert_eq!(profile.mode.as_deref(), Some("fast"));
    assert_eq!(profile.threads, Some(3));
    let pools: Vec<_> = profile
        .pools
        .iter()
        .map(|pool| (pool.url.as_deref().unwrap_or_default(), pool.tls))
        .collect();
    assert_eq!(
        pools,
        [("pool.example:3333", false), ("[2001:db8::1]:9000", true)]
    );
    assert_eq!(profile.pools[0].pass.as_deref(), Some("HUNTER2"));
}

#[test]
fn every_field_of_the_files_of_both_programs_is_known() {
    for (program, text) in [(Program::Xmrig, XMRIG), (Program::XmrigProxy, XMRIG_PROXY)] {
        let import = import(program, text, "x").expect("a pool");
        let unknown: Vec<_> = import
            .report
            .iter()
            .filter(|line| line.verdict == Verdict::Unknown)
            .collect();
        assert!(unknown.is_empty(), "{unknown:#?}");
    }
}

#[test]
fn no_line_of_a_report_holds_a_secret() {
    for (program, text) in [(Program::Xmrig, XMRIG), (Program::XmrigProxy, XMRIG_PROXY)] {
        assert!(text.matches("HUNTER2").count() > 1);
        let import = import(program, text, "x").expect("a pool");
        assert!(!format!("{:?}", import.report).contains("HUNTER2"));
    }
    // Not by an error either.
    let failed =
        import(Program::Xmrig, r#"{"pools": [{"pass": "HUNTER2"}]}"#, "x").expect_err("no url");
    assert!(!failed.message.contains("HUNTER2"), "{failed}");
    let failed = import(
        Program::Xmrig,
        r#"{"pools": [{"url": "me:HUNTER2@pool.example:1"}]}"#,
        "x",
    );
    assert!(!failed.expect_err("a login").message.contains("HUNTER2"));
    let failed = import(
        Program::Xmrig,
        r#"{"pools": [{"pass": "HUNTER2" "x"}]}"#,
        "x",
    );
    assert!(!failed.expect_err("no JSON").message.contains("HUNTER2"));
}

#[test]
fn a_fee_is_refused_in_so_many_words() {
    let import = with(r#""donate-level": 5"#);
    assert_eq!(line(&import, "donate-level").note, "no fee is taken here");
    assert_eq!(verdict(&import, "donate-level"), Verdict::Refused);
}

#[test]
fn an_unknown_field_is_named() {
    let import = with(r#""colour": 1, "cpu": {"turbo": true}, "randomx": {"speed": 2}"#);
    for field in ["colour", "cpu.turbo", "randomx.speed"] {
        assert_eq!(verdict(&import, field), Verdict::Unknown);
    }
}

#[test]
fn urls_are_taken_in_every_form_that_leads_to_a_pool() {
    let url = |text: &str| {
        let text = format!(r#"{{"pools": [{{"url": "{text}"}}]}}"#);
        let import = import(Program::Xmrig, &text, "x").ok()?;
        let pool = import.profile.pools.into_iter().next()?;
        Some((pool.url.unwrap_or_default(), pool.tls))
    };
    for (text, address, tls) in [
        ("pool.example:1", "pool.example:1", false),
        ("stratum+tcp://pool.example:1", "pool.example:1", false),
        ("stratum+ssl://pool.example:1", "pool.example:1", true),
        ("pool.example", "pool.example:3333", false),
        ("[::1]:7", "[::1]:7", false),
        ("[::1]", "[::1]:3333", false),
    ] {
        assert_eq!(url(text), Some((address.to_owned(), tls)), "{text}");
    }
    for text in [
        "",
        "daemon+http://node.example:1",
        "pool.example:99999",
        "a b:1",
        "u:p@pool.example:1",
    ] {
        assert_eq!(url(text), None, "{text}");
    }
}

#[test]
fn a_pool_that_cannot_be_mined_on_is_left_out_with_its_reason_and_the_others_stay() {
    let import = read(
        r#"{"pools": [
            {"url": "a.example:1", "algo": "kawpow", "user": "a"},
            {"url": "b.example:1", "daemon": true},
            {"url": "c.example:1", "enabled": false},
            {"url": "d.example:1", "algo": "rx/0", "coin": null},
            {"url": "e.example:1", "coin": "ravencoin"}, 7
        ]}"#,
    );
    let urls: Vec<_> = import
        .profile
        .pools
        .iter()
        .filter_map(|pool| pool.url.as_deref())
        .collect();
    assert_eq!(urls, ["d.example:1"]);
    for field in [
        "pools[0].algo",
        "pools[1].daemon",
        "pools[2]",
        "pools[4].coin",
        "pools[5]",
    ] {
        assert_eq!(verdict(&import, field), Verdict::Refused, "{field}");
    }
    assert!(
        !import
            .report
            .iter()
            .any(|line| line.field == "pools[0].user")
    );
}

#[test]
fn the_fourth_pool_is_one_too_many() {
    let pools: Vec<String> = (1..=4)
        .map(|n| format!(r#"{{"url": "p{n}.example:1"}}"#))
        .collect();
    let import = read(&format!(r#"{{"pools": [{}]}}"#, pools.join(",")));
    assert_eq!(import.profile.pools.len(), 3);
    assert_eq!(verdict(&import, "pools[3]"), Verdict::Refused);
}

#[test]
fn a_file_without_a_pool_says_why_there_is_none() {
    for (text, why) in [
        ("{}", "it names none"),
        (r#"{"pools": []}"#, "it names none"),
        (r#"{"pools": [{}]}"#, "pools[0]: it has no url"),
        (
            r#"{"pools": [{"url": "x:1", "algo": "cn/r"}]}"#,
            "pools[0].algo: only RandomX is mined (rx/0)",
        ),
    ] {
        let failed = import(Program::Xmrig, text, "x").expect_err("no pool");
        assert_eq!(failed.code, Code::InvalidConfig);
        assert!(failed.message.ends_with(why), "{failed}");
    }
}

#[test]
fn threads_come_from_the_list_of_the_algorithm_and_otherwise_from_the_hint() {
    let threads = |cpu: &str| {
        let profile = with(&format!(r#""cpu": {cpu}"#)).profile;
        (profile.threads, profile.threads_percent)
    };
    assert_eq!(
        threads(r#"{"rx": [0, 2], "*": [0], "max-threads-hint": 50}"#),
        (Some(2), None)
    );
    assert_eq!(
        threads(r#"{"rx/0": "rx", "rx": [0, 2, 4], "rx/wow": [0]}"#),
        (Some(3), None)
    );
    assert_eq!(threads(r#"{"*": {"threads": 7}}"#), (Some(7), None));
    assert_eq!(threads(r#"{"max-threads-hint": 50}"#), (None, Some(50)));
    assert_eq!(threads(r#"{"max-threads-hint": 100}"#), (None, None));
    assert_eq!(
        threads(r#"{"rx": 300, "max-threads-hint": 0}"#),
        (None, None)
    );
    assert_eq!(with(r#""threads": 4"#).profile.threads, Some(4));
    assert_eq!(
        with(r#""threads": [{"low_power_mode": 1}, {}]"#)
            .profile
            .threads,
        Some(2)
    );
    assert_eq!(
        with(r#""max-cpu-usage": 75"#).profile.threads_percent,
        Some(75)
    );
}

#[test]
fn pages_priority_and_coin_are_taken_in_our_own_words() {
    let import = with(
        r#""cpu": {"huge-pages": false, "priority": 0}, "randomx": {"1gb-pages": true}, "coin": "XMR""#,
    );
    assert_eq!(import.profile.pages.as_deref(), Some("small"));
    assert_eq!(import.profile.nice, Some(19));
    assert_eq!(import.profile.coin.as_deref(), Some("monero"));
    assert_eq!(verdict(&import, "randomx.1gb-pages"), Verdict::Refused);
    let import = with(r#""randomx": {"1gb-pages": true}, "cpu": {"priority": 5}"#);
    assert_eq!(import.profile.pages.as_deref(), Some("huge1G"));
    assert_eq!(import.profile.nice, None);
    assert_eq!(verdict(&import, "cpu.priority"), Verdict::Refused);
}

#[test]
fn a_profile_comes_back_as_it_was_exported() {
    let pool = |url: &str, tls| PoolBody {
        url: Some(url.to_owned()),
        user: Some("wallet.rig+1000".to_owned()),
        pass: None,
        tls,
    };
    let some = |text: &str| Some(text.to_owned());
    for (threads, threads_percent) in [(Some(2), None), (None, Some(50)), (None, None)] {
        for (pages, nice) in [("auto", 0), ("small", 5), ("huge1G", 19)] {
            let profile = ProfileBody {
                name: some("night"),
                coin: some("monero"),
                mode: some("light"),
                threads,
                threads_percent,
                pages: some(pages),
                nice: Some(nice),
                pools: vec![pool("a.example:1", false), pool("[::1]:2", true)],
                ..ProfileBody::default()
            };
            let (text, lost) = export(&profile);
            assert!(lost.is_empty(), "{lost:?}");
            let back = read(&text);
            let refused =
                |line: &&Line| line.verdict == Verdict::Refused && line.field != "autosave";
            assert_eq!(
                back.report.iter().filter(refused).count(),
                0,
                "{:#?}",
                back.report
            );
            let spec =
                |body: &ProfileBody| format!("{:?}", body.check().expect("keeps every rule"));
            assert_eq!(spec(&back.profile), spec(&profile));
        }
    }
}

#[test]
fn what_a_file_cannot_say_is_told() {
    let profile = ProfileBody {
        nice: Some(7),
        windows: vec!["mon-fri 22:00-06:00".to_owned()],
        ..ProfileBody::default()
    };
    let (_, lost) = export(&profile);
    assert_eq!(lost.len(), 2, "{lost:?}");
}

/// Pieces of a file in any order, and cuts of a whole one.
#[test]
fn whatever_a_file_holds_it_is_understood_or_refused() {
    let pieces = [
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\\",
        "//",
        "/*",
        "*/",
        "\n",
        " ",
        "\"pools\"",
        "\"url\"",
        "\"cpu\"",
        "\"rx\"",
        "\"a:1\"",
        "-1",
        "1e999",
        "null",
        "true",
        "é",
        "\u{1b}",
    ];
    let mut state = 7_u64;
    let mut next = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(state >> 33).expect("31 bits") % below
    };
    let try_it = |text: &str| {
        for program in [Program::Xmrig, Program::XmrigProxy] {
            if let Ok(import) = import(program, text, "x") {
                assert!(!import.profile.pools.is_empty());
            }
        }
    };
    for _ in 0..20_000 {
        let count = next(12);
        let text: String = (0..count).map(|_| pieces[next(pieces.len())]).collect();
        try_it(&text);
        try_it(&format!(
            "{{\"pools\": [{{\"url\": \"p.example:1\", {text}}}], {text}"
        ));
    }
    for cut in (0..XMRIG.len()).filter(|cut| XMRIG.is_char_boundary(*cut)) {
        try_it(&XMRIG[..cut]);
    }
}
