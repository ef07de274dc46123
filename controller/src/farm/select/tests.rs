//! The language: what is understood, what it takes, and what is said about the rest.

use std::collections::BTreeMap;

use super::*;

/// A rig of texts and numbers by key.
#[derive(Default)]
struct Rig {
    texts: BTreeMap<&'static str, Vec<&'static str>>,
    numbers: BTreeMap<&'static str, u64>,
}

fn name_of(key: Key) -> &'static str {
    let known = keys::KEYS.iter().find(|(_, known, _)| *known == key);
    known.expect("every key is in the table").0
}

impl Facts for Rig {
    fn any(&self, key: Key, passes: &dyn Fn(&str) -> bool) -> Option<bool> {
        let texts = self.texts.get(name_of(key))?;
        Some(texts.iter().any(|text| passes(text)))
    }

    fn number(&self, key: Key) -> Option<u64> {
        self.numbers.get(name_of(key)).copied()
    }
}

fn rig() -> Rig {
    Rig {
        texts: [
            ("name", vec!["rig-17"]),
            ("group", vec!["shed"]),
            ("tag", vec!["new", "loud"]),
            ("state", vec!["online", "mining"]),
            ("cpu", vec!["AMD Ryzen 9 5950X 16-Core Processor"]),
            ("pages", vec!["huge1G"]),
        ]
        .into(),
        numbers: [
            ("hashrate", 12_480_000),
            ("rtt", 100),
            ("seen", 2_000),
            ("score", 86),
        ]
        .into(),
    }
}

fn parsed(text: &str) -> Selector {
    text.parse().unwrap_or_else(|why| panic!("{text}: {why}"))
}

fn refused(text: &str) -> SelectError {
    text.parse::<Selector>().expect_err(text)
}

#[test]
fn a_rig_is_taken_if_every_term_holds() {
    for (text, takes) in [
        ("all", true),
        (" all ", true),
        ("group=shed", true),
        ("group=Shed", false),
        ("group=barn,shed", true),
        ("group=shed tag=new", true),
        ("group=shed tag=old", false),
        ("group=shed  tag!=old", true),
        ("tag=loud", true),
        ("tag!=loud", false),
        ("tag!=old,loud", false),
        ("!tag=loud", false),
        ("!tag!=loud", true),
        ("state=mining", true),
        ("state=MINING,offline", true),
        ("state!=offline", true),
        ("pages=HUGE1g", true),
        ("cpu~5950x", true),
        ("cpu~EPYC,ryzen", true),
        ("cpu!~ryzen", false),
        ("cpu~\"ryzen 9 5950\"", true),
        ("cpu~\"ryzen 5\"", false),
    ] {
        assert_eq!(parsed(text).takes(&rig()), takes, "{text}");
    }
}

#[test]
fn a_star_is_any_run_of_characters_unless_it_is_quoted() {
    for (text, takes) in [
        ("name=rig-17", true),
        ("name=rig-1*", true),
        ("name=*", true),
        ("name=*17", true),
        ("name=r*-*7", true),
        ("name=r*g*17", true),
        ("name=rig-17*", true),
        ("name=rig-1", false),
        ("name=*-1", false),
        ("name=rig*rig", false),
        ("name=\"rig-1*\"", false),
        ("name!=rig-2*", true),
        ("name!=rig-2*,rig-1*", false),
    ] {
        assert_eq!(parsed(text).takes(&rig()), takes, "{text}");
    }
}

#[test]
fn numbers_are_compared_with_their_units() {
    for (text, takes) in [
        ("hashrate>12", true),
        ("hashrate>12kH", true),
        ("hashrate<12.5kH/s", true),
        ("hashrate<12.48kH", false),
        ("hashrate<=12.48KH", true),
        ("hashrate>=12.481kh", false),
        ("hashrate=12480", true),
        ("hashrate!=12480", false),
        ("rtt>100", false),
        ("rtt>=0.1s", true),
        ("rtt=7,100ms", true),
        ("seen<1m", true),
        ("seen>1h", false),
        ("seen>1.5s seen<2.5s", true),
        ("score<80", false),
        ("!score<80", true),
    ] {
        assert_eq!(parsed(text).takes(&rig()), takes, "{text}");
    }
}

#[test]
fn what_is_not_known_fits_nothing_and_what_is_absent_is_known() {
    let unknown = Rig::default();
    for (text, takes) in [
        ("cpu~ryzen", false),
        ("cpu!~ryzen", false),
        ("cpu=", true),
        ("cpu!=", false),
        ("hashrate<500", false),
        ("!hashrate<500", false),
        ("hashrate=", true),
        ("hashrate!=", false),
        ("tag=old", false),
        ("tag!=old", true),
        ("group=", true),
        ("group=,shed", true),
        ("group!=", false),
        ("profile!=x", true),
        ("all", true),
    ] {
        assert_eq!(parsed(text).takes(&unknown), takes, "{text}");
    }
    for (text, takes) in [
        ("group=", false),
        ("group!=", true),
        ("hashrate=", false),
        ("hashrate!=", true),
        ("cpu=,x", false),
    ] {
        assert_eq!(parsed(text).takes(&rig()), takes, "{text}");
    }
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    for (text, at, says) in [
        ("", 0, "`all` is every rig"),
        ("   ", 3, "`all` is every rig"),
        ("grop=shed", 0, "did you mean group?"),
        ("group=shed hashrat<5", 11, "did you mean hashrate?"),
        ("group=shed colour=red", 11, "known are address, cpu"),
        ("rig-1", 0, "name=rig-1"),
        ("group", 0, "say which group: group=…"),
        ("all tag=x", 0, "`all` stands alone"),
        ("tag=x all", 6, "`all` stands alone"),
        ("=x", 0, "nothing is known as \"\""),
        ("!", 1, "begins with a key"),
        ("state=onlin", 6, "did you mean online?"),
        ("state=on,offlin", 6, "is none of"),
        ("state~line", 6, "words are compared by ="),
        ("group<3", 6, "texts are compared by = and ~"),
        ("hashrate~3", 9, "numbers are compared by"),
        ("hashrate<", 9, "12.5kH"),
        ("hashrate<1,2", 9, "one number alone"),
        ("hashrate<5kW", 9, "12.5kH"),
        ("score<-1", 6, "a number"),
        ("seen>60", 5, "with its unit"),
        ("rtt>1.", 4, "100ms"),
        ("generation>99999999999999999999", 11, "a number"),
        ("cpu~", 4, "needs a text"),
        ("name=\"rig", 5, "missing at the end"),
        ("name=\"rig\"x", 10, "ends with a blank"),
        ("name=ré grop=x", 8, "did you mean group?"),
    ] {
        let error = refused(text);
        assert_eq!(error.at, at, "{text}: {error}");
        assert!(error.why.contains(says), "{text}: {error}");
    }
    assert_eq!(
        refused("name=ré grop=x").to_string().split(':').next(),
        Some("at character 9")
    );
}

#[test]
fn a_mark_stands_under_the_place() {
    let text = "group=shed hashrat<5";
    assert_eq!(
        refused(text).caret(text),
        "group=shed hashrat<5\n           ^"
    );
}

#[test]
fn length_terms_and_values_are_bounded() {
    let terms = |n: usize| vec!["tag=a"; n].join(" ");
    assert!(terms(MAX_TERMS).parse::<Selector>().is_ok());
    assert!(terms(MAX_TERMS + 1).parse::<Selector>().is_err());
    let values = |n: usize| format!("tag={}", vec!["a"; n].join(","));
    assert!(values(MAX_VALUES).parse::<Selector>().is_ok());
    assert!(values(MAX_VALUES + 1).parse::<Selector>().is_err());
    let long = |n: usize| format!("name={}", "*".repeat(n - 5));
    let longest = parsed(&long(MAX_SELECTOR));
    assert!(longest.takes(&rig()), "all stars");
    assert!(long(MAX_SELECTOR + 1).parse::<Selector>().is_err());
}

#[test]
fn a_selector_remembers_its_text() {
    assert_eq!(
        parsed(" group=shed  tag!=x ").as_str(),
        "group=shed  tag!=x"
    );
    assert_eq!(Selector::all().as_str(), "all");
    assert_eq!(parsed("all"), Selector::all());
}

#[test]
fn every_key_can_be_asked_about_and_the_table_is_in_order() {
    for (name, _, kind) in keys::KEYS {
        let value = match kind {
            keys::Kind::Text => "x",
            keys::Kind::Words(words) => words[0],
            keys::Kind::Number(units, _) => &format!("1{}", units[0].0),
        };
        parsed(&format!("{name}={value}"));
    }
    let names: Vec<_> = keys::KEYS.iter().map(|(name, ..)| *name).collect();
    assert!(names.is_sorted());
}

#[test]
fn bounds_in_the_specification_are_those_of_the_code() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/SPECIFICATION.md");
    let text = std::fs::read_to_string(path).expect("there");
    for (name, value) in [
        ("MAX_SELECTOR", MAX_SELECTOR),
        ("MAX_TAGS", crate::registry::MAX_TAGS),
        ("MAX_TERMS", MAX_TERMS),
        ("MAX_NAMED", crate::farm::bulk::MAX_NAMED),
        ("MAX_VALUES", MAX_VALUES),
        ("PORTION", crate::farm::fleet::PORTION),
    ] {
        let value = crate::units::count(u64::try_from(value).expect("small"));
        assert!(text.contains(&format!("| `{name}` | {value} |")), "{name}");
    }
}

/// Texts of pieces of the language in any order, and of bytes that are none.
#[test]
fn whatever_is_typed_is_understood_or_refused_at_a_place_within_it() {
    let pieces = [
        "group", "cpu", "hashrate", "state", "seen", "=", "!=", "~", "!~", "<", "<=", ">", "!",
        ",", "\"", " ", "*", "all", "1.5kH", "9", ".", "é", "\u{1b}", "\u{0}", "\t", "offline",
        "x",
    ];
    let mut state = 7_u64;
    let mut next = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(state >> 33).expect("31 bits") % below
    };
    for _ in 0..20_000 {
        let text: String = (0..next(12)).map(|_| pieces[next(pieces.len())]).collect();
        match text.parse::<Selector>() {
            Ok(selector) => {
                selector.takes(&rig());
                assert_eq!(parsed(selector.as_str()), selector, "{text:?}");
            }
            Err(error) => assert!(error.at <= text.chars().count(), "{text:?}: {error}"),
        }
    }
}
