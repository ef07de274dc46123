use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use argh::CommandInfoWithArgs;
use miner_agent::cli::Exit;
use miner_agent::store::Dirs;

use super::file::{MAX_CONFIG_FILE, Problem};
use super::service::{HTTP, LISTEN, LOG_LEVEL, POOL, THREADS, TLS, USER, USER_FILE, WORKER};
use super::*;
use crate::golden;

/// Fails unless the flags of a command are the table's: names, help, and whether they take a value.
/// `own` are flags that are no options of the service.
pub(crate) fn compare(info: &CommandInfoWithArgs, own: &[&str], remark: bool) {
    let theirs: BTreeSet<(String, String, bool)> = info
        .flags
        .iter()
        .filter(|flag| !own.contains(&flag.long))
        .map(|flag| {
            let help = flag.description.split_whitespace().collect::<Vec<_>>();
            let takes = matches!(flag.kind, argh::FlagInfoKind::Option { .. });
            (flag.long.to_owned(), help.join(" "), takes)
        })
        .collect();
    let has = |of: &&&Definition| !(remark && of.of == Of::Up);
    let ours: BTreeSet<(String, String, bool)> = service::ALL
        .iter()
        .filter(has)
        .filter_map(|of| {
            let takes = !matches!(of.kind, Kind::Switch);
            Some((of.flag()?, of.flag_help(remark), takes))
        })
        .collect();
    let here: Vec<_> = theirs.difference(&ours).collect();
    let there: Vec<_> = ours.difference(&theirs).collect();
    assert!(
        theirs == ours,
        "of {} alone: {here:#?}; of the table alone: {there:#?}",
        info.name
    );
}

fn both_tables() -> impl Iterator<Item = &'static Definition> {
    service::ALL.iter().chain(profile::ALL).copied()
}

#[test]
fn defaults_and_examples_are_values_of_their_kind() {
    for of in both_tables() {
        let value = of.default_value().unwrap_or(of.example);
        assert_eq!(of.kind.check(value), Ok(()), "{}: {value:?}", of.key);
        if let Kind::Whole { min, max } = of.kind {
            assert!(of.kind.check(&max.to_string()).is_ok());
            assert!(of.kind.check(&(max + 1).to_string()).is_err());
            assert!(min == 0 || of.kind.check(&(min - 1).to_string()).is_err());
        }
    }
}

#[test]
fn each_key_is_defined_once_and_says_what_it_does() {
    let keys: BTreeSet<_> = both_tables()
        .map(|of| (of.of == Of::Profile, of.key))
        .collect();
    assert_eq!(keys.len(), both_tables().count());
    for of in both_tables() {
        assert!(
            of.help.starts_with(|c: char| c.is_lowercase()),
            "{}",
            of.key
        );
        assert!(
            !of.help.ends_with('.') && !of.since.is_empty(),
            "{}",
            of.key
        );
        // Secrets come by file, but for the body of a request, which no process list shows.
        assert!(
            !of.secret || of.of == Of::Profile || matches!(of.kind, Kind::Path),
            "{}",
            of.key
        );
    }
}

#[test]
fn fields_of_a_profile_are_those_of_the_api() {
    let api: serde_json::Value =
        serde_json::from_str(crate::api::describe_as_text()).expect("JSON");
    let fields = |body: &str, before: &str| -> BTreeSet<(String, Option<u64>, Option<u64>)> {
        let fields = &api["components"]["schemas"][body]["properties"];
        let fields = fields.as_object().expect("an object").iter();
        let number = |field: &serde_json::Value, name: &str| field[name].as_u64();
        fields
            .filter(|(name, _)| !["pools", "comment", "version"].contains(&name.as_str()))
            .map(|(name, field)| {
                let name = format!("{before}{name}");
                (name, number(field, "minimum"), number(field, "maximum"))
            })
            .collect()
    };
    let mut theirs = fields("ProfileBody", "");
    theirs.extend(fields("PoolBody", "pools[]."));
    let ours = describe().into_iter().filter(|view| view.of == "profile");
    let ours: BTreeSet<_> = ours
        .map(|view| (view.key.to_owned(), view.minimum, view.maximum))
        .collect();
    assert_eq!(ours, theirs);
}

/// A folder with a configuration file, and what it says.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new(text: &str) -> Self {
        let folder = Self(tempfile::tempdir().expect("temporary folder"));
        folder.write("controller.toml", text, 0o600);
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str, mode: u32) {
        fs::write(self.path(name), text).expect("ours");
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).expect("ours");
    }

    fn open(&self) -> ConfigFile {
        let dirs = Dirs::below(self.0.path());
        ConfigFile::open(Some(&self.path("controller.toml")), &dirs).expect("readable")
    }
}

/// The problems of a file, as `line: what`.
fn problems(text: &str) -> Vec<String> {
    let folder = Folder::new(text);
    let file = folder.open();
    let shown = file.problems().iter().map(|Problem { line, what }| {
        line.map_or_else(|| what.clone(), |line| format!("{line}: {what}"))
    });
    shown.collect()
}

#[test]
fn a_good_file_says_what_it_says() {
    let folder =
        Folder::new("# ours\nlisten = \":7\"\nworker = false\nthreads = 0x10\ntls = true\n");
    let file = folder.open();
    assert_eq!(file.problems(), []);
    let settings = Settings::of(Layer::default(), file.layer().expect("good")).expect("good");
    assert_eq!(settings.text(&LISTEN), Some(":7"));
    assert_eq!(settings.get::<u16>(&THREADS).expect("a number"), Some(16));
    assert!(settings.is_on(&TLS) && !settings.is_on(&WORKER));
    assert_eq!(settings.origin(&LISTEN), Origin::File(2));
    assert_eq!(settings.origin(&HTTP), Origin::Default);
    assert_eq!(settings.text(&HTTP), Some("127.0.0.1:9090"));
}

#[test]
fn what_is_wrong_is_told_with_its_line_and_the_nearest_key() {
    for (text, told) in [
        (
            "\nlisen = \":7\"",
            "2: there is no key lisen; did you mean listen?",
        ),
        (
            "log_level = \"info\"",
            "1: there is no key log_level; did you mean log-level?",
        ),
        (
            "colour = \"red\"",
            "1: there is no key colour; `miner-ctrl config example` shows all",
        ),
        (
            "no-worker = true",
            "1: no-worker is a flag; here it is worker = false",
        ),
        (
            "[http]\nport = 1",
            "1: there are no sections here, and http is one; every key stands for itself",
        ),
        (
            "threads = \"four\"",
            "1: threads must be a whole number, without quotes, not a text",
        ),
        (
            "threads = 0",
            "1: threads cannot be used: it is a whole number from 1 to 256",
        ),
        (
            "tls = \"yes\"",
            "1: tls must be true or false, without quotes, not a text",
        ),
        (
            "listen = 9091",
            "1: listen must be a text in quotes, not a number",
        ),
        (
            "listen = \"9091\"",
            "1: listen cannot be used: it is not [HOST]:PORT, such as :9091",
        ),
        (
            "log-level = \"loud\"",
            "1: log-level cannot be used: it is error, warn, info, debug or trace",
        ),
        (
            "pass-file = \"-\"",
            "1: pass-file must name a file; only a flag can mean standard input by -",
        ),
        (
            "pass-file = \"~/p\"",
            "1: pass-file: only a shell knows ~; write the whole path",
        ),
    ] {
        assert_eq!(problems(text), [told], "{text}");
    }
}

#[test]
fn all_problems_of_a_file_are_told_at_once_in_order() {
    let told = problems("lisen = \":7\"\nthreads = 999\nhttp = = 1\ntls = 1\n");
    assert_eq!(told.len(), 4, "{told:?}");
    let lines: Vec<_> = told.iter().map(|told| told.split(':').next()).collect();
    assert_eq!(lines, [Some("1"), Some("2"), Some("3"), Some("4")]);
    assert_eq!(problems("tls = true\ntls = false").len(), 1, "said twice");
}

#[test]
fn a_secret_in_the_file_is_refused_and_not_repeated() {
    let told = problems("pass = \"HUNTER2\"");
    assert!(
        told[0].contains("pass-file") && !told[0].contains("HUNTER2"),
        "{told:?}"
    );
    let told = problems("password = [\"HUNTER2\"\n");
    assert!(!told.join("").contains("HUNTER2"), "{told:?}");
}

#[test]
fn a_file_with_a_secret_is_read_only_if_nobody_else_may() {
    let folder = Folder::new("pass-file = \"secret\"");
    folder.write("secret", "x", 0o644);
    let told = folder.open();
    assert!(told.problems()[0].what.contains("chmod 600"), "{told:?}");
    folder.write("secret", "x", 0o600);
    let file = folder.open();
    assert_eq!(file.problems(), []);
    // Its name is seen from the folder of the configuration file.
    let settings = Settings::of(Layer::default(), file.layer().expect("good")).expect("good");
    assert_eq!(
        settings.path(&service::PASS_FILE),
        Some(folder.path("secret"))
    );
    fs::remove_file(folder.path("secret")).expect("ours");
    assert!(folder.open().problems()[0].what.contains("No such file"));
}

#[test]
fn a_file_that_others_may_write_is_not_read() {
    let folder = Folder::new("");
    folder.write("controller.toml", "user = \"theirs\"", 0o622);
    let dirs = Dirs::below(folder.0.path());
    let failure =
        ConfigFile::open(Some(&folder.path("controller.toml")), &dirs).expect_err("refused");
    assert!(failure.line.contains("chmod go-w"), "{}", failure.line);
}

#[test]
fn too_long_a_file_and_one_that_is_no_text_are_refused() {
    for bytes in [
        vec![b'#'; usize::try_from(MAX_CONFIG_FILE).expect("small") + 1],
        vec![0xff],
    ] {
        let folder = Folder::new("");
        fs::write(folder.path("controller.toml"), bytes).expect("ours");
        let dirs = Dirs::below(folder.0.path());
        assert!(ConfigFile::open(Some(&folder.path("controller.toml")), &dirs).is_err());
    }
}

#[test]
fn the_default_file_may_be_missing_and_a_named_one_may_not() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let dirs = Dirs::below(folder.path());
    let file = ConfigFile::open(None, &dirs).expect("defaults");
    assert!(!file.exists() && file.problems().is_empty());
    assert_eq!(
        file.path(),
        dirs.node_json().with_file_name("controller.toml")
    );
    assert!(ConfigFile::open(Some(&folder.path().join("x")), &dirs).is_err());
}

#[test]
fn a_start_names_the_first_problem_and_counts_the_rest() {
    let failure = Folder::new("a = 1\nb = 2")
        .open()
        .layer()
        .expect_err("refused");
    assert_eq!(failure.exit, Exit::Usage);
    assert!(
        failure
            .line
            .contains("controller.toml:1: there is no key a"),
        "{}",
        failure.line
    );
    assert!(
        failure
            .line
            .ends_with("1 more, see `miner-ctrl config check`"),
        "{}",
        failure.line
    );
}

fn layer(said: &[(&'static Definition, &str)]) -> Layer {
    let mut layer = Layer::default();
    for (of, text) in said {
        layer = layer.texts([(of, Some((*text).to_owned()))]);
    }
    layer
}

#[test]
fn a_flag_wins_over_the_file_and_the_file_over_the_default() {
    let file = Folder::new("listen = \":7\"\nhttp = \"127.0.0.1:7\"")
        .open()
        .layer()
        .expect("good");
    let settings = Settings::of(layer(&[(&LISTEN, ":8")]), file).expect("good");
    assert_eq!(settings.text(&LISTEN), Some(":8"));
    assert_eq!(settings.origin(&LISTEN), Origin::Flag);
    assert_eq!(settings.text(&HTTP), Some("127.0.0.1:7"));
    assert_eq!(settings.text(&LOG_LEVEL), Some("warn"));
}

#[test]
fn a_flag_hides_what_the_file_says_instead_of_it() {
    let file = layer(&[(&USER, "theirs"), (&POOL, "pool.example:1")]);
    let settings = Settings::of(layer(&[(&USER_FILE, "mine")]), file).expect("good");
    assert_eq!(settings.text(&USER), None);
    assert_eq!(settings.text(&USER_FILE), Some("mine"));
    assert_eq!(settings.text(&POOL), Some("pool.example:1"));
}

#[test]
fn a_flag_that_cannot_be_used_is_named() {
    let failure = Settings::of(layer(&[(&THREADS, "0")]), Layer::default()).expect_err("refused");
    assert_eq!(failure.exit, Exit::Usage);
    assert_eq!(
        failure.line,
        "--threads cannot be used: it is a whole number from 1 to 256"
    );
}

#[test]
fn the_example_is_a_good_file_also_with_every_key_in_force() {
    let text = example();
    assert_eq!(problems(&text), Vec::<String>::new());
    let in_force: String = text
        .lines()
        .map(|line| line.strip_prefix('#').filter(|line| !line.starts_with(' ')))
        .fold(String::new(), |all, line| {
            all + line.unwrap_or_default() + "\n"
        });
    let folder = Folder::new(&in_force);
    for name in ["wallet.txt", "pool-pass.txt", "tls.crt", "tls.key"] {
        folder.write(name, "x", 0o600);
    }
    let file = folder.open();
    assert_eq!(file.problems(), []);
    assert!(
        service::ALL
            .iter()
            .all(|of| in_force.contains(&format!("\n{} = ", of.key)))
    );
}

#[test]
fn bounds_in_the_specification_are_those_of_the_code() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/SPECIFICATION.md");
    let text = fs::read_to_string(path).expect("there");
    for (name, value) in [
        ("MAX_CONFIG_FILE", MAX_CONFIG_FILE),
        ("MAX_IMPORT", crate::import::MAX_IMPORT),
    ] {
        let value = crate::units::count(value);
        assert!(text.contains(&format!("| `{name}` | {value} |")), "{name}");
    }
}

#[test]
fn options_document_is_the_tables() {
    let mut out = String::from(
        "# Options\n\n\
         Made from the tables in `controller/src/options`; `UPDATE=1 cargo nextest run -p miner-ctrl options_document` writes it\n\
         anew, and the same test fails while it is out of date. `GET /api/v1/mining/options` has the same as JSON.\n\n\
         ## The service: `up`, `node serve`\n\n\
         In the configuration file ([Configuration file](OPERATING.md#configuration-file)) and on the command line; a flag wins over\n\
         the file. A change takes hold at the next start.\n\n\
         | key | flag | type | range or form | default | what | of | since |\n|---|---|---|---|---|---|---|---|\n",
    );
    for of in service::ALL {
        let by = match of.of {
            Of::Both => "both",
            Of::BothBut(but) => but,
            Of::Up => "`up`",
            Of::Profile => "",
        };
        row(&mut out, of, &format!(" {by} |"));
    }
    out += "\n## Profiles\n\n\
        Fields of the body of `POST /profiles`, and flags of `profile create`. Rigs take a change when they are started with it.\n\n\
        | field | flag | type | range or form | default | what | since |\n|---|---|---|---|---|---|---|\n";
    for of in profile::ALL {
        row(&mut out, of, "");
    }
    golden::check("docs/OPTIONS.md", &out, "options_document");
}

fn row(out: &mut String, of: &Definition, by: &str) {
    let code = |text: &str| format!("`{text}`");
    let default = match of.default {
        Default::Is(text) => code(text),
        Default::Words(text) => text.to_owned(),
        Default::None => of.default_value().map(code).unwrap_or_default(),
    };
    let _ = writeln!(
        out,
        "| `{}` | {} | {} | {} | {default} | {} |{by} {} |",
        of.key,
        of.flag().as_deref().map(code).unwrap_or_default(),
        of.kind.type_name(),
        of.kind.form().unwrap_or_default(),
        of.help,
        of.since,
    );
}
